//! `lstm(out)` and `gru(out)`: the rows of each graph read one after another.

use super::one_row;
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::{OUT, fixed, times};
use crate::ops::findings::{levels, shape, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Pyg, WeightMap, WidthRule, facts};
use crate::program::composite::Composite;
use crate::program::{Index, V};
use crate::types::{Dim, Entity, Size, Type};

/// A recurrent network over the rows of each graph: its state after the last row, of the last layer; with `bidirectional` beside it the state
/// of a network that reads backward, after the first row.
///
/// Clusters and slots stand in an order of their own. Nodes do not, so of them the result depends on the numbering, which its type says,
/// and which is refused where it reaches the output of a model; only the witness runs it, over the first 16 nodes of a graph.
///
/// Paper: Hamilton et al. 2017, "Inductive Representation Learning on Large Graphs", section 3.3 (LSTM); Cho et al. 2014, "Learning Phrase
/// Representations using RNN Encoder-Decoder for Statistical Machine Translation" (GRU).
/// PyG: `torch_geometric.nn.LSTMAggregation`, `torch_geometric.nn.GRUAggregation`, which go on reading zeros up to the largest graph of the
/// batch; here a graph's reading ends with its last row.
///
/// # Shapes
/// - `x`: `clusters[k, F]` or `slots[k, F]`; `nodes[N, F]` makes a result that depends on the numbering
/// - result: one vector per graph, `out` features, twice as many where both directions are read; a graph without rows gives 0
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph; `symmetry::…` where what was read of nodes reaches the model's output.
#[derive(Debug)]
pub struct Recurrent {
    name: &'static str,
    doc: Doc,
    n_gates: usize,
    pyg: (&'static str, &'static [(&'static str, &'static str, WeightMap)]),
}

/// Nodes that are read, at most.
const MAX_NODES: usize = 16;

/// Layers, at most.
const MAX_LAYERS: usize = 4;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        default: Default::Required,
        doc: "Width of the state, and of the result in each direction.",
        ..OUT
    },
    ArgSpec {
        name: "layers",
        kind: ArgKind::Int { min: 1, max: MAX_LAYERS as i64 },
        default: Default::Int(1),
        positional: false,
        doc: "Layers one above the other.",
    },
    ArgSpec::flag("bidirectional", false, "Whether a second network reads the rows backward."),
];

/// The weights and biases of the input and of the state, of a layer and of its reading backward.
macro_rules! names {
    ($($layer:literal),*) => {
        [$([
            [
                concat!("input_weight_", $layer),
                concat!("hidden_weight_", $layer),
                concat!("input_bias_", $layer),
                concat!("hidden_bias_", $layer),
            ],
            [
                concat!("reverse_input_weight_", $layer),
                concat!("reverse_hidden_weight_", $layer),
                concat!("reverse_input_bias_", $layer),
                concat!("reverse_hidden_bias_", $layer),
            ],
        ]),*]
    };
}

const NAMES: [[[&str; 4]; 2]; MAX_LAYERS] = names!(0, 1, 2, 3);

/// PyG's names of the weights of two layers, behind the name of the network.
macro_rules! weights {
    ($network:literal) => {
        &[
            (concat!($network, ".weight_ih_l0"), "input_weight_0", WeightMap::Transposed),
            (concat!($network, ".weight_hh_l0"), "hidden_weight_0", WeightMap::Transposed),
            (concat!($network, ".bias_ih_l0"), "input_bias_0", WeightMap::Same),
            (concat!($network, ".bias_hh_l0"), "hidden_bias_0", WeightMap::Same),
            (concat!($network, ".weight_ih_l0_reverse"), "reverse_input_weight_0", WeightMap::Transposed),
            (concat!($network, ".weight_hh_l0_reverse"), "reverse_hidden_weight_0", WeightMap::Transposed),
            (concat!($network, ".bias_ih_l0_reverse"), "reverse_input_bias_0", WeightMap::Same),
            (concat!($network, ".bias_hh_l0_reverse"), "reverse_hidden_bias_0", WeightMap::Same),
            (concat!($network, ".weight_ih_l1"), "input_weight_1", WeightMap::Transposed),
            (concat!($network, ".weight_hh_l1"), "hidden_weight_1", WeightMap::Transposed),
            (concat!($network, ".bias_ih_l1"), "input_bias_1", WeightMap::Same),
            (concat!($network, ".bias_hh_l1"), "hidden_bias_1", WeightMap::Same),
            (concat!($network, ".weight_ih_l1_reverse"), "reverse_input_weight_1", WeightMap::Transposed),
            (concat!($network, ".weight_hh_l1_reverse"), "reverse_hidden_weight_1", WeightMap::Transposed),
            (concat!($network, ".bias_ih_l1_reverse"), "reverse_input_bias_1", WeightMap::Same),
            (concat!($network, ".bias_hh_l1_reverse"), "reverse_hidden_bias_1", WeightMap::Same),
        ]
    };
}

