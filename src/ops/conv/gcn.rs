//! `gcn(out)`: graph convolution.

use super::{BIAS, OUT, WEIGHT, convolved, glorot};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule};
use crate::program::Norm;
use crate::types::Type;

/// Graph convolution: `h_i = Θᵀ Σ_{j ∈ N(i) ∪ {i}} w_ij x_j / √(d_i d_j) + b`, with `d_i = Σ_j w_ij` the in-degrees (self-loop
/// included). A node's own loops stand for the one that is added, with the mean of their weights; a node without counts 1.
///
/// Paper: Kipf and Welling 2017, "Semi-Supervised Classification with Graph Convolutional Networks", eq. 2.
/// PyG: `torch_geometric.nn.GCNConv`; on clusters `torch_geometric.nn.DenseGCNConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `weight`: `[E, 1]`
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Gcn;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec::flag("self_loops", true, "Whether each node counts as its own neighbour, Â = A + I."),
    BIAS,
    WEIGHT,
];

impl Operator for Gcn {
    fn name(&self) -> &'static str {
        "gcn"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Graph convolution: the mean of the neighbours, weighted by degree, then a linear map.",
            formula: "h_i = Θᵀ Σ_{j ∈ N(i) ∪ {i}} w_ij x_j / √(d_i d_j) + b,  d_i = Σ_j w_ij",
            paper: "Kipf and Welling 2017, \"Semi-Supervised Classification with Graph Convolutional Networks\"",
            example: "gcn(64) -> relu -> gcn(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        super::has_edges(cx)?;
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let w = b.weight("weight", &[n_in.clone(), n_out.clone()], glorot(n_in, n_out));
        let bias = a.bool("bias").then(|| b.weight("bias", std::slice::from_ref(n_out), Init::Zeros));
        let has_own = a.bool("self_loops");
        let Some(weight) = cx.named("weight") else {
            let norm = Norm::Gcn { self_loops: has_own };
            return Some(Outcome::rows(cx.edges().convolve(x, norm, false, w, bias)));
        };
        let (h, w) = (x.linear(w), weight.view(&[]));
        let e = if has_own { cx.edges_without_loops() } else { cx.edges() };
        // What a node's own loop counts; `None` for 1.
        let own = cx.has_loops().then(|| {
            let n_loops = cx.edges().sum_of_loops(b.constant(1.0));
            let mean = cx.edges().sum_of_loops(w) / n_loops.at_least(1.0);
            n_loops.above(0.0).choose(mean, b.constant(1.0))
        });
        let degree = e.sum(w);
        let degree = match (has_own, own) {
            (false, _) => degree,
            (true, None) => degree.offset(1.0),
            (true, Some(own)) => degree + own,
        };
        // An isolated node has degree 0; like PyG's `gcn_norm`, 1/√0 counts as 0.
        let root = degree.above(0.0).choose(degree.at_least(1e-30).sqrt().reciprocal(), b.constant(0.0));
        let h = h.mul_rows(root);
        let y = e.sum(e.source(h).mul_rows(w));
        let y = match (has_own, own) {
            (false, _) => y,
            (true, None) => y + h,
            (true, Some(own)) => y + h.mul_rows(own),
        };
        let y = y.mul_rows(root);
        Some(Outcome::rows(bias.map_or(y, |bias| y + bias)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GCNConv",
            weights: &[("lin.weight", "weight", WeightMap::Transposed), ("bias", "bias", WeightMap::Same)],
            note: "On clusters `torch_geometric.nn.DenseGCNConv`, with the same weights.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let own = if args.bool("self_loops") { Own::SelfLoop } else { Own::Absent };
        Action::Messages { gather: Gather::DegreeWeighted, own, is_linear: true }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{assert_close, nodes, run, transformed, weight};

    #[test]
    fn isolated_nodes_keep_their_features() {
        let data = nodes(3, &[(0, 1)]);
        let (rows, network) = run("task = node_classification\nmodel = gcn", &data);
        // Node 0 sends and gets nothing, node 2 does neither: only their self-loops are left.
        for node in [0, 2] {
            let own = transformed(&data, node, &weight(&network, "1.gcn.weight"), &[0.0, 0.0]);
            assert_close(&rows[node], &own);
        }
    }

    #[test]
    fn a_stored_loop_stands_for_the_one_added_and_parallel_edges_count_each() {
        let data = nodes(3, &[(0, 1), (0, 1), (1, 1), (2, 2), (2, 2)]);
        let (rows, network) = run("task = node_classification\nmodel = gcn", &data);
        let of = |node| transformed(&data, node, &weight(&network, "1.gcn.weight"), &[0.0, 0.0]);
        // Node 1 has degree 3: two edges from node 0, whose own degree is 1, and its loop.
        let expected: Vec<f64> =
            of(0).iter().zip(of(1)).map(|(&from, own)| 2.0 * from / 3f64.sqrt() + own / 3.0).collect();
        assert_close(&rows[1], &expected);
        // As `add_remaining_self_loops` does, two stored loops count as one.
        assert_close(&rows[2], &of(2));
        let (rows, network) = run("task = node_classification\nmodel = gcn(self_loops = false)", &data);
        let of = |node| transformed(&data, node, &weight(&network, "1.gcn.weight"), &[0.0, 0.0]);
        // Without that each stored loop is an edge: 2 of degree 2. Node 0 has no degree and sends nothing.
        assert_close(&rows[2], &of(2));
        assert_close(&rows[1], &of(1).iter().map(|own| own / 3.0).collect::<Vec<_>>());
    }

    #[test]
    fn without_self_loops_an_isolated_node_gets_the_bias() {
        let data = nodes(3, &[(0, 1), (1, 0)]);
        let (rows, network) = run("model = gcn(self_loops = false)", &data);
        assert_close(&rows[2], &weight(&network, "1.gcn.bias")[0]);
        let other = transformed(&data, 1, &weight(&network, "1.gcn.weight"), &[0.0, 0.0]);
        assert_close(&rows[0], &other);
    }
}
