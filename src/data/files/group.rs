//! From the names of files to data sets: which files belong together, and which part of the layout each one is.

use super::super::error::DataError;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every part of the TU layout: a set has them as `NAME_A.txt`, `NAME_graph_indicator.txt`, …
pub const PARTS: [&str; 8] = [
    "A",
    "graph_indicator",
    "graph_labels",
    "graph_attributes",
    "node_labels",
    "node_attributes",
    "edge_labels",
    "edge_attributes",
];

/// How many names a message lists.
const N_SHOWN: usize = 5;

/// A name of others is shown up to this length.
const MAX_NAME: usize = 80;

/// A file on disk or an entry of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The folders around it, from the place that was searched on, with `/` between them; empty at its top.
    pub folder: String,
    pub file: String,
    pub place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Path(PathBuf),
    /// Of an archive, by its index.
    Entry(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
}

impl Found {
    pub fn path(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Path(path) => Some(path.clone()),
            Place::Entry(_) => None,
        }
    }
}

/// A file that is a part of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartFile {
    pub found: Found,
    pub place: Place,
    pub packing: Packing,
}

impl PartFile {
    pub fn path(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Path(path) => Some(path.clone()),
            Place::Entry(_) => None,
        }
    }

    /// As messages name it: `X.zip: X/X_A.txt`.
    pub fn label(&self, archive: &Path) -> String {
        let Found { folder, file, .. } = &self.found;
        let slash = if folder.is_empty() { "" } else { "/" };
        format!("{}: {}", archive.display(), shown(&format!("{folder}{slash}{file}")))
    }
}

/// The files of one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetParts {
    /// The folders around it, as [`Found::folder`].
    pub folder: String,
    /// What its files begin with.
    pub name: String,
    parts: BTreeMap<&'static str, Vec<PartFile>>,
    /// What stands for the dots in files `NAME_….txt` that are no part of the layout and no readme.
    pub others: Vec<String>,
}

impl SetParts {
    /// A set has edges.
    pub fn is_set(&self) -> bool {
        self.has("A")
    }

    pub fn has(&self, part: &str) -> bool {
        self.parts.contains_key(part)
    }

    pub fn files(&self) -> impl Iterator<Item = &PartFile> {
        self.parts.values().flatten()
    }

    /// The file of a part. Beside a file that is packed, the one that was unpacked from it is read.
    ///
    /// # Errors
    /// Where two files could be meant.
    pub fn file(&self, part: &str, place: &Path) -> Result<Option<&PartFile>, DataError> {
        let all = self.parts.get(part).map_or(&[][..], Vec::as_slice);
        let of = |packing: Packing| all.iter().filter(move |file| file.packing == packing);
        let packing = if of(Packing::Plain).next().is_some() { Packing::Plain } else { Packing::Gzip };
        let mut found = of(packing);
        let (first, second) = (found.next(), found.next());
        if let (Some(first), Some(second)) = (first, second) {
            let both = [first, second].map(|file| file.found.file.clone());
            return Err(DataError::new(
                "data::ambiguous",
                format!("holds two files for the same part: {}", names(&both)),
            )
            .file(place.display().to_string())
            .help("keep one of them"));
        }
        Ok(first)
    }
}

/// A file's set and part by its name: `MUTAG_A.txt`, also `MUTAG_A.TXT` and `MUTAG_A.txt.gz`.
pub fn part_of(file: &str) -> Option<(&str, &'static str, Packing)> {
    let (rest, packing) = match strip_ending(file, ".gz") {
        Some(rest) => (rest, Packing::Gzip),
        None => (file, Packing::Plain),
    };
    let stem = strip_ending(rest, ".txt")?;
    PARTS.iter().find_map(|part| {
        let name = stem.strip_suffix(part)?.strip_suffix('_')?;
        (!name.is_empty()).then_some((name, *part, packing))
    })
}

fn strip_ending<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    let at = name.len().checked_sub(ending.len())?;
    let (stem, found) = (name.get(..at)?, name.get(at..)?);
    found.eq_ignore_ascii_case(ending).then_some(stem)
}

/// Names that are left alone: hidden ones, and the folder in which macOS keeps what its archives add to files.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX"
}

