//! `set2set(steps)`: a query that an LSTM refines attends to the rows of each graph.

use super::one_row;
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::times;
use crate::ops::findings::levels;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Pyg, WeightMap, WidthRule, facts};
use crate::program::{Index, V};
use crate::types::{Dim, Entity, Size, Type};

/// Set2Set: in each step an LSTM makes a query `q` of the step before, every row is weighed by its product with
/// the query, and the weighted sum `r` is read beside it: `q = LSTM(q ∥ r)`, `a = softmax_i(x_i · q)`, `r = Σ_i a_i x_i`.
/// The result is `q ∥ r` of the last step; before the first all is 0.
///
/// Paper: Vinyals et al. 2016, "Order Matters: Sequence to Sequence for Sets", eqs. 3 to 7.
/// PyG: `torch_geometric.nn.Set2Set`.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: one vector per graph, `2 F` features; a graph without rows reads zeros
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph.
#[derive(Debug)]
pub struct Set2Set;

static ARGS: &[ArgSpec] = &[ArgSpec {
    name: "steps",
    kind: ArgKind::Int { min: 1, max: 64 },
    default: Default::Int(3),
    positional: true,
    doc: "How often the rows are read, PyG's `processing_steps`.",
}];

impl Operator for Set2Set {
    fn name(&self) -> &'static str {
        "set2set"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Reads the rows of each graph several times, weighed by a query that an LSTM refines.",
            formula: "q = LSTM(q ∥ r),  a = softmax_i(x_i · q),  r = Σ_i a_i x_i;  q ∥ r",
            paper: "Vinyals et al. 2016, \"Order Matters: Sequence to Sequence for Sets\"",
            example: "gcn(32) -> relu -> set2set(3) -> mlp",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        let Dim { size, .. } = times(2, &cx.inputs[0].width);
        let reason = format!("`set2set` puts the query beside what it read: 2 · {}", cx.inputs[0].width.size);
        Ok(Type { width: Dim::new(size, Some(cx.span), reason), ..one_row(cx) })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, b) = (cx.x(), cx.b);
        let width = &cx.inputs[0].width;
        let (both, gates) = (times(2, width), times(4, width));
        // All of them begin as `torch.nn.LSTM` begins, by the width of its state.
        let init = Init::KaimingUniform { fan_in: facts::known(width) };
        let w_input = b.weight("input_weight", &[both, gates.clone()], init);
        let w_hidden = b.weight("hidden_weight", &[width.clone(), gates.clone()], init);
        let bias = b.weight("input_bias", std::slice::from_ref(&gates), init)
            + b.weight("hidden_bias", std::slice::from_ref(&gates), init);
        let column = [width.size.clone(), Size::Known(1)];
        let row = [width.size.clone()];
        let mut last: Option<Step> = None;
        for _ in 0..cx.args.int("steps") {
            let gates = match &last {
                Some(Step { query, read, .. }) => {
                    b.concat(&[*query, *read]).linear(w_input) + query.linear(w_hidden) + bias
                }
                None => bias,
            };
            let gate = |n: usize| {
                gates.slice(0, Size::product([Size::Known(n), width.size.clone()]), width.size.clone())
            };
            let new = gate(0).sigmoid() * gate(2).tanh();
            let cell = match &last {
                Some(Step { cell, .. }) => gate(1).sigmoid() * *cell + new,
                None => new,
            };
            let query = gate(3).sigmoid() * cell.tanh();
            // The first query is the same for all graphs.
            let score = match &last {
                Some(_) => x.apply(query.view(&column), Index::Graph),
                None => x.linear(query.view(&column)),
            };
            let read = score.softmax(Index::Graph).outer(x, Index::Graph).view(&row);
            last = Some(Step { query, cell, read });
        }
        let Step { query, read, .. } = last?;
        Some(Outcome::graphs(b.concat(&[query, read])))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.Set2Set",
            weights: &[
                ("lstm.weight_ih_l0", "input_weight", WeightMap::Transposed),
                ("lstm.weight_hh_l0", "hidden_weight", WeightMap::Transposed),
                ("lstm.bias_ih_l0", "input_bias", WeightMap::Same),
                ("lstm.bias_hh_l0", "hidden_bias", WeightMap::Same),
            ],
            arguments: &[("processing_steps", "steps")],
            note: "The LSTM has one layer.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Attention)
    }
}

/// What one reading leaves for the next.
struct Step<'b> {
    query: V<'b>,
    cell: V<'b>,
    read: V<'b>,
}

#[cfg(test)]
mod tests {
    use crate::lower::{ForwardCx, Network};
    use crate::ops::testing::{codes, forward, nodes, types};
    use candle_core::{DType, Device};

    #[test]
    fn the_query_stands_beside_what_it_reads() {
        assert_eq!(types("gcn(8) -> set2set -> linear", None)[2], "graph[16]");
        assert_eq!(types("set2set(2) -> linear", None)[1], "graph[2·F]");
        assert_eq!(codes("mean -> set2set -> linear"), ["levels::needs_rows"]);
    }

    #[test]
    fn what_is_read_lies_between_the_rows() {
        let data = nodes(3, &[]);
        let model = crate::lower::testing::compile("model = set2set(4)\ntask = graph_regression", None);
        let network = Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
        let rows = forward(&network, &data, ForwardCx::evaluation());
        let [row] = &rows[..] else { panic!("one vector: {rows:?}") };
        let crate::data::Features::Dense { values, width } = &data.features else { panic!("dense features") };
        for col in 0..*width {
            let column = || values.iter().skip(col).step_by(*width).map(|&value| f64::from(value));
            let (low, high) = column().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
            assert!((low..=high).contains(&row[width + col]), "{row:?}");
            assert!(row[col].abs() < 1.0, "a query is a gate times a tanh: {row:?}");
        }
    }
}
