//! Losses of the task that are written in primitives: one table.

use super::LossCx;
use super::cross_entropy::{CLASS_WEIGHTS, is_balanced, weight_of};
use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::ops::{Doc, Loss, LossKind, Pyg};
use crate::program::V;
use crate::types::TargetKind;

/// A loss whose value of each item is a program; the mean over the items is minimised, weighed where classes have weights.
///
/// # Shapes
/// - output: `[M, C]` logits, or `[M, V]` values
/// - targets: `[M]` classes, a negative one means no label, or `[M, V]` values
#[derive(Debug)]
pub struct Written {
    name: &'static str,
    doc: Doc,
    args: &'static [ArgSpec],
    kind: TargetKind,
    /// Function in PyTorch, its arguments that are called otherwise here, and what differs.
    torch: (&'static str, &'static [(&'static str, &'static str)], &'static str),
    exponentials: f64,
    of_item: for<'b> fn(&LossCx<'_, 'b>) -> V<'b>,
}

/// Focal loss: `−w[c] (1 − p_c)^γ log p_c`, `p = softmax(x)`. Items that are classified well already count little.
///
/// Paper: Lin et al. 2017, "Focal Loss for Dense Object Detection", eq. 4.
pub static FOCAL: Written = Written {
    name: "focal",
    doc: Doc {
        summary: "Cross-entropy in which items that are classified well already count little.",
        formula: "Σ_i −w[c_i] (1 − p_i)^γ log p_i / Σ_i w[c_i],  p_i = softmax(x_i)[c_i]",
        paper: "Lin et al. 2017, \"Focal Loss for Dense Object Detection\"",
        example: "model = gcn(64) -> relu -> mean -> linear\nloss = focal(gamma = 2)",
    },
    args: &[
        ArgSpec {
            name: "gamma",
            kind: ArgKind::Float(Range::closed(0.0, 20.0)),
            default: Default::Float(2.0),
            positional: true,
            doc: "The larger, the less items count that are classified well; 0 is `cross_entropy`.",
        },
        CLASS_WEIGHTS,
    ],
    kind: TargetKind::Classification,
    torch: (
        "",
        &[],
        "PyTorch has none; `torchvision.ops.sigmoid_focal_loss` is one of two classes with a sigmoid.",
    ),
    exponentials: 3.0,
    of_item: |cx| {
        let log = (cx.log_shares() * cx.is_class()).fold_sum(0);
        let gamma = cx.args.float("gamma");
        // Where nothing is missing, a power below 1 has no slope.
        let missing = log.exp().scale(-1.0).offset(1.0).at_least(1e-12);
        let value = if gamma == 0.0 { -log } else { -(log * missing.power(gamma)) };
        match cx.class_weights {
            Some(weights) => value * (weights * cx.is_class()).fold_sum(0),
            None => value,
        }
    },
};

/// Negative log-likelihood of outputs that are logarithms of shares already: `−w[c] x_c`. Behind `log_softmax` it is `cross_entropy`.
///
/// Paper: Fisher 1922, "On the Mathematical Foundations of Theoretical Statistics". PyG: `torch.nn.functional.nll_loss`.
pub static NLL: Written = Written {
    name: "nll",
    doc: Doc {
        summary: "Negative log-likelihood of outputs that are logarithms of shares: those of `log_softmax`.",
        formula: "Σ_i −w[c_i] x_i[c_i] / Σ_i w[c_i]",
        paper: "Fisher 1922, \"On the Mathematical Foundations of Theoretical Statistics\"",
        example: "model = gcn(64) -> relu -> mean -> linear -> log_softmax\nloss = nll",
    },
    args: &[CLASS_WEIGHTS],
    kind: TargetKind::Classification,
    torch: (
        "torch.nn.functional.nll_loss",
        &[],
        "With `ignore_index = -1`; `class_weights = balanced` is `weight = items / (classes * counts)`.",
    ),
    exponentials: 0.0,
    of_item: |cx| {
        let own = -(cx.output * cx.is_class()).fold_sum(0);
        match cx.class_weights {
            Some(weights) => own * (weights * cx.is_class()).fold_sum(0),
            None => own,
        }
    },
};

/// Binary cross-entropy of each output against whether its class is the item's: `1/C Σ_c −(β t_c log σ(x_c) + (1 − t_c) log(1 − σ(x_c)))`.
/// Of several labels an item, those that are unknown do not count: the loss of a part is the mean over those that are known.
///
/// PyG: `torch.nn.functional.binary_cross_entropy_with_logits` against one-hot targets.
pub static BCE: Written = Written {
    name: "bce",
    doc: Doc {
        summary: "Binary cross-entropy of every output by itself, against whether its class is the item's, or one of its labels.",
        formula: "1/(M C) Σ_i Σ_c −(β t_ic log σ(x_ic) + (1 − t_ic) log(1 − σ(x_ic)))",
        paper: "",
        example: "model = gcn(64) -> relu -> mean -> linear\nloss = bce",
    },
    args: &[ArgSpec {
        name: "pos_weight",
        kind: ArgKind::Float(Range::closed(1e-6, 1e6)),
        default: Default::Float(1.0),
        positional: false,
        doc: "How much the output of the item's own class counts beside the others, `β`.",
    }],
    kind: TargetKind::Classification,
    torch: (
        "torch.nn.functional.binary_cross_entropy_with_logits",
        &[],
        "Against one-hot targets, or the labels that are known; outputs are plain, without a sigmoid behind the model.",
    ),
    exponentials: 2.0,
    of_item: |cx| {
        let (x, is_class) = (cx.output, cx.is_class());
        let own = (-x).softplus() * is_class;
        let others = x.softplus() * (-is_class).offset(1.0);
        let each = own.scale(cx.args.float("pos_weight")) + others;
        cx.mean(cx.known.map_or(each, |known| each * known))
    },
};

/// Hinge loss of several classes: `1/C Σ_{j ≠ c} max(0, margin − x_c + x_j)^p`.
///
/// Paper: Weston and Watkins 1999, "Support Vector Machines for Multi-Class Pattern Recognition".
/// PyG: `torch.nn.functional.multi_margin_loss`.
pub static HINGE: Written = Written {
    name: "hinge",
    doc: Doc {
        summary: "Asks the output of the item's class to be larger than every other by a margin.",
        formula: "1/M Σ_i 1/C Σ_{j ≠ c_i} max(0, margin − x_i[c_i] + x_ij)^p",
        paper: "Weston and Watkins 1999, \"Support Vector Machines for Multi-Class Pattern Recognition\"",
        example: "model = gcn(64) -> relu -> mean -> linear\nloss = hinge",
    },
    args: &[
        ArgSpec {
            name: "margin",
            kind: ArgKind::Float(Range::closed(1e-6, 1e6)),
            default: Default::Float(1.0),
            positional: true,
            doc: "By how much the output of the class has to be larger.",
        },
        ArgSpec {
            name: "p",
            kind: ArgKind::Int { min: 1, max: 2 },
            default: Default::Int(1),
            positional: false,
            doc: "Power of what is missing, 1 or 2.",
        },
    ],
    kind: TargetKind::Classification,
    torch: ("torch.nn.functional.multi_margin_loss", &[], ""),
    exponentials: 0.0,
    of_item: |cx| {
        let (x, is_class) = (cx.output, cx.is_class());
        let own = (x * is_class).fold_sum(0).view(&[crate::types::Size::Known(1)]);
        let missing = (x - own).offset(cx.args.float("margin")).relu();
        let missing = if cx.args.int("p") == 2 { missing.square() } else { missing };
        cx.mean(missing * (-is_class).offset(1.0))
    },
};

/// Bayesian personalised ranking: `−log σ(s − s_k)`, the mean over the pairs `k` that a link is told from.
///
/// Paper: Rendle et al. 2009, "BPR: Bayesian Personalized Ranking from Implicit Feedback", sect. 4.1.
/// PyG: `torch_geometric.nn.models.lightgcn.BPRLoss`.
pub static BPR: Written = Written {
    name: "bpr",
    doc: Doc {
        summary: "Asks a link to score higher than pairs that are none, on a logistic scale.",
        formula: "1/M Σ_i 1/K Σ_k −log σ(s_i − s_ik)",
        paper: "Rendle et al. 2009, \"BPR: Bayesian Personalized Ranking from Implicit Feedback\"",
        example: "task = link_prediction\nmodel = embedding(32) -> inner_product\nloss = bpr",
    },
    args: &[],
    kind: TargetKind::Links,
    torch: (
        "torch_geometric.nn.models.lightgcn.BPRLoss",
        &[],
        "Its penalty on the weights is `weight_decay` of the optimiser here.",
    ),
    exponentials: 2.0,
    of_item: |cx| {
        let [link, others] = link_and_others(cx);
        (others - link).softplus().fold_mean(0)
    },
};

/// Margin ranking: `max(0, margin − s + s_k)`, the mean over the pairs `k` that a link is told from.
///
/// Paper: Bordes et al. 2013, "Translating Embeddings for Modeling Multi-relational Data", eq. 1.
/// PyG: `torch.nn.functional.margin_ranking_loss`.
pub static MARGIN_RANKING: Written = Written {
    name: "margin_ranking",
    doc: Doc {
        summary: "Asks a link to score higher than pairs that are none, by a margin.",
        formula: "1/M Σ_i 1/K Σ_k max(0, margin − s_i + s_ik)",
        paper: "Bordes et al. 2013, \"Translating Embeddings for Modeling Multi-relational Data\"",
        example: "task = link_prediction\nmodel = embedding(32) -> transe(relation = edge_labels)\nloss = margin_ranking(margin = 1.0)",
    },
    args: &[ArgSpec {
        name: "margin",
        kind: ArgKind::Float(Range::closed(0.0, 1e6)),
        default: Default::Float(1.0),
        positional: true,
        doc: "By how much a link has to score higher.",
    }],
    kind: TargetKind::Links,
    torch: ("torch.nn.functional.margin_ranking_loss", &[], ""),
    exponentials: 0.0,
    of_item: |cx| {
        let [link, others] = link_and_others(cx);
        (others - link).offset(cx.args.float("margin")).relu().fold_mean(0)
    },
};

/// Self-adversarial negative sampling: `½ (−log σ(s) − Σ_k p_k log σ(−s_k))`, `p = softmax(τ s_k)` without a gradient of its own: pairs that
/// score high count more.
///
/// Paper: Sun et al. 2019, "RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space", eqs. 5 and 6. PyG: none.
pub static SELF_ADVERSARIAL: Written = Written {
    name: "self_adversarial",
    doc: Doc {
        summary: "Tells a link from pairs that are none, of which those that score high count more.",
        formula: "1/M Σ_i ½ (−log σ(s_i) − Σ_k p_ik log σ(−s_ik)),  p_i = softmax(τ s_ik)",
        paper: "Sun et al. 2019, \"RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space\"",
        example: "task = link_prediction\nmodel = embedding(32) -> rotate(relation = edge_labels)\nloss = self_adversarial",
    },
    args: &[ArgSpec {
        name: "temperature",
        kind: ArgKind::Float(Range::closed(0.0, 1e3)),
        default: Default::Float(1.0),
        positional: true,
        doc: "How much more the pairs that score high count, `τ`; 0 counts all alike.",
    }],
    kind: TargetKind::Links,
    torch: ("", &[], "PyG has none; `PyKEEN`'s `NSSALoss` is this one."),
    exponentials: 4.0,
    of_item: |cx| {
        let [link, others] = link_and_others(cx);
        let shares = others.scale(cx.args.float("temperature")).softmax_columns().stop();
        ((-link).softplus().fold_sum(0) + (shares * others.softplus()).fold_sum(0)).scale(0.5)
    },
};

/// The score of an item's link, and those of the pairs that it is told from.
fn link_and_others<'b>(cx: &LossCx<'_, 'b>) -> [V<'b>; 2] {
    use crate::types::Size;
    let n = cx.output.width().known().unwrap_or(2);
    let part = |start, len| cx.output.slice(0, Size::Known(start), Size::Known(len));
    [part(0, 1), part(1, n.saturating_sub(1).max(1))]
}

