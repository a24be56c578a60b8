//! Features of nodes that follow from the edges, one file each, entered in [`FEATURES`], and what a list of features
//! becomes: [`read`] puts the columns of a source's own and those that are computed beside each other, in the order written.
//!
//! Every feature is a function of the graph alone: graphs of a set do not influence each other, and a graph whose nodes
//! are renumbered has the same rows in the new order (eigenvectors: up to what [`laplacian`] says).

mod degree;
mod degree_profile;
mod distances;
mod eigen;
mod laplacian;
pub mod parts;
mod random_walk;
pub mod scaling;

use super::DataOptions;
use super::columns::{Columns, Vocabulary};
use super::dataset::{Features, SparseRows};
use super::error::DataError;
use super::files::size_in_words;
use crate::args::{ArgValue, BoundCall, float_text};
use crate::diagnostic::count;
use crate::kernels::graph::Csr;
use crate::kernels::parallel;
use crate::settings::data::features::{NORMALIZE, has_free_signs};
use std::ops::Range;

pub use degree::{DEGREE_COLUMNS, degrees};

/// What features are computed of: graphs one after another, as in a data set.
pub struct Graphs {
    node_offsets: Vec<u32>,
    /// Row `i`: the sources of the edges into node `i`, ascending, parallel ones each.
    incoming: Csr,
    /// Row `i`: the targets of the edges from node `i`.
    outgoing: Csr,
    /// Larger graphs are not used, and nothing is computed of them.
    max_nodes: usize,
}

impl Graphs {
    pub fn new(node_offsets: &[u32], edges: &[(u32, u32)], max_nodes: Option<usize>) -> Self {
        let n_nodes = node_offsets.last().map_or(0, |&end| end as usize);
        let incoming = Csr::from_edges(n_nodes, edges);
        let outgoing = incoming.transpose();
        let max_nodes = max_nodes.unwrap_or(usize::MAX);
        Self { node_offsets: node_offsets.to_vec(), incoming, outgoing, max_nodes }
    }

    /// Columns that would be zeros on every node of data that a model is to be trained on: an error, because every column
    /// is there for something.
    fn expect_used(
        &self,
        feature: &BoundCall,
        asked: usize,
        used: usize,
        why: &str,
    ) -> Result<(), DataError> {
        if asked <= used || self.n_nodes() == 0 {
            return Ok(());
        }
        let name = feature.name;
        Err(DataError::new(
            "data::no_effect",
            format!("the last {} of `{name}({asked})` would be zeros: {why}", count(asked - used, "column")),
        )
        .help(match used {
            0 => format!("leave `{name}` out"),
            used => format!("write `{name}({used})`, or fewer"),
        }))
    }

    fn n_nodes(&self) -> usize {
        self.incoming.n_rows()
    }

    /// The nodes of each graph that is used.
    fn used(&self) -> Vec<Range<usize>> {
        let graphs = self.node_offsets.windows(2).map(|pair| pair[0] as usize..pair[1] as usize);
        graphs.filter(|nodes| !nodes.is_empty() && nodes.len() <= self.max_nodes).collect()
    }

    /// Rows of `width` numbers, of each used graph `rows` of some of its nodes at a time; zeros for the others.
    /// `rows` gets the nodes of the graph and those whose rows are wanted.
    fn by_rows(
        &self,
        width: usize,
        rows: impl Fn(&Range<usize>, Range<usize>) -> Vec<f32> + Sync,
    ) -> Vec<f32> {
        /// Nodes whose rows are one job.
        const BLOCK: usize = 256;
        let mut jobs = Vec::new();
        for graph in self.used() {
            let starts = graph.clone().step_by(BLOCK);
            jobs.extend(starts.map(|start| (graph.clone(), start..(start + BLOCK).min(graph.end))));
        }
        let work = self.incoming.n_entries().saturating_mul(width);
        let blocks = parallel::map_each(jobs.len(), work, |job| rows(&jobs[job].0, jobs[job].1.clone()));
        let mut values = vec![0.0; self.n_nodes() * width];
        for ((_, nodes), block) in jobs.iter().zip(blocks) {
            values[nodes.start * width..nodes.end * width].copy_from_slice(&block);
        }
        values
    }
}

