//! `embedding(width)`: a learned row for each node.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::{Diagnostic, count};
use crate::ops::findings::{levels, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Init, Operator, Pyg, WidthRule};
use crate::program::composite::Composite;
use crate::types::{Dim, Entity, Level, Size, Type};

/// A row of numbers for each node of the one graph that is trained on, learned as weights are. It takes the place of the features, which
/// are not read: `concat(input, embedding(16))` reads both. The rows belong to these nodes, so the model is of no use for others.
///
/// Paper: Perozzi et al. 2014, "DeepWalk: Online Learning of Social Representations", where nodes are rows of a table.
/// PyG: `torch.nn.Embedding`.
///
/// # Shapes
/// - `x`: `[N, F_in]`, nodes of the input graph, of which only the number is read
/// - result: `[N, width]`
///
/// # Errors
/// `levels::needs_nodes` on anything but the nodes of the input graph, `levels::needs_one_graph` on data of several graphs.
#[derive(Debug)]
pub struct Embedding;

pub const NAME: &str = "embedding";

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "width",
        kind: ArgKind::Int { min: 1, max: crate::ops::conv::MAX_WIDTH },
        default: Default::Required,
        positional: true,
        doc: "Numbers a node.",
    },
    ArgSpec {
        name: "init",
        kind: ArgKind::Choice(&["glorot", "uniform"]),
        default: Default::Choice("glorot"),
        positional: false,
        doc: "How the rows begin: uniform in ±√(6 / (N + width)), or in ±1/√width.",
    },
];

impl Operator for Embedding {
    fn name(&self) -> &'static str {
        NAME
    }
    fn family(&self) -> Family {
        Family::Dense
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "A learned row for each node, in place of features.",
            formula: "h_i = E_i",
            paper: "Perozzi et al. 2014, \"DeepWalk: Online Learning of Social Representations\"",
            example: "task = link_prediction\nmodel = embedding(32) -> inner_product",
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
        if input.entity != Entity::Nodes || input.level != Level(0) {
            return Err(levels::needs_nodes(cx));
        }
        if let Some(data) = cx.data.filter(|data| data.n_graphs > 1) {
            return Err(levels::needs_one_graph(cx, data));
        }
        let place = cx.args.get("width").and_then(|arg| arg.span).unwrap_or(cx.span);
        let width = cx.args.int("width") as usize;
        let width = Dim::new(Size::Known(width), Some(place), format!("the {width} comes from here"));
        let rows = match cx.data {
            Some(data) => Dim::new(
                Size::Known(data.total_nodes),
                None,
                format!("{} has {}", data.name, count(data.total_nodes, "node")),
            ),
            None => input.rows.clone(),
        };
        Ok(Type { rows, width, symmetry: symmetry::kept(cx), ..input.clone() })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (rows, width) = (&cx.output.rows, &cx.output.width);
        let init = match cx.args.choice("init") {
            "uniform" => Init::KaimingUniform { fan_in: width.known().unwrap_or(1) },
            _ => Init::Glorot { fan_in: rows.known().unwrap_or(1), fan_out: width.known().unwrap_or(1) },
        };
        let table = cx.b.weight("weight", &[rows.clone(), width.clone()], init);
        Some(Outcome::rows(cx.b.call(Composite::Table, &[table])))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.nn.Embedding", weights: &[], arguments: &[("embedding_dim", "width")], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Table
    }
}
