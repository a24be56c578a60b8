//! `x_conv(out, position, k)`: nearest rows in the order of their distance.

use super::dynamic_edge::{K, rows_of};
use super::position::{POSITION, is_beside};
use super::{BIAS, MAX_WIDTH, OUT, fixed, times};
use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::shape;
use crate::ops::norm::batch_norm::batch_norm;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WeightMap, WidthRule, facts};
use crate::program::{Fun, Index, V};
use crate::types::{Dim, Size, Type};

/// X-convolution of PointCNN: the `k` rows of the graph nearest to row `i`, itself among them, in the order of their distance, are mixed by
/// a matrix that is made of where they lie, and read by a kernel with a place for each:
/// `Conv(K, MLP_2(P_i − p_i) · [MLP_1(P_i − p_i) ∥ X_i])`. With `dilation` every `d`-th of the `d · k` nearest is taken. The edges of the
/// graph are not read. Rows that are as near share their place, as the mean of them; places beyond the rows of a small graph hold zeros.
///
/// Paper: Li et al. 2018, "PointCNN: Convolution On X-Transformed Points", algorithm 1.
/// PyG: `torch_geometric.nn.XConv`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes, clusters or slots; `position`: the same rows, `D` columns
/// - result: `[N, F_out]`
///
/// # Errors
/// `levels::needs_rows` if the value is one vector per graph, `levels::mixed_levels` where `position` is not of the same rows,
/// `shape::no_width` where `out` cannot be inferred.
#[derive(Debug)]
pub struct XConv;

static ARGS: &[ArgSpec] = &[
    OUT,
    POSITION,
    ArgSpec { kind: ArgKind::Int { min: 1, max: 64 }, doc: "Number of places of the kernel, `K`.", ..K },
    ArgSpec {
        name: "hidden",
        kind: ArgKind::Int { min: 1, max: MAX_WIDTH },
        default: Default::Inferred("a quarter of the input's width, one at least"),
        positional: false,
        doc: "Features that are made of where a row lies.",
    },
    ArgSpec {
        name: "dilation",
        kind: ArgKind::Int { min: 1, max: 64 },
        default: Default::Int(1),
        positional: false,
        doc: "How many nearest rows there are to each one that is taken, `d`.",
    },
    BIAS,
];

/// The defaults of `torch.nn.BatchNorm1d`.
const NUMBERS: [f64; 2] = [0.1, 1e-5];

macro_rules! norm_names {
    ($prefix:literal) => {
        [
            concat!($prefix, ".weight"),
            concat!($prefix, ".bias"),
            concat!($prefix, ".running_mean"),
            concat!($prefix, ".running_var"),
        ]
    };
}

/// `[F, K]` by a kernel for each of the `F` rows: weights `[F, o, K]`, biases `[F · o]`.
fn by_rows<'b>(
    cx: &ProgramCx<'_, 'b>,
    x: V<'b>,
    [weight, bias]: [&'static str; 2],
    [rows, each, places]: [&Dim; 3],
) -> V<'b> {
    let init = Init::KaimingUniform { fan_in: facts::known(places) };
    let w = cx.b.weight(weight, &[rows.clone(), each.clone(), places.clone()], init);
    let width = Dim::new(Size::product([rows.size.clone(), each.size.clone()]), None, "");
    x.linear_by(w, true).flat() + cx.b.weight(bias, &[width], init)
}

