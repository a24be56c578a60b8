//! `self_attention(heads)`: all rows of a graph attend to each other.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::{MAX_WIDTH, fixed, times};
use crate::ops::findings::{args, levels};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WeightSpec, WidthRule, facts,
};
use crate::program::{Index, V};
use crate::types::{Dim, Entity, Size, Type};

/// Multi-head attention of the rows of each graph to each other, whatever edges there are: `[a_1 ∥ … ∥ a_H] W_o + b_o`,
/// `a_h = softmax(q_h k_hᵀ / √d) v_h` of queries, keys and values `x W + b`. With `kind = performer` the softmax is replaced by products
/// of features, `φ(q) (φ(k)ᵀ v) / φ(q) Σφ(k)`, `φ(x) = relu(P x) + 0.001` with orthogonal rows `P`, which take time linear in the rows.
///
/// Paper: Vaswani et al. 2017, "Attention Is All You Need", eq. 1; Choromanski et al. 2021, "Rethinking Attention with Performers",
/// eq. 4 with the ReLU of section 4.
/// PyG: `torch_geometric.nn.attention.PerformerAttention`; PyTorch: `torch.nn.MultiheadAttention`. Here without padding.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: as the input
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph, `args::does_not_fit` where the heads do not divide the width,
/// `args::no_effect` for `head_width` without `performer`.
#[derive(Debug)]
pub struct SelfAttention;

/// Which attention.
pub const KIND: ArgSpec = ArgSpec {
    name: "kind",
    kind: ArgKind::Choice(&["softmax", "performer"]),
    default: Default::Choice("softmax"),
    positional: false,
    doc: "`softmax` over all pairs of rows of a graph, or `performer`, which is linear in the rows.",
};

pub const HEADS: ArgSpec = ArgSpec {
    name: "heads",
    kind: ArgKind::Int { min: 1, max: 256 },
    default: Default::Int(1),
    positional: true,
    doc: "Attention heads, `H`; with `softmax` they share the width evenly.",
};

pub const HEAD_WIDTH: ArgSpec = ArgSpec {
    name: "head_width",
    kind: ArgKind::Int { min: 1, max: MAX_WIDTH },
    default: Default::Inferred("64, as in PyG"),
    positional: false,
    doc: "Width of each head of `performer`.",
};

static ARGS: &[ArgSpec] = &[
    HEADS,
    KIND,
    HEAD_WIDTH,
    ArgSpec {
        name: "dropout",
        kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
        default: Default::Float(0.0),
        positional: false,
        doc: "Probability that a share of the attention is dropped while training; with `performer` a number of the result.",
    },
];

