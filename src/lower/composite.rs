//! The kernels of composites ([`crate::program::composite`]), on nodes and on clusters.

use super::{ForwardCx, Structure};
use crate::kernels::hops::Near;
use crate::kernels::{
    self, Activation, AttentionOptions, Draw, EdgeDropout, Reduce, SelfAttentionOptions, tape,
};
use crate::program::composite::{Attention, Composite, Norm, Over};
use candle_core::{Result, Tensor, Var, bail};

/// What a kernel sees beside its arguments.
pub struct Place<'a> {
    pub structure: &'a Structure,
    /// Place of the stage in the model, which its random numbers follow from.
    pub node: u64,
}

/// The first site of attention inside of graphs; what primitives and layers of dropout draw stands before.
const ATTENTION_SITES: u64 = 1 << 16;

/// The first site of pairs that are drawn.
const PAIR_SITES: u64 = 1 << 17;

/// Runs a composite. `buffers` are the running statistics of batch norm.
///
/// # Errors
/// Where Candle fails; shapes were proved before.
pub fn run(
    what: &Composite,
    args: &[&Tensor],
    buffers: &[&Var],
    then: Activation,
    place: &Place,
    cx: &mut ForwardCx,
) -> Result<Tensor> {
    let (x, structure) = (args[0], place.structure);
    match what {
        Composite::Affine { has_bias } => {
            kernels::linear(x, args[1], args.get(2).copied().filter(|_| *has_bias), then)
        }
        Composite::Convolve { norm, has_root, has_bias } => {
            let bias = args.get(2).copied().filter(|_| *has_bias);
            match structure {
                Structure::Sparse(graph) if *has_root => {
                    kernels::sage_layer(x, graph, *norm, args[1], bias, then)
                }
                Structure::Sparse(graph) => kernels::gcn_layer(x, graph, *norm, args[1], bias, then),
                _ => {
                    let adjacency = adjacency(structure)?;
                    let gathered = gathered(adjacency, x, *norm, *has_root, cx)?;
                    kernels::linear(&gathered, args[1], bias, then)
                }
            }
        }
        Composite::Propagate(norm) => match structure {
            Structure::Sparse(graph) => kernels::propagate(x, graph, *norm),
            _ => gathered(adjacency(structure)?, x, *norm, false, cx),
        },
        Composite::PropagateMax => kernels::propagate_max(x, graph(structure)?),
        Composite::PropagateLstm => kernels::lstm_aggregate(x, graph(structure)?, args[1], args[2]),
        Composite::Attend(options) => {
            let options = attention(*options, place.node, cx);
            match structure {
                Structure::Sparse(graph) => kernels::gat_attention(x, args[1], args[2], graph, options),
                _ => kernels::dense_gat_attention(x, args[1], args[2], adjacency(structure)?, options),
            }
        }
        Composite::SelfAttention { heads, dropout, place: at, .. } => {
            let dropout = (cx.train && *dropout > 0.0).then(|| EdgeDropout {
                p: *dropout,
                seed: cx.seed_of(place.node, ATTENTION_SITES + *at as u64),
            });
            let options = SelfAttentionOptions { heads: *heads, dropout };
            kernels::self_attention(x, &structure.offsets(), options)
        }
        Composite::Table => {
            let (rows, n_rows) = (x.dim(0)?, structure.offsets().last().copied().unwrap_or(0));
            if rows != n_rows as usize {
                bail!("the network learned rows for {rows} nodes, the batch has {n_rows}")
            }
            Ok(x.clone())
        }
        Composite::Activate(f) => kernels::activate(x, Activation::of(Some(*f))),
        Composite::Dropout { p, place: at } => {
            if !cx.train || *p == 0.0 {
                return Ok(x.clone());
            }
            kernels::dropout(x, *p, cx.seed_of(place.node, *at as u64))
        }
        Composite::BatchNorm { momentum, eps } => {
            let &[mean, var] = buffers else { bail!("batch norm has two buffers") };
            let (n, width) = (x.elem_count(), args[1].elem_count());
            let norm = |x: &Tensor| {
                kernels::batch_norm(x, args[1], args[2], (mean, var), *momentum, *eps, cx.train, then)
            };
            // Of an image each place is a row of channels.
            match x.dims() {
                &[_, of_row] if of_row == width => norm(x),
                dims => tape::reshape(&norm(&tape::reshape(x, (n / width.max(1), width))?)?, dims),
            }
        }
        Composite::RowNorm { eps } => kernels::layer_norm(x, args[1], args[2], *eps, then),
        Composite::GraphNorm { eps } => {
            let x = kernels::graph_layer_norm(x, args[1], args[2], &structure.offsets(), *eps)?;
            kernels::activate(&x, then)
        }
        Composite::Beside => {
            let parts: Vec<Tensor> = args.iter().map(|&part| part.clone()).collect();
            kernels::concat_columns(&parts)
        }
        Composite::Plus => {
            let mut sum = x.clone();
            for part in &args[1..] {
                sum = kernels::add(&sum, part)?;
            }
            Ok(sum)
        }
        Composite::SoftmaxRows => kernels::softmax_rows(x),
        Composite::Readout(over) => {
            let how = match over {
                Over::Sum => Reduce::Sum,
                Over::Mean => Reduce::Mean,
                Over::Max => Reduce::Max,
            };
            kernels::segment_reduce(x, &structure.offsets(), how)
        }
        Composite::Sort { k } => {
            let Some(k) = k.known() else { bail!("how many rows are sorted is not known without data") };
            kernels::sort_rows(x, &structure.offsets(), k)
        }
        Composite::Flatten { width } => {
            let Some(width) = width.known() else {
                bail!("the width of `flatten` is not known without data")
            };
            match structure {
                Structure::Sparse(graph) => lay_out_nodes(x, &graph.graph_offsets, width),
                _ => tape::reshape(x, (structure.n_graphs(), width)),
            }
        }
        Composite::Pool => match structure {
            Structure::Sparse(graph) => kernels::segment_product(x, args[1], &graph.graph_offsets),
            _ => kernels::cluster_segment_product(x, args[1], structure.n_graphs()),
        },
        Composite::CoarseAdjacency => match structure {
            Structure::Sparse(graph) => kernels::assignment_adjacency(x, graph),
            _ => kernels::cluster_assignment_adjacency(x, adjacency(structure)?),
        },
        Composite::LinkLoss => match structure {
            Structure::Sparse(graph) => kernels::link_loss(x, graph),
            _ => kernels::dense_link_loss(x, adjacency(structure)?),
        },
        Composite::Entropy => match structure {
            Structure::Sparse(graph) => kernels::assignment_entropy(x, &graph.graph_offsets),
            _ => kernels::cluster_assignment_entropy(x, structure.n_graphs()),
        },
        Composite::CutSides => kernels::spectral::cut_sides(x, args.get(1).copied(), graph(structure)?),
        Composite::Factors { k } => {
            let Some(k) = k.known() else { bail!("how many factors there are is not known without data") };
            kernels::spectral::factors(x, graph(structure)?, k)
        }
        Composite::GammaDraws { place: at } => {
            kernels::ln_gamma_draws(x, cx.train.then(|| cx.seed_of(place.node, *at as u64)))
        }
        Composite::PairSoftplus => kernels::pair_softplus(x, args[1], &structure.offsets()),
        Composite::UnlinkedSoftplus { per_edge, own_loops, place: at } => {
            let seed = cx.train.then(|| cx.seed_of(place.node, PAIR_SITES + *at as u64));
            let draw = Draw { per_edge: *per_edge, own_loops: *own_loops, seed };
            kernels::unlinked_softplus(x, args[1], graph(structure)?, draw)
        }
        Composite::Nearness => {
            let near = match structure {
                Structure::Sparse(graph) => Near::of_graph(graph),
                _ => Near::of_clusters(adjacency(structure)?)?,
            };
            kernels::hops::nearness(x, &near)
        }
        Composite::Fields { w, k, stride, order } => {
            kernels::fields(x, graph(structure)?, *w, *k, *stride, *order)
        }
        Composite::Nearest { .. }
        | Composite::Bands { .. }
        | Composite::Select(..)
        | Composite::Join { .. }
        | Composite::MergedMax
        | Composite::Answers
        | Composite::Kept
        | Composite::Contract { .. }
        | Composite::Merged
        | Composite::OfContracted => {
            bail!("what makes a level, or reads how it was made, is no kernel alone")
        }
    }
}

