//! `hierarchy(...)`: graphs whose class is visible only at the scale of whole communities.
//!
//! Each graph is made of communities: long strips of nodes, closed to a loop, in which every node is joined to the
//! two before and the two after it. Each community has a colour, which is its nodes' feature; the colours of a graph
//! are all different and dealt out at random, graph by graph. The communities stand in rings, and the class is the
//! number of rings: twelve communities in one ring, or in four rings of three. Neighbours in a ring are joined by
//! exchanges: an edge `u – v` inside one and an edge `u' – v'` inside the other become `u – u'` and `v – v'`, so every
//! node keeps its four neighbours. A community meets its two neighbours on opposite sides of its strip.
//!
//! Nothing else differs. Graphs of all classes have the same number of nodes and edges, every node has degree 4,
//! every community has the same number of edges inside and out, and is drawn in the same way. Which colours meet is
//! random. Only following a ring until it closes reveals the class: a walk over whole communities, which is many steps
//! between nodes and few between pooled communities.

use crate::args::BoundCall;
use crate::data::columns::{Columns, Vocabulary};
use crate::data::dataset::{Dataset, DatasetParts, Features, Targets};
use crate::data::features::{self, Block};
use crate::data::{DataError, DataOptions, Source};
use crate::rng::{below, generator, permutation, shuffle, unit};
use crate::settings;
use crate::settings::data::{SourceFacts, hierarchy::rings};
use crate::types::{Entity, TargetKind, Task};
use rand_chacha::ChaCha8Rng;
use std::path::PathBuf;

/// Nodes in all graphs: about 4 GB of memory.
const MAX_NODES: usize = 50_000_000;

#[derive(Debug)]
pub struct Hierarchy;

impl Source for Hierarchy {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::hierarchy::Hierarchy
    }

    fn files(&self, _: &BoundCall, _: &DataOptions) -> Option<Vec<PathBuf>> {
        Some(Vec::new())
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let int = |name| call.args.int(name) as usize;
        let rings = rings(call);
        let (n_graphs, n_classes) = (int("graphs"), rings.len());
        let shape = Shape {
            communities: int("communities"),
            community_size: int("community_size"),
            links: int("links"),
            noise: call.args.float("noise"),
        };
        let n_nodes = n_graphs * shape.n_nodes();
        if n_nodes > MAX_NODES {
            return Err(DataError::new(
                "data::too_large",
                format!("`hierarchy` is asked for {n_nodes} nodes in all, but makes at most {MAX_NODES}"),
            )
            .help("ask for fewer graphs, communities or nodes per community")
            .span(Some(call.span)));
        }
        let seed = call.args.int("seed") as u64;
        let mut node_offsets = vec![0u32];
        let mut edges = Vec::new();
        let mut columns = vec![0u32; n_nodes];
        for g in 0..n_graphs {
            let base = node_offsets[g];
            let mut rng = generator(seed, g as u64);
            let graph = shape.graph(&mut rng, rings[g % n_classes]);
            // Node numbers are shuffled, so the order of the rows reveals nothing.
            let place = permutation(&mut rng, graph.colours.len());
            edges.extend(
                graph.edges.iter().map(|&(a, b)| (base + place[a as usize], base + place[b as usize])),
            );
            for (node, &colour) in graph.colours.iter().enumerate() {
                columns[(base + place[node]) as usize] = colour;
            }
            node_offsets.push(base + graph.colours.len() as u32);
        }
        let own = Block {
            features: Features::OneHot { columns: columns.into(), width: shape.communities },
            columns: vec![Columns::Named { what: "colours of hierarchy()".into(), count: shape.communities }],
        };
        let prepared = features::of_made(call, options, (&node_offsets, &edges), own)?;
        let mut dataset = Dataset::new(DatasetParts {
            name: "hierarchy()".into(),
            task: Some(Task { entity: Entity::Graph, kind: TargetKind::Classification }),
            node_offsets,
            edges,
            edge_features: None,
            edge_kinds: None,
            features: prepared.features,
            targets: Targets::Classes((0..n_graphs).map(|g| (g % n_classes) as i64).collect()),
            class_names: rings
                .iter()
                .map(|&rings| if rings == 1 { "1 ring".into() } else { format!("{rings} rings") })
                .collect(),
            fixed_split: None,
            graph_ids: (1..=n_graphs as u32).collect(),
            vocabulary: Vocabulary { columns: prepared.columns, ..Vocabulary::default() },
        });
        dataset.draw_signs(prepared.random_signs);
        Ok(dataset)
    }
}

struct Shape {
    communities: usize,
    community_size: usize,
    links: usize,
    noise: f64,
}

/// One graph before its nodes are shuffled: both directions of every edge, and each node's colour.
struct Graph {
    edges: Vec<(u32, u32)>,
    colours: Vec<u32>,
}

