//! Files that are no zip archive: what they are, and what to name instead.

use super::super::error::DataError;
use super::group::part_of;
use crate::regular::ReadError;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

/// Endings by which a name is taken for the path of a file. All but `.zip` are refused with advice.
const ENDINGS: [&str; 22] = [
    ".zip",
    ".tar",
    ".tgz",
    ".gz",
    ".bz2",
    ".xz",
    ".7z",
    ".rar",
    ".zst",
    ".txt",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".mat",
    ".npz",
    ".npy",
    ".ndjson",
    ".graphml",
    ".gexf",
    ".edgelist",
    ".adjlist",
];

/// Whether a name ends like that of a file.
pub fn is_archive_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Why a path is no archive that can be opened.
pub fn not_a_set(path: &Path, error: &ReadError) -> DataError {
    let shown = path.display().to_string();
    if matches!(error, ReadError::NotFound) {
        return DataError::new("data::missing", "there is no such folder or archive").file(shown).help(
            "give the path of a folder in TU layout or of its .zip, or a name such as `tu(\"PROTEINS\")`",
        );
    }
    DataError::new("data::unreadable", format!("cannot be read: {error}"))
        .file(shown)
        .help("a data set is a folder or a zip archive that you may read")
}

/// Looks at the first bytes of a file, and leaves it at its start.
///
/// # Errors
/// Where it is something else than a zip archive: what it is, and what to name instead.
pub fn is_zip(file: &mut File, path: &Path) -> Result<(), DataError> {
    let shown = path.display().to_string();
    let mut head = Vec::new();
    let read = file.by_ref().take(512).read_to_end(&mut head).and_then(|_| file.rewind());
    if let Err(error) = read {
        return Err(not_a_set(path, &ReadError::System(error)));
    }
    // A local entry, or the end record of an archive without entries.
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        return Ok(());
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let is_named_zip = name.to_ascii_lowercase().ends_with(".zip");
    let not_zip = |what: &str, help: String| {
        Err(DataError::new("data::not_an_archive", format!("is {what}, not a folder or zip archive"))
            .file(shown.clone())
            .help(help))
    };
    if part_of(&name).is_some() {
        return not_zip("one file of a data set", format!("name its folder: `{}`", folder.display()));
    }
    let unpack = |how: &str| format!("unpack it (`{how} {name}`) and name the folder");
    let is_tar = head.get(257..262) == Some(b"ustar");
    if head.starts_with(b"\x1f\x8b") {
        let how = if name.ends_with("tar.gz") || name.ends_with("tgz") { "tar xf" } else { "gunzip" };
        return not_zip("packed with gzip", unpack(how));
    }
    if is_tar
        || head.starts_with(b"BZh")
        || head.starts_with(b"\xfd7zXZ")
        || head.starts_with(b"\x28\xb5\x2f\xfd")
    {
        return not_zip("an archive of another kind", unpack("tar xf"));
    }
    if head.starts_with(b"7z\xbc\xaf\x27\x1c") || head.starts_with(b"Rar!") {
        return not_zip("an archive of another kind", "unpack it and name the folder".to_owned());
    }
    let text = String::from_utf8_lossy(&head).trim_start().to_ascii_lowercase();
    if text.starts_with("<!doctype") || text.starts_with("<html") {
        return not_zip(
            "a web page",
            "the server answered with a page instead of the archive: download it again".to_owned(),
        );
    }
    if is_named_zip {
        return Err(DataError::new("data::corrupt_archive", "is not a zip archive, despite its name")
            .file(shown)
            .help("the archive is incomplete or damaged: download it again"));
    }
    not_zip(
        "a file",
        "the TU layout is a folder, or a zip archive of it, with NAME_A.txt (edges), NAME_graph_indicator.txt and \
         NAME_graph_labels.txt; `hgnnc ops tu` describes it"
            .to_owned(),
    )
}
