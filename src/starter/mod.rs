//! What a new file begins with: a commented starting file, or a copy of a model that is shipped.

use crate::data::Dataset;
use crate::fmt;
use crate::source::SourceMap;
use crate::syntax::{self, ast::ItemKind};
use crate::types::{Entity, TargetKind, Task};

/// A model of the folder `models`.
#[derive(Debug, Clone, Copy)]
pub struct Shipped {
    /// The path in the folder, without `.hgnn`: `quickstart`, `pooling/asap`.
    pub name: &'static str,
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// Every model that is shipped, by name.
        pub static SHIPPED: &[Shipped] = &[$(Shipped {
            name: $name,
            text: include_str!(concat!("../../models/", $name, ".hgnn")),
        }),+];
    };
}

shipped! {
    "convolutions/deep_sets_aggregator",
    "convolutions/ecc",
    "convolutions/ggnn",
    "convolutions/gps",
    "convolutions/graph_sage",
    "convolutions/mean_gnn",
    "convolutions/mf",
    "convolutions/mpnn",
    "convolutions/pna",
    "convolutions/recurrent_gnn",
    "convolutions/spline_cnn",
    "convolutions/sum_gnn",
    "convolutions/wl_continuous",
    "dd_diffpool",
    "dd_gcn",
    "edges/bonds",
    "enzymes_diffpool",
    "enzymes_gcn",
    "fair/diffpool_fair",
    "fair/gin_fair",
    "fair/graph_sage_fair",
    "hetero/han",
    "hetero/hgt",
    "hetero/homogeneous",
    "hetero/rgcn_typed",
    "hetero/sage",
    "karate_gat",
    "kernels/graphlet",
    "kernels/shortest_path",
    "kernels/wl",
    "kernels/wl_kernel",
    "kernels/wl_oa",
    "links/arga",
    "links/complex",
    "links/conve",
    "links/distmult",
    "links/gae",
    "links/light_gcn",
    "links/rgcn_distmult",
    "links/rotate",
    "links/transe",
    "links/vgae",
    "mutag_gin",
    "mutag_gine",
    "nodes/appnp",
    "nodes/arma",
    "nodes/fagcn",
    "nodes/gat",
    "nodes/gcn",
    "nodes/gcn2",
    "nodes/hypergraph",
    "nodes/sgc",
    "nodes/ssgc",
    "nodes/supergat",
    "pooling/asap",
    "pooling/course_coarsening",
    "pooling/diffpool_det",
    "pooling/diffpool_no_link",
    "pooling/dmon",
    "pooling/edge_pool",
    "pooling/graph_coarsening",
    "pooling/graph_unet",
    "pooling/kmis",
    "pooling/mincut",
    "pooling/sag_global",
    "pooling/sag_hierarchical",
    "proteins_diffpool",
    "proteins_diffpool_two_levels",
    "proteins_gcn",
    "proteins_sort_pool",
    "proteins_topk",
    "quickstart",
    "quickstart_flat",
    "readouts/deep_sets",
    "readouts/dgcnn",
    "readouts/mem_pool",
    "readouts/multiset_transformer",
    "readouts/patchy_san",
    "readouts/set2set",
    "relational/gnn_film",
    "relational/gnn_mlp",
    "relational/rgat",
    "relational/rgcn",
    "relational/rgdcn",
    "relational/rgin",
    "unsupervised/deepwalk",
    "unsupervised/dgi",
    "unsupervised/graphcl",
    "unsupervised/infograph",
    "unsupervised/node2vec",
}

/// The shipped model of a name, which may leave the folder out: `pooling/asap`, `asap`.
pub fn shipped(name: &str) -> Option<&'static Shipped> {
    let name = name.strip_suffix(".hgnn").unwrap_or(name);
    SHIPPED.iter().find(|model| model.name == name || model.file_name() == name)
}

impl Shipped {
    /// The name without its folder.
    pub fn file_name(&self) -> &'static str {
        self.name.rsplit('/').next().unwrap_or(self.name)
    }

    /// The model's documentation up to the first empty line, as one line.
    pub fn summary(&self) -> String {
        let lines = self.text.lines().map_while(|line| line.strip_prefix("///"));
        lines.map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// The data of a new file: built in, so that it trains at once.
pub const DATA: &str = "hierarchy(1000, communities = 8, rings = [1, 2])";

/// What a starting file has to know of its data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    pub task: Task,
    /// Clusters a graph that most graphs can fill; `None` where graphs are too small to be pooled.
    pub n_clusters: Option<usize>,
    pub has_edges: bool,
    pub has_features: bool,
    /// One class has several times as many items as another.
    pub is_unbalanced: bool,
    /// A fifth of a class is less than one item, and a third is not.
    pub is_small: bool,
}

