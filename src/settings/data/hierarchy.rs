//! `hierarchy(...)`: graphs whose class is visible only at the scale of whole communities.

use super::{SourceFacts, features};
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default, Range};
use crate::diagnostic::Diagnostic;

pub static SPEC: CallSpec = CallSpec {
    name: "hierarchy",
    doc: "Generated graphs of coloured communities that stand in one ring or in several: the class is the number of \
          rings. Sizes, degrees and local structure are the same in all classes. Graph classification.",
    example: "hierarchy()",
    args: &[
        ArgSpec {
            name: "graphs",
            kind: ArgKind::Int { min: 2, max: 1_000_000 },
            default: Default::Int(600),
            positional: true,
            doc: "Number of graphs, the classes in turn.",
        },
        ArgSpec {
            name: "communities",
            kind: ArgKind::Int { min: 6, max: 1024 },
            default: Default::Int(12),
            positional: false,
            doc: "Communities per graph, each of its own colour: the width of the features.",
        },
        ArgSpec {
            name: "rings",
            kind: ArgKind::IntList { min: 1, max: 341, max_len: 16 },
            default: Default::IntList(&[1, 4]),
            positional: false,
            doc: "The classes: into how many equal rings, of three communities or more, the communities are put.",
        },
        ArgSpec {
            name: "community_size",
            kind: ArgKind::Int { min: 8, max: 100_000 },
            default: Default::Int(24),
            positional: false,
            doc: "Nodes per community, at least eight times `links`; a quarter of them steps across.",
        },
        ArgSpec {
            name: "links",
            kind: ArgKind::Int { min: 1, max: 25_000 },
            default: Default::Int(2),
            positional: false,
            doc: "Exchanges between neighbouring communities; each makes two edges from one to the other.",
        },
        ArgSpec {
            name: "noise",
            kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
            default: Default::Float(0.0),
            positional: false,
            doc: "Probability that a node shows a random colour in place of its community's.",
        },
        ArgSpec {
            name: "seed",
            kind: ArgKind::Int { min: 0, max: i64::MAX },
            default: Default::Int(0),
            positional: false,
            doc: "Seed of the generator; the same seed gives the same bits.",
        },
        features::argument(
            &["colours", "degree", "constant"],
            "colours",
            "Node features: `colours` one-hot, `degree` one-hot, `constant` a single 1. Several in a list, \
             `[colours, laplacian(8)]`: `hgnnc ops feature`.",
        ),
        features::NORMALIZE,
    ],
};

pub struct Hierarchy;

impl SourceFacts for Hierarchy {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn own_features(&self) -> &'static [&'static str] {
        &["colours"]
    }

    fn check(&self, call: &BoundCall) -> Vec<Diagnostic> {
        let int = |name| call.args.int(name) as usize;
        let communities = int("communities");
        let span = |name| call.args.get(name).and_then(|arg| arg.span).unwrap_or(call.span);
        let mut found = Vec::new();
        let rings = rings(call);
        let possible: Vec<usize> = (1..=communities / 3).filter(|n| communities.is_multiple_of(*n)).collect();
        let list = possible.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
        let enough = communities.next_multiple_of(12);
        let help = match possible.len() {
            1 => format!("write `communities = {enough}`, which stand in 1, 2, 3 or 4 rings"),
            _ => format!(
                "{communities} communities stand in {list} rings: write `rings = [{list}]` or two of them"
            ),
        };
        if let Some(wrong) = rings.iter().find(|count| !possible.contains(count)) {
            found.push(
                Diagnostic::error(
                    "data::hierarchy",
                    format!("{communities} communities do not make {wrong} equal rings of three or more"),
                )
                .label(span("rings"), "each number is a class")
                .help(help),
            );
        } else if (1..rings.len()).any(|idx| rings[..idx].contains(&rings[idx])) || rings.len() < 2 {
            found.push(
                Diagnostic::error("data::hierarchy", "`rings` needs at least two different numbers")
                    .label(span("rings"), "each number is a class")
                    .help(help),
            );
        }
        let (size, links) = (int("community_size"), int("links"));
        if size < 8 * links {
            found.push(
                Diagnostic::error(
                    "data::hierarchy",
                    format!(
                        "{links} exchanges with each of two neighbours need {} nodes per community",
                        8 * links
                    ),
                )
                .label(span("community_size"), format!("a community has {size}"))
                .help(match size / 8 {
                    1 => format!("write `community_size = {}`, or `links = 1`", 8 * links),
                    most => format!("write `community_size = {}`, or at most `links = {most}`", 8 * links),
                }),
            );
        }
        found
    }
}

/// The number of rings of each class.
pub fn rings(call: &BoundCall) -> Vec<usize> {
    call.args.int_list("rings").unwrap_or_default().iter().map(|&count| count as usize).collect()
}
