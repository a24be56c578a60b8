//! A data set in one file: as it is, packed with gzip, or an entry of a zip archive.

use super::super::error::DataError;
use super::super::scan::Text;
use super::archive::Archive;
use super::group::{Found, Packing, PartFile, Place, names, shown};
use super::limit::Exceeded;
use crate::regular;
use std::io::Read;
use std::path::{Path, PathBuf};

/// One file, found and not yet read.
#[derive(Debug)]
pub struct OneFile {
    /// The file or the archive.
    pub path: PathBuf,
    file: PartFile,
    archive: Option<Archive>,
    max_bytes: u64,
    used_bytes: u64,
}

/// What names a file without its folders and endings: `graphs` of `my/graphs.jsonl.gz`.
pub fn stem(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
}

impl OneFile {
    /// The file at a path. Whether it is packed is seen in its first bytes, whatever its name; of an archive, the file in
    /// it that `is_wanted` takes by its name, which has to be the only one.
    ///
    /// # Errors
    /// Where it cannot be opened, is a folder, or is an archive without such a file or with several.
    pub fn at(path: &Path, max_bytes: u64, is_wanted: &dyn Fn(&str) -> bool) -> Result<Self, DataError> {
        if path.is_dir() {
            return Err(DataError::new("data::unreadable", "is a folder, where a file is asked for")
                .file(path.display().to_string())
                .help(format!(
                    "name the file in it; `hgnnc data import {}` says what it holds",
                    path.display()
                )));
        }
        let mut opened = regular::open(path).map_err(|error| super::unreadable(path, &error))?;
        let mut head = Vec::new();
        opened
            .by_ref()
            .take(4)
            .read_to_end(&mut head)
            .map_err(|error| super::unreadable(path, &error.into()))?;
        if head.starts_with(b"PK\x03\x04") && !is_wanted(&path.to_string_lossy()) {
            return Self::in_archive(Archive::open(path)?, path, max_bytes, is_wanted);
        }
        let packing = if head.starts_with(b"\x1f\x8b") { Packing::Gzip } else { Packing::Plain };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let place = Place::Path(path.to_path_buf());
        let found = Found { folder: String::new(), file: name, place: place.clone() };
        let file = PartFile { found, place, packing };
        Ok(Self { path: path.to_path_buf(), file, archive: None, max_bytes, used_bytes: 0 })
    }

    fn in_archive(
        archive: Archive,
        path: &Path,
        max_bytes: u64,
        is_wanted: &dyn Fn(&str) -> bool,
    ) -> Result<Self, DataError> {
        let mut wanted: Vec<Found> =
            archive.files().into_iter().filter(|found| is_wanted(&found.file)).collect();
        if wanted.len() != 1 {
            let all: Vec<String> = wanted.iter().map(|found| found.file.clone()).collect();
            let error = match all.as_slice() {
                [] => DataError::new(
                    "data::missing_part",
                    format!("the archive has no such file; it holds {}", names(&archive.other_names())),
                ),
                all => DataError::new("data::ambiguous", format!("the archive has {}", names(all))),
            };
            return Err(error
                .file(path.display().to_string())
                .help("unpack it and name the file that is meant"));
        }
        let found = wanted.remove(0);
        let packing =
            if found.file.to_ascii_lowercase().ends_with(".gz") { Packing::Gzip } else { Packing::Plain };
        let file = PartFile { place: found.place.clone(), found, packing };
        Ok(Self { path: path.to_path_buf(), file, archive: Some(archive), max_bytes, used_bytes: 0 })
    }

    /// What names it without folders and endings.
    pub fn stem(&self) -> String {
        shown(&stem(Path::new(&self.file.found.file)))
    }

    /// Bytes of it that may be read.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Its first bytes as they unpack, at most `n_bytes`.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn open_head(&mut self, n_bytes: usize) -> Result<Vec<u8>, DataError> {
        // A glance does not count against the bound.
        let limit = Exceeded { place: self.path.clone(), max_bytes: u64::MAX };
        let mut used_bytes = 0;
        super::open(&self.file, self.archive.as_mut(), limit, &mut used_bytes)?.head(n_bytes)
    }

    /// The file, ready to be read.
    ///
    /// # Errors
    /// Where it cannot be opened or states a size over the limit.
    pub fn open(&mut self) -> Result<Text<'_>, DataError> {
        self.used_bytes = 0;
        let limit = Exceeded { place: self.path.clone(), max_bytes: self.max_bytes };
        super::open(&self.file, self.archive.as_mut(), limit, &mut self.used_bytes)
    }
}
