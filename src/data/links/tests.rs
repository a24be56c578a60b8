use super::*;
use crate::args::{ArgValue, BoundCall, default_args};
use crate::data::{DatasetParts, Features, Vocabulary};
use crate::settings::negatives;
use crate::source::Span;
use std::collections::BTreeSet;

fn data(edges: &[(u32, u32)], kinds: Option<(&[u32], usize)>, n_nodes: u32) -> Dataset {
    Dataset::new(DatasetParts {
        name: "links".into(),
        task: None,
        node_offsets: vec![0, n_nodes],
        edges: edges.to_vec(),
        edge_features: None,
        edge_kinds: kinds.map(|(kinds, n_kinds)| EdgeKinds { of_entry: Arc::new(kinds.to_vec()), n_kinds }),
        features: Features::Dense { values: vec![1.0; n_nodes as usize].into(), width: 1 },
        targets: Targets::None,
        class_names: Vec::new(),
        fixed_split: None,
        graph_ids: vec![1],
        vocabulary: Vocabulary::default(),
    })
}

/// Both directions of each.
fn both(edges: &[(u32, u32)]) -> Vec<(u32, u32)> {
    edges.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).collect()
}

#[test]
fn an_edge_and_its_reverse_are_one_link_and_loops_are_none() {
    // Twice the edge 0–2, and a loop.
    let mut edges = both(&[(0, 1), (2, 0), (0, 2), (3, 1)]);
    edges.push((2, 2));
    let data = data(&edges, None, 4);
    let links = Links::of(&data);
    assert!(!links.is_directed);
    assert_eq!(links.ends, [[0, 1], [0, 2], [1, 3]]);
    assert_eq!(count(&data), 3);
    assert_eq!((links.find(&data, 2, 0, 0), links.find(&data, 3, 2, 0)), (Some(1), None));
    // What belongs to a link goes with it, both directions and both parallels; the loop stays.
    let (graph, entries) = links.messages(&data, &[true, false, true]);
    assert_eq!(graph.n_edges(), 5);
    assert_eq!(entries.len(), 5);
    assert_eq!(graph.adjacency.row(2), [2]);
    assert_eq!(graph.adjacency.row(1), [0, 3]);
    assert!(Arc::ptr_eq(&graph.adjacency, &graph.transpose));
}

#[test]
fn edges_with_a_direction_are_links_each() {
    let data = data(&[(0, 1), (1, 0), (2, 1), (2, 1)], None, 3);
    let links = Links::of(&data);
    assert!(links.is_directed);
    assert_eq!(links.ends, [[1, 0], [0, 1], [2, 1]]);
    let (graph, _) = links.messages(&data, &[true, true, false]);
    assert_eq!((graph.adjacency.row(1), graph.transpose.row(0)), (&[0][..], &[1][..]));
}

#[test]
fn triples_are_links_and_their_reverses_belong_to_them() {
    // (0, a, 1), (0, b, 1), (1, a, 1), and the reverses, which are kinds 2 and 3.
    let edges = [(0, 1), (0, 1), (1, 1), (1, 0), (1, 0), (1, 1)];
    let mut data = data(&edges, Some((&[0, 1, 0, 2, 3, 2], 4)), 2);
    data.n_own_kinds = Some(2);
    let links = Links::of(&data);
    assert_eq!(links.ends, [[0, 1], [0, 1], [1, 1]]);
    assert_eq!(links.kinds, [0, 1, 0]);
    let (graph, _) = links.messages(&data, &[false, true, false]);
    assert_eq!(graph.n_edges(), 2);
    assert_eq!(*graph.kinds.unwrap().of_entry, [3, 1]);
    assert_eq!(links.find(&data, 1, 1, 0), Some(2));
    assert_eq!(links.find(&data, 1, 0, 0), None);
}

#[test]
fn pairs_keep_their_order_and_kinds() {
    let data = data(&both(&[(0, 1)]), None, 4);
    let offsets = Arc::new(data.node_offsets.to_vec());
    let (graph, order) = pairs(4, 2, &[[3, 0], [0, 3], [1, 0], [2, 3]], &[1, 0, 0, 1], &offsets);
    assert_eq!(graph.adjacency.row(0), [1, 3]);
    assert_eq!(graph.adjacency.row(3), [0, 2]);
    assert_eq!(order, [2, 0, 1, 3]);
    assert_eq!(*graph.kinds.unwrap().of_entry, [0, 1, 0, 1]);
}

