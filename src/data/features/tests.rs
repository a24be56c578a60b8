//! Features against PyTorch Geometric's transforms, against formulas, and the laws that all of them keep.

use super::scaling::{Scale, Scaling};
use super::*;
use crate::data::{Dataset, DatasetParts, EdgeReads, Targets, batch::Reading, parse_call};
use crate::source::SourceMap;
use crate::types::{Entity, TargetKind, Task};
use candle_core::{DType, Device};

/// Every feature that follows from the edges.
const ALL: &str = "[constant(0.5), degree(max = 3), degree(raw), degree_profile, laplacian(3, signs = absolute), \
                   random_walk(5), distances(3)]";

struct Rows {
    values: Vec<f32>,
    width: usize,
    random_signs: Vec<Range<usize>>,
    columns: Vec<Columns>,
}

impl Rows {
    fn row(&self, node: usize) -> &[f32] {
        &self.values[node * self.width..][..self.width]
    }
}

/// The features that a list gives on graphs with these numbers of nodes, whose edges count the nodes of all.
fn features(list: &str, sizes: &[u32], edges: &[(u32, u32)]) -> Rows {
    // As data for a model that is there: columns that are zeros here are not refused.
    let options = DataOptions { vocabulary: Some(Vocabulary::default()), ..DataOptions::folder("") };
    read_list(list, sizes, edges, &options).expect("small")
}

fn read_list(
    list: &str,
    sizes: &[u32],
    edges: &[(u32, u32)],
    options: &DataOptions,
) -> Result<Rows, DataError> {
    let call = parse_call(&format!("karate(features = {list})"), &mut SourceMap::default())
        .unwrap_or_else(|found| panic!("{list}: {found:?}"));
    let mut offsets = vec![0];
    sizes.iter().for_each(|size| offsets.push(offsets.last().unwrap() + size));
    let own = ones(*offsets.last().unwrap() as usize);
    let prepared = of_made(&call, options, (&offsets, edges), own)?;
    let (n_nodes, width) = (*offsets.last().unwrap() as usize, prepared.features.width());
    let mut values = Vec::new();
    prepared.features.write_rows(0..n_nodes, &mut values);
    Ok(Rows { values, width, random_signs: prepared.random_signs, columns: prepared.columns })
}

#[test]
fn columns_that_would_be_zeros_are_refused() {
    let (sizes, edges) = awkward();
    let refused = |list: &str, edges: &[(u32, u32)]| {
        let error = read_list(list, &sizes, edges, &DataOptions::folder("")).map(|_| ()).expect_err(list);
        assert!(error.span.is_some());
        (error.message, error.help.unwrap_or_default())
    };
    let (message, help) = refused("[laplacian(8)]", &edges);
    assert_eq!(
        message,
        "the last 3 columns of `laplacian(8)` would be zeros: the largest connected part has 6 nodes, and one eigenvector \
         is trivial"
    );
    assert_eq!(help, "write `laplacian(5)`, or fewer");
    let (message, help) = refused("[distances(4)]", &edges);
    assert!(message.starts_with("the last 1 column of `distances(4)` would be zeros"), "{message}");
    assert_eq!(help, "write `distances(3)`, or fewer");
    assert_eq!(refused("[laplacian(1)]", &[]).1, "leave `laplacian` out");
    assert_eq!(refused("[distances(1)]", &[(2, 2)]).1, "leave `distances` out");
    assert!(read_list("[laplacian(5), distances(3)]", &sizes, &edges, &DataOptions::folder("")).is_ok());
}

fn assert_close(what: &str, ours: &[f32], expected: &[f32]) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (idx, (one, other)) in ours.iter().zip(expected).enumerate() {
        assert!((one - other).abs() <= 1e-5 * other.abs().max(1.0), "{what}, {idx}: {one} and {other}");
    }
}

fn both(pairs: &[(u32, u32)]) -> Vec<(u32, u32)> {
    pairs.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).collect()
}

/// Loops, parallel edges, an isolated node, two parts, edges of one direction; then a graph of one node, one without edges,
/// and a ring, whose eigenvalues come in pairs.
fn awkward() -> (Vec<u32>, Vec<(u32, u32)>) {
    let mut edges = both(&[(0, 1), (1, 2), (2, 3), (3, 1), (0, 1), (5, 6), (6, 7)]);
    edges.extend([(2, 2), (7, 8), (8, 5)]);
    edges.extend(both(&[(13, 14), (14, 15), (15, 16), (16, 17), (17, 18), (18, 13)]));
    (vec![9, 1, 3, 6], edges)
}

