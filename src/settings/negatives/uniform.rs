//! Every node as likely.

use super::{COUNT, END};
use crate::args::CallSpec;

pub static SPEC: CallSpec = CallSpec {
    name: "uniform",
    doc: "Pairs in which another node, drawn evenly, stands in place of an end of the link. Pairs that are links of the training part are drawn again; between two parts, the node is of the same part.",
    example: "uniform(4)",
    args: &[COUNT, END],
};
