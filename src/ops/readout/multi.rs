//! `multi([mean, max], combine)`: several readouts, brought together.

use super::one_row;
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::aggregate::{Aggregate, Rows};
use crate::ops::conv::{OUT, times};
use crate::ops::findings::{args, levels, shape};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Pyg, WeightMap, WidthRule, facts};
use crate::program::V;
use crate::types::{Dim, Entity, Size, Type};

/// Several aggregations of the rows of each graph, and `combine` of them: side by side, mapped by a matrix, feature by feature by
/// a sum or another function, or by attention among them. Side by side is also `concat(mean, max)`.
///
/// Paper: Corso et al. 2020, "Principal Neighbourhood Aggregation for Graph Nets", on several aggregators at once; attention:
/// Vaswani et al. 2017, "Attention Is All You Need", section 3.2.2.
/// PyG: `torch_geometric.nn.MultiAggregation`.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: one vector per graph: `n F` features for `concat` of `n` aggregations, `out` for `project` and `attention`, else `F`
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph; `args::does_not_fit` for less than two aggregations and for
/// heads that do not divide the width; `args::no_effect` for `out` and `heads` where `combine` does not read them.
#[derive(Debug)]
pub struct Multi;

const COMBINE: &[&str] =
    &["concat", "project", "attention", "sum", "mean", "max", "min", "std", "var", "logsumexp"];

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "aggregates",
        kind: ArgKind::ChoiceList(Aggregate::NAMES),
        default: Default::ChoiceList(&["mean", "max"]),
        positional: true,
        doc: "How the rows are read, in several ways.",
    },
    ArgSpec {
        name: "combine",
        kind: ArgKind::Choice(COMBINE),
        default: Default::Choice("concat"),
        positional: false,
        doc: "How the results become one; PyG's `mode`. `std` and `var` are those of a sample, as PyTorch takes them.",
    },
    ArgSpec { positional: false, doc: "Width of the result of `project` and `attention`.", ..OUT },
    ArgSpec {
        name: "heads",
        kind: ArgKind::Int { min: 1, max: 256 },
        default: Default::Int(1),
        positional: false,
        doc: "Heads of `attention`.",
    },
];

/// Names of the matrix and the bias that each aggregation is mapped by before attention.
const MAPS: &[[&str; 2]] = &[
    ["map_weight_0", "map_bias_0"],
    ["map_weight_1", "map_bias_1"],
    ["map_weight_2", "map_bias_2"],
    ["map_weight_3", "map_bias_3"],
    ["map_weight_4", "map_bias_4"],
    ["map_weight_5", "map_bias_5"],
    ["map_weight_6", "map_bias_6"],
    ["map_weight_7", "map_bias_7"],
    ["map_weight_8", "map_bias_8"],
];

