//! The files of a data set: those of the layout of the TU collection, found in a folder or a zip archive, whatever else
//! lies there, and read one part at a time within a bound; and single files ([`OneFile`]), read in the same way.
//!
//! What people's folders and archives hold beside a set is left alone: hidden files (`.DS_Store`, and the
//! `__MACOSX/…/._NAME_A.txt` that macOS adds to archives), readmes, folders around it at any depth and of any name.
//! Only regular files are read; nothing is unpacked to disk.

mod archive;
mod folder;
mod group;
mod limit;
mod one;
mod other;
mod plain;
mod texts;

use super::error::DataError;
use super::scan::Text;
use crate::diagnostic::count;
use crate::reach::Reach;
use crate::regular::{self, ReadError};
pub use archive::Archive;
pub use folder::{Walk, names as entries};
pub use group::{Found, PARTS, SetParts, group, names};
use group::{Packing, PartFile, Place};
pub use limit::{DEFAULT_MAX_BYTES, MAX_SIZE_VARIABLE, parse_size, size_in_words};
use limit::{Metered, OverLimit};
pub use one::{OneFile, stem};
pub use other::is_archive_name;
pub use plain::PlainFiles;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
pub use texts::TextFiles;

/// A data set in TU layout, found.
#[derive(Debug)]
pub struct TuFiles {
    /// As messages call it.
    pub name: String,
    /// The folder or archive.
    pub path: PathBuf,
    parts: SetParts,
    archive: Option<Archive>,
    /// Bytes of all parts that may be read, and those that were.
    max_bytes: u64,
    used_bytes: u64,
}

impl TuFiles {
    /// The set at a path, whatever the name of the folder or archive is: files that lie in the folder itself, else
    /// in its subfolder `raw` (as PyTorch Geometric leaves them), else anywhere below.
    ///
    /// # Errors
    /// Where there is nothing, no data set or more than one, or an archive cannot be read.
    pub fn at(path: &Path, max_bytes: u64) -> Result<Self, DataError> {
        if !path.is_dir() {
            let archive = Archive::open(path)?;
            let sets = group(archive.files());
            let parts = only(sets, None, path, "archive", || archive.other_names())?;
            return Ok(Self::new(parts.name.clone(), path, parts, Some(archive), max_bytes));
        }
        for folder in [path.to_path_buf(), path.join("raw")] {
            let sets = group(Walk::direct(&folder));
            if sets.iter().any(SetParts::is_set) {
                let parts = only(sets, None, &folder, "folder", Vec::new)?;
                return Ok(Self::new(parts.name.clone(), &folder, parts, None, max_bytes));
            }
        }
        let walk = Walk::below(path);
        let others = || walk.other_names();
        let parts = only(group(walk.files.clone()), None, path, "folder", others)?;
        let folder = path.join(&parts.folder);
        Ok(Self::new(parts.name.clone(), &folder, parts, None, max_bytes))
    }

