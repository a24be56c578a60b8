//! Zip archives of others: their names are only compared, nothing is written, and neither their directory nor what
//! they unpack to is taken at its word.

use super::super::error::DataError;
use super::group::{Found, PartFile, Place, is_hidden, shown};
use super::other;
use crate::regular;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zip::result::ZipError;

/// More entries are refused. A published set has about ten.
const MAX_ENTRIES: usize = 50_000;

/// What may be read of an archive to find its entries: a directory of [`MAX_ENTRIES`] long names.
const MAX_DIRECTORY_BYTES: u64 = 8 << 20;

/// A zip archive, open.
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    zip: zip::ZipArchive<Directory>,
}

impl Archive {
    /// Opens an archive and reads its directory.
    ///
    /// # Errors
    /// Where it is no zip archive, incomplete, or has entries that lead out of it or too many of them.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let mut file = regular::open(path).map_err(|error| other::not_a_set(path, &error))?;
        other::is_zip(&mut file, path)?;
        let left = Arc::new(AtomicU64::new(MAX_DIRECTORY_BYTES));
        let reader = Directory { inner: BufReader::with_capacity(1 << 16, file), left: Arc::clone(&left) };
        let opened = zip::ZipArchive::new(reader);
        let label = path.display().to_string();
        if left.load(Ordering::Relaxed) == 0 {
            return Err(too_many(&label, "more entries than can be listed in 8 MiB"));
        }
        let zip = opened.map_err(|error| corrupt(&label, &error))?;
        // From here on the bound on what is unpacked holds.
        left.store(u64::MAX, Ordering::Relaxed);
        if zip.len() > MAX_ENTRIES {
            return Err(too_many(&label, &format!("{} entries", zip.len())));
        }
        for entry in zip.file_names() {
            let is_absolute = entry.starts_with(['/', '\\']) || entry.as_bytes().get(1) == Some(&b':');
            if is_absolute || entry.contains('\0') || entry.split(['/', '\\']).any(|step| step == "..") {
                return Err(DataError::new(
                    "data::unsafe_archive",
                    format!("the archive has an entry named `{}`, which leads out of it", shown(entry)),
                )
                .file(label)
                .help("nothing was read or written; download the archive from its publisher again"));
            }
        }
        Ok(Self { path: path.to_path_buf(), zip })
    }

    /// The entries that are files and not hidden. Some programs write `\` where the format has `/`.
    pub fn files(&self) -> Vec<Found> {
        let of = |(idx, entry): (usize, &str)| {
            let steps: Vec<&str> = entry.split(['/', '\\']).filter(|step| !step.is_empty()).collect();
            let (file, folders) = steps.split_last()?;
            if entry.ends_with(['/', '\\']) || steps.iter().any(|step| is_hidden(step)) {
                return None;
            }
            Some(Found { folder: folders.join("/"), file: (*file).to_owned(), place: Place::Entry(idx) })
        };
        let names = (0..self.zip.len()).filter_map(|idx| Some((idx, self.zip.name_for_index(idx)?)));
        names.filter_map(of).collect()
    }

    /// What the archive holds, for a message.
    pub fn other_names(&self) -> Vec<String> {
        self.files().into_iter().map(|found| found.file).collect()
    }

    /// One entry, ready to be read, and the size that the archive states of it.
    ///
    /// # Errors
    /// Where it is encrypted, packed in a way that is not supported, or damaged.
    pub fn entry(&mut self, idx: usize, file: &PartFile) -> Result<(Box<dyn Read + '_>, u64), DataError> {
        let label = file.label(&self.path);
        let entry = self.zip.by_index(idx).map_err(|error| corrupt(&label, &error))?;
        let size = entry.size();
        Ok((Box::new(Exact { inner: entry, left: size }), size))
    }
}

/// What is wrong with an archive, or an entry of it.
pub fn corrupt(label: &str, error: &(dyn std::error::Error + 'static)) -> DataError {
    let help = "unpack it by other means and name the folder";
    match error.downcast_ref::<ZipError>() {
        Some(ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED)) => {
            DataError::new("data::unsupported_archive", "is encrypted").file(label).help(help)
        }
        Some(ZipError::UnsupportedArchive(why)) => DataError::new(
            "data::unsupported_archive",
            format!("is packed in a way that is not supported: {why}"),
        )
        .file(label)
        .help(help),
        _ => DataError::new("data::corrupt_archive", format!("is not a complete zip archive: {error}"))
            .file(label)
            .help("the archive is incomplete or damaged: download it again"),
    }
}

fn too_many(label: &str, found: &str) -> DataError {
    DataError::new(
        "data::too_many_files",
        format!("the archive has {found}, but a data set in TU layout has about ten"),
    )
    .file(label)
    .help("put the files of the data set into an archive or folder of their own")
}

/// A file that gives a bounded number of bytes as long as `left` is not lifted.
#[derive(Debug)]
struct Directory {
    inner: BufReader<File>,
    left: Arc<AtomicU64>,
}

impl Read for Directory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        let left = self.left.load(Ordering::Relaxed);
        if left != u64::MAX {
            let left = left.saturating_sub(n as u64);
            self.left.store(left, Ordering::Relaxed);
            if left == 0 {
                return Err(io::Error::other("its directory is too large"));
            }
        }
        Ok(n)
    }
}

impl Seek for Directory {
    fn seek(&mut self, place: SeekFrom) -> io::Result<u64> {
        self.inner.seek(place)
    }
}

/// A reader that has to give as many bytes as were stated, neither more nor fewer.
struct Exact<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        match self.left.checked_sub(n as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other("an entry unpacks to more than the archive states")),
        }
        if n == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::other("an entry unpacks to less than the archive states"));
        }
        Ok(n)
    }
}
