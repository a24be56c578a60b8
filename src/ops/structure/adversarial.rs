//! `adversarial(hidden)`: a discriminator beside the rows, which it tells from draws of the standard normal distribution.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::gin::MLP_WEIGHTS;
use crate::ops::conv::{MAX_WIDTH, fixed};
use crate::ops::findings::levels;
use crate::ops::loss::ADVERSARIAL;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WeightMap, WidthRule};
use crate::program::{Index, V};
use crate::types::{Dim, Entity, Size, Type};

/// Rows as they come, and beside them a perceptron `D` that learns to tell them from draws `ε ~ N(0, I)`, while they learn to be taken for
/// such draws. Both take their gradients in the same step, each of its own part of the loss `adversarial`: the rows of
/// `−log σ(D(z))`, in which `D` stays as it is, and `D` of `−log(1 − σ(D(z))) − log σ(D(ε))`, in which the rows do. So no second optimiser
/// takes turns with the first. In evaluation `ε` is 0, the centre of the distribution.
///
/// Paper: Pan et al. 2018, "Adversarially Regularized Graph Autoencoder for Graph Embedding", eqs. 6 and 7.
/// PyG: `torch_geometric.nn.ARGA`, which takes turns.
///
/// # Shapes
/// - `z`: `[N, F]`, any rows of a graph
/// - result: the same
///
/// # Errors
/// `levels::needs_nodes` on one row per graph, on edges and on pairs.
#[derive(Debug)]
pub struct Adversarial;

static ARGS: &[ArgSpec] = &[ArgSpec {
    name: "hidden",
    kind: ArgKind::IntList { min: 1, max: MAX_WIDTH, max_len: 5 },
    default: Default::Inferred("one layer as wide as the rows"),
    positional: false,
    doc: "Widths of the hidden layers of the discriminator.",
}];

/// `D(x)`, one number a row. `is_fixed`: its weights have no part in the gradient.
fn discriminator<'b>(layers: &[[V<'b>; 2]], x: V<'b>, is_fixed: bool) -> V<'b> {
    let scores = layers.iter().enumerate().fold(x, |x, (layer, &[weight, bias])| {
        let x = if layer == 0 { x } else { x.relu() };
        match is_fixed {
            true => x.linear(weight.stop()) + bias.stop(),
            false => x.linear(weight) + bias,
        }
    });
    scores.fold_sum(0)
}

impl Operator for Adversarial {
    fn name(&self) -> &'static str {
        "adversarial"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Has a discriminator tell the rows from normal ones, for the loss `adversarial`; the rows stay as they are.",
            formula: "−log σ(D(z_i)) − log(1 − σ(D(z_i))) − log σ(D(ε_i)),  ε ~ N(0, I)",
            paper: "Pan et al. 2018, \"Adversarially Regularized Graph Autoencoder for Graph Embedding\"",
            example: "model = gcn(32) -> relu -> gcn(16) -> adversarial(hidden = [32]) -> mean -> linear\n\
                      loss = cross_entropy + 0.1 * adversarial",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        match cx.inputs[0].entity {
            Entity::Nodes | Entity::Clusters | Entity::Slots => Ok(cx.inputs[0].clone()),
            Entity::Edges | Entity::EdgeKinds | Entity::Pairs | Entity::Graph => Err(levels::needs_nodes(cx)),
        }
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (z, width) = (cx.x(), &cx.inputs[0].width);
        let hidden: Vec<Dim> = match cx.args.int_list("hidden") {
            Some(widths) => widths.iter().map(|&width| fixed(width as usize)).collect(),
            None => vec![width.clone()],
        };
        let one = Dim::new(Size::Known(1), None, "one number a row");
        let widths: Vec<Dim> = [vec![width.clone()], hidden, vec![one]].concat();
        let layers: Vec<[V; 2]> = widths
            .windows(2)
            .zip(MLP_WEIGHTS)
            .map(|(pair, &names)| cx.dense_weights(names, [&pair[0], &pair[1]]))
            .collect();
        let of = |x, is_fixed| discriminator(&layers, x, is_fixed);
        let deceived = of(z, true).scale(-1.0).softplus();
        let told_apart = of(z.stop(), false).softplus() + of(z.noise(), false).scale(-1.0).softplus();
        let loss = (deceived + told_apart).mean(Index::Graph);
        Some(Outcome { losses: vec![(ADVERSARIAL, loss)], ..Outcome::rows(z) })
    }
    fn losses(&self) -> &'static [&'static str] {
        &[ADVERSARIAL]
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.ARGA",
            weights: &[
                ("discriminator.0.weight", "weight_0", WeightMap::Transposed),
                ("discriminator.0.bias", "bias_0", WeightMap::Same),
                ("discriminator.2.weight", "weight_1", WeightMap::Transposed),
                ("discriminator.2.bias", "bias_1", WeightMap::Same),
            ],
            arguments: &[],
            note: "its `reg_loss` and `discriminator_loss`, without the 1e-15 under its logarithms, in one step.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::RowNorm
    }
}
