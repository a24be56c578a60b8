//! Where a data set in TU layout lies.
//!
//! A name is looked for in these folders, the first that has it wins:
//! 1. the data folder (`--data-dir`, else `HGNN_DATA`),
//! 2. its subfolder `tu`,
//! 3. all folders below the data folder,
//! 4. the subfolder `tu` of the cache folder (`~/.cache/hgnnc` on Linux), where downloads are kept.
//!
//! In each, the files are looked for as `NAME/NAME_A.txt …`, `NAME/raw/NAME_A.txt …` (as PyTorch Geometric leaves
//! them), deeper below `NAME/`, lying there directly, and as `NAME.zip`. Names are case-exact on every system. A name
//! with a slash, or with the ending of a file, is a path to a folder or archive instead.

use super::DataOptions;
use super::error::DataError;
use super::files::{
    Archive, Found, OneFile, SetParts, TuFiles, Walk, entries, group, is_archive_name, names,
};
use crate::findings::names::did_you_mean;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Archives that are opened for a listing.
const MAX_ARCHIVES: usize = 500;

/// A data set that lies in a folder, for listings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Listed {
    pub name: String,
    pub path: PathBuf,
}

/// Whether a name given to `tu` is a path.
pub fn is_path(name: &str) -> bool {
    name.contains(['/', '\\']) || matches!(name, "." | "..") || is_archive_name(name)
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
/// Where a path names nothing, more than one set could be meant, or an archive cannot be read.
pub fn find(name: &str, options: &DataOptions) -> Result<Option<TuFiles>, DataError> {
    let max_bytes = options.max_bytes()?;
    if is_path(name) {
        let path = options.path_of(name);
        return match path.metadata() {
            Ok(_) => TuFiles::at(&path, max_bytes).map(Some),
            Err(error) => Err(no_such_path(name, &path, &error)),
        };
    }
    if let Some(data_dir) = &options.data_dir {
        for folder in [data_dir.clone(), data_dir.join("tu")] {
            if let Some(files) = TuFiles::in_folder(name, &folder, max_bytes)? {
                return Ok(Some(files));
            }
        }
        if let Some(files) = Below::search(name, data_dir, max_bytes)?.found {
            return Ok(Some(files));
        }
    }
    match download_folder(options) {
        Some(folder) => TuFiles::in_folder(name, &folder, max_bytes),
        None => Ok(None),
    }
}

/// A path as a call gives it, where something lies.
///
/// # Errors
/// Where nothing does.
pub fn existing(name: &str, options: &DataOptions) -> Result<PathBuf, DataError> {
    let path = options.path_of(name);
    match path.metadata() {
        Ok(_) => Ok(path),
        Err(error) => Err(no_such_path(name, &path, &error)),
    }
}

/// The text file of a set that has one, by its path or by the set's name: `NAME.txt` or `NAME.zip`, anywhere in the data
/// folder or the cache. `published` are names of sets that exist elsewhere.
///
/// # Errors
/// Where there is none, or several could be meant.
pub fn text_file(name: &str, published: &[&str], options: &DataOptions) -> Result<OneFile, DataError> {
    let max_bytes = options.max_bytes()?;
    let is_text = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.ends_with(".txt") || name.ends_with(".txt.gz")
    };
    if is_path(name) {
        let mut path = existing(name, options)?;
        if path.is_dir() {
            let texts: Vec<String> = entries(&path).into_iter().filter(|name| is_text(name)).collect();
            let own = path.file_name().map(|name| format!("{}.txt", name.to_string_lossy()));
            match (texts.iter().find(|text| own.as_ref() == Some(text)), texts.as_slice()) {
                (Some(text), _) | (None, [text]) => path = path.join(text),
                (None, []) => {
                    return Err(DataError::new("data::missing_part", "the folder has no text file")
                        .file(path.display().to_string())
                        .help("name the file, or the folder that it lies in"));
                }
                (None, texts) => {
                    return Err(DataError::new("data::ambiguous", format!("holds {}", names(texts)))
                        .file(path.display().to_string())
                        .help("name the file that is meant"));
                }
            }
        }
        let own = format!("{}.txt", super::files::stem(&path));
        let exact = OneFile::at(&path, max_bytes, &|file| file == own);
        return match exact {
            Err(error) if error.code == "data::missing_part" => OneFile::at(&path, max_bytes, &is_text),
            found => found,
        };
    }
    let own = [format!("{name}.txt"), format!("{name}.txt.gz")];
    let is_own = |file: &str| own.iter().any(|own| own == file);
    let mut hits: Vec<OneFile> = Vec::new();
    let walks = [options.data_dir.clone(), options.cache_dir.as_ref().map(|cache| cache.join("graph_text"))];
    for walk in walks.into_iter().flatten().map(|folder| Walk::below(&folder)) {
        let texts = walk.files.iter().filter(|found| is_own(&found.file)).filter_map(Found::path);
        let archives = walk.archives().filter(|path| path.file_stem().is_some_and(|stem| stem == name));
        for path in texts.chain(archives) {
            match OneFile::at(&path, max_bytes, &is_own) {
                Ok(file) => hits.push(file),
                // An archive of that name in another layout.
                Err(error) if error.code == "data::missing_part" => {}
                Err(error) => return Err(error),
            }
        }
        // The file that lies nearest to the top.
        hits.sort_by_key(|file| file.path.components().count());
        let depth = |file: &OneFile| file.path.components().count();
        if let [first, second, ..] = hits.as_slice()
            && depth(first) == depth(second)
            && first.path.parent() != second.path.parent()
        {
            let places: Vec<String> = hits.iter().map(|hit| hit.path.display().to_string()).collect();
            return Err(DataError::new(
                "data::ambiguous",
                format!("several files are called `{name}`: {}", names(&places)),
            )
            .help("name one by its path"));
        }
        if !hits.is_empty() {
            return Ok(hits.remove(0));
        }
    }
    let place = match &options.data_dir {
        Some(folder) => format!("put `{name}.txt`, or `{name}.zip` with it, into {}", folder.display()),
        None => format!("put `{name}.txt` into a folder and name that folder with `--data-dir` or HGNN_DATA"),
    };
    if published.contains(&name) {
        return Err(DataError::new(
            "data::not_here",
            format!("the data set `{name}` was not found in any data folder"),
        )
        .help(place));
    }
    let like = did_you_mean(name, published.iter().copied())
        .map(|like| format!("did you mean `{like}`?\n"))
        .unwrap_or_default();
    Err(DataError::new("data::unknown_set", format!("there is no data set `{name}`"))
        .help(format!("{like}{place}")))
}