impl Shape {
    fn n_nodes(&self) -> usize {
        self.communities * self.community_size
    }

    /// Everything but the joining of the communities is drawn in the same way for every class, and with the same
    /// random numbers it is the same.
    fn graph(&self, rng: &mut ChaCha8Rng, rings: usize) -> Graph {
        let size = self.community_size;
        let colours = permutation(rng, self.communities);
        let mut graph = Graph { edges: Vec::new(), colours: Vec::new() };
        // The edges of each community that are exchanged: `links` with the community after, then with the one before.
        let mut exchanged: Vec<Vec<(u32, u32)>> = Vec::new();
        for community in 0..self.communities {
            let base = (community * size) as u32;
            // Edges between a node and the next, in one quarter of the strip for the community after, in the
            // opposite quarter for the one before. No two share a node, and the edges over one node keep the
            // community connected.
            let mut gates = Vec::new();
            for quarter in [0, size as u32 / 2] {
                let mut free: Vec<u32> = (0..size as u32 / 8).map(|pair| quarter + 2 * pair).collect();
                shuffle(rng, &mut free);
                gates.extend_from_slice(&free[..self.links]);
            }
            for a in 0..size as u32 {
                if !gates.contains(&a) {
                    graph.join(base + a, base + (a + 1) % size as u32);
                }
                graph.join(base + a, base + (a + 2) % size as u32);
            }
            exchanged.push(gates.iter().map(|&a| (base + a, base + a + 1)).collect());
            for _ in 0..size {
                let is_random = unit(rng) < self.noise;
                let random = below(rng, self.communities) as u32;
                graph.colours.push(if is_random { random } else { colours[community] });
            }
        }
        let ring = self.communities / rings;
        for community in 0..self.communities {
            let after = community / ring * ring + (community + 1) % ring;
            for link in 0..self.links {
                let (a, b) = exchanged[community][link];
                let (c, d) = exchanged[after][self.links + link];
                graph.join(a, c);
                graph.join(b, d);
            }
        }
        graph
    }
}

