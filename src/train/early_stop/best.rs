//! Run every epoch, keep the best.

use crate::args::CallSpec;
use crate::train::monitor;

pub static SPEC: CallSpec = CallSpec {
    name: "best",
    doc: "Runs every epoch and keeps the weights of the one whose monitored figure is best; the last one's where the \
          protocol leaves no graphs for validation.",
    args: &[monitor::ARG],
};
