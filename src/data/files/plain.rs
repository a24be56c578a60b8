//! Files of fixed names in a folder, each as it is or packed by gzip, read within one bound for all.

use super::limit::{Exceeded, Metered, OverLimit};
use super::{broken_gzip, unreadable};
use crate::data::error::DataError;
use crate::data::scan::Text;
use crate::reach::Reach;
use crate::regular;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The folder of a set.
#[derive(Debug)]
pub struct PlainFiles {
    pub folder: PathBuf,
    /// What messages call the layout.
    layout: &'static str,
    max_bytes: u64,
    used_bytes: u64,
}

impl PlainFiles {
    pub fn new(folder: &Path, layout: &'static str, max_bytes: u64) -> Self {
        Self { folder: folder.to_path_buf(), layout, max_bytes, used_bytes: 0 }
    }

    /// The file of a name, else the packed one.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let packed = format!("{name}.gz");
        [name, &packed].into_iter().map(|name| self.folder.join(name)).find(|path| path.is_file())
    }

    pub fn has(&self, name: &str) -> bool {
        self.path(name).is_some()
    }

    /// Bytes of all files that may be read.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// A file, ready to be read; `None` where the folder has none.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(&mut self, name: &str) -> Result<Option<Text<'_>>, DataError> {
        let Some(path) = self.path(name) else { return Ok(None) };
        let limit = Exceeded { place: self.folder.clone(), max_bytes: self.max_bytes };
        let is_packed = path.extension().is_some_and(|ending| ending == "gz") && !name.ends_with(".gz");
        // A set may come with a model of a stranger, and a link in it lead to a file that is not theirs to show.
        let is_of_set = Reach::of(&path, &[]).has_file(&path);
        let opened = regular::open(&path).map_err(|error| unreadable(&path, &error))?;
        let size = opened.metadata().map_or(0, |facts| facts.len());
        let left = self.max_bytes.saturating_sub(self.used_bytes);
        if size > left {
            return Err(limit.error(Some(size), self.used_bytes));
        }
        let reader: Box<dyn Read> = if is_packed {
            Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(1 << 16, opened)))
        } else {
            Box::new(opened)
        };
        let wrong = move |label: &str, error: &io::Error| {
            if error.get_ref().is_some_and(|inner| inner.is::<OverLimit>()) {
                limit.error(None, 0)
            } else if is_packed {
                broken_gzip(label, error)
            } else {
                DataError::new("data::unreadable", format!("cannot be read: {error}"))
                    .file(label)
                    .help("check the disk that it lies on")
            }
        };
        let reader = Box::new(Metered::new(reader, left, &mut self.used_bytes));
        let size = if is_packed { 0 } else { size };
        let text =
            Text::new(path.display().to_string(), size, reader, Box::new(wrong)).of_layout(self.layout);
        Ok(Some(if is_of_set { text } else { text.unquoted() }))
    }

    /// A file that the layout cannot do without.
    ///
    /// # Errors
    /// Where it is missing or cannot be opened.
    pub fn require(&mut self, name: &str, meaning: &str) -> Result<Text<'_>, DataError> {
        if !self.has(name) {
            return Err(DataError::new("data::missing_part", format!("`{name}` is missing: {meaning}"))
                .file(self.folder.display().to_string())
                .help(format!("put `{name}` or `{name}.gz` into this folder, under exactly this name")));
        }
        Ok(self.open(name)?.expect("it is there"))
    }
}
