//! The handful of kernels that carry all message passing and dense layers, forward and backward, as
//! Candle custom operators over f32 and f64. `reference` holds a plain version of each, which tests compare with.
//!
//! Work is cut by the data's size, never by the number of threads, so results are the same bits on any machine width.
//!
//! Inputs are row-major; where one is not contiguous it is copied first. No gradient is computed for an input
//! that no variable stands behind.

pub mod activation;
pub mod assignment;
pub mod assignment_loss;
pub mod attention;
pub mod bands;
mod colours;
pub mod contract;
pub mod convolve;
mod custom;
pub mod dense;
pub(crate) mod device;
pub mod dropout;
pub(crate) mod eigen;
pub mod fields;
pub mod float;
pub mod gamma;
pub mod graph;
pub mod group_norm;
pub mod hops;
pub mod join;
pub mod linear;
pub mod loss;
pub mod lstm;
pub mod nearest;
pub mod norm;
pub mod pairs;
pub(crate) mod parallel;
pub mod parts;
pub(crate) mod per_graph;
mod product;
pub(crate) mod program;
pub mod propagate;
pub mod queries;
#[cfg(test)]
pub(crate) mod recorder;
#[cfg(test)]
pub(crate) mod reference;
pub mod rows;
pub mod segment;
pub mod select;
pub mod self_attention;
pub mod softmax;
pub mod sort;
pub mod sparse;
pub mod spectral;
pub mod summation;
pub mod tape;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod testkit;
pub mod threads;
pub mod transpose;
pub mod unlinked;

pub use crate::program::Norm;
pub use crate::program::composite::Keep;
pub use activation::{Activation, activate};
pub use assignment::{
    assignment_adjacency, cluster_assignment_adjacency, cluster_segment_product, segment_product,
};
pub use assignment_loss::{
    AssignmentStats, assignment_entropy, cluster_assignment_entropy, cluster_pooling_stats, dense_link_loss,
    link_loss, pooling_stats, sum_over_graphs,
};
pub use attention::{AttentionOptions, dense_gat_attention, gat_attention};
pub use bands::bands;
pub use colours::{colours, counted_colours, mixed, refined};
pub use contract::{Contraction, contract, max_of_lists, mean_of_lists, sum_of_lists};
pub use convolve::{gcn_layer, sage_layer};
pub use dense::{dense_product, dense_propagate, dense_propagate_beside};
#[cfg(test)]
pub(crate) use device::pretending;
pub use dropout::{EdgeDropout, dropout, noise};
pub use fields::fields;
pub use float::Float;
pub use gamma::ln_gamma_draws;
pub use group_norm::{graph_layer_norm, layer_norm};
pub use join::join;
pub use linear::linear;
pub use loss::{
    cross_entropy, cross_entropy_of_rows, mse, scaled, square_error_of_rows, weighted_cross_entropy,
};
pub use lstm::lstm_aggregate;
pub use nearest::nearest;
pub use norm::batch_norm;
pub use pairs::pair_softplus;
pub(crate) use parallel::{block_elements, block_rows, chunk_rows};
pub(crate) use parallel::{each, map_each};
pub use propagate::{DegreeCache, propagate, propagate_max};
pub use queries::{Queries, answers};
pub use rows::{add, concat_columns, gather_rows};
pub use segment::{Reduce, segment_reduce};
pub use select::{Selection, select_joined, select_top};
pub(crate) use self_attention::rows_at_a_time;
pub use self_attention::{SelfAttentionOptions, self_attention};
pub use softmax::softmax_rows;
pub use sort::sort_rows;
pub use summation::Summation;
pub use transpose::transpose;
pub use unlinked::{Draw, unlinked_softplus};
