//! The text files below a folder or in a zip archive, whatever they are called.

use super::archive::Archive;
use super::folder::Walk;
use super::group::{Found, Packing, PartFile};
use super::limit::Exceeded;
use crate::data::error::DataError;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct TextFiles {
    pub path: PathBuf,
    /// Those whose names end in `.txt`, or of an archive all.
    pub found: Vec<Found>,
    archive: Option<Archive>,
    max_bytes: u64,
    used_bytes: u64,
}

impl TextFiles {
    /// # Errors
    /// Where an archive cannot be read.
    pub fn at(path: &Path, max_bytes: u64) -> Result<Self, DataError> {
        let (found, archive) = if path.is_dir() {
            (Walk::below(path).files, None)
        } else {
            let archive = Archive::open(path)?;
            (archive.files(), Some(archive))
        };
        Ok(Self { path: path.to_path_buf(), found, archive, max_bytes, used_bytes: 0 })
    }

    /// The file as messages name it, and its content.
    ///
    /// # Errors
    /// Where it cannot be read, or with those read before has more bytes than may be read.
    pub fn read(&mut self, found: &Found) -> Result<(String, Vec<u8>), DataError> {
        let packing =
            if found.file.to_ascii_lowercase().ends_with(".gz") { Packing::Gzip } else { Packing::Plain };
        let file = PartFile { place: found.place.clone(), found: found.clone(), packing };
        let label = file.path().map_or_else(|| file.label(&self.path), |path| path.display().to_string());
        let limit = Exceeded { place: self.path.clone(), max_bytes: self.max_bytes };
        let text = super::open(&file, self.archive.as_mut(), limit, &mut self.used_bytes)?;
        Ok((label, text.bytes()?))
    }
}
