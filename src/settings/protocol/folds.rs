//! Cross-validation as it is done in comparisons: nested, repeated, with one item a fold, and the protocol of the DiffPool paper.
//! They differ from `k_fold` in how often folds are cut and in what happens inside of them.

use super::k_fold::{INNER_HOLDOUT, K, can_be_cut};
use super::{BY, ProtocolKind, Refusal, Split, Strata, idle_choice, split};
use crate::args::{ArgKind, ArgSpec, Args, BoundCall, CallSpec, Default};
use crate::diagnostic::Diagnostic;
use crate::types::DataFacts;

pub static NESTED: CallSpec = CallSpec {
    name: "nested_k_fold",
    doc: "Cross-validation with another one inside: for each of `k` parts, every trial of a search is trained and judged `inner` times on \
          the others, and the model that was chosen is trained on them and tested on the part. Errica et al. 2020, \"A Fair Comparison \
          of Graph Neural Networks for Graph Classification\", section 4",
    example: "nested_k_fold(10, inner = 5)",
    args: &[
        K,
        ArgSpec {
            name: "inner",
            kind: ArgKind::Int { min: 2, max: 100 },
            default: Default::Int(5),
            positional: false,
            doc: "Number of parts that the training parts are cut into for trials.",
        },
        INNER_HOLDOUT,
        BY,
    ],
};

pub static REPEATED: CallSpec = CallSpec {
    name: "repeated_k_fold",
    doc: "`k_fold`, with the data cut anew `times` times. Differences between models are then tested with Nadeau and Bengio's \
          correction, because the parts overlap. Bouckaert and Frank 2004, \"Evaluating the Replicability of Significance Tests for \
          Comparing Learning Algorithms\"",
    example: "repeated_k_fold(10, times = 10)",
    args: &[
        K,
        ArgSpec {
            name: "times",
            kind: ArgKind::Int { min: 2, max: 100 },
            default: Default::Int(10),
            positional: false,
            doc: "How often the data is cut.",
        },
        INNER_HOLDOUT,
        BY,
    ],
};

pub static LEAVE_ONE_OUT: CallSpec = CallSpec {
    name: "leave_one_out",
    doc: "As many runs as there are items, each tested on a different one. Figures that need several items are not defined on one.",
    example: "leave_one_out",
    args: &[INNER_HOLDOUT, BY],
};

pub static BEST_MEAN_EPOCH: CallSpec = CallSpec {
    name: "best_mean_epoch",
    doc: "`k` folds without validation: every run trains to its last epoch, and the result is of the epoch whose mean over the test parts \
          is the best. The test parts choose the epoch, so the figure is better than it will be on new data; it is here to set beside \
          published ones that were found in this way. Ying et al. 2018, \"Hierarchical Graph Representation Learning with Differentiable \
          Pooling\", and Xu et al. 2019, \"How Powerful are Graph Neural Networks?\"",
    example: "best_mean_epoch(10)",
    args: &[K, BY],
};

/// One of the family.
pub struct Folds(pub &'static CallSpec);

impl Folds {
    fn k(&self, args: &Args, n_items: usize) -> usize {
        if std::ptr::eq(self.0, &LEAVE_ONE_OUT) { n_items } else { args.int("k") as usize }
    }

    fn times(&self, args: &Args) -> u64 {
        if std::ptr::eq(self.0, &REPEATED) { args.int("times") as u64 } else { 1 }
    }
}

impl ProtocolKind for Folds {
    fn spec(&self) -> &'static CallSpec {
        self.0
    }

    fn check(&self, call: &BoundCall, data: Option<&DataFacts>) -> Option<Diagnostic> {
        let can_be_cut = match call.args.get("k") {
            Some(_) => can_be_cut(call, data?),
            None => None,
        };
        can_be_cut.or_else(|| idle_choice(call, data))
    }

    fn leaves_validation(&self, args: &Args) -> Option<bool> {
        Some(args.get("inner_holdout").is_some() && args.float("inner_holdout") > 0.0)
    }

    fn deal(&self, args: &Args, classes: &[i64], seed: u64) -> Option<Vec<Split>> {
        let n_labelled = classes.iter().filter(|&&class| class >= 0).count();
        let k = self.k(args, n_labelled);
        if k < 2 || k > n_labelled {
            return None;
        }
        let inner_holdout = if self.leaves_validation(args)? { args.float("inner_holdout") } else { 0.0 };
        // The first cut is that of `k_fold`.
        let cut = |time: u64| split::k_fold(classes, k, inner_holdout, seed.wrapping_add(time << 32));
        Some((0..self.times(args)).flat_map(cut).collect())
    }

    fn cut(&self, args: &Args, strata: &Strata, seed: u64) -> Result<Vec<Split>, Refusal> {
        self.deal(args, strata.classes, seed).ok_or_else(|| Refusal {
            message: format!(
                "`{}` needs at least {} labelled items, {} has {}",
                self.0.name,
                self.k(args, 2).max(2),
                strata.data,
                strata.n_labelled()
            ),
            help: "ask for fewer folds".into(),
        })
    }

    fn n_runs(&self, args: &Args, n_items: usize) -> usize {
        self.k(args, n_items) * self.times(args) as usize
    }

    fn has_folds(&self) -> bool {
        true
    }

    fn n_inner(&self, args: &Args) -> Option<usize> {
        std::ptr::eq(self.0, &NESTED).then(|| args.int("inner") as usize)
    }

    fn chooses_mean_epoch(&self) -> bool {
        std::ptr::eq(self.0, &BEST_MEAN_EPOCH)
    }
}
