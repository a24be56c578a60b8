//! What a file can set besides its model: its data, how it is trained and how it is measured. One file each for data
//! sources, optimisers, schedules, early stops, protocols and metrics: what each is called, what it takes, and what can be
//! said of it without reading data or training. Those that need tensors or files are run in [`crate::train`] and
//! [`crate::data`].

pub mod data;
pub mod early_stop;
pub mod metric;
pub mod monitor;
pub mod negatives;
pub mod optimizer;
pub mod protocol;
pub mod prune;
pub mod schedule;
pub mod search;

use crate::args::{ArgKind, ArgSpec, ArgValue, BoundCall, CallSpec, Default, Range};

/// What `ArgKind::Call(kind)` can name.
///
/// # Panics
/// Where a spec asks for a catalogue that does not exist.
pub fn catalogue(kind: &str) -> &'static [&'static CallSpec] {
    match kind {
        "data" => data::SPECS,
        "feature" => data::features::SPECS,
        "optimizer" => optimizer::SPECS,
        "schedule" => schedule::SPECS,
        "early_stop" => early_stop::SPECS,
        "protocol" => protocol::SPECS,
        "search" => search::SPECS,
        "prune" => prune::SPECS,
        "negatives" => negatives::SPECS,
        _ => panic!("no catalogue `{kind}`"),
    }
}

/// What a list of calls of a catalogue can name as an argument of `callee`.
pub fn choices(kind: &str, callee: &str) -> Vec<&'static str> {
    match (kind, data::find(callee)) {
        ("feature", Some(source)) => data::features::names_for(source.own_features()),
        _ => catalogue(kind).iter().map(|spec| spec.name).collect(),
    }
}

/// What a list of calls of a catalogue means, where some of its lists have words of their own.
pub fn settled(kind: &str, calls: Vec<BoundCall>, words: &'static [&'static str]) -> ArgValue {
    match kind {
        "feature" => data::features::settled(calls, words),
        _ => ArgValue::Calls(calls),
    }
}

/// The keys of `train { … }`.
pub static TRAIN_SECTION: &[ArgSpec] = &[
    ArgSpec {
        name: "optimizer",
        kind: ArgKind::Call("optimizer"),
        default: Default::Source("adam"),
        positional: false,
        doc: "How the gradient becomes a step.",
    },
    ArgSpec {
        name: "schedule",
        kind: ArgKind::Call("schedule"),
        default: Default::Source("constant"),
        positional: false,
        doc: "How the learning rate changes from epoch to epoch.",
    },
    ArgSpec {
        name: "epochs",
        kind: ArgKind::Int { min: 1, max: 1_000_000 },
        default: Default::Int(100),
        positional: false,
        doc: "Passes over the training part, at most.",
    },
    ArgSpec {
        name: "batch_size",
        kind: ArgKind::Int { min: 1, max: 10_000_000 },
        default: Default::Int(32),
        positional: false,
        doc: "Graphs per step; the last batch of an epoch may be smaller, and its step is smaller with it. Of tasks on links, links per step, or queries with `k_vs_all`: all of them where it is not written. Of `skip_gram`, nodes that walks begin at: 128 where it is not written.",
    },
    ArgSpec {
        name: "negatives",
        kind: ArgKind::Call("negatives"),
        default: Default::Inferred("uniform, in tasks on links"),
        positional: false,
        doc: "Of tasks on links, how pairs are drawn that links are told from.",
    },
    ArgSpec {
        name: "disjoint",
        kind: ArgKind::Float(Range::open(0.0, 1.0)),
        default: Default::Inferred("every link of the training part passes messages and is asked about"),
        positional: false,
        doc: "Of tasks on links, the share of the training part that is asked about in training and passes no messages there; the rest passes messages and is not asked about. Drawn by the seed. PyG: `RandomLinkSplit(disjoint_train_ratio = …)`.",
    },
    ArgSpec {
        name: "clip_norm",
        kind: ArgKind::Float(Range::open(0.0, f64::INFINITY)),
        default: Default::Inferred("no clipping"),
        positional: false,
        doc: "Largest norm of the gradient, over all weights together; a larger gradient is scaled down to it.",
    },
    ArgSpec {
        name: "scale_targets",
        kind: ArgKind::Choice(&["standard", "minmax"]),
        default: Default::Inferred("values are learned as they are"),
        positional: false,
        doc: "Of values to be predicted: the network learns them with mean 0 and standard deviation 1 (`standard`) or from 0 to \
              1 (`minmax`), by the training part. Metrics and predictions are in the units of the data, the loss is not.",
    },
    ArgSpec {
        name: "early_stop",
        kind: ArgKind::Call("early_stop"),
        default: Default::Source("best"),
        positional: false,
        doc: "When the run ends and which epoch's weights it keeps.",
    },
    ArgSpec {
        name: "seed",
        // Larger numbers are not exact as written.
        kind: ArgKind::Int { min: 0, max: 1 << 53 },
        default: Default::Int(0),
        positional: false,
        doc: "Seed of splits, initial weights, shuffling and dropout.",
    },
];

/// The keys of `evaluate { … }`.
pub static EVALUATE_SECTION: &[ArgSpec] = &[
    ArgSpec {
        name: "protocol",
        kind: ArgKind::Call("protocol"),
        default: Default::Inferred("the split that comes with the data, else holdout"),
        positional: false,
        doc: "How the data is cut into training, validation and test parts.",
    },
    ArgSpec {
        name: "seeds",
        kind: ArgKind::Int { min: 1, max: 10_000 },
        default: Default::Int(1),
        positional: false,
        doc: "Runs with different seeds, counted up from `seed`; results are their mean and deviation.",
    },
    ArgSpec {
        name: "search",
        kind: ArgKind::Call("search"),
        default: Default::Inferred("grid where the open values have at most 100 combinations, else tpe(20)"),
        positional: false,
        doc: "How the values that the file leaves open with `search(…)` are searched, for each fold by itself: models are compared on the validation part, and the test part is measured with the chosen one alone.",
    },
    ArgSpec {
        name: "prune",
        kind: ArgKind::Call("prune"),
        default: Default::Inferred("every trial runs to its end"),
        positional: false,
        doc: "When a trial of a search ends early, because it is behind others.",
    },
    ArgSpec {
        name: "choose_by",
        kind: ArgKind::Choice(monitor::NAMES),
        default: Default::Inferred("the first metric on the validation part"),
        positional: false,
        doc: "The figure by which a search chooses, in the epoch that each model keeps.",
    },
    ArgSpec {
        name: "final_runs",
        kind: ArgKind::Int { min: 1, max: 1000 },
        default: Default::Int(1),
        positional: false,
        doc: "Runs of each fold with other initial weights, with the model that was chosen where there is a search; a fold counts with their mean. Errica et al. 2020 take 3.",
    },
    ArgSpec {
        name: "metrics",
        kind: ArgKind::ChoiceList(metric::NAMES),
        default: Default::Inferred("accuracy for classes, mae and rmse for values, linear_probe for vectors"),
        positional: false,
        doc: "What is measured, the most important first.",
    },
];
