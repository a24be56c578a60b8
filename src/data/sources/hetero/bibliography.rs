//! `bibliography(...)`: authors, papers and venues, where only the relation tells what an author works on.
//!
//! Every paper has a topic, which its words show, and every venue one of its own. An author has a field: the papers that an author has
//! written are of that field, and as many that the author reviewed are of the field before or the one after it, with equal chance.
//! So the topics around an author, taken together, are those of two fields beside each other, and which of the two is the author's
//! cannot be told without the relation that leads there. Papers cite papers of their topic.

use super::{Assembly, TypedEdges, TypedNodes, TypedTarget, drawn_split};
use crate::args::BoundCall;
use crate::data::columns::{Columns, Target};
use crate::data::dataset::{Dataset, SparseRows, Targets};
use crate::data::{DataError, DataOptions, Source};
use crate::rng::{below, generator, unit};
use crate::settings;
use crate::settings::data::SourceFacts;
use std::path::PathBuf;

#[derive(Debug)]
pub struct Bibliography;

/// Papers that an author wrote, and that an author reviewed.
const PAPERS_EACH: usize = 3;
/// Papers that a paper cites.
const CITATIONS: usize = 2;
/// Words that a paper has, of the [`WORDS`] of each topic.
const WORDS_EACH: usize = 4;
const WORDS: usize = 8;

impl Source for Bibliography {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::bibliography::Bibliography
    }

    fn files(&self, _: &BoundCall, _: &DataOptions) -> Option<Vec<PathBuf>> {
        Some(Vec::new())
    }

    fn load(&self, call: &BoundCall, _: &DataOptions) -> Result<Dataset, DataError> {
        let int = |name| call.args.int(name) as usize;
        let (n_authors, n_papers, n_fields) = (int("authors"), int("papers"), int("fields"));
        let (noise, seed) = (call.args.float("noise"), call.args.int("seed") as u64);
        let n_venues = 2 * n_fields;
        let mut rng = generator(seed, 0);
        // Paper `i` has the topic `i mod n_fields`: numbers say nothing, since no model sees them.
        let topic = |paper: usize| paper % n_fields;
        let of_topic = |rng: &mut _, topic: usize| {
            let n = (n_papers - topic).div_ceil(n_fields);
            (below(rng, n) * n_fields + topic) as u32
        };
        let mut words = SparseRows::new(n_fields * WORDS);
        for paper in 0..n_papers {
            let mut own: Vec<u32> = (0..WORDS_EACH)
                .map(|_| {
                    let topic = if unit(&mut rng) < noise { below(&mut rng, n_fields) } else { topic(paper) };
                    (topic * WORDS + below(&mut rng, WORDS)) as u32
                })
                .collect();
            own.sort_unstable();
            own.dedup();
            words.push_row(own.into_iter().map(|word| (word, 1.0)));
        }
        let (mut writes, mut reviews) = (Vec::new(), Vec::new());
        let fields: Vec<usize> = (0..n_authors).map(|_| below(&mut rng, n_fields)).collect();
        for (author, &field) in (0u32..).zip(&fields) {
            let other = match below(&mut rng, 2) {
                0 => (field + 1) % n_fields,
                _ => (field + n_fields - 1) % n_fields,
            };
            for _ in 0..PAPERS_EACH {
                writes.push([author, of_topic(&mut rng, field)]);
                reviews.push([author, of_topic(&mut rng, other)]);
            }
        }
        let mut cites = Vec::new();
        let mut publishes = Vec::new();
        for paper in 0..n_papers {
            let venue = topic(paper) + n_fields * below(&mut rng, 2);
            publishes.push([venue as u32, paper as u32]);
            for _ in 0..CITATIONS {
                let cited = of_topic(&mut rng, topic(paper));
                if cited as usize != paper {
                    cites.push([paper as u32, cited]);
                }
            }
        }
        let nodes = |name: &str, n_nodes: usize, features: Option<SparseRows>, columns: Vec<Columns>| {
            TypedNodes { name: name.to_owned(), n_nodes, features, columns, names: Vec::new() }
        };
        let of_words = Columns::Named { what: "words of bibliography()".to_owned(), count: n_fields * WORDS };
        let relation = |source: usize, name: &str, target: usize, mut edges: Vec<[u32; 2]>| {
            edges.sort_unstable();
            edges.dedup();
            TypedEdges { source, name: name.to_owned(), target, edges }
        };
        let class_names: Vec<String> = (0..n_fields).map(|field| format!("field {field}")).collect();
        let target = TypedTarget {
            of_type: 0,
            targets: Targets::Classes(fields.iter().map(|&field| field as i64).collect()),
            meaning: Target::Names(class_names.clone()),
            class_names,
            split: Some(drawn_split(n_authors, seed)),
        };
        Ok(Assembly::of("bibliography()".to_owned(), call).dataset(
            vec![
                nodes("author", n_authors, None, Vec::new()),
                nodes("paper", n_papers, Some(words), vec![of_words]),
                nodes("venue", n_venues, None, Vec::new()),
            ],
            vec![
                relation(0, "writes", 1, writes),
                relation(0, "reviews", 1, reviews),
                relation(1, "cites", 1, cites),
                relation(2, "publishes", 1, publishes),
            ],
            Some(target),
        ))
    }
}
