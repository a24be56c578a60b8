//! `NAME_edge_labels.txt` and `NAME_edge_attributes.txt`: what the edges carry, line by line as `NAME_A.txt`.

use super::features::{self, Asked, Item, label_columns, read_labels};
use crate::args::BoundCall;
use crate::data::DataError;
use crate::data::columns::{Columns, KindLabels, Vocabulary};
use crate::data::dataset::Features;
use crate::data::files::TuFiles;
use crate::kernels::graph::EdgeKinds;
use std::sync::Arc;

/// What edges carry, in the order of the lines, and what it means.
pub struct EdgeValues {
    pub features: Option<Features>,
    pub columns: Vec<Columns>,
    pub kinds: Option<(EdgeKinds, KindLabels)>,
    /// Of the file of edge labels, where it had to be looked at for kinds; of several there are none.
    pub n_label_columns: usize,
}

/// The features that the call asks for, and the kinds of the edges: their labels, where the file has one column of them.
/// Where the call leaves the features open and a model is known, those of the model.
///
/// # Errors
/// Where a part is missing or broken, or means something else than what the model was trained with.
pub fn read(
    files: &mut TuFiles,
    call: &BoundCall,
    n_edges: usize,
    known: Option<&Vocabulary>,
) -> Result<EdgeValues, DataError> {
    let mut asked = Asked::of(Item::Edge, call, known);
    // What is predicted of the edges is neither a feature nor a kind of theirs.
    let target = call.args.choice("target");
    if asked.choice == "auto" {
        let other = match target {
            "edge_labels" => Some(("edge_attributes", "attributes")),
            "edge_attributes" => Some(("edge_labels", "labels")),
            _ => None,
        };
        if let Some((part, word)) = other {
            asked.choice = if files.has(part) { word } else { "none" };
        }
    }
    let (mut features, mut columns) = (None, Vec::new());
    if asked.choice != "none" {
        let (found, blocks) = features::of_files(files, &asked, n_edges, known)?;
        asked.expect_columns_of(files, known, &blocks)?;
        (features, columns) = ((found.width() > 0).then_some(found), blocks);
    }
    let mut n_label_columns = 0;
    let known = known.and_then(|known| known.edge_kinds.as_ref());
    let kinds = match (&features, columns.as_slice()) {
        // The only column of labels is the kind of an edge as it stands.
        (Some(Features::OneHot { columns, .. }), [Columns::Labels { values, unseen }])
            if known.is_none_or(|known| known.values == *values) =>
        {
            Some((columns.to_vec(), values.clone(), unseen.clone()))
        }
        _ if target == "edge_labels" => None,
        _ => match read_labels(files, Item::Edge, n_edges)? {
            Some((name, table)) if table.width == 1 => {
                let known = known.map(|known| [(known.values.as_slice(), known.unseen.as_slice())]);
                let (places, blocks) =
                    label_columns(&name, &table, Item::Edge, known.as_ref().map(<[_; 1]>::as_slice))?;
                match blocks.into_iter().next() {
                    Some(Columns::Labels { values, unseen }) => Some((places, values, unseen)),
                    _ => None,
                }
            }
            Some((_, table)) => {
                n_label_columns = table.width;
                None
            }
            None => None,
        },
    };
    let kinds = kinds.map(|(of_entry, values, unseen)| {
        let kinds = EdgeKinds { of_entry: Arc::new(of_entry), n_kinds: values.len() };
        (kinds, KindLabels { values, names: Vec::new(), unseen, has_added_loops: false })
    });
    Ok(EdgeValues { features, columns, kinds, n_label_columns })
}
