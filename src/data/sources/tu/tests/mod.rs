//! Sets of a few lines, whole and broken, and the published ones: one folder for what all of them need.

mod broken;
mod model;
mod nodes;
mod places;
mod published;
mod reading;

use super::*;
use crate::args::ArgValue;
use crate::data;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn call(name: &str, args: &[(&str, ArgValue)]) -> BoundCall {
    let name = ("name", ArgValue::Text(name.into()));
    data::call("tu", &[std::slice::from_ref(&name), args].concat())
}

/// Two graphs, a path of three nodes and a pair, in files named as the layout says.
const TINY: [(&str, &str); 6] = [
    ("A", "2, 1\n1, 2\n2, 3\n3, 2\n5, 4\n4, 5\n"),
    ("graph_indicator", "1\n1\n1\n2\n2\n"),
    ("graph_labels", "-1\n7\n"),
    ("graph_attributes", "0.5, 1\n-2, 3\n"),
    ("node_labels", "3\n5\n3\n3\n6\n"),
    ("node_attributes", "1, 2\n3, 4\n5, 6\n7, 8\n9, 10\n"),
];

/// A label and an attribute for every line of the tiny set's edges: 2→1, 1→2, 2→3, 3→2, 5→4, 4→5.
const CARRIED: [(&str, &str); 2] =
    [("edge_labels", "4\n2\n2\n2\n4\n5\n"), ("edge_attributes", "0.1\n0.2\n0.3\n0.4\n0.5\n0.6\n")];

/// The tiny set with some parts replaced or added, or left out where the replacement is empty.
fn parts(changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let is_new = |(part, _): &&(&str, &str)| TINY.iter().all(|(known, _)| known != part);
    TINY.iter()
        .chain(changes.iter().filter(is_new))
        .map(|(part, text)| {
            let changed = changes.iter().find(|(changed, _)| changed == part);
            (format!("TINY_{part}.txt"), changed.map_or(*text, |(_, text)| text).to_string())
        })
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

fn folder(changes: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join("TINY")).expect("writable");
    for (file, text) in parts(changes) {
        std::fs::write(folder.path().join("TINY").join(file), text).expect("writable");
    }
    folder
}

fn zip_of(path: &Path, entries: &[(String, String)]) {
    let mut zip = zip::ZipWriter::new(std::fs::File::create(path).expect("writable"));
    for (entry, text) in entries {
        zip.start_file(entry.as_str(), zip::write::SimpleFileOptions::default()).expect("a name");
        zip.write_all(text.as_bytes()).expect("writable");
    }
    zip.finish().expect("writable");
}

fn load(folder: &TempDir, args: &[(&str, ArgValue)]) -> Result<Dataset, DataError> {
    data::load(&call("TINY", args), &DataOptions::folder(folder.path()))
}

fn rows(data: &Dataset) -> Vec<Vec<f32>> {
    (0..data.n_nodes())
        .map(|node| {
            let mut row = Vec::new();
            data.features.write_rows(node..node + 1, &mut row);
            row
        })
        .collect()
}

/// The one way in which broken files are tested: change parts, expect a code and a whole message.
fn refuses(changes: &[(&str, &str)], code: &str, message: &str) -> DataError {
    let folder = folder(changes);
    let error = load(&folder, &[("features", ArgValue::Choice("both"))]).expect_err(message);
    let prefix = format!("{}/", folder.path().join("TINY").display());
    assert_eq!((error.code, error.to_string().replace(&prefix, "").as_str()), (code, message));
    assert!(error.help.is_some(), "{message}: says how to mend it");
    error
}
