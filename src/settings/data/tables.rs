//! `tables(edges = "edges.csv", …)`: tables of edges, nodes and graphs.

use super::columns::{
    self, CATEGORIES, EDGE_FEATURES, GROUPS, IGNORE, KINDS, SPLIT, TARGET, TARGET_AS, TIME,
};
use super::edges::{LOOPS, PARALLEL, UNDIRECTED};
use super::{SourceFacts, features};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;

const fn text(name: &'static str, default: Default, doc: &'static str) -> ArgSpec {
    ArgSpec { name, kind: ArgKind::Text, default, positional: false, doc }
}

pub static SPEC: CallSpec = CallSpec {
    name: "tables",
    doc: "A table of edges, and tables of nodes and of graphs where there are any, as CSV or TSV with a header line, or in Parquet files. Columns \
          are found by their names, in any order. Classification or regression of nodes, or of graphs.",
    example: "tables(edges = \"edges.csv\", nodes = \"nodes.csv\")",
    args: &[
        text(
            "edges",
            Default::Required,
            "The table of edges, plain or packed with gzip, in a file relative to that file.",
        ),
        text("nodes", Default::Inferred("the nodes that edges name"), "The table of nodes, a row for each."),
        text("graphs", Default::Inferred("none"), "The table of graphs, a row for each."),
        text(
            "ends",
            Default::Inferred("`source, target`, or `src, dst`, `from, to`"),
            "The two columns of the edges that name the nodes they lead from and to.",
        ),
        text(
            "id",
            Default::Inferred("`id`, `node_id` or `node`; without one, nodes are numbered from 0"),
            "The column of the nodes that edges name them by.",
        ),
        text(
            "graph",
            Default::Inferred("`graph` or `graph_id`; without one, all is one graph"),
            "The column that says which graph a node or an edge is of; in the table of graphs it may also be `id`.",
        ),
        columns::FEATURES,
        features::NORMALIZE,
        EDGE_FEATURES,
        KINDS,
        TARGET,
        TARGET_AS,
        SPLIT,
        TIME,
        GROUPS,
        CATEGORIES,
        IGNORE,
        UNDIRECTED,
        LOOPS,
        PARALLEL,
    ],
};

pub struct Tables;

impl SourceFacts for Tables {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn reference(&self) -> &'static str {
        include_str!("tables_layout.txt")
    }

    fn own_features(&self) -> &'static [&'static str] {
        columns::OWN
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        let mut found = columns::check_edges(call);
        if let Some(ends) = call.args.text("ends")
            && ends.split(',').filter(|name| !name.trim().is_empty()).count() != 2
        {
            let span = call.args.get("ends").and_then(|arg| arg.span).unwrap_or(call.span);
            found.push(
                Diagnostic::error("data::ends", "`ends` names two columns")
                    .label(span, "source and target, with a comma between them")
                    .help("name the columns that hold both ends of an edge, as the header of the file calls them"),
            );
        }
        found
    }
}
