//! What the checker has to know of a data set, kept in the cache folder, so that a file is checked in
//! milliseconds however large its data is.
//!
//! An entry holds for one call, the size and times of the files it reads, and one build of this program. Whatever
//! of these changes names another entry, so nothing has to be cleared; a damaged entry is made again.

use super::{DataError, DataOptions, Dataset, find, load};
use crate::args::BoundCall;
use crate::files::{self, sealed};
use crate::ir::canonical;
use crate::regular;
use crate::settings::data::check_call;
use crate::types::DataFacts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What [`load`] would find, without reading the data where its facts are known.
///
/// # Errors
/// As [`load`].
///
/// # Panics
/// Where the call is not of the catalogue, which the binder has excluded.
pub fn facts(call: &BoundCall, options: &DataOptions) -> Result<DataFacts, DataError> {
    let entry = entry_of(call, options);
    if let Some(known) = entry.as_deref().and_then(read) {
        return Ok(known);
    }
    let facts = load(call, options)?.facts();
    if let Some(entry) = &entry {
        let _ = write(entry, &facts);
    }
    Ok(facts)
}

/// The facts of the set that a call has made: those that are known, else it is gone over for them.
pub fn facts_of(call: &BoundCall, options: &DataOptions, data: &Dataset) -> DataFacts {
    let entry = entry_of(call, options);
    entry.as_deref().and_then(read).unwrap_or_else(|| {
        let facts = data.facts();
        if let Some(entry) = &entry {
            let _ = write(entry, &facts);
        }
        facts
    })
}

/// Where the facts of this call are kept; `None` where the data is absent, or cannot be distinguished from others.
fn entry_of(call: &BoundCall, options: &DataOptions) -> Option<PathBuf> {
    Some(options.cache_dir.as_ref()?.join("facts").join(key_of(call, options)? + ".json"))
}

/// What names an entry for this call: it, the state of its files, and the build of this program.
fn key_of(call: &BoundCall, options: &DataOptions) -> Option<String> {
    key_with(call, options, stamp)
}

/// The same with what the files hold in place of their sizes and times.
pub(super) fn content_key_of(call: &BoundCall, options: &DataOptions) -> Option<String> {
    let cache_dir = options.cache_dir.as_deref()?;
    key_with(call, options, |key, file| {
        // Messages of a set name its files, wherever the same content lies.
        key.update(file.canonicalize().ok()?.as_os_str().as_encoded_bytes());
        key.update(format!("\n{}\n", content_of(file, cache_dir)?));
        Some(())
    })
}

fn key_with(
    call: &BoundCall,
    options: &DataOptions,
    mut of_file: impl FnMut(&mut Sha256, &Path) -> Option<()>,
) -> Option<String> {
    if options.vocabulary.is_some() || options.cache_dir.is_none() {
        return None;
    }
    let source = find(call.name).expect("a call bound against SPECS");
    // A call that is wrong in itself is refused by `load`.
    if !check_call(call).is_empty() {
        return None;
    }
    let mut key = Sha256::new();
    key.update(canonical::call_text(call));
    // The program's own build: a reader that reads differently makes other facts.
    stamp(&mut key, &std::env::current_exe().ok()?)?;
    for file in source.files(call, options)? {
        of_file(&mut key, &file)?;
    }
    Some(sealed::hex(key))
}

/// Files of so many bytes are read once for their checksum, smaller ones each time.
const MIN_KNOWN_BYTES: u64 = if cfg!(test) { 1_000 } else { 16 << 20 };

/// A file that was changed so short a time ago may be changed again without its time telling.
const MIN_AGE: Duration = Duration::from_secs(2);

/// What is known of a file's content, under its size and times.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    sha256: String,
}

/// The SHA-256 of a file's content.
fn content_of(file: &Path, cache_dir: &Path) -> Option<String> {
    let facts = file.metadata().ok()?;
    let is_settled = || facts.modified().ok()?.elapsed().ok().filter(|&age| age >= MIN_AGE);
    let known = match facts.len() >= MIN_KNOWN_BYTES && is_settled().is_some() {
        true => {
            let mut key = Sha256::new();
            stamp(&mut key, file)?;
            Some(cache_dir.join("contents").join(sealed::hex(key) + ".json"))
        }
        false => None,
    };
    if let Some(Known { sha256 }) = known.as_deref().and_then(read) {
        return Some(sha256);
    }
    let mut sum = Sha256::new();
    std::io::copy(&mut regular::open(file).ok()?, &mut sum).ok()?;
    let content = Known { sha256: sealed::hex(sum) };
    if let Some(entry) = &known {
        let _ = write(entry, &content);
    }
    Some(content.sha256)
}

