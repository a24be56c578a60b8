//! The propagation that `gcn` and many after it share: neighbours weighted by degree.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::ProgramCx;
use crate::ops::{Action, Gather, InferCx, Own, findings};
use crate::program::{Edges, Norm, V};

/// Shared by the operators that propagate so.
pub const SELF_LOOPS: ArgSpec =
    ArgSpec::flag("self_loops", true, "Whether each node counts as its own neighbour, Â = A + I.");

/// Shared by the operators that propagate so.
pub const NORMALIZE: ArgSpec = ArgSpec::flag(
    "normalize",
    true,
    "Whether neighbours are weighted by degree; otherwise what their edges count is summed.",
);

/// Shared by the operators that propagate several times.
pub const HOPS: ArgSpec = ArgSpec {
    name: "hops",
    kind: ArgKind::Int { min: 1, max: MAX_HOPS },
    default: Default::Int(2),
    positional: false,
    doc: "How many times neighbours are gathered, `K`.",
};

/// Each hop is a step of the program, forward and backward.
pub const MAX_HOPS: i64 = 256;

/// The share of the node's own features in every step.
pub const ALPHA: ArgSpec = ArgSpec {
    name: "alpha",
    kind: ArgKind::Float(Range::closed(0.0, 1.0)),
    default: Default::Float(0.1),
    positional: false,
    doc: "The share of the node's own features, α, the probability of a teleport.",
};

/// # Errors
/// `args::no_effect` for arguments of the normalisation without it.
pub fn of_normalized(cx: &InferCx, names: &[&str]) -> Result<(), Diagnostic> {
    match names.iter().find(|name| !cx.args.bool("normalize") && cx.args.is_written(name)) {
        Some(name) => Err(findings::args::no_effect(cx, name, "`normalize = false` adds no loops")),
        None => Ok(()),
    }
}

/// What a linear operator gathers that takes `self_loops` and perhaps `normalize`.
pub fn gathered(args: &Args) -> Action {
    let is_normalized = args.get("normalize").is_none() || args.bool("normalize");
    let own = if is_normalized && args.bool("self_loops") { Own::SelfLoop } else { Own::Absent };
    let gather = if is_normalized { Gather::DegreeWeighted } else { Gather::Sum };
    Action::Messages { gather, own, is_linear: true }
}

/// `D^(−1/2) Â D^(−1/2)`, or `A` as it is.
pub struct GcnNorm<'b> {
    edges: Edges<'b>,
    how: How<'b>,
}

enum How<'b> {
    /// By the kernel that knows it.
    Kernel(Norm),
    /// `Σ_j w_ij x_j`
    Plain(V<'b>),
    Scaled {
        weight: Option<V<'b>>,
        /// `1/√d_i`
        root: V<'b>,
        /// What a node's own loop counts; `None` without loops.
        own: Option<V<'b>>,
    },
}

impl<'b> GcnNorm<'b> {
    /// `own`: what a loop counts that is added; `None` adds none. A node's own loops stand for the one that is added, with
    /// the mean of their weights, as `add_remaining_self_loops` has it for one; on clusters, where everything is linked to
    /// itself, the added one stands for theirs, as in `DenseGCNConv`. Without `is_normalized` nothing is added.
    ///
    /// Reads the argument `weight`, where the operator has one.
    pub fn new(cx: &ProgramCx<'_, 'b>, own: Option<f64>, is_normalized: bool) -> Self {
        Self::weighted(cx, cx.named("weight").map(|weight| weight.view(&[])), own, is_normalized)
    }

    /// [`GcnNorm::new`] with what each edge counts, `[E]`.
    pub fn weighted(
        cx: &ProgramCx<'_, 'b>,
        weight: Option<V<'b>>,
        own: Option<f64>,
        is_normalized: bool,
    ) -> Self {
        match (weight, own, is_normalized) {
            (None, None | Some(1.0), true) => {
                let norm = Norm::Gcn { self_loops: own.is_some() };
                Self { edges: cx.edges(), how: How::Kernel(norm) }
            }
            _ => Self::written(cx, weight, own, is_normalized),
        }
    }