/// Mean absolute error: `1/(M V) Σ_i Σ_v |x_iv − t_iv|`. PyG: `torch.nn.functional.l1_loss`.
pub static MAE: Written = Written {
    name: "mae",
    doc: Doc {
        summary: "Mean absolute error of the predicted values.",
        formula: "1/(M V) Σ_i Σ_v |x_iv − t_iv|",
        paper: "",
        example: "task = graph_regression\nmodel = gcn(64) -> relu -> mean -> linear\nloss = mae",
    },
    args: &[],
    kind: TargetKind::Regression,
    torch: ("torch.nn.functional.l1_loss", &[], ""),
    exponentials: 0.0,
    of_item: |cx| cx.mean((cx.output - cx.target).abs()),
};

/// Huber loss: `½ d²` for errors `d` up to `δ`, and `δ (|d| − ½ δ)` beyond.
///
/// Paper: Huber 1964, "Robust Estimation of a Location Parameter". PyG: `torch.nn.functional.huber_loss`.
pub static HUBER: Written = Written {
    name: "huber",
    doc: Doc {
        summary: "Squared error of small errors, absolute error of large ones.",
        formula: "1/(M V) Σ_i Σ_v (½ d² if |d| ≤ δ, else δ (|d| − ½ δ)),  d = x_iv − t_iv",
        paper: "Huber 1964, \"Robust Estimation of a Location Parameter\"",
        example: "task = graph_regression\nmodel = gcn(64) -> relu -> mean -> linear\nloss = huber(delta = 0.5)",
    },
    args: &[ArgSpec {
        name: "delta",
        kind: ArgKind::Float(Range::closed(1e-6, 1e6)),
        default: Default::Float(1.0),
        positional: true,
        doc: "Errors up to here are squared, `δ`.",
    }],
    kind: TargetKind::Regression,
    torch: ("torch.nn.functional.huber_loss", &[], ""),
    exponentials: 0.0,
    of_item: |cx| cx.mean(huber(cx.output - cx.target, cx.args.float("delta"))),
};

