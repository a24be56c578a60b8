//! Names that people bring along: those of PyTorch Geometric, PyTorch, Keras, GraphGym and DGL for layers, arguments and
//! settings, with what each is here. [`names`] is the list; [`crate::findings::elsewhere`] makes messages of it.
//!
//! Nothing here accepts such a name: a file says each thing in one way.

mod names;

use crate::args::EdgeValue;
pub use names::{
    ARGUMENTS, FEATURES, KEYS, LOSSES, METRICS, OPTIMIZERS, PROTOCOLS, SCHEDULES, SECTIONS, SOURCES, STAGES,
    STOPS, TASKS,
};

use std::collections::HashMap;
use std::sync::OnceLock;

/// Where a name comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    Pyg,
    PyTorch,
    Keras,
    GraphGym,
    Dgl,
    GraKel,
    Sklearn,
    /// Used by many.
    Common,
}

impl Library {
    /// "`GCNConv` of PyTorch Geometric"
    pub fn with_name(self, name: &str) -> String {
        match self {
            Library::Pyg => format!("`{name}` of PyTorch Geometric"),
            Library::PyTorch => format!("`{name}` of PyTorch"),
            Library::Keras => format!("`{name}` of Keras"),
            Library::GraphGym => format!("`{name}` of GraphGym"),
            Library::Dgl => format!("`{name}` of DGL"),
            Library::GraKel => format!("`{name}` of GraKeL"),
            Library::Sklearn => format!("`{name}` of scikit-learn"),
            Library::Common => format!("`{name}`"),
        }
    }
}

/// What something is here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Here {
    /// The operator, loss or call `op`, with these arguments.
    Is { op: &'static str, with: &'static [&'static str] },
    /// It is written in another way, as in `text`.
    Write { text: &'static str, why: &'static str },
    /// There is no counterpart; `nearest` is what comes closest.
    NotYet { why: &'static str, nearest: &'static str },
    /// There is nothing to write, for this reason.
    LeaveOut(&'static str),
}

/// A name of another library.
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// The first one is the usual spelling.
    pub names: &'static [&'static str],
    pub of: Library,
    /// Its arguments that stand without a name, in their order.
    pub args: &'static [&'static str],
    pub here: Here,
}

/// What an argument does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Meaning {
    /// The width of the input.
    Inferred,
    /// The first of these that the callee has.
    Called(&'static [&'static str]),
    /// How often the layer is repeated.
    Times,
    /// A stage behind the layer: `activation`, `dropout` or `norm`, where the callee has no argument of that name.
    Behind(&'static str),
    /// The layer is passed by.
    Residual,
    /// The argument of the callee that takes such values of the edges, given those of the data.
    OfEdges(EdgeValue),
    /// It changes nothing, for this reason.
    NoEffect(&'static str),
    /// There is no counterpart, for this reason.
    NotYet(&'static str),
    /// There is no counterpart.
    Unknown,
}

/// An argument of another library.
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    pub names: &'static [&'static str],
    pub of: Library,
    pub meaning: Meaning,
}

