//! Stochastic gradient descent.

use super::adam::{DECAYED, LR, WEIGHT_DECAY};
use crate::args::{ArgKind, ArgSpec, CallSpec, Default, Range};

/// Gradient descent with momentum: Sutskever et al. 2013, "On the importance of initialization and momentum in deep
/// learning", in the form of PyTorch.
///
/// PyTorch: `torch.optim.SGD` with `dampening = 0`.
pub static SPEC: CallSpec = CallSpec {
    name: "sgd",
    doc: "Stochastic gradient descent with momentum; weight decay is L2. Sutskever et al. 2013; torch.optim.SGD",
    example: "sgd(lr = 1e-2, momentum = 0.9)",
    args: &[
        ArgSpec { default: Default::Float(1e-2), ..LR },
        ArgSpec {
            name: "momentum",
            kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
            default: Default::Float(0.0),
            positional: false,
            doc: "Share of the last step that is kept, μ.",
        },
        ArgSpec {
            name: "nesterov",
            kind: ArgKind::Bool,
            default: Default::Bool(false),
            positional: false,
            doc: "Nesterov momentum: the gradient is taken at the point that the momentum leads to.",
        },
        WEIGHT_DECAY,
        DECAYED,
    ],
};
