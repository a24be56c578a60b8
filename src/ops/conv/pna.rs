//! `pna(out)`: several aggregations of the neighbours, scaled by degree.

use super::{EDGE, OUT, convolved, fixed};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::aggregate::{Aggregate, SCALERS, scaled_by};
use crate::ops::findings;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{
    Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WeightMap, WeightSpec, WidthRule, facts,
};
use crate::program::V;
use crate::types::{Dim, Size, Type};

/// Principal neighbourhood aggregation: `h_i = W [U_t(x_i ∥ ‖_s ‖_a s(d_i) a_{j ∈ N(i)} M_t(x_i ∥ x_j ∥ e_ij))]_t`: in each
/// tower `t` a network `M_t` makes messages, every aggregator `a` gathers them, every scaler `s` weighs what was gathered by
/// the degree, and a network `U_t` makes the tower's part of the result.
///
/// Paper: Corso et al. 2020, "Principal Neighbourhood Aggregation for Graph Nets", eqs. 5 to 8.
/// PyG: `torch_geometric.nn.PNAConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes or clusters; `edge`: `[E, F_e]`
/// - result: `[N, F_out]`, `F_out / towers` of each tower, mixed by a linear map
///
/// # Errors
/// `levels::needs_edges` on slots or graph vectors, `shape::no_width` where `out` cannot be inferred, `args::does_not_fit`
/// where the towers do not divide a width or a list is empty, `args::no_effect` for `divide_input` with one tower.
#[derive(Debug)]
pub struct Pna;

static ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "aggregators",
        kind: ArgKind::ChoiceList(&["sum", "mean", "min", "max", "var", "std"]),
        default: Default::ChoiceList(&["mean", "min", "max", "std"]),
        positional: false,
        doc: "How the messages of a node are gathered, side by side.",
    },
    ArgSpec {
        name: "scalers",
        kind: ArgKind::ChoiceList(SCALERS),
        default: Default::ChoiceList(&["identity", "amplification", "attenuation"]),
        positional: false,
        doc: "By what the degree scales them: 1, `ln(d + 1) / δ`, `δ / ln(d + 1)`, `d / d̄` or `d̄ / d`, with the means `δ` of \
              `ln(d + 1)` and `d̄` of `d` over the nodes that are trained on.",
    },
    ArgSpec {
        name: "towers",
        kind: ArgKind::Int { min: 1, max: 256 },
        default: Default::Int(1),
        positional: false,
        doc: "Number of towers that work side by side.",
    },
    ArgSpec {
        name: "pre_layers",
        kind: ArgKind::Int { min: 1, max: PRE.len() as i64 },
        default: Default::Int(1),
        positional: false,
        doc: "Linear layers of the network that makes messages, with `relu` between them.",
    },
    ArgSpec {
        name: "post_layers",
        kind: ArgKind::Int { min: 1, max: POST.len() as i64 },
        default: Default::Int(1),
        positional: false,
        doc: "Linear layers of the network behind the aggregation, with `relu` between them.",
    },
    ArgSpec::flag(
        "divide_input",
        false,
        "Whether each tower gets a part of the features; otherwise each gets all.",
    ),
    ArgSpec::flag("train_norm", false, "Whether the means of the degree are trained."),
    EDGE,
    super::DIRECTION,
    super::AGAINST,
];

/// Names of the weight and bias of each layer before the aggregation.
const PRE: &[[&str; 2]] = &[
    ["pre_weight_0", "pre_bias_0"],
    ["pre_weight_1", "pre_bias_1"],
    ["pre_weight_2", "pre_bias_2"],
    ["pre_weight_3", "pre_bias_3"],
];

/// Names of the weight and bias of each layer behind it.
const POST: &[[&str; 2]] = &[
    ["post_weight_0", "post_bias_0"],
    ["post_weight_1", "post_bias_1"],
    ["post_weight_2", "post_bias_2"],
    ["post_weight_3", "post_bias_3"],
];

/// A part of `n` of a width.
fn part(width: &Dim, n: usize) -> Dim {
    let size = match width.known() {
        Some(width) => Size::Known(width / n),
        None if n == 1 => width.size.clone(),
        None => Size::ratio(1.0 / n as f64, width.size.clone()),
    };
    Dim { size, origin: width.origin.clone() }
}

/// The weight and the bias of a layer of every tower: `[towers, from, to]` and `[towers, to]`.
fn layer<'b>(
    cx: &ProgramCx<'_, 'b>,
    [weight, bias]: [&'static str; 2],
    towers: usize,
    from: &Dim,
    to: &Dim,
) -> [V<'b>; 2] {
    let init = Init::KaimingUniform { fan_in: facts::known(from) };
    [
        cx.b.weight(weight, &[fixed(towers), from.clone(), to.clone()], init),
        cx.b.weight(bias, &[fixed(towers), to.clone()], init),
    ]
}

