//! `pan(out)`: neighbours along paths of all lengths, each length with an energy.

use super::{BIAS, OUT, convolved, fixed};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WidthRule, facts};
use crate::program::{Norm, V};
use crate::types::{Size, Type};

/// Path integral convolution: `h = Z^(−1/2) Σ_{l=0}^L e^(−E_l) A^l Z^(−1/2) x W + b`, where `Z` has the row sums of `Σ_l e^(−E_l) A^l` on its
/// diagonal: the maximal entropy transition along paths of up to `L` steps, with a learned energy `E_l` for each length.
///
/// Paper: Ma et al. 2020, "Path Integral Based Convolution and Pooling for Graph Neural Networks", eqs. 3 to 5.
/// PyG: `torch_geometric.nn.PANConv`, with another weight and another normalisation.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Pan;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "length",
        kind: ArgKind::Int { min: 1, max: 64 },
        default: Default::Int(2),
        positional: false,
        doc: "The most steps of a path, `L`.",
    },
    BIAS,
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Pan {
    fn name(&self) -> &'static str {
        "pan"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Path integral convolution: neighbours along paths of up to some length, each length with a learned energy.",
            formula: "h = Z^(−1/2) Σ_{l=0}^L e^(−E_l) A^l Z^(−1/2) x W + b,  Z the row sums of Σ_l e^(−E_l) A^l",
            paper: "Ma et al. 2020, \"Path Integral Based Convolution and Pooling for Graph Neural Networks\"",
            example: "pan(32) -> relu -> pan(32, length = 3) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::has_edges(cx)?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let length = a.int("length") as usize;
        let energies = b.weight("energy", &[fixed(length + 1)], Init::Zeros);
        let weights = (-energies).exp();
        let of_length = |l: usize| weights.slice(0, Size::Known(l), Size::Known(1));
        let along_paths = |x: V<'b>| {
            let mut walked = x;
            (1..=length).fold(x * of_length(0), |sum, l| {
                walked = e.propagate(walked, Norm::Sum);
                sum + walked * of_length(l)
            })
        };
        // A column of ones, a number for each row.
        let ones = x.slice(0, Size::Known(0), Size::Known(1)).stop().scale(0.0).offset(1.0);
        let root = along_paths(ones).sqrt().reciprocal();
        let init = Init::KaimingUniform { fan_in: facts::known(n_in) };
        let w = b.weight("weight", &[n_in.clone(), n_out.clone()], init);
        let y = (along_paths(x * root) * root).linear(w);
        Some(Outcome::rows(match a.bool("bias") {
            true => y + b.weight("bias", std::slice::from_ref(n_out), init),
            false => y,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.PANConv",
            weights: &[],
            arguments: &[("filter_size", "length")],
            note: "In PyG paths of `l` steps count `w_0 · w_1 · … · w_l`, and degrees are the numbers of nodes that paths reach; here both follow the paper.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::DegreeWeighted, own: Own::SelfLoop, is_linear: true }
    }
}

#[cfg(test)]
mod tests {

    use crate::ops::testing::{assert_close, nodes, run, transformed, weight};

    /// `Σ_l A^l x` along the paths of two steps, written out.
    #[test]
    fn paths_count_by_their_number_and_are_normalised_by_row_sums() {
        let data = nodes(4, &[(0, 1), (1, 2), (2, 1), (0, 2)]);
        let (rows, network) = run("task = node_classification\nmodel = pan(length = 2, bias = false)", &data);
        // Row by row, how many paths of 0, 1 and 2 steps lead from each node: all energies begin at 0.
        let paths = [[1.0, 0.0, 0.0, 0.0], [2.0, 2.0, 1.0, 0.0], [2.0, 1.0, 2.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
        let total: Vec<f64> = paths.iter().map(|row: &[f64; 4]| row.iter().sum()).collect();
        let of = |node| transformed(&data, node, &weight(&network, "1.pan.weight"), &[0.0, 0.0]);
        for (node, paths) in paths.iter().enumerate() {
            let mut expected = vec![0.0; 2];
            for (other, n) in paths.iter().enumerate() {
                let share = n / (total[node] * total[other]).sqrt();
                expected.iter_mut().zip(of(other)).for_each(|(sum, value)| *sum += share * value);
            }
            assert_close(&rows[node], &expected);
        }
    }
}
