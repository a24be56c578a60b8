//! Run every epoch, keep the last.

use crate::args::CallSpec;

pub static SPEC: CallSpec =
    CallSpec { name: "last", doc: "Runs every epoch and keeps the weights of the last one.", args: &[] };
