//! A table: a line for each epoch of each run.

use super::Track;
use crate::train::{EpochRecord, UnitSummary};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One epoch of one run.
struct Line {
    unit: String,
    epoch: usize,
    values: Vec<(String, f64)>,
}

/// Lines so far; the file is written anew at the end of each run, because its columns are those of all of them.
pub struct Table {
    path: PathBuf,
    unit: String,
    lines: Vec<Line>,
}

impl Table {
    /// # Errors
    /// Where the file cannot be written.
    pub fn new(path: &Path) -> io::Result<Self> {
        let table = Self { path: path.to_path_buf(), unit: String::new(), lines: Vec::new() };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        table.write()?;
        Ok(table)
    }

    fn write(&self) -> io::Result<()> {
        let names: BTreeSet<&str> =
            self.lines.iter().flat_map(|line| line.values.iter().map(|(name, _)| name.as_str())).collect();
        crate::files::write(&self.path, |out| {
            let mut csv = ::csv::Writer::from_writer(out);
            csv.write_record(["run", "epoch"].into_iter().chain(names.iter().copied()))?;
            for Line { unit, epoch, values } in &self.lines {
                let value = |name: &&str| {
                    let found = values.iter().find(|(known, _)| known == name);
                    found.map_or_else(String::new, |(_, value)| value.to_string())
                };
                let cells = [unit.clone(), epoch.to_string()].into_iter().chain(names.iter().map(value));
                csv.write_record(cells)?;
            }
            csv.flush()
        })
    }
}

impl Track for Table {
    fn name(&self) -> &'static str {
        "the table of epochs"
    }

    fn begin(&mut self, unit: &str) -> io::Result<()> {
        unit.clone_into(&mut self.unit);
        Ok(())
    }

    fn epoch(&mut self, record: &EpochRecord) -> io::Result<()> {
        let (unit, epoch, values) = (self.unit.clone(), record.epoch, super::scalars(record));
        self.lines.push(Line { unit, epoch, values });
        Ok(())
    }

    fn end(&mut self, _: &UnitSummary) -> io::Result<()> {
        self.write()
    }
}
