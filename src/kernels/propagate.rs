//! Message passing without edge weights: sums over neighbours with per-node scales.

use std::sync::OnceLock;

/// Functions of the degrees that several kernels of one batch share.
#[derive(Debug, Clone, Default)]
pub struct DegreeCache {
    gcn_f32: OnceLock<GcnScales<f32>>,
    gcn_f64: OnceLock<GcnScales<f64>>,
}

/// Scales of the symmetric normalisation with self loops.
#[derive(Debug, Clone)]
struct GcnScales<T> {
    /// `1/√d`, with `d` the in-degree that counts one self loop.
    inverse_root: Vec<T>,
    /// `1 −` stored self loops: what is missing to exactly one self loop a node.
    missing_loops: Vec<T>,
}
