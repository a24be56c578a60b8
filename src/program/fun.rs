//! Functions of numbers at the same place. One table: what a function computes, its name, its cost. Derivatives stand in
//! [`super::gradient`].

use super::special::{ln_gamma, polygamma};

/// A scalar function of one to three numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fun {
    /// The number itself; no gradient passes.
    Stop,
    Neg,
    Abs,
    /// −1, 0 or 1.
    Sign,
    Exp,
    Ln,
    Sqrt,
    /// `1 / x`
    Reciprocal,
    Square,
    Relu,
    /// `x`, and `slope · x` below 0.
    LeakyRelu(f64),
    /// `x`, and `alpha (eˣ − 1)` below 0.
    Elu(f64),
    /// `x Φ(x)` with the error function.
    Gelu,
    /// `Φ(x) + x φ(x)`
    GeluSlope,
    Sigmoid,
    Tanh,
    /// `ln(1 + eˣ)`
    Softplus,
    /// `c x`
    Scale(f64),
    /// `x + c`
    Offset(f64),
    /// `x` raised to `c`
    Power(f64),
    /// `max(x, c)`
    AtLeast(f64),
    /// `min(x, c)`
    AtMost(f64),
    /// 1 where `x > c`, else 0.
    Above(f64),
    /// The largest whole number that is no larger.
    Floor,
    Sin,
    Cos,
    /// `ln Γ(x)` of a number above 0.
    LnGamma,
    /// The derivative of `ln Γ` of the order `c + 1`: digamma for 0, trigamma for 1.
    Polygamma(f64),
    Add,
    Sub,
    Mul,
    Div,
    /// The larger of two.
    Max,
    /// The angle whose sine and cosine are as two numbers; 0 where both are 0.
    Angle,
    /// 1 where both are equal, else 0.
    Equal,
    /// `b` where `a > 0`, else 0: the gradient of a rectifier.
    Gate,
    /// `b`, or `slope · b` where `a ≤ 0`.
    LeakyGate(f64),
    /// `b` where `a` is not 0, else `c`.
    Where,
}

impl Fun {
    /// How many numbers it takes.
    pub fn arity(self) -> usize {
        match self {
            Fun::Where => 3,
            Fun::Add
            | Fun::Sub
            | Fun::Mul
            | Fun::Div
            | Fun::Max
            | Fun::Angle
            | Fun::Equal
            | Fun::Gate
            | Fun::LeakyGate(_) => 2,
            _ => 1,
        }
    }

    /// Whether it is one of the functions that stages are named after.
    pub fn is_activation(self) -> bool {
        matches!(self, Fun::Relu | Fun::LeakyRelu(_) | Fun::Elu(_) | Fun::Gelu | Fun::Sigmoid | Fun::Tanh)
    }

