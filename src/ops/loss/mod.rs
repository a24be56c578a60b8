//! Losses: what training minimises.

pub mod auxiliary;
pub mod contrast;
pub mod cross_entropy;
pub mod mse;
pub mod written;

use crate::args::{Args, BoundArg};
use crate::ops::{Loss, LossKind};
use crate::program::{Build, Fun, V};
use crate::types::Size;

/// What the program of a loss is written with: for each item the model's output, and what it is compared with.
pub struct LossCx<'a, 'b> {
    pub args: &'a Args,
    pub b: &'b Build,
    /// `[C]` logits, or `[V]` values.
    pub output: V<'b>,
    /// The number of the class, `[1]`, or `[V]` values; of several labels an item, 1 for those that it has, `[C]`.
    pub target: V<'b>,
    /// Of several labels an item, 1 for those that are known, `[C]`, else 0.
    pub known: Option<V<'b>>,
    /// `[C]`, where the loss weighs classes.
    pub class_weights: Option<V<'b>>,
}

impl<'b> LossCx<'_, 'b> {
    /// 1 at the item's class, or at each of its labels, else 0: `[C]`. All 0 where the item has no label.
    pub fn is_class(&self) -> V<'b> {
        if self.known.is_some() {
            return self.target;
        }
        self.b.map(Fun::Equal, &[self.b.iota(&self.output.width()), self.target])
    }

    /// `log softmax(x)`: `[C]`.
    pub fn log_shares(&self) -> V<'b> {
        let one = [Size::Known(1)];
        let centred = self.output - self.output.fold_max(0).stop().view(&one);
        centred - centred.exp().fold_sum(0).ln().view(&one)
    }

    /// The mean over the numbers of an item.
    fn mean(&self, x: V<'b>) -> V<'b> {
        x.fold_mean(0)
    }
}

/// The name under which poolings report their link loss.
pub const LINK_PREDICTION: &str = "link_prediction";

/// The name under which poolings report the entropy of their assignment.
pub const ENTROPY: &str = "entropy";

/// The name under which poolings report how much of the edges leads out of clusters.
pub const MINCUT: &str = "mincut";

/// The name under which poolings report how far their clusters are from distinct ones of one size.
pub const ORTHOGONALITY: &str = "orthogonality";

/// The name under which poolings report how far their clusters are from high modularity.
pub const SPECTRAL: &str = "spectral";

/// The name under which poolings report how far one cluster is from having what all have together.
pub const CLUSTER: &str = "cluster";

/// The name under which poolings report how far their clusters are from one size.
pub const BALANCE: &str = "balance";

/// The name under which poolings report how much of the edges and of longer walks leads out of clusters.
pub const HOSC: &str = "hosc";

/// The name under which poolings report how much their assignment varies along edges.
pub const TOTAL_VARIATION: &str = "total_variation";

/// The name under which poolings report how far their clusters are from having their shares of the nodes.
pub const ASYMMETRIC_NORM: &str = "asymmetric_norm";

/// The name under which poolings report how well they tell linked nodes from others.
pub const RECONSTRUCTION: &str = "reconstruction";

/// The name under which poolings report how far their sticks are from the prior.
pub const STICK_BREAKING: &str = "stick_breaking";

/// The name under which poolings report how far the matrix by which clusters are linked is from its prior.
pub const CONNECTIVITY: &str = "connectivity";

/// The name under which attention reports how well its scores tell edges from other pairs.
pub const ATTENTION: &str = "attention";

/// The name under which distributions report how far they are from the standard normal one.
pub const PRIOR: &str = "prior";

/// The name under which rows report how well they are told from normal ones, and how well they pass for such.
pub const ADVERSARIAL: &str = "adversarial";

/// The name under which poolings report how alike the scores of neighbours are.
pub const MAX_CUT: &str = "max_cut";

/// The name under which poolings report how far their shares are from those that are clear already.
pub const KL: &str = "kl";

pub use contrast::Contrast;
pub use cross_entropy::given_weights;

/// The levels that a term is about, with the argument; `None` where it is about all that report it, or about the task.
pub fn levels<'a>(loss: &dyn Loss, args: &'a Args) -> Option<(&'a [i64], &'a BoundArg)> {
    let given = args.get(auxiliary::LEVEL).filter(|_| loss.kind() == LossKind::Auxiliary)?;
    Some((args.ints(auxiliary::LEVEL), given)).filter(|(levels, _)| !levels.is_empty())
}

/// Whether two terms of one loss are about the same level; one that names no levels is about all.
pub fn share_a_level(loss: &dyn Loss, args: &Args, others: &Args) -> bool {
    match (levels(loss, args), levels(loss, others)) {
        (Some((ours, _)), Some((theirs, _))) => ours.iter().any(|level| theirs.contains(level)),
        _ => true,
    }
}

/// What tells a term from others of the same sum: `entropy`, or `entropy(level = 1)` where it is about some levels only.
pub fn label(loss: &dyn Loss, args: &Args) -> String {
    match levels(loss, args) {
        None => loss.name().to_owned(),
        Some(([level], _)) => format!("{}({} = {level})", loss.name(), auxiliary::LEVEL),
        Some((levels, _)) => {
            let levels: Vec<_> = levels.iter().map(i64::to_string).collect();
            format!("{}({} = [{}])", loss.name(), auxiliary::LEVEL, levels.join(", "))
        }
    }
}

/// `w[c] = items / (classes · items of c)`, as scikit-learn's `class_weight = "balanced"`. A class that does not
/// occur gets the weight 1, which nothing reads in training.
pub fn balanced_weights(counts: &[usize]) -> Vec<f64> {
    let n_items: usize = counts.iter().sum();
    let n_classes = counts.iter().filter(|&&count| count > 0).count();
    let weight = |&count: &usize| match count {
        0 => 1.0,
        count => n_items as f64 / (n_classes * count) as f64,
    };
    counts.iter().map(weight).collect()
}