/// Clusters of the built-in data, and at most so many of others.
const MAX_CLUSTERS: usize = 12;

/// From this ratio on, classes are weighed: a little below the one from which the lint `class_balance` speaks, because the
/// training part can be less even than the whole.
const UNBALANCED: f64 = 2.5;

impl Default for Start {
    /// Graphs in classes, as the built-in data has them.
    fn default() -> Self {
        Self {
            task: Task { entity: Entity::Graph, kind: TargetKind::Classification },
            n_clusters: Some(MAX_CLUSTERS),
            has_edges: true,
            has_features: true,
            is_unbalanced: false,
            is_small: false,
        }
    }
}

impl Start {
    pub fn of(dataset: &Dataset) -> Self {
        let facts = dataset.facts();
        let mut sizes: Vec<usize> =
            (0..dataset.n_graphs()).map(|graph| dataset.graph_nodes(graph).len()).collect();
        sizes.sort_unstable();
        let median = sizes.get(sizes.len() / 2).copied().unwrap_or(0);
        let n_clusters = (median / 2).min(MAX_CLUSTERS);
        let counts: Vec<usize> = facts.class_counts.iter().copied().filter(|count| *count > 0).collect();
        let (most, least) = (counts.iter().max(), counts.iter().min());
        let is_unbalanced =
            most.zip(least).is_some_and(|(most, least)| *most as f64 >= UNBALANCED * *least as f64);
        Self {
            task: facts.task.unwrap_or(Self::default().task),
            n_clusters: (n_clusters >= 2 && facts.total_edges > 0).then_some(n_clusters),
            has_edges: facts.total_edges > 0,
            has_features: facts.n_features > 0,
            is_unbalanced,
            is_small: least.is_some_and(|least| (3..5).contains(least)),
        }
    }
}

/// A starting file for data, with a network that ends in what the task needs.
pub fn starting_file(name: &str, data: &str, start: &Start) -> String {
    let is_nodes = start.task.entity == Entity::Nodes;
    let text = match start.n_clusters {
        _ if is_nodes => include_str!("nodes.hgnn.in"),
        _ if start.task.is_of_edges() => include_str!("edges.hgnn.in"),
        Some(_) => include_str!("graphs.hgnn.in"),
        None => include_str!("flat.hgnn.in"),
    };
    let loss = match (start.task.kind, start.is_unbalanced) {
        (TargetKind::Regression, _) => "mse",
        (TargetKind::Embedding, _) if start.task.entity == Entity::Nodes => "dgi",
        (TargetKind::Embedding, _) => "infograph",
        (TargetKind::MultiLabel | TargetKind::Links, _) => "bce",
        (TargetKind::Classification, true) => "cross_entropy(class_weights = balanced)",
        (TargetKind::Classification, false) => "cross_entropy",
    };
    // Accuracy alone is about the frequent class.
    let metrics = if start.is_unbalanced { "\n    metrics  = [accuracy, macro_f1]" } else { "" };
    // The name stands in a comment, which ends with its line.
    let name = name.replace(char::is_control, " ");
    let text = text
        .replace("NAME", &name)
        .replace("LOSS", loss)
        .replace("LAYER", if start.has_edges { "gcn" } else { "linear" })
        .replace("CLUSTERS", &start.n_clusters.unwrap_or(MAX_CLUSTERS).to_string())
        .replace("SHARE", if start.is_small { "0.34" } else { "0.2" })
        .replace("METRICS", metrics);
    let data = if start.has_features { data.to_owned() } else { with_degrees(data) };
    text.replace("DATA", &data)
}

/// A call with degrees in the place of features that the data does not have.
fn with_degrees(data: &str) -> String {
    match data.strip_suffix(')') {
        Some(call) if call.ends_with('(') => format!("{call}features = degree)"),
        Some(call) => format!("{call}, features = degree)"),
        None => data.to_owned(),
    }
}

/// The text with other data; `data = …` is put on top where it names none. A text that does not parse stays as it is.
pub fn with_data(text: &str, data: &str) -> String {
    let mut sources = SourceMap::default();
    let id = sources.add("", text);
    let (file, _) = syntax::parse(&sources, id);
    let own = file.items.iter().find_map(|item| match &item.kind {
        ItemKind::Setting { key, value } if key.text == "data" => Some(value.span),
        _ => None,
    });
    match own {
        Some(span) => format!("{}{data}{}", &text[..span.start as usize], &text[span.end as usize..]),
        None => format!("data = {data}\n\n{text}"),
    }
}

