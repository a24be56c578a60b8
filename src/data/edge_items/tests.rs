use super::*;
use crate::data::synthetic::{RandomGraphs, random_graphs, renumber};
use crate::data::{EdgeReads, Features, Vocabulary};
use crate::types::TargetKind;
use candle_core::{DType, Device};

/// Two graphs, of three nodes and of two, with a row of targets for each edge.
fn dataset(edges: &[(u32, u32)], targets: Targets, split: Option<Split>) -> Result<Dataset, [u32; 2]> {
    let parts = DatasetParts {
        name: "SMALL".into(),
        task: Task::from_name("edge_classification"),
        node_offsets: vec![0, 3, 5],
        edges: edges.to_vec(),
        edge_features: Some(Features::Dense {
            values: (0..edges.len()).map(|edge| edge as f32).collect(),
            width: 1,
        }),
        edge_kinds: None,
        features: Features::Dense { values: vec![1.0; 5].into(), width: 1 },
        targets,
        class_names: ["a", "b", "c"].map(str::to_owned).to_vec(),
        fixed_split: split,
        graph_ids: vec![1, 2],
        vocabulary: Vocabulary::default(),
    };
    let rows: Vec<u32> = (0..edges.len() as u32).collect();
    Dataset::of_edges(parts, &rows)
}

const BOTH: [(u32, u32); 6] = [(2, 0), (0, 2), (0, 1), (1, 0), (4, 3), (3, 4)];

#[test]
fn an_edge_and_its_reverse_with_one_target_are_one_item() {
    let data = dataset(&BOTH, Targets::Classes(vec![2, 2, 1, 1, 0, 0]), None).unwrap();
    let items = data.edge_items.clone().unwrap();
    assert_eq!(items.ends, [[0, 1], [0, 2], [3, 4]]);
    assert_eq!((items.offsets.as_slice(), items.is_directed), (&[0, 2, 3][..], false));
    assert_eq!((data.targets.clone(), data.n_items()), (Targets::Classes(vec![1, 2, 0]), 3));
    assert_eq!((items.graph_of(1), items.graph_of(2)), (0, 1));
    assert!(!data.facts().has_directed_items);
    // Values that differ in a bit are two.
    let values = |last| Targets::Values { values: vec![0.5, 0.5, 1.0, 1.0, 2.0, last], n_values: 1 };
    let n_items = |last| dataset(&BOTH, values(last), None).unwrap().n_items();
    assert_eq!((n_items(2.0), n_items(2.1)), (3, 6));
}

#[test]
fn edges_without_a_reverse_of_the_same_target_are_items_each() {
    let data = dataset(&BOTH, Targets::Classes(vec![2, 2, 1, 0, 0, 0]), None).unwrap();
    let items = data.edge_items.clone().unwrap();
    assert!(items.is_directed && data.facts().has_directed_items);
    assert_eq!(items.ends, [[1, 0], [2, 0], [0, 1], [0, 2], [4, 3], [3, 4]]);
    assert_eq!(data.targets, Targets::Classes(vec![0, 2, 1, 2, 0, 0]));
    let one_way = dataset(&BOTH[..5], Targets::Classes(vec![2, 2, 1, 1, 0]), None).unwrap();
    assert!(one_way.edge_items.unwrap().is_directed);
    let one_way = dataset(&BOTH[..1], Targets::Classes(vec![2]), None).unwrap();
    assert!(one_way.edge_items.unwrap().is_directed);
}

#[test]
fn of_parallel_edges_each_has_a_reverse_of_its_own_target() {
    let edges = [(0, 1), (0, 1), (1, 0), (1, 0), (2, 2)];
    let data = dataset(&edges, Targets::Classes(vec![0, 1, 1, 0, 2]), None).unwrap();
    let items = data.edge_items.clone().unwrap();
    assert_eq!((items.ends.as_slice(), data.n_items()), (&[[0, 1], [0, 1], [2, 2]][..], 3));
    // Entries of node 0 come first: those from node 1 in the order of the file, of classes 1 and 0.
    assert_eq!(items.entries, [[2, 1], [3, 0], [4, 4]]);
    let other = dataset(&edges, Targets::Classes(vec![0, 1, 1, 1, 2]), None).unwrap();
    assert!(other.edge_items.unwrap().is_directed);
}

