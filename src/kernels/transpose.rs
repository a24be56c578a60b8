//! Rows as columns.

use super::custom::{Kernel, apply1};
use super::float::Float;
use super::product::transposed;
use super::tape::Reads;
use candle_core::{Result, Shape, Tensor};

/// `xᵀ`: `[N, M]` becomes `[M, N]`.
///
/// # Errors
/// Where `x` is no matrix, or the type is neither f32 nor f64.
pub fn transpose(x: &Tensor) -> Result<Tensor> {
    x.dims2()?;
    apply1(Transpose, x)
}

struct Transpose;

impl Kernel<1> for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }
    fn forward<T: Float>(&self, [x]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let (n_rows, n_columns) = shape.dims2()?;
        Ok((transposed(x, n_rows, n_columns), Shape::from((n_columns, n_rows))))
    }
    fn reads(&self) -> Reads {
        Reads::NOTHING
    }
    fn backward(&self, _: [&Tensor; 1], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        Ok([Some(transpose(grad)?)])
    }
}