    /// The set called `name` in a folder that may hold it: as `NAME/…` at any depth, as the archive `NAME.zip`, or
    /// lying there directly. `Ok(None)` where it has none.
    ///
    /// # Errors
    /// Where more than one set could be meant, or an archive cannot be read.
    pub fn in_folder(name: &str, folder: &Path, max_bytes: u64) -> Result<Option<Self>, DataError> {
        let names = folder::names(folder);
        let own = folder.join(name);
        if names.iter().any(|entry| entry == name) && own.is_dir() {
            for inner in [own.clone(), own.join("raw")] {
                let sets = group(Walk::direct(&inner));
                if let Some(parts) = sets.into_iter().find(|set| set.name == name) {
                    return Ok(Some(Self::new(name.into(), &inner, parts, None, max_bytes)));
                }
            }
            let sets = group(Walk::below(&own).files);
            if sets.iter().any(SetParts::is_set) {
                let parts = only(sets, Some(name), &own, "folder", Vec::new)?;
                let inner = own.join(&parts.folder);
                return Ok(Some(Self::new(name.into(), &inner, parts, None, max_bytes)));
            }
        }
        if let Some(parts) = group(Walk::direct(folder)).into_iter().find(|set| set.name == name) {
            return Ok(Some(Self::new(name.into(), folder, parts, None, max_bytes)));
        }
        let is_archive = |entry: &&String| is_archive_of(entry, name);
        match names.iter().find(is_archive) {
            Some(entry) => Self::in_archive(name, &folder.join(entry), max_bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The set in an archive that has its name.
    ///
    /// # Errors
    /// Where the archive cannot be read, holds no set, or holds several and none of that name.
    pub fn in_archive(name: &str, path: &Path, max_bytes: u64) -> Result<Self, DataError> {
        let archive = Archive::open(path)?;
        let sets = group(archive.files());
        let parts = only(sets, Some(name), path, "archive", || archive.other_names())?;
        Ok(Self::new(name.into(), path, parts, Some(archive), max_bytes))
    }

    fn new(name: String, path: &Path, parts: SetParts, archive: Option<Archive>, max_bytes: u64) -> Self {
        Self { name, path: path.to_path_buf(), parts, archive, max_bytes, used_bytes: 0 }
    }

    /// The archive, or the files of all parts that are there.
    pub fn paths(&self) -> Vec<PathBuf> {
        if self.archive.is_some() {
            return vec![self.path.clone()];
        }
        self.parts.files().filter_map(|file| file.path()).collect()
    }

    /// Whether the set has this part.
    pub fn has(&self, part: &str) -> bool {
        self.parts.has(part)
    }

    /// How messages and users name the file of a part: `PROTEINS_A.txt`.
    pub fn file_of(&self, part: &str) -> String {
        format!("{}_{part}.txt", self.parts.name)
    }

    /// Bytes of all parts that may be read.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Values in the first line of a part; `None` where that is none of numbers. Nothing else is read.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn width(&mut self, part: &str) -> Result<Option<usize>, DataError> {
        // A glance does not count against the bound.
        let used = std::mem::take(&mut self.used_bytes);
        let width = self.open_within(part, u64::MAX)?.and_then(Text::first_width);
        self.used_bytes = used;
        Ok(width)
    }

    /// Files named `NAME_….txt` that are no part of the layout and no readme: what stands for the dots.
    pub fn unknown_parts(&self) -> &[String] {
        &self.parts.others
    }

    /// The part `NAME_{part}.txt`, ready to be read; `None` where the set has none.
    ///
    /// # Errors
    /// Where two files could be meant, or it cannot be opened.
    pub fn open(&mut self, part: &str) -> Result<Option<Text<'_>>, DataError> {
        self.open_within(part, self.max_bytes)
    }

    fn open_within(&mut self, part: &str, max_bytes: u64) -> Result<Option<Text<'_>>, DataError> {
        let Some(file) = self.parts.file(part, &self.path)?.cloned() else { return Ok(None) };
        let limit = limit::Exceeded { place: self.path.clone(), max_bytes };
        open(&file, self.archive.as_mut(), limit, &mut self.used_bytes).map(Some)
    }

    /// A part that the layout cannot do without.
    ///
    /// # Errors
    /// Where it is missing or cannot be opened.
    pub fn require(&mut self, part: &str, meaning: &str) -> Result<Text<'_>, DataError> {
        if !self.has(part) {
            let (name, file) = (&self.parts.name, self.file_of(part));
            return Err(DataError::new("data::missing_part", format!("`{file}` is missing: {meaning}"))
                .file(self.path.display().to_string())
                .help(format!("put `{file}` beside the other files of {name}, under exactly this name")));
        }
        Ok(self.open(part)?.expect("the part is there"))
    }
}

/// Opens a file on disk or an entry of the archive, to be read once and within the limit, of which `used_bytes` are used.
fn open<'a>(
    file: &PartFile,
    archive: Option<&'a mut Archive>,
    limit: limit::Exceeded,
    used_bytes: &'a mut u64,
) -> Result<Text<'a>, DataError> {
    let is_packed = file.packing == Packing::Gzip;
    let is_entry = archive.is_some();
    // A set may come with a model of a stranger, and a link in it lead to a file that is not theirs to show.
    let is_of_set = match &file.place {
        Place::Path(path) => Reach::of(path, &[]).has_file(path),
        Place::Entry(_) => true,
    };
    let (label, reader, size): (String, Box<dyn Read + 'a>, u64) = match (&file.place, archive) {
        (Place::Path(path), _) => {
            let opened = regular::open(path).map_err(|error| unreadable(path, &error))?;
            let size = opened.metadata().map_or(0, |facts| facts.len());
            (path.display().to_string(), Box::new(opened), size)
        }
        (Place::Entry(idx), Some(archive)) => {
            let (reader, size) = archive.entry(*idx, file)?;
            (file.label(&limit.place), reader, size)
        }
        (Place::Entry(_), None) => unreachable!("entries are of an archive"),
    };
    let left = limit.max_bytes.saturating_sub(*used_bytes);
    // What a file or an archive's directory states of its size is enough to refuse it.
    if size > left {
        return Err(limit.error(Some(size), *used_bytes));
    }
    let reader: Box<dyn Read + 'a> = if is_packed {
        Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::with_capacity(1 << 16, reader)))
    } else {
        reader
    };
    let wrong = move |label: &str, error: &io::Error| {
        if error.get_ref().is_some_and(|inner| inner.is::<OverLimit>()) {
            limit.error(None, 0)
        } else if is_packed {
            broken_gzip(label, error)
        } else if is_entry {
            archive::corrupt(label, error)
        } else {
            DataError::new("data::unreadable", format!("cannot be read: {error}"))
                .file(label)
                .help("check the disk that it lies on")
        }
    };
    let reader = Box::new(Metered::new(reader, left, used_bytes));
    let text = Text::new(label, if is_packed { 0 } else { size }, reader, Box::new(wrong));
    Ok(if is_of_set { text } else { text.unquoted() })
}

