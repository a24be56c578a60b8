//! `patchy_san(w, k)`: fields of nodes in a canonical order.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::{Diagnostic, count};
use crate::ops::findings::{levels, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Operator, Pyg, WidthRule};
use crate::program::composite::{Composite, Order};
use crate::types::{Dim, Entity, Size, Type};

/// PATCHY-SAN: the nodes of a graph are put in a canonical order, and around each of `w` of them, from the first on, stands a field of
/// `k` nodes: itself, then those one edge away, then two, each in that order. The fields follow each other, so that `conv1d(out,
/// kernel = k, stride = k)` is a filter over a field, as in the paper; a graph with fewer nodes is filled up with zeros.
///
/// More central nodes come first, by their `degree`, their `closeness`, or with `colours` by neither; nodes that are as central are told
/// apart by their neighbours, and by theirs, as Weisfeiler and Leman refine colours, with the order kept. The paper lets a program for
/// canonical labels decide among the rest. Here every place of nodes that are still alike has their mean: for nodes that a symmetry of
/// the graph maps to each other, features included, that is the same, and it depends on no numbering for all others.
///
/// The order follows from the edges alone, along either direction, and not from features.
///
/// Paper: Niepert et al. 2016, "Learning Convolutional Neural Networks for Graphs", algorithms 1 to 4.
///
/// # Shapes
/// - `x`: `[N, F]`, nodes
/// - result: `slots[w · k, F]`
///
/// # Errors
/// `levels::needs_nodes` on anything but nodes.
#[derive(Debug)]
pub struct PatchySan;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "w",
        kind: ArgKind::Int { min: 1, max: 1 << 14 },
        default: Default::Required,
        positional: true,
        doc: "Number of fields of each graph; the paper takes the mean number of nodes.",
    },
    ArgSpec {
        name: "k",
        kind: ArgKind::Int { min: 1, max: 1024 },
        default: Default::Int(10),
        positional: true,
        doc: "Number of nodes of each field.",
    },
    ArgSpec {
        name: "stride",
        kind: ArgKind::Int { min: 1, max: 1 << 14 },
        default: Default::Int(1),
        positional: false,
        doc: "Nodes in the order from one that has a field to the next.",
    },
    ArgSpec {
        name: "order",
        kind: ArgKind::Choice(&["degree", "closeness", "colours"]),
        default: Default::Choice("degree"),
        positional: false,
        doc: "What nodes are put in order by first: the number of their neighbours, `Σ 1 / d` over the numbers of edges `d` to all others, \
              which takes time in the square of a graph, or colours alone.",
    },
];

impl Operator for PatchySan {
    fn name(&self) -> &'static str {
        "patchy_san"
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Lays fields of k nodes around w of them in a canonical order, for a convolution over each.",
            formula: "[x_j for j in field(i)] for i in order(V)[.. : stride][..w]",
            paper: "Niepert et al. 2016, \"Learning Convolutional Neural Networks for Graphs\"",
            example: "patchy_san(8, k = 4) -> conv1d(16, kernel = 4, stride = 4) -> relu -> flatten -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity != Entity::Nodes {
            return Err(levels::needs_nodes(cx));
        }
        let [w, k] = ["w", "k"].map(|name| cx.args.int(name) as usize);
        let reason = format!("`patchy_san` lays out {} of {}", count(w, "field"), count(k, "node"));
        Ok(Type {
            entity: Entity::Slots,
            level: cx.new_level,
            rows: Dim::new(Size::Known(w * k), Some(cx.span), reason),
            width: cx.inputs[0].width.clone(),
            symmetry: symmetry::of_entity(cx, Entity::Slots),
        })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let [w, k, stride] = ["w", "k", "stride"].map(|name| cx.args.int(name) as usize);
        let order = match cx.args.choice("order") {
            "closeness" => Order::Closeness,
            "colours" => Order::Colours,
            _ => Order::Degree,
        };
        Some(Outcome::slots(cx.b.call(Composite::Fields { w, k, stride, order }, &[cx.x()])))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(Gather::Other)
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn fields_follow_each_other() {
        let text =
            "linear(3) -> patchy_san(5, k = 4) -> conv1d(7, kernel = 4, stride = 4) -> flatten -> linear";
        assert_eq!(codes(text), [""; 0]);
        assert_eq!(types(text, None)[2..5], ["slots[20, 3]", "slots[5, 7]", "graph[35]"].map(str::to_owned));
        assert_eq!(codes(&text.replace("k = 4)", "k = 4, order = closeness, stride = 2)")), [""; 0]);
        assert_eq!(
            codes("diffpool(k = 3) -> patchy_san(2, k = 2) -> flatten -> linear"),
            ["levels::needs_nodes"]
        );
        assert_eq!(codes("patchy_san -> flatten -> linear"), ["args::missing"]);
    }
}
