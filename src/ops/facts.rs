//! Arithmetic that the facts of several operators share: sizes with data filled in, widths, and the weights of a
//! dense layer.

use crate::ir::{Dim, Type};
use crate::kernels::Activation;
use crate::ops::{Init, WeightSpec};

/// Width of a value as a number; 0 while it is symbolic.
pub fn width(ty: &Type) -> f64 {
    known(&ty.width) as f64
}

/// A size as a number for initialisation and costs; 0 while it is symbolic (such a model cannot be built).
pub fn known(dim: &Dim) -> usize {
    dim.known().unwrap_or(0)
}

/// Matrix `[in, out]` and, where asked for, bias `[out]` of a dense layer, initialised as `torch.nn.Linear`.
pub fn dense_weights(
    weight: &'static str,
    bias: Option<&'static str>,
    from: &Dim,
    to: &Dim,
) -> Vec<WeightSpec> {
    let init = Init::KaimingUniform { fan_in: known(from) };
    let mut weights =
        vec![WeightSpec { name: weight, shape: vec![from.clone(), to.clone()], init, is_trained: true }];
    if let Some(name) = bias {
        weights.push(WeightSpec { name, shape: vec![to.clone()], init, is_trained: true });
    }
    weights
}

/// Words that an `activation` argument takes.
pub const ACTIVATION_WORDS: &[&str] = &["relu", "leaky_relu", "elu", "gelu", "sigmoid", "tanh", "none"];

/// The function that a word of [`ACTIVATION_WORDS`] names, with the defaults of the operator of that name.
pub fn activation_of(word: &str) -> Activation {
    match word {
        "relu" => Activation::Relu,
        "leaky_relu" => Activation::LeakyRelu { slope: 0.01 },
        "elu" => Activation::Elu { alpha: 1.0 },
        "gelu" => Activation::Gelu,
        "sigmoid" => Activation::Sigmoid,
        "tanh" => Activation::Tanh,
        _ => Activation::Identity,
    }
}
