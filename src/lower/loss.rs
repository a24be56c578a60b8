//! The loss of a step, which training minimises, and that of a part, which is reported and watched.

use super::network::Network;
use super::task_loss::{self, Items, LossCx};
use super::{ForwardCx, Reported, Value};
use crate::ir::LossTerm;
use crate::kernels::{self, tape};
use crate::ops::LossKind;
use crate::ops::loss::{balanced_weights, given_weights};
use crate::types::TargetKind;
use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor};
use petgraph::graph::NodeIndex;
use std::collections::BTreeMap;

/// Total of a step's loss and its terms before their weights, each with what tells it from the others
/// ([`LossTerm::label`]).
#[derive(Debug, Clone)]
pub struct StepLoss {
    pub total: Tensor,
    pub parts: Vec<(String, Tensor)>,
}

/// What the sums of a loss over a batch are divided by, one number for each term in the order of the model.
///
/// A step over a batch `B` of a part `P` minimises `Σ_{i ∈ B} w_i ℓ_i / (b · Σ_{i ∈ P} w_i / G)` with `b` graphs in a
/// full batch and `G` in the part: the weight that a full batch has on average. So the gradients of an epoch's steps add
/// up to `G / b` times that of the part's own loss `Σ_{i ∈ P} w_i ℓ_i / Σ_{i ∈ P} w_i`, however the part is cut into
/// batches, and an item in a last, smaller batch counts as much as any other. Where items weigh alike, it is the mean of
/// a full batch.
#[derive(Debug, Clone, PartialEq)]
pub struct LossWeights(Vec<f64>);

impl LossWeights {
    /// With auxiliary terms divided by this number of graphs, whatever share of the part a step is about: a step over links runs over
    /// all graphs.
    #[must_use]
    pub fn over_graphs(&self, network: &Network, n_graphs: usize) -> Self {
        let weight = |(&weight, term): (&f64, &LossTerm)| match term.loss.kind() {
            LossKind::Task(_) => weight,
            LossKind::Auxiliary => n_graphs as f64,
        };
        Self(self.0.iter().zip(&network.losses).map(weight).collect())
    }

    /// Those of a share of the part: `b / G` of it, at most all.
    #[must_use]
    pub fn share(&self, n_graphs: usize, of: usize) -> Self {
        let share = (n_graphs as f64 / of.max(1) as f64).min(1.0);
        Self(self.0.iter().map(|weight| weight * share).collect())
    }
}

/// The sums of auxiliary losses over graphs, by the labels of their terms, with the number of graphs.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AuxiliaryLosses(BTreeMap<String, (f64, usize)>);

impl AuxiliaryLosses {
    /// Adds what the stages reported in a step, graph by graph, so that sums do not depend on the batches. False
    /// where a value is not finite.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn add(&mut self, network: &Network, cx: &ForwardCx) -> Result<bool> {
        let mut is_finite = true;
        for (term, reporters) in network.losses.iter().zip(&network.reporters) {
            let mut of_graphs: Option<Vec<f64>> = None;
            for loss in reported(cx, term, reporters) {
                let values: Vec<f64> = loss.to_dtype(DType::F64)?.to_vec1()?;
                match &mut of_graphs {
                    Some(sums) => sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value),
                    None => of_graphs = Some(values),
                }
            }
            let Some(values) = of_graphs else { continue };
            is_finite &= values.iter().all(|value| value.is_finite());
            let (sum, n_graphs) = self.0.entry(term.label()).or_default();
            values.iter().for_each(|value| *sum += value);
            *n_graphs += values.len();
        }
        Ok(is_finite)
    }
}

/// What the stages that a term is about have computed of its loss.
fn reported<'a>(
    cx: &'a ForwardCx,
    term: &'a LossTerm,
    reporters: &'a [NodeIndex],
) -> impl Iterator<Item = &'a Tensor> {
    let of_term = |found: &&Reported| found.loss == term.loss.name() && reporters.contains(&found.stage);
    cx.losses.iter().filter(of_term).map(|found| &found.of_graphs)
}

/// The loss of a part.
#[derive(Debug, Clone, PartialEq)]
pub struct PartLoss {
    pub total: f64,
    /// Each term before its weight, with its label.
    pub terms: Vec<(String, f64)>,
    /// The first item whose loss is not finite.
    pub bad_item: Option<usize>,
}

