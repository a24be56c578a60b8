//! `tu("PROTEINS")`: data sets in the layout of the TU collection, as published, from a folder or a zip archive.
//!
//! Format: C. Morris et al., "TUDataset: A collection of benchmark datasets for learning with graphs", ICML 2020
//! Workshop GRL+, <https://chrsmrrs.github.io/datasets/docs/format/>.
//! PyG: `torch_geometric.datasets.TUDataset`, which drops self-loops and parallel edges; here they stay unless asked.
//!
//! [`crate::data::locate`] describes where the files are looked for.

mod edge_values;
mod edges;
pub(super) mod features;
mod graphs;
mod keep;
mod targets;
mod unread;

use crate::args::BoundCall;
use crate::data::columns::{Columns, Target, Vocabulary};
use crate::data::dataset::{Dataset, DatasetParts, Targets, Unread};
use crate::data::edges::{EdgeList, EdgeOptions, Loops};
use crate::data::files::TuFiles;
use crate::data::locate;
use crate::data::recognise::{Look, Recognised};
use crate::data::scan::FileName;
use crate::data::{DataError, DataOptions, Source, download};
use crate::diagnostic::count;
use crate::settings::{self, data::SourceFacts};
use crate::types::{Entity, NoKinds, Task};
use features::Item;
use graphs::Graphs;
use std::path::PathBuf;

#[derive(Debug)]
pub struct Tu;

impl Source for Tu {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::tu::Tu
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        let found = locate::find(call.args.text("name").unwrap_or_default(), options).ok()??;
        Some(found.paths())
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        if !look.is_folder && look.names.is_empty() {
            return None;
        }
        let files = TuFiles::at(&look.path, u64::MAX).ok().filter(|files| files.has("A"))?;
        Recognised::new(
            format!("tu({})", look.quoted()),
            format!("{}, a set in the layout of the TU collection", files.name),
        )
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let name = call.args.text("name").unwrap_or_default();
        let name_span = call.args.get("name").and_then(|arg| arg.span);
        let mut files = match locate::find(name, options)? {
            Some(files) => files,
            None => download::fetch(name, options).map_err(|error| error.span(name_span))?,
        };
        read(&mut files, call, options.vocabulary.as_ref())
    }
}