#[test]
fn encodings_are_those_of_pytorch_geometric() {
    let text = include_str!("../../../tests/features/encodings.json");
    let file: serde_json::Value = serde_json::from_str(text).unwrap();
    let table = |value: &serde_json::Value| -> Vec<Vec<f32>> {
        serde_json::from_value(value.clone()).expect("rows of numbers")
    };
    for (name, graph) in file["graphs"].as_object().unwrap() {
        let n_nodes = graph["n_nodes"].as_u64().unwrap() as u32;
        let edges: Vec<(u32, u32)> = serde_json::from_value(graph["edges"].clone()).unwrap();
        for (key, list) in [
            ("random_walk", "[random_walk(6)]"),
            ("degree_profile", "[degree_profile]"),
            ("degree", "[degree(max = 12)]"),
        ] {
            let Some(expected) = graph.get(key) else { continue };
            let ours = features(list, &[n_nodes], &edges);
            assert_close(&format!("{key} of {name}"), &ours.values, &table(expected).concat());
        }
        let (ours, expected) = (features("[laplacian(3)]", &[n_nodes], &edges), table(&graph["laplacian"]));
        for column in 0..3 {
            let of = |row: usize| (ours.row(row)[column], expected[row][column]);
            let along: f32 = (0..n_nodes as usize).map(|row| of(row).0 * of(row).1).sum();
            for row in 0..n_nodes as usize {
                let (one, other) = of(row);
                assert!((one - along.signum() * other).abs() < 1e-5, "{name}, vector {column}, node {row}");
            }
        }
        // Our rows are divided by their sums alone; theirs start at 0 already here.
        let call =
            parse_call("karate(features = [degree(raw)], normalize = rows)", &mut SourceMap::default())
                .unwrap();
        let values = (0..3 * n_nodes).map(|value| value as f32).collect();
        let normalized = with_rows_normalized(Features::Dense { values, width: 3 }, n_nodes as usize, &call);
        let Features::Dense { values, .. } = normalized else { panic!("dense") };
        assert_close(name, &values, &table(&graph["normalized"]).concat());
    }
}

#[test]
fn walks_return_as_often_as_powers_of_the_matrix_say() {
    let (sizes, edges) = awkward();
    let ours = features("[random_walk(5)]", &sizes, &edges);
    let n = sizes.iter().sum::<u32>() as usize;
    let mut step = vec![vec![0.0f64; n]; n];
    for &(source, target) in &edges {
        let degree = edges.iter().filter(|edge| edge.0 == source).count() as f64;
        step[source as usize][target as usize] += 1.0 / degree;
    }
    let mut power = step.clone();
    for t in 0..5 {
        for node in 0..n {
            let (one, other) = (f64::from(ours.row(node)[t]), power[node][node]);
            assert!((one - other).abs() < 1e-6, "node {node} after {} steps: {one} and {other}", t + 1);
        }
        let times = |row: &Vec<f64>| -> Vec<f64> {
            (0..n).map(|to| (0..n).map(|via| row[via] * step[via][to]).sum()).collect()
        };
        power = power.iter().map(times).collect();
    }
}

#[test]
fn distances_count_the_nodes_that_shortest_paths_come_from() {
    let (sizes, edges) = awkward();
    let ours = features("[distances(3)]", &sizes, &edges);
    let n = sizes.iter().sum::<u32>() as usize;
    let mut distance = vec![vec![usize::MAX / 4; n]; n];
    (0..n).for_each(|node| distance[node][node] = 0);
    for &(source, target) in edges.iter().filter(|(source, target)| source != target) {
        distance[source as usize][target as usize] = 1;
    }
    for via in 0..n {
        for from in 0..n {
            for to in 0..n {
                let through = distance[from][via] + distance[via][to];
                distance[from][to] = distance[from][to].min(through);
            }
        }
    }
    for node in 0..n {
        for d in 1..=3 {
            let expected = (0..n).filter(|&from| distance[from][node] == d).count();
            assert_eq!(ours.row(node)[d - 1], expected as f32, "node {node}, distance {d}");
        }
    }
}