/// Some columns of all nodes, with what they mean.
pub struct Block {
    pub features: Features,
    pub columns: Vec<Columns>,
}

impl Block {
    /// Columns that are computed. The words, for one and for several, say all that they depend on beside their number.
    fn computed(values: Vec<f32>, width: usize, [one, several]: [&str; 2]) -> Self {
        let what = if width == 1 { one } else { several }.to_owned();
        Self {
            features: Features::Dense { values: values.into(), width },
            columns: vec![Columns::Named { what, count: width }],
        }
    }
}

type Compute = fn(&BoundCall, &Graphs, Option<&Vocabulary>) -> Result<Block, DataError>;

/// The features that need nothing but the edges.
static FEATURES: &[(&str, Compute)] = &[
    ("constant", constant),
    ("degree", degree::compute),
    ("degree_profile", degree_profile::compute),
    ("laplacian", laplacian::compute),
    ("random_walk", random_walk::compute),
    ("distances", distances::compute),
];

/// What a list of features became.
pub struct Prepared {
    pub features: Features,
    pub columns: Vec<Columns>,
    /// Columns whose signs are drawn anew for each training batch.
    pub random_signs: Vec<Range<usize>>,
}

/// The features that `call` lists, whatever the source. `own` reads those that the source has of its own, and `known` are
/// the columns of the model that the data is read for.
///
/// # Errors
/// Where the source does not have one, or the columns take more than `max_bytes`.
pub fn read(
    call: &BoundCall,
    graphs: &Graphs,
    known: Option<&Vocabulary>,
    own: &mut dyn FnMut(&BoundCall) -> Result<Block, DataError>,
    max_bytes: u64,
) -> Result<Prepared, DataError> {
    let mut blocks = Vec::new();
    let mut random_signs = Vec::new();
    let mut width = 0;
    for feature in call.args.get("features").map_or(&[][..], |arg| arg.value.calls()) {
        let block = match FEATURES.iter().find(|(name, _)| *name == feature.name) {
            Some((_, compute)) => {
                compute(feature, graphs, known).map_err(|error| error.span(Some(feature.span)))?
            }
            None => own(feature)?,
        };
        let end = width + block.features.width();
        if has_free_signs(feature) && feature.args.choice("signs") == "random" {
            random_signs.push(width..end);
        }
        width = end;
        blocks.push(block);
    }
    let columns = blocks.iter().flat_map(|block| block.columns.iter().cloned()).collect();
    if blocks.len() == 1 {
        let features = blocks.remove(0).features;
        return Ok(Prepared { features, columns, random_signs });
    }
    let n_nodes = graphs.n_nodes();
    // Beside words of texts, few other columns are: what is mostly zeros stays so.
    if blocks.iter().any(|block| matches!(block.features, Features::Sparse(_))) {
        let rows = beside_each_other(&blocks, n_nodes, width);
        return Ok(Prepared { features: Features::Sparse(rows), columns, random_signs });
    }
    let n_bytes = n_nodes.saturating_mul(width).saturating_mul(size_of::<f32>()) as u64;
    if n_bytes > max_bytes {
        return Err(DataError::new(
            "data::too_large",
            format!(
                "the features of {n_nodes} nodes in {width} columns take {}; the limit is {}",
                size_in_words(n_bytes),
                size_in_words(max_bytes)
            ),
        )
        .help(format!(
            "ask for fewer columns; or allow more with `--max-data-size {}GiB`",
            n_bytes.div_ceil(4 << 30)
        ))
        .span(call.args.get("features").and_then(|arg| arg.span)));
    }
    let mut values = Vec::with_capacity(n_nodes * width);
    for node in 0..n_nodes {
        blocks.iter().for_each(|block| block.features.write_rows(node..node + 1, &mut values));
    }
    Ok(Prepared { features: Features::Dense { values: values.into(), width }, columns, random_signs })
}

