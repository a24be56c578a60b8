//! `jump(a, b, …, mode)`: the layers of a network brought together.

use super::first_on_another_level;
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::{MAX_WIDTH, fixed, times};
use crate::ops::findings::{args, levels, shape, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Ports, Pyg, WeightMap, WidthRule, facts};
use crate::program::V;
use crate::program::composite::Composite;
use crate::types::{Dim, Size, Type};

/// Jumping knowledge: each row reads all of its layers, which stages named with `as` give: side by side (`concat`), the largest of
/// each feature (`max`), its mean (`mean`), or weighed by attention that an LSTM computes from them in both directions (`lstm`):
/// `Σ_l α_l x_l`, `α = softmax_l(w · [→h_l ∥ ←h_l])`.
///
/// Paper: Xu et al. 2018, "Representation Learning on Graphs with Jumping Knowledge Networks", section 4.
/// PyG: `torch_geometric.nn.JumpingKnowledge`.
///
/// # Shapes
/// - branches: the same rows; but for `concat` the same width
/// - result: those rows; the sum of the widths for `concat`, else the width
///
/// # Errors
/// `levels::mixed_levels` if the branches end on different levels, `shape::widths_differ` but for `concat` if their widths
/// differ, `args::no_effect` for `hidden` without the LSTM.
#[derive(Debug)]
pub struct Jump;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "mode",
        kind: ArgKind::Choice(&["concat", "max", "lstm", "mean"]),
        default: Default::Choice("max"),
        positional: false,
        doc: "How the layers come together. `lstm` reads them in the order in which they are written; `mean` is how LightGCN combines \
              layers (He et al. 2020).",
    },
    ArgSpec {
        name: "hidden",
        kind: ArgKind::Int { min: 1, max: MAX_WIDTH },
        default: Default::Inferred("half of all layers together"),
        positional: false,
        doc: "Width of the states of the LSTM in each direction; PyG has `num_layers · channels / 2`.",
    },
];

/// Of the LSTM that reads forward, and of the one that reads backward: the weights and biases of the input and the state.
const NAMES: [[&str; 4]; 2] = [
    ["input_weight", "hidden_weight", "input_bias", "hidden_bias"],
    ["reverse_input_weight", "reverse_hidden_weight", "reverse_input_bias", "reverse_hidden_bias"],
];

impl Operator for Jump {
    fn name(&self) -> &'static str {
        "jump"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Brings the layers of a network together: the largest of each feature, attention over them, or side by side.",
            formula: "max_l x_l,  Σ_l α_l x_l,  or  [x_1 ∥ x_2 ∥ …]",
            paper: "Xu et al. 2018, \"Representation Learning on Graphs with Jumping Knowledge Networks\"",
            example: "gcn(32) -> relu as first -> gcn(32) -> relu -> jump(first, identity) -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn ports(&self) -> Ports {
        Ports::Many(2)
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if let Some(port) = first_on_another_level(cx) {
            return Err(levels::mixed_levels(cx, port));
        }
        let mode = cx.args.choice("mode");
        if cx.args.opt_int("hidden").is_some() && mode != "lstm" {
            return Err(args::no_effect(cx, "hidden", &format!("`mode = {mode}` has no LSTM")));
        }
        let first = &cx.inputs[0].width;
        let width = if mode == "concat" {
            let sizes = cx.inputs.iter().map(|ty| ty.width.size.clone());
            Dim::new(Size::sum(sizes), Some(cx.span), "`jump` joins the features of all layers")
        } else {
            let other =
                (1..cx.inputs.len()).find(|&port| shape::differ(&first.size, &cx.inputs[port].width.size));
            if let Some(port) = other {
                return Err(shape::widths_differ(cx, port));
            }
            let known = cx.inputs.iter().map(|ty| &ty.width).find(|width| width.known().is_some());
            known.unwrap_or(first).clone()
        };
        Ok(Type { width, symmetry: symmetry::kept(cx), ..cx.inputs[0].clone() })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let layers = cx.all();
        Some(Outcome::rows(match cx.args.choice("mode") {
            "concat" => cx.b.call(Composite::Beside, &layers),
            "max" => {
                let axes = [Size::Known(layers.len()), cx.output.width.size.clone()];
                cx.b.concat(&layers).view(&axes).fold_max(0)
            }
            "mean" => cx.b.call(Composite::Plus, &layers).scale(1.0 / layers.len() as f64),
            _ => attention(cx, &layers),
        }))
    }
    fn pyg(&self) -> Pyg {
        use WeightMap::{Same, Transposed};
        Pyg {
            class: "torch_geometric.nn.JumpingKnowledge",
            weights: &[
                ("lstm.weight_ih_l0", "input_weight", Transposed),
                ("lstm.weight_hh_l0", "hidden_weight", Transposed),
                ("lstm.bias_ih_l0", "input_bias", Same),
                ("lstm.bias_hh_l0", "hidden_bias", Same),
                ("lstm.weight_ih_l0_reverse", "reverse_input_weight", Transposed),
                ("lstm.weight_hh_l0_reverse", "reverse_hidden_weight", Transposed),
                ("lstm.bias_ih_l0_reverse", "reverse_input_bias", Same),
                ("lstm.bias_hh_l0_reverse", "reverse_hidden_bias", Same),
                ("att.weight", "attention_weight", Transposed),
            ],
            arguments: &[],
            note: "It has no `mean`. PyG's mode `cat` is `concat`, which is also an operator of its own; its attention has a bias, which the softmax takes \
                   away.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        if args.choice("mode") == "concat" { Action::Concat } else { Action::Add }
    }
}