/// Distinguishes one state of a file from the next.
fn stamp(key: &mut Sha256, file: &Path) -> Option<()> {
    let found = file.metadata().ok()?;
    let file = file.canonicalize().ok()?;
    key.update(file.as_os_str().as_encoded_bytes());
    key.update(format!("\n{} {:?}", found.len(), found.modified().ok()?));
    // The time of modification can be set back, as `cp -p` does; that of the change of the entry cannot.
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        key.update(format!(" {} {} {}\n", found.ino(), found.ctime(), found.ctime_nsec()));
    }
    Some(())
}

/// Entries have at most as many bytes.
const MAX_BYTES: u64 = 64 << 20;

/// `None` where the entry is not there, or its checksum does not confirm it.
pub(super) fn read<T: DeserializeOwned>(entry: &Path) -> Option<T> {
    sealed::open(&regular::read(entry, MAX_BYTES).ok()?).ok()?.sealed().ok()
}

/// A cache that cannot be written costs time and nothing else, so callers may pass over the error.
pub(super) fn write(entry: &Path, facts: &impl Serialize) -> std::io::Result<()> {
    let folder = entry.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    files::replace(entry, |out| out.write_all(sealed::seal(facts).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;

    fn set(folder: &Path, labels: &str) -> BoundCall {
        let write =
            |part: &str, text: &str| std::fs::write(folder.join(format!("X_{part}.txt")), text).unwrap();
        write("A", "1, 2\n2, 1\n3, 4\n4, 3\n");
        write("graph_indicator", "1\n1\n2\n2\n");
        write("graph_labels", labels);
        write("node_labels", "0\n1\n1\n0\n");
        super::super::call("tu", &[("name", ArgValue::Text(format!("{}/", folder.display())))])
    }

    #[test]
    fn facts_are_those_of_the_data_and_follow_its_files() {
        let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = DataOptions { cache_dir: Some(cache.path().into()), ..DataOptions::folder("nowhere") };
        let call = set(folder.path(), "1\n2\n");
        let loaded = load(&call, &options).unwrap().facts();
        for _ in 0..2 {
            assert_eq!(facts(&call, &options).unwrap(), loaded);
            assert_eq!(facts_of(&call, &options, &load(&call, &options).unwrap()), loaded);
        }
        let entry = entry_of(&call, &options).unwrap();
        assert!(entry.is_file());
        // A damaged entry is made again, whichever bit of it has changed.
        let whole = std::fs::read(&entry).unwrap();
        for bit in 0..8 * whole.len() {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&entry, &changed).unwrap();
            assert_eq!(read::<DataFacts>(&entry), None, "bit {bit}");
        }
        assert_eq!(facts(&call, &options).unwrap(), loaded);
        assert_eq!(read(&entry), Some(loaded.clone()));

        set(folder.path(), "1\n1\n");
        let changed = facts(&call, &options).unwrap();
        assert_eq!((changed.n_outputs, loaded.n_outputs), (1, 2));
    }

    #[test]
    fn broken_data_is_refused_each_time() {
        let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let options = DataOptions { cache_dir: Some(cache.path().into()), ..DataOptions::folder("nowhere") };
        let call = set(folder.path(), "1\n");
        for _ in 0..2 {
            assert_eq!(facts(&call, &options).unwrap_err(), load(&call, &options).unwrap_err());
        }
    }

    #[test]
    fn calls_with_other_arguments_have_other_facts() {
        let cache = tempfile::tempdir().unwrap();
        let options = DataOptions { cache_dir: Some(cache.path().into()), ..DataOptions::folder("nowhere") };
        let of = |graphs| {
            let call = super::super::call("hierarchy", &[("graphs", ArgValue::Int(graphs))]);
            facts(&call, &options).unwrap().n_graphs
        };
        assert_eq!([of(8), of(16), of(8)], [8, 16, 8]);
    }
}