/// Smooth absolute error: `½ d² / β` for errors `d` up to `β`, and `|d| − ½ β` beyond: `huber(β)` divided by `β`.
///
/// Paper: Girshick 2015, "Fast R-CNN", eq. 3. PyG: `torch.nn.functional.smooth_l1_loss`.
pub static SMOOTH_L1: Written = Written {
    name: "smooth_l1",
    doc: Doc {
        summary: "Absolute error, squared near zero such that it has no kink.",
        formula: "1/(M V) Σ_i Σ_v (½ d² / β if |d| ≤ β, else |d| − ½ β),  d = x_iv − t_iv",
        paper: "Girshick 2015, \"Fast R-CNN\"",
        example: "task = graph_regression\nmodel = gcn(64) -> relu -> mean -> linear\nloss = smooth_l1",
    },
    args: &[ArgSpec {
        name: "beta",
        kind: ArgKind::Float(Range::closed(1e-6, 1e6)),
        default: Default::Float(1.0),
        positional: true,
        doc: "Errors up to here are squared, `β`.",
    }],
    kind: TargetKind::Regression,
    torch: ("torch.nn.functional.smooth_l1_loss", &[], ""),
    exponentials: 0.0,
    of_item: |cx| {
        let beta = cx.args.float("beta");
        cx.mean(huber(cx.output - cx.target, beta)).scale(1.0 / beta)
    },
};

