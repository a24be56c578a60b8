//! Compiles a model from a string, trains it, and says how well it does.
//!
//! `cargo run --release --example train_from_string`

use candle_core::Device;
use hgnn::compile::compile;
use hgnn::data::DataOptions;
use hgnn::train::{self, Event, Origin, Output, Overrides, Progress, TrainRequest};

const MODEL: &str = "
data  = karate()
model = gcn(16) -> relu -> dropout(0.5) -> gcn

train {
    optimizer = adam(lr = 0.01)
    epochs    = 100
    seed      = 1
}
";

/// Prints every twentieth epoch.
struct Printer;

impl Progress for Printer {
    fn on(&mut self, event: Event) {
        if let Event::Epoch(record) = event
            && record.epoch % 20 == 0
            && let Some(Some(loss)) = record.train.get("loss")
        {
            println!("epoch {:>3}: training loss {loss:.4}", record.epoch);
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let compiled = compile("karate.hgnn", MODEL, &DataOptions::from_env())?;
    let summary = train::run(
        &TrainRequest {
            room: None,
            name: "karate".into(),
            file: "karate.hgnn".into(),
            model: &compiled.model,
            dataset: &compiled.dataset,
            source: compiled.source,
            init_from: None,
            overrides: Overrides::default(),
            origin: Origin::default(),
            device: Device::Cpu,
            out: Output::NewIn("runs".into()),
            stop: &|| false,
        },
        &mut Printer,
    )?;
    if let Some(accuracy) = summary.test.get("accuracy") {
        println!("test accuracy {:.3}", accuracy.mean);
    }
    if let Some(folder) = summary.dir {
        println!("predict with it: cargo run --release --example predict_with_run -- {}", folder.display());
    }
    Ok(())
}
