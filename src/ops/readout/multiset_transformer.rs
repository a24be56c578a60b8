//! `multiset_transformer(seeds)`: attention from all rows to a few, among these, and to one.

use super::attention::{Block, Mab, Options, block, block_map};
use super::one_row;
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::fixed;
use crate::ops::findings::{args, levels};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Pyg, WeightMap, WidthRule, facts};
use crate::program::V;
use crate::types::{Dim, Entity, Size, Type};

/// Graph multiset transformer: `k` learned rows attend to all rows of the graph, the results attend to each other in `blocks` blocks, and
/// one learned row attends to them. Each block is `MAB(x, y) = h + relu(h W)`, `h = x + attention(x, y, y)`, with layer norm behind `h` and
/// the result where asked for.
///
/// Paper: Baek et al. 2021, "Accurate Learning of Graph Representations with Graph Multiset Pooling", eqs. 4 to 7.
/// PyG: `torch_geometric.nn.GraphMultisetTransformer`, which maps keys and values by linear layers as here; the paper has graph
/// convolutions there.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: one vector per graph, `F` features
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph, `args::does_not_fit` where the heads do not divide the width.
#[derive(Debug)]
pub struct MultisetTransformer;

static BLOCKS: [Block; 2] = [block!("encoder0"), block!("encoder1")];

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "seeds",
        kind: ArgKind::Int { min: 1, max: 1024 },
        default: Default::Required,
        positional: true,
        doc: "Number of learned rows that read the graph, `k`.",
    },
    ArgSpec {
        name: "blocks",
        kind: ArgKind::Int { min: 0, max: BLOCKS.len() as i64 },
        default: Default::Int(1),
        positional: false,
        doc: "Number of blocks in which they attend to each other.",
    },
    HEADS,
    LAYER_NORM,
    DROPOUT,
];

/// Heads of every block.
pub(super) const HEADS: ArgSpec = ArgSpec {
    name: "heads",
    kind: ArgKind::Int { min: 1, max: 256 },
    default: Default::Int(1),
    positional: false,
    doc: "Attention heads of each block; they share the width evenly.",
};

pub(super) const LAYER_NORM: ArgSpec = ArgSpec::flag(
    "layer_norm",
    false,
    "Whether layer norm follows the attention and the layer of each block.",
);

pub(super) const DROPOUT: ArgSpec = ArgSpec {
    name: "dropout",
    kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
    default: Default::Float(0.0),
    positional: false,
    doc: "Probability that a share of the attention is dropped while training.",
};

/// # Errors
/// `args::does_not_fit` where the heads do not divide the width.
pub(super) fn heads_fit(cx: &InferCx) -> Result<(), Diagnostic> {
    let (name, heads, width) = (cx.op.name(), cx.args.int("heads") as usize, &cx.inputs[0].width);
    match width.known().filter(|n| n % heads != 0) {
        None => Ok(()),
        Some(n) => {
            let message =
                format!("the input of `{name}` is {n} wide, which {heads} heads cannot share evenly");
            let help = "write another number of heads, or a width that they divide";
            Err(args::does_not_fit(cx, "heads", &message, help))
        }
    }
}

/// `k` learned rows, and the layer that the rows that they read go through: `seed`, `lin_weight` and `lin_bias`.
pub(super) fn seeds<'b>(
    cx: &ProgramCx<'_, 'b>,
    x: V<'b>,
    [seed, weight, bias]: [&'static str; 3],
    k: usize,
    width: &Dim,
) -> [V<'b>; 2] {
    let init = Init::Glorot { fan_in: k * facts::known(width), fan_out: facts::known(width) };
    let seeds = cx.b.weight(seed, &[fixed(k), width.clone()], init);
    [seeds, cx.linear(x, [weight, bias], width, width).relu()]
}

impl Operator for MultisetTransformer {
    fn name(&self) -> &'static str {
        "multiset_transformer"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Attention from all rows of a graph to k learned ones, among these, and to one.",
            formula: "MAB(s', SAB(MAB(S, x)))",
            paper: "Baek et al. 2021, \"Accurate Learning of Graph Representations with Graph Multiset Pooling\"",
            example: "gcn(32) -> relu -> multiset_transformer(4, heads = 2) -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        heads_fit(cx)?;
        Ok(one_row(cx))
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (width, options) = (&cx.inputs[0].width, Options::of(cx));
        let k = cx.args.int("seeds") as usize;
        let [first, rows] = seeds(cx, cx.x(), ["pma1.seed", "pma1.weight", "pma1.bias"], k, width);
        let mut y = Mab::new(cx, &block!("pma1"), width, options).of_rows(first, rows);
        for names in &BLOCKS[..cx.args.int("blocks") as usize] {
            y = Mab::new(cx, names, width, options).of_few(y, y);
        }
        let [last, rows] = seeds(cx, y, ["pma2.seed", "pma2.weight", "pma2.bias"], 1, width);
        let y = Mab::new(cx, &block!("pma2"), width, options).of_few(last, rows);
        Some(Outcome::graphs(y.view(&[Size::clone(&width.size)])))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.GraphMultisetTransformer",
            weights: WEIGHTS,
            arguments: &[("k", "seeds"), ("num_encoder_blocks", "blocks")],
            note: "",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Attention)
    }
}

const MABS: &[(&str, &str, WeightMap)] = block_map!(
    "pma1.mab" => "pma1", "encoders.0.mab" => "encoder0", "encoders.1.mab" => "encoder1", "pma2.mab" => "pma2");

const OTHERS: &[(&str, &str, WeightMap)] = &[
    ("pma1.seed", "pma1.seed", WeightMap::Reshaped),
    ("pma1.lin.weight", "pma1.weight", WeightMap::Transposed),
    ("pma1.lin.bias", "pma1.bias", WeightMap::Same),
    ("pma2.seed", "pma2.seed", WeightMap::Reshaped),
    ("pma2.lin.weight", "pma2.weight", WeightMap::Transposed),
    ("pma2.lin.bias", "pma2.bias", WeightMap::Same),
];

static WEIGHTS: &[(&str, &str, WeightMap)] = &{
    let mut all = [OTHERS[0]; MABS.len() + OTHERS.len()];
    let mut k = 0;
    while k < all.len() {
        all[k] = if k < MABS.len() { MABS[k] } else { OTHERS[k - MABS.len()] };
        k += 1;
    }
    all
};

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn heads_share_the_width() {
        assert_eq!(types("gcn(8) -> multiset_transformer(3, heads = 2) -> linear", None)[2], "graph[8]");
        assert_eq!(codes("gcn(8) -> multiset_transformer(3, heads = 3) -> linear"), ["args::does_not_fit"]);
        assert_eq!(codes("gcn(8) -> mean -> multiset_transformer(3) -> linear"), ["levels::needs_rows"]);
    }
}