/// Weights of [`attended`]: of queries, keys and values in one, with its bias; of the three apart; of the result; the rows that make
/// features.
pub struct Names {
    pub packed: [&'static str; 2],
    pub apart: [&'static str; 3],
    pub result: [&'static str; 2],
    pub projection: &'static str,
}

/// The names of an attention whose weights begin with a prefix.
macro_rules! names {
    ($prefix:literal) => {
        $crate::ops::structure::self_attention::Names {
            packed: [concat!($prefix, "in_weight"), concat!($prefix, "in_bias")],
            apart: [
                concat!($prefix, "query_weight"),
                concat!($prefix, "key_weight"),
                concat!($prefix, "value_weight"),
            ],
            result: [concat!($prefix, "out_weight"), concat!($prefix, "out_bias")],
            projection: concat!($prefix, "projection"),
        }
    };
}
pub(crate) use names;

/// What an attention does.
pub struct Kind<'a> {
    pub kind: &'a str,
    pub heads: usize,
    pub head_width: Option<i64>,
    pub dropout: f64,
}

/// # Errors
/// `args::does_not_fit` where the heads do not divide the width, `args::no_effect` for `head_width` of an attention that has none.
pub fn heads_fit(cx: &InferCx, kind: &str) -> Result<(), Diagnostic> {
    let (name, heads, width) = (cx.op.name(), cx.args.int("heads") as usize, &cx.inputs[0].width);
    if cx.args.choice(kind) == "performer" {
        return Ok(());
    }
    if cx.args.opt_int("head_width").is_some() {
        let why = format!("heads share the width evenly without `{kind} = performer`");
        return Err(args::no_effect(cx, "head_width", &why));
    }
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

/// The rows of each graph attend to each other.
pub fn attended<'b>(cx: &ProgramCx<'_, 'b>, x: V<'b>, width: &Dim, how: &Kind, names: &Names) -> V<'b> {
    let (b, heads) = (cx.b, how.heads);
    if how.kind != "performer" {
        let packed = times(3, width);
        let init = Init::Glorot { fan_in: facts::known(width), fan_out: facts::known(&packed) };
        let w = b.weight(names.packed[0], &[width.clone(), packed.clone()], init);
        let x = x.linear(w) + b.weight(names.packed[1], std::slice::from_ref(&packed), Init::Zeros);
        let read = x.self_attention(&width.size, heads, how.dropout, 0);
        let uniform = Init::KaimingUniform { fan_in: facts::known(width) };
        let [weight, bias] = names.result;
        let w = b.weight(weight, &[width.clone(), width.clone()], uniform);
        return read.linear(w) + b.weight(bias, std::slice::from_ref(width), Init::Zeros);
    }
    let each = fixed(how.head_width.unwrap_or(64) as usize);
    let inner = times(heads, &each);
    let n_features = facts::known(&each) as f64;
    let n_features = fixed(((n_features * n_features.ln()) as usize).max(1));
    let projection = b.any_weight(WeightSpec {
        name: names.projection,
        shape: vec![n_features, each.clone()],
        init: Init::OrthogonalRows,
        is_trained: false,
    });
    let [query, key, value] = names.apart.map(|name| cx.map(x, name, width, &inner));
    let read = (0..heads).map(|head| {
        let start = Size::Known(head * facts::known(&each));
        let part = |x: V<'b>| x.slice(0, start.clone(), each.size.clone());
        // A small number keeps what is divided by away from 0.
        let features = |x: V<'b>| part(x).linear_by(projection, true).relu().offset(1e-3);
        let (query, key) = (features(query), features(key));
        let read = query.apply(key.outer(part(value), Index::Graph), Index::Graph);
        let total = (query * key.sum(Index::Graph).gather(Index::Graph)).fold_sum(0);
        read.div_rows(total)
    });
    let read = b.concat(&read.collect::<Vec<_>>());
    cx.linear(read, names.result, &inner, width).dropout(how.dropout)
}

impl Operator for SelfAttention {
    fn name(&self) -> &'static str {
        "self_attention"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Multi-head attention of all rows of a graph to each other, whatever edges there are.",
            formula: "[a_1 ∥ … ∥ a_H] W_o + b_o,  a_h = softmax(q_h k_hᵀ / √d) v_h",
            paper: "Vaswani et al. 2017, \"Attention Is All You Need\"",
            example: "gcn(32) -> relu -> residual(self_attention(4)) -> layer_norm -> mean -> linear",
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
        heads_fit(cx, "kind")?;
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let a = cx.args;
        let how = Kind {
            kind: a.choice("kind"),
            heads: a.int("heads") as usize,
            head_width: a.opt_int("head_width"),
            dropout: a.float("dropout"),
        };
        Some(Outcome::rows(attended(cx, cx.x(), &cx.output.width, &how, &names!(""))))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.attention.PerformerAttention",
            weights: &[
                ("q.weight", "query_weight", WeightMap::Transposed),
                ("k.weight", "key_weight", WeightMap::Transposed),
                ("v.weight", "value_weight", WeightMap::Transposed),
                ("attn_out.weight", "out_weight", WeightMap::Transposed),
                ("attn_out.bias", "out_bias", WeightMap::Same),
                ("fast_attn.projection_matrix", "projection", WeightMap::Same),
            ],
            arguments: &[("head_channels", "head_width")],
            note: "with `kind = performer`; `softmax` is `torch.nn.MultiheadAttention`. PyG's performer divides by padded keys too.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Exchange
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn heads_share_the_width_or_have_their_own() {
        assert_eq!(types("gcn(8) -> self_attention(2) -> mean -> linear", None)[2], "nodes[N, 8]");
        assert_eq!(codes("gcn(8) -> self_attention(3) -> mean -> linear"), ["args::does_not_fit"]);
        assert_eq!(codes("gcn(8) -> self_attention(3, kind = performer) -> mean -> linear"), [""; 0]);
        assert_eq!(
            codes("gcn(8) -> self_attention(2, head_width = 4) -> mean -> linear"),
            ["args::no_effect"]
        );
        assert_eq!(codes("gcn(8) -> mean -> self_attention(2) -> linear"), ["levels::needs_rows"]);
        assert_eq!(codes("diffpool(k = 4) -> self_attention -> mean -> linear"), [""; 0]);
    }
}
