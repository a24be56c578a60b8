//! Every node, instead of a draw.

use super::END;
use crate::args::{ArgKind, ArgSpec, BoundCall, CallSpec, Default, Range};

/// How much of a label is spread over all nodes.
pub const LABEL_SMOOTHING: &str = "label_smoothing";

/// The loss that takes several labels a query.
pub const LOSS: &str = "bce";

pub static SPEC: CallSpec = CallSpec {
    name: "k_vs_all",
    doc: "No draw: a step asks queries, which are the distinct ends of training links with their relations, and every node is scored as the \
          other end, against whether it is a link of the training part. 1-N scoring (Dettmers et al. 2018), KvsAll (Ruffinelli et al. 2020), \
          PyKEEN's LCWA. `batch_size` counts queries, and the loss is `bce`.",
    example: "k_vs_all(label_smoothing = 0.1)",
    args: &[
        ArgSpec {
            name: LABEL_SMOOTHING,
            kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
            default: Default::Float(0.0),
            positional: false,
            doc: "`ε`: labels `y` become `(1 − ε) y + ε / N` for `N` nodes.",
        },
        ArgSpec {
            kind: ArgKind::Choice(&["either", "head", "tail"]),
            doc: "Which end is asked for: both, the first, or the second. Between two parts it is the second, and of links without a \
                  direction both are one.",
            ..END
        },
    ],
};

/// Whether every node is scored instead of a draw.
pub fn is_it(call: &BoundCall) -> bool {
    call.name == SPEC.name
}
