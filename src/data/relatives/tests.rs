use super::*;
use crate::args::ArgValue;
use crate::data::{DataOptions, call, load, real_data};
use std::collections::BTreeSet;

/// Two atoms and the order of their bond.
type Bond = (u32, u32, u32);

/// Molecules as atoms and bonds.
fn molecules(list: &[(&str, &[Bond])]) -> Dataset {
    let atoms = "CNO";
    let (mut columns, mut node_offsets, mut edges, mut kinds) =
        (Vec::new(), vec![0u32], Vec::new(), Vec::new());
    for (of, bonds) in list {
        let first = *node_offsets.last().unwrap();
        columns.extend(of.chars().map(|atom| atoms.find(atom).unwrap() as u32));
        for &(one, other, order) in *bonds {
            edges.extend([(first + one, first + other), (first + other, first + one)]);
            kinds.extend([order, order]);
        }
        node_offsets.push(columns.len() as u32);
    }
    Dataset::new(DatasetParts {
        name: "molecules".into(),
        task: None,
        graph_ids: (1..node_offsets.len() as u32).collect(),
        node_offsets,
        edges,
        edge_features: None,
        edge_kinds: Some(EdgeKinds { of_entry: Arc::new(kinds), n_kinds: 3 }),
        features: Features::OneHot { columns: columns.into(), width: 3 },
        targets: Targets::None,
        class_names: Vec::new(),
        fixed_split: None,
        vocabulary: Vocabulary {
            columns: vec![Columns::Labels { values: vec![0, 1, 2], unseen: Vec::new() }],
            ..Vocabulary::default()
        },
    })
}

const RING: [Bond; 6] = [(0, 1, 1), (1, 2, 2), (2, 3, 1), (3, 4, 2), (4, 5, 1), (5, 0, 2)];

#[test]
fn a_scaffold_is_rings_and_linkers_with_their_labels() {
    let with = |more: &[Bond]| [&RING, more].concat();
    let (toluene, phenethylamine) = (with(&[(0, 6, 1)]), with(&[(2, 6, 1), (6, 7, 1), (7, 8, 1)]));
    // Two rings, joined by one atom: with a side chain, without, and with nitrogen between them.
    let second =
        [(7, 8, 1), (8, 9, 2), (9, 10, 1), (10, 11, 2), (11, 12, 1), (12, 7, 2), (0, 6, 1), (6, 7, 1)];
    let (linked, with_chain) = (with(&second), with(&[&second[..], &[(6, 13, 1)]].concat()));
    let mut saturated = RING;
    saturated.iter_mut().for_each(|bond| bond.2 = 1);
    let data = molecules(&[
        ("CCCCCCC", &toluene),
        ("CCCCCCCCN", &phenethylamine),
        ("NCCCCC", &RING),
        ("CCNCCC", &RING),
        ("CCCCCC", &saturated),
        ("CCCCCCCCCCCCC", &linked),
        ("CCCCCCCCCCCCCO", &with_chain),
        ("CCCCCCNCCCCCC", &linked),
        ("CCO", &[(0, 1, 1), (1, 2, 1)]),
        ("N", &[]),
    ]);
    assert_eq!(scaffolds(&data), [0, 0, 2, 2, 4, 5, 5, 7, 8, 8]);
    // Graphs themselves are all different, but for pyridine with another atom first.
    assert_eq!(copies(&data), [0, 1, 2, 2, 4, 5, 6, 7, 8, 9]);
}

/// Classes up to isomorphism with labels of nodes and edges, found with networkx 3 (`is_isomorphic` with `node_match` and
/// `edge_match` on the graphs, and on what is left of them when nodes of degree up to one are removed again and again).
#[test]
fn real_molecules_have_as_many_scaffolds_as_networkx_finds() {
    let Some(folder) = real_data("tu") else { return };
    for (name, n_copies, n_scaffolds, largest) in [("MUTAG", 188, 44, 27), ("PTC_MR", 337, 109, 94)] {
        let data = load(&call("tu", &[("name", ArgValue::Text(name.into()))]), &DataOptions::folder(&folder))
            .unwrap();
        let different = |groups: &[u32]| groups.iter().collect::<BTreeSet<_>>().len();
        let groups = scaffolds(&data);
        assert_eq!((different(&copies(&data)), different(&groups)), (n_copies, n_scaffolds), "{name}");
        let size = |group: &u32| groups.iter().filter(|other| *other == group).count();
        assert_eq!(groups.iter().map(size).max(), Some(largest), "{name}");
    }
}