impl Operator for XConv {
    fn name(&self) -> &'static str {
        "x_conv"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "PointCNN's convolution: the k nearest rows in the order of their distance, mixed by a matrix made of where they lie.",
            formula: "Conv(K, MLP_2(P_i − p_i) · [MLP_1(P_i − p_i) ∥ X_i])",
            paper: "Li et al. 2018, \"PointCNN: Convolution On X-Transformed Points\"",
            example: "linear(16) -> relu -> x_conv(16, position = input, k = 3) -> relu -> max -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        is_beside(cx, "position")?;
        rows_of(cx, shape::output_width(cx, "out")?)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, a, b) = (cx.x(), cx.args, cx.b);
        let (p, n_dims) = cx.named_with_width("position")?;
        let (n_in, n_out) = (&cx.inputs[0].width, &cx.output.width);
        let (k, dilation) = (a.int("k") as usize, a.int("dilation"));
        let places = fixed(k);
        let hidden = a.opt_int("hidden").map_or((facts::known(n_in) / 4).max(1), |n| n as usize);
        let hidden = fixed(hidden);

        let e = b.nearest(p, k * dilation as usize);
        let apart = e.source(p) - e.target(p);
        // Which place of the kernel an edge leads to, by how many rows are nearer; those that are as near share it.
        let rank = apart.square().fold_sum(0).below(Index::Target).scale(1.0 / dilation as f64);
        let is_at = b.map(Fun::Equal, &[rank.column(), b.iota(&places.size)]);
        let in_places = |v: V<'b>| {
            let row = v.view(&[Size::Known(1), v.width()]);
            let n = is_at.sum(e.to()).at_least(1.0);
            (is_at.column() * row).sum(e.to()) * n.reciprocal().column()
        };

        let elu = |x: V<'b>| x.elu(1.0);
        let norm = |x: V<'b>, names, width: &Dim| batch_norm(cx, x, names, width, NUMBERS);
        let y = elu(cx.linear(apart, ["place_weight_0", "place_bias_0"], n_dims, &hidden));
        let y = norm(y, norm_names!("place_norm_0"), &hidden);
        let y = elu(cx.linear(y, ["place_weight_1", "place_bias_1"], &hidden, &hidden));
        let y = norm(y, norm_names!("place_norm_1"), &hidden);
        let features = in_places(b.concat(&[y, e.source(x)]));

        let square = fixed(k * k);
        let matrix = [places.size.clone(), places.size.clone()];
        let where_they_lie = in_places(apart).flat();
        let t = cx.linear(where_they_lie, ["mix_weight_0", "mix_bias_0"], &times(k, n_dims), &square);
        let t = norm(elu(t), norm_names!("mix_norm_0"), &square).view(&matrix);
        let t = elu(by_rows(cx, t, ["mix_weight_1", "mix_bias_1"], [&places; 3]));
        let t = norm(t, norm_names!("mix_norm_1"), &square).view(&matrix);
        let t = by_rows(cx, t, ["mix_weight_2", "mix_bias_2"], [&places; 3]);
        let t = norm(t, norm_names!("mix_norm_2"), &square).view(&matrix);

        // `[C, K]`, a row for each feature.
        let mixed = features.contract_by(t, [true, false]);
        let width = facts::known(n_in) + facts::known(&hidden);
        let each = facts::known(n_out).div_ceil(width.max(1)).max(1);
        let y = by_rows(cx, mixed, ["kernel", "kernel_bias"], [&fixed(width), &fixed(each), &places]);
        let inner = fixed(width * each);
        Some(Outcome::rows(match a.bool("bias") {
            true => cx.linear(y, ["weight", "bias"], &inner, n_out),
            false => cx.map(y, "weight", &inner, n_out),
        }))
    }
    fn pyg(&self) -> Pyg {
        use WeightMap::{Reshaped, Same, Transposed};
        Pyg {
            class: "torch_geometric.nn.XConv",
            weights: &[
                ("mlp1.0.weight", "place_weight_0", Transposed),
                ("mlp1.0.bias", "place_bias_0", Same),
                ("mlp1.2.weight", "place_norm_0.weight", Same),
                ("mlp1.2.bias", "place_norm_0.bias", Same),
                ("mlp1.2.running_mean", "place_norm_0.running_mean", Same),
                ("mlp1.2.running_var", "place_norm_0.running_var", Same),
                ("mlp1.3.weight", "place_weight_1", Transposed),
                ("mlp1.3.bias", "place_bias_1", Same),
                ("mlp1.5.weight", "place_norm_1.weight", Same),
                ("mlp1.5.bias", "place_norm_1.bias", Same),
                ("mlp1.5.running_mean", "place_norm_1.running_mean", Same),
                ("mlp1.5.running_var", "place_norm_1.running_var", Same),
                ("mlp2.0.weight", "mix_weight_0", Transposed),
                ("mlp2.0.bias", "mix_bias_0", Same),
                ("mlp2.2.weight", "mix_norm_0.weight", Same),
                ("mlp2.2.bias", "mix_norm_0.bias", Same),
                ("mlp2.2.running_mean", "mix_norm_0.running_mean", Same),
                ("mlp2.2.running_var", "mix_norm_0.running_var", Same),
                ("mlp2.4.weight", "mix_weight_1", Reshaped),
                ("mlp2.4.bias", "mix_bias_1", Same),
                ("mlp2.6.weight", "mix_norm_1.weight", Same),
                ("mlp2.6.bias", "mix_norm_1.bias", Same),
                ("mlp2.6.running_mean", "mix_norm_1.running_mean", Same),
                ("mlp2.6.running_var", "mix_norm_1.running_var", Same),
                ("mlp2.8.weight", "mix_weight_2", Reshaped),
                ("mlp2.8.bias", "mix_bias_2", Same),
                ("mlp2.9.weight", "mix_norm_2.weight", Same),
                ("mlp2.9.bias", "mix_norm_2.bias", Same),
                ("mlp2.9.running_mean", "mix_norm_2.running_mean", Same),
                ("mlp2.9.running_var", "mix_norm_2.running_var", Same),
                ("conv.0.weight", "kernel", Reshaped),
                ("conv.0.bias", "kernel_bias", Same),
                ("conv.2.weight", "weight", Transposed),
                ("conv.2.bias", "bias", Same),
            ],
            arguments: &[("pos", "position"), ("kernel_size", "k"), ("hidden_channels", "hidden")],
            note: "PyG fails on graphs of fewer rows than places, and lets its search choose among rows that are as near.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Nearest
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn positions_lie_beside_the_rows() {
        let text = "linear(8) -> x_conv(6, position = input, k = 3) -> max -> linear";
        assert_eq!(types(text, None)[2], "nodes[N, 6]");
        let of = |args: &str| codes(&format!("linear(8) -> x_conv(6, {args}) -> max -> linear"));
        assert_eq!(of("k = 3"), ["args::missing"]);
        assert_eq!(of("position = input -> mean, k = 3"), ["levels::mixed_levels"]);
        assert_eq!(of("position = linear(3), k = 2, dilation = 2, hidden = 3, bias = false"), [""; 0]);
    }
}
