//! Half a cosine from the full learning rate down to its end.

use crate::args::{ArgKind, ArgSpec, CallSpec, Default, Range};

pub static SPEC: CallSpec = CallSpec {
    name: "cosine",
    doc: "Lowers the learning rate along half a cosine over all epochs. Loshchilov and Hutter 2017, \"SGDR\", without \
          restarts; torch.optim.lr_scheduler.CosineAnnealingLR",
    args: &[ArgSpec {
        name: "end",
        kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
        default: Default::Float(0.0),
        positional: false,
        doc: "Share of the learning rate that is left at the end.",
    }],
};
