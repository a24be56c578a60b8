//! `wl(buckets, steps)`: Weisfeiler-Lehman colours of the nodes.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::levels;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::{Dim, Entity, Size, Type};

/// Colour refinement: `c_i⁰` is the row of the node, `c_iᵗ = hash(c_iᵗ⁻¹, {{c_jᵗ⁻¹ : j ∈ N(i)}})`. Every colour, of all steps from 0 to
/// `steps`, is one of `buckets` features, and the result counts which colours a node had. So `wl -> sum` are the features of the
/// Weisfeiler-Lehman subtree kernel, and `wl -> sum -> linear` with `loss = hinge` is a support vector machine on it.
///
/// Colours are hashed, so that a colour is the same feature in every graph and in every numbering; different colours share a
/// feature by chance, of two colours with probability `1 / buckets`. Rows are compared to the last bit: `wl` stands behind the
/// labels of the data. No gradient passes.
///
/// Papers: Weisfeiler and Leman 1968; Shervashidze et al. 2011, "Weisfeiler-Lehman Graph Kernels", definition 4; Weinberger et
/// al. 2009 for the hashing.
/// PyG: `torch_geometric.nn.WLConv`, one step, whose colours are numbered in the order in which they appear.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes
/// - result: `[N, buckets]`, `steps + 1` ones in each row
///
/// # Errors
/// `levels::needs_nodes` on clusters and on what has no edges; `unused::weights` if something is learned before it.
#[derive(Debug)]
pub struct Wl;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "buckets",
        kind: ArgKind::Int { min: 2, max: 1 << 20 },
        default: Default::Int(1024),
        positional: true,
        doc: "Features that colours are hashed to; the more, the fewer colours share one.",
    },
    ArgSpec {
        name: "steps",
        kind: ArgKind::Int { min: 0, max: 100 },
        default: Default::Int(3),
        positional: true,
        doc: "Steps of refinement, `h`: a colour of step t tells the neighbourhood of radius t. 0 counts the rows themselves.",
    },
];

impl Operator for Wl {
    fn name(&self) -> &'static str {
        "wl"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Weisfeiler-Lehman colours of the nodes, hashed: which neighbourhoods a node has.",
            formula: "Σ_t one_hot(hash(t, c_iᵗ)),  c_iᵗ = hash(c_iᵗ⁻¹, {{c_jᵗ⁻¹}})",
            paper: "Shervashidze et al. 2011, \"Weisfeiler-Lehman Graph Kernels\"",
            example: "wl(512, steps = 4) -> sum -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity != Entity::Nodes {
            return Err(levels::needs_nodes(cx));
        }
        let buckets = cx.args.int("buckets") as usize;
        let width = Dim::new(Size::Known(buckets), Some(cx.span), "the features that colours are hashed to");
        Ok(Type { width, ..cx.inputs[0].clone() })
    }
    fn program<'b>(&self, _: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        None
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.WLConv",
            weights: &[],
            arguments: &[],
            note: "One step of PyG is `steps = 1`; PyG numbers colours in the order in which they appear in a batch.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        Action::Colours { buckets: args.int("buckets") as usize, steps: args.int("steps") as usize }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, forward, nodes};

    /// The case of PyTorch Geometric 2.8.1: colours, edges, and the colours of `WLConv`.
    #[test]
    fn a_step_tells_apart_what_that_of_pyg_does() {
        let colours = [1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 1];
        let sources = [7, 4, 8, 2, 2, 1, 9, 0, 8, 5, 6, 7, 4, 1];
        let targets = [8, 5, 9, 4, 0, 2, 7, 1, 6, 0, 7, 6, 1, 0];
        let expected = [0, 1, 2, 3, 2, 4, 5, 5, 6, 6, 7];
        let edges: Vec<(u32, u32)> = sources.into_iter().zip(targets).collect();
        let rows = crate::kernels::colours(
            &colours.map(f64::from),
            1,
            &crate::kernels::graph::Csr::from_edges(11, &edges),
            1,
        );
        for i in 0..11 {
            for j in 0..11 {
                assert_eq!(rows[1][i] == rows[1][j], expected[i] == expected[j], "{i}, {j}");
                assert_eq!(rows[0][i] == rows[0][j], colours[i] == colours[j], "{i}, {j}");
            }
        }
    }

    #[test]
    fn every_step_adds_one_and_triangles_look_like_a_hexagon() {
        // Two triangles and a ring of six have the same colours; a path has others.
        let ring = |nodes: &[u32]| -> Vec<(u32, u32)> {
            let next = nodes.iter().cycle().skip(1);
            nodes.iter().zip(next).flat_map(|(&a, &b)| [(a, b), (b, a)]).collect()
        };
        let of = |edges: &[(u32, u32)]| {
            crate::kernels::colours(&[1.0; 6], 1, &crate::kernels::graph::Csr::from_edges(6, edges), 2)
        };
        let triangles: Vec<_> = ring(&[0, 1, 2]).into_iter().chain(ring(&[3, 4, 5])).collect();
        let hexagon = ring(&[0, 1, 2, 3, 4, 5]);
        let path: Vec<_> = (0..5).flat_map(|node| [(node, node + 1), (node + 1, node)]).collect();
        assert_eq!(of(&triangles), of(&hexagon));
        assert_ne!(of(&triangles), of(&path));
        let data = nodes(5, &[(0, 1), (1, 2), (2, 2)]);
        let model = crate::lower::testing::compile("model = wl(97, steps = 4)\ntask = node_regression", None);
        let network = crate::lower::Network::build(
            &model,
            &data.facts(),
            candle_core::DType::F64,
            &candle_core::Device::Cpu,
            1,
        );
        let rows = forward(&network.unwrap(), &data, crate::lower::ForwardCx::evaluation());
        assert!(rows.iter().all(|row| row.len() == 97 && row.iter().sum::<f64>() == 5.0));
    }

    #[test]
    fn what_is_learned_before_never_learns() {
        assert_eq!(codes("model = wl -> sum -> linear\nloss = hinge"), [""; 0]);
        assert_eq!(codes("linear(8) -> wl -> sum -> linear"), ["unused::weights"]);
        assert_eq!(codes("gcn(8) -> diffpool(k = 4) -> wl -> sum -> linear"), ["levels::needs_nodes"]);
    }
}
