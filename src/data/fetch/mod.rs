//! Published sets put into the data folder, ready to be read: `hgnnc data fetch NAME`.
//!
//! A set is downloaded file by file into a folder beside its place, which goes on where an earlier attempt was broken off, unpacked
//! into another one, and given its name when all of it is there. `SHA256SUMS` in its folder keeps the checksums of the first
//! download, in the form that `sha256sum -c` reads; later ones are compared with them.

pub mod sets;
mod transfer;
mod unpack;

use super::download::{DownloadProgress, TU_COLLECTION};
use super::files::size_in_words;
use super::{DataError, DataOptions, collection};
use crate::diagnostic::count;
use crate::findings::names::did_you_mean;
use crate::regular;
use sets::{Part, SETS, Set, Unpack};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The checksums of a set, by the paths of its files.
const SUMS: &str = "SHA256SUMS";

/// Bytes of a file of checksums.
const MAX_SUMS_BYTES: u64 = 1 << 20;

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub name: String,
    /// Where the set lies.
    pub path: PathBuf,
    /// It was there, and its checksums are those of its first download.
    pub was_there: bool,
    pub n_bytes: u64,
    /// What reads it: `planetoid("cora")`.
    pub call: String,
}

/// Gets a set that has a name in the list of published ones, or in the TU collection.
///
/// # Errors
/// Where nobody knows the name, the network fails, what comes is not what is known, or it cannot be stored.
pub fn fetch(name: &str, again: bool, options: &DataOptions) -> Result<Fetched, DataError> {
    match sets::find(name) {
        Some(set) => fetch_set(&set, again, options),
        None => Err(unknown(name)),
    }
}

/// How to get a set, as the end of a sentence; empty where it is not known.
pub fn way_to(name: &str) -> String {
    match SETS.iter().any(|set| set.name == name) {
        true => format!(", and `hgnnc data fetch {name}` downloads it"),
        false => String::new(),
    }
}

fn unknown(name: &str) -> DataError {
    let all: Vec<String> = SETS.iter().map(|set| set.name.to_owned()).chain(collection::names()).collect();
    let like = did_you_mean(name, all.iter().map(String::as_str))
        .map(|like| format!("did you mean `{like}`? "))
        .unwrap_or_default();
    DataError::new("data::unknown_set", format!("no published set is known as `{name}`"))
        .help(format!("{like}`hgnnc data fetch` lists the names"))
}

/// The same of a set that is described.
///
/// # Errors
/// As [`fetch`].
pub fn fetch_set(set: &Set, again: bool, options: &DataOptions) -> Result<Fetched, DataError> {
    let Some(root) = options.data_dir.as_ref().or(options.cache_dir.as_ref()) else {
        return Err(DataError::new("data::cache_unwritable", "there is no folder to put data into")
            .help("name one with `--data-dir` or HGNN_DATA"));
    };
    let folder = root.join(set.folder);
    let place = folder.join(&*set.name);
    let done = |was_there: bool| -> Result<Fetched, DataError> {
        Ok(Fetched {
            name: set.name.to_string(),
            n_bytes: sums_of(&place)?
                .keys()
                .filter_map(|file| place.join(file).metadata().ok())
                .map(|f| f.len())
                .sum(),
            call: set.call(&place, options),
            path: place.clone(),
            was_there,
        })
    };
    let stored = if place.join(SUMS).is_file() { Some(sums_of(&place)?) } else { None };
    if let (Some(stored), false) = (&stored, again) {
        compare(
            &place,
            stored,
            &sums(&place)?,
            "was changed since it was downloaded",
            "`--again` downloads the set anew",
        )?;
        return done(true);
    }
    if place.exists() && stored.is_none() {
        return Err(DataError::new(
            "data::cache_unwritable",
            format!("`{}` lies here already, and was not fetched", set.name),
        )
        .file(place.display().to_string())
        .help("move it away, or name another folder with `--data-dir`"));
    }
    if options.offline {
        return Err(DataError::new(
            "data::download",
            format!("`{}` was not downloaded, because downloads are switched off", set.name),
        )
        .help(format!(
            "leave `--offline` and HGNN_OFFLINE out, or get it from {} by hand",
            set.parts[0].address
        )));
    }
    let unwritable = |error: io::Error| {
        DataError::new("data::cache_unwritable", format!("`{}` cannot be stored here: {error}", set.name))
            .file(folder.display().to_string())
            .help("free space, or make the folder writable")
    };
    fs::create_dir_all(&folder).map_err(unwritable)?;
    let downloads = folder.join(format!(".download-{}", set.name));
    fs::create_dir_all(&downloads).map_err(unwritable)?;
    let staged = tempfile::Builder::new().prefix(".unpack-").tempdir_in(&folder).map_err(unwritable)?;
    for part in &set.parts {
        get(set, part, &downloads, staged.path(), options).inspect_err(|_| {
            // Fails where something has come that a later call goes on from.
            let _ = fs::remove_dir(&downloads);
        })?;
    }
    let found = sums(staged.path())?;
    for part in &set.parts {
        for (file, expected) in &part.sums {
            let what = || match found.get(&**file) {
                Some(_) => format!("`{file}` has another SHA-256"),
                None => format!("it has no `{file}`"),
            };
            if found.get(&**file).map(String::as_str) != Some(*expected) {
                let _ = fs::remove_dir_all(&downloads);
                return Err(DataError::new(
                    "data::checksum",
                    format!("the download of `{}` is not the published set: {}", set.name, what()),
                )
                .file(&*part.address)
                .help("nothing was kept; try again later"));
            }
        }
    }
    if let Some(stored) = &stored {
        compare(
            staged.path(),
            stored,
            &found,
            "differs from the first download",
            "the set was published anew or damaged on its way, and the files that are here were kept; to take the new ones, \
             delete the folder and fetch it again",
        )
        .inspect_err(|_| {
            let _ = fs::remove_dir_all(&downloads);
        })
        .map_err(|error| error.file(place.display().to_string()))?;
    }
    let text: String = found.iter().map(|(file, sum)| format!("{sum}  {file}\n")).collect();
    fs::write(staged.path().join(SUMS), text).map_err(unwritable)?;
    let staged = staged.keep();
    if place.exists() {
        fs::remove_dir_all(&place).map_err(unwritable)?;
    }
    fs::rename(&staged, &place).map_err(|error| {
        let _ = fs::remove_dir_all(&staged);
        unwritable(error)
    })?;
    let _ = fs::remove_dir_all(&downloads);
    done(false)
}

