//! `sum_conv(out)` and `mean_conv(out)`: the layers that courses begin with.

use super::{BIAS, OUT, convolved, glorot};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WidthRule};
use crate::program::Norm;
use crate::types::Type;

/// The node and its neighbours, summed or averaged, then mapped: `H = (A + I) X W + b` or `H = D⁻¹ (A + I) X W + b`, where
/// `D` has the row sums of `A + I` on its diagonal. A loop that the data has counts besides the one that is added.
///
/// PyG: none with a weight; `torch_geometric.nn.SimpleConv(combine_root = 'self_loop')` and a linear layer.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Plain {
    name: &'static str,
    gather: Gather,
    summary: &'static str,
    formula: &'static str,
    example: &'static str,
}

pub static SUM_CONV: Plain = Plain {
    name: "sum_conv",
    gather: Gather::Sum,
    summary: "The sum of a node and its neighbours, mapped: the simplest layer.",
    formula: "H = (A + I) X W + b",
    example: "sum_conv(64) -> relu -> sum_conv(64) -> relu -> mean -> linear",
};

pub static MEAN_CONV: Plain = Plain {
    name: "mean_conv",
    gather: Gather::Mean,
    summary: "The mean of a node and its neighbours, mapped.",
    formula: "H = D⁻¹ (A + I) X W + b",
    example: "mean_conv(64) -> relu -> mean_conv(64) -> relu -> mean -> linear",
};

static ARGS: &[ArgSpec] = &[OUT, BIAS, super::DIRECTION, super::AGAINST];

impl Operator for Plain {
    fn name(&self) -> &'static str {
        self.name
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc { summary: self.summary, formula: self.formula, paper: "", example: self.example }
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
        let (x, b, e) = (cx.x(), cx.b, cx.edges());
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let w = b.weight("weight", &[n_in.clone(), n_out.clone()], glorot(n_in, n_out));
        let bias = cx.args.bool("bias").then(|| b.weight("bias", std::slice::from_ref(n_out), Init::Zeros));
        let sum = e.propagate(x, Norm::SelfPlus { eps: 0.0 });
        Some(Outcome::rows(match self.gather {
            Gather::Mean => cx.affine(sum.div_rows(e.degree().offset(1.0)), w, bias),
            _ => cx.affine(sum, w, bias),
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "" }
    }
    fn averages(&self, args: &Args) -> bool {
        self.gather == Gather::Mean && super::is_one_way(args)
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: self.gather, own: Own::SelfLoop, is_linear: true }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{assert_close, nodes, run, transformed, weight};

    #[test]
    fn a_node_counts_as_one_more_neighbour() {
        let data = nodes(4, &[(0, 1), (2, 1), (2, 1), (3, 3)]);
        for (name, is_mean) in [("sum_conv", false), ("mean_conv", true)] {
            let (rows, network) =
                run(&format!("task = node_classification\nmodel = {name}(bias = false)"), &data);
            let of =
                |node| transformed(&data, node, &weight(&network, &format!("1.{name}.weight")), &[0.0, 0.0]);
            for (node, members) in [(0, vec![0]), (1, vec![0, 1, 2, 2]), (3, vec![3, 3])] {
                let n = if is_mean { members.len() as f64 } else { 1.0 };
                let sum = |col: usize| members.iter().map(|&member| of(member)[col]).sum::<f64>() / n;
                assert_close(&rows[node], &[sum(0), sum(1)]);
            }
        }
    }
}