/// The rows of several blocks, each without its zeros.
fn beside_each_other(blocks: &[Block], n_nodes: usize, width: usize) -> SparseRows {
    let mut rows = SparseRows::new(width);
    let mut row = Vec::new();
    for node in 0..n_nodes {
        row.clear();
        let mut first = 0;
        for block in blocks {
            block.features.each_of_row(node, |column, value| row.push((first + column, value)));
            first += block.features.width() as u32;
        }
        rows.push_row(row.iter().copied());
    }
    rows
}

/// The features of a source that has one feature of its own.
///
/// # Errors
/// As [`read`].
pub fn of_made(
    call: &BoundCall,
    options: &DataOptions,
    (node_offsets, edges): (&[u32], &[(u32, u32)]),
    own: Block,
) -> Result<Prepared, DataError> {
    let known = options.vocabulary.as_ref();
    let n_nodes = node_offsets.last().map_or(0, |&end| end as usize);
    let mut prepared = if is_list(call) {
        let mut own = Some(own);
        // A list names each feature once.
        let mut own = |_: &BoundCall| Ok(own.take().expect("named once"));
        let max_bytes = options.max_bytes()?.saturating_mul(4);
        read(call, &Graphs::new(node_offsets, edges, None), known, &mut own, max_bytes)?
    } else {
        let block = match call.args.choice("features") {
            "degree" => degrees(n_nodes, edges, known.and_then(Vocabulary::max_degree)),
            "constant" => ones(n_nodes),
            _ => own,
        };
        Prepared { features: block.features, columns: block.columns, random_signs: Vec::new() }
    };
    prepared.features = with_rows_normalized(prepared.features, n_nodes, call);
    Ok(prepared)
}

/// A single 1 on each node.
pub fn ones(n_nodes: usize) -> Block {
    Block {
        features: Features::Dense { values: vec![1.0; n_nodes].into(), width: 1 },
        columns: vec![Columns::Constant],
    }
}

/// Whether the features of a call are a list, which [`read`] reads.
pub fn is_list(call: &BoundCall) -> bool {
    call.args.get("features").is_some_and(|arg| matches!(arg.value, ArgValue::Calls(_)))
}

/// The features with each row divided by its sum, where the call asks for that.
#[must_use]
pub fn with_rows_normalized(features: Features, n_rows: usize, call: &BoundCall) -> Features {
    if call.args.get(NORMALIZE.name).is_none_or(|arg| arg.value != ArgValue::Choice("rows")) {
        return features;
    }
    let width = features.width();
    // A single one in each row sums to one as it is.
    if width == 0 || matches!(features, Features::OneHot { .. }) {
        return features;
    }
    let divide = |row: &mut [f32]| {
        let sum: f64 = row.iter().map(|&value| f64::from(value.abs())).sum();
        if sum > 0.0 {
            row.iter_mut().for_each(|value| *value = (f64::from(*value) / sum) as f32);
        }
    };
    if let Features::Sparse(mut rows) = features {
        let values = rows.values.make_mut();
        for row in 0..rows.offsets.len() - 1 {
            divide(&mut values[rows.offsets[row] as usize..rows.offsets[row + 1] as usize]);
        }
        return Features::Sparse(rows);
    }
    let mut values = Vec::with_capacity(n_rows * width);
    features.write_rows(0..n_rows, &mut values);
    values.chunks_exact_mut(width).for_each(divide);
    Features::Dense { values: values.into(), width }
}

fn constant(call: &BoundCall, graphs: &Graphs, _: Option<&Vocabulary>) -> Result<Block, DataError> {
    let value = call.args.float("value");
    if value == 1.0 {
        return Ok(ones(graphs.n_nodes()));
    }
    let values = vec![value as f32; graphs.n_nodes()];
    Ok(Block::computed(values, 1, [&format!("constant feature of {}", float_text(value)); 2]))
}

#[cfg(test)]
mod tests;