#[test]
fn degrees_count_edges_and_their_profile_those_of_the_neighbours() {
    // Node 2 has a loop, two parallel edges from 1, and one from 0.
    let edges = [(1, 2), (1, 2), (2, 2), (0, 2), (2, 1)];
    let ours = features("[degree(max = 2), degree(raw), degree_profile]", &[3], &edges);
    assert_eq!(ours.width, 3 + 1 + 5);
    // Degrees 0, 1, 4: into node 2 lead edges from nodes of degree 1, 1, 4 and 0.
    let deviation = (4.5f32 - 1.5 * 1.5).sqrt();
    assert_close("node 2", ours.row(2), &[0.0, 0.0, 1.0, 4.0, 4.0, 0.0, 4.0, 1.5, deviation]);
    assert_close("node 0", ours.row(0), &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_close("node 1", ours.row(1), &[0.0, 1.0, 0.0, 1.0, 1.0, 4.0, 4.0, 4.0, 0.0]);
    let meaning = Vocabulary { columns: ours.columns, ..Vocabulary::default() };
    assert_eq!(
        meaning.features_in_words(),
        "degrees from 0 to 2, 1 degree as a number and 5 columns of the local degree profile"
    );
}

#[test]
fn renumbering_permutes_the_rows() {
    let (sizes, edges) = awkward();
    let n = sizes.iter().sum::<u32>();
    let before = features(ALL, &sizes, &edges);
    // Of each graph by itself, backwards.
    let mut moved = Vec::new();
    let mut start = 0;
    for size in &sizes {
        moved.extend((0..*size).map(|node| start + size - 1 - node));
        start += size;
    }
    let renumbered: Vec<(u32, u32)> =
        edges.iter().rev().map(|&(a, b)| (moved[a as usize], moved[b as usize])).collect();
    let after = features(ALL, &sizes, &renumbered);
    assert_eq!(before.columns, after.columns);
    for node in 0..n as usize {
        assert_close(&format!("node {node}"), after.row(moved[node] as usize), before.row(node));
    }
}

#[test]
fn a_set_has_the_features_of_its_graphs_one_by_one() {
    let (sizes, edges) = awkward();
    let (all, signed) = (features(ALL, &sizes, &edges), features("[laplacian(3)]", &sizes, &edges));
    assert!(all.values.iter().all(|value| value.is_finite()));
    let mut start = 0u32;
    for (graph, &size) in sizes.iter().enumerate() {
        let own: Vec<(u32, u32)> = edges
            .iter()
            .filter(|edge| (start..start + size).contains(&edge.0))
            .map(|&(a, b)| (a - start, b - start))
            .collect();
        let (alone, alone_signed) = (features(ALL, &[size], &own), features("[laplacian(3)]", &[size], &own));
        for node in 0..size as usize {
            assert_eq!(alone.row(node), all.row(start as usize + node), "graph {graph}, node {node}");
            assert_eq!(
                alone_signed.row(node),
                signed.row(start as usize + node),
                "graph {graph}, node {node}"
            );
        }
        start += size;
    }
    let nothing = features(ALL, &[], &[]);
    assert!(nothing.values.is_empty());
}

#[test]
fn absolute_eigenvectors_do_not_depend_on_a_choice_among_equal_eigenvalues() {
    // All nodes of a ring are alike, and so is what describes them.
    let ring = both(&[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0)]);
    let ours = features("[laplacian(4, signs = absolute)]", &[6], &ring);
    for node in 0..6 {
        assert_close("ring", ours.row(node), &[1.0 / 6f32.sqrt(); 4]);
    }
    // Twin parts have the same vectors, and what is alone has zeros.
    let parts = both(&[(0, 1), (1, 2), (3, 4), (4, 5)]);
    let ours = features("[laplacian(3)]", &[7], &parts);
    (0..3).for_each(|node| assert_close("parts", ours.row(node), ours.row(node + 3)));
    assert_eq!(ours.row(6), [0.0; 3]);
    // A part of three nodes has two vectors beside the trivial one.
    assert!((0..7).all(|node| ours.row(node)[2] == 0.0));
    assert!((0..3).any(|node| ours.row(node)[1] != 0.0));
}

fn dataset(list: &str) -> Dataset {
    let (sizes, edges) = awkward();
    let rows = features(list, &sizes, &edges);
    let mut node_offsets = vec![0];
    sizes.iter().for_each(|size| node_offsets.push(node_offsets.last().unwrap() + size));
    let mut data = Dataset::new(DatasetParts {
        name: "awkward".into(),
        task: Some(Task { entity: Entity::Graph, kind: TargetKind::Classification }),
        node_offsets,
        edges,
        edge_features: None,
        edge_kinds: None,
        features: Features::Dense { values: rows.values.into(), width: rows.width },
        targets: Targets::Classes(vec![0, 1, 0, 1]),
        class_names: vec!["0".into(), "1".into()],
        fixed_split: None,
        graph_ids: vec![1, 2, 3, 4],
        vocabulary: Vocabulary { columns: rows.columns, ..Vocabulary::default() },
    });
    data.draw_signs(rows.random_signs);
    data
}

