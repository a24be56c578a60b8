//! Arithmetic that the facts of several operators share: sizes with data filled in, and words of functions.

use crate::program::Fun;
use crate::types::{Dim, Type};

/// Width of a value as a number; 0 while it is symbolic.
pub fn width(ty: &Type) -> f64 {
    known(&ty.width) as f64
}

/// A size as a number for initialisation and costs; 0 while it is symbolic (such a model cannot be built).
pub fn known(dim: &Dim) -> usize {
    dim.known().unwrap_or(0)
}

/// Words that an `activation` argument takes.
pub const ACTIVATION_WORDS: &[&str] = &["relu", "leaky_relu", "elu", "gelu", "sigmoid", "tanh", "none"];

/// The function that a word of [`ACTIVATION_WORDS`] names, with the defaults of the operator of that name.
pub fn activation_of(word: &str) -> Option<Fun> {
    match word {
        "relu" => Some(Fun::Relu),
        "leaky_relu" => Some(Fun::LeakyRelu(0.01)),
        "elu" => Some(Fun::Elu(1.0)),
        "gelu" => Some(Fun::Gelu),
        "sigmoid" => Some(Fun::Sigmoid),
        "tanh" => Some(Fun::Tanh),
        _ => None,
    }
}