/// A path that leads nowhere, with one beside it that was probably meant.
pub(super) fn no_such_path(name: &str, path: &Path, error: &std::io::Error) -> DataError {
    let shown = path.display().to_string();
    if error.kind() != std::io::ErrorKind::NotFound {
        return DataError::new("data::unreadable", format!("cannot be read: {error}"))
            .file(shown)
            .help("a data set is a folder or a zip archive that you may read");
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let last = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = super::files::entries(folder);
    let like = did_you_mean(&last, beside.iter().map(String::as_str)).map(|like| {
        let given = name.strip_suffix(&last).unwrap_or_default();
        format!("did you mean `{given}{like}`?\n")
    });
    let state = if folder.is_dir() { "" } else { "; the folder that it would be in does not exist either" };
    DataError::new("data::missing", format!("the data `{name}` does not exist"))
        .help(format!(
            "{}looked for {shown}{state}; a path in a file is relative to that file, one on the command line to the \
             current folder",
            like.unwrap_or_default()
        ))
}

/// What lies deeper below the data folder.
pub(super) struct Below {
    found: Option<TuFiles>,
    /// Folders and archives of that name that hold no set in TU layout.
    pub others: Vec<PathBuf>,
    /// There was more than is looked at.
    pub is_cut: bool,
}

impl Below {
    /// Looks for a set in all folders below.
    ///
    /// # Errors
    /// Where several are called so, or one cannot be read.
    pub fn search(name: &str, data_dir: &Path, max_bytes: u64) -> Result<Self, DataError> {
        let walk = Walk::below(data_dir);
        let mut below = Self { found: None, others: Vec::new(), is_cut: walk.is_cut };
        let mut hits: Vec<TuFiles> = Vec::new();
        let mut owned: BTreeSet<PathBuf> = BTreeSet::new();
        for folder in walk.folders.iter().filter(|folder| folder.ends_with(name)) {
            let is_inside = owned.iter().any(|outer| folder.starts_with(outer));
            let Some(parent) = folder.parent().filter(|_| !is_inside) else { continue };
            if let Some(files) = TuFiles::in_folder(name, parent, max_bytes)? {
                owned.insert(folder.clone());
                hits.push(files);
            } else {
                below.others.push(folder.clone());
            }
        }
        for set in group(walk.files.clone()).into_iter().filter(|set| set.name == name && set.is_set()) {
            let folder = data_dir.join(&set.folder);
            if owned.iter().all(|outer| !folder.starts_with(outer)) {
                hits.push(TuFiles::at(&folder, max_bytes)?);
            }
        }
        for archive in walk.archives().filter(|path| path.file_stem().is_some_and(|stem| stem == name)) {
            match TuFiles::in_archive(name, &archive, max_bytes) {
                Ok(files) => hits.push(files),
                Err(error) if error.code == "data::missing_part" => below.others.push(archive),
                Err(error) => return Err(error),
            }
        }
        if hits.len() > 1 {
            let places: Vec<String> = hits.iter().map(|hit| hit.path.display().to_string()).collect();
            return Err(DataError::new(
                "data::ambiguous",
                format!("several data sets are called `{name}`: {}", names(&places)),
            )
            .file(data_dir.display().to_string())
            .help(format!(
                "name one by its path, or its folder with `--data-dir {}`",
                parent_of(&hits[0].path)
            )));
        }
        below.found = hits.pop();
        Ok(below)
    }
}

fn parent_of(path: &Path) -> String {
    path.parent().map_or_else(|| ".".to_owned(), |parent| parent.display().to_string())
}

/// Every data set that a name could mean, in the order of the alphabet.
pub fn list(options: &DataOptions) -> Vec<Listed> {
    // With the place of a folder in the order in which names are looked for.
    let mut all: Vec<(usize, Listed)> = Vec::new();
    if let Some(data_dir) = &options.data_dir {
        let rank = |place: &Path| {
            let direct = |folder: &Path| place == folder || place.parent() == Some(folder);
            match (direct(data_dir), direct(&data_dir.join("tu"))) {
                (true, _) => 0,
                (_, true) => 1,
                _ => 2,
            }
        };
        all.extend(sets_below(data_dir).into_iter().map(|listed| (rank(&listed.path), listed)));
    }
    all.extend(
        download_folder(options).iter().flat_map(|folder| sets_below(folder)).map(|listed| (3, listed)),
    );
    all.sort_by(|(rank, one), (other_rank, other)| {
        (&one.name, rank, &one.path).cmp(&(&other.name, other_rank, &other.path))
    });
    // What is found first hides what has the same name elsewhere.
    all.dedup_by(|(_, later), (_, earlier)| later.name == earlier.name);
    all.into_iter().map(|(_, listed)| listed).collect()
}

fn sets_below(folder: &Path) -> Vec<Listed> {
    let walk = Walk::below(folder);
    let in_folders = group(walk.files.clone()).into_iter().filter(SetParts::is_set).map(|set| {
        // PyTorch Geometric keeps the files in `raw`; the set is the folder around it.
        let inner =
            set.folder.strip_suffix("raw").map_or(set.folder.as_str(), |outer| outer.trim_end_matches('/'));
        Listed { path: folder.join(inner), name: set.name }
    });
    let in_archives = walk.archives().take(MAX_ARCHIVES).filter_map(|path| {
        let name = path.file_stem()?.to_string_lossy().into_owned();
        let sets = group(Archive::open(&path).ok()?.files());
        let sets: Vec<_> = sets.iter().filter(|set| set.is_set()).collect();
        let is_its_own = sets.len() == 1 || sets.iter().any(|set| set.name == name);
        is_its_own.then_some(Listed { name, path })
    });
    in_folders.chain(in_archives).collect()
}