type Given = (&'static str, ArgValue);

/// As `negatives = …` draws where all links are known.
fn sampler(name: &str, given: &[Given], links: &Links) -> Sampler {
    let spec = negatives::SPECS.iter().find(|spec| spec.name == name).unwrap();
    let mut args = default_args(spec.args);
    for (name, value) in given {
        args.0.iter_mut().find(|arg| arg.name == *name).unwrap().value = value.clone();
    }
    let call = BoundCall { name: spec.name, args, span: Span::default() };
    Sampler::new(&call, links, &vec![true; links.len()])
}

const FIVE: Given = ("count", ArgValue::Int(5));

fn end(word: &'static str) -> Given {
    ("end", ArgValue::Choice(word))
}

#[test]
fn drawn_pairs_are_no_links_and_follow_from_the_seed() {
    let ring: Vec<(u32, u32)> = (0..12).map(|node| (node, (node + 1) % 12)).collect();
    let data = data(&both(&ring), None, 12);
    let links = Links::of(&data);
    for (name, word) in [
        ("uniform", "either"),
        ("uniform", "both"),
        ("by_degree", "either"),
        ("uniform", "tail"),
        ("uniform", "head"),
    ] {
        let sampler = sampler(name, &[FIVE, end(word)], &links);
        let draw = |link: u32, seed: u64| {
            let mut out = Vec::new();
            sampler.draw(&data, &links, link, seed, &|_| true, &mut out);
            out
        };
        for link in 0..links.len() as u32 {
            let drawn = draw(link, 3);
            assert_eq!(drawn.len(), 5);
            assert_eq!(drawn, draw(link, 3));
            for [a, b] in drawn {
                assert!(a != b && links.find(&data, a, b, 0).is_none(), "{name} {word}: {a} {b}");
                let own = links.ends[link as usize];
                assert!(word != "tail" || a == own[0]);
                assert!(word != "head" || b == own[1]);
            }
        }
        assert_ne!(draw(0, 3), draw(0, 4), "{name} {word}");
    }
}

/// A star: its centre has as many links as all leaves together.
#[test]
fn nodes_with_many_links_are_drawn_more_often() {
    let star: Vec<(u32, u32)> = (1..9).map(|leaf| (0, leaf)).collect();
    let data = data(&both(&star), None, 20);
    let links = Links::of(&data);
    let share = |name: &str, given: &[Given]| {
        let sampler = sampler(name, given, &links);
        let mut out = Vec::new();
        for link in 0..8 {
            sampler.draw(&data, &links, link, 1, &|_| false, &mut out);
        }
        out.iter().filter(|ends| ends.contains(&0)).count() as f64 / out.len() as f64
    };
    // The centre stays where a leaf is replaced; where the centre is, half of what is drawn by degree is the centre again.
    let (even, by_degree) = (
        share("uniform", &[("count", ArgValue::Int(400)), end("tail")]),
        share("by_degree", &[("count", ArgValue::Int(400)), ("power", ArgValue::Float(1.0)), end("head")]),
    );
    assert_eq!(even, 1.0);
    assert!((by_degree - 0.5).abs() < 0.05, "{by_degree}");
}

#[test]
fn between_two_parts_a_node_is_replaced_by_one_of_its_part() {
    let mut data = data(&both(&[(0, 3), (1, 4), (2, 5)]), None, 7);
    data.n_left = 3;
    let links = Links::of(&data);
    let sampler = sampler("uniform", &[("count", ArgValue::Int(50))], &links);
    let mut out = Vec::new();
    sampler.draw(&data, &links, 1, 9, &|_| true, &mut out);
    assert!(out.iter().all(|ends| ends[0] < 3 && ends[1] >= 3), "{out:?}");
    assert!(out.iter().any(|ends| ends[0] != 1) && out.iter().any(|ends| ends[1] != 4));
}

#[test]
fn a_node_that_is_linked_to_all_others_leaves_no_pair_but_its_links() {
    let data = data(&both(&[(0, 1), (0, 2), (1, 2)]), None, 3);
    let links = Links::of(&data);
    let mut out = Vec::new();
    sampler("uniform", &[("count", ArgValue::Int(2))], &links).draw(&data, &links, 0, 1, &|_| true, &mut out);
    assert_eq!(out.len(), 2);
}

/// People live in cities: the second end of that relation is a city.
#[test]
fn in_range_draws_what_stands_at_that_end_of_the_relation() {
    let triples = [(0, 6), (1, 7), (2, 6), (3, 8), (0, 1), (1, 2)];
    let mut data = data(&triples, Some((&[0, 0, 0, 0, 1, 1], 2)), 9);
    data.n_own_kinds = Some(2);
    let links = Links::of(&data);
    let drawn = |name: &str, word: &'static str| {
        let sampler = sampler(name, &[("count", ArgValue::Int(60)), end(word)], &links);
        let mut all = Vec::new();
        for link in (0..links.len() as u32).filter(|&link| links.kind(link) == 0) {
            let mut out = Vec::new();
            sampler.draw(&data, &links, link, 4, &|_| true, &mut out);
            let own = links.ends[link as usize];
            assert!(out.iter().all(|ends| links.find(&data, ends[0], ends[1], 0).is_none() && *ends != own));
            all.extend(out);
        }
        all
    };
    let of = |pairs: &[[u32; 2]], end: usize| pairs.iter().map(|ends| ends[end]).collect::<BTreeSet<_>>();
    assert_eq!(of(&drawn("in_range", "tail"), 1), BTreeSet::from([6, 7, 8]));
    assert_eq!(of(&drawn("in_range", "head"), 0), BTreeSet::from([0, 1, 2, 3]));
    assert!(of(&drawn("uniform", "tail"), 1).len() > 3);
}

/// All ends that are in range are linked, so that any node is drawn.
#[test]
fn where_all_in_range_are_linked_any_node_is_drawn() {
    let triples = [(0, 4), (1, 4), (0, 5), (1, 5)];
    let mut data = data(&triples, Some((&[0; 4], 1)), 8);
    data.n_own_kinds = Some(1);
    let links = Links::of(&data);
    let mut out = Vec::new();
    let sampler = sampler("in_range", &[FIVE, end("tail")], &links);
    sampler.draw(&data, &links, 0, 2, &|_| true, &mut out);
    assert!(out.iter().all(|ends| ends[1] != 4 && ends[1] != 5), "{out:?}");
}