/// Reads with long short-term memory.
pub static LSTM: Recurrent = Recurrent {
    name: "lstm",
    doc: Doc {
        summary: "Reads clusters or sorted rows one after another with an LSTM.",
        formula: "h_k,  (h_t, c_t) = LSTM(x_t, (h_{t − 1}, c_{t − 1}))",
        paper: "Hamilton et al. 2017, \"Inductive Representation Learning on Large Graphs\"",
        example: "gcn(32) -> tanh -> sort_pool(8) -> lstm(16) -> linear",
    },
    n_gates: 4,
    pyg: ("torch_geometric.nn.LSTMAggregation", weights!("lstm")),
};

/// Reads with a gated recurrent unit.
pub static GRU: Recurrent = Recurrent {
    name: "gru",
    doc: Doc {
        summary: "Reads clusters or sorted rows one after another with a GRU.",
        formula: "h_k,  h_t = GRU(x_t, h_{t − 1})",
        paper: "Cho et al. 2014, \"Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation\"",
        example: "gcn(32) -> tanh -> sort_pool(8) -> gru(16) -> linear",
    },
    n_gates: 3,
    pyg: ("torch_geometric.nn.GRUAggregation", weights!("gru")),
};

/// The network of one layer in one direction.
struct Cell<'b> {
    input: V<'b>,
    hidden: V<'b>,
    biases: [V<'b>; 2],
    width: Size,
    is_lstm: bool,
}

/// The state after a row: what it says, and for the LSTM the cell.
#[derive(Clone, Copy)]
struct State<'b> {
    h: V<'b>,
    cell: Option<V<'b>>,
}

impl<'b> Cell<'b> {
    fn new(cx: &ProgramCx<'_, 'b>, names: [&'static str; 4], from: &Dim, to: &Dim, n_gates: usize) -> Self {
        let init = Init::KaimingUniform { fan_in: facts::known(to) };
        let gates = times(n_gates, to);
        let [input, hidden, input_bias, hidden_bias] = names;
        let b = cx.b;
        Self {
            input: b.weight(input, &[from.clone(), gates.clone()], init),
            hidden: b.weight(hidden, &[to.clone(), gates.clone()], init),
            biases: [input_bias, hidden_bias].map(|name| b.weight(name, std::slice::from_ref(&gates), init)),
            width: to.size.clone(),
            is_lstm: n_gates == 4,
        }
    }

    fn read(&self, x: V<'b>, before: Option<State<'b>>) -> State<'b> {
        let of_x = x.linear(self.input) + self.biases[0];
        let of_h = before.map_or(self.biases[1], |state| state.h.linear(self.hidden) + self.biases[1]);
        let gate = |v: V<'b>, n: usize| {
            v.slice(0, Size::product([Size::Known(n), self.width.clone()]), self.width.clone())
        };
        if self.is_lstm {
            let sums = of_x + of_h;
            let new = gate(sums, 0).sigmoid() * gate(sums, 2).tanh();
            let kept = before.and_then(|state| state.cell).map(|cell| gate(sums, 1).sigmoid() * cell);
            let cell = kept.map_or(new, |kept| kept + new);
            return State { h: gate(sums, 3).sigmoid() * cell.tanh(), cell: Some(cell) };
        }
        let reset = (gate(of_x, 0) + gate(of_h, 0)).sigmoid();
        let update = (gate(of_x, 1) + gate(of_h, 1)).sigmoid();
        let new = (gate(of_x, 2) + reset * gate(of_h, 2)).tanh();
        let kept = before.map(|state| update * (state.h - new));
        State { h: kept.map_or_else(|| new - update * new, |kept| new + kept), cell: None }
    }
}

