//! The handful of kernels that carry all message passing and dense layers, forward and backward, as
//! Candle custom operators over f32 and f64. `reference` holds a plain version of each, which tests compare with.
//!
//! Work is cut by the data's size, never by the number of threads, so results are the same bits on any machine width.

pub mod assignment;
pub mod assignment_loss;
mod custom;
pub mod propagate;
pub mod softmax;
#[cfg(test)]
mod testkit;

pub use propagate::DegreeCache;

/// An elementwise function that other kernels can compute on their way out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    Identity,
    Relu,
    LeakyRelu { slope: f64 },
    Elu { alpha: f64 },
    Gelu,
    Sigmoid,
    Tanh,
}
