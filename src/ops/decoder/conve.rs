//! `conve`: scores of triples by a convolution over the rows of head and relation.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::rgcn::RELATION;
use crate::ops::conv::times;
use crate::ops::findings;
use crate::ops::norm::batch_norm;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WidthRule};
use crate::program::{Space, V};
use crate::types::{Dim, Entity, Size, TargetKind, Type};

/// ConvE: the rows of head and relation are laid out as two images, one above the other, over which a convolution goes; what comes of it is
/// mapped to a row as wide as that of a node and multiplied with the row of the tail:
/// `s(h, r, t) = f(vec(f([h̄ ; r̄] ∗ ω)) W) · t + b_t`, with batch norm and dropout before, between and behind, and `f` a ReLU.
///
/// Relations have reverses of their own (`inverse = true` of the data): heads are asked for as the tails of the reverse, as in the
/// paper, so that every score of a query `(h, r)` is a product of one row with those of all nodes. That row is made once for all pairs that ask the
/// query, and with `negatives = k_vs_all` every node is scored for it, the paper's 1-N scoring.
///
/// Paper: Dettmers et al. 2018, "Convolutional 2D Knowledge Graph Embeddings", eq. 1, with its defaults. PyG: none.
///
/// # Shapes
/// - `h`, `t`: `[N, F]`, rows of the nodes; `relation`: one of `R` kinds for each pair; `bias`: `[N, 1]`
/// - images: `[2 · height, F / height]`, of which the convolution makes `channels` smaller by `kernel − 1` along both axes
/// - result: `[P, 1]`, a row for each pair that the task asks about, logits
///
/// # Errors
/// `levels::needs_nodes` on clusters, slots and graph vectors; `args::does_not_fit` where `height` does not divide the width, the kernel is
/// larger than the images, or the data has no reverses of its relations; `levels::mixed_levels` and `shape::width_mismatch` where `bias` is not one
/// number a node; and those of the argument `relation`.
#[derive(Debug)]
pub struct ConvE;

const DROPOUT: ArgSpec = ArgSpec {
    name: "input_dropout",
    kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
    default: Default::Float(0.2),
    positional: false,
    doc: "Probability with which a number of the images is dropped in training.",
};

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "bias",
        kind: ArgKind::Pipeline { port: 1 },
        default: Default::Inferred("none"),
        positional: false,
        doc: "The pipeline whose result is added to the scores of each tail, one number a node: `input -> embedding(1)`.",
    },
    RELATION,
    ArgSpec {
        name: "height",
        kind: ArgKind::Int { min: 1, max: crate::ops::conv::MAX_WIDTH },
        default: Default::Inferred("the largest divisor of the width up to its root"),
        positional: false,
        doc: "Rows of the image that a row of numbers becomes; 200 numbers are 10 × 20.",
    },
    ArgSpec {
        name: "channels",
        kind: ArgKind::Int { min: 1, max: crate::ops::conv::MAX_WIDTH },
        default: Default::Int(32),
        positional: false,
        doc: "Filters of the convolution.",
    },
    ArgSpec {
        name: "kernel",
        kind: ArgKind::Int { min: 1, max: 64 },
        default: Default::Int(3),
        positional: false,
        doc: "Height and width of the filters.",
    },
    DROPOUT,
    ArgSpec {
        name: "feature_map_dropout",
        doc: "Probability with which a whole channel is dropped in training.",
        ..DROPOUT
    },
    ArgSpec {
        name: "hidden_dropout",
        default: Default::Float(0.3),
        doc: "Probability with which a number of the query's row is dropped in training, before its batch norm.",
        ..DROPOUT
    },
    ArgSpec::flag(
        "batch_norm",
        true,
        "Whether batch norm stands before the convolution, behind it and behind the map.",
    ),
];

/// How rows are laid out.
struct Layout {
    /// Of one image, and of the one above the other.
    height: usize,
    width: usize,
    kernel: usize,
    channels: usize,
}

impl Layout {
    /// Of rows whose width is known; what is not known stands in no program that runs.
    fn of(args: &Args, width: &Dim) -> Self {
        let (kernel, channels) = (args.int("kernel") as usize, args.int("channels") as usize);
        let n = width.known().unwrap_or(kernel * kernel);
        let height = args.opt_int("height").map_or_else(|| divisor(n), |height| height as usize);
        Self { height, width: n / height.max(1), kernel, channels }
    }

