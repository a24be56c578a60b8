//! Random data for tests of laws and for the witness: graphs of all awkward kinds, and renumbering.

use super::columns::Vocabulary;
use super::dataset::{Dataset, DatasetParts, Features, Targets, Types};
use super::edge_items::NO_ROW;
use crate::kernels::graph::EdgeKinds;
use crate::rng::{below, generator, unit};
use crate::types::{Entity, TargetKind, Task};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// What random graphs to make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomGraphs {
    pub n_graphs: usize,
    /// Nodes a graph, drawn from `min_nodes ..= max_nodes`.
    pub min_nodes: usize,
    pub max_nodes: usize,
    /// Columns of standard-normal-like features.
    pub n_features: usize,
    pub n_classes: usize,
    /// Mean number of edges (undirected ones, or directed where `directed`) a node that is not isolated.
    pub mean_degree: f64,
    /// Probability that a node has no edge at all.
    pub isolated: f64,
    /// Edges without their reverse.
    pub directed: bool,
    /// Edges may repeat, with values of their own, and one node in four of those with edges has a self-loop.
    pub parallel: bool,
    /// Columns of edge features, standard-normal-like; 0 for none.
    pub n_edge_features: usize,
    /// Kinds of edges; 0 for none.
    pub n_edge_kinds: usize,
    pub seed: u64,
}

impl Default for RandomGraphs {
    fn default() -> Self {
        Self {
            n_graphs: 4,
            min_nodes: 3,
            max_nodes: 12,
            n_features: 5,
            n_classes: 3,
            mean_degree: 2.0,
            isolated: 0.1,
            directed: false,
            parallel: false,
            n_edge_features: 0,
            n_edge_kinds: 0,
            seed: 0,
        }
    }
}

/// Random graphs with random features and classes; the same for the same seed.
pub fn random_graphs(wanted: &RandomGraphs) -> Dataset {
    let mut rng = generator(wanted.seed, 0);
    let mut node_offsets = vec![0u32];
    let mut edges = Vec::new();
    for _ in 0..wanted.n_graphs {
        let base = *node_offsets.last().expect("starts with 0");
        let n = wanted.min_nodes + below(&mut rng, wanted.max_nodes - wanted.min_nodes + 1);
        let joined: Vec<u32> =
            (0..n as u32).filter(|_| unit(&mut rng) >= wanted.isolated).map(|node| base + node).collect();
        if joined.len() > 1 {
            for _ in 0..(wanted.mean_degree * joined.len() as f64).round() as usize {
                let from = below(&mut rng, joined.len());
                let to = (from + 1 + below(&mut rng, joined.len() - 1)) % joined.len();
                edges.push((joined[from], joined[to]));
                if !wanted.directed {
                    edges.push((joined[to], joined[from]));
                }
            }
        }
        if wanted.parallel {
            edges.extend(joined.iter().step_by(4).map(|&node| (node, node)));
        }
        node_offsets.push(base + n as u32);
    }
    let n_nodes = *node_offsets.last().expect("starts with 0") as usize;
    if !wanted.parallel {
        edges.sort_unstable();
        edges.dedup();
    }
    let values = normal(&mut rng, n_nodes * wanted.n_features);
    let classes = (0..wanted.n_graphs).map(|_| below(&mut rng, wanted.n_classes) as i64).collect();
    let edge_features = (wanted.n_edge_features > 0).then(|| Features::Dense {
        values: normal(&mut rng, edges.len() * wanted.n_edge_features).into(),
        width: wanted.n_edge_features,
    });
    let edge_kinds = (wanted.n_edge_kinds > 0).then(|| EdgeKinds {
        of_entry: Arc::new((0..edges.len()).map(|_| below(&mut rng, wanted.n_edge_kinds) as u32).collect()),
        n_kinds: wanted.n_edge_kinds,
    });
    Dataset::new(DatasetParts {
        name: "random graphs".into(),
        task: Some(Task { entity: Entity::Graph, kind: TargetKind::Classification }),
        node_offsets,
        edges,
        edge_features,
        edge_kinds,
        features: Features::Dense { values: values.into(), width: wanted.n_features },
        targets: Targets::Classes(classes),
        class_names: (0..wanted.n_classes).map(|class| class.to_string()).collect(),
        fixed_split: None,
        graph_ids: (1..=wanted.n_graphs as u32).collect(),
        vocabulary: Vocabulary::default(),
    })
}

/// Twelve uniform numbers less six: mean 0, variance 1, and no function whose last bit differs between systems.
fn normal(rng: &mut ChaCha8Rng, count: usize) -> Vec<f32> {
    (0..count).map(|_| ((0..12).map(|_| unit(rng)).sum::<f64>() - 6.0) as f32).collect()
}

