//! Elementwise functions that are made of others.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range, default_args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::program::V;
use crate::types::Type;

/// An operator that takes a function of each number alone, written in primitives.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct Composed {
    name: &'static str,
    doc: Doc,
    args: &'static [ArgSpec],
    /// Class in PyTorch, and its arguments that are called otherwise here.
    torch: (&'static str, &'static [(&'static str, &'static str)]),
    function: for<'b> fn(&Args, V<'b>) -> V<'b>,
}

/// A number in a range, given without its name.
const fn number(name: &'static str, range: Range, default: f64, doc: &'static str) -> ArgSpec {
    ArgSpec { name, kind: ArgKind::Float(range), default: Default::Float(default), positional: true, doc }
}

/// What `(x + 3) / 6` is cut to: between 0 and 1.
fn hard_gate(x: V) -> V {
    x.offset(3.0).scale(1.0 / 6.0).at_least(0.0).at_most(1.0)
}

/// Sigmoid linear unit, swish: `x σ(x)`. PyG: `torch.nn.SiLU`.
pub static SILU: Composed = Composed {
    name: "silu",
    doc: Doc {
        summary: "The sigmoid linear unit, also called swish.",
        formula: "x / (1 + exp(−x))",
        paper: "Ramachandran et al. 2017, \"Searching for Activation Functions\"",
        example: "gcn(32) -> silu -> mean -> linear",
    },
    args: &[],
    torch: ("torch.nn.SiLU", &[]),
    function: |_, x| x * x.sigmoid(),
};

/// `x tanh(ln(1 + exp(x)))`. PyG: `torch.nn.Mish`.
pub static MISH: Composed = Composed {
    name: "mish",
    doc: Doc {
        summary: "Mish: the number times the hyperbolic tangent of its softplus.",
        formula: "x tanh(ln(1 + exp(x)))",
        paper: "Misra 2020, \"Mish: A Self Regularized Non-Monotonic Activation Function\"",
        example: "gcn(32) -> mish -> mean -> linear",
    },
    args: &[],
    torch: ("torch.nn.Mish", &[]),
    function: |_, x| x * x.softplus().tanh(),
};

/// `ln(1 + exp(βx)) / β`. PyG: `torch.nn.Softplus`, which goes over to the identity at its `threshold`; here the function is
/// computed such that nothing overflows.
pub static SOFTPLUS: Composed = Composed {
    name: "softplus",
    doc: Doc {
        summary: "A smooth rectifier, always positive.",
        formula: "ln(1 + exp(β x)) / β",
        paper: "Dugas et al. 2001, \"Incorporating Second-Order Functional Knowledge for Better Option Pricing\"",
        example: "gcn(32) -> softplus -> mean -> linear",
    },
    args: &[number("beta", Range::closed(1e-6, 1e4), 1.0, "β: the larger, the nearer to the rectifier.")],
    torch: ("torch.nn.Softplus", &[]),
    function: |args, x| {
        let beta = args.float("beta");
        x.scale(beta).softplus().scale(1.0 / beta)
    },
};

/// Scaled exponential linear unit, with the constants that keep mean 0 and variance 1. PyG: `torch.nn.SELU`.
pub static SELU: Composed = Composed {
    name: "selu",
    doc: Doc {
        summary: "The exponential linear unit, scaled such that mean 0 and variance 1 are kept.",
        formula: "λ x if x > 0, else λ α (exp(x) − 1)",
        paper: "Klambauer et al. 2017, \"Self-Normalizing Neural Networks\"",
        example: "gcn(32) -> selu -> mean -> linear",
    },
    args: &[],
    torch: ("torch.nn.SELU", &[]),
    function: |_, x| x.elu(1.673_263_242_354_377_2).scale(1.050_700_987_355_480_5),
};

/// Continuously differentiable exponential linear unit: `x` where `x > 0`, else `α (exp(x / α) − 1)`. PyG: `torch.nn.CELU`.
pub static CELU: Composed = Composed {
    name: "celu",
    doc: Doc {
        summary: "The exponential linear unit with a slope of 1 at zero, whatever α is.",
        formula: "x if x > 0, else α (exp(x / α) − 1)",
        paper: "Barron 2017, \"Continuously Differentiable Exponential Linear Units\"",
        example: "gcn(32) -> celu(0.5) -> mean -> linear",
    },
    args: &[number("alpha", Range::closed(1e-6, 100.0), 1.0, "α: the result approaches −α far below zero.")],
    torch: ("torch.nn.CELU", &[]),
    function: |args, x| {
        let alpha = args.float("alpha");
        x.scale(1.0 / alpha).elu(1.0).scale(alpha)
    },
};

