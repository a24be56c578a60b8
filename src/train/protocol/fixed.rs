//! The split that comes with the data.

use crate::args::CallSpec;

pub static SPEC: CallSpec = CallSpec {
    name: "fixed",
    doc: "The split published with the data (the node classification sets).",
    args: &[],
};
