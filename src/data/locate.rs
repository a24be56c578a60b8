//! Where a data set in TU layout lies, and its parts as bytes.
//!
//! A name is looked for in these folders, the first that has it wins:
//! 1. the data folder (`--data-dir`, else `HGNN_DATA`),
//! 2. its subfolder `tu`,
//! 3. the subfolder `tu` of the cache folder (`~/.cache/hgnnc` on Linux), where downloads are kept.
//!
//! In each, the files are looked for as `NAME/NAME_A.txt …`, `NAME/raw/NAME_A.txt …` (as PyG leaves them),
//! `NAME.zip` (holding `NAME/…`, or the files at its top) and lying there directly. Names are case-exact on every
//! system. A name with a slash, or ending in `.zip`, is a path to a folder or archive instead.

use super::DataOptions;
use super::error::DataError;
use super::scan::Text;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Larger parts are refused: node and edge numbers are 32 bits wide, and an archive may claim to hold anything.
const MAX_PART_BYTES: u64 = 8 << 30;

/// The parts of the TU layout that are read: `NAME_A.txt`, …
pub const PARTS: [&str; 6] =
    ["A", "graph_indicator", "graph_labels", "graph_attributes", "node_labels", "node_attributes"];

/// A data set in TU layout, found.
#[derive(Debug)]
pub struct TuFiles {
    pub name: String,
    /// The folder or archive.
    pub path: PathBuf,
    archive: Option<zip::ZipArchive<BufReader<File>>>,
}

/// A data set that lies in a folder, for listings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Listed {
    pub name: String,
    pub path: PathBuf,
}

/// Whether a name given to `tu` is a path.
pub fn is_path(name: &str) -> bool {
    name.contains(['/', '\\']) || name.ends_with(".zip")
}

/// The folders that names are looked for in, in this order.
pub fn folders(options: &DataOptions) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(data_dir) = &options.data_dir {
        folders.push(data_dir.clone());
        folders.push(data_dir.join("tu"));
    }
    folders.extend(download_folder(options));
    folders
}

/// The folder that downloads go to.
pub fn download_folder(options: &DataOptions) -> Option<PathBuf> {
    options.cache_dir.as_ref().map(|cache| cache.join("tu"))
}

/// Finds a data set by name or path; `Ok(None)` where no folder has a set of that name.
///
/// # Errors
/// Where a path names nothing, or an archive cannot be read.
pub fn find(name: &str, options: &DataOptions) -> Result<Option<TuFiles>, DataError> {
    if is_path(name) {
        return at_path(Path::new(name)).map(Some);
    }
    for folder in folders(options) {
        for candidate in [folder.join(name), folder.join(name).join("raw"), folder.clone()] {
            let prefix = format!("{name}_");
            if file_names(&candidate).iter().any(|file| {
                file.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".txt")).is_some_and(is_part)
            }) {
                return Ok(Some(TuFiles { name: name.into(), path: candidate, archive: None }));
            }
        }
        let file = format!("{name}.zip");
        if file_names(&folder).contains(&file) {
            return open_archive(name, &folder.join(file)).map(Some);
        }
    }
    Ok(None)
}

/// Every data set that a name could mean, in the order of the folders and then of the alphabet.
pub fn list(options: &DataOptions) -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    for folder in folders(options) {
        let mut here: Vec<Listed> = file_names(&folder)
            .into_iter()
            .filter_map(|entry| {
                let path = folder.join(&entry);
                if let Some(name) = entry.strip_suffix(".zip") {
                    return Some(Listed { name: name.into(), path });
                }
                if let Some(name) = entry.strip_suffix("_A.txt") {
                    return Some(Listed { name: name.into(), path: folder.clone() });
                }
                let adjacency = format!("{entry}_A.txt");
                [path.clone(), path.join("raw")]
                    .into_iter()
                    .find(|inner| file_names(inner).contains(&adjacency))
                    .map(|path| Listed { name: entry, path })
            })
            .collect();
        here.sort();
        // A name found in an earlier folder hides the later one.
        here.retain(|listed| all.iter().all(|earlier| earlier.name != listed.name));
        here.dedup_by(|later, earlier| later.name == earlier.name);
        all.extend(here);
    }
    all
}

/// The set in this folder or archive, whatever its name.
fn at_path(path: &Path) -> Result<TuFiles, DataError> {
    let shown = path.display().to_string();
    if path.is_dir() {
        for folder in [path.to_path_buf(), path.join("raw")] {
            let mut names: Vec<String> = file_names(&folder)
                .iter()
                .filter_map(|file| file.strip_suffix("_A.txt").map(str::to_string))
                .collect();
            names.sort();
            match names.as_slice() {
                [] => {}
                [name] => return Ok(TuFiles { name: name.clone(), path: folder, archive: None }),
                [first, second, ..] => {
                    return Err(DataError::new(
                        "data::ambiguous",
                        format!("holds more than one data set: `{first}` and `{second}`"),
                    )
                    .file(shown)
                    .help(format!(
                        "give each set its own folder and name it: `{}/{first}`",
                        path.display()
                    )));
                }
            }
        }
        return Err(DataError::new("data::missing_part", "this folder has no file whose name ends in `_A.txt`")
            .file(shown)
            .help("a data set in TU layout is a folder with NAME_A.txt, NAME_graph_indicator.txt and NAME_graph_labels.txt"));
    }
    if path.is_file() {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let mut files = open_archive(&stem, path)?;
        let found = files.archive.as_ref().and_then(|archive| {
            let mut names: Vec<&str> = archive
                .file_names()
                .filter_map(|entry| entry.rsplit('/').next()?.strip_suffix("_A.txt"))
                .collect();
            names.sort_unstable();
            names.first().map(ToString::to_string)
        });
        files.name = found.unwrap_or(files.name);
        return Ok(files);
    }
    Err(DataError::new("data::missing", "there is no such folder or archive")
        .file(shown)
        .help("give the path of a folder in TU layout or of its .zip, or a name such as `tu(\"PROTEINS\")`"))
}