/// `½ m² + δ (|d| − m)` with `m = min(|d|, δ)`: both cases in one.
fn huber(difference: V, delta: f64) -> V {
    let size = difference.abs();
    let squared = size.at_most(delta);
    squared.square().scale(0.5) + (size - squared).scale(delta)
}

impl Loss for Written {
    fn name(&self) -> &'static str {
        self.name
    }
    fn doc(&self) -> Doc {
        self.doc
    }
    fn args(&self) -> &'static [ArgSpec] {
        self.args
    }
    fn kind(&self) -> LossKind {
        LossKind::Task(self.kind)
    }
    fn also_of(&self) -> &'static [TargetKind] {
        if self.name == BCE.name { &[TargetKind::MultiLabel, TargetKind::Links] } else { &[] }
    }
    fn reported_by(&self) -> &'static [&'static str] {
        &[]
    }
    fn pyg(&self) -> Pyg {
        let (class, arguments, note) = self.torch;
        Pyg { class, weights: &[], arguments, note }
    }
    fn weight(&self, n_items: f64, classes: &[u32], class_weights: Option<&[f64]>) -> f64 {
        weight_of(n_items, classes, class_weights)
    }
    fn weighs_classes(&self, args: &Args) -> bool {
        is_balanced(args)
    }
    fn program<'b>(&self, cx: &LossCx<'_, 'b>) -> Option<V<'b>> {
        Some((self.of_item)(cx))
    }
    fn exponentials(&self) -> f64 {
        self.exponentials
    }
    fn takes_log_shares(&self) -> bool {
        self.name == NLL.name
    }
}
