//! Nodes that could stand there.

use super::{COUNT, END};
use crate::args::CallSpec;

pub static SPEC: CallSpec = CallSpec {
    name: "in_range",
    doc: "As `uniform`, with nodes that stand at this end of a link of the same relation in the training part: a city in place of a city, \
          where `uniform` draws people as well (type-constrained, under the local closed-world assumption of Krompaß et al. 2015). \
          Where these are all linked, any node is drawn.",
    example: "in_range(4)",
    args: &[COUNT, END],
};
