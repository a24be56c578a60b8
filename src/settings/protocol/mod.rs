//! How data is cut into training, validation and test parts: one file each, entered in [`PROTOCOLS`] and [`SPECS`].

mod by_scaffold;
mod by_time;
mod fixed;
mod folds;
mod grouped;
mod holdout;
mod k_fold;
mod per_class;
mod published_folds;
pub mod split;
mod together;

use crate::args::{ArgKind, ArgSpec, ArgValue, Args, BoundCall, CallSpec, Default, Range};
use crate::diagnostic::{Diagnostic, count};
use crate::types::{DataFacts, Entity};
pub use split::Split;
pub use together::Relatives;
use together::TOGETHER;

/// Every protocol that `protocol = …` can name.
pub static PROTOCOLS: &[&dyn ProtocolKind] = &[
    &holdout::Holdout,
    &k_fold::KFold,
    &folds::Folds(&folds::NESTED),
    &folds::Folds(&folds::REPEATED),
    &folds::Folds(&folds::LEAVE_ONE_OUT),
    &folds::Folds(&folds::BEST_MEAN_EPOCH),
    &per_class::PerClass,
    &by_time::ByTime,
    &by_scaffold::ByScaffold,
    &published_folds::PublishedFolds,
    &fixed::Fixed,
];

/// Their specs, in the same order.
pub static SPECS: &[&CallSpec] = &[
    &holdout::SPEC,
    &k_fold::SPEC,
    &folds::NESTED,
    &folds::REPEATED,
    &folds::LEAVE_ONE_OUT,
    &folds::BEST_MEAN_EPOCH,
    &per_class::SPEC,
    &by_time::SPEC,
    &by_scaffold::SPEC,
    &published_folds::SPEC,
    &fixed::SPEC,
];

/// A protocol that a file can name.
pub trait ProtocolKind: Sync {
    fn spec(&self) -> &'static CallSpec;
    /// What is wrong with a call and can be found before anything is cut, with the data as far as it is known.
    fn check(&self, call: &BoundCall, data: Option<&DataFacts>) -> Option<Diagnostic>;
    /// Whether it leaves a part for validation; `None` where that depends on the data.
    fn leaves_validation(&self, args: &Args) -> Option<bool>;
    /// The splits of items with these classes (-1 for none), drawn by `seed`, where the arguments alone decide them. How
    /// many items of a class each part gets is the same for every seed.
    fn deal(&self, args: &Args, classes: &[i64], seed: u64) -> Option<Vec<Split>>;
    /// One split per run, drawn by `seed`. Items without a label are in no part.
    ///
    /// # Errors
    /// Where the data cannot be cut so.
    fn cut(&self, args: &Args, strata: &Strata, seed: u64) -> Result<Vec<Split>, Refusal>;
    /// What [`ProtocolKind::cut`] has to be given of the data, or of files, with such arguments.
    fn needs(&self, _: &Args) -> Option<Need> {
        None
    }
    /// How many splits it makes of so many items with a label.
    fn n_runs(&self, _: &Args, _: usize) -> usize {
        1
    }
    /// Whether it makes folds, which get names and a summary, or one split.
    fn has_folds(&self) -> bool;
    /// How many parts the training and validation part of each split is cut into for the trials of a search; `None` where trials are
    /// trained on the one and judged on the other.
    fn n_inner(&self, _: &Args) -> Option<usize> {
        None
    }
    /// Whether the result is of the epoch with the best mean over the test parts.
    fn chooses_mean_epoch(&self) -> bool {
        false
    }
}

/// What a protocol cuts by, beside the classes of the items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Items that are relatives of each other: [`Strata::groups`].
    Groups(Relatives),
    /// [`Strata::times`].
    Times,
    /// Folds out of a file, of this set where it holds several: [`Strata::folds`].
    Folds { path: String, set: Option<String> },
}

/// The kind that `call` names.
///
/// # Panics
/// Where `call` is not of [`SPECS`], which binding has excluded.
pub fn kind(call: &BoundCall) -> &'static dyn ProtocolKind {
    let kind = PROTOCOLS.iter().copied().find(|kind| kind.spec().name == call.name);
    kind.unwrap_or_else(|| panic!("no protocol `{}`", call.name))
}

