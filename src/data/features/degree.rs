//! How many edges lead to a node.

use super::{Block, Graphs};
use crate::args::BoundCall;
use crate::data::DataError;
use crate::data::columns::{Columns, Vocabulary};
use crate::data::dataset::Features;
use crate::kernels::graph::Csr;

/// Degrees with a column of their own where no largest one is written: social networks have hubs of thousands.
pub const DEGREE_COLUMNS: u32 = 500;

pub(super) fn compute(
    call: &BoundCall,
    graphs: &Graphs,
    known: Option<&Vocabulary>,
) -> Result<Block, DataError> {
    let degrees = of_rows(&graphs.incoming);
    if call.args.choice("kind") == "raw" {
        let values = degrees.map(|degree| degree as f32).collect();
        return Ok(Block::computed(values, 1, ["degree as a number"; 2]));
    }
    let max = call.args.opt_int("max").map(|max| max as u32);
    Ok(one_hot(degrees.collect(), max.or(known.and_then(Vocabulary::max_degree))))
}

/// Degrees of nodes with these edges, one-hot, as the word `degree` alone gives them. They count the edges into a node as
/// they are after the options of the call, parallel edges each and a self-loop once.
pub fn degrees(n_nodes: usize, edges: &[(u32, u32)], max: Option<u32>) -> Block {
    let mut degrees = vec![0u32; n_nodes];
    edges.iter().for_each(|&(_, target)| degrees[target as usize] += 1);
    one_hot(degrees, max)
}

/// One column a degree, the last for all larger ones.
fn one_hot(degrees: Vec<u32>, max: Option<u32>) -> Block {
    let max = max.unwrap_or_else(|| degrees.iter().copied().max().unwrap_or(0).min(DEGREE_COLUMNS));
    let columns = degrees.into_iter().map(|degree| degree.min(max)).collect();
    Block {
        features: Features::OneHot { columns, width: max as usize + 1 },
        columns: vec![Columns::Degrees { max }],
    }
}

fn of_rows(csr: &Csr) -> impl Iterator<Item = u32> + '_ {
    csr.offsets.windows(2).map(|pair| pair[1] - pair[0])
}