    /// Places of the filters, along both axes.
    fn places(&self) -> [usize; 2] {
        [2 * self.height + 1 - self.kernel.min(2 * self.height), self.width + 1 - self.kernel.min(self.width)]
    }

    fn n_places(&self) -> usize {
        self.places().iter().product()
    }
}

/// The largest divisor of a number up to its root.
fn divisor(n: usize) -> usize {
    (1..=n.isqrt()).rev().find(|height| n.is_multiple_of(*height)).unwrap_or(1)
}

fn dim(n: usize, reason: &str) -> Dim {
    Dim::new(Size::Known(n), None, reason)
}

impl ConvE {
    /// The row of each query `(h, r)`: `[Q, F]`.
    fn queries<'b>(cx: &ProgramCx<'_, 'b>) -> V<'b> {
        let (b, args, width) = (cx.b, cx.args, &cx.inputs[0].width);
        let layout = Layout::of(args, width);
        let size = Size::Known;
        let norm = |x: V<'b>, names, width: &Dim| match args.bool("batch_norm") {
            true => batch_norm::batch_norm(cx, x, names, width, [0.1, 1e-5]),
            false => x,
        };
        let kinds = args.port("relation").map(|port| cx.inputs[port].width.clone());
        let kinds = kinds.unwrap_or_else(|| dim(1, ""));
        let init = Init::Glorot { fan_in: kinds.known().unwrap_or(1), fan_out: width.known().unwrap_or(1) };
        let relations = b.weight("relation", &[kinds.clone(), width.clone()], init);
        let one = b.constant(1.0).in_space(Space::Queries).view(&[size(1)]);
        let relation = one.typed_linear(relations.view(&[kinds.size, size(1), width.size.clone()]));
        let head = cx.edges().queried(cx.x());

        let n = 2 * layout.height * layout.width;
        let image = b.concat(&[head, relation]).view(&[size(n), size(1)]);
        let image = norm(
            image,
            ["image_norm.weight", "image_norm.bias", "image_norm.running_mean", "image_norm.running_var"],
            &dim(1, "one channel"),
        );
        let image =
            image.dropout(args.float("input_dropout")).view(&[size(2 * layout.height), size(layout.width)]);

        // Each place beside those around it, of which a filter makes one number.
        let ([rows, columns], n_places) = (layout.places(), layout.n_places());
        let around = |row: usize, column: usize| {
            let part = image.slice(0, size(row), size(rows)).slice(1, size(column), size(columns));
            part.view(&[size(n_places), size(1)])
        };
        let kernel = layout.kernel;
        let windows: Vec<V> = (0..kernel * kernel).map(|at| around(at / kernel, at % kernel)).collect();
        let (window, channels) = (dim(kernel * kernel, "a window"), dim(layout.channels, "channels"));
        let maps = cx.linear(b.concat(&windows), ["filter", "filter_bias"], &window, &channels);
        let maps = norm(
            maps,
            ["map_norm.weight", "map_norm.bias", "map_norm.running_mean", "map_norm.running_var"],
            &channels,
        )
        .relu();
        let maps = maps.dropout_columns(args.float("feature_map_dropout")).flat();

        let of_maps = times(n_places, &channels);
        let [w, bias] = cx.dense_weights(["weight", "hidden_bias"], [&of_maps, width]);
        let hidden = cx.affine(maps, w, Some(bias)).dropout(args.float("hidden_dropout"));
        norm(hidden, ["norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"], width).relu()
    }
}

