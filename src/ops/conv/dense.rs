//! Aggregation over the coarse adjacency, made of Candle's own operators.
//!
//! # Shapes
//! - `adjacency`: `[G, k, k]`; `x`: `[G · k, F]`; result: `[G · k, F]`

use candle_core::{Result, Tensor};

/// `A x` of each graph.
pub fn dense_product(adjacency: &Tensor, x: &Tensor) -> Result<Tensor> {
    let (n_graphs, k, _) = adjacency.dims3()?;
    adjacency.matmul(&x.reshape((n_graphs, k, ()))?)?.reshape(x.shape())
}

/// `A x` divided by the row sums of `A`, which count at least 1, as PyG's `DenseSAGEConv`.
pub fn dense_mean(adjacency: &Tensor, x: &Tensor) -> Result<Tensor> {
    let (n_graphs, k, _) = adjacency.dims3()?;
    let degrees = at_least_one(&adjacency.sum(2)?)?.reshape((n_graphs * k, 1))?;
    dense_product(adjacency, x)?.broadcast_div(&degrees)
}

/// `D^-½ A D^-½ x`, with ones on the diagonal of `A` for `self_loops` and row sums that count at least 1,
/// as PyG's `DenseGCNConv`.
pub fn dense_gcn(adjacency: &Tensor, x: &Tensor, self_loops: bool) -> Result<Tensor> {
    let (n_graphs, k, _) = adjacency.dims3()?;
    let adjacency = if self_loops {
        let eye = Tensor::eye(k, adjacency.dtype(), adjacency.device())?;
        adjacency.broadcast_mul(&eye.affine(-1.0, 1.0)?)?.broadcast_add(&eye)?
    } else {
        adjacency.clone()
    };
    let scale = at_least_one(&adjacency.sum(2)?)?.sqrt()?.recip()?.reshape((n_graphs * k, 1))?;
    dense_product(&adjacency, &x.broadcast_mul(&scale)?)?.broadcast_mul(&scale)
}

/// `max(degree, 1)`, flat at 1 as PyG's: clusters that see only themselves have degree 1.
fn at_least_one(degrees: &Tensor) -> Result<Tensor> {
    let is_above = degrees.gt(1.0)?.to_dtype(degrees.dtype())?;
    (degrees * &is_above)? + is_above.affine(-1.0, 1.0)?
}