impl Graph {
    fn join(&mut self, a: u32, b: u32) {
        self.edges.extend([(a, b), (b, a)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data;

    fn load(args: &[(&str, ArgValue)]) -> Dataset {
        data::load(&data::call("hierarchy", args), &DataOptions::folder("")).expect("built in")
    }

    /// Sorted neighbours of each node.
    fn neighbours(graph: &Graph) -> Vec<Vec<u32>> {
        let mut around = vec![Vec::new(); graph.colours.len()];
        graph.edges.iter().for_each(|&(a, b)| around[a as usize].push(b));
        around.iter_mut().for_each(|list| list.sort_unstable());
        around
    }

    /// Numbers of one graph that a look at its small neighbourhoods gives.
    fn local_statistics(graph: &Graph) -> Vec<f64> {
        let around = neighbours(graph);
        let (mut triangles, mut squares, mut same_colour, mut second) = (0, 0, 0, 0);
        for (a, list) in around.iter().enumerate() {
            let mut within_two: Vec<u32> = list.clone();
            for &b in list {
                same_colour += usize::from(graph.colours[a] == graph.colours[b as usize]);
                triangles += list.iter().filter(|&c| around[b as usize].contains(c)).count();
                within_two.extend(&around[b as usize]);
                let two_away = around[b as usize].iter().filter(|&&c| c as usize != a);
                squares += two_away.flat_map(|&c| &around[c as usize]).filter(|d| list.contains(d)).count();
            }
            within_two.sort_unstable();
            within_two.dedup();
            second += within_two.len();
        }
        [triangles, squares, same_colour, second].iter().map(|&count| count as f64).collect()
    }

    fn n_components(graph: &Graph) -> usize {
        let around = neighbours(graph);
        let mut seen = vec![false; around.len()];
        (0..around.len())
            .filter(|&start| {
                let is_new = !seen[start];
                let mut stack = vec![start];
                while let Some(node) = stack.pop() {
                    if !std::mem::replace(&mut seen[node], true) {
                        stack.extend(around[node].iter().map(|&other| other as usize));
                    }
                }
                is_new
            })
            .count()
    }

    #[test]
    fn the_class_is_the_number_of_rings() {
        let shape = Shape { communities: 12, community_size: 16, links: 2, noise: 0.0 };
        for count in 1..=4 {
            assert_eq!(n_components(&shape.graph(&mut generator(count as u64, 0), count)), count);
        }
    }

    #[test]
    fn every_graph_has_the_same_size_and_every_node_the_same_degree() {
        let data = load(&[("graphs", ArgValue::Int(40)), ("noise", ArgValue::Float(0.3))]);
        assert!((0..40).all(|g| data.graph_nodes(g).len() == 12 * 24));
        assert!((0..40 * 288).all(|node| data.adjacency.row(node).len() == 4));
        assert!(data.is_symmetric());
        assert_eq!(data.facts().class_counts, [20, 20]);
    }

    /// In every class each community has the same number of edges to each of its two neighbours and within.
    #[test]
    fn communities_are_joined_alike_in_every_class() {
        let shape = Shape { communities: 12, community_size: 24, links: 3, noise: 0.1 };
        for count in 1..=4 {
            let graph = shape.graph(&mut generator(1, 2), count);
            for community in 0..12 {
                let mut to = [0; 12];
                for &(a, b) in graph.edges.iter().filter(|edge| edge.0 as usize / 24 == community) {
                    assert_ne!(a, b);
                    to[b as usize / 24] += 1;
                }
                let inside = to[community];
                to.sort_unstable();
                assert_eq!((inside, &to[9..]), (4 * 24 - 12, &[6, 6, 84][..]));
            }
        }
    }

    /// The best threshold on any local statistic, chosen with the answers in hand, does hardly better than chance.
    #[test]
    fn no_threshold_on_local_statistics_tells_the_class() {
        let shape = Shape { communities: 12, community_size: 16, links: 2, noise: 0.1 };
        let n_graphs = 1000;
        let rows: Vec<Vec<f64>> = (0..n_graphs)
            .map(|g| local_statistics(&shape.graph(&mut generator(0, g), [1, 4][g as usize % 2])))
            .collect();
        for column in 0..rows[0].len() {
            let values = rows.iter().enumerate().map(|(g, row)| (row[column], g % 2));
            let mut values: Vec<(f64, usize)> = values.collect();
            values.sort_by(|a, b| a.0.total_cmp(&b.0));
            let mut ahead = 0i32;
            let mut most = 0;
            for (place, &(value, class)) in values.iter().enumerate() {
                ahead += if class == 0 { 1 } else { -1 };
                if values.get(place + 1).is_none_or(|next| next.0 != value) {
                    most = most.max(ahead.abs());
                }
            }
            // The largest lead of a fair walk of n steps is beyond 2.5 √n once in a hundred times.
            let accuracy = 0.5 + f64::from(most) / n_graphs as f64;
            assert!(accuracy < 0.5 + 2.5 / (n_graphs as f64).sqrt(), "statistic {column}: {accuracy}");
        }
    }

    /// How often two colours meet is as random in one class as in the other.
    #[test]
    fn every_pair_of_colours_meets_as_often_in_every_class() {
        let shape = Shape { communities: 6, community_size: 8, links: 1, noise: 0.0 };
        let n_graphs = 4000;
        for count in [1, 2] {
            let mut meets = [[0; 6]; 6];
            for g in 0..n_graphs {
                let graph = shape.graph(&mut generator(7, g), count);
                for &(a, b) in graph.edges.iter().filter(|(a, b)| a / 8 != b / 8) {
                    meets[graph.colours[a as usize] as usize][graph.colours[b as usize] as usize] += 1;
                }
            }
            // Six neighbouring pairs of 15, with two edges each.
            let expected = 2.0 * 6.0 / 15.0 * n_graphs as f64;
            let pairs = (0..6).flat_map(|a| (0..6).map(move |b| (a, b))).filter(|(a, b)| a != b);
            for (a, b) in pairs {
                let ratio = f64::from(meets[a][b]) / expected;
                assert!((ratio - 1.0).abs() < 0.1, "colours {a} and {b} meet {ratio} times as often");
            }
        }
    }

    #[test]
    fn the_seed_alone_decides_the_bits() {
        let with = |seed| load(&[("graphs", ArgValue::Int(8)), ("seed", ArgValue::Int(seed))]).fingerprint;
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
    }

    #[test]
    fn what_cannot_be_built_is_refused() {
        let refused = |args: &[(&str, ArgValue)]| {
            let found = settings::data::check_call(&data::call("hierarchy", args));
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].code, "data::hierarchy");
            found[0].help.clone().expect("a line to paste")
        };
        let rings = |list: &[i64]| ("rings", ArgValue::IntList(list.to_vec()));
        assert!(refused(&[rings(&[1, 5])]).contains("`rings = [1, 2, 3, 4]`"));
        assert!(refused(&[rings(&[2])]).contains("`rings = [1, 2, 3, 4]`"));
        assert!(refused(&[rings(&[2, 2])]).contains("`rings = [1, 2, 3, 4]`"));
        assert!(refused(&[("communities", ArgValue::Int(7))]).contains("`communities = 12`"));
        let links = ("links", ArgValue::Int(4));
        assert_eq!(refused(&[links]), "write `community_size = 32`, or at most `links = 3`");
        let fits = [rings(&[1, 2, 3, 4, 6]), ("communities", ArgValue::Int(24))];
        assert!(settings::data::check_call(&data::call("hierarchy", &fits)).is_empty());
    }
}