/// `n` times as wide.
fn wide(n: usize, width: &Dim) -> Dim {
    Dim::new(Size::product([Size::Known(n), width.size.clone()]), None, "")
}

/// The weights of `PNAConv`, with those of these towers.
macro_rules! weights {
    ($($tower:literal),*) => {
        &[
            ("aggr_module.avg_deg_lin", "mean_degree", WeightMap::Same),
            ("aggr_module.avg_deg_log", "mean_log_degree", WeightMap::Same),
            ("edge_encoder.weight", "edge_weight", WeightMap::Transposed),
            ("edge_encoder.bias", "edge_bias", WeightMap::Same),
            $(
                (concat!("pre_nns.", $tower, ".0.weight"), "pre_weight_0", WeightMap::Tower($tower)),
                (concat!("pre_nns.", $tower, ".0.bias"), "pre_bias_0", WeightMap::Tower($tower)),
                (concat!("pre_nns.", $tower, ".2.weight"), "pre_weight_1", WeightMap::Tower($tower)),
                (concat!("pre_nns.", $tower, ".2.bias"), "pre_bias_1", WeightMap::Tower($tower)),
                (concat!("pre_nns.", $tower, ".4.weight"), "pre_weight_2", WeightMap::Tower($tower)),
                (concat!("pre_nns.", $tower, ".4.bias"), "pre_bias_2", WeightMap::Tower($tower)),
                (concat!("pre_nns.", $tower, ".6.weight"), "pre_weight_3", WeightMap::Tower($tower)),
                (concat!("pre_nns.", $tower, ".6.bias"), "pre_bias_3", WeightMap::Tower($tower)),
                (concat!("post_nns.", $tower, ".0.weight"), "post_weight_0", WeightMap::Tower($tower)),
                (concat!("post_nns.", $tower, ".0.bias"), "post_bias_0", WeightMap::Tower($tower)),
                (concat!("post_nns.", $tower, ".2.weight"), "post_weight_1", WeightMap::Tower($tower)),
                (concat!("post_nns.", $tower, ".2.bias"), "post_bias_1", WeightMap::Tower($tower)),
                (concat!("post_nns.", $tower, ".4.weight"), "post_weight_2", WeightMap::Tower($tower)),
                (concat!("post_nns.", $tower, ".4.bias"), "post_bias_2", WeightMap::Tower($tower)),
                (concat!("post_nns.", $tower, ".6.weight"), "post_weight_3", WeightMap::Tower($tower)),
                (concat!("post_nns.", $tower, ".6.bias"), "post_bias_3", WeightMap::Tower($tower)),
            )*
            ("lin.weight", "weight", WeightMap::Transposed),
            ("lin.bias", "bias", WeightMap::Same),
        ]
    };
}