/// The layers weighed by the softmax of a score that an LSTM gives each of them, read in both directions.
fn attention<'b>(cx: &ProgramCx<'_, 'b>, layers: &[V<'b>]) -> V<'b> {
    let b = cx.b;
    let width = &cx.output.width;
    let hidden = match cx.args.opt_int("hidden") {
        Some(n) => fixed(n as usize),
        None => half(&times(layers.len(), width)),
    };
    let init = Init::KaimingUniform { fan_in: facts::known(&hidden) };
    let gates = times(4, &hidden);
    let read =
        |[input, state, input_bias, state_bias]: [&'static str; 4], in_order: Vec<V<'b>>| -> Vec<V<'b>> {
            let w_input = b.weight(input, &[width.clone(), gates.clone()], init);
            let w_state = b.weight(state, &[hidden.clone(), gates.clone()], init);
            let bias = b.weight(input_bias, std::slice::from_ref(&gates), init)
                + b.weight(state_bias, std::slice::from_ref(&gates), init);
            let mut last: Option<[V<'b>; 2]> = None;
            let mut states = Vec::with_capacity(in_order.len());
            for x in in_order {
                let sums = x.linear(w_input) + bias;
                let sums = last.map_or(sums, |[state, _]| sums + state.linear(w_state));
                let gate = |n: usize| {
                    sums.slice(0, Size::product([Size::Known(n), hidden.size.clone()]), hidden.size.clone())
                };
                let new = gate(0).sigmoid() * gate(2).tanh();
                let cell = last.map_or(new, |[_, cell]| gate(1).sigmoid() * cell + new);
                let state = gate(3).sigmoid() * cell.tanh();
                last = Some([state, cell]);
                states.push(state);
            }
            states
        };
    let forward = read(NAMES[0], layers.to_vec());
    let mut backward = read(NAMES[1], layers.iter().rev().copied().collect());
    backward.reverse();
    let both = times(2, &hidden);
    let scores = forward.into_iter().zip(backward).map(|(f, r)| b.concat(&[f, r]));
    let scores: Vec<V> = scores.collect();
    let init = Init::KaimingUniform { fan_in: facts::known(&both) };
    // A bias would be the same for all layers, so that the softmax takes it away.
    let w = b.weight("attention_weight", &[both, fixed(1)], init);
    let scores = scores.into_iter().map(|score| score.linear(w));
    let shares = b.concat(&scores.collect::<Vec<_>>()).softmax_columns();
    let axes = [Size::Known(layers.len()), width.size.clone()];
    (b.concat(layers).view(&axes) * shares.column()).fold_sum(0)
}

/// Half of a width, rounded down.
fn half(width: &Dim) -> Dim {
    let size = match width.known() {
        Some(n) => Size::Known((n / 2).max(1)),
        None => Size::ratio(0.5, width.size.clone()),
    };
    Dim { size, origin: width.origin.clone() }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn layers_are_named_and_brought_together() {
        let text =
            |call: &str| format!("gcn(8) as first -> gcn(8) as second -> gcn(8) -> {call} -> mean -> linear");
        let width = |call: &str| types(&text(call), None)[5].clone();
        assert_eq!(width("jump(first, second, identity)"), "nodes[N, 8]");
        assert_eq!(width("jump(first, second, identity, mode = lstm)"), "nodes[N, 8]");
        assert_eq!(width("jump(first, second, identity, mode = concat)"), "nodes[N, 24]");
        let codes = |call: &str| codes(&format!("gcn(8) as first -> gcn(8) -> {call} -> mean -> linear"));
        assert_eq!(codes("jump(first, identity, hidden = 4)"), ["args::no_effect"]);
        assert_eq!(codes("jump(first, gcn(4))"), ["shape::widths_differ"]);
        assert_eq!(codes("jump(first, gcn(4), mode = concat)"), [""; 0]);
        assert_eq!(codes("jump(first, mean)"), ["levels::mixed_levels"]);
    }
}
