//! An operator of the tests alone that takes every kind of value of the edges.

use super::conv;
use crate::args::{ArgKind, ArgSpec, Args, Default, EdgeValue};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, Gather, InferCx, Init, Operator, Own, Pyg, WidthRule};
use crate::program::Space;
use crate::types::{Size, Type};

/// `[x_i ∥ Σ_{j ∈ N(i)} e_ij ∥ Σ_j w_ij ∥ Σ_j θ_{r_ij}]`, as far as the arguments are given.
#[derive(Debug)]
pub struct EdgeSum;

pub static EDGE_SUM: EdgeSum = EdgeSum;

const fn of_edges(name: &'static str, of: EdgeValue) -> ArgSpec {
    let default = Default::Inferred("not used");
    ArgSpec { name, kind: ArgKind::Edges(of), default, positional: false, doc: "Summed." }
}

static ARGS: &[ArgSpec] = &[
    of_edges("edge", EdgeValue::Features),
    of_edges("weight", EdgeValue::Weight),
    of_edges("relation", EdgeValue::Kind),
];

impl Operator for EdgeSum {
    fn name(&self) -> &'static str {
        "edge_sum"
    }
    fn family(&self) -> Family {
        Family::Convolution
    }
    fn doc(&self) -> Doc {
        Doc { summary: "", formula: "", paper: "", example: "" }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Computed
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        let known = |width: &crate::types::Dim| width.size.clone();
        let given = ["edge", "weight"].into_iter().filter_map(|name| cx.port(name));
        let mut parts: Vec<_> =
            std::iter::once(0).chain(given).map(|port| known(&cx.inputs[port].width)).collect();
        parts.extend(cx.port("relation").map(|_| crate::types::Size::Known(1)));
        conv::convolved(cx, crate::types::Dim::new(crate::types::Size::sum(parts), Some(cx.span), "sums"))
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (b, e) = (cx.b, cx.edges());
        let mut parts = vec![cx.x()];
        parts.extend(
            ["edge", "weight"].into_iter().filter_map(|name| cx.named(name)).map(|value| e.sum(value)),
        );
        if let Some(port) = cx.args.port("relation") {
            let shape = [cx.inputs[port].width.clone(), conv::fixed(1), conv::fixed(1)];
            let kinds = b.weight("kinds", &shape, Init::KaimingUniform { fan_in: 1 });
            let ones = b.constant(1.0).view(&[Size::Known(1)]).in_space(Space::Edges);
            parts.push(e.sum(ones.typed_linear(kinds)));
        }
        Some(Outcome::rows(b.concat(&parts)))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Messages { gather: Gather::Sum, own: Own::Root, is_linear: false }
    }
}
