//! Arithmetic that the facts of several operators share: sizes with data filled in, and words of functions.

use super::activation::composed;
use crate::program::{Fun, V};
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
pub const ACTIVATION_WORDS: &[&str] = &[
    "relu",
    "leaky_relu",
    "elu",
    "gelu",
    "sigmoid",
    "tanh",
    "silu",
    "mish",
    "softplus",
    "selu",
    "celu",
    "relu6",
    "hardswish",
    "none",
];

/// What a word of [`ACTIVATION_WORDS`] makes of a value, with the defaults of the operator of that name.
pub fn activated<'b>(word: &str, x: V<'b>) -> V<'b> {
    match activation_of(word) {
        Some(f) => x.build().map(f, &[x]),
        None => composed::apply(word, x),
    }
}

/// The function that a word names, where a single one is.
fn activation_of(word: &str) -> Option<Fun> {
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
