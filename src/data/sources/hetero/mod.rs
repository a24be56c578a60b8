//! Heterogeneous data: nodes of several types with features of their own, and relations between the types.
//!
//! All nodes are rows of one graph, type after type, and the relations are the kinds of its edges. The features of each type stand in
//! columns of their own, so that a first linear layer has a matrix for each type; what is not a type's own is 0 there and takes no
//! memory.

pub mod bibliography;
pub mod tables;

use crate::data::columns::{Columns, KindLabels, Target, Vocabulary};
use crate::data::dataset::{Dataset, DatasetParts, Features, SparseRows, Targets, Types};
use crate::kernels::graph::EdgeKinds;
use crate::settings::data::hetero_tables::IDENTITY;
use crate::settings::protocol::Split;
use crate::types::{Entity, NodeType, Relation, Schema, Task};
use std::sync::Arc;

/// Nodes of one type, as a source found them.
pub struct TypedNodes {
    pub name: String,
    pub n_nodes: usize,
    /// Of its own columns; `None` where it has none.
    pub features: Option<SparseRows>,
    /// What these columns are.
    pub columns: Vec<Columns>,
    /// What its nodes are called, or empty.
    pub names: Vec<String>,
}

/// Edges of one relation, by the numbers of nodes within their types.
pub struct TypedEdges {
    pub source: usize,
    pub name: String,
    pub target: usize,
    pub edges: Vec<[u32; 2]>,
}

/// What is predicted of the nodes of one type.
pub struct TypedTarget {
    pub of_type: usize,
    /// By node of the type.
    pub targets: Targets,
    pub class_names: Vec<String>,
    pub meaning: Target,
    /// Nodes of the type.
    pub split: Option<Split>,
}

/// How the parts are put together.
pub struct Assembly {
    pub name: String,
    /// Whether nodes of types without features have a column each.
    pub has_identity: bool,
    /// Whether each relation has one that leads back.
    pub has_reverse: bool,
}

impl Assembly {
    pub fn of(name: String, call: &crate::args::BoundCall) -> Self {
        Self { name, has_identity: call.args.bool(IDENTITY.name), has_reverse: call.args.bool("reverse") }
    }