impl Operator for Pna {
    fn name(&self) -> &'static str {
        "pna"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Gathers the neighbours in several ways at once, each scaled by the degree.",
            formula: "h_i = W [U_t(x_i ∥ ‖_s ‖_a s(d_i) a_{j ∈ N(i)} M_t(x_i ∥ x_j ∥ e_ij))]_t",
            paper: "Corso et al. 2020, \"Principal Neighbourhood Aggregation for Graph Nets\"",
            example: "pna(16) -> relu -> pna(16, towers = 4) -> relu -> mean -> mlp",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        super::has_edges(cx)?;
        let (towers, divides) = (cx.args.int("towers") as usize, cx.args.bool("divide_input"));
        if towers == 1 && divides {
            return Err(findings::args::no_effect(cx, "divide_input", "there is one tower"));
        }
        let reads_degree = cx.args.choice_list("scalers").iter().any(|scaler| *scaler != "identity");
        if cx.args.bool("train_norm") && !reads_degree {
            return Err(findings::args::no_effect(
                cx,
                "train_norm",
                "no scaler here divides by the mean degree",
            ));
        }
        for (name, example) in [("aggregators", "[mean, max]"), ("scalers", "[identity]")] {
            if cx.args.choice_list(name).is_empty() {
                let help = format!("write for example `{name} = {example}`, or leave it out");
                return Err(findings::args::does_not_fit(
                    cx,
                    name,
                    "`pna` needs at least one word here",
                    &help,
                ));
            }
        }
        let width = findings::shape::output_width(cx, "out")?;
        let input = divides.then(|| cx.inputs[0].width.known()).flatten();
        for (what, n) in [("result", width.known()), ("input", input)] {
            if let Some(n) = n.filter(|n| n % towers != 0) {
                let message =
                    format!("the {what} of `pna` is {n} wide, which {towers} towers cannot share evenly");
                let help = "write another number of towers, or a width that they divide";
                return Err(findings::args::does_not_fit(cx, "towers", &message, help));
            }
        }
        convolved(cx, width)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, args, b, e) = (cx.x(), cx.args, cx.b, cx.edges());
        let towers = args.int("towers") as usize;
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let each = if args.bool("divide_input") { part(n_in, towers) } else { n_in.clone() };
        // `[N, towers, each]`
        let by_tower = |v: V<'b>| {
            let row = v.view(&[Size::Known(1), each.size.clone()]);
            row.expand(&[Size::Known(towers), each.size.clone()])
        };
        let own = if args.bool("divide_input") { x.heads(towers, &each.size) } else { by_tower(x) };

        // The first layer is linear in its parts, so those of nodes are computed once a node.
        let edge = cx.named("edge").zip(args.port("edge"));
        let n_parts = 2 + usize::from(edge.is_some());
        let encoded = edge.map(|(edge, port)| {
            by_tower(cx.linear(edge, ["edge_weight", "edge_bias"], &cx.inputs[port].width, &each))
        });
        let [w, bias] = layer(cx, PRE[0], towers, &wide(n_parts, &each), &each);
        let of_part =
            |n: usize| w.slice(1, Size::product([Size::Known(n), each.size.clone()]), each.size.clone());
        let mut message = e.target(own.linear(of_part(0)) + bias) + e.source(own.linear(of_part(1)));
        if let Some(encoded) = encoded {
            message = message + encoded.linear(of_part(2));
        }
        for &names in &PRE[1..args.int("pre_layers") as usize] {
            let [w, bias] = layer(cx, names, towers, &each, &each);
            message = message.relu().linear(w) + bias;
        }

        let ways = args.choice_list("aggregators");
        let all: Vec<V> = ways.iter().filter_map(|how| Some(Aggregate::find(how)?.of(&e, message))).collect();
        let all = b.concat(&all);
        let degree = e.degree();
        let mean = |name, init| {
            let is_trained = args.bool("train_norm");
            b.any_weight(WeightSpec { name, shape: vec![fixed(1)], init, is_trained })
        };
        let scalers = args.choice_list("scalers");
        let needs = |words: [&str; 2]| scalers.iter().any(|word| words.contains(word));
        let mean_degree = needs(["linear", "inverse_linear"]).then(|| mean("mean_degree", Init::MeanDegree));
        let mean_log =
            needs(["amplification", "attenuation"]).then(|| mean("mean_log_degree", Init::MeanLogDegree));
        let mut parts = vec![own];
        for scaler in scalers {
            let scale = scaled_by(scaler, degree, mean_degree, mean_log);
            parts.push(scale.map_or(all, |scale| all.mul_rows(scale)));
        }

        let to = part(n_out, towers);
        let mut y = b.concat(&parts);
        let mut from = wide(1 + ways.len() * scalers.len(), &each);
        for (idx, &names) in POST[..args.int("post_layers") as usize].iter().enumerate() {
            let [w, bias] = layer(cx, names, towers, &from, &to);
            y = (if idx == 0 { y } else { y.relu() }).linear(w) + bias;
            from = to.clone();
        }
        let y = y.view(std::slice::from_ref(&n_out.size));
        Some(Outcome::rows(cx.linear(y, ["weight", "bias"], n_out, n_out)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.nn.PNAConv",
            weights: weights!(0, 1, 2, 3),
            arguments: &[],
            note: "The map names the weights of four towers; further ones go on alike. PyG's `deg` are the degrees of the \
                   training data, which are counted here.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        let has = |word: &str| args.choice_list("aggregators").contains(&word);
        // Together they tell as much as the one that tells most.
        let gather = match (has("sum"), has("mean")) {
            (true, _) => Gather::Sum,
            (_, true) => Gather::Mean,
            _ => Gather::Max,
        };
        Action::Messages { gather, own: Own::Root, is_linear: false }
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn towers_share_the_widths_evenly() {
        let codes = |text: &str| codes(&format!("linear(6) -> {text} -> sum -> linear"));
        assert_eq!(codes("pna(8, towers = 4)"), [""; 0]);
        assert_eq!(codes("pna(8, towers = 3)"), ["args::does_not_fit"]);
        assert_eq!(codes("pna(8, towers = 4, divide_input = true)"), ["args::does_not_fit"]);
        assert_eq!(codes("pna(8, divide_input = true)"), ["args::no_effect"]);
        assert_eq!(codes("pna(8, aggregators = [])"), ["args::does_not_fit"]);
        assert_eq!(codes("pna(8, scalers = [])"), ["args::does_not_fit"]);
        assert_eq!(codes("pna(8, aggregators = [median])").len(), 1);
        let text = "diffpool(k = 3) -> pna(9, towers = 3, scalers = [linear], aggregators = [sum, var]) -> sum -> linear";
        assert_eq!(types(text, None)[3], "clusters[3, 9]");
    }
}
