//! `gcn(out)`: graph convolution.

use super::gcn_norm::{GcnNorm, NORMALIZE, SELF_LOOPS, gathered, of_normalized};
use super::{BIAS, OUT, WEIGHT, convolved, glorot};
use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WidthRule};
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
    SELF_LOOPS,
    ArgSpec::flag("improved", false, "Whether the added loop counts 2, Â = A + 2I."),
    NORMALIZE,
    BIAS,
    WEIGHT,
    super::DIRECTION,
    super::AGAINST,
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
        of_normalized(cx, &["self_loops", "improved"])?;
        if cx.args.bool("improved") && !cx.args.bool("self_loops") {
            return Err(findings::args::no_effect(cx, "improved", "no loop is added"));
        }
        convolved(cx, findings::shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let w = b.weight("weight", &[n_in.clone(), n_out.clone()], glorot(n_in, n_out));
        let bias = a.bool("bias").then(|| b.weight("bias", std::slice::from_ref(n_out), Init::Zeros));
        let own = a.bool("self_loops").then_some(if a.bool("improved") { 2.0 } else { 1.0 });
        Some(Outcome::rows(GcnNorm::new(cx, own, a.bool("normalize")).convolve(x, w, bias)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GCNConv",
            weights: &[("lin.weight", "weight", WeightMap::Transposed), ("bias", "bias", WeightMap::Same)],
            arguments: &[],
            note: "On clusters `torch_geometric.nn.DenseGCNConv`, with the same weights.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        gathered(args)
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
    fn an_improved_loop_counts_two() {
        let data = nodes(2, &[(0, 1)]);
        let (rows, network) = run("task = node_classification\nmodel = gcn(improved = true)", &data);
        let of = |node| transformed(&data, node, &weight(&network, "1.gcn.weight"), &[0.0, 0.0]);
        // Node 1 has degree 3, its loop of 2 and an edge from node 0, whose own degree is 2.
        let expected: Vec<f64> =
            of(0).iter().zip(of(1)).map(|(&from, own)| from / 6f64.sqrt() + own * 2.0 / 3.0).collect();
        assert_close(&rows[1], &expected);
        assert_close(&rows[0], &of(0));
    }

    #[test]
    fn without_normalisation_what_edges_count_is_summed() {
        let data = nodes(3, &[(0, 1), (2, 1)]);
        let (rows, network) = run("task = node_classification\nmodel = gcn(normalize = false)", &data);
        let of = |node| transformed(&data, node, &weight(&network, "1.gcn.weight"), &[0.0, 0.0]);
        let sum: Vec<f64> = of(0).iter().zip(of(2)).map(|(&a, b)| a + b).collect();
        assert_close(&rows[1], &sum);
        assert_close(&rows[0], &[0.0, 0.0]);
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
