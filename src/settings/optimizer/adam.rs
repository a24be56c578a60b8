//! Adam with weight decay as true L2 regularisation.

use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default, Range};
use crate::diagnostic::Diagnostic;

/// Adam: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1.
///
/// PyTorch: `torch.optim.Adam`. `weight_decay` is added to the gradient, so it passes through the moments.
pub static SPEC: CallSpec = CallSpec {
    name: "adam",
    doc: "Adam; weight decay is L2, added to the gradient. Kingma and Ba 2015; torch.optim.Adam",
    example: "adam(lr = 1e-3)",
    args: ARGS,
};

static ARGS: &[ArgSpec] = &ARGS_TABLE;

/// The arguments of Adam, and of its variant with decoupled decay.
pub(super) const ARGS_TABLE: [ArgSpec; 6] = [
    LR,
    ArgSpec {
        name: "beta1",
        kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
        default: Default::Float(0.9),
        positional: false,
        doc: "Decay of the mean of the gradient, β₁.",
    },
    ArgSpec {
        name: "beta2",
        kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
        default: Default::Float(0.999),
        positional: false,
        doc: "Decay of the mean of the squared gradient, β₂.",
    },
    ArgSpec {
        name: "eps",
        kind: ArgKind::Float(Range::closed(1e-15, 1.0)),
        default: Default::Float(1e-8),
        positional: false,
        doc: "Added to the root of the second moment, ε.",
    },
    WEIGHT_DECAY,
    DECAYED,
];

pub(super) const LR: ArgSpec = ArgSpec {
    name: "lr",
    kind: ArgKind::Float(Range::open(0.0, f64::INFINITY)),
    default: Default::Float(1e-3),
    positional: true,
    doc: "Learning rate, before the schedule.",
};

pub(super) const WEIGHT_DECAY: ArgSpec = ArgSpec {
    name: "weight_decay",
    kind: ArgKind::Float(Range::closed_open(0.0, f64::INFINITY)),
    default: Default::Float(0.0),
    positional: false,
    doc: "Weight decay λ: how strongly the weights are pulled towards zero.",
};

/// What papers call "L2 regularisation of the first layer" is.
pub(super) const DECAYED: ArgSpec = ArgSpec {
    name: "decayed",
    kind: ArgKind::Choice(&["all", "first_layer"]),
    default: Default::Choice("all"),
    positional: false,
    doc: "Which weights decay: `all`, or those of the `first_layer`, the first stage that has any, as graph convolutional \
          networks are trained on citations.",
};

/// A choice of what decays, where nothing does.
pub(super) fn check(call: &BoundCall) -> Option<Diagnostic> {
    let span = call.args.get(DECAYED.name)?.span?;
    (call.args.float(WEIGHT_DECAY.name) == 0.0).then(|| {
        Diagnostic::error("args::no_effect", "`decayed` has no effect here: no weight decays")
            .label(span, "this changes nothing")
            .help("leave it out, or write how strongly, as in `weight_decay = 5e-4`")
    })
}
