//! `hierarchy(...)`: graphs whose class is visible only at the scale of whole communities.
//!
//! Each graph is a ring of communities, half of them of one kind and half of the other. A community is a random
//! 4-regular graph; the kind is its nodes' feature. Neighbouring communities are joined by a path of nodes without
//! features. The class is the arrangement of the kinds around the ring: all of a kind side by side
//! (`AAAABBBB`), or in turn (`ABABABAB`), or in runs in between (`AABBAABB`).
//!
//! Nothing else differs: graphs of all classes have the same number of nodes and edges, the same degrees, the same
//! communities of each kind and the same paths. A node's neighbourhood reaches over a path only after more than
//! `bridge / 2` steps, so up to that depth the neighbourhoods of a graph are the same in every class, counted
//! with their features (a test compares them exactly): message passing of that depth followed by a readout cannot
//! tell the classes apart, while a network that pools communities sees in one step which kinds are joined.

use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default, Range};
use crate::data::dataset::{Dataset, DatasetParts, Features, Targets, Vocabulary};
use crate::data::rng::{below, generator, permutation, shuffle, unit};
use crate::data::{DataError, DataOptions, Source};
use crate::diagnostic::Diagnostic;
use crate::ir::{Entity, TargetKind, Task};
use rand_chacha::ChaCha8Rng;

pub static SPEC: CallSpec = CallSpec {
    name: "hierarchy",
    doc: "Generated graphs whose class shows only in the arrangement of their communities. Sizes, degrees and \
          local structure are the same in all classes. Graph classification.",
    args: &[
        ArgSpec {
            name: "graphs",
            kind: ArgKind::Int { min: 2, max: 1_000_000 },
            default: Default::Int(600),
            positional: true,
            doc: "Number of graphs, the classes in turn.",
        },
        ArgSpec {
            name: "classes",
            kind: ArgKind::Int { min: 2, max: 16 },
            default: Default::Int(2),
            positional: false,
            doc: "Number of arrangements.",
        },
        ArgSpec {
            name: "communities",
            kind: ArgKind::Int { min: 4, max: 1024 },
            default: Default::Int(8),
            positional: false,
            doc: "Communities a graph, an even number.",
        },
        ArgSpec {
            name: "community_size",
            kind: ArgKind::Int { min: 5, max: 100_000 },
            default: Default::Int(10),
            positional: false,
            doc: "Nodes a community.",
        },
        ArgSpec {
            name: "bridge",
            kind: ArgKind::Int { min: 0, max: 1000 },
            default: Default::Int(6),
            positional: false,
            doc: "Nodes of the path between two communities; message passing of up to `bridge / 2` steps sees at \
                  most one community from any node.",
        },
        ArgSpec {
            name: "noise",
            kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
            default: Default::Float(0.1),
            positional: false,
            doc: "Probability that a node shows a random kind in place of its community's.",
        },
        ArgSpec {
            name: "seed",
            kind: ArgKind::Int { min: 0, max: i64::MAX },
            default: Default::Int(0),
            positional: false,
            doc: "Seed of the generator; the same seed gives the same bits.",
        },
    ],
};

/// Nodes in all graphs: about 4 GB of memory.
const MAX_NODES: usize = 50_000_000;

#[derive(Debug)]
pub struct Hierarchy;

/// Lengths of a run of one kind around a ring of `communities`, the longest and the shortest first: class `c`
/// has runs of length `arrangements(communities)[c]`.
pub fn arrangements(communities: usize) -> Vec<usize> {
    let half = communities / 2;
    let between = (2..half).filter(|run| half.is_multiple_of(*run));
    [half, 1].into_iter().chain(between).collect()
}