/// Reads and checks all parts.
fn read(files: &mut TuFiles, call: &BoundCall, known: Option<&Vocabulary>) -> Result<Dataset, DataError> {
    let mut name = files.name.clone();
    let indicator = files.require("graph_indicator", "it says which graph each node belongs to")?;
    let indicator_name = indicator.name.clone();
    let Graphs { graph_of, mut node_offsets, ids, gap } = graphs::read(indicator)?;
    let n_numbered = match gap {
        None => ids.len(),
        Some(error) => {
            targets::lines_of_numbered(files, ids.last().copied().unwrap_or(0) as usize)?.ok_or(error)?
        }
    };
    let n_nodes = graph_of.len();
    let adjacency = files.require("A", "it holds the edges")?;
    let pairs = edges::read(adjacency, &graph_of, &node_offsets)?;
    drop(graph_of);
    let n_lines = pairs.len();
    let values = edge_values::read(files, call, n_lines, known)?;
    let (edge_columns, mut kind_labels) = (values.columns, None);
    let entity = targets::entity(call);
    let rows = (entity == Entity::Pairs).then(|| (0..n_lines as u32).collect());
    let mut edges = EdgeList { pairs, features: values.features, kinds: None, rows };
    if let Some((kinds, labels)) = values.kinds {
        (edges.kinds, kind_labels) = (Some(kinds), Some(labels));
    }
    let options = EdgeOptions::of(call);
    let edits = options.apply(&mut edges, n_nodes, call, files.max_bytes().saturating_mul(4))?;
    let has_lost_kinds = kind_labels.is_some() && edges.kinds.is_none();
    kind_labels = kind_labels.filter(|_| !has_lost_kinds);
    if let Some(labels) = &mut kind_labels {
        labels.has_added_loops = options.loops == Loops::Add;
    }
    let prepared = features::read(files, call, &node_offsets, &edges.pairs, known)?;
    let (mut features, columns) = (prepared.features, prepared.columns);
    let (mut targets, class_names, target) =
        targets::read(files, call, (&ids, n_numbered, [n_nodes, n_lines]), &indicator_name, known)?;
    let mut graph_ids = ids;
    let without_nodes: Vec<i64> = match graph_ids.len() < n_numbered {
        true => {
            (1..=n_numbered as u32).filter(|id| graph_ids.binary_search(id).is_err()).map(i64::from).collect()
        }
        false => Vec::new(),
    };

    let mut parts_read = vec!["A", "graph_indicator"];
    for (blocks, item) in [(&columns, Item::Node), (&edge_columns, Item::Edge)] {
        for block in blocks {
            match block {
                Columns::Labels { .. } => parts_read.push(item.labels()),
                Columns::Attributes { .. } => parts_read.push(item.attributes()),
                _ => {}
            }
        }
    }
    if kind_labels.is_some() {
        parts_read.push(Item::Edge.labels());
    }
    parts_read.push(match targets {
        _ if entity != Entity::Graph => call.args.choice("target"),
        Targets::Classes(_) => "graph_labels",
        Targets::Values { .. } if matches!(target, Some(Target::Labels(_))) => "graph_labels",
        Targets::Values { .. } => "graph_attributes",
        Targets::None => "",
    });
    let mut unread = unread::find(files, call, &parts_read)?;
    if !without_nodes.is_empty() {
        unread.push(Unread {
            what: format!(
                "{} without nodes ({})",
                count(without_nodes.len(), "graph"),
                crate::data::columns::values_in_words(&without_nodes)
            ),
            file: files.file_of("graph_indicator"),
            n_columns: None,
            setting: None,
        });
    }
    if has_lost_kinds {
        unread.push(Unread {
            what: "kinds of edges (edges of different labels were merged)".into(),
            file: files.file_of(Item::Edge.labels()),
            n_columns: Some(1),
            setting: Some("parallel = drop"),
        });
    }

    if let Some(max_nodes) = call.args.opt_int("max_nodes") {
        let sizes = node_offsets.windows(2).map(|pair| i64::from(pair[1] - pair[0]));
        let kept: Vec<usize> =
            sizes.enumerate().filter(|&(_, size)| size <= max_nodes).map(|(graph, _)| graph).collect();
        if kept.is_empty() {
            return Err(DataError::new(
                "data::empty",
                format!("no graph of {name} has at most {}", count(max_nodes as usize, "node")),
            )
            .help("raise `max_nodes`, or leave it out: large graphs are no problem here")
            .span(call.args.get("max_nodes").and_then(|arg| arg.span)));
        }
        if kept.len() + 1 < node_offsets.len() {
            let moved = keep::moved(&kept, &mut node_offsets);
            keep::graphs(&kept, &moved, &mut edges, &mut features, (&mut targets, entity), &mut graph_ids);
            name = format!("{name} (graphs of at most {max_nodes} nodes)");
        }
    }
    let task = target.as_ref().map(Target::kind);
    let parts = DatasetParts {
        name,
        task: task.map(|kind| Task { entity, kind }),
        node_offsets,
        edges: edges.pairs,
        edge_features: edges.features,
        edge_kinds: edges.kinds,
        features,
        targets,
        class_names,
        fixed_split: None,
        graph_ids,
        vocabulary: Vocabulary { columns, target, edge_columns, edge_kinds: kind_labels },
    };
    let mut dataset = match &edges.rows {
        Some(rows) => Dataset::of_edges(parts, rows).expect("a set without a split"),
        None => Dataset::new(parts),
    };
    dataset.draw_signs(prepared.random_signs);
    dataset.edits = edits;
    dataset.no_kinds = match values.n_label_columns {
        _ if has_lost_kinds => Some(NoKinds::Merged),
        _ if call.args.choice("target") == "edge_labels" => Some(NoKinds::Target),
        0 | 1 => None,
        columns => Some(NoKinds::Columns(columns)),
    };
    dataset.unread = unread;
    Ok(dataset)
}

fn expect_rows(name: &FileName, found: usize, expected: usize, items: &str) -> Result<(), DataError> {
    if found == expected {
        return Ok(());
    }
    if expected == 0 && items == "edge" {
        let lines = count(found, "line");
        return Err(name
            .whole("data::count", format!("has {lines}, one for each edge, but NAME_A.txt, which holds the edges, is empty"))
            .help("restore NAME_A.txt from an intact copy of the set; or delete what belongs to edges, if there are none"));
    }
    Err(name
        .whole(
            "data::count",
            format!(
                "has {}, but there {} {}",
                count(found, "line"),
                if expected == 1 { "is" } else { "are" },
                count(expected, items)
            ),
        )
        .help(format!(
            "line i belongs to {items} i{}: {}",
            if items == "edge" { ", the one of line i of NAME_A.txt" } else { "" },
            if found < expected { "add the missing lines" } else { "delete the surplus lines" }
        )))
}

#[cfg(test)]
mod tests;
