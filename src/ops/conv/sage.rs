//! `sage(out)`: GraphSAGE.

use super::{BIAS, OUT, convolved, times};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::aggregate::{Aggregate, softmax_sum};
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WidthRule, facts,
};
use crate::program::Norm;
use crate::program::V;
use crate::program::composite::Composite;
use crate::types::Type;

/// GraphSAGE: `h_i = W_lᵀ AGG_{j ∈ N(i)} x_j + W_rᵀ x_i + b`, where with `project` neighbours are `ReLU(W_pᵀ x_j + b_p)`.
///
/// Paper: Hamilton et al. 2017, "Inductive Representation Learning on Large Graphs", algorithm 1 and section 3.3.
/// PyG: `torch_geometric.nn.SAGEConv`; on clusters `torch_geometric.nn.DenseSAGEConv`.
///
/// Rows `0 .. F_in` of `weight` are `W_l`, of the aggregate; rows `F_in .. 2 F_in` are `W_r`, of the root.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `args::does_not_fit` on clusters for what is no sum, and for `lstm` in a list,
/// `args::no_effect` for `t` and `learn_t` without `softmax_sum`,
/// `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct Sage;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "aggregate",
        kind: ArgKind::Words(&[
            "mean",
            "sum",
            "max",
            "min",
            "std",
            "var",
            "mul",
            "median",
            "softmax_sum",
            "lstm",
        ]),
        default: Default::Choice("mean"),
        positional: false,
        doc: "How the neighbours are gathered, or a list of ways whose results are put side by side. `lstm` reads them one \
              after another, so its result depends on the numbering, and stands alone; `max`, `min`, `mul`, `median` and \
              `lstm` work on nodes only.",
    },
    ArgSpec::flag(
        "root_weight",
        true,
        "Whether the node's own features are added through their own matrix `W_r`.",
    ),
    ArgSpec::flag(
        "normalize",
        false,
        "Whether each row of the result is divided by its Euclidean length (algorithm 1, line 7).",
    ),
    BIAS,
    ArgSpec::flag(
        "project",
        false,
        "Whether the neighbours' features go through a layer with `relu` before they are gathered (eq. 3).",
    ),
    ArgSpec {
        name: "t",
        kind: ArgKind::Float(Range::closed(-1e3, 1e3)),
        default: Default::Float(1.0),
        positional: false,
        doc: "What `softmax_sum` multiplies features by before its softmax; where it is trained, what it begins at.",
    },
    ArgSpec::flag("learn_t", false, "Whether `t` is trained."),
    super::DIRECTION,
    super::AGAINST,
];

