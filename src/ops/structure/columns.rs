//! `columns(first, count)`: some features of each row.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{args, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::{Dim, Size, Type};

/// The features `first`, `first + 1`, … of each row, `count` of them: positions among the columns of the data, for example.
///
/// PyG: `x[:, first:first + count]`.
///
/// # Shapes
/// - `x`: any rows, `F` features
/// - result: those rows, `count` features
///
/// # Errors
/// `args::does_not_fit` where there are fewer features.
#[derive(Debug)]
pub struct Columns;

static ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "first",
        kind: ArgKind::Int { min: 0, max: 1 << 20 },
        default: Default::Required,
        positional: true,
        doc: "The first of the features, counted from 0.",
    },
    ArgSpec {
        name: "count",
        kind: ArgKind::Int { min: 1, max: 1 << 20 },
        default: Default::Int(1),
        positional: true,
        doc: "How many there are.",
    },
];

impl Operator for Columns {
    fn name(&self) -> &'static str {
        "columns"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Some features of each row, such as positions among the columns of the data.",
            formula: "(x_first, …, x_{first + count − 1})",
            paper: "",
            example: "linear(16) -> relu -> point(16, position = input -> columns(0, 3)) -> relu -> max -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("count")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let (first, count) = (cx.args.int("first") as usize, cx.args.int("count") as usize);
        let width = &cx.inputs[0].width;
        if let Some(n) = cx.with_data(&width.size).known().filter(|&n| first + count > n) {
            let message = format!(
                "`columns` asks for the features {first} to {}, but there are {n}",
                first + count - 1
            );
            let help = format!("features count from 0, so the last is {}", n.saturating_sub(1));
            return Err(args::does_not_fit(cx, "first", &message, &help));
        }
        let reason = format!("`columns` takes {count}");
        let width = Dim::new(Size::Known(count), Some(args::place(cx, "count")), reason);
        Ok(Type { width, symmetry: symmetry::kept(cx), ..cx.inputs[0].clone() })
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let first = Size::Known(cx.args.int("first") as usize);
        Some(Outcome::rows(cx.x().slice(0, first, cx.output.width.size.clone())))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "", weights: &[], arguments: &[], note: "`x[:, first:first + count]`." }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Concat
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, types};

    #[test]
    fn columns_are_among_those_that_there_are() {
        assert_eq!(types("gcn(8) -> columns(2, 3) -> mean -> linear", None)[2], "nodes[N, 3]");
        assert_eq!(codes("gcn(8) -> columns(7) -> mean -> linear"), [""; 0]);
        assert_eq!(codes("gcn(8) -> columns(6, 3) -> mean -> linear"), ["args::does_not_fit"]);
        assert_eq!(codes("columns(0, 2) -> mean -> linear"), [""; 0]);
    }
}