impl StepLoss {
    /// Gradients of the total with respect to every parameter. On the CPU they are those of the step's tape, so they are
    /// asked once, on the thread that ran the forward pass; a pass that was not taped
    /// ([`ForwardCx::is_taped`](super::ForwardCx)) has Candle's, which are slower.
    ///
    /// # Errors
    /// Where a kernel's backward pass fails, or the tape is used up.
    pub fn backward(&self) -> Result<GradStore> {
        tape::backward(&self.total)
    }
}

impl Network {
    /// The loss of a step: the terms that compare `output` with `targets` (`[rows]` classes, or
    /// `[rows, values]`), and the auxiliary ones that the poolings left in `cx`, summed with their weights.
    ///
    /// With `over` the sum of a term over the batch is divided by its weight there, and without by that of the batch
    /// itself, so that it is the batch's mean.
    ///
    /// # Errors
    /// Where the targets do not fit the output.
    pub fn loss(
        &self,
        output: &Value,
        targets: &Tensor,
        cx: &ForwardCx,
        over: Option<&LossWeights>,
    ) -> Result<StepLoss> {
        let mut total: Option<Tensor> = None;
        let mut parts = Vec::with_capacity(self.losses.len());
        let class_weights = self.class_weights()?;
        for (idx, term) in self.losses.iter().enumerate() {
            let over = over.map(|over| over.0[idx]);
            let part = match term.loss.kind() {
                LossKind::Task(_) => {
                    let class_weights = weights_of(term, class_weights.as_deref());
                    let (args, output) = (&term.args, &output.x);
                    task_loss::compute(
                        term.loss,
                        &LossCx { args, output, targets, class_weights, total: over },
                    )?
                }
                LossKind::Auxiliary => {
                    let mut reported = reported(cx, term, &self.reporters[idx]);
                    let Some(first) = reported.next() else {
                        // The pooling that would report it does not reach the output.
                        continue;
                    };
                    let per_graph = reported.try_fold(first.clone(), |sum, loss| kernels::add(&sum, loss))?;
                    let n_graphs = per_graph.elem_count().max(1) as f64;
                    kernels::sum_over_graphs(&per_graph, over.unwrap_or(n_graphs))?
                }
            };
            let weighted =
                if term.weight == 1.0 { part.clone() } else { kernels::scaled(&part, term.weight)? };
            total = Some(match total {
                Some(total) => kernels::add(&total, &weighted)?,
                None => weighted,
            });
            parts.push((term.label(), part));
        }
        let total = total.ok_or_else(|| candle_core::Error::Msg("the model has no loss".to_owned()))?;
        Ok(StepLoss { total, parts })
    }

    /// The weight that each term of the loss has over a part: that of its items, `Σ_i w_i`, and for an auxiliary term
    /// the number of its graphs. `classes` is empty but for classification, and an
    /// item of which only some labels are known counts as their share ([`labelled_items`](super::labelled_items)).
    ///
    /// # Errors
    /// Where there is a class that the weights of the classes do not reach, or Candle fails.
    pub fn loss_weights(&self, n_items: f64, classes: &[u32], n_graphs: usize) -> Result<LossWeights> {
        let class_weights = self.class_weights()?;
        let of_terms = self.losses.iter().filter_map(|term| weights_of(term, class_weights.as_deref()));
        of_terms.into_iter().try_for_each(|weights| classes_below(classes, weights.len()))?;
        let weight = |term: &LossTerm| match term.loss.kind() {
            LossKind::Task(_) => {
                let weights = weights_of(term, class_weights.as_deref());
                term.loss.weight(n_items, classes, weights)
            }
            LossKind::Auxiliary => n_graphs as f64,
        };
        Ok(LossWeights(self.losses.iter().map(weight).collect()))
    }