fn batch(data: &Dataset, reading: &Reading, graphs: &[u32]) -> Vec<f32> {
    let batch = data.batch_with(reading, graphs, DType::F32, &Device::Cpu).unwrap();
    batch.x.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn signs_are_drawn_for_each_part_and_column() {
    let data = dataset("[degree(raw), laplacian(2)]");
    assert_eq!(data.random_signs.first(), Some(&(1..3)));
    let with = |seed| batch(&data, &Reading { sign_seed: seed, ..Reading::of(EdgeReads::ALL) }, &[0, 3]);
    let stored = with(None);
    assert_eq!(with(Some(1)), with(Some(1)));
    let absolute = |values: &[f32]| values.iter().map(|value| value.abs()).collect::<Vec<_>>();
    // Signs of (graph 0 first part, graph 0 third part, graph 3) and column.
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let drawn = with(Some(seed));
        assert_eq!(absolute(&drawn), absolute(&stored));
        let mut signs = Vec::new();
        for nodes in [0..4, 5..9, 9..15] {
            for column in 0..3 {
                let flips: Vec<bool> = nodes
                    .clone()
                    .map(|node| node * 3 + column)
                    .filter(|&at| stored[at] != 0.0)
                    .map(|at| stored[at] != drawn[at])
                    .collect();
                assert!(flips.windows(2).all(|pair| pair[0] == pair[1]), "a part has one sign");
                assert!(column > 0 || !flips.contains(&true), "degrees have no free sign");
                signs.push(flips.contains(&true));
            }
        }
        seen.insert(signs);
    }
    // Three parts with two columns each: 2^6 ways, of which 200 draws miss few.
    assert!(seen.len() > 50, "{}", seen.len());
    assert!(dataset("[laplacian(2, signs = absolute)]").random_signs.is_empty());
    assert!(dataset("[laplacian(2, signs = fixed)]").random_signs.is_empty());
}

#[test]
fn columns_are_scaled_by_the_training_part() {
    let data = dataset("[degree(raw), constant(3.0), laplacian(1)]");
    let scaling = Scaling::of(&data, &[0, 3], Scale::Standard);
    let reading = Reading { scaling: Some(&scaling), ..Reading::of(EdgeReads::ALL) };
    let (train, width) = (batch(&data, &reading, &[0, 3]), 3);
    let n_nodes = (train.len() / width) as f32;
    let column = |at: usize| train.iter().skip(at).step_by(width).copied().collect::<Vec<f32>>();
    let (mean, square) = (
        |values: &[f32]| values.iter().sum::<f32>() / n_nodes,
        |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>() / n_nodes,
    );
    assert!(mean(&column(0)).abs() < 1e-6 && (square(&column(0)) - 1.0).abs() < 1e-5);
    assert!(column(1).iter().all(|value| *value == 0.0), "what is the same everywhere says nothing");
    // Signs are drawn, so the mean is that of both signs.
    assert!((square(&column(2)) - 1.0).abs() < 1e-5);
    let (other, stored) = (batch(&data, &reading, &[2]), batch(&data, &Reading::of(EdgeReads::ALL), &[0, 3]));
    assert_eq!(stored[1], 3.0);
    assert!(other[0] < 0.0 && other[1] == 0.0, "a graph of another part is scaled by the same numbers");
    // From the smallest to the largest degree, 0 to 1, and eigenvectors by the largest absolute value.
    let min_max = Scaling::of(&data, &[0, 3], Scale::MinMax);
    let train = batch(&data, &Reading { scaling: Some(&min_max), ..Reading::of(EdgeReads::ALL) }, &[0, 3]);
    let column = |at: usize| train.iter().skip(at).step_by(width).copied().collect::<Vec<f32>>();
    let ends = |values: &[f32]| {
        (values.iter().copied().fold(9.0, f32::min), values.iter().copied().fold(-9.0, f32::max))
    };
    assert_eq!(ends(&column(0)), (0.0, 1.0));
    assert_eq!(ends(&column(1)), (0.0, 0.0));
    assert!(column(2).iter().any(|value| (value.abs() - 1.0).abs() < 1e-6) && ends(&column(2)).0 < 0.0);
    let kept: Scaling = serde_json::from_str(&serde_json::to_string(&scaling).unwrap()).unwrap();
    assert_eq!(kept, scaling);
}

#[test]
fn rows_are_divided_by_their_sums() {
    let call = parse_call(
        "karate(features = [degree(raw), distances(2)], normalize = rows)",
        &mut SourceMap::default(),
    );
    let edges = both(&[(0, 1), (1, 2)]);
    let prepared =
        of_made(&call.unwrap(), &DataOptions::folder(""), (&[0, 4], &edges), ones(4)).expect("small");
    let Features::Dense { values, .. } = prepared.features else { panic!("dense") };
    let third = 1.0 / 3.0;
    assert_close("rows", &values[..6], &[third, third, third, 0.5, 0.5, 0.0]);
    assert_eq!(values[9..], [0.0; 3], "a row of zeros stays");
}
