//! Adam with decoupled weight decay.

use crate::args::{ArgSpec, CallSpec, Default};

/// AdamW: Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.
///
/// PyTorch: `torch.optim.AdamW`. Each step shrinks the weights by `lr · weight_decay`; the moments do not see it.
pub static SPEC: CallSpec = CallSpec {
    name: "adamw",
    doc: "Adam with decoupled weight decay. Loshchilov and Hutter 2019; torch.optim.AdamW",
    args: ARGS,
};

static ARGS: &[ArgSpec] = {
    const ARGS: [ArgSpec; 5] = {
        let shared = super::adam::ARGS_TABLE;
        [
            shared[0],
            shared[1],
            shared[2],
            shared[3],
            // The default of the paper's reference code and of PyTorch.
            ArgSpec { default: Default::Float(1e-2), ..shared[4] },
        ]
    };
    &ARGS
};