/// What the given entries of the data's adjacency carry, in this order.
fn values_of(data: &Dataset, entries: &[u32]) -> (Option<Features>, Option<EdgeKinds>) {
    let kinds = data.edge_kinds.as_ref().map(|EdgeKinds { of_entry, n_kinds }| EdgeKinds {
        of_entry: Arc::new(entries.iter().map(|&entry| of_entry[entry as usize]).collect()),
        n_kinds: *n_kinds,
    });
    (data.edge_features.as_ref().map(|features| features.picked(entries)), kinds)
}

/// Random graphs, each beside a copy of itself with the nodes in another order: every row of an equivariant result occurs
/// twice, and the neighbours of two such nodes come in different orders.
pub fn twin_graphs(wanted: &RandomGraphs) -> Dataset {
    let data = random_graphs(wanted);
    let mut rng = generator(wanted.seed, 2);
    let mut node_offsets = vec![0u32];
    let mut edges = Vec::new();
    let mut entries: Vec<u32> = Vec::with_capacity(2 * data.n_edges());
    let mut rows: Vec<usize> = Vec::with_capacity(2 * data.n_nodes());
    for graph in 0..data.n_graphs() {
        let nodes = data.graph_nodes(graph);
        let n = nodes.len();
        let (first, second) = (2 * nodes.start, 2 * nodes.start + n);
        let moved: Vec<usize> =
            crate::rng::permutation(&mut rng, n).into_iter().map(|place| place as usize).collect();
        for target in nodes.clone() {
            let first_entry = data.adjacency.offsets[target];
            for (entry, &source) in (first_entry..).zip(data.adjacency.row(target)) {
                entries.extend([entry, entry]);
                let (from, to) = (source as usize - nodes.start, target - nodes.start);
                edges.push(((first + from) as u32, (first + to) as u32));
                edges.push(((second + moved[from]) as u32, (second + moved[to]) as u32));
            }
        }
        rows.extend(nodes.clone());
        rows.resize(rows.len() + n, 0);
        for (node, &place) in nodes.zip(&moved) {
            rows[second + place] = node;
        }
        node_offsets.push((second + n) as u32);
    }
    let Features::Dense { values, width } = &data.features else {
        unreachable!("random graphs have dense features")
    };
    let values = rows.iter().flat_map(|&row| &values[row * width..][..*width]).copied().collect();
    let (edge_features, edge_kinds) = values_of(&data, &entries);
    Dataset::new(DatasetParts {
        name: "random graphs with twins".into(),
        task: data.task,
        node_offsets,
        edges,
        edge_features,
        edge_kinds,
        features: Features::Dense { values, width: *width },
        targets: data.targets.clone(),
        class_names: data.class_names.clone(),
        fixed_split: None,
        graph_ids: data.graph_ids.to_vec(),
        vocabulary: Vocabulary::default(),
    })
}

/// The same graphs with the nodes of each renumbered at random. `moved[old] = new`, as indices over all nodes:
/// row `moved[i]` of any equivariant result on the new data is row `i` on the old.
pub fn renumber(data: &Dataset, seed: u64) -> (Dataset, Vec<u32>) {
    let mut rng = generator(seed, 1);
    let mut moved = Vec::with_capacity(data.n_nodes());
    for g in 0..data.n_graphs() {
        let nodes = data.graph_nodes(g);
        moved.extend(
            crate::rng::permutation(&mut rng, nodes.len()).into_iter().map(|new| nodes.start as u32 + new),
        );
    }
    (renumber_by(data, &moved), moved)
}