impl Source for Hierarchy {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        let communities = call.args.int("communities") as usize;
        let classes = call.args.int("classes") as usize;
        let span = |name| call.args.get(name).and_then(|arg| arg.span).unwrap_or(call.span);
        if !communities.is_multiple_of(2) {
            return vec![
                Diagnostic::error(
                    "data::hierarchy",
                    format!("`communities` has to be even, and {communities} is not"),
                )
                .label(span("communities"), "half of the communities are of each kind")
                .help(format!("write `communities = {}`", communities + 1)),
            ];
        }
        let possible = arrangements(communities).len();
        if classes > possible {
            // Twice a power of two has an arrangement for each of its divisors.
            let enough = 2usize.pow(classes as u32);
            return vec![
                Diagnostic::error(
                    "data::hierarchy",
                    format!("{communities} communities have {possible} arrangements, and `classes` asks for {classes}"),
                )
                .label(span("classes"), "one arrangement a class")
                .help(format!("write `communities = {enough}`, or at most `classes = {possible}`")),
            ];
        }
        Vec::new()
    }

    fn load(&self, call: &BoundCall, _: &DataOptions) -> Result<Dataset, DataError> {
        let int = |name| call.args.int(name) as usize;
        let (n_graphs, n_classes) = (int("graphs"), int("classes"));
        let shape = Shape {
            communities: int("communities"),
            community_size: int("community_size"),
            bridge: int("bridge"),
            noise: call.args.float("noise"),
        };
        let n_nodes = n_graphs * shape.n_nodes();
        if n_nodes > MAX_NODES {
            return Err(DataError::new(
                "data::too_large",
                format!("`hierarchy` is asked for {n_nodes} nodes in all, and makes at most {MAX_NODES}"),
            )
            .help("ask for fewer graphs, communities or nodes a community")
            .span(Some(call.span)));
        }
        let runs = arrangements(shape.communities);
        let seed = call.args.int("seed") as u64;
        let mut node_offsets = vec![0u32];
        let mut edges = Vec::new();
        let mut features = vec![0f32; 2 * n_nodes];
        for g in 0..n_graphs {
            let base = node_offsets[g];
            let mut rng = generator(seed, g as u64);
            let graph = shape.graph(&mut rng, runs[g % n_classes]);
            // Node numbers are shuffled, so the order of the rows tells nothing.
            let place = permutation(&mut rng, graph.kinds.len());
            edges.extend(
                graph.edges.iter().map(|&(a, b)| (base + place[a as usize], base + place[b as usize])),
            );
            for (node, kind) in graph.kinds.iter().enumerate() {
                if let Some(kind) = kind {
                    features[2 * (base + place[node]) as usize + kind] = 1.0;
                }
            }
            node_offsets.push(base + graph.kinds.len() as u32);
        }
        Ok(Dataset::new(DatasetParts {
            name: "hierarchy()".into(),
            task: Some(Task { entity: Entity::Graph, kind: TargetKind::Classification }),
            node_offsets,
            edges,
            features: Features::Dense { values: features, width: 2 },
            targets: Targets::Classes((0..n_graphs).map(|g| (g % n_classes) as i64).collect()),
            class_names: runs[..n_classes].iter().map(|run| format!("runs of {run}")).collect(),
            fixed_split: None,
            graph_ids: (1..=n_graphs as u32).collect(),
            vocabulary: Vocabulary::default(),
        }))
    }
}

struct Shape {
    communities: usize,
    community_size: usize,
    bridge: usize,
    noise: f64,
}

/// One graph before its nodes are shuffled: both directions of every edge, and each node's kind (`None` on a path).
struct Graph {
    edges: Vec<(u32, u32)>,
    kinds: Vec<Option<usize>>,
}

impl Shape {
    fn n_nodes(&self) -> usize {
        self.communities * (self.community_size + self.bridge)
    }

    /// The communities are drawn before they are placed, so with the same random numbers two classes get the same
    /// communities, joined in another order.
    fn graph(&self, rng: &mut ChaCha8Rng, run: usize) -> Graph {
        let mut graph = Graph { edges: Vec::new(), kinds: vec![None; self.n_nodes()] };
        let size = self.community_size;
        // Community c is of kind c % 2.
        for community in 0..self.communities {
            let base = (community * size) as u32;
            for (a, b) in regular_graph(rng, size) {
                graph.join(base + a, base + b);
            }
            for node in 0..size {
                let kind = if unit(rng) < self.noise { below(rng, 2) } else { community % 2 };
                graph.kinds[base as usize + node] = Some(kind);
            }
        }
        let mut next_of_kind = [0, 1];
        let ring: Vec<usize> = (0..self.communities)
            .map(|place| {
                let next = &mut next_of_kind[place / run % 2];
                *next += 2;
                *next - 2
            })
            .collect();
        for place in 0..self.communities {
            let (from, to) = (ring[place], ring[(place + 1) % self.communities]);
            // A community's two gates are on opposite sides of its first cycle.
            let (mut last, gate) = ((from * size) as u32, (to * size + size / 2) as u32);
            for step in 0..self.bridge {
                let node = (self.communities * size + place * self.bridge + step) as u32;
                graph.join(last, node);
                last = node;
            }
            graph.join(last, gate);
        }
        graph
    }
}

impl Graph {
    fn join(&mut self, a: u32, b: u32) {
        self.edges.extend([(a, b), (b, a)]);
    }
}