    /// As the printed program and the reference say it.
    pub fn name(self) -> &'static str {
        match self {
            Fun::Stop => "stop",
            Fun::Neg => "neg",
            Fun::Abs => "abs",
            Fun::Sign => "sign",
            Fun::Exp => "exp",
            Fun::Ln => "ln",
            Fun::Sqrt => "sqrt",
            Fun::Reciprocal => "reciprocal",
            Fun::Square => "square",
            Fun::Relu => "relu",
            Fun::LeakyRelu(_) => "leaky_relu",
            Fun::Elu(_) => "elu",
            Fun::Gelu => "gelu",
            Fun::GeluSlope => "gelu_slope",
            Fun::Sigmoid => "sigmoid",
            Fun::Tanh => "tanh",
            Fun::Softplus => "softplus",
            Fun::Scale(_) => "scale",
            Fun::Offset(_) => "offset",
            Fun::Power(_) => "power",
            Fun::AtLeast(_) => "at_least",
            Fun::AtMost(_) => "at_most",
            Fun::Above(_) => "above",
            Fun::Floor => "floor",
            Fun::Sin => "sin",
            Fun::Cos => "cos",
            Fun::LnGamma => "ln_gamma",
            Fun::Polygamma(_) => "polygamma",
            Fun::Add => "add",
            Fun::Sub => "sub",
            Fun::Mul => "mul",
            Fun::Div => "div",
            Fun::Max => "max",
            Fun::Angle => "angle",
            Fun::Equal => "equal",
            Fun::Gate => "gate",
            Fun::LeakyGate(_) => "leaky_gate",
            Fun::Where => "where",
        }
    }

    /// The number that belongs to the function, where it has one.
    pub fn parameter(self) -> Option<f64> {
        match self {
            Fun::LeakyRelu(c)
            | Fun::Elu(c)
            | Fun::Scale(c)
            | Fun::Offset(c)
            | Fun::Power(c)
            | Fun::AtLeast(c)
            | Fun::AtMost(c)
            | Fun::Above(c)
            | Fun::Polygamma(c)
            | Fun::LeakyGate(c) => Some(c),
            _ => None,
        }
    }

    /// Exponentials and logarithms a number.
    pub fn exponentials(self) -> usize {
        match self {
            Fun::Exp | Fun::Ln | Fun::Elu(_) | Fun::Sigmoid | Fun::Tanh => 1,
            Fun::Softplus | Fun::Power(_) | Fun::Gelu | Fun::Angle | Fun::Sin | Fun::Cos => 2,
            Fun::GeluSlope => 3,
            Fun::LnGamma | Fun::Polygamma(_) => 4,
            _ => 0,
        }
    }

    /// Its value in f64.
    pub fn of(self, x: &[f64]) -> f64 {
        let a = x[0];
        match self {
            Fun::Stop => a,
            Fun::Neg => -a,
            Fun::Abs => a.abs(),
            Fun::Sign => {
                if a > 0.0 {
                    1.0
                } else if a < 0.0 {
                    -1.0
                } else {
                    0.0
                }
            }
            Fun::Exp => a.exp(),
            Fun::Ln => a.ln(),
            Fun::Sqrt => a.sqrt(),
            Fun::Reciprocal => 1.0 / a,
            Fun::Square => a * a,
            // What is no number stays none.
            Fun::Relu => {
                if a <= 0.0 {
                    0.0
                } else {
                    a
                }
            }
            Fun::LeakyRelu(slope) => {
                if a > 0.0 {
                    a
                } else {
                    slope * a
                }
            }
            Fun::Elu(alpha) => {
                if a > 0.0 {
                    a
                } else {
                    alpha * a.exp_m1()
                }
            }
            Fun::Gelu => 0.5 * a * (1.0 + erf(a * std::f64::consts::FRAC_1_SQRT_2)),
            Fun::GeluSlope => {
                let density = (-0.5 * a * a).exp() / (2.0 * std::f64::consts::PI).sqrt();
                0.5 * (1.0 + erf(a * std::f64::consts::FRAC_1_SQRT_2)) + a * density
            }
            Fun::Sigmoid => 1.0 / (1.0 + (-a).exp()),
            Fun::Tanh => a.tanh(),
            Fun::Softplus => a.max(0.0) + (-a.abs()).exp().ln_1p(),
            Fun::Scale(c) => c * a,
            Fun::Offset(c) => a + c,
            Fun::Power(c) => a.powf(c),
            Fun::AtLeast(c) => a.max(c),
            Fun::AtMost(c) => a.min(c),
            Fun::Above(c) => f64::from(u8::from(a > c)),
            Fun::Floor => a.floor(),
            Fun::Sin => a.sin(),
            Fun::Cos => a.cos(),
            Fun::LnGamma => ln_gamma(a),
            Fun::Polygamma(n) => polygamma(n as u32, a),
            Fun::Add => a + x[1],
            Fun::Sub => a - x[1],
            Fun::Mul => a * x[1],
            Fun::Div => a / x[1],
            Fun::Max => a.max(x[1]),
            Fun::Angle => a.atan2(x[1]),
            Fun::Equal => f64::from(u8::from(a == x[1])),
            Fun::Gate => {
                if a > 0.0 {
                    x[1]
                } else {
                    0.0
                }
            }
            Fun::LeakyGate(slope) => {
                if a > 0.0 {
                    x[1]
                } else {
                    slope * x[1]
                }
            }
            Fun::Where => {
                if a != 0.0 {
                    x[1]
                } else {
                    x[2]
                }
            }
        }
    }
}

/// The error function, by its series near 0 and by the continued fraction of its complement beyond; within 1e-15.
fn erf(x: f64) -> f64 {
    let size = x.abs();
    let value = if size < 2.5 {
        let (mut term, mut sum) = (size, size);
        for n in 1..200 {
            term *= -size * size / f64::from(n);
            let step = term / f64::from(2 * n + 1);
            sum += step;
            if step.abs() < 1e-17 * sum.abs() {
                break;
            }
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else if size < 6.0 {
        let fraction = (1..120).rev().fold(size, |tail, n| size + f64::from(n) / 2.0 / tail);
        1.0 - (-size * size).exp() / (fraction * std::f64::consts::PI.sqrt())
    } else {
        1.0
    };
    value.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_has_its_known_values() {
        // Abramowitz and Stegun 1964, table 7.1, and the tail by its asymptotic series.
        for (x, value) in [
            (0.0, 0.0),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (3.0, 0.999_977_909_503_001_4),
        ] {
            assert!((erf(x) - value).abs() < 1e-14, "erf({x}) = {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
    }
}