/// A call as a file writes it: `tu("PROTEINS",features=both)` in the layout of [`fmt`]. `None` where it is none.
pub fn call_in_layout(call: &str) -> Option<String> {
    let mut sources = SourceMap::default();
    let id = sources.add("", format!("data = {call}"));
    let text = fmt::format(&sources, id).ok()?;
    let call = text.strip_prefix("data = ")?.trim_end();
    let is_name = call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    Some(if is_name { format!("{call}()") } else { call.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::compile;
    use crate::data::DataOptions;

    fn layout(text: &str) -> String {
        let mut sources = SourceMap::default();
        let id = sources.add("new.hgnn", text);
        fmt::format(&sources, id).unwrap_or_else(|found| panic!("{found:#?}"))
    }

    #[test]
    fn starting_files_are_right_and_in_layout() {
        let nodes = Start {
            task: Task { entity: Entity::Nodes, kind: TargetKind::Classification },
            ..Start::default()
        };
        let edges = Start {
            task: Task { entity: Entity::Pairs, kind: TargetKind::Classification },
            ..Start::default()
        };
        let text = starting_file("new", "tu(\"X\", target = edge_labels)", &edges);
        assert_eq!(layout(&text), text);
        let without_data =
            text.replace("data = tu(\"X\", target = edge_labels)", "task = edge_classification");
        let mut sources = SourceMap::default();
        let main = sources.add("new.hgnn", without_data);
        let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
        let (program, _) = syntax::load_program(&mut sources, main, &none);
        assert_eq!(crate::check::check(&program, None).diagnostics, []);
        for (data, start) in [(DATA, Start::default()), ("karate()", nodes)] {
            let text = starting_file("new", data, &start);
            assert_eq!(layout(&text), text);
            // Fewer graphs, which is the same to the checker and quicker to make.
            let text = text.replace("1000", "40");
            let options = DataOptions { offline: true, ..DataOptions::from_env() };
            let compiled = compile("new.hgnn", &text, &options).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(compiled.warnings, []);
        }
    }

    #[test]
    fn a_starting_file_for_values_compares_values() {
        let task = Task { entity: Entity::Graph, kind: TargetKind::Regression };
        let text = starting_file("new", "tu(\"X\")", &Start { task, ..Start::default() });
        assert!(text.contains("loss = mse + 0.1 * entropy\n") && text.contains("data = tu(\"X\")\n"));
    }

    /// The model files in a folder and the folders in it, as paths from `top` without `.hgnn`.
    fn names_in(top: &std::path::Path, folder: &std::path::Path, names: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("models are there") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                names_in(top, &path, names);
            } else if path.extension().is_some_and(|extension| extension == "hgnn") {
                let path = path.strip_prefix(top).expect("in the folder").with_extension("");
                let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
                names.push(parts.join("/"));
            }
        }
    }

    #[test]
    fn every_model_of_the_folder_is_shipped() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let mut names = Vec::new();
        names_in(&folder, &folder, &mut names);
        names.sort();
        assert_eq!(SHIPPED.iter().map(|model| model.name).collect::<Vec<_>>(), names);
        for model in SHIPPED {
            assert!(model.summary().ends_with(['.', '?']), "{}: {}", model.name, model.summary());
            // A name without its folder means one model.
            let found = shipped(model.file_name()).map(|found| found.name);
            assert_eq!(found, Some(model.name));
        }
    }

    #[test]
    fn data_takes_the_place_of_the_data_that_is_there() {
        assert_eq!(
            with_data("// a\ndata = tu( // b\n\"X\")\nlet a = 1", "karate()"),
            "// a\ndata = karate()\nlet a = 1"
        );
        assert_eq!(with_data("gcn(8) -> mlp\n", "karate()"), "data = karate()\n\ngcn(8) -> mlp\n");
        assert_eq!(
            call_in_layout("tu( \"X\",features=both )").as_deref(),
            Some("tu(\"X\", features = both)")
        );
        assert_eq!(call_in_layout("karate").as_deref(), Some("karate()"));
        assert_eq!(
            call_in_layout(&format!("tu({})", syntax::quoted("a\"\\b"))).as_deref(),
            Some("tu(\"a\\\"\\\\b\")")
        );
    }
}
