//! Archives unpacked into a folder: regular files alone, none outside of it, and no more bytes than are expected.

use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};

/// Files of one archive.
const MAX_FILES: usize = 100_000;

/// Unpacks a zip archive, without the folder that all of it lies in.
///
/// # Errors
/// In words, where it is damaged, leads out of the folder or is too large.
pub fn zip(archive: &Path, folder: &Path, max_bytes: u64) -> Result<(), String> {
    let file = File::open(archive).map_err(|error| error.to_string())?;
    let mut zip = zip::ZipArchive::new(BufReader::new(file))
        .map_err(|error| format!("is no complete zip archive: {error}"))?;
    if zip.len() > MAX_FILES {
        return Err(format!("the archive has {} entries", zip.len()));
    }
    let mut names = Vec::new();
    for idx in 0..zip.len() {
        let entry = zip.by_index_raw(idx).map_err(|error| format!("is no complete zip archive: {error}"))?;
        names.push(if entry.is_file() { inside(Path::new(entry.name()))? } else { None });
    }
    let top = top_of(names.iter().flatten());
    let mut left = max_bytes;
    for (idx, name) in names.iter().enumerate() {
        let Some(name) = name else { continue };
        let mut entry = zip.by_index(idx).map_err(|error| format!("cannot be unpacked: {error}"))?;
        put(&mut entry, &folder.join(below(name, &top)), &mut left)?;
    }
    Ok(())
}

/// Unpacks a tar archive that gzip has packed, without the folder that all of it lies in.
///
/// # Errors
/// In words, where it is damaged, leads out of the folder or is too large.
pub fn tar_gz(archive: &Path, folder: &Path, max_bytes: u64) -> Result<(), String> {
    // Twice over the archive: what all names have in common shows at its end alone.
    let mut names = Vec::new();
    each(archive, max_bytes, &mut |_, name| {
        names.extend(name);
        Ok(())
    })?;
    let top = top_of(names.iter());
    let mut left = max_bytes;
    each(archive, max_bytes, &mut |entry, name| match name {
        Some(name) => put(entry, &folder.join(below(&name, &top)), &mut left),
        None => Ok(()),
    })
}

/// What is done with an entry and its name.
type EachEntry<'a> = dyn FnMut(&mut dyn Read, Option<PathBuf>) -> Result<(), String> + 'a;

/// Goes over the entries of an archive; those that are no regular files have no name.
fn each(archive: &Path, max_bytes: u64, f: &mut EachEntry) -> Result<(), String> {
    let broken = |error: io::Error| format!("is no complete tar.gz archive: {error}");
    let file = File::open(archive).map_err(|error| error.to_string())?;
    // A tar archive has some bytes more than its files.
    let limit = max_bytes.saturating_add(max_bytes / 8).saturating_add(64 << 20);
    let mut tar = tar::Archive::new(MultiGzDecoder::new(BufReader::new(file)).take(limit));
    for (idx, entry) in tar.entries().map_err(broken)?.enumerate() {
        let mut entry = entry.map_err(broken)?;
        if idx >= MAX_FILES {
            return Err(format!("the archive has more than {MAX_FILES} entries"));
        }
        let is_file = entry.header().entry_type().is_file();
        let path = entry.path().map_err(broken)?.into_owned();
        let name = if is_file { inside(&path)? } else { None };
        f(&mut entry, name)?;
    }
    Ok(())
}

/// The name of an entry as a path below a folder; `None` for a hidden file.
fn inside(name: &Path) -> Result<Option<PathBuf>, String> {
    let leads_out = || {
        format!(
            "the archive has an entry named `{}`, which leads out of it",
            name.to_string_lossy().escape_default()
        )
    };
    // Some programs write `\` where the formats have `/`.
    let text = name.to_str().ok_or_else(leads_out)?.replace('\\', "/");
    if text.contains(':') || text.contains('\0') {
        return Err(leads_out());
    }
    let mut path = PathBuf::new();
    for step in Path::new(&text).components() {
        match step {
            Component::Normal(step) if step.to_string_lossy().starts_with('.') || step == "__MACOSX" => {
                return Ok(None);
            }
            Component::Normal(step) => path.push(step),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(leads_out()),
        }
    }
    Ok((path != Path::new("")).then_some(path))
}

/// The folder that all files lie in; empty where there is none.
fn top_of<'a>(mut names: impl Iterator<Item = &'a PathBuf>) -> PathBuf {
    let Some(first) = names.next() else { return PathBuf::new() };
    let mut top = first.parent().unwrap_or(Path::new("")).to_path_buf();
    for name in names {
        while !name.starts_with(&top) {
            top.pop();
        }
    }
    // One folder around all of it: those inside have a meaning.
    top.components().take(1).collect()
}

fn below(name: &Path, top: &Path) -> PathBuf {
    name.strip_prefix(top).unwrap_or(name).to_path_buf()
}

fn put(entry: &mut dyn Read, to: &Path, left: &mut u64) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot be unpacked: {error}");
    fs::create_dir_all(to.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    let mut file = File::create_new(to).map_err(failed)?;
    let n_bytes = io::copy(&mut entry.take(left.saturating_add(1)), &mut file).map_err(failed)?;
    *left = left.checked_sub(n_bytes).ok_or("unpacks to more than the set is known to have")?;
    Ok(())
}
