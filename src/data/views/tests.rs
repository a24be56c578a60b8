use super::changes::{Change, changed};
use super::corruption::corrupted;
use super::walks::Walks;
use crate::data::synthetic::{RandomGraphs, random_graphs};
use crate::data::{Dataset, GraphBatch};
use crate::kernels::graph::Csr;
use crate::rng::generator;
use candle_core::{DType, Device};

fn walks(length: usize, p: f64, q: f64) -> Walks {
    Walks { length, context: 2, per_node: 1, p, q, negatives: 1 }
}

/// Both directions of these edges.
fn undirected(n: usize, edges: &[(u32, u32)]) -> Csr {
    let both: Vec<(u32, u32)> = edges.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).collect();
    Csr::from_edges(n, &both)
}

/// A triangle 0 1 2 with a tail 1 3: from 0 to 1, a walk goes back with weight 1/p, to 2, which is a neighbour of 0, with 1, and to 3 with 1/q
/// (Grover and Leskovec 2016, fig. 2).
#[test]
fn steps_have_the_weights_of_node2vec() {
    let edges = undirected(4, &[(0, 1), (0, 2), (1, 2), (1, 3)]);
    for (p, q) in [(0.25, 4.0), (4.0, 0.5), (1.0, 1.0), (2.0, 2.0)] {
        let (mut n, mut counts) = (0, [0f64; 4]);
        let mut rng = generator(3, 0);
        while n < 20_000 {
            let walk = walks(2, p, q).walk(&edges, 0, &mut rng);
            if walk[1] == 1 {
                counts[walk[2] as usize] += 1.0;
                n += 1;
            }
        }
        let weights = [1.0 / p, 0.0, 1.0, 1.0 / q];
        let sum: f64 = weights.iter().sum();
        for (count, weight) in counts.iter().zip(weights) {
            let (share, found) = (weight / sum, count / 20_000.0);
            // Five standard deviations.
            let off = 5.0 * (share * (1.0 - share) / 20_000.0).sqrt();
            assert!((found - share).abs() <= off, "p = {p}, q = {q}: {found}, not {share}");
        }
    }
}

#[test]
fn a_walk_that_finds_no_way_on_stays() {
    // 0 leads to 1, which leads nowhere; rows are where edges lead.
    let edges = Csr { offsets: vec![0, 1, 1], indices: vec![1], n_cols: 2 };
    assert_eq!(walks(3, 0.5, 2.0).walk(&edges, 0, &mut generator(1, 0)), [0, 1, 1, 1]);
}

#[test]
fn walks_go_along_edges_of_the_data() {
    let data = graphs();
    let one =
        Dataset { node_offsets: vec![0, data.n_nodes() as u32].into(), graph_ids: vec![1].into(), ..data };
    let all: Vec<u32> = (0..one.n_nodes() as u32).collect();
    let some = Walks { length: 6, context: 4, per_node: 2, p: 0.5, q: 2.0, negatives: 3 };
    let pairs = some.pairs(&one, &all, 5, &Device::Cpu).unwrap();
    // Four windows of three pairs for each of two walks, and three times as many that were drawn.
    assert_eq!((some.n_pairs(), pairs.edges.len()), (24, all.len() * 24 * 4));
    let signs: Vec<Vec<f32>> = pairs.signs.to_vec2().unwrap();
    let of_node = &pairs.edges[7 * 96..8 * 96];
    for (place, &edge) in of_node.iter().enumerate() {
        let expected = if place < 24 { [1.0, 1.0 / 24.0] } else { [-1.0, 1.0 / 72.0] };
        assert_eq!(signs[edge as usize], expected);
    }
    let threads =
        |n| crate::kernels::threads::with_count(n, || some.pairs(&one, &all, 5, &Device::Cpu).unwrap());
    let (alone, together) = (threads(1), threads(2));
    assert_eq!(alone.graph.adjacency, together.graph.adjacency);
    assert_eq!(alone.edges, together.edges);
    // What a node draws does not depend on the others of its step.
    let few = some.pairs(&one, &[7], 5, &Device::Cpu).unwrap();
    let ends = |pairs: &super::Pairs, edge: u32| {
        let target = pairs.graph.adjacency.offsets.partition_point(|&offset| offset <= edge) - 1;
        (target, pairs.graph.adjacency.indices[edge as usize])
    };
    let of_few: Vec<_> = few.edges.iter().map(|&edge| ends(&few, edge)).collect();
    let of_all: Vec<_> = of_node.iter().map(|&edge| ends(&pairs, edge)).collect();
    assert_eq!(of_few, of_all);
}

fn graphs() -> Dataset {
    random_graphs(&RandomGraphs {
        n_graphs: 6,
        min_nodes: 8,
        max_nodes: 20,
        n_edge_features: 2,
        n_edge_kinds: 3,
        ..RandomGraphs::default()
    })
}

fn batch(data: &Dataset) -> GraphBatch {
    let all: Vec<u32> = (0..data.n_graphs() as u32).collect();
    data.batch(&all, DType::F64, &Device::Cpu).unwrap()
}

fn rows(batch: &GraphBatch) -> Vec<Vec<f64>> {
    batch.x.to_vec2().unwrap()
}