/// The sets among files, in the order of their folders and names.
pub fn group(mut files: Vec<Found>) -> Vec<SetParts> {
    files.sort_by(|a, b| (&a.folder, &a.file).cmp(&(&b.folder, &b.file)));
    let mut sets: BTreeMap<(String, String), SetParts> = BTreeMap::new();
    let mut further: Vec<&Found> = Vec::new();
    for found in &files {
        let Some((name, part, packing)) = part_of(&found.file) else {
            further.push(found);
            continue;
        };
        let key = (found.folder.clone(), name.to_owned());
        let set = sets.entry(key).or_insert_with(|| SetParts {
            folder: found.folder.clone(),
            name: name.to_owned(),
            parts: BTreeMap::new(),
            others: Vec::new(),
        });
        let file = PartFile { found: found.clone(), place: found.place.clone(), packing };
        set.parts.entry(part).or_default().push(file);
    }
    for found in further {
        let stem = strip_ending(&found.file, ".gz").unwrap_or(&found.file);
        let Some(stem) = strip_ending(stem, ".txt") else { continue };
        if stem.to_ascii_lowercase().contains("readme") {
            continue;
        }
        for set in sets.values_mut().filter(|set| set.folder == found.folder) {
            if let Some(other) = stem.strip_prefix(&set.name).and_then(|rest| rest.strip_prefix('_')) {
                set.others.push(other.to_owned());
            }
        }
    }
    sets.into_values().collect()
}

/// The first names in backquotes, and how many more there are.
pub fn names(all: &[String]) -> String {
    let listed: Vec<String> = all.iter().take(N_SHOWN).map(|name| format!("`{}`", shown(name))).collect();
    match all.len().saturating_sub(N_SHOWN) {
        0 => match listed.as_slice() {
            [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
            _ => listed.concat(),
        },
        more => format!("{} and {more} more", listed.join(", ")),
    }
}

/// A name out of a foreign archive or folder: on one line, and no longer than a name has to be.
pub fn shown(name: &str) -> String {
    let short: String = name.chars().take(MAX_NAME).flat_map(char::escape_debug).collect();
    if name.chars().count() > MAX_NAME { format!("{short}…") } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Found {
        let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
        Found { folder: folder.into(), file: file.into(), place: Place::Path(path.into()) }
    }

    #[test]
    fn a_name_says_set_part_and_packing() {
        let plain = |name| part_of(name).map(|(set, part, packing)| (set, part, packing == Packing::Gzip));
        assert_eq!(plain("PTC_MR_A.txt"), Some(("PTC_MR", "A", false)));
        assert_eq!(plain("X_graph_labels.TXT.gz"), Some(("X", "graph_labels", true)));
        for other in ["_A.txt", "X_A.csv", "X_a.txt", "A.txt", "X_B.txt", "X_A.txt.zip", "é", ""] {
            assert_eq!(plain(other), None, "{other}");
        }
    }

    #[test]
    fn files_of_a_folder_and_name_are_one_set() {
        let files = [
            "d/X_A.txt",
            "d/X_node_labels.txt",
            "d/X_B_A.txt",
            "e/X_A.txt",
            "d/X_weights.txt",
            "d/X_README.txt",
        ];
        let sets = group(files.map(found).into());
        let seen: Vec<_> =
            sets.iter().map(|set| (set.folder.as_str(), set.name.as_str(), set.others.len())).collect();
        assert_eq!(seen, [("d", "X", 1), ("d", "X_B", 0), ("e", "X", 0)]);
        assert_eq!(sets[0].others, ["weights"]);
    }

    #[test]
    fn of_two_files_for_one_part_the_unpacked_one_is_read() {
        let sets =
            group(["X_A.txt.gz", "X_A.txt", "X_node_labels.txt", "X_node_labels.TXT"].map(found).into());
        let file = sets[0].file("A", Path::new("here")).expect("one is plain").expect("there");
        assert_eq!((file.found.file.as_str(), file.packing), ("X_A.txt", Packing::Plain));
        let error = sets[0].file("node_labels", Path::new("here")).expect_err("two");
        assert_eq!(
            error.to_string(),
            "here: holds two files for the same part: `X_node_labels.TXT` and `X_node_labels.txt`"
        );
    }

    #[test]
    fn long_lists_and_names_are_cut() {
        let all: Vec<String> = (0..7).map(|idx| format!("S{idx}")).collect();
        assert_eq!(names(&all), "`S0`, `S1`, `S2`, `S3`, `S4` and 2 more");
        assert_eq!(names(&all[..2]), "`S0` and `S1`");
        assert_eq!(shown("a\nb"), "a\\nb");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), MAX_NAME + 1);
    }
}
