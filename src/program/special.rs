//! The gamma function and its relatives, for numbers above 0.

/// Bernoulli numbers `B_2`, `B_4`, ….
const BERNOULLI: [f64; 8] = [
    1.0 / 6.0,
    -1.0 / 30.0,
    1.0 / 42.0,
    -1.0 / 30.0,
    5.0 / 66.0,
    -691.0 / 2730.0,
    7.0 / 6.0,
    -3617.0 / 510.0,
];

/// From here on the asymptotic series are within a few roundings.
const FAR: f64 = 12.0;

/// `ln Γ(x)`; infinite where `x` is not above 0.
pub fn ln_gamma(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x <= 0.0 {
        return f64::INFINITY;
    }
    // Γ(x) = Γ(x + n) / (x (x + 1) … (x + n − 1))
    let (mut at, mut below) = (x, 1.0);
    while at < FAR {
        below *= at;
        at += 1.0;
    }
    let inverse = 1.0 / (at * at);
    let mut power = 1.0 / at;
    let mut series = 0.0;
    for (k, bernoulli) in (1u32..).zip(BERNOULLI) {
        series += bernoulli / f64::from(2 * k * (2 * k - 1)) * power;
        power *= inverse;
    }
    (at - 0.5) * at.ln() - at + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - below.ln()
}

/// The derivative of `ln Γ` of the order `n + 1`: `n = 0` is digamma, 1 trigamma. Not a number where `x` is not above 0.
pub fn polygamma(n: u32, x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return f64::NAN;
    }
    // ψ⁽ⁿ⁾(x) = ψ⁽ⁿ⁾(x + 1) − (−1)ⁿ n! / xⁿ⁺¹
    let sign = if n.is_multiple_of(2) { 1.0 } else { -1.0 };
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    let (mut at, mut steps) = (x, 0.0);
    while at < FAR + f64::from(n) {
        steps += at.powi(-(n as i32 + 1));
        at += 1.0;
    }
    let mut series = match n {
        0 => -at.ln() + 0.5 / at,
        _ => factorial(n - 1) * at.powi(-(n as i32)) + 0.5 * factorial(n) * at.powi(-(n as i32 + 1)),
    };
    let inverse = 1.0 / (at * at);
    let mut power = at.powi(-(n as i32));
    // (2k + n − 1)! / (2k)!
    for (k, bernoulli) in (1u32..).zip(BERNOULLI) {
        power *= inverse;
        let quotient = match n {
            0 => 1.0 / f64::from(2 * k),
            _ => (2 * k + 1..2 * k + n).map(f64::from).product(),
        };
        series += bernoulli * quotient * power;
    }
    -sign * (series + factorial(n) * steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(ours: f64, known: f64) {
        assert!((ours - known).abs() < 1e-13 * known.abs().max(1.0), "{ours}, not {known}");
    }

    #[test]
    fn the_gamma_functions_have_their_known_values() {
        // Abramowitz and Stegun 1964, tables 6.1 and 6.2, and closed forms.
        let pi = std::f64::consts::PI;
        near(ln_gamma(1.0), 0.0);
        near(ln_gamma(2.0), 0.0);
        near(ln_gamma(0.5), 0.5 * pi.ln());
        near(ln_gamma(11.0), 3_628_800f64.ln());
        near(ln_gamma(1e-3), 6.907_178_885_383_854);
        let euler = 0.577_215_664_901_532_9;
        near(polygamma(0, 1.0), -euler);
        near(polygamma(0, 0.5), -euler - 2.0 * 2f64.ln());
        near(polygamma(0, 1e-3), -1_000.575_571_931_862_5);
        near(polygamma(1, 1.0), pi * pi / 6.0);
        near(polygamma(1, 0.5), pi * pi / 2.0);
        near(polygamma(2, 1.0), -2.404_113_806_319_188_6);
        near(polygamma(3, 1.0), pi.powi(4) / 15.0);
    }

    #[test]
    fn each_is_the_slope_of_the_one_before() {
        for x in [0.02, 0.3, 1.7, 6.0, 40.0] {
            let h = 1e-5 * x;
            let slope = |f: &dyn Fn(f64) -> f64| (f(x + h) - f(x - h)) / (2.0 * h);
            let close = |ours: f64, found: f64| {
                assert!((ours - found).abs() < 1e-6 * ours.abs().max(1e-3), "{ours}, not {found} at {x}");
            };
            close(polygamma(0, x), slope(&ln_gamma));
            for n in 0..3 {
                close(polygamma(n + 1, x), slope(&|x| polygamma(n, x)));
            }
        }
    }
}
