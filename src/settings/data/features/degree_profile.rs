//! `degree_profile`

use crate::args::CallSpec;

pub static SPEC: CallSpec = CallSpec {
    name: "degree_profile",
    doc: "Local degree profile: the degree of a node, and the smallest, largest, mean and standard deviation of the \
          degrees of the nodes from which edges lead to it, parallel ones each; five columns, zeros where there are none. \
          Cai & Wang 2018, \"A simple yet effective baseline for non-attributed graph classification\". \
          PyG: `LocalDegreeProfile`.",
    example: "degree_profile",
    args: &[],
};
