//! Columns that one source has of its own.

use crate::args::CallSpec;

pub static LABELS: CallSpec = CallSpec {
    name: "labels",
    doc: "Of a source with files: the labels of the nodes, one-hot, with columns from the smallest to the largest label, or one \
          for each text.",
    example: "labels",
    args: &[],
};

pub static ATTRIBUTES: CallSpec = CallSpec {
    name: "attributes",
    doc: "Of a source with files: the attributes of the nodes as the files have them.",
    example: "attributes",
    args: &[],
};

pub static IDENTITY: CallSpec = CallSpec {
    name: "identity",
    doc: "Of `karate`: a column for each member.",
    example: "identity",
    args: &[],
};

pub static COLOURS: CallSpec = CallSpec {
    name: "colours",
    doc: "Of `hierarchy`: the colour of the community of each node, one-hot.",
    example: "colours",
    args: &[],
};
