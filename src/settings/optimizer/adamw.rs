//! Adam with decoupled weight decay.

use crate::args::{ArgSpec, CallSpec, Default};

/// AdamW: Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.
///
/// PyTorch: `torch.optim.AdamW`. Each step shrinks the weights by `lr · weight_decay`; the moments do not see it.
pub static SPEC: CallSpec = CallSpec {
    name: "adamw",
    doc: "Adam with decoupled weight decay. Loshchilov and Hutter 2019; torch.optim.AdamW",
    example: "adamw(lr = 1e-3, weight_decay = 1e-2)",
    args: ARGS,
};

static ARGS: &[ArgSpec] = &{
    let mut args = super::adam::ARGS_TABLE;
    // The default of PyTorch and of the paper's code.
    args[4].default = Default::Float(1e-2);
    args
};
