//! What runs: the kernels of every shipped model and of every operator's example, forward and backward, as a page in
//! `snapshots/schedule.txt`. A kernel more fails. `SNAPSHOTS=overwrite cargo test --test it schedule` writes the page
//! anew.

use crate::models::{load, shipped};
use hgnn::check::check;
use hgnn::ops::{CATALOGUE, Family};
use hgnn::plan::{Launch, Listing, listing};
use hgnn::source::SourceMap;
use hgnn::syntax::{Program, load_program};
use std::fmt::Write;

/// Kernels in their order, by the stage that runs them: `#1 gcn convolution`. A phase of a program says how many values
/// it stores and how many its blocks compute on the way: `targets 2+5`.
fn passes(program: &Program) -> String {
    let model = check(program, None).model.expect("a correct model");
    let model = model.get();
    let Listing { forward, backward, .. } = listing(model, None);
    let kernel = |launch: &Launch| {
        let n_stored = launch.values.iter().filter(|value| value.is_stored).count();
        match launch.is_phase {
            true => format!("{} {n_stored}+{}", launch.kernel, launch.values.len() - n_stored),
            false => launch.kernel.to_owned(),
        }
    };
    let mut text = String::new();
    for (pass, launches) in [("forward", forward), ("backward", backward)] {
        writeln!(text, "  {pass}").unwrap();
        let launches: Vec<&Launch> = launches.iter().filter(|launch| !launch.is_view).collect();
        for stage in launches.chunk_by(|a, b| a.stage == b.stage) {
            let place = stage[0].stage.map_or("loss".to_owned(), |stage| {
                let (_, node) = model.nodes().nth(stage).expect("a stage of the model");
                format!("#{stage} {}", node.op.name())
            });
            let kernels: Vec<String> = stage.iter().map(|launch| kernel(launch)).collect();
            writeln!(text, "    {place}: {}", kernels.join(", ")).unwrap();
        }
    }
    text
}

#[test]
fn models_and_operators_run_the_kernels_of_the_page() {
    let mut page = String::new();
    for path in shipped() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        writeln!(page, "{name}\n{}", passes(&load(&path).1)).unwrap();
    }
    // Kernels and their machine have no steps.
    for op in CATALOGUE.iter().filter(|op| op.family() != Family::Kernel) {
        let mut sources = SourceMap::default();
        let example = op.doc().example;
        let main = sources.add(op.name(), example);
        let (program, _) = load_program(&mut sources, main, &|_| Err(std::io::ErrorKind::NotFound.into()));
        writeln!(page, "{}: {example}\n{}", op.name(), passes(&program)).unwrap();
    }
    snapbox::assert_data_eq!(page, snapbox::file!["snapshots/schedule.txt"]);
}
