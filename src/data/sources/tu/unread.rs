//! What a set has and no model sees.

use crate::args::BoundCall;
use crate::data::DataError;
use crate::data::dataset::Unread;
use crate::data::files::{PARTS, TuFiles};

/// The parts of a set that are not among its features and targets. Where a file says which of them it wants, the
/// others are left out on purpose and not named.
///
/// # Errors
/// Where a part cannot be opened.
pub fn find(files: &mut TuFiles, call: &BoundCall, read: &[&str]) -> Result<Vec<Unread>, DataError> {
    let is_written = |arg: &str| call.args.get(arg).is_some_and(|arg| arg.span.is_some());
    let mut unread = Vec::new();
    for part in PARTS.into_iter().filter(|part| !read.contains(part)) {
        let setting = match part {
            "node_labels" | "node_attributes" if is_written("features") => continue,
            "edge_labels" | "edge_attributes" if is_written("edge_features") => continue,
            "graph_labels" | "graph_attributes" if is_written("target") => continue,
            // `auto` takes the labels.
            "node_attributes" => Some("features = both"),
            "node_labels" => Some("features = labels"),
            "edge_attributes" => Some("edge_features = both"),
            "edge_labels" => Some("edge_features = labels"),
            "graph_attributes" => Some("target = attributes"),
            "graph_labels" => Some("target = labels"),
            _ => None,
        };
        if files.has(part) {
            let what = part.replace('_', " ");
            unread.push(Unread { what, file: files.file_of(part), n_columns: files.width(part)?, setting });
        }
    }
    for part in files.unknown_parts().to_vec() {
        let (what, file) = (part.replace('_', " "), files.file_of(&part));
        unread.push(Unread { what, file, n_columns: None, setting: None });
    }
    Ok(unread)
}
