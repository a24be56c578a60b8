//! `triples("umls")`: knowledge graphs.

use super::{Kind, Names, Place, as_path, distinct, find, looks_like, rows_of, split_of, text_of};
use crate::args::BoundCall;
use crate::data::columns::{KindLabels, Vocabulary};
use crate::data::dataset::{Dataset, DatasetParts, Features, Targets};
use crate::data::features::{self, Block};
use crate::data::recognise::{Look, Recognised};
use crate::data::{DataError, DataOptions, Source};
use crate::kernels::graph::EdgeKinds;
use crate::settings::{self, data::SourceFacts};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug)]
pub struct Triples;

/// Sets of Dettmers et al. 2018, with those that they were made of.
const CONVE: &str = "https://github.com/TimDettmers/ConvE";

static KIND: Kind = Kind {
    below: "kg",
    endings: &["txt", "tsv"],
    example: "lines are `head relation tail` with tabs between",
    published: &[
        ("FB15k-237", CONVE),
        ("WN18RR", CONVE),
        ("umls", CONVE),
        ("kinship", CONVE),
        ("nations", CONVE),
        ("YAGO3-10", CONVE),
        ("FB15k", CONVE),
        ("WN18", CONVE),
    ],
};

fn place(call: &BoundCall, options: &DataOptions) -> Result<Place, DataError> {
    let name = call.args.text("name").unwrap_or_default();
    let span = call.args.get("name").and_then(|arg| arg.span);
    find(name, options, &KIND, span)
}

impl Source for Triples {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::triples::Triples
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        place(call, options).ok().map(|place| place.paths())
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        if !looks_like(look, &KIND, 3, &['\t']) {
            return None;
        }
        Recognised::new(format!("triples({:?})", as_path(&look.shown)), "triples of a knowledge graph")
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let place = place(call, options)?;
        let max_bytes = options.max_bytes()?;
        let (mut entities, mut relations) = (Names::default(), Names::default());
        let mut parts: [Vec<([u32; 3], usize)>; 3] = Default::default();
        for (part, path) in place.parts.iter().enumerate() {
            let Some(path) = path else { continue };
            let text = text_of(path, max_bytes)?;
            let rows = rows_of(&text, path, '\t', &["head", "relation", "tail"], "`alga\tisa\tentity`")?;
            for ([head, relation, tail], line) in rows {
                let triple = [entities.number(head), entities.number(tail), relations.number(relation)];
                parts[part].push((triple, line));
            }
        }
        let parts = distinct(parts, &place.parts, "triple")?;
        let n_relations = relations.all.len();
        let all = || parts.iter().flatten();
        let mut edges: Vec<(u32, u32)> = all().map(|&[head, tail, _]| (head, tail)).collect();
        let mut kinds: Vec<u32> = all().map(|triple| triple[2]).collect();
        let has_inverse = call.args.bool("inverse");
        if has_inverse {
            edges.extend(all().map(|&[head, tail, _]| (tail, head)));
            kinds.extend(all().map(|triple| triple[2] + n_relations as u32));
        }
        let n_kinds = if has_inverse { 2 * n_relations } else { n_relations };
        let node_offsets = vec![0, entities.all.len() as u32];
        let own =
            Block { features: Features::Dense { values: Vec::new().into(), width: 0 }, columns: Vec::new() };
        let prepared = features::of_made(call, options, (&node_offsets, &edges), own)?;
        let reverses = relations.all.iter().filter(|_| has_inverse).map(|name| format!("reverse of {name}"));
        let labels = KindLabels {
            values: (0..n_kinds as i64).collect(),
            names: relations.all.iter().cloned().chain(reverses).collect(),
            unseen: Vec::new(),
            has_added_loops: false,
        };
        let mut dataset = Dataset::new(DatasetParts {
            name: place.name.clone(),
            task: None,
            node_offsets,
            edges,
            edge_features: None,
            edge_kinds: Some(EdgeKinds { of_entry: Arc::new(kinds), n_kinds }),
            features: prepared.features,
            targets: Targets::None,
            class_names: Vec::new(),
            fixed_split: None,
            graph_ids: vec![1],
            vocabulary: Vocabulary {
                columns: prepared.columns,
                edge_kinds: Some(labels),
                ..Vocabulary::default()
            },
        });
        dataset.draw_signs(prepared.random_signs);
        dataset.n_own_kinds = Some(n_relations);
        dataset.names.nodes = entities.all;
        dataset.set_links(None);
        dataset.fixed_split = place.has_parts().then(|| split_of(&dataset, &parts));
        Ok(dataset)
    }
}
