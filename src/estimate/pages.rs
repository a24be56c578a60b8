//! Pages of the program's file that a process touches only once it trains: code, and the tables that it reads. Of what a
//! small run takes beyond reading its data, these are nearly all.

use crate::check::check;
use crate::data::{DataOptions, load};
use crate::memory;
use crate::source::SourceMap;
use crate::syntax::load_program;
use crate::train::{ModelSource, Origin, Output, Overrides, Silent, TrainRequest, run};
use candle_core::Device;

/// Pages that training takes where they could not be measured: on x86-64, an optimised program.
pub const TYPICAL_BYTES: f64 = 4e6;

/// Kernels written by hand, programs, norms and dropout; its tensors are a few kB.
const MODEL: &str = "
data  = karate()
model = gatv2(4) -> batch_norm -> relu -> dropout(0.1) -> gcn
train { epochs = 2, early_stop = patience(5) }
";

/// Bytes of files that this process has in memory after it has trained; `None` where the system does not say, or the run
/// fails, as under a limit of memory.
pub fn after_training() -> Option<f64> {
    let mut sources = SourceMap::default();
    let main = sources.add("pages.hgnn", MODEL);
    let none = |path: &str| Err(std::io::Error::new(std::io::ErrorKind::NotFound, path.to_owned()));
    let (program, _) = load_program(&mut sources, main, &none);
    let call = crate::check::data_call(&program).ok()??;
    let dataset = load(&call, &DataOptions::from_env()).ok()?;
    let model = check(&program, Some(&dataset.facts())).model?;
    let request = TrainRequest {
        room: None,
        name: "pages".into(),
        file: "pages.hgnn".into(),
        model: &model,
        dataset: &dataset,
        source: ModelSource::of_program(&sources, &program, None),
        overrides: Overrides::default(),
        origin: Origin::default(),
        init_from: None,
        device: Device::Cpu,
        out: Output::Nothing,
        stop: &|| false,
    };
    run(&request, &mut Silent).ok()?;
    memory::file_bytes().map(|bytes| bytes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_that_is_measured_trains() {
        let bytes = after_training();
        assert_eq!(bytes.is_some(), memory::file_bytes().is_some());
    }
}
