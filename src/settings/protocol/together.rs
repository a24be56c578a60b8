//! `together = …` of protocols: items that are relatives of each other stay in one part.

use super::{BY, Refusal, Strata, are_of_graphs};
use crate::args::{ArgKind, ArgSpec, ArgValue, Args, BoundCall, Default};
use crate::diagnostic::Diagnostic;
use crate::types::{DataFacts, Entity};

pub(super) const TOGETHER: ArgSpec = ArgSpec {
    name: "together",
    kind: ArgKind::Choice(&["nothing", "copies", "scaffolds", "groups"]),
    default: Default::Choice("nothing"),
    positional: false,
    doc: "What is never parted: `copies`, graphs that are the same but for the numbering of their nodes; `scaffolds`, \
          molecules with the same rings and linkers (Bemis and Murcko 1996); `groups`, items with the same value in the \
          column that `groups = …` of the data names.",
};

/// What relates items to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relatives {
    Copies,
    Scaffolds,
    Groups,
}

impl Relatives {
    /// What the arguments of a protocol ask for.
    pub(super) fn of(args: &Args) -> Option<Self> {
        match args.get(TOGETHER.name)?.value {
            ArgValue::Choice("copies") => Some(Self::Copies),
            ArgValue::Choice("scaffolds") => Some(Self::Scaffolds),
            ArgValue::Choice("groups") => Some(Self::Groups),
            _ => None,
        }
    }

    /// Why this data has no such relatives, and what to write.
    fn refusal(self, args: &Args, data: &DataFacts) -> Option<Refusal> {
        let task = data.task?;
        let by_item = [ArgValue::Choice("nodes"), ArgValue::Choice("edges")];
        let parts_whole_graphs =
            are_of_graphs(data) && args.get(BY.name).is_some_and(|by| !by_item.contains(&by.value));
        match self {
            Self::Copies | Self::Scaffolds if task.entity != Entity::Graph => Some(Refusal {
                message: format!(
                    "{} are graphs, and {} is about {}",
                    if self == Self::Copies { "copies" } else { "molecules with one scaffold" },
                    data.name,
                    task.ends_on().items,
                ),
                help: "leave it out, or name a column of groups with `groups = …` of the data and write \
                       `together = groups`"
                    .into(),
            }),
            Self::Groups if !data.has_groups => Some(no_groups(&data.name)),
            Self::Groups if parts_whole_graphs => Some(Refusal {
                message: format!("groups of {} are groups of nodes, and whole graphs are parted", data.name),
                help: "write `by = nodes`".into(),
            }),
            _ => None,
        }
    }
}

fn no_groups(data: &str) -> Refusal {
    Refusal {
        message: format!("{data} names no column of groups"),
        help: "name it where the data is named, as in `tables(…, groups = \"site\")`".into(),
    }
}

/// `together` where the data has nothing that could be kept so.
pub(super) fn check(
    call: &BoundCall,
    relation: Option<Relatives>,
    data: Option<&DataFacts>,
) -> Option<Diagnostic> {
    let refusal = relation?.refusal(&call.args, data?)?;
    let span = call.args.get(TOGETHER.name).and_then(|arg| arg.span).unwrap_or(call.span);
    Some(
        Diagnostic::error("training::no_relatives", refusal.message)
            .label(span, "nothing can be kept together so")
            .help(refusal.help),
    )
}

/// The group of each item.
pub(super) fn groups<'a>(strata: &'a Strata) -> Result<&'a [u32], Refusal> {
    strata.groups.as_deref().ok_or_else(|| no_groups(strata.data))
}