impl Operator for ConvE {
    fn name(&self) -> &'static str {
        "conve"
    }
    fn family(&self) -> Family {
        Family::Decoder
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Scores triples by a convolution over the rows of head and relation, and a product with that of the tail.",
            formula: "s(h, r, t) = f(vec(f([h̄ ; r̄] ∗ ω)) W) · t + b_t",
            paper: "Dettmers et al. 2018, \"Convolutional 2D Knowledge Graph Embeddings\"",
            example: "task = link_prediction\nmodel = embedding(32) -> conve(relation = edge_labels)\n\
                      train { negatives = k_vs_all }",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let input = cx.inputs[0];
        if let Some(other) = cx.port("bias").map(|port| &cx.inputs[port]) {
            if other.entity != Entity::Nodes || other.level != input.level {
                return Err(findings::levels::mixed_levels(cx, 1));
            }
            if let Some(n) = other.width.known().filter(|&n| n != 1) {
                let message = format!("`bias` of `conve` is one number a node, but {n} come out");
                return Err(findings::args::does_not_fit(
                    cx,
                    "bias",
                    &message,
                    "write `input -> embedding(1)`",
                ));
            }
        }
        if let Some(n) = input.width.known() {
            let layout = Layout::of(cx.args, &input.width);
            if layout.height * layout.width != n {
                let message = format!("{n} numbers make no image of {} rows", layout.height);
                let help = format!("write `height = {}`, or leave it out", divisor(n));
                return Err(findings::args::does_not_fit(cx, "height", &message, &help));
            }
            if layout.kernel > layout.width.min(2 * layout.height) {
                let (kernel, size) = (layout.kernel, [2 * layout.height, layout.width]);
                let message =
                    format!("a filter of {kernel} × {kernel} does not fit into {} × {}", size[0], size[1]);
                let help = "make the rows before it wider, with a width that has divisors near its root, or `kernel` smaller";
                return Err(findings::args::does_not_fit(cx, "kernel", &message, help));
            }
        }
        let is_of_links = |task: crate::types::Task| task.kind == TargetKind::Links;
        if cx.data.is_some_and(|data| data.lacks_reverse_kinds && data.task.is_none_or(is_of_links)) {
            let message = "`conve` asks for heads by the reverse of a relation, but the data has no reverses";
            let help =
                "write `inverse = true` behind the name of the data: `triples(\"umls\", inverse = true)`";
            return Err(findings::args::does_not_fit(cx, "relation", message, help));
        }
        super::score(cx, Some("`conve` reads which end of a pair comes first"))
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let e = cx.edges();
        let score = e.answers(Self::queries(cx), cx.x());
        Some(Outcome::pairs(match cx.named("bias") {
            Some(bias) => score + e.target(bias),
            None => score,
        }))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "",
            weights: &[],
            arguments: &[],
            note: "PyG has none; `pykeen.models.ConvE` is this one, with `embedding_height`, `output_channels`, `kernel_height` and \
                   `kernel_width`. Its map reads channel by channel, this one place by place.",
        }
    }
    fn asks_by_reverse(&self) -> bool {
        true
    }
    fn action(&self, _: &Args) -> Action {
        Action::Decoder
    }
}

#[cfg(test)]
mod tests {
    use super::divisor;
    use crate::lower::testing::compile;
    use crate::ops::testing::codes;

    #[test]
    fn images_are_as_square_as_widths_allow() {
        assert_eq!([200, 64, 7, 1, 12].map(divisor), [10, 8, 1, 1, 3]);
    }

    #[test]
    fn what_makes_no_image_is_refused() {
        let of =
            |text: &str| codes(&format!("task = link_prediction\nmodel = embedding(12) -> conve({text})"));
        assert!(of("relation = edge_labels").is_empty());
        assert_eq!(of("relation = edge_labels, height = 5"), ["args::does_not_fit"]);
        assert_eq!(of("relation = edge_labels, kernel = 5"), ["args::does_not_fit"]);
        assert_eq!(of("relation = edge_labels, height = 6"), ["args::does_not_fit"]);
        assert!(of("relation = edge_labels, height = 6, kernel = 2").is_empty());
        assert!(of("relation = edge_labels, bias = input -> embedding(1)").is_empty());
        assert_eq!(of("relation = edge_labels, bias = input -> embedding(2)"), ["args::does_not_fit"]);
        assert!(!of("relation = edge_labels, bias = input -> embedding(2) -> mean").is_empty());
    }

    /// Batch norm counts places of each channel, and the map reads all channels of all places: 4 × 2 places of 5 channels.
    #[test]
    fn weights_are_as_large_as_the_paper_says() {
        let text =
            "task = link_prediction\nmodel = embedding(12) -> conve(relation = edge_labels, channels = 5)";
        let model = compile(text, None);
        let (_, node) = model.get().nodes().last().unwrap();
        let inputs: Vec<_> = model.get().nodes().map(|(_, node)| node.ty.clone()).collect();
        let cx = crate::ops::FactCx {
            args: &node.args,
            inputs: &[&inputs[inputs.len() - 2], &inputs[0]],
            output: &node.ty,
        };
        let known = |name: &str| {
            let all = node.op.weights(&cx);
            let spec = all.iter().find(|spec| spec.name == name).unwrap();
            spec.shape.iter().map(|dim| dim.known().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(known("filter"), [9, 5]);
        assert_eq!(known("map_norm.weight"), [5]);
        assert_eq!(known("weight"), [4 * 2 * 5, 12]);
    }
}