fn attention(options: Attention, node: u64, cx: &ForwardCx) -> AttentionOptions {
    AttentionOptions {
        heads: options.heads,
        slope: options.slope,
        self_loops: options.self_loops,
        dropout: (cx.train && options.dropout > 0.0)
            .then(|| EdgeDropout { p: options.dropout, seed: cx.seed_of(node, 0) }),
    }
}

/// `P x`, or `[P x | x]`, between clusters; computed once where several stages of a step ask for it.
fn gathered(
    adjacency: &Tensor,
    x: &Tensor,
    norm: Norm,
    is_beside: bool,
    cx: &mut ForwardCx,
) -> Result<Tensor> {
    cx.shared((norm, is_beside), &[adjacency, x], || {
        if is_beside {
            kernels::dense_propagate_beside(adjacency, x, norm)
        } else {
            kernels::dense_propagate(adjacency, x, norm)
        }
    })
}

/// The coarse adjacency that a convolution on clusters reads.
fn adjacency(structure: &Structure) -> Result<&Tensor> {
    match structure {
        Structure::Clusters { adjacency: Some(adjacency), .. } => Ok(adjacency),
        Structure::Clusters { .. } => bail!("the pooling before this stage made no coarse adjacency"),
        _ => bail!("a stage that reads edges got a value without edges"),
    }
}

fn graph(structure: &Structure) -> Result<&std::sync::Arc<crate::kernels::graph::SparseGraph>> {
    match structure {
        Structure::Sparse(graph) => Ok(graph),
        _ => bail!("a stage that works on nodes got another value"),
    }
}

/// The rows of each graph one after another, zeros where it has fewer than fit.
fn lay_out_nodes(x: &Tensor, offsets: &[u32], width: usize) -> Result<Tensor> {
    let n_features = x.dim(1)?;
    let n_rows = width / n_features.max(1);
    let mut graphs = Vec::with_capacity(offsets.len() - 1);
    for pair in offsets.windows(2) {
        let (start, n_nodes) = (pair[0] as usize, ((pair[1] - pair[0]) as usize).min(n_rows));
        let rows = x.narrow(0, start, n_nodes)?.pad_with_zeros(0, 0, n_rows - n_nodes)?;
        graphs.push(rows.reshape((1, n_rows * n_features))?);
    }
    Tensor::cat(&graphs, 0)
}
