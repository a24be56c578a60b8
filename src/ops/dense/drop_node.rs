//! `drop_node(p)`: whole rows zeroed while training.

use crate::args::{ArgKind, ArgSpec, Args, Default, Range};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::program::Space;
use crate::types::{Size, Type};

/// While training, every row is set to zero with probability `p`, and the others are scaled by `1 / (1 − p)`; in evaluation nothing
/// happens. Which rows follow from the seed of the step.
///
/// Paper: Feng et al. 2020, "Graph Random Neural Networks for Semi-Supervised Learning on Graphs", section 3.1 (DropNode).
/// PyG: near `torch_geometric.utils.dropout_node`, which takes the nodes out of the graph with their edges.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct DropNode;

static ARGS: &[ArgSpec] = &[ArgSpec {
    name: "p",
    kind: ArgKind::Float(Range::closed_open(0.0, 1.0)),
    default: Default::Float(0.5),
    positional: true,
    doc: "Probability that a row is set to zero.",
}];

impl Operator for DropNode {
    fn name(&self) -> &'static str {
        "drop_node"
    }
    fn family(&self) -> Family {
        Family::Dense
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "While training, sets random rows to zero and scales the rest.",
            formula: "x_i / (1 − p) with probability 1 − p, else 0",
            paper: "Feng et al. 2020, \"Graph Random Neural Networks for Semi-Supervised Learning on Graphs\"",
            example: "linear(32) -> relu -> drop_node(0.3) -> gcn(32) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let one = cx.b.constant(1.0).in_space(Space::Rows).view(&[Size::Known(1)]);
        Some(Outcome::rows(cx.x() * one.dropout(cx.args.float("p"))))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch_geometric.utils.dropout_node",
            weights: &[],
            arguments: &[],
            note: "PyG takes dropped nodes out of the graph; here their rows are zero, and the edges stay.",
        }
    }
    fn action(&self, args: &Args) -> Action {
        Action::Dropout { p: args.float("p") }
    }
}

#[cfg(test)]
mod tests {
    use crate::lower::{ForwardCx, Network};
    use crate::ops::testing::{forward, nodes};
    use candle_core::{DType, Device};

    fn rows(text: &str, cx: impl Fn(&Network) -> ForwardCx<'static>) -> [Vec<Vec<f64>>; 2] {
        let data = nodes(40, &[]);
        let model = crate::lower::testing::compile(&format!("model = {text}\ntask = node_regression"), None);
        let network = Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
        let plain = crate::lower::testing::compile("model = identity\ntask = node_regression", None);
        let plain = Network::build(&plain, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
        [forward(&network, &data, cx(&network)), forward(&plain, &data, ForwardCx::evaluation())]
    }

    #[test]
    fn whole_rows_or_columns_are_dropped_in_training_alone() {
        for text in ["drop_node(0.5)", "mask_features(0.5)", "mask_features(0.5, mode = row)"] {
            let [kept, before] = rows(text, |_| ForwardCx::evaluation());
            assert_eq!(kept, before, "{text}");
            let [again, _] = rows(text, |_| ForwardCx::training(3, &[]));
            let [dropped, before] = rows(text, |_| ForwardCx::training(3, &[]));
            assert_eq!(dropped, again, "{text}: the same seed");
            let scale = if text.starts_with("drop") { 2.0 } else { 1.0 };
            let (n, width) = (dropped.len(), dropped[0].len());
            // By line, a row or a column: whether it was dropped, as its first number that was not 0 says.
            let is_by_column = text == "mask_features(0.5)";
            let mut lines = vec![None; n.max(width)];
            for (row, col) in (0..n).flat_map(|row| (0..width).map(move |col| (row, col))) {
                if before[row][col] == 0.0 {
                    continue;
                }
                let is_zero = dropped[row][col] == 0.0;
                let line = &mut lines[if is_by_column { col } else { row }];
                assert_eq!(*line.get_or_insert(is_zero), is_zero, "{text}: {row}, {col}");
                let wanted = if is_zero { 0.0 } else { scale * before[row][col] };
                assert!((dropped[row][col] - wanted).abs() < 1e-12, "{text}: {row}, {col}");
            }
            let n_dropped = lines.iter().filter(|line| **line == Some(true)).count();
            assert!(is_by_column || (5..35).contains(&n_dropped), "{text}: {n_dropped} rows");
        }
    }
}
