//! `interactions("gowalla")`: users and items.

use super::{Kind, Names, Place, as_path, distinct, find, looks_like, ratings, rows_of, split_of, text_of};
use crate::args::BoundCall;
use crate::data::columns::Vocabulary;
use crate::data::dataset::{Dataset, DatasetParts, Features, Targets, Unread};
use crate::data::features::{self, Block};
use crate::data::recognise::{Look, Recognised};
use crate::data::{DataError, DataOptions, Source};
use crate::settings::{self, data::SourceFacts};
use std::path::PathBuf;

#[derive(Debug)]
pub struct Interactions;

/// Sets with the parts of He et al. 2020.
const LIGHT_GCN: &str = "https://github.com/gusye1234/LightGCN-PyTorch";

static KIND: Kind = Kind {
    below: "interactions",
    endings: &["csv", "tsv"],
    example: "lines are `user,item`",
    published: &[("gowalla", LIGHT_GCN), ("yelp2018", LIGHT_GCN), ("amazon-book", LIGHT_GCN)],
};

fn place(call: &BoundCall, options: &DataOptions) -> Result<Place, DataError> {
    let name = call.args.text("name").unwrap_or_default();
    let span = call.args.get("name").and_then(|arg| arg.span);
    find(name, options, &KIND, span)
}

impl Source for Interactions {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::interactions::Interactions
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        place(call, options).ok().map(|place| place.paths())
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        // Two columns alone may be any edges; parts of them are interactions.
        if !look.is_folder || !looks_like(look, &KIND, 2, &[',', '\t']) {
            return None;
        }
        Recognised::new(
            format!("interactions({:?})", as_path(&look.shown)),
            "users and the items that they took",
        )
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let place = place(call, options)?;
        let max_bytes = options.max_bytes()?;
        let (mut users, mut items) = (Names::default(), Names::default());
        let min_rating = call.args.opt_float("min_rating");
        let mut has_ratings = false;
        let mut parts: [Vec<([u32; 2], usize)>; 3] = Default::default();
        for (part, path) in place.parts.iter().enumerate() {
            let Some(path) = path else { continue };
            let text = text_of(path, max_bytes)?;
            let name = path.to_string_lossy();
            let is_tabbed = name.strip_suffix(".gz").unwrap_or(&name).ends_with(".tsv");
            let rows = match ratings::separator_of(&text) {
                Some(separator) => {
                    has_ratings = true;
                    ratings::rows(&text, path, separator, min_rating)?
                }
                None => rows_of(
                    &text,
                    path,
                    if is_tabbed { '\t' } else { ',' },
                    &["user", "item"],
                    "`anna,book-17`",
                )?,
            };
            for ([user, item], line) in rows {
                parts[part].push(([users.number(user), items.number(item)], line));
            }
        }
        if let (false, Some(arg)) =
            (has_ratings, call.args.get("min_rating").filter(|arg| arg.span.is_some()))
        {
            return Err(DataError::new(
                "data::no_effect",
                "`min_rating` has no effect here: the lines have no ratings",
            )
            .file(place.name)
            .help("leave it out")
            .span(arg.span));
        }
        let parts = distinct(parts, &place.parts, "interaction")?;
        let n_users = users.all.len() as u32;
        let parts = parts.map(|part| -> Vec<[u32; 3]> {
            part.into_iter().map(|[user, item]| [user, n_users + item, 0]).collect()
        });
        let all = || parts.iter().flatten();
        let edges: Vec<(u32, u32)> =
            all().flat_map(|&[user, item, _]| [(user, item), (item, user)]).collect();
        let node_offsets = vec![0, n_users + items.all.len() as u32];
        let own =
            Block { features: Features::Dense { values: Vec::new().into(), width: 0 }, columns: Vec::new() };
        let prepared = features::of_made(call, options, (&node_offsets, &edges), own)?;
        let mut dataset = Dataset::new(DatasetParts {
            name: place.name.clone(),
            task: None,
            node_offsets,
            edges,
            edge_features: None,
            edge_kinds: None,
            features: prepared.features,
            targets: Targets::None,
            class_names: Vec::new(),
            fixed_split: None,
            graph_ids: vec![1],
            vocabulary: Vocabulary { columns: prepared.columns, ..Vocabulary::default() },
        });
        dataset.draw_signs(prepared.random_signs);
        if has_ratings {
            dataset.unread.push(Unread {
                what: "ratings and what stands behind them".into(),
                file: place.name.clone(),
                n_columns: None,
                setting: None,
            });
        }
        dataset.n_left = n_users as usize;
        dataset.names.nodes = users.all.into_iter().chain(items.all).collect();
        dataset.set_links(None);
        dataset.fixed_split = place.has_parts().then(|| split_of(&dataset, &parts));
        Ok(dataset)
    }
}
