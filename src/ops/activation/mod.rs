//! Elementwise functions. After an operator that can compute one on its way out, the plan moves it there.

pub mod composed;
pub mod log_softmax;
pub mod prelu;

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::program::Fun;
use crate::program::composite::Composite;
use crate::types::Type;

/// An operator that takes a function of each number alone.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct Elementwise {
    name: &'static str,
    doc: Doc,
    args: &'static [ArgSpec],
    /// Class in PyTorch.
    torch: &'static str,
    function: fn(&Args) -> Fun,
}

/// Rectifier: `max(0, x)`. PyG: `torch.nn.ReLU`.
pub static RELU: Elementwise = Elementwise {
    name: "relu",
    doc: Doc {
        summary: "The rectified linear unit, element by element.",
        formula: "max(0, x)",
        paper: "Nair and Hinton 2010, \"Rectified Linear Units Improve Restricted Boltzmann Machines\"",
        example: "gcn(32) -> relu -> mean -> linear",
    },
    args: &[],
    torch: "torch.nn.ReLU",
    function: |_| Fun::Relu,
};

/// Rectifier with a slope below zero: `x` where `x > 0`, else `slope · x`. PyG: `torch.nn.LeakyReLU`.
pub static LEAKY_RELU: Elementwise = Elementwise {
    name: "leaky_relu",
    doc: Doc {
        summary: "The rectifier with a small slope below zero.",
        formula: "max(0, x) + slope · min(0, x)",
        paper: "Maas et al. 2013, \"Rectifier Nonlinearities Improve Neural Network Acoustic Models\"",
        example: "gcn(32) -> leaky_relu(0.2) -> mean -> linear",
    },
    args: &[ArgSpec {
        name: "slope",
        kind: ArgKind::Float(Range::closed(0.0, 1.0)),
        default: Default::Float(0.01),
        positional: true,
        doc: "Slope below zero; PyTorch calls it `negative_slope`.",
    }],
    torch: "torch.nn.LeakyReLU",
    function: |args| Fun::LeakyRelu(args.float("slope")),
};

/// Exponential linear unit: `x` where `x > 0`, else `α (exp(x) − 1)`. PyG: `torch.nn.ELU`.
pub static ELU: Elementwise = Elementwise {
    name: "elu",
    doc: Doc {
        summary: "The exponential linear unit.",
        formula: "x if x > 0, else α (exp(x) − 1)",
        paper: "Clevert et al. 2016, \"Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)\"",
        example: "gcn(32) -> elu -> mean -> linear",
    },
    args: &[ArgSpec {
        name: "alpha",
        kind: ArgKind::Float(Range::closed(1e-6, 100.0)),
        default: Default::Float(1.0),
        positional: true,
        doc: "α: the result approaches −α far below zero.",
    }],
    torch: "torch.nn.ELU",
    function: |args| Fun::Elu(args.float("alpha")),
};

/// Gaussian error linear unit: `x Φ(x)` with the normal distribution function Φ, not its tanh approximation.
/// PyG: `torch.nn.GELU`.
pub static GELU: Elementwise = Elementwise {
    name: "gelu",
    doc: Doc {
        summary: "The Gaussian error linear unit.",
        formula: "x Φ(x)",
        paper: "Hendrycks and Gimpel 2016, \"Gaussian Error Linear Units (GELUs)\"",
        example: "gcn(32) -> gelu -> mean -> linear",
    },
    args: &[],
    torch: "torch.nn.GELU",
    function: |_| Fun::Gelu,
};

/// Logistic function: `1 / (1 + exp(−x))`. PyG: `torch.nn.Sigmoid`.
pub static SIGMOID: Elementwise = Elementwise {
    name: "sigmoid",
    doc: Doc {
        summary: "The logistic function, with results between 0 and 1.",
        formula: "1 / (1 + exp(−x))",
        paper: "",
        example: "gcn(32) -> sigmoid -> mean -> linear",
    },
    args: &[],
    torch: "torch.nn.Sigmoid",
    function: |_| Fun::Sigmoid,
};

/// Hyperbolic tangent. PyG: `torch.nn.Tanh`.
pub static TANH: Elementwise = Elementwise {
    name: "tanh",
    doc: Doc {
        summary: "The hyperbolic tangent, with results between −1 and 1.",
        formula: "tanh(x)",
        paper: "",
        example: "gcn(32) -> tanh -> mean -> linear",
    },
    args: &[],
    torch: "torch.nn.Tanh",
    function: |_| Fun::Tanh,
};

impl Operator for Elementwise {
    fn name(&self) -> &'static str {
        self.name
    }
    fn family(&self) -> Family {
        Family::Activation
    }
    fn doc(&self) -> Doc {
        self.doc
    }
    fn args(&self) -> &'static [ArgSpec] {
        self.args
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let function = Composite::Activate((self.function)(cx.args));
        Some(Outcome::rows(cx.b.call(function, &[cx.x()])))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: self.torch, weights: &[], arguments: &[], note: "" }
    }
    fn as_activation(&self, args: &Args) -> Option<Fun> {
        Some((self.function)(args))
    }
    fn action(&self, _: &Args) -> Action {
        Action::Activation
    }
}
