//! `log_softmax`: the logarithms of shares that add up to 1 over the features of a row.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::types::{Size, Type};

/// The logarithm of the softmax over a row's features: `x_c − ln Σ_k exp(x_k)`, what `nll` takes. `cross_entropy` computes it itself.
///
/// Paper: Bridle 1990, "Probabilistic Interpretation of Feedforward Classification Network Outputs".
/// PyG: `torch.nn.LogSoftmax(dim = -1)`.
///
/// # Shapes
/// - result: as the input
#[derive(Debug)]
pub struct LogSoftmax;

impl Operator for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }
    fn family(&self) -> Family {
        Family::Activation
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The logarithms of shares that add up to 1 over the features of a row.",
            formula: "x_c − ln Σ_k exp(x_k)",
            paper: "Bridle 1990, \"Probabilistic Interpretation of Feedforward Classification Network Outputs\"",
            example: "gcn(64) -> relu -> mean -> linear -> log_softmax",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        &[]
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        Ok(cx.inputs[0].clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let (x, one) = (cx.x(), [Size::Known(1)]);
        // Nothing overflows, and where the shift comes from makes no difference.
        let centred = x - x.fold_max(0).stop().view(&one);
        Some(Outcome::rows(centred - centred.exp().fold_sum(0).ln().view(&one)))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch.nn.LogSoftmax",
            weights: &[],
            arguments: &[],
            note: "over the features of a row, `dim = -1`",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::RowNorm
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{codes, forward, nodes};

    #[test]
    fn shares_add_up_to_one() {
        let data = nodes(5, &[]);
        let rows = |stage: &str| {
            let model =
                crate::lower::testing::compile(&format!("model = {stage}\ntask = node_regression"), None);
            let network = crate::lower::Network::build(
                &model,
                &data.facts(),
                candle_core::DType::F64,
                &candle_core::Device::Cpu,
                1,
            );
            forward(&network.unwrap(), &data, crate::lower::ForwardCx::evaluation())
        };
        let (rows, before) = (rows("log_softmax"), rows("identity"));
        for (row, before) in rows.iter().zip(before) {
            let total: f64 = before.iter().map(|x| x.exp()).sum();
            for (log, x) in row.iter().zip(before) {
                assert!((log - (x - total.ln())).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn nll_takes_nothing_else() {
        assert_eq!(codes("model = gcn(8) -> mean -> linear -> log_softmax\nloss = nll"), [""; 0]);
        assert_eq!(codes("model = gcn(8) -> mean -> linear\nloss = nll"), ["task::unnormalised"]);
    }

    /// Behind `log_softmax`, `nll` is `cross_entropy`: losses, gradients, weights of the classes.
    #[test]
    fn both_together_are_the_cross_entropy() {
        use crate::data::synthetic::{RandomGraphs, random_graphs};
        use crate::lower::testing::compile;
        use crate::lower::{Network, task_loss::Items};
        use candle_core::{DType, Device};
        let data = random_graphs(&RandomGraphs { n_graphs: 11, ..RandomGraphs::default() });
        let graphs: Vec<u32> = (0..11).collect();
        let batch = data.batch(&graphs, DType::F64, &Device::Cpu).unwrap();
        let targets = data.target_tensor(&graphs, DType::F64, &Device::Cpu).unwrap().unwrap();
        for weights in ["", "(class_weights = balanced)"] {
            let step = |end: &str, loss: &str| {
                let text = format!("model = gcn(4) -> relu -> mean -> linear{end}\nloss = {loss}{weights}");
                let network = Network::build(
                    &compile(&text, Some(&data.facts())),
                    &data.facts(),
                    DType::F64,
                    &Device::Cpu,
                    1,
                )
                .unwrap();
                let mut cx = network.training_cx(1);
                let output = network.forward(&batch, &mut cx).unwrap();
                let loss = network.loss(&output, &targets, &cx, None).unwrap();
                let mut numbers = vec![loss.total.to_scalar::<f64>().unwrap()];
                let outputs: Vec<f32> =
                    output.x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
                let items = Items {
                    width: data.facts().n_outputs,
                    outputs: &outputs,
                    classes: &[0; 11],
                    values: &[],
                };
                let of_part = network.part_loss(&items, &Default::default()).unwrap().total;
                let gradients = loss.backward().unwrap();
                for parameter in network.parameters().trained() {
                    let gradient = gradients.get(&parameter.var).unwrap().flatten_all().unwrap();
                    numbers.extend(gradient.to_vec1::<f64>().unwrap());
                }
                (numbers, of_part)
            };
            let (one, other) = (step(" -> log_softmax", "nll"), step("", "cross_entropy"));
            for (one, other) in one.0.iter().zip(&other.0) {
                assert!((one - other).abs() < 1e-12, "{weights}: {one}, not {other}");
            }
            assert!((one.1 - other.1).abs() < 1e-5, "{weights}: {}, not {}", one.1, other.1);
        }
    }
}