#[test]
fn a_split_of_rows_is_one_of_items_and_no_item_is_in_two_parts() {
    let classes = || Targets::Classes(vec![2, 2, 1, 1, 0, 0]);
    let split = Split { train: vec![0, 1], validation: vec![4, 5], test: vec![2, 3] };
    let data = dataset(&BOTH, classes(), Some(split)).unwrap();
    let split = data.fixed_split.unwrap();
    assert_eq!((split.train, split.validation, split.test), (vec![1], vec![2], vec![0]));
    let torn = Split { train: vec![0, 1, 2], validation: vec![4, 5], test: vec![3] };
    let [row, reverse] = dataset(&BOTH, classes(), Some(torn)).unwrap_err();
    assert_eq!([row.min(reverse), row.max(reverse)], [2, 3]);
}

#[test]
fn a_batch_asks_about_the_items_of_its_graphs_in_their_order_with_the_entries_that_they_are() {
    let graphs = RandomGraphs { n_graphs: 5, n_edge_features: 2, parallel: true, ..RandomGraphs::default() };
    for directed in [false, true] {
        let mut data = random_graphs(&RandomGraphs { directed, ..graphs });
        data.make_edge_items(Task { entity: Entity::Pairs, kind: TargetKind::Regression }, false);
        let (items, order) = (data.edge_items.clone().unwrap(), [3u32, 0, 4]);
        let asked: Vec<u32> =
            order.iter().flat_map(|&graph| items.of_graph(graph as usize)).map(|item| item as u32).collect();
        let mut batch = data.batch_for(EdgeReads::ALL, &order, DType::F32, &Device::Cpu).unwrap();
        data.ask_about_edges(&asked, &order, &mut batch);
        let (pairs, lists) = (batch.pairs.clone().unwrap(), batch.pair_edges.clone().unwrap());
        assert_eq!(pairs.n_edges(), asked.len());
        let rows: Vec<Vec<f32>> = batch.edge_x.as_ref().unwrap().to_vec2().unwrap();
        let Some(Features::Dense { values, width }) = &data.edge_features else { panic!("numbers") };
        let mut of_pairs = (0..pairs.n_nodes()).flat_map(|second| {
            pairs.adjacency.row(second).iter().map(move |&first| [first, second as u32]).collect::<Vec<_>>()
        });
        let node_base = [0, data.graph_nodes(3).len() as u32];
        for (pair, &item) in asked.iter().enumerate() {
            let entries = items.entries[item as usize];
            let n = if entries[0] == entries[1] { 1 } else { 2 };
            let list = lists.row(pair);
            assert_eq!(list.len(), n);
            for (&entry, own) in list.iter().zip(entries) {
                assert_eq!(rows[entry as usize], values[own as usize * width..][..*width]);
            }
            let ends = of_pairs.next().unwrap();
            if items.graph_of(item) == 0 {
                assert_eq!(ends, items.ends[item as usize].map(|node| node + node_base[1]));
            }
        }
        assert_eq!(of_pairs.next(), None);
    }
}

#[test]
fn items_follow_their_nodes_to_other_numbers() {
    let data = dataset(&BOTH, Targets::Classes(vec![2, 2, 1, 1, 0, 0]), None).unwrap();
    for seed in 0..4 {
        let (moved, places) = renumber(&data, seed);
        let (before, after) = (data.edge_items.clone().unwrap(), moved.edge_items.clone().unwrap());
        assert_eq!(after.is_directed, before.is_directed);
        let class = |data: &Dataset, item: usize| match &data.targets {
            Targets::Classes(classes) => classes[item],
            _ => panic!("classes"),
        };
        for (item, ends) in before.ends.iter().enumerate() {
            let [first, second] = ends.map(|node| places[node as usize]);
            let ends = [first.min(second), first.max(second)];
            let there = after.ends.iter().position(|other| *other == ends).expect("it is there");
            assert_eq!(class(&data, item), class(&moved, there));
        }
    }
    let (directed, _) = renumber(&dataset(&BOTH, Targets::Classes(vec![2, 2, 1, 0, 0, 0]), None).unwrap(), 1);
    assert_eq!(directed.n_items(), 6);
}
