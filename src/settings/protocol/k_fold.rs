//! Cross-validation.

use super::together::{self, Relatives};
use super::{
    BY, Need, ProtocolKind, Refusal, Split, Strata, TOGETHER, are_of_graphs, grouped, idle_choice,
    parts_graphs, split,
};
use crate::args::{ArgKind, ArgSpec, Args, BoundCall, CallSpec, Default, Range};
use crate::diagnostic::{Diagnostic, count};
use crate::types::{DataFacts, Entity, TargetKind};

pub(super) const K: ArgSpec = ArgSpec {
    name: "k",
    kind: ArgKind::Int { min: 2, max: 1000 },
    default: Default::Int(10),
    positional: true,
    doc: "Number of parts, and of runs.",
};

pub(super) const INNER_HOLDOUT: ArgSpec = ArgSpec {
    name: "inner_holdout",
    kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
    default: Default::Float(0.1),
    positional: false,
    doc: "Share of the training parts kept for validation.",
};

pub static SPEC: CallSpec = CallSpec {
    name: "k_fold",
    doc: "Stratified cross-validation: `k` runs, each tested on a different one of `k` parts; a share of the other parts \
          is kept for validation. Errica et al. 2020, \"A Fair Comparison of Graph Neural Networks for Graph \
          Classification\"",
    example: "k_fold(10)",
    args: &[K, INNER_HOLDOUT, BY, TOGETHER],
};

pub struct KFold;

impl ProtocolKind for KFold {
    fn spec(&self) -> &'static CallSpec {
        &SPEC
    }

    fn check(&self, call: &BoundCall, data: Option<&DataFacts>) -> Option<Diagnostic> {
        let data = data?;
        can_be_cut(call, data)
            .or_else(|| idle_choice(call, Some(data)))
            .or_else(|| together::check(call, Relatives::of(&call.args), Some(data)))
    }

    fn leaves_validation(&self, args: &Args) -> Option<bool> {
        Some(args.float("inner_holdout") > 0.0)
    }

    fn deal(&self, args: &Args, classes: &[i64], seed: u64) -> Option<Vec<Split>> {
        let (k, inner_holdout) = (args.int("k") as usize, args.float("inner_holdout"));
        let n_labelled = classes.iter().filter(|&&class| class >= 0).count();
        // Which classes a group brings, only the data says.
        (Relatives::of(args).is_none() && k <= n_labelled)
            .then(|| split::k_fold(classes, k, inner_holdout, seed))
    }

    fn needs(&self, args: &Args) -> Option<Need> {
        Relatives::of(args).map(Need::Groups)
    }

    fn cut(&self, args: &Args, strata: &Strata, seed: u64) -> Result<Vec<Split>, Refusal> {
        if Relatives::of(args).is_some() {
            return cut_groups(args, strata, seed);
        }
        self.deal(args, strata.classes, seed).ok_or_else(|| {
            let (k, n_labelled) = (args.int("k"), strata.n_labelled());
            Refusal {
                message: format!(
                    "`k_fold({k})` needs at least {k} labelled items, {} has {n_labelled}",
                    strata.data
                ),
                help: "ask for fewer folds".into(),
            }
        })
    }

    fn n_runs(&self, args: &Args, _: usize) -> usize {
        args.int("k") as usize
    }

    fn has_folds(&self) -> bool {
        true
    }
}

/// Whether there are as many items as folds.
pub(super) fn can_be_cut(call: &BoundCall, data: &DataFacts) -> Option<Diagnostic> {
    // Values have no classes to count by; then every graph counts.
    let n_classified: usize = data.class_counts.iter().sum();
    let are_parted = !are_of_graphs(data) || !parts_graphs(Some(call));
    let n_labelled = match data.task {
        _ if are_parted && n_classified > 0 => n_classified,
        Some(task) if are_parted && task.entity == Entity::Nodes => data.total_nodes,
        Some(task) if are_parted && task.is_of_edges() => data.n_edge_items,
        Some(task) if task.kind == TargetKind::Links => data.n_links,
        _ => data.n_graphs,
    };
    let k = call.args.int("k");
    (k as usize > n_labelled).then(|| too_many_folds(call, k, n_labelled, &data.name))
}

/// Folds of whole groups.
fn cut_groups(args: &Args, strata: &Strata, seed: u64) -> Result<Vec<Split>, Refusal> {
    let groups = together::groups(strata)?;
    let (k, inner_holdout) = (args.int("k") as usize, args.float("inner_holdout"));
    let labelled = groups.iter().zip(strata.classes).filter(|(_, class)| **class >= 0);
    let n_groups = labelled.map(|(group, _)| group).collect::<std::collections::BTreeSet<_>>().len();
    if k > n_groups {
        return Err(Refusal {
            message: format!(
                "`k_fold({k})` that keeps {} together needs at least {k} of them, {} has {}",
                args.choice(TOGETHER.name),
                strata.data,
                count(n_groups, "group"),
            ),
            help: "ask for fewer folds".into(),
        });
    }
    let splits = grouped::k_fold(strata.classes, groups, k, inner_holdout, seed);
    // A group can be larger than a fold, and then takes what others would have.
    if splits.iter().any(|split| split.test.is_empty()) {
        return Err(Refusal {
            message: format!("a group of {} is so large that some of {k} folds would be empty", strata.data),
            help: "ask for fewer folds".into(),
        });
    }
    Ok(splits)
}

/// More folds than labelled items.
fn too_many_folds(call: &BoundCall, k: i64, n_labelled: usize, data: &str) -> Diagnostic {
    let place = call.args.get("k").and_then(|bound| bound.span).unwrap_or(call.span);
    Diagnostic::error(
        "training::too_many_folds",
        format!("`{}({k})` needs at least {k} labelled items, but {data} has {n_labelled}", call.name),
    )
    .label(place, format!("{k} folds"))
    .help(format!("ask for fewer: `{}({})`", call.name, n_labelled.clamp(2, 10)))
    .guess(place, n_labelled.clamp(2, 10).to_string())
}