    /// One data set of all types and relations.
    pub fn dataset(
        self,
        nodes: Vec<TypedNodes>,
        relations: Vec<TypedEdges>,
        target: Option<TypedTarget>,
    ) -> Dataset {
        let mut firsts = vec![0u32];
        nodes.iter().for_each(|of| firsts.push(firsts[firsts.len() - 1] + of.n_nodes as u32));
        let n_nodes = firsts[nodes.len()] as usize;
        let (features, columns, types) = self.features(&nodes);
        let (mut edges, mut kinds) = (Vec::new(), Vec::new());
        let n_own = relations.len();
        let mut all = Vec::new();
        for (kind, of) in relations.iter().enumerate() {
            let n_edges = of.edges.len();
            for &[source, target] in &of.edges {
                edges.push((firsts[of.source] + source, firsts[of.target] + target));
                kinds.push(kind as u32);
            }
            all.push(Relation { source: of.source, name: of.name.clone(), target: of.target, n_edges });
        }
        if self.has_reverse {
            for (kind, of) in relations.iter().enumerate() {
                for &[source, target] in &of.edges {
                    edges.push((firsts[of.target] + target, firsts[of.source] + source));
                    kinds.push((n_own + kind) as u32);
                }
                let (name, n_edges) = (format!("rev_{}", of.name), of.edges.len());
                all.push(Relation { source: of.target, name, target: of.source, n_edges });
            }
        }
        let schema = Schema { nodes: types, relations: all };
        let n_kinds = schema.relations.len();
        let labels = KindLabels {
            values: (0..n_kinds as i64).collect(),
            names: (0..n_kinds).map(|relation| schema.key(relation)).collect(),
            unseen: Vec::new(),
            has_added_loops: false,
        };
        let entity = Entity::Nodes;
        let task = target.as_ref().map(|target| Task { entity, kind: target.meaning.kind() });
        let moved = |of_type: usize, split: Split| {
            let moved = |part: Vec<u32>| part.into_iter().map(|node| node + firsts[of_type]).collect();
            Split { train: moved(split.train), validation: moved(split.validation), test: moved(split.test) }
        };
        let meaning = target.as_ref().map(|target| target.meaning.clone());
        let (targets, class_names, fixed_split) = match target {
            None => (Targets::None, Vec::new(), None),
            Some(TypedTarget { of_type, targets, class_names, split, .. }) => {
                let first = firsts[of_type] as usize;
                let targets = match targets {
                    Targets::Classes(own) => {
                        let mut all = vec![-1; n_nodes];
                        all[first..first + own.len()].copy_from_slice(&own);
                        Targets::Classes(all)
                    }
                    Targets::Values { values: own, n_values } => {
                        let mut all = vec![f32::NAN; n_nodes * n_values];
                        all[first * n_values..first * n_values + own.len()].copy_from_slice(&own);
                        Targets::Values { values: all, n_values }
                    }
                    Targets::None => Targets::None,
                };
                (targets, class_names, split.map(|split| moved(of_type, split)))
            }
        };
        let mut names: Vec<String> = Vec::new();
        if nodes.iter().any(|of| !of.names.is_empty()) {
            for of in &nodes {
                match of.names.is_empty() {
                    true => names.extend((0..of.n_nodes).map(|node| format!("{} {node}", of.name))),
                    false => names.extend(of.names.iter().cloned()),
                }
            }
        }
        let of_node =
            (0u32..).zip(&nodes).flat_map(|(place, of)| std::iter::repeat_n(place, of.n_nodes)).collect();
        let mut dataset = Dataset::new(DatasetParts {
            name: self.name,
            task,
            node_offsets: vec![0, n_nodes as u32],
            edges,
            edge_features: None,
            edge_kinds: Some(EdgeKinds { of_entry: Arc::new(kinds), n_kinds }),
            features,
            targets,
            class_names,
            fixed_split,
            graph_ids: vec![1],
            vocabulary: Vocabulary {
                columns,
                target: meaning,
                edge_kinds: Some(labels),
                ..Vocabulary::default()
            },
        });
        dataset.n_own_kinds = Some(n_own);
        dataset.names.nodes = names;
        dataset.set_types(Types { schema, of_node });
        dataset
    }

    /// The features of all types, each in columns of its own.
    fn features(&self, nodes: &[TypedNodes]) -> (Features, Vec<Columns>, Vec<NodeType>) {
        let mut types = Vec::with_capacity(nodes.len());
        let mut columns = Vec::new();
        let mut width = 0;
        for of in nodes {
            let (n_columns, meaning) = match &of.features {
                Some(rows) => (rows.width, of.columns.clone()),
                None => {
                    let n = if self.has_identity { of.n_nodes } else { 1 };
                    let what = if self.has_identity { "each node of type" } else { "nodes of type" };
                    (n, vec![Columns::Named { what: format!("{what} {}", of.name), count: n }])
                }
            };
            types.push(NodeType {
                name: of.name.clone(),
                n_nodes: of.n_nodes,
                first_column: width,
                n_columns,
            });
            columns.extend(meaning);
            width += n_columns;
        }
        let mut rows = SparseRows::new(width);
        for (of, NodeType { first_column, .. }) in nodes.iter().zip(&types) {
            let first = *first_column as u32;
            for node in 0..of.n_nodes {
                match &of.features {
                    Some(own) => rows.push_row(own.row(node).map(|(column, value)| (first + column, value))),
                    None => {
                        let column = if self.has_identity { node as u32 } else { 0 };
                        rows.push_row(std::iter::once((first + column, 1.0)));
                    }
                }
            }
        }
        (Features::Sparse(rows), columns, types)
    }
}

/// Which of `n` items, in a drawn order, are trained on, validated with and tested: six, two and two tenths.
fn drawn_split(n: usize, seed: u64) -> Split {
    let mut rng = crate::rng::generator(seed, 1);
    let order = crate::rng::permutation(&mut rng, n);
    let (first, second) = (n * 6 / 10, n * 8 / 10);
    let part = |range: std::ops::Range<usize>| {
        let mut part = order[range].to_vec();
        part.sort_unstable();
        part
    };
    Split { train: part(0..first), validation: part(first..second), test: part(second..n) }
}

#[cfg(test)]
mod tests;
