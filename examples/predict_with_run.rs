//! Loads a run and predicts for the data that it was trained with.
//!
//! `cargo run --release --example predict_with_run -- RUN`

use candle_core::Device;
use hgnn::data::DataOptions;
use hgnn::train::{SavedModel, checkpoints};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let run = std::env::args()
        .nth(1)
        .ok_or("name the folder of a run, such as one that train_from_string wrote")?;
    let paths = checkpoints(Path::new(&run))?;
    let saved = SavedModel::open(&paths[0], &Device::Cpu)?;
    let call = saved.model.get().data.as_ref().ok_or("the run names no data")?;
    let dataset = hgnn::data::load(call, &DataOptions::from_env())?;
    saved.check_data(&dataset, false)?;
    for (item, probabilities) in saved.predict(&dataset)?.rows() {
        let best = probabilities.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        if let Some((class, probability)) = best {
            println!("{item},{},{probability:.4}", dataset.class_names[class]);
        }
    }
    Ok(())
}