/// The states after each row. Where a graph has no row at a place, the state stays as it was.
fn states<'b>(cell: &Cell<'b>, rows: &[V<'b>], is_there: Option<&[V<'b>]>, is_backward: bool) -> Vec<V<'b>> {
    let mut places: Vec<usize> = (0..rows.len()).collect();
    if is_backward {
        places.reverse();
    }
    let mut last: Option<State<'b>> = None;
    let mut all: Vec<Option<V<'b>>> = vec![None; rows.len()];
    for place in places {
        let new = cell.read(rows[place], last);
        let state = match is_there {
            None => new,
            Some(is_there) => {
                let nothing = rows[place].build().constant(0.0);
                let or = |new: V<'b>, before: Option<V<'b>>| {
                    is_there[place].choose(new, before.unwrap_or(nothing))
                };
                State {
                    h: or(new.h, last.map(|last| last.h)),
                    cell: new.cell.map(|cell| or(cell, last.and_then(|last| last.cell))),
                }
            }
        };
        all[place] = Some(state.h);
        last = Some(state);
    }
    all.into_iter().flatten().collect()
}

impl Operator for Recurrent {
    fn name(&self) -> &'static str {
        self.name
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        self.doc
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let name = self.name;
        let symmetry = match cx.inputs[0].entity {
            Entity::Graph => return Err(levels::needs_rows(cx)),
            Entity::Clusters | Entity::Slots => symmetry::of_entity(cx, Entity::Graph),
            Entity::Nodes | Entity::Edges | Entity::EdgeKinds | Entity::Pairs => {
                symmetry::reads_order(cx, format!("`{name}` reads the nodes in the order they are numbered"))
            }
        };
        let width = shape::output_width(cx, "out")?;
        let width = if cx.args.bool("bidirectional") {
            let Dim { size, .. } = times(2, &width);
            Dim::new(size, Some(cx.span), format!("`{name}` reads in both directions: 2 · {}", width.size))
        } else {
            width
        };
        Ok(Type { width, symmetry, ..one_row(cx) })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (b, a, width) = (cx.b, cx.args, &cx.inputs[0].width);
        let of_nodes = cx.inputs[0].entity == Entity::Nodes;
        // Of a number that is not known before the data, no program runs.
        let k = if of_nodes { MAX_NODES } else { cx.inputs[0].rows.known().unwrap_or(1) };
        let whole = Size::product([Size::Known(k), width.size.clone()]);
        let all = b.call(Composite::Flatten { width: whole }, &[cx.x()]);
        let mut rows: Vec<V> = (0..k)
            .map(|row| {
                all.slice(0, Size::product([Size::Known(row), width.size.clone()]), width.size.clone())
            })
            .collect();
        let n = b.count(Index::Graph).view(&[Size::Known(1)]);
        let is_there = of_nodes.then(|| (0..k).map(|row| n.above(row as f64 + 0.5)).collect::<Vec<V>>());
        let out = fixed(a.int("out") as usize);
        let mut from = width.clone();
        let mut last = rows[0];
        for names in &NAMES[..a.int("layers") as usize] {
            let cell = |names| Cell::new(cx, names, &from, &out, self.n_gates);
            let forward = states(&cell(names[0]), &rows, is_there.as_deref(), false);
            last = forward[k - 1];
            rows = if a.bool("bidirectional") {
                let backward = states(&cell(names[1]), &rows, is_there.as_deref(), true);
                last = b.concat(&[last, backward[0]]);
                forward.into_iter().zip(backward).map(|(f, r)| b.concat(&[f, r])).collect()
            } else {
                forward
            };
            from = if a.bool("bidirectional") { times(2, &out) } else { out.clone() };
        }
        Some(Outcome::graphs(last))
    }
    fn pyg(&self) -> Pyg {
        let (class, weights) = self.pyg;
        Pyg {
            class,
            weights,
            arguments: &[("num_layers", "layers")],
            note: "The map names the weights of two layers; further ones go on alike. PyG reads zeros behind the rows of smaller graphs.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Ordered)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn what_is_read_of_nodes_depends_on_their_numbers() {
        for name in ["lstm", "gru"] {
            let with = |before: &str, args: &str| format!("gcn(8) -> {before}{name}({args}) -> linear");
            assert_eq!(codes(&with("sort_pool(4) -> ", "6, layers = 2")), [""; 0]);
            assert_eq!(codes(&with("diffpool(k = 3) -> ", "6")), [""; 0]);
            let found = codes(&with("", "6"));
            assert!(found.iter().any(|code| code.starts_with("symmetry::")), "{found:?}");
            assert_eq!(types(&with("sort_pool(4) -> ", "6, bidirectional = true"), None)[3], "graph[12]");
        }
    }
}