fn is_part(part: &str) -> bool {
    PARTS.contains(&part)
}

/// Names in a folder; none where it cannot be read. Comparing names read from the folder keeps them case-exact
/// where the file system is not.
fn file_names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}

pub(crate) fn open_archive(name: &str, path: &Path) -> Result<TuFiles, DataError> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    let archive = zip::ZipArchive::new(BufReader::with_capacity(1 << 16, file))
        .map_err(|error| corrupt(&path.display().to_string(), &error))?;
    for entry in archive.file_names() {
        let leaves = entry.starts_with(['/', '\\']) || entry.contains(':') || entry.contains('\0');
        if leaves || entry.split(['/', '\\']).any(|step| step == "..") {
            return Err(DataError::new(
                "data::unsafe_archive",
                format!("the archive has an entry named `{}`, which leads out of it", entry.escape_debug()),
            )
            .file(path.display().to_string())
            .help("nothing was read or written; get the archive from its publisher again"));
        }
    }
    Ok(TuFiles { name: name.into(), path: path.to_path_buf(), archive: Some(archive) })
}

fn unreadable(path: &Path, error: &std::io::Error) -> DataError {
    DataError::new("data::unreadable", format!("cannot be read: {error}"))
        .file(path.display().to_string())
        .help("check that it is a file and that you may read it")
}

fn corrupt(label: &str, error: &dyn std::fmt::Display) -> DataError {
    DataError::new("data::corrupt_archive", format!("is not a whole zip archive: {error}")).file(label).help(
        "it was cut short or damaged: delete it and get it again, or unpack it by other means into a folder",
    )
}

impl TuFiles {
    /// The archive, or the files of all parts that are there.
    pub fn paths(&self) -> Vec<PathBuf> {
        if self.archive.is_some() {
            return vec![self.path.clone()];
        }
        let names = PARTS.iter().map(|part| format!("{}_{part}.txt", self.name));
        let there = file_names(&self.path);
        names.filter(|name| there.contains(name)).map(|name| self.path.join(name)).collect()
    }

    /// The part `NAME_{part}.txt`, `None` where the set has none.
    ///
    /// # Errors
    /// Where it is there and cannot be read.
    pub fn read(&mut self, part: &str) -> Result<Option<Text>, DataError> {
        let file = format!("{}_{part}.txt", self.name);
        let Some(archive) = &mut self.archive else {
            if !file_names(&self.path).contains(&file) {
                return Ok(None);
            }
            let path = self.path.join(file);
            let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
            return Ok(Some(Text { label: path.display().to_string(), bytes }));
        };
        let in_folder = format!("{}/{file}", self.name);
        let Some(entry) = [in_folder, file].into_iter().find(|entry| archive.index_for_name(entry).is_some())
        else {
            return Ok(None);
        };
        let label = format!("{}: {entry}", self.path.display());
        let opened = archive.by_name(&entry).map_err(|error| corrupt(&label, &error))?;
        let claimed = opened.size();
        // The header may lie about the size, so it is neither trusted for the memory nor for the limit.
        let mut bytes = Vec::with_capacity(claimed.min(1 << 26) as usize);
        opened.take(MAX_PART_BYTES + 1).read_to_end(&mut bytes).map_err(|error| corrupt(&label, &error))?;
        if bytes.len() as u64 > MAX_PART_BYTES {
            return Err(DataError::new("data::too_large", "unpacks to more than 8 GiB").file(label).help(
                "node and edge numbers are 32 bits wide, so no data set of this size can be read; split it",
            ));
        }
        if bytes.len() as u64 != claimed {
            return Err(corrupt(&label, &format_args!("{} bytes instead of {claimed}", bytes.len())));
        }
        Ok(Some(Text { label, bytes }))
    }

    /// A part that the layout cannot do without.
    ///
    /// # Errors
    /// Where it is missing or cannot be read.
    pub fn require(&mut self, part: &str, meaning: &str) -> Result<Text, DataError> {
        if let Some(text) = self.read(part)? {
            return Ok(text);
        }
        let name = &self.name;
        Err(DataError::new("data::missing_part", format!("`{name}_{part}.txt` is missing: {meaning}"))
            .file(self.path.display().to_string())
            .help(format!(
                "put `{name}_{part}.txt` beside the other files of {name}, under exactly this name; \
                 the published archive holds it: {}/{name}.zip",
                super::download::TU_COLLECTION
            )))
    }
}