/// What is cut: the items of a data set with their classes.
pub struct Strata<'a> {
    /// As messages call the data.
    pub data: &'a str,
    /// The class of each item, -1 where it has no label; 0 for all where items have values.
    pub classes: &'a [i64],
    /// The split that comes with the data.
    pub own_split: Option<&'a Split>,
    /// Where the items of each graph begin, where they are nodes or edges of several graphs.
    pub item_offsets: Option<&'a [u32]>,
    /// The group of each item, where groups are not to be parted.
    pub groups: Option<Vec<u32>>,
    /// The time of each item, where it has one.
    pub times: Option<&'a [f64]>,
    /// Folds out of a file, where the protocol names one.
    pub folds: Option<Vec<Split>>,
}

/// Of a protocol that cuts once: what is kept for validation.
pub(super) const VALIDATION: ArgSpec = ArgSpec {
    name: "validation",
    kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
    default: Default::Float(0.1),
    positional: false,
    doc: "Share kept for validation.",
};

/// The same of the test.
pub(super) const TEST: ArgSpec = ArgSpec { name: "test", doc: "Share kept for the test.", ..VALIDATION };

/// Whether whole graphs are parted, or single nodes or edges, where those of several graphs are predicted.
pub(super) const BY: ArgSpec = ArgSpec {
    name: "by",
    kind: ArgKind::Choice(&["auto", "nodes", "edges", "graphs"]),
    default: Default::Choice("auto"),
    positional: false,
    doc: "Of nodes or edges to be predicted: `graphs` parts whole graphs, so that the model meets new ones; `nodes` and `edges` \
          part these, whose graphs the model sees whole. `auto` parts graphs where there are several.",
};

/// Whether a call parts whole graphs of nodes or edges that are to be predicted.
fn parts_graphs(call: Option<&BoundCall>) -> bool {
    match call {
        Some(call) => call
            .args
            .get(BY.name)
            .is_some_and(|by| ![ArgValue::Choice("nodes"), ArgValue::Choice("edges")].contains(&by.value)),
        None => true,
    }
}

/// Whether the items of a task lie in graphs, of which there are several.
fn are_of_graphs(data: &DataFacts) -> bool {
    data.n_graphs > 1 && data.task.is_some_and(|task| task.entity == Entity::Nodes || task.is_of_edges())
}

/// What the parts of nodes or edges that are to be predicted are made of: `the nodes of one graph are parted`; `None` where graphs or
/// links are predicted.
pub fn parted_in_words(call: Option<&BoundCall>, data: &DataFacts) -> Option<&'static str> {
    let task = data.task.filter(|task| task.entity == Entity::Nodes || task.is_of_edges())?;
    let takes_own_split = call.map_or(data.has_split, |call| call.name == fixed::SPEC.name);
    let words = match data.n_graphs {
        0 | 1 => ["the nodes of one graph are parted", "the edges of one graph are parted"],
        _ if takes_own_split => {
            ["nodes are parted as the data has it", "edges are parted as the data has it"]
        }
        _ if parts_graphs(call) => ["whole graphs are parted"; 2],
        _ => ["the nodes of all graphs are parted", "the edges of all graphs are parted"],
    };
    Some(words[usize::from(task.is_of_edges())])
}

/// `by` where there is nothing to choose.
fn idle_choice(call: &BoundCall, data: Option<&DataFacts>) -> Option<Diagnostic> {
    let span = call.args.get(BY.name)?.span?;
    let (data, task) = data.and_then(|data| Some((data, data.task?)))?;
    let (items, name) = (task.ends_on().items, &data.name);
    if are_of_graphs(data) {
        let other = ["nodes", "edges"].into_iter().find(|other| *other != items)?;
        return (call.args.choice(BY.name) == other).then(|| {
            Diagnostic::error("args::no_effect", format!("{name} is about {items}, and not about {other}"))
                .label(span, format!("there are no {other} to part"))
                .help(format!("write `by = {items}`, or `by = graphs`"))
                .guess(span, format!("by = {items}"))
        });
    }
    let why = match items {
        "nodes" | "edges" => format!("{name} is one graph, whose {items} are parted"),
        _ => format!("{name} is about {items}, which are parted"),
    };
    Some(
        Diagnostic::error("args::no_effect", format!("`by` has no effect here: {why}"))
            .label(span, "this changes nothing")
            .help("leave it out")
            .guess(span, ""),
    )
}