/// `NAME.zip`, whatever the case of its ending.
fn is_archive_of(entry: &str, name: &str) -> bool {
    entry.strip_prefix(name).is_some_and(|ending| ending.eq_ignore_ascii_case(".zip"))
}

/// The one set that a folder or archive holds; of several, the one called `wanted`.
fn only(
    sets: Vec<SetParts>,
    wanted: Option<&str>,
    path: &Path,
    what: &str,
    others: impl Fn() -> Vec<String>,
) -> Result<SetParts, DataError> {
    let shown = path.display().to_string();
    let (whole, partial): (Vec<SetParts>, Vec<SetParts>) = sets.into_iter().partition(SetParts::is_set);
    let is_wanted = |set: &&SetParts| Some(set.name.as_str()) == wanted;
    let n_wanted = whole.iter().filter(is_wanted).count();
    let mut candidates: Vec<SetParts> = if n_wanted > 0 {
        whole.into_iter().filter(|set| Some(set.name.as_str()) == wanted).collect()
    } else {
        whole
    };
    if candidates.len() == 1 {
        return Ok(candidates.remove(0));
    }
    if candidates.len() > 1 {
        return Err(ambiguous(&candidates, path, what));
    }
    // A set without its edges is recognised by what it lacks.
    if let [set] = partial.as_slice() {
        return Ok(set.clone());
    }
    let found = others();
    let holds = if found.is_empty() { String::new() } else { format!("; it holds {}", names(&found)) };
    Err(DataError::new(
        "data::missing_part",
        format!("this {what} has no file whose name ends in `_A.txt`{holds}"),
    )
    .file(shown)
    .help(
        "a data set in TU layout is NAME_A.txt (edges), NAME_graph_indicator.txt and NAME_graph_labels.txt, in a \
         folder or a zip archive; `hgnnc ops tu` describes it",
    ))
}

fn ambiguous(sets: &[SetParts], path: &Path, what: &str) -> DataError {
    let are_named_alike = sets.iter().all(|set| set.name == sets[0].name);
    let place = |set: &SetParts| match (set.folder.as_str(), are_named_alike) {
        (folder, true) => format!("{folder}/{}", set.name),
        _ => set.name.clone(),
    };
    let all: Vec<String> = sets.iter().map(place).collect();
    let inner = Path::new(&sets[0].folder);
    let help = if what == "archive" {
        "unpack it and name the folder of one of them, or give each set an archive of its own".to_owned()
    } else if inner.as_os_str().is_empty() {
        format!("give each set a folder of its own and name it: `{}`", path.join(&sets[0].name).display())
    } else {
        format!("name the folder of one of them: `{}`", path.join(inner).display())
    };
    DataError::new("data::ambiguous", format!("holds {}: {}", count(sets.len(), "data set"), names(&all)))
        .file(path.display().to_string())
        .help(help)
}

fn unreadable(path: &Path, error: &ReadError) -> DataError {
    DataError::new("data::unreadable", format!("cannot be read: {error}"))
        .file(path.display().to_string())
        .help("a part of a data set is a file on disk that you may read")
}

fn broken_gzip(label: &str, error: &io::Error) -> DataError {
    DataError::new("data::corrupt_archive", format!("is not a complete gzip file: {error}"))
        .file(label)
        .help("it is incomplete or damaged: download it again, or unpack it with `gunzip`")
}