    /// [`GcnNorm::weighted`] without the kernel that knows it, so that shares can be multiplied in
    /// ([`GcnNorm::apply_by`]).
    pub fn written(
        cx: &ProgramCx<'_, 'b>,
        weight: Option<V<'b>>,
        own: Option<f64>,
        is_normalized: bool,
    ) -> Self {
        let (b, all) = (cx.b, cx.edges());
        match (weight, is_normalized) {
            (Some(weight), false) => return Self { edges: all, how: How::Plain(weight) },
            (None, false) => return Self { edges: all, how: How::Kernel(Norm::Sum) },
            (_, true) => {}
        }
        let is_sparse = all.weight().is_none();
        let edges = match own {
            None => all,
            Some(_) if is_sparse => cx.edges_without_loops(),
            Some(_) => all.without_loops(),
        };
        let own = own.map(|count| {
            let added = b.constant(count);
            if !(is_sparse && cx.has_loops()) {
                return added;
            }
            let n_loops = all.sum_of_loops(b.constant(1.0));
            let mean = weight.map(|weight| all.sum_of_loops(weight) / n_loops.at_least(1.0));
            n_loops.above(0.0).choose(mean.unwrap_or(b.constant(1.0)), added)
        });
        let degree = weight.map_or_else(|| edges.degree(), |weight| edges.sum(weight));
        let degree = own.map_or(degree, |own| degree + own);
        // An isolated node has degree 0; like PyG's `gcn_norm`, 1/√0 counts as 0.
        let root = degree.above(0.0).choose(degree.at_least(1e-30).sqrt().reciprocal(), b.constant(0.0));
        Self { edges, how: How::Scaled { weight, root, own } }
    }

    /// One hop.
    pub fn apply(&self, x: V<'b>) -> V<'b> {
        let e = self.edges;
        match &self.how {
            How::Kernel(norm) => e.propagate(x, *norm),
            How::Plain(weight) => e.sum(e.source(x).mul_rows(*weight)),
            How::Scaled { weight, root, own } => {
                let x = x.mul_rows(*root);
                let message = e.source(x);
                let y = e.sum(weight.map_or(message, |weight| message.mul_rows(weight)));
                own.map_or(y, |own| y + x.mul_rows(own)).mul_rows(*root)
            }
        }
    }

    /// One hop in which each edge also counts by its share, `[E]`, and a node's own loop by `own_share`, `[N]`; of what
    /// [`GcnNorm::written`] made.
    pub fn apply_by(&self, x: V<'b>, share: V<'b>, own_share: V<'b>) -> V<'b> {
        let e = self.edges;
        let message = |x: V<'b>| e.source(x).mul_rows(share);
        match &self.how {
            How::Kernel(_) => e.sum(message(x)),
            How::Plain(weight) => e.sum(message(x).mul_rows(*weight)),
            How::Scaled { weight, root, own } => {
                let x = x.mul_rows(*root);
                let message = message(x);
                let y = e.sum(weight.map_or(message, |weight| message.mul_rows(weight)));
                own.map_or(y, |own| y + x.mul_rows(own).mul_rows(own_share)).mul_rows(*root)
            }
        }
    }

    /// What messages of the edges, `[E, …]`, and of the nodes' own loops, `[N, …]`, add up to, weighed as a hop weighs
    /// neighbours; of what [`GcnNorm::written`] made.
    pub fn gathered(&self, message: V<'b>, own_message: V<'b>) -> V<'b> {
        let e = self.edges;
        match &self.how {
            How::Kernel(_) => e.sum(message),
            How::Plain(weight) => e.sum(message.mul_rows(*weight)),
            How::Scaled { weight, root, own } => {
                let message = message.mul_rows(e.source(*root));
                let y = e.sum(weight.map_or(message, |weight| message.mul_rows(weight)));
                own.map_or(y, |own| y + own_message.mul_rows(own * *root)).mul_rows(*root)
            }
        }
    }

    /// One hop of `x w`, then `+ bias`.
    pub fn convolve(&self, x: V<'b>, w: V<'b>, bias: Option<V<'b>>) -> V<'b> {
        if let How::Kernel(norm) = self.how {
            return self.edges.convolve(x, norm, false, w, bias);
        }
        let y = self.apply(x.linear(w));
        bias.map_or(y, |bias| y + bias)
    }
}