/// The splits of whole graphs as splits of their nodes or edges with a label.
fn of_their_items(splits: Vec<Split>, item_offsets: &[u32], classes: &[i64]) -> Vec<Split> {
    let items = |graphs: Vec<u32>| -> Vec<u32> {
        let all =
            graphs.iter().flat_map(|&graph| item_offsets[graph as usize]..item_offsets[graph as usize + 1]);
        all.filter(|&item| classes[item as usize] >= 0).collect()
    };
    let of_items = |split: Split| Split {
        train: items(split.train),
        validation: items(split.validation),
        test: items(split.test),
    };
    splits.into_iter().map(of_items).collect()
}

impl Strata<'_> {
    fn n_labelled(&self) -> usize {
        self.classes.iter().filter(|&&class| class >= 0).count()
    }
}

/// Why data cannot be cut so, and what to write.
#[derive(Debug)]
pub struct Refusal {
    pub message: String,
    pub help: String,
}

/// The splits of one seed, and whether they are folds. Without a protocol the split that comes with the data is taken,
/// and where there is none a tenth is held out for validation and for the test.
///
/// # Errors
/// Where the data cannot be cut so, or nothing is left to train on.
pub fn splits(call: Option<&BoundCall>, strata: &Strata, seed: u64) -> Result<(Vec<Split>, bool), Refusal> {
    if let Some(offsets) = strata.item_offsets.filter(|_| parts_graphs(call))
        && (call.is_some() || strata.own_split.is_none())
    {
        // Graphs of nodes or edges are of no class.
        let has_label = |items: &[u32]| (items[0]..items[1]).any(|item| strata.classes[item as usize] >= 0);
        let of_graphs: Vec<i64> =
            offsets.windows(2).map(|items| if has_label(items) { 0 } else { -1 }).collect();
        let graphs = Strata {
            data: strata.data,
            classes: &of_graphs,
            own_split: None,
            item_offsets: None,
            groups: None,
            times: None,
            folds: None,
        };
        let (splits, has_folds) = self::splits(call, &graphs, seed)?;
        return Ok((of_their_items(splits, offsets, strata.classes), has_folds));
    }
    let (splits, has_folds) = match call {
        Some(call) => {
            let kind = kind(call);
            (kind.cut(&call.args, strata, seed)?, kind.has_folds())
        }
        None => match strata.own_split {
            Some(split) => (vec![split.clone()], false),
            None => (vec![holdout::deal(strata.classes, DEFAULT_SHARE, DEFAULT_SHARE, seed)], false),
        },
    };
    if splits.iter().any(|split| split.train.is_empty()) {
        return Err(Refusal {
            message: format!("the protocol leaves nothing of {} to train on", strata.data),
            help: format!("it has {}: hold out a smaller share", count(strata.n_labelled(), "labelled item")),
        });
    }
    Ok((splits, has_folds))
}

/// Items times runs up to which [`parts_by_class`] deals them: a check takes milliseconds.
const MAX_DEALT: usize = 4_000_000;

/// How many items of each class the training, validation and test part of each run get, where `class_counts` items have
/// each class; `None` where only the data says, or there are too many to deal within a check.
pub fn parts_by_class(call: Option<&BoundCall>, data: &DataFacts) -> Option<Vec<[Vec<usize>; 3]>> {
    // How many nodes or edges of each class a graph brings, only the data says.
    if are_of_graphs(data) && parts_graphs(call) {
        return None;
    }
    let n_items: usize = data.class_counts.iter().sum();
    let n_runs = call.map_or(1, |call| kind(call).n_runs(&call.args, n_items));
    if n_items == 0 || n_items.saturating_mul(n_runs) > MAX_DEALT {
        return None;
    }
    let of_class = |(class, &n): (usize, &usize)| std::iter::repeat_n(class as i64, n);
    let classes: Vec<i64> = data.class_counts.iter().enumerate().flat_map(of_class).collect();
    let splits = match call {
        Some(call) => kind(call).deal(&call.args, &classes, 0)?,
        None if data.has_split => return None,
        None => vec![holdout::deal(&classes, DEFAULT_SHARE, DEFAULT_SHARE, 0)],
    };
    let count = |items: &[u32]| {
        let mut counts = vec![0; data.class_counts.len()];
        items.iter().for_each(|&item| counts[classes[item as usize] as usize] += 1);
        counts
    };
    let counts = |split: &Split| [count(&split.train), count(&split.validation), count(&split.test)];
    Some(splits.iter().map(counts).collect())
}