fn sorted(mut rows: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
    rows
}

#[test]
fn features_are_shuffled_within_each_graph() {
    let data = graphs();
    let before = batch(&data);
    let after = corrupted(&before, 4).unwrap();
    assert_eq!(before.graph.adjacency, after.graph.adjacency);
    let mut n_moved = 0;
    for ends in before.graph.graph_offsets.windows(2) {
        let part = |batch: &GraphBatch| rows(batch)[ends[0] as usize..ends[1] as usize].to_vec();
        n_moved += part(&before).iter().zip(part(&after)).filter(|(a, b)| *a != b).count();
        assert_eq!(sorted(part(&before)), sorted(part(&after)));
    }
    assert!(n_moved > 20, "{n_moved}");
    assert_ne!(rows(&after), rows(&corrupted(&before, 5).unwrap()));
}

/// Sizes of the graphs of a batch.
fn sizes(batch: &GraphBatch) -> Vec<usize> {
    batch.graph.graph_offsets.windows(2).map(|ends| (ends[1] - ends[0]) as usize).collect()
}

#[test]
fn copies_lose_what_they_are_asked_to() {
    let data = graphs();
    let before = batch(&data);
    let (n, e) = (before.graph.n_nodes(), before.graph.n_edges());

    let copy = changed(&before, &[Change::DropNodes(0.25)], 1).unwrap();
    let expected: Vec<usize> = sizes(&before).iter().map(|size| size - size / 4).collect();
    assert_eq!(sizes(&copy), expected);
    assert!(copy.graph.n_edges() < e);

    let copy = changed(&before, &[Change::Subgraph(0.5)], 1).unwrap();
    assert!(
        sizes(&copy).iter().zip(sizes(&before)).all(|(copy, size)| *copy >= 1 && *copy <= size - size / 2)
    );

    let copy = changed(&before, &[Change::DropEdges(0.5)], 1).unwrap();
    assert_eq!(sizes(&copy), sizes(&before));
    let share = copy.graph.n_edges() as f64 / e as f64;
    assert!((0.3..0.7).contains(&share), "{share}");
    // An edge goes with its reverse.
    assert_eq!(before.graph.adjacency.transpose(), *before.graph.adjacency, "the graphs are undirected");
    assert_eq!(copy.graph.adjacency.transpose(), *copy.graph.adjacency);

    let copy = changed(&before, &[Change::MaskFeatures(0.5)], 1).unwrap();
    assert_eq!(copy.graph.adjacency, before.graph.adjacency);
    let n_same = rows(&before).iter().zip(rows(&copy)).filter(|(a, b)| *a == b).count();
    let n_masked: usize = sizes(&before).iter().map(|size| size / 2).sum();
    assert_eq!(n_same, n - n_masked);
    // The masked rows are the mean of their graph.
    let first: Vec<Vec<f64>> = rows(&before)[..sizes(&before)[0]].to_vec();
    let mean: f64 = first.iter().map(|row| row[0]).sum::<f64>() / first.len() as f64;
    let masked = rows(&copy)[..first.len()].iter().filter(|row| (row[0] - mean).abs() < 1e-12).count();
    assert!(masked >= first.len() / 2, "{masked}");
}

/// What an edge carries stays with it.
#[test]
fn copies_keep_what_edges_carry() {
    let data = graphs();
    let before = batch(&data);
    let carried = |batch: &GraphBatch| {
        let x: Vec<Vec<f64>> = batch.edge_x.as_ref().unwrap().to_vec2().unwrap();
        let kinds = batch.graph.kinds.clone().unwrap();
        let nodes = rows(batch);
        let mut all = Vec::new();
        for target in 0..batch.graph.n_nodes() {
            let first = batch.graph.adjacency.offsets[target] as usize;
            for (place, &source) in batch.graph.adjacency.row(target).iter().enumerate() {
                let (entry, source) = (first + place, source as usize);
                let kind = f64::from(kinds.of_entry[entry]);
                all.push(
                    [nodes[target].clone(), nodes[source].clone(), x[entry].clone(), vec![kind]].concat(),
                );
            }
        }
        all
    };
    let all = carried(&before);
    for change in [Change::DropNodes(0.3), Change::DropEdges(0.3), Change::Subgraph(0.3)] {
        let copy = carried(&changed(&before, &[change], 2).unwrap());
        assert!(!copy.is_empty() && copy.iter().all(|edge| all.contains(edge)), "{change:?}");
    }
}

/// A graph is changed alike whatever is in its batch.
#[test]
fn copies_do_not_depend_on_the_batch() {
    let data = graphs();
    let changes =
        [Change::DropNodes(0.3), Change::DropEdges(0.3), Change::MaskFeatures(0.3), Change::Subgraph(0.3)];
    let all = changed(&batch(&data), &changes, 9).unwrap();
    for graph in 0..6u32 {
        let alone = data.batch(&[graph], DType::F64, &Device::Cpu).unwrap();
        let alone = changed(&alone, &changes, 9).unwrap();
        let ends = &all.graph.graph_offsets[graph as usize..];
        assert_eq!(rows(&alone), rows(&all)[ends[0] as usize..ends[1] as usize]);
    }
}