impl Operator for Sage {
    fn name(&self) -> &'static str {
        "sage"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "GraphSAGE: the neighbours' aggregate and the node itself, each through its own linear map.",
            formula: "h_i = W_lᵀ AGG_{j ∈ N(i)} x_j + W_rᵀ x_i + b",
            paper: "Hamilton et al. 2017, \"Inductive Representation Learning on Large Graphs\"",
            example: "sage(64) -> relu -> sage(64, aggregate = max) -> relu -> mean -> linear",
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
        super::fits_clusters(cx)?;
        let words = cx.args.words("aggregate");
        if words.is_empty() {
            let help = "write for example `aggregate = [mean, max]`, or leave it out";
            return Err(findings::args::does_not_fit(
                cx,
                "aggregate",
                "`sage` gathers in one way at least",
                help,
            ));
        }
        if words.len() > 1 && words.contains(&"lstm") {
            let help = "write `aggregate = lstm`, or leave `lstm` out of the list";
            return Err(findings::args::does_not_fit(cx, "aggregate", "`lstm` stands alone in `sage`", help));
        }
        for name in ["t", "learn_t"] {
            if cx.args.is_written(name) && !words.contains(&"softmax_sum") {
                return Err(findings::args::no_effect(cx, name, "nothing is gathered by `softmax_sum`"));
            }
        }
        let mut ty = convolved(cx, findings::shape::output_width(cx, "out")?)?;
        if words == ["lstm"] {
            ty.symmetry = findings::symmetry::reads_order(
                cx,
                "`sage(aggregate = lstm)` reads the neighbours in the order they are numbered",
            );
        }
        Ok(ty)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let has_root = a.bool("root_weight");
        let uniform = Init::KaimingUniform { fan_in: facts::known(n_in) };
        let from = if a.bool("project") {
            cx.linear(x, ["project_weight", "project_bias"], n_in, n_in).relu()
        } else {
            x
        };
        let words = a.words("aggregate");
        let gathered = |word: &str| match word {
            "lstm" => {
                // Rows for the neighbour that is read, then for the hidden state; columns by gate.
                let gates = times(4, n_in);
                let lstm = b.weight("lstm_weight", &[times(2, n_in), gates.clone()], uniform);
                e.propagate_lstm(from, lstm, b.weight("lstm_bias", &[gates], uniform))
            }
            "max" => e.propagate_max(from),
            "softmax_sum" => {
                let scores = match a.bool("learn_t") {
                    true => from * b.weight("t", &[super::fixed(1)], Init::Constant(a.float("t"))),
                    false => from.scale(a.float("t")),
                };
                softmax_sum(&e, e.source(from), e.source(scores))
            }
            word => Aggregate::find(word).unwrap_or(Aggregate::Mean).of(&e, e.source(from)),
        };
        let y = if let &[word] = words {
            let w = b.weight("weight", &[times(if has_root { 2 } else { 1 }, n_in), n_out.clone()], uniform);
            let bias = a.bool("bias").then(|| b.weight("bias", std::slice::from_ref(n_out), uniform));
            match word {
                "sum" | "mean" if !a.bool("project") => {
                    let norm = if word == "sum" { Norm::Sum } else { Norm::Mean };
                    e.convolve(x, norm, has_root, w, bias)
                }
                // What is no sum is gathered first, then put beside the node itself.
                word => {
                    let rows = gathered(word);
                    let rows = if has_root { b.call(Composite::Beside, &[rows, x]) } else { rows };
                    cx.affine(rows, w, bias)
                }
            }
        } else {
            let all = times(words.len(), n_in);
            let rows: Vec<V> = words.iter().map(|&word| gathered(word)).collect();
            let y = cx.map(b.concat(&rows), "gathered_weight", &all, n_out);
            let y = if has_root { y + cx.map(x, "root_weight", n_in, n_out) } else { y };
            if a.bool("bias") { y + b.weight("bias", std::slice::from_ref(n_out), uniform) } else { y }
        };
        // Rows are normalised before an activation, as a stage that follows would see them.
        Some(Outcome::rows(if a.bool("normalize") { super::unit_rows(y) } else { y }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.SAGEConv",
            weights: &[
                ("lin_l.weight", "weight", WeightMap::TransposedRows { part: 0, of: 2 }),
                ("lin_r.weight", "weight", WeightMap::TransposedRows { part: 1, of: 2 }),
                ("lin_l.bias", "bias", WeightMap::Same),
                ("lin_l.weight", "gathered_weight", WeightMap::Transposed),
                ("lin_r.weight", "root_weight", WeightMap::Transposed),
                ("lin.weight", "project_weight", WeightMap::Transposed),
                ("lin.bias", "project_bias", WeightMap::Same),
                ("aggr_module.t", "t", WeightMap::Same),
                ("lin_rel.weight", "weight", WeightMap::TransposedRows { part: 0, of: 2 }),
                ("lin_root.weight", "weight", WeightMap::TransposedRows { part: 1, of: 2 }),
                ("lin_root.bias", "bias", WeightMap::Same),
                (
                    "aggr_module.lstm.weight_ih_l0",
                    "lstm_weight",
                    WeightMap::TransposedRows { part: 0, of: 2 },
                ),
                (
                    "aggr_module.lstm.weight_hh_l0",
                    "lstm_weight",
                    WeightMap::TransposedRows { part: 1, of: 2 },
                ),
            ],
            arguments: &[],
            note: "On clusters `torch_geometric.nn.DenseSAGEConv`, whose weights are `lin_rel` and `lin_root`. \
                   Without a root, `lin_l` is the whole of `weight`. `lstm_bias` is the sum of PyG's `bias_ih_l0` \
                   and `bias_hh_l0`; PyG goes on reading zeros until the longest row of the batch ends, here each \
                   node's reading ends with its last neighbour.",
        }
    }
    fn averages(&self, args: &Args) -> bool {
        let are_averages =
            args.words("aggregate").iter().all(|word| ["mean", "max", "min", "median"].contains(word));
        are_averages && !args.bool("normalize") && !args.bool("project") && super::is_one_way(args)
    }
    fn action(&self, args: &Args) -> Action {
        let words = args.words("aggregate");
        let all = words.iter().map(|word| Aggregate::find(word).map_or(Gather::Ordered, Aggregate::gather));
        let all: Vec<Gather> = all.collect();
        // Side by side they tell as much as the one that tells most.
        let gather = match all[..] {
            [one] => one,
            _ if all.contains(&Gather::Sum) => Gather::Sum,
            _ => Gather::Other,
        };
        let own = if args.bool("root_weight") { Own::Root } else { Own::Absent };
        let is_linear = matches!(gather, Gather::Sum | Gather::Mean)
            && all.len() == 1
            && !args.bool("normalize")
            && !args.bool("project");
        Action::Messages { gather, own, is_linear }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{assert_close, codes, nodes, run, transformed, weight};

    #[test]
    fn the_first_rows_of_the_weight_are_for_the_neighbours() {
        let data = nodes(3, &[(1, 0)]);
        for aggregate in ["mean", "sum", "max"] {
            let (rows, network) = run(&format!("model = sage(aggregate = {aggregate})"), &data);
            let (matrix, bias) = (weight(&network, "1.sage.weight"), weight(&network, "1.sage.bias"));
            assert_close(&rows[2], &transformed(&data, 2, &matrix[3..], &bias[0]));
            let root = transformed(&data, 0, &matrix[3..], &bias[0]);
            assert_close(&rows[0], &transformed(&data, 1, &matrix[..3], &root));
        }
    }

    #[test]
    fn the_mean_counts_parallel_edges_and_loops_each() {
        let data = nodes(2, &[(0, 1), (0, 1), (1, 1)]);
        let (rows, network) =
            run("task = node_classification\nmodel = sage(root_weight = false, bias = false)", &data);
        let of = |node| transformed(&data, node, &weight(&network, "1.sage.weight"), &[0.0, 0.0]);
        let expected: Vec<f64> =
            of(0).iter().zip(of(1)).map(|(&from, own)| (2.0 * from + own) / 3.0).collect();
        assert_close(&rows[1], &expected);
        assert_close(&rows[0], &[0.0, 0.0]);
    }

    #[test]
    fn normalized_rows_have_length_one() {
        let (rows, _) = run("model = sage(normalize = true)", &nodes(4, &[(0, 1), (2, 1)]));
        for row in rows {
            let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
            assert!((length - 1.0).abs() < 1e-12, "{row:?}");
        }
    }

    #[test]
    fn an_aggregation_by_order_is_refused_where_order_must_not_matter() {
        assert_eq!(codes("sage(8) -> relu -> mean -> linear"), [""; 0]);
        let codes = codes("sage(8, aggregate = lstm) -> relu -> mean -> linear");
        assert!(codes.iter().any(|code| code.starts_with("symmetry::")), "{codes:?}");
    }

    #[test]
    fn ways_to_gather_stand_side_by_side() {
        let codes = |text: &str| codes(&format!("sage(8, {text}) -> relu -> mean -> linear"));
        assert_eq!(codes("aggregate = [mean, max, std], project = true"), [""; 0]);
        assert_eq!(codes("aggregate = softmax_sum, t = 0.5, learn_t = true"), [""; 0]);
        assert_eq!(codes("aggregate = []"), ["args::does_not_fit"]);
        assert_eq!(codes("aggregate = [mean, lstm]"), ["args::does_not_fit"]);
        assert_eq!(codes("aggregate = [mean, mean]"), ["args::duplicate"]);
        assert_eq!(codes("learn_t = true"), ["args::no_effect"]);
    }

    #[test]
    fn clusters_have_no_maximum_of_neighbours() {
        let codes = codes("sage(8) -> diffpool(k = 4) -> sage(8, aggregate = max) -> mean -> linear");
        assert_eq!(codes, ["args::does_not_fit"]);
    }
}