/// `min(max(0, x), 6)`. PyG: `torch.nn.ReLU6`.
pub static RELU6: Composed = Composed {
    name: "relu6",
    doc: Doc {
        summary: "The rectifier, at most 6.",
        formula: "min(max(0, x), 6)",
        paper: "Howard et al. 2017, \"MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications\"",
        example: "gcn(32) -> relu6 -> mean -> linear",
    },
    args: &[],
    torch: ("torch.nn.ReLU6", &[]),
    function: |_, x| x.relu().at_most(6.0),
};

/// `min(max(min, x), max)`. PyG: `torch.nn.Hardtanh`.
pub static HARDTANH: Composed = Composed {
    name: "hardtanh",
    doc: Doc {
        summary: "The number itself between two bounds, and the bounds outside.",
        formula: "min(max(a, x), b)",
        paper: "",
        example: "gcn(32) -> hardtanh -> mean -> linear",
    },
    args: &[
        number("min", Range::closed(-1e6, 1e6), -1.0, "The lower bound, `min_val` in PyTorch."),
        number("max", Range::closed(-1e6, 1e6), 1.0, "The upper bound, `max_val` in PyTorch."),
    ],
    torch: ("torch.nn.Hardtanh", &[("min_val", "min"), ("max_val", "max")]),
    function: |args, x| x.at_least(args.float("min")).at_most(args.float("max")),
};

/// `x min(max(0, x + 3), 6) / 6`. PyG: `torch.nn.Hardswish`.
pub static HARDSWISH: Composed = Composed {
    name: "hardswish",
    doc: Doc {
        summary: "The sigmoid linear unit with straight lines for the sigmoid.",
        formula: "x min(max(0, x + 3), 6) / 6",
        paper: "Howard et al. 2019, \"Searching for MobileNetV3\"",
        example: "gcn(32) -> hardswish -> mean -> linear",
    },
    args: &[],
    torch: ("torch.nn.Hardswish", &[]),
    function: |_, x| x * hard_gate(x),
};

/// `min(max(0, x + 3), 6) / 6`. PyG: `torch.nn.Hardsigmoid`.
pub static HARDSIGMOID: Composed = Composed {
    name: "hardsigmoid",
    doc: Doc {
        summary: "The logistic function made of straight lines.",
        formula: "min(max(0, x + 3), 6) / 6",
        paper: "Courbariaux et al. 2015, \"BinaryConnect: Training Deep Neural Networks with Binary Weights during Propagations\"",
        example: "gcn(32) -> hardsigmoid -> mean -> linear",
    },
    args: &[],
    torch: ("torch.nn.Hardsigmoid", &[]),
    function: |_, x| hard_gate(x),
};

/// `x / (1 + |x|)`. PyG: `torch.nn.Softsign`.
pub static SOFTSIGN: Composed = Composed {
    name: "softsign",
    doc: Doc {
        summary: "The number divided by one more than its size, between −1 and 1.",
        formula: "x / (1 + |x|)",
        paper: "",
        example: "gcn(32) -> softsign -> mean -> linear",
    },
    args: &[],
    torch: ("torch.nn.Softsign", &[]),
    function: |_, x| x / x.abs().offset(1.0),
};

/// `−ln(1 + exp(−x))`. PyG: `torch.nn.LogSigmoid`.
pub static LOGSIGMOID: Composed = Composed {
    name: "logsigmoid",
    doc: Doc {
        summary: "The logarithm of the logistic function.",
        formula: "−ln(1 + exp(−x))",
        paper: "",
        example: "gcn(32) -> logsigmoid -> mean -> linear",
    },
    args: &[],
    torch: ("torch.nn.LogSigmoid", &[]),
    function: |_, x| -(-x).softplus(),
};

/// All of them, in the order of the reference.
static ALL: &[&Composed] = &[
    &SILU,
    &MISH,
    &SOFTPLUS,
    &SELU,
    &CELU,
    &RELU6,
    &HARDTANH,
    &HARDSWISH,
    &HARDSIGMOID,
    &SOFTSIGN,
    &LOGSIGMOID,
];

/// The function of this name with its defaults; the value itself for any other name.
pub fn apply<'b>(name: &str, x: V<'b>) -> V<'b> {
    let known = ALL.iter().find(|known| known.name == name);
    known.map_or(x, |known| (known.function)(&default_args(known.args), x))
}

impl Operator for Composed {
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
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if self.name == HARDTANH.name {
            let [min, max] = ["min", "max"].map(|name| cx.args.float(name));
            if min >= max {
                let arg = if cx.args.is_written("max") { "max" } else { "min" };
                let message = format!("`min` = {min} is not below `max` = {max}: nothing lies between them");
                let help = "write a lower and an upper bound";
                return Err(findings::args::does_not_fit(cx, arg, &message, help));
            }
        }
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        Some(Outcome::rows((self.function)(cx.args, cx.x())))
    }
    fn pyg(&self) -> Pyg {
        let (class, arguments) = self.torch;
        Pyg { class, weights: &[], arguments, note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Activation
    }
}
