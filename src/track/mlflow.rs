//! MLflow's file store: a folder for each experiment, in it one for each run, with a file for each metric, parameter and tag.
//!
//! ```text
//! mlruns/EXPERIMENT/meta.yaml
//! mlruns/EXPERIMENT/RUN/meta.yaml
//! mlruns/EXPERIMENT/RUN/metrics/loss/train    a line an epoch: milliseconds, value, step
//! mlruns/EXPERIMENT/RUN/params/train.epochs
//! mlruns/EXPERIMENT/RUN/tags/mlflow.runName
//! ```

use super::{About, Track};
use crate::files::sealed;
use crate::train::{EpochRecord, Status, UnitSummary};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub struct Store {
    experiment: PathBuf,
    experiment_id: String,
    about: About,
    /// The folder of the run that is being trained, its number and its name.
    run: Option<(PathBuf, String, String)>,
    began: u128,
    last: usize,
}

/// Milliseconds since 1970.
fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

/// A text of YAML: in quotes, as JSON has it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Store {
    /// An experiment is the data; it is made where it is not there yet.
    ///
    /// # Errors
    /// Where a folder or file cannot be written.
    pub fn new(folder: &Path, about: &About) -> io::Result<Self> {
        let digest = sealed::digest(&[about.data.as_bytes()]);
        // The tool asks for a number of at most 18 digits.
        let number = u64::from_str_radix(&digest[..14], 16).unwrap_or(1);
        let experiment_id = format!("{number:018}");
        let experiment = folder.join(&experiment_id);
        fs::create_dir_all(&experiment)?;
        let meta = experiment.join("meta.yaml");
        if !meta.exists() {
            let place = std::path::absolute(&experiment)?;
            let text = format!(
                "artifact_location: {}\ncreation_time: {}\nexperiment_id: '{experiment_id}'\nlast_update_time: {}\nlifecycle_stage: active\nname: {}\n",
                quoted(&format!("file://{}", place.display())),
                now(),
                now(),
                quoted(&about.data),
            );
            crate::files::write(&meta, |out| out.write_all(text.as_bytes()))?;
        }
        Ok(Self { experiment, experiment_id, about: about.clone(), run: None, began: 0, last: 0 })
    }

    fn write_meta(&self, status: u8, ended: Option<u128>) -> io::Result<()> {
        let Some((path, id, name)) = &self.run else { return Ok(()) };
        let place = std::path::absolute(path)?;
        let text = format!(
            "artifact_uri: {}\nend_time: {}\nentry_point_name: ''\nexperiment_id: '{}'\nlifecycle_stage: active\nrun_id: {id}\nrun_name: {}\n\
             run_uuid: {id}\nsource_name: ''\nsource_type: 4\nsource_version: ''\nstart_time: {}\nstatus: {status}\ntags: []\nuser_id: ''\n",
            quoted(&format!("file://{}", place.join("artifacts").display())),
            ended.map_or_else(|| "null".into(), |ended| ended.to_string()),
            self.experiment_id,
            quoted(name),
            self.began,
        );
        crate::files::write(&path.join("meta.yaml"), |out| out.write_all(text.as_bytes()))
    }

    fn append(&self, step: usize, scalars: &[(String, f64)]) -> io::Result<()> {
        let Some((path, ..)) = &self.run else { return Ok(()) };
        for (name, value) in scalars {
            let file = path.join("metrics").join(name);
            fs::create_dir_all(file.parent().unwrap_or(path))?;
            let mut file = OpenOptions::new().create(true).append(true).open(file)?;
            file.write_all(format!("{} {value} {step}\n", now()).as_bytes())?;
        }
        Ok(())
    }
}

impl Track for Store {
    fn name(&self) -> &'static str {
        "MLflow"
    }

    fn begin(&mut self, unit: &str) -> io::Result<()> {
        let name =
            if unit.is_empty() { self.about.run.clone() } else { format!("{}/{unit}", self.about.run) };
        // A run that goes on is the same run.
        let id = sealed::digest(&[name.as_bytes()])[..32].to_owned();
        let path = self.experiment.join(&id);
        for folder in ["metrics", "params", "tags", "artifacts"] {
            fs::create_dir_all(path.join(folder))?;
        }
        for (key, value) in &self.about.params {
            fs::write(path.join("params").join(key), value)?;
        }
        let own = [("mlflow.runName", name.as_str()), ("mlflow.source.type", "LOCAL")];
        let tags = self.about.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        for (key, value) in own.into_iter().chain(tags) {
            fs::write(path.join("tags").join(key), value)?;
        }
        self.began = now();
        self.run = Some((path, id, name));
        self.write_meta(1, None)
    }

    fn epoch(&mut self, record: &EpochRecord) -> io::Result<()> {
        self.last = record.epoch;
        self.append(record.epoch, &super::scalars(record))
    }

    fn end(&mut self, summary: &UnitSummary) -> io::Result<()> {
        self.append(self.last, &super::results(summary))?;
        if let Some((path, ..)) = &self.run {
            for (name, value) in &summary.searched {
                fs::write(path.join("params").join(format!("searched.{name}")), value)?;
            }
        }
        // Numbers of the tool's `RunStatus`: finished, failed, killed.
        let status = match summary.status {
            Status::Finished => 3,
            Status::Diverged => 4,
            Status::Interrupted => 5,
        };
        self.write_meta(status, Some(now()))?;
        self.run = None;
        Ok(())
    }
}