/// Where a setting stands in a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Place {
    /// This argument of the optimiser.
    Optimizer(&'static str),
    /// `early_stop = patience(…)`
    Stop,
    /// This key of `train`.
    Train(&'static str),
    /// This key of `evaluate`.
    Evaluate(&'static str),
    /// This argument of a protocol; the first one where it is empty.
    Protocol { call: &'static str, arg: &'static str },
    /// `loss = …`
    Loss,
    /// This setting at the top of the file.
    Elsewhere(&'static str),
    /// A stage of the model, as in this example.
    Stage(&'static str),
    /// Nowhere, for this reason.
    NotHere(&'static str),
}

/// A setting of another library.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub names: &'static [&'static str],
    pub of: Library,
    pub place: Place,
}

/// A name without what spellings differ in: `GINEConv`, `gine_conv` and `gine` are the same, and so are `nn.ReLU` and
/// `relu`.
fn plain(name: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    let plain = last.replace(['_', '-'], "").to_lowercase();
    let stem = ["conv", "layer"].iter().find_map(|end| plain.strip_suffix(end));
    match stem.filter(|stem| stem.len() > 1) {
        Some(stem) => stem.to_owned(),
        None => plain,
    }
}

/// Whether two spellings are of one name.
pub fn reads_the_same(one: &str, other: &str) -> bool {
    plain(one) == plain(other)
}

/// The word of a list that is called so. A name that is spelt exactly so goes before one that only reads the same.
pub fn find(list: &'static [Word], name: &str) -> Option<&'static Word> {
    // A file can hold a hundred thousand unknown names, so they are looked up and not searched for.
    type Index = HashMap<String, &'static Word>;
    static INDEXES: OnceLock<Vec<(&'static [Word], Index)>> = OnceLock::new();
    let all = INDEXES.get_or_init(|| {
        let lists: [&'static [Word]; 10] =
            [STAGES, LOSSES, OPTIMIZERS, SCHEDULES, STOPS, PROTOCOLS, SOURCES, FEATURES, METRICS, TASKS];
        let index = |list: &'static [Word]| {
            let mut index = Index::new();
            for (known, word) in list.iter().flat_map(|word| word.names.iter().map(move |name| (*name, word)))
            {
                index.insert(known.to_owned(), word);
            }
            for (known, word) in list.iter().flat_map(|word| word.names.iter().map(move |name| (*name, word)))
            {
                index.entry(plain(known)).or_insert(word);
            }
            index
        };
        lists.into_iter().map(|list| (list, index(list))).collect()
    });
    let (_, index) = all.iter().find(|(known, _)| std::ptr::eq(known.as_ptr(), list.as_ptr()))?;
    index.get(name).or_else(|| index.get(&plain(name))).copied()
}

/// The argument that is called so.
pub fn argument(name: &str) -> Option<&'static Argument> {
    let same = |known: &str| known == name || plain(known) == plain(name);
    let exact = ARGUMENTS.iter().find(|argument| argument.names.contains(&name));
    exact.or_else(|| ARGUMENTS.iter().find(|argument| argument.names.iter().any(|known| same(known))))
}

/// The setting that is called so, at the top of a file or in a section.
pub fn key(name: &str) -> Option<&'static Key> {
    let wanted = plain(name);
    let exact = KEYS.iter().find(|key| key.names.contains(&name));
    exact.or_else(|| KEYS.iter().find(|key| key.names.iter().any(|known| plain(known) == wanted)))
}

/// What a section of another library is here: `model`, `train`, `data`, `evaluate` or `published`.
pub fn section(name: &str) -> Option<(Library, &'static str)> {
    let known = |(names, _, _): &&(&[&str], Library, &str)| names.contains(&name);
    SECTIONS.iter().find(known).map(|&(_, of, meant)| (of, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of a list that stand in it twice, read without what spellings differ in.
    fn doubled(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
        let mut seen = std::collections::HashSet::new();
        names.filter(|name| !seen.insert(*name)).collect()
    }

    #[test]
    fn every_name_stands_once_in_its_list() {
        for list in
            [STAGES, LOSSES, OPTIMIZERS, SCHEDULES, STOPS, PROTOCOLS, SOURCES, FEATURES, METRICS, TASKS]
        {
            assert_eq!(doubled(list.iter().flat_map(|word| word.names).copied()), [""; 0]);
        }
        assert_eq!(doubled(ARGUMENTS.iter().flat_map(|argument| argument.names).copied()), [""; 0]);
        assert_eq!(doubled(KEYS.iter().flat_map(|key| key.names).copied()), [""; 0]);
    }

    #[test]
    fn spellings_of_one_name_are_the_same() {
        for name in ["GINEConv", "gine", "gine_conv", "GINE", "pyg_nn.GINEConv"] {
            assert_eq!(find(STAGES, name).map(|word| word.names[0]), Some("GINEConv"), "{name}");
        }
        assert_eq!(find(STAGES, "GraphConv").map(|word| word.names[0]), Some("GraphConv"));
        assert!(find(STAGES, "gnc").is_none());
    }

    #[test]
    fn what_an_operator_names_as_its_counterpart_is_not_said_to_have_none() {
        for op in crate::ops::CATALOGUE {
            let class = op.pyg().class.rsplit('.').next().unwrap_or_default();
            let here = find(STAGES, class).map(|word| word.here);
            assert!(
                !matches!(here, Some(Here::NotYet { .. } | Here::LeaveOut(_))),
                "`{class}` is `{}` here, and the list says otherwise of it or of a name that reads the same",
                op.name()
            );
        }
    }

    #[test]
    fn arguments_that_a_counterpart_calls_otherwise_are_those_of_the_operator() {
        for op in crate::ops::CATALOGUE {
            let has = |name: &str| op.args().iter().any(|spec| spec.name == name);
            for (theirs, ours) in op.pyg().arguments {
                assert!(has(ours) && !has(theirs), "`{theirs}` is `{ours}` of `{}`", op.name());
            }
        }
    }

    #[test]
    fn what_the_list_names_exists() {
        let ops = |name: &str| crate::ops::find(name).is_some() || crate::ops::find_input(name).is_some();
        let calls = |kind: &'static str| {
            move |name: &str| crate::settings::catalogue(kind).iter().any(|spec| spec.name == name)
        };
        let check = |list: &[Word], exists: &dyn Fn(&str) -> bool| {
            for word in list {
                if let Here::Is { op: name, .. } | Here::NotYet { nearest: name, .. } = word.here {
                    assert!(exists(name), "{name} of {}", word.names[0]);
                }
            }
        };
        check(STAGES, &ops);
        check(LOSSES, &|name| crate::ops::find_loss(name).is_some());
        check(OPTIMIZERS, &calls("optimizer"));
        check(SCHEDULES, &calls("schedule"));
        check(STOPS, &calls("early_stop"));
        check(PROTOCOLS, &calls("protocol"));
        check(SOURCES, &calls("data"));
        check(FEATURES, &calls("feature"));
        check(METRICS, &|name| crate::settings::metric::NAMES.contains(&name));
        check(TASKS, &|name| crate::types::Task::NAMES.contains(&name));
    }
}