    /// The loss of a part, out of all its outputs and of what the poolings reported for each of its graphs. Each item
    /// and each graph counts the same whatever shared a batch with it.
    ///
    /// # Errors
    /// Where an item has a class that the outputs have no column for, or Candle fails.
    pub fn part_loss(&self, items: &Items, auxiliary: &AuxiliaryLosses) -> Result<PartLoss> {
        let class_weights = self.class_weights()?;
        classes_below(items.classes, items.width)?;
        let n_items = items.outputs.len().checked_div(items.width).unwrap_or(0) as f64;
        let mut loss = PartLoss { total: 0.0, terms: Vec::new(), bad_item: None };
        for term in &self.losses {
            let value = match term.loss.kind() {
                LossKind::Task(_) => {
                    let weights = weights_of(term, class_weights.as_deref());
                    let values = task_loss::of_items(term.loss, &term.args, items, weights)?;
                    loss.bad_item = loss.bad_item.or(values.iter().position(|value| !value.is_finite()));
                    let is_of_labels = items.classes.is_empty() && term.loss.compares(TargetKind::MultiLabel);
                    let n_items = match is_of_labels {
                        true => task_loss::labelled_items(items.values, items.width),
                        false => n_items,
                    };
                    let weight = term.loss.weight(n_items, items.classes, weights);
                    values.iter().sum::<f64>() / if weight > 0.0 { weight } else { 1.0 }
                }
                LossKind::Auxiliary => match auxiliary.0.get(&term.label()) {
                    Some(&(sum, n_graphs)) => sum / n_graphs as f64,
                    // As in a step, a pooling that does not reach the output reports nothing.
                    None => continue,
                },
            };
            loss.total += term.weight * value;
            loss.terms.push((term.label(), value));
        }
        Ok(loss)
    }

    fn class_weights(&self) -> Result<Option<Vec<f64>>> {
        let weights = self.class_weights.as_ref();
        weights.map(|weights| weights.to_dtype(DType::F64)?.to_vec1::<f64>()).transpose()
    }

    /// Weighs the classes by how often each occurs among the items that are trained on; without effect where no
    /// loss weighs classes.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn count_classes(&self, counts: &[usize]) -> Result<()> {
        let Some(weights) = &self.class_weights else { return Ok(()) };
        weights.set(&Tensor::new(balanced_weights(counts), &self.device)?.to_dtype(weights.dtype())?)
    }
}

/// What each class weighs in a term: as the file says, or as often as it was counted.
fn weights_of<'a>(term: &'a LossTerm, counted: Option<&'a [f64]>) -> Option<&'a [f64]> {
    given_weights(&term.args).or_else(|| counted.filter(|_| term.loss.weighs_classes(&term.args)))
}

