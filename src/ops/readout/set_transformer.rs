//! `set_transformer(seeds)`: attention of all rows to each other, to a few, and among these.

use super::attention::{Block, Mab, Options, block, block_map};
use super::multiset_transformer::{DROPOUT, HEADS, LAYER_NORM, heads_fit, seeds};
use super::one_row;
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::times;
use crate::ops::findings::levels;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Pyg, WeightMap, WidthRule};
use crate::types::{Dim, Entity, Type};

/// Set transformer: in `encoders` blocks all rows of a graph attend to each other, `k` learned rows attend to the results, and in
/// `decoders` blocks these attend to each other; their results stand side by side, or their mean is taken. A block is that of
/// `multiset_transformer`.
///
/// Paper: Lee et al. 2019, "Set Transformer: A Framework for Attention-based Permutation-Invariant Neural Networks", eqs. 6 to 8 and 14.
/// PyG: `torch_geometric.nn.SetTransformerAggregation`, here without padding.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: one vector per graph, `k F` features, or `F` without `concat`
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph, `args::does_not_fit` where the heads do not divide the width.
#[derive(Debug)]
pub struct SetTransformer;

static ENCODERS: [Block; 3] = [block!("encoder0"), block!("encoder1"), block!("encoder2")];
static DECODERS: [Block; 3] = [block!("decoder0"), block!("decoder1"), block!("decoder2")];

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "seeds",
        kind: ArgKind::Int { min: 1, max: 1024 },
        default: Default::Int(1),
        positional: true,
        doc: "Number of learned rows that read the graph, `k`.",
    },
    ArgSpec {
        name: "encoders",
        kind: ArgKind::Int { min: 0, max: ENCODERS.len() as i64 },
        default: Default::Int(1),
        positional: false,
        doc: "Number of blocks in which all rows attend to each other.",
    },
    ArgSpec {
        name: "decoders",
        kind: ArgKind::Int { min: 0, max: DECODERS.len() as i64 },
        default: Default::Int(1),
        positional: false,
        doc: "Number of blocks in which the learned rows attend to each other.",
    },
    HEADS,
    ArgSpec::flag("concat", true, "Whether the results stand side by side; otherwise their mean is taken."),
    LAYER_NORM,
    DROPOUT,
];

impl Operator for SetTransformer {
    fn name(&self) -> &'static str {
        "set_transformer"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Attention of all rows of a graph to each other, to k learned ones, and among these.",
            formula: "SAB(MAB(S, SAB(x)))",
            paper: "Lee et al. 2019, \"Set Transformer: A Framework for Attention-based Permutation-Invariant Neural Networks\"",
            example: "gcn(32) -> relu -> set_transformer(2, heads = 4) -> linear",
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
        heads_fit(cx)?;
        let k = if cx.args.bool("concat") { cx.args.int("seeds") as usize } else { 1 };
        let width = match times(k, &cx.inputs[0].width) {
            width if k == 1 => width,
            width => Dim::new(
                width.size,
                Some(cx.span),
                format!("`set_transformer` lays {k} results side by side"),
            ),
        };
        Ok(Type { width, ..one_row(cx) })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (width, options, a) = (&cx.inputs[0].width, Options::of(cx), cx.args);
        let block = |names| Mab::new(cx, names, width, options);
        let mut x = cx.x();
        for (place, names) in ENCODERS[..a.int("encoders") as usize].iter().enumerate() {
            x = block(names).of_all(x, place);
        }
        let [first, rows] =
            seeds(cx, x, ["pma.seed", "pma.weight", "pma.bias"], a.int("seeds") as usize, width);
        let mut y = block(&block!("pma")).of_rows(first, rows);
        for names in &DECODERS[..a.int("decoders") as usize] {
            y = block(names).of_few(y, y);
        }
        Some(Outcome::graphs(if a.bool("concat") { y.flat() } else { y.fold_mean(0) }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.SetTransformerAggregation",
            weights: WEIGHTS,
            arguments: &[
                ("num_seed_points", "seeds"),
                ("num_encoder_blocks", "encoders"),
                ("num_decoder_blocks", "decoders"),
            ],
            note: "",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Attention)
    }
}

const MABS: &[(&str, &str, WeightMap)] = block_map!(
    "encoders.0.mab" => "encoder0", "encoders.1.mab" => "encoder1", "encoders.2.mab" => "encoder2", "pma.mab" => "pma",
    "decoders.0.mab" => "decoder0", "decoders.1.mab" => "decoder1", "decoders.2.mab" => "decoder2");

const OTHERS: &[(&str, &str, WeightMap)] = &[
    ("pma.seed", "pma.seed", WeightMap::Reshaped),
    ("pma.lin.weight", "pma.weight", WeightMap::Transposed),
    ("pma.lin.bias", "pma.bias", WeightMap::Same),
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
    fn results_stand_side_by_side_or_their_mean_is_taken() {
        let width =
            |args: &str| types(&format!("gcn(8) -> set_transformer({args}) -> linear"), None)[2].clone();
        assert_eq!(width("3, heads = 2"), "graph[24]");
        assert_eq!(width("3, heads = 2, concat = false"), "graph[8]");
        assert_eq!(width(""), "graph[8]");
        assert_eq!(codes("gcn(8) -> set_transformer(3, heads = 3) -> linear"), ["args::does_not_fit"]);
        assert_eq!(codes("gcn(8) -> mean -> set_transformer(3) -> linear"), ["levels::needs_rows"]);
    }
}
