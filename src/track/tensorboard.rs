//! Event files of TensorBoard: a folder for each run, in it records of TensorFlow's format, each a message of `event.proto`.

use super::{About, Track};
use crate::system;
use crate::train::{EpochRecord, UnitSummary};
use prost::Message;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// `tensorflow.Event`, as far as scalars need it.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

/// `tensorflow.Summary`
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

/// `tensorflow.Summary.Value`
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// A record of the format: its length and content, each behind a masked checksum.
pub(super) fn record(content: &[u8]) -> Vec<u8> {
    // As TensorFlow masks them, so that checksums of checksums differ from those of plain bytes.
    let masked = |bytes: &[u8]| crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8);
    let length = (content.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), content, &masked(content).to_le_bytes()].concat()
}

pub struct Events {
    folder: PathBuf,
    file: Option<File>,
    last: usize,
}

impl Events {
    /// # Errors
    /// Where the folder cannot be made.
    pub fn new(folder: &Path, about: &About) -> io::Result<Self> {
        let folder = folder.join(&about.run);
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, file: None, last: 0 })
    }

    fn append(&mut self, step: usize, version: Option<&str>, scalars: Vec<(String, f64)>) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let values = scalars.into_iter().map(|(tag, value)| Value { tag, simple_value: Some(value as f32) });
        let event = Event {
            wall_time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
            step: step as i64,
            file_version: version.map(str::to_owned),
            summary: version.is_none().then(|| Summary { value: values.collect() }),
        };
        file.write_all(&record(&event.encode_to_vec()))?;
        file.flush()
    }
}

impl Track for Events {
    fn name(&self) -> &'static str {
        "TensorBoard"
    }

    fn begin(&mut self, unit: &str) -> io::Result<()> {
        let folder = if unit.is_empty() { self.folder.clone() } else { self.folder.join(unit) };
        fs::create_dir_all(&folder)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let host = system::host();
        let host = if host.is_empty() { "localhost".to_owned() } else { host };
        // A run that goes on writes another file, which the tool reads behind the first.
        self.file = Some(File::create(
            folder.join(format!("events.out.tfevents.{now:010}.{host}.{}.0", std::process::id())),
        )?);
        self.append(0, Some("brain.Event:2"), Vec::new())
    }

    fn epoch(&mut self, record: &EpochRecord) -> io::Result<()> {
        self.last = record.epoch;
        self.append(record.epoch, None, super::scalars(record))
    }

    fn end(&mut self, summary: &UnitSummary) -> io::Result<()> {
        self.append(self.last, None, super::results(summary))?;
        self.file = None;
        Ok(())
    }
}