/// The network was built for `n_classes`.
fn classes_below(classes: &[u32], n_classes: usize) -> Result<()> {
    match classes.iter().find(|&&class| class as usize >= n_classes) {
        None => Ok(()),
        Some(class) => candle_core::bail!(
            "the network was built for {n_classes} classes, numbered from 0, the data has class {class}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Dataset;
    use crate::data::synthetic::{RandomGraphs, random_graphs};
    use crate::lower::testing::compile;
    use candle_core::Device;

    #[test]
    fn a_class_that_the_network_was_not_built_for_is_named() {
        let data = data();
        let facts = data.facts();
        let model =
            compile("model = mean -> linear\nloss = cross_entropy(class_weights = balanced)", Some(&facts));
        let network = Network::build(&model, &facts, DType::F32, &Device::Cpu, 1).unwrap();
        let (n_classes, beyond) = (facts.n_outputs, facts.n_outputs as u32);
        let outputs = vec![0.0; n_classes];
        let items = |class: &'static [u32]| Items {
            outputs: &outputs,
            width: n_classes,
            classes: class,
            values: &[],
        };
        let of = |classes| network.part_loss(&items(classes), &AuxiliaryLosses::default());
        assert!(of(&[0]).is_ok());
        let message = format!("built for {n_classes} classes, numbered from 0, the data has class {beyond}");
        assert_eq!(beyond, 3, "the class below");
        for error in [of(&[3]).unwrap_err(), network.loss_weights(1.0, &[3], 1).unwrap_err()] {
            assert!(error.to_string().contains(&message), "{error}");
        }
    }

    fn data() -> Dataset {
        random_graphs(&RandomGraphs { n_graphs: 23, seed: 4, ..RandomGraphs::default() })
    }

    fn build(text: &str, data: &Dataset) -> Network {
        let facts = data.facts();
        Network::build(&compile(text, Some(&facts)), &facts, DType::F64, &Device::Cpu, 1).unwrap()
    }

    /// Gradients of a step over these graphs, flat.
    fn gradients(network: &Network, data: &Dataset, graphs: &[u32], over: Option<&LossWeights>) -> Vec<f64> {
        let batch = data.batch(graphs, DType::F64, &Device::Cpu).unwrap();
        let targets = data.target_tensor(graphs, DType::F64, &Device::Cpu).unwrap().unwrap();
        let mut cx = network.training_cx(1);
        let output = network.forward(&batch, &mut cx).unwrap();
        let gradients = network.loss(&output, &targets, &cx, over).unwrap().backward().unwrap();
        let flat = |parameter: &crate::lower::Parameter| -> Vec<f64> {
            gradients.get(&parameter.var).unwrap().flatten_all().unwrap().to_vec1().unwrap()
        };
        network.parameters().trained().flat_map(flat).collect()
    }

    /// `G / b` times the gradient of the part's own loss, where a batch of all graphs gives the part's.
    #[test]
    fn the_gradients_of_an_epoch_add_up_to_that_of_the_part() {
        let data = data();
        let all: Vec<u32> = (0..data.n_graphs() as u32).collect();
        let crate::data::Targets::Classes(classes) = &data.targets else { panic!("classes") };
        let classes: Vec<u32> = classes.iter().map(|&class| class as u32).collect();
        for loss in [
            "cross_entropy(class_weights = balanced) + 0.3 * link_prediction + 0.1 * entropy",
            "cross_entropy + link_prediction",
            "cross_entropy + 0.3 * link_prediction(level = 1)",
            "cross_entropy(class_weights = [0.5, 3.0, 1.0], label_smoothing = 0.1)",
        ] {
            let text = format!(
                "model = sage(4) -> relu -> diffpool(k = 3) -> sage(4) -> mean -> mlp\nloss = {loss}"
            );
            let network = build(&text, &data);
            network.count_classes(&[20, 2, 1]).unwrap();
            let of_part = network.loss_weights(all.len() as f64, &classes, all.len()).unwrap();
            let expected = gradients(&network, &data, &all, None);
            for batch_size in [1, 4, 7, 22, 23, 64] {
                let over = of_part.share(batch_size, all.len());
                let mut sum = vec![0.0; expected.len()];
                for graphs in all.chunks(batch_size) {
                    let gradient = gradients(&network, &data, graphs, Some(&over));
                    sum.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += value);
                }
                let factor = (all.len() as f64 / batch_size as f64).max(1.0);
                for (sum, expected) in sum.iter().zip(&expected) {
                    let expected = factor * expected;
                    assert!(
                        (sum - expected).abs() < 1e-12 * factor,
                        "{batch_size}: {sum}, not {expected}: {loss}"
                    );
                }
            }
        }
    }

    /// Without weights every share of `k` clusters is `1/k`, whose entropy is `ln k`, and every class is as likely.
    #[test]
    fn terms_of_levels_are_worked_out_by_hand() {
        let data = data();
        let model = "model = sage(4) -> diffpool(k = 5) -> sage(4) -> diffpool(k = 2) -> mean -> mlp";
        let graphs = [3, 9, 1];
        let batch = data.batch(&graphs, DType::F64, &Device::Cpu).unwrap();
        let targets = data.target_tensor(&graphs, DType::F64, &Device::Cpu).unwrap().unwrap();
        let (one, two, task) = (5f64.ln(), 2f64.ln(), 3f64.ln());
        for (loss, expected, n_computed) in [
            ("entropy", vec![("entropy", one + two)], 2),
            ("0.3 * entropy(level = 1)", vec![("entropy(level = 1)", one)], 1),
            ("0.1 * entropy(level = 2)", vec![("entropy(level = 2)", two)], 1),
            ("entropy(level = [2, 1])", vec![("entropy(level = [2, 1])", one + two)], 2),
            (
                "0.1 * entropy(level = 2) + 0.3 * entropy(level = 1)",
                vec![("entropy(level = 2)", two), ("entropy(level = 1)", one)],
                2,
            ),
        ] {
            let network = build(&format!("{model}\nloss = cross_entropy + {loss}"), &data);
            for parameter in network.parameters().trained() {
                parameter.var.set(&parameter.var.zeros_like().unwrap()).unwrap();
            }
            let mut cx = network.training_cx(1);
            let output = network.forward(&batch, &mut cx).unwrap();
            assert_eq!(cx.losses.len(), n_computed, "what no term is about is not computed: {loss}");
            let step = network.loss(&output, &targets, &cx, None).unwrap();
            let mut auxiliary = AuxiliaryLosses::default();
            assert!(auxiliary.add(&network, &cx).unwrap());
            let outputs = vec![0.0; 9];
            let items = Items { width: 3, outputs: &outputs, classes: &[0, 1, 2], values: &[] };
            let part = network.part_loss(&items, &auxiliary).unwrap();
            let of_step: Vec<(String, f64)> = step
                .parts
                .iter()
                .map(|(label, value)| (label.clone(), value.to_scalar::<f64>().unwrap()))
                .collect();
            let mut total = task;
            for terms in [&of_step, &part.terms] {
                assert_eq!(terms.len(), 1 + expected.len(), "{loss}");
                for ((label, value), (of, expected)) in terms[1..].iter().zip(&expected) {
                    assert!(label == of && (value - expected).abs() < 1e-12, "{loss}: {label} is {value}");
                }
            }
            for (term, (_, value)) in network.losses[1..].iter().zip(&expected) {
                total += term.weight * value;
            }
            let of_step = step.total.to_scalar::<f64>().unwrap();
            assert!(
                (of_step - total).abs() < 1e-12 && (part.total - total).abs() < 1e-6,
                "{loss}: {of_step}"
            );
        }
    }

    /// Of equal weights, a full batch takes the step of its own mean, as in PyTorch.
    #[test]
    fn a_full_batch_of_equal_weights_is_its_mean() {
        let data = data();
        let network = build("model = sage(4) -> relu -> mean -> mlp", &data);
        let over = network.loss_weights(23.0, &[], 23).unwrap().share(5, 23);
        assert_eq!(over, LossWeights(vec![5.0]));
        let graphs = [3, 9, 1, 20, 7];
        assert_eq!(
            gradients(&network, &data, &graphs, Some(&over)),
            gradients(&network, &data, &graphs, None)
        );
    }

    /// Softmax by hand: `ln 3` for even logits, `ln 5` where the two others are twice as likely.
    #[test]
    fn the_loss_of_a_part_is_worked_out_by_hand() {
        let text = "model = sage(4) -> diffpool(k = 3) -> mean -> mlp
            loss = 0.5 * cross_entropy(class_weights = balanced) + 0.1 * entropy";
        let network = build(text, &data());
        network.count_classes(&[1, 2, 4]).unwrap();
        let weight = [7.0 / 3.0, 7.0 / 6.0, 7.0 / 12.0];
        // Class 0 with even logits, class 2 with ln 2 more for the others.
        let ln2 = std::f32::consts::LN_2;
        let outputs = [0.0, 0.0, 0.0, ln2, ln2, 0.0];
        let items = Items { width: 3, outputs: &outputs, classes: &[0, 2], values: &[] };
        let auxiliary = AuxiliaryLosses([("entropy".to_owned(), (4.0, 5))].into());
        let loss = network.part_loss(&items, &auxiliary).unwrap();
        let task = (weight[0] * 3f64.ln() + weight[2] * 5f64.ln()) / (weight[0] + weight[2]);
        assert!((loss.terms[0].1 - task).abs() < 1e-7 && loss.terms[1] == ("entropy".to_owned(), 0.8));
        assert!((loss.total - (0.5 * task + 0.08)).abs() < 1e-7, "{loss:?}");
        assert_eq!(loss.bad_item, None);
        // Weights that the file gives, whatever is counted.
        let given = text.replace("balanced", "[2.0, 9.0, 0.5]");
        let network = build(&given, &data());
        network.count_classes(&[1, 2, 4]).unwrap();
        let loss = network.part_loss(&items, &auxiliary).unwrap();
        let task = (2.0 * 3f64.ln() + 0.5 * 5f64.ln()) / 2.5;
        assert!((loss.terms[0].1 - task).abs() < 1e-7, "{loss:?}");
        let network = build(text, &data());
        network.count_classes(&[1, 2, 4]).unwrap();
        let bad = Items { outputs: &[0.0, 0.0, 0.0, f32::NAN, 0.0, 0.0], ..items };
        assert_eq!(network.part_loss(&bad, &auxiliary).unwrap().bad_item, Some(1));
    }
}
