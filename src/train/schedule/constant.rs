//! The same learning rate in every epoch.

use crate::args::CallSpec;

pub static SPEC: CallSpec =
    CallSpec { name: "constant", doc: "The learning rate stays as it is.", args: &[] };