/// A random connected 4-regular graph, each edge once: the cycle 0, 1, … and a random one that shares no edge with it.
fn regular_graph(rng: &mut ChaCha8Rng, n: usize) -> Vec<(u32, u32)> {
    let cycle = |order: &[u32]| -> Vec<(u32, u32)> {
        (0..order.len()).map(|idx| (order[idx], order[(idx + 1) % order.len()])).collect()
    };
    let apart = |a: u32, b: u32| {
        let distance = a.abs_diff(b) as usize;
        distance != 1 && distance != n - 1
    };
    let mut order: Vec<u32> = (0..n as u32).collect();
    let mut edges = cycle(&order);
    // About one draw in seven is free of the first cycle's edges, so hundred draws fail once in a million; joining
    // every second node is free of them for any size from five on.
    for _ in 0..100 {
        shuffle(rng, &mut order);
        let second = cycle(&order);
        if second.iter().all(|&(a, b)| apart(a, b)) {
            edges.extend(second);
            return edges;
        }
    }
    edges.extend((0..n as u32).map(|a| (a, (a + 2) % n as u32)));
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data;
    use std::collections::BTreeMap;

    fn load(args: &[(&str, ArgValue)]) -> Dataset {
        data::load(&data::call("hierarchy", args), &DataOptions::folder("")).expect("built in")
    }

    /// How often each neighbourhood of depth `steps` occurs, by colour refinement on the kinds. Colours are numbered
    /// in the order of their definitions, so they compare between graphs refined together.
    fn neighbourhoods(graphs: &[Graph], steps: usize) -> Vec<BTreeMap<usize, usize>> {
        let mut colours: Vec<Vec<usize>> = graphs
            .iter()
            .map(|graph| graph.kinds.iter().map(|kind| kind.map_or(2, |kind| kind)).collect())
            .collect();
        for _ in 0..steps {
            let mut keys: Vec<Vec<(usize, Vec<usize>)>> = Vec::new();
            for (graph, colours) in graphs.iter().zip(&colours) {
                let mut around = vec![Vec::new(); colours.len()];
                graph.edges.iter().for_each(|&(a, b)| around[b as usize].push(colours[a as usize]));
                around.iter_mut().for_each(|list| list.sort_unstable());
                keys.push(colours.iter().copied().zip(around).collect());
            }
            let mut names: BTreeMap<_, usize> = keys.iter().flatten().cloned().map(|key| (key, 0)).collect();
            names.values_mut().enumerate().for_each(|(number, name)| *name = number);
            colours = keys.iter().map(|keys| keys.iter().map(|key| names[key]).collect()).collect();
        }
        colours
            .iter()
            .map(|colours| {
                let mut counts = BTreeMap::new();
                colours.iter().for_each(|&colour| *counts.entry(colour).or_default() += 1);
                counts
            })
            .collect()
    }

    #[test]
    fn neighbourhoods_up_to_half_a_bridge_are_the_same_in_every_class() {
        let shape = Shape { communities: 12, community_size: 10, bridge: 6, noise: 0.1 };
        for seed in 0..5 {
            let graphs: Vec<Graph> =
                arrangements(12).iter().map(|&run| shape.graph(&mut generator(seed, 0), run)).collect();
            let seen = neighbourhoods(&graphs, 3);
            assert!(seen.iter().all(|counts| counts == &seen[0]), "depth 3 sees the class");
            // The classes do differ: refinement over the whole graph tells them apart.
            let seen = neighbourhoods(&graphs, 12);
            assert!(seen[1..].iter().all(|counts| counts != &seen[0]));
        }
    }

    #[test]
    fn every_graph_has_the_same_size_and_degrees() {
        let data = load(&[("graphs", ArgValue::Int(40)), ("noise", ArgValue::Float(0.3))]);
        let degrees = |g: usize| {
            let mut degrees: Vec<_> =
                data.graph_nodes(g).map(|node| data.adjacency.row(node).len()).collect();
            degrees.sort_unstable();
            degrees
        };
        assert!((0..40).all(|g| degrees(g) == degrees(0)));
        assert!(data.is_symmetric());
        assert_eq!(data.facts().class_counts, [20, 20]);
        assert_eq!(data.facts().max_nodes, 8 * 16);
    }

    #[test]
    fn the_seed_alone_decides_the_bits() {
        let with = |seed| load(&[("graphs", ArgValue::Int(8)), ("seed", ArgValue::Int(seed))]).fingerprint;
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
    }

    #[test]
    fn more_classes_than_arrangements_are_refused() {
        let call = data::call("hierarchy", &[("classes", ArgValue::Int(4))]);
        let error =
            data::load(&call, &DataOptions::folder("")).expect_err("8 communities have 3 arrangements");
        assert_eq!(error.help.as_deref(), Some("write `communities = 16`, or at most `classes = 3`"));
        let call =
            data::call("hierarchy", &[("classes", ArgValue::Int(4)), ("communities", ArgValue::Int(16))]);
        assert!(data::check_call(&call).is_empty());
        let call = data::call("hierarchy", &[("communities", ArgValue::Int(9))]);
        assert_eq!(data::check_call(&call)[0].code, "data::hierarchy");
    }
}