impl Operator for Multi {
    fn name(&self) -> &'static str {
        "multi"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Reads the rows of each graph in several ways and brings the results together.",
            formula: "combine(a_1(x), …, a_n(x))",
            paper: "Corso et al. 2020, \"Principal Neighbourhood Aggregation for Graph Nets\"",
            example: "gcn(32) -> relu -> multi([mean, max, std], combine = project, out = 16) -> relu -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        let (ways, combine) = (cx.args.choice_list("aggregates"), cx.args.choice("combine"));
        if ways.len() < 2 {
            let help =
                format!("write two or more, or `{}` alone as a stage", ways.first().unwrap_or(&"mean"));
            return Err(args::does_not_fit(
                cx,
                "aggregates",
                "`multi` needs two aggregations or more",
                &help,
            ));
        }
        let n_in = &cx.inputs[0].width;
        let is_attention = combine == "attention";
        if cx.args.is_written("heads") && !is_attention {
            return Err(args::no_effect(cx, "heads", &format!("`combine = {combine}` has none")));
        }
        let width = match combine {
            "project" | "attention" => shape::output_width(cx, "out")?,
            _ if cx.args.opt_int("out").is_some() => {
                let why = format!("the width follows from `combine = {combine}`");
                return Err(args::no_effect(cx, "out", &why));
            }
            "concat" => {
                let Dim { size, .. } = times(ways.len(), n_in);
                let reason = format!("`multi` puts {} aggregations side by side", ways.len());
                Dim::new(size, Some(cx.span), reason)
            }
            _ => n_in.clone(),
        };
        let heads = cx.args.int("heads") as usize;
        if let Some(n) = width.known().filter(|n| is_attention && n % heads != 0) {
            let message =
                format!("the result of `multi` is {n} wide, which {heads} heads cannot share evenly");
            let help = "write another number of heads, or a width that they divide";
            return Err(args::does_not_fit(cx, "heads", &message, help));
        }
        Ok(Type { width, ..one_row(cx) })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, b, a) = (cx.x(), cx.b, cx.args);
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let parts = a.choice_list("aggregates").iter();
        let parts: Vec<V> = parts.filter_map(|word| Some(Aggregate::find(word)?.of(&Rows(x), x))).collect();
        let n = parts.len();
        // `[n, F]`
        let rows = || {
            let axes = [Size::Known(n), n_in.size.clone()];
            b.concat(&parts).view(&axes)
        };
        let variance = || {
            let rows = rows();
            let centred = rows - rows.fold_mean(0).view(&[Size::Known(1), n_in.size.clone()]);
            centred.square().fold_sum(0).scale(1.0 / (n - 1) as f64)
        };
        Some(Outcome::graphs(match a.choice("combine") {
            "project" => {
                let width = times(n, n_in);
                cx.linear(b.concat(&parts), ["weight", "bias"], &width, n_out)
            }
            "attention" => {
                let mapped =
                    parts.iter().zip(MAPS).map(|(part, &names)| cx.linear(*part, names, n_in, n_out));
                let mapped: Vec<V> = mapped.collect();
                attention(cx, b.concat(&mapped), n, n_out)
            }
            "sum" => rows().fold_sum(0),
            "mean" => rows().fold_mean(0),
            "max" => rows().fold_max(0),
            "min" => -(-rows()).fold_max(0),
            "var" => variance(),
            // Where all results are equal, the root is infinitely steep.
            "std" => variance().at_least(1e-30).sqrt(),
            "logsumexp" => {
                let rows = rows();
                let largest = rows.fold_max(0).stop();
                let row = largest.view(&[Size::Known(1), n_in.size.clone()]);
                (rows - row).exp().fold_sum(0).ln() + largest
            }
            _ => b.concat(&parts),
        }))
    }
    fn pyg(&self) -> Pyg {
        use WeightMap::{Same, Transposed};
        Pyg {
            class: "torch_geometric.nn.MultiAggregation",
            weights: &[
                ("lin.weight", "weight", Transposed),
                ("lin.bias", "bias", Same),
                ("lin_heads.lins.0.weight", "map_weight_0", Transposed),
                ("lin_heads.lins.0.bias", "map_bias_0", Same),
                ("lin_heads.lins.1.weight", "map_weight_1", Transposed),
                ("lin_heads.lins.1.bias", "map_bias_1", Same),
                ("lin_heads.lins.2.weight", "map_weight_2", Transposed),
                ("lin_heads.lins.2.bias", "map_bias_2", Same),
                ("multihead_attn.in_proj_weight", "attention_weight", Transposed),
                ("multihead_attn.in_proj_bias", "attention_bias", Same),
                ("multihead_attn.out_proj.weight", "out_weight", Transposed),
                ("multihead_attn.out_proj.bias", "out_bias", Same),
            ],
            arguments: &[("aggrs", "aggregates"), ("mode", "combine"), ("num_heads", "heads")],
            note: "PyG's `cat`, `proj` and `attn` are `concat`, `project` and `attention`; further maps follow the pattern.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let has = |word: &str| args.choice_list("aggregates").contains(&word);
        // Side by side they tell as much as the one that tells most.
        Action::Readout(match args.choice("combine") {
            "concat" | "project" if has("sum") => Gather::Sum,
            _ => Gather::Other,
        })
    }
}

/// The mean over `n` rows of a graph, each of which attends to all of them: `x [n · F]`.
fn attention<'b>(cx: &ProgramCx<'_, 'b>, x: V<'b>, n: usize, width: &Dim) -> V<'b> {
    let (b, heads) = (cx.b, cx.args.int("heads") as usize);
    let init = Init::Glorot { fan_in: facts::known(width), fan_out: 3 * facts::known(width) };
    let each = crate::ops::conv::part(width, heads);
    let rows = x.view(&[Size::Known(n), width.size.clone()]);
    let w = b.weight("attention_weight", &[width.clone(), times(3, width)], init);
    let bias = b.weight("attention_bias", &[times(3, width)], Init::Zeros);
    let all = rows.linear(w) + bias;
    let part = |k: usize, head: usize| {
        let start = [
            Size::product([Size::Known(k), width.size.clone()]),
            Size::product([Size::Known(head), each.size.clone()]),
        ];
        all.slice(1, Size::sum(start), each.size.clone())
    };
    let scale = 1.0 / each.known().unwrap_or(1).max(1) as f64;
    let of_heads = (0..heads).map(|head| {
        let scores = part(0, head).contract_by(part(1, head), [false, true]).scale(scale.sqrt());
        scores.softmax_columns().contract(part(2, head))
    });
    let read = b.concat(&of_heads.collect::<Vec<_>>());
    let uniform = Init::KaimingUniform { fan_in: facts::known(width) };
    let out = b.weight("out_weight", &[width.clone(), width.clone()], uniform);
    let y = read.linear(out) + b.weight("out_bias", std::slice::from_ref(width), Init::Zeros);
    y.fold_mean(0)
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn widths_follow_from_how_results_come_together() {
        let width = |text: &str| types(&format!("gcn(8) -> multi({text}) -> linear"), None)[2].clone();
        assert_eq!(width("[mean, max, std]"), "graph[24]");
        assert_eq!(width("[mean, max, std], combine = logsumexp"), "graph[8]");
        assert_eq!(width("[mean, max], combine = attention, out = 6, heads = 3"), "graph[6]");
        let codes = |text: &str| codes(&format!("gcn(8) -> multi({text}) -> linear"));
        assert_eq!(codes("[mean]"), ["args::does_not_fit"]);
        assert_eq!(codes("[mean, max], out = 4"), ["args::no_effect"]);
        assert_eq!(codes("[mean, max], heads = 2"), ["args::no_effect"]);
        assert_eq!(codes("[mean, max], combine = attention, out = 6, heads = 4"), ["args::does_not_fit"]);
    }
}