/// Downloads one file of a set and puts what it holds into a folder.
fn get(
    set: &Set,
    part: &Part,
    downloads: &Path,
    staged: &Path,
    options: &DataOptions,
) -> Result<(), DataError> {
    let last = part.address.rsplit('/').next().filter(|last| !last.is_empty()).unwrap_or("file");
    let path = downloads.join(last);
    let report = |received_bytes: u64, total_bytes: Option<u64>| {
        if let Some(progress) = &options.progress {
            progress(DownloadProgress { name: set.name.to_string(), received_bytes, total_bytes });
        }
    };
    transfer::get(&part.address, &path, set.max_bytes, &report).map_err(|failure| match failure {
        transfer::Failure::Network(reason) => {
            DataError::new("data::download", format!("the download of `{}` failed: {reason}", set.name))
                .file(&*part.address)
                .help("what has come is kept: the same command goes on from there")
        }
        transfer::Failure::Disk(error) => {
            DataError::new("data::cache_unwritable", format!("`{}` cannot be stored here: {error}", set.name))
                .file(path.display().to_string())
                .help("free space, or make the folder writable")
        }
    })?;
    let refuse = |message: String| {
        // What cannot be unpacked is no use as a beginning.
        let _ = fs::remove_file(&path);
        DataError::new("data::corrupt_archive", message)
            .file(&*part.address)
            .help("nothing was kept; try again later")
    };
    match part.unpack {
        Unpack::No(name) => {
            let to = staged.join(if name.is_empty() { last } else { name });
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(|error| refuse(error.to_string()))?;
            }
            fs::copy(&path, &to).map(|_| ()).map_err(|error| refuse(error.to_string()))
        }
        Unpack::Zip => unpack::zip(&path, staged, set.max_bytes).map_err(refuse),
        Unpack::TarGz => unpack::tar_gz(&path, staged, set.max_bytes).map_err(refuse),
    }
}

/// Where two lists of checksums differ.
fn compare(
    place: &Path,
    stored: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
    what: &str,
    help: &str,
) -> Result<(), DataError> {
    let differs: Vec<&String> =
        stored.iter().filter(|(file, sum)| now.get(*file) != Some(sum)).map(|(file, _)| file).collect();
    let Some(first) = differs.first() else { return Ok(()) };
    let state = if now.contains_key(*first) { what } else { "is missing" };
    let more = match differs.len() - 1 {
        0 => String::new(),
        more => format!(", and so it is with {}", count(more, "other file")),
    };
    Err(DataError::new("data::checksum", format!("`{first}` {state}{more}"))
        .file(place.display().to_string())
        .help(help))
}

/// The checksums that are stored in the folder of a set.
fn sums_of(place: &Path) -> Result<BTreeMap<String, String>, DataError> {
    let path = place.join(SUMS);
    let text = regular::read_text(&path, MAX_SUMS_BYTES).map_err(|error| {
        DataError::new("data::unreadable", format!("cannot be read: {error}"))
            .file(path.display().to_string())
            .help("delete the folder and fetch the set again")
    })?;
    Ok(text
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(sum, file)| (file.into(), sum.into()))
        .collect())
}

/// The checksums of all files of a folder, by their paths in it.
fn sums(folder: &Path) -> Result<BTreeMap<String, String>, DataError> {
    let mut sums = BTreeMap::new();
    let mut open = vec![(folder.to_path_buf(), String::new())];
    while let Some((at, inner)) = open.pop() {
        for name in super::files::entries(&at) {
            let path = at.join(&name);
            let file = if inner.is_empty() { name } else { format!("{inner}/{name}") };
            if path.is_dir() {
                open.push((path, file));
            } else if file != SUMS {
                let sum = sum_of(&path).map_err(|error| {
                    DataError::new("data::unreadable", format!("cannot be read: {error}"))
                        .file(path.display().to_string())
                        .help("make it readable, or fetch the set again")
                })?;
                sums.insert(file, sum);
            }
        }
    }
    Ok(sums)
}

fn sum_of(path: &Path) -> io::Result<String> {
    let mut file = regular::open(path).map_err(io::Error::from)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(super::fingerprint::hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// The list of names, for `hgnnc data fetch` without one.
///
/// # Errors
/// Where it cannot be written.
pub fn list(out: &mut dyn Write) -> io::Result<()> {
    let width = SETS.iter().map(|set| set.name.len()).max().unwrap_or(0);
    for set in SETS {
        let size = size_in_words(set.download_bytes);
        writeln!(out, "{:width$}  {:>8}  {}", set.name, size, set.what)?;
    }
    writeln!(out, "\nand every set of the TU collection by its name, from {TU_COLLECTION}")
}

#[cfg(test)]
mod tests;
