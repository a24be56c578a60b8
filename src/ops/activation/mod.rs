//! Elementwise functions. After an operator that can compute one on its way out, the plan moves it there.

pub mod elu;
pub mod gelu;
pub mod leaky_relu;
pub mod relu;
pub mod sigmoid;
pub mod tanh;