/// What is held out for validation, and for the test, where a file and its data say nothing.
const DEFAULT_SHARE: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    /// What a check says of the parts is what training then gets, whichever seed deals them.
    #[test]
    fn parts_have_the_classes_that_a_check_foresees() {
        let counts = [41, 0, 7, 3, 60];
        let mut classes: Vec<i64> =
            (0..5).flat_map(|class| std::iter::repeat_n(class as i64, counts[class])).collect();
        classes.extend([-1; 9]);
        let data = DataFacts { class_counts: counts.to_vec(), has_split: false, ..facts() };
        for text in ["holdout(validation = 0.07, test = 0.2)", "k_fold(10, inner_holdout = 0.1)", "k_fold(3)"]
        {
            let call = call(text);
            let foreseen = parts_by_class(Some(&call), &data).unwrap();
            for seed in 0..5 {
                let mut shuffled = classes.clone();
                crate::rng::shuffle(&mut crate::rng::generator(seed, 9), &mut shuffled);
                let splits = kind(&call).deal(&call.args, &shuffled, seed).unwrap();
                assert_eq!(splits.len(), foreseen.len());
                for (split, foreseen) in splits.iter().zip(&foreseen) {
                    for (items, foreseen) in
                        [&split.train, &split.validation, &split.test].iter().zip(foreseen)
                    {
                        let mut counted = vec![0; 5];
                        items.iter().for_each(|&item| counted[shuffled[item as usize] as usize] += 1);
                        assert_eq!(counted, *foreseen, "{text}, seed {seed}");
                    }
                }
            }
        }
        assert_eq!(parts_by_class(None, &DataFacts { has_split: true, ..data.clone() }), None);
        let many = DataFacts { class_counts: vec![MAX_DEALT, 1], ..data };
        assert_eq!(parts_by_class(None, &many), None);
    }

    /// Nodes of three graphs, one of which has no labels.
    #[test]
    fn nodes_of_several_graphs_are_parted_by_graphs_or_by_nodes() {
        let classes: Vec<i64> = (0..60).map(|node| if node % 10 == 9 { -1 } else { node % 2 }).collect();
        let offsets: Vec<u32> = (0..=12).map(|graph| graph * 5).collect();
        let strata = Strata {
            data: "SMALL",
            classes: &classes,
            own_split: None,
            item_offsets: Some(&offsets),
            groups: None,
            times: None,
            folds: None,
        };
        let parts = |text: Option<&str>| {
            let call = text.map(call);
            let (splits, _) = splits(call.as_ref(), &strata, 3).unwrap();
            splits.into_iter().map(|split| [split.train, split.validation, split.test]).collect::<Vec<_>>()
        };
        for text in [None, Some("k_fold(3)"), Some("holdout(test = 0.2, by = graphs)")] {
            for split in parts(text) {
                let mut part_of = [None; 12];
                for (part, nodes) in split.iter().enumerate() {
                    for &node in nodes {
                        assert!(classes[node as usize] >= 0);
                        let known = part_of[node as usize / 5].get_or_insert(part);
                        assert_eq!(*known, part, "{text:?}: one graph in two parts");
                    }
                }
                assert!(part_of.iter().all(Option::is_some), "{text:?}");
            }
        }
        let [train, validation, test] = &parts(Some("holdout(by = nodes)"))[0];
        assert_eq!((train.len(), validation.len(), test.len()), (44, 5, 5));
    }

    fn facts() -> DataFacts {
        crate::data::synthetic::random_graphs(&std::default::Default::default()).facts()
    }

    /// A call as a file writes it.
    fn call(text: &str) -> BoundCall {
        let text = format!("model = gcn(2) -> mean -> mlp\nevaluate {{ protocol = {text} }}");
        let compiled = crate::train::ModelSource::single(text).compile(None);
        compiled.outcome.model.unwrap().get().evaluate.call("protocol").unwrap().clone()
    }

    #[test]
    fn specs_are_those_of_the_protocols() {
        let names: Vec<_> = PROTOCOLS.iter().map(|kind| kind.spec().name).collect();
        assert_eq!(names, SPECS.iter().map(|spec| spec.name).collect::<Vec<_>>());
    }
}