/// The same graphs with node `i` called `moved[i]`; every node stays in its graph, and edges keep what they carry.
///
/// # Panics
/// Where `moved` is not a permutation of the nodes.
pub fn renumber_by(data: &Dataset, moved: &[u32]) -> Dataset {
    let mut old_of = vec![u32::MAX; moved.len()];
    for (old, &new) in (0u32..).zip(moved) {
        old_of[new as usize] = old;
    }
    assert!(old_of.iter().all(|&old| old != u32::MAX), "a permutation");
    let edges = (0..data.n_nodes())
        .flat_map(|target| {
            data.adjacency.row(target).iter().map(move |&source| (moved[source as usize], moved[target]))
        })
        .collect();
    let features = data.features.picked(&old_of);
    let of_nodes = data.task.is_some_and(|task| task.entity == Entity::Nodes);
    let targets = match &data.targets {
        Targets::Classes(classes) if of_nodes => {
            Targets::Classes(old_of.iter().map(|&old| classes[old as usize]).collect())
        }
        Targets::Values { values, n_values } if of_nodes => Targets::Values {
            values: old_of
                .iter()
                .flat_map(|&old| &values[old as usize * n_values..][..*n_values])
                .copied()
                .collect(),
            n_values: *n_values,
        },
        targets => targets.clone(),
    };
    let move_all = |items: &[u32]| {
        let mut items: Vec<u32> = items.iter().map(|&item| moved[item as usize]).collect();
        items.sort_unstable();
        items
    };
    // Links have other numbers then.
    let has_own_items = data.links.is_some() || data.edge_items.is_some();
    let fixed_split = data.fixed_split.as_ref().filter(|_| !has_own_items).map(|split| super::Split {
        train: move_all(&split.train),
        validation: move_all(&split.validation),
        test: move_all(&split.test),
    });
    let parts = DatasetParts {
        name: data.name.clone(),
        task: data.task,
        node_offsets: data.node_offsets.to_vec(),
        edges,
        edge_features: data.edge_features.clone(),
        edge_kinds: data.edge_kinds.clone().map(EdgeKinds::held_as),
        features,
        targets,
        class_names: data.class_names.clone(),
        fixed_split,
        graph_ids: data.graph_ids.to_vec(),
        vocabulary: data.vocabulary.clone(),
    };
    let mut renumbered = match &data.edge_items {
        Some(items) => {
            let mut rows = vec![NO_ROW; data.n_edges()];
            (0u32..).zip(&items.entries).for_each(|(item, entries)| {
                entries.iter().for_each(|&entry| rows[entry as usize] = item);
            });
            Dataset::of_edges(parts, &rows).expect("without a split")
        }
        None => Dataset::new(parts),
    };
    if let Some(Types { schema, of_node }) = &data.types {
        let of_node = old_of.iter().map(|&old| of_node[old as usize]).collect();
        renumbered.set_types(Types { schema: schema.clone(), of_node });
    }
    renumbered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::graph::Csr;
    use candle_core::{DType, Device};

    fn awkward(directed: bool) -> Dataset {
        random_graphs(&RandomGraphs {
            n_graphs: 9,
            min_nodes: 1,
            isolated: 0.3,
            directed,
            ..Default::default()
        })
    }

    #[test]
    fn a_batch_is_the_disjoint_union_in_the_order_asked() {
        let picked = [7u32, 0, 7, 3];
        for directed in [false, true] {
            let data = awkward(directed);
            assert_eq!(data.is_symmetric(), !directed);
            let batch = data.batch(&picked, DType::F32, &Device::Cpu).expect("small");
            let x = batch.x.to_vec2::<f32>().expect("a matrix");
            let graph = &batch.graph;
            assert_eq!((graph.n_graphs(), graph.n_nodes()), (4, x.len()));
            for (place, &g) in picked.iter().enumerate() {
                let base = graph.graph_offsets[place];
                for (local, node) in data.graph_nodes(g as usize).enumerate() {
                    let row = base as usize + local;
                    let mut expected = Vec::new();
                    data.features.write_rows(node..node + 1, &mut expected);
                    assert_eq!(x[row], expected);
                    let first = data.node_offsets[g as usize];
                    let sources: Vec<u32> =
                        data.adjacency.row(node).iter().map(|&source| source - first + base).collect();
                    assert_eq!(graph.adjacency.row(row), sources);
                }
            }
            assert_eq!(*graph.transpose, graph.adjacency.transpose());
            assert_eq!(std::sync::Arc::ptr_eq(&graph.transpose, &graph.adjacency), !directed);
        }
    }

    #[test]
    fn one_hot_columns_become_rows_with_a_single_one() {
        let features = Features::OneHot { columns: vec![2, 0, 1].into(), width: 3 };
        let mut rows = vec![9.0];
        features.write_rows(1..3, &mut rows);
        assert_eq!(rows, [9.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn edges_in_any_order_give_the_same_rows() {
        let sorted = Csr::from_edges(4, &[(1, 0), (3, 0), (0, 2), (2, 2)]);
        assert_eq!((sorted.row(0), sorted.row(1), sorted.row(2)), (&[1, 3][..], &[][..], &[0, 2][..]));
        assert_eq!(sorted, Csr::from_edges(4, &[(2, 2), (3, 0), (1, 0), (0, 2)]));
    }

    #[test]
    fn renumbering_moves_features_and_edges_together() {
        let data = awkward(true);
        let (renumbered, moved) = renumber(&data, 5);
        assert_ne!(moved, (0..data.n_nodes() as u32).collect::<Vec<_>>());
        for node in 0..data.n_nodes() {
            let mut expected: Vec<u32> =
                data.adjacency.row(node).iter().map(|&source| moved[source as usize]).collect();
            expected.sort_unstable();
            let new = moved[node] as usize;
            assert_eq!(renumbered.adjacency.row(new), expected);
            let (mut before, mut after) = (Vec::new(), Vec::new());
            data.features.write_rows(node..node + 1, &mut before);
            renumbered.features.write_rows(new..new + 1, &mut after);
            assert_eq!(before, after);
        }
        let back: Vec<u32> = (0..moved.len() as u32)
            .map(|new| moved.iter().position(|&place| place == new).expect("a permutation") as u32)
            .collect();
        assert_eq!(renumber_by(&renumbered, &back).fingerprint, data.fingerprint);
        assert_ne!(renumbered.fingerprint, data.fingerprint);
    }
}
