//! What the losses of the task compute: those that are written in primitives by their programs, the others by their entry of
//! [`TASK_LOSSES`].

use crate::args::Args;
use crate::kernels;
use crate::kernels::program::{Arguments, Compiled, Random, Topology, run};
use crate::kernels::tape;
use crate::ops::Loss;
use crate::program::{Build, Index, Init, Program, Space, WeightSpec};
use crate::types::{Dim, Size, TargetKind};
use candle_core::{DType, Device, Result, Tensor, bail};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a loss of the task compares.
pub struct LossCx<'a> {
    pub args: &'a Args,
    /// The model's result, `[M, C]`.
    pub output: &'a Tensor,
    /// `[M]` classes or `[M, V]` values.
    pub targets: &'a Tensor,
    /// A weight for each class, where the loss [weighs classes](Loss::weighs_classes).
    pub class_weights: Option<&'a [f64]>,
    /// What the weighted sum over the rows is divided by: a part's weight for each step, so that what stands in one
    /// batch with an item does not change how much the item counts. `None` for the weight of these rows.
    pub total: Option<f64>,
}

/// Outputs beside their targets, of one batch or of many.
#[derive(Debug, Clone, Copy)]
pub struct Items<'a> {
    /// Outputs of an item: classes, or values.
    pub width: usize,
    /// Row-major `[n_items, width]`: logits, or values.
    pub outputs: &'a [f32],
    /// The class of each item; empty for regression.
    pub classes: &'a [u32],
    /// Row-major `[n_items, width]`; empty for classification.
    pub values: &'a [f32],
}

/// A loss of the task with kernels of its own.
pub struct TaskLoss {
    pub name: &'static str,
    /// `w_i ℓ_i` of each item, the same whatever stands beside it.
    pub of_items: fn(&Items, class_weights: Option<&[f64]>) -> Vec<f64>,
    /// The scalar that a step minimises. Fails where the shapes do not fit, which `check` has excluded.
    pub compute: fn(&LossCx) -> Result<Tensor>,
}

/// Every loss of the task that is not written in primitives alone.
pub static TASK_LOSSES: &[TaskLoss] = &[
    TaskLoss {
        name: "cross_entropy",
        of_items: |items, class_weights| {
            kernels::cross_entropy_of_rows(items.outputs, items.width, items.classes, class_weights)
        },
        compute: |cx| kernels::weighted_cross_entropy(cx.output, cx.targets, cx.class_weights, cx.total),
    },
    TaskLoss {
        name: "mse",
        of_items: |items, _| kernels::square_error_of_rows(items.outputs, items.values, items.width),
        compute: |cx| kernels::mse(cx.output, cx.targets, cx.total),
    },
];

/// The kernels of a loss that is not written in primitives.
///
/// # Panics
/// For an auxiliary loss.
fn of(loss: &dyn Loss) -> &'static TaskLoss {
    let known = TASK_LOSSES.iter().find(|known| known.name == loss.name());
    known.unwrap_or_else(|| panic!("`{}` is no loss of the task", loss.name()))
}

/// The scalar that a step minimises.
///
/// # Errors
/// Where the shapes do not fit, which `check` has excluded.
pub fn compute(loss: &dyn Loss, cx: &LossCx) -> Result<Tensor> {
    let (n_rows, width) = cx.output.dims2()?;
    let n_values = cx.targets.elem_count().checked_div(n_rows).unwrap_or(1);
    let is_of_classes = matches!(cx.targets.dtype(), DType::I64 | DType::U32);
    let is_of_labels = !is_of_classes && loss.compares(TargetKind::MultiLabel);
    let form = Form { width, n_values, weighs: cx.class_weights.is_some(), is_of_labels, is_summed: true };
    let Some(compiled) = written(loss, cx.args, form) else { return (of(loss).compute)(cx) };
    let dtype = cx.output.dtype();
    // What each row counts: nothing where it has no label.
    let (shares, n_items, classes) = match cx.targets.dtype() {
        DType::I64 | DType::U32 => {
            let classes: Vec<i64> = cx.targets.to_dtype(DType::I64)?.flatten_all()?.to_vec1()?;
            if let Some(class) = classes.iter().find(|&&class| class >= width as i64) {
                bail!("`{}` got class {class}, but {width} outputs a row", loss.name())
            }
            let shares = classes.iter().map(|&class| f64::from(u8::from(class >= 0))).collect();
            let labelled: Vec<u32> =
                classes.iter().filter(|&&class| class >= 0).map(|&class| class as u32).collect();
            (shares, labelled.len(), labelled)
        }
        _ => (vec![1.0; n_rows], n_rows, Vec::new()),
    };
    let mut targets = cx.targets.clone();
    let (mut known, mut n_items) = (None, n_items as f64);
    if is_of_labels {
        let values: Vec<f32> = targets.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        let shape = (n_rows, n_values);
        n_items = labelled_items(&values, n_values);
        let [of_labels, are_known] = known_labels(&values)
            .map(|values| Tensor::from_vec(values, shape, &Device::Cpu)?.to_device(cx.output.device()));
        (targets, known) = (of_labels?, Some(are_known?.to_dtype(dtype)?));
    }
    if cx.targets.elem_count() != n_rows * n_values || shares.len() != n_rows {
        bail!("`{}` got {n_rows} rows, but {} targets", loss.name(), cx.targets.elem_count())
    }
    let total = cx.total.unwrap_or_else(|| loss.weight(n_items, &classes, cx.class_weights));
    // Where nothing counts, the loss is 0 whatever it is divided by.
    let by = if total > 0.0 { 1.0 / total } else { 1.0 };
    let shares: Vec<f64> = shares.into_iter().map(|share| share * by).collect();
    let shares = Tensor::from_vec(shares, (n_rows, 1), &Device::Cpu)?;
    let shares = shares.to_dtype(dtype)?.to_device(cx.output.device())?;
    let targets = targets.to_dtype(dtype)?.reshape((n_rows, n_values))?;
    let inputs: Vec<Tensor> = [cx.output.clone(), targets].into_iter().chain(known).chain([shares]).collect();
    let sum = values(&compiled, &inputs, cx.class_weights)?;
    tape::reshape(&sum, ())
}

/// `w_i ℓ_i` of each item, the same whatever stands beside it.
///
/// # Errors
/// Where Candle fails.
pub fn of_items(
    loss: &dyn Loss,
    args: &Args,
    items: &Items,
    class_weights: Option<&[f64]>,
) -> Result<Vec<f64>> {
    let (width, n) = (items.width, items.outputs.len().checked_div(items.width).unwrap_or(0));
    let n_values = if items.classes.is_empty() { width } else { 1 };
    let is_of_labels = items.classes.is_empty() && loss.compares(TargetKind::MultiLabel);
    let form = Form { width, n_values, weighs: class_weights.is_some(), is_of_labels, is_summed: false };
    let Some(compiled) = written(loss, args, form) else {
        return Ok((of(loss).of_items)(items, class_weights));
    };
    let tensor = |values: Vec<f64>, width| Tensor::from_vec(values, (n, width), &Device::Cpu);
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<f64>>();
    let mut inputs = vec![tensor(wide(items.outputs), width)?];
    match items.classes {
        [] if is_of_labels => {
            for values in known_labels(items.values) {
                inputs.push(tensor(values, n_values)?);
            }
        }
        [] => inputs.push(tensor(wide(items.values), n_values)?),
        classes => inputs.push(tensor(classes.iter().map(|&class| f64::from(class)).collect(), n_values)?),
    }
    values(&compiled, &inputs, class_weights)?.flatten_all()?.to_vec1()
}

/// Labels with 0 where they are unknown, and 1 where they are known.
fn known_labels(values: &[f32]) -> [Vec<f64>; 2] {
    let labels = values.iter().map(|value| if value.is_nan() { 0.0 } else { f64::from(*value) }).collect();
    [labels, values.iter().map(|value| f64::from(u8::from(!value.is_nan()))).collect()]
}

/// How many items there are, each counted as the share of its labels that is known.
pub fn labelled_items(values: &[f32], n_labels: usize) -> f64 {
    values.iter().filter(|value| !value.is_nan()).count() as f64 / n_labels.max(1) as f64
}

/// What the program of a loss depends on beside its arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Form {
    width: usize,
    n_values: usize,
    weighs: bool,
    /// Whether an item can have several labels, of which some are unknown.
    is_of_labels: bool,
    /// Whether the items are added up, each by a share that comes in.
    is_summed: bool,
}

/// The program of a loss, ready to run; `None` where it has kernels of its own.
fn written(loss: &dyn Loss, args: &Args, form: Form) -> Option<Arc<Compiled>> {
    type Known = HashMap<(String, Form), Arc<Compiled>>;
    static KNOWN: Mutex<Option<Known>> = Mutex::new(None);
    let words = args.0.iter().map(|arg| format!(" {}", crate::ir::canonical::value_text(&arg.value)));
    let key = (loss.name().to_owned() + &words.collect::<String>(), form);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(known) = known.get(&key) {
        return Some(known.clone());
    }
    let program = program(loss, args, form)?;
    let compiled = Arc::new(Compiled::new(&program, &[true, false, false, false][..program.inputs.len()]));
    known.insert(key, compiled.clone());
    Some(compiled)
}

fn program(loss: &dyn Loss, args: &Args, form: Form) -> Option<Program> {
    let b = Build::new();
    let size = |n| [Size::Known(n)];
    let output = b.input(0, Space::Rows, &size(form.width));
    let target = b.input(1, Space::Rows, &size(form.n_values));
    let known = form.is_of_labels.then(|| b.input(2, Space::Rows, &size(form.n_values)));
    let share = form.is_summed.then(|| b.input(2 + usize::from(form.is_of_labels), Space::Rows, &size(1)));
    let class_weights = form.weighs.then(|| {
        let shape = vec![Dim::new(Size::Known(form.width), None, "")];
        b.any_weight(WeightSpec { name: "class_weights", shape, init: Init::Ones, is_trained: false })
    });
    let value =
        loss.program(&crate::ops::loss::LossCx { args, b: &b, output, target, known, class_weights })?;
    let value = value.view(&size(1));
    Some(b.finish(&[share.map_or(value, |share| (value * share).sum(Index::All))]))
}

fn values(compiled: &Arc<Compiled>, inputs: &[Tensor], class_weights: Option<&[f64]>) -> Result<Tensor> {
    let output = &inputs[0];
    let weights = class_weights.map(|weights| {
        Tensor::new(weights, &Device::Cpu)?.to_dtype(output.dtype())?.to_device(output.device())
    });
    let weights: Vec<Tensor> = weights.into_iter().collect::<Result<_>>()?;
    let topology = Topology::rows(Arc::new(vec![0, output.dim(0)? as u32]));
    let random = Random { seed: None };
    let results =
        run(&Arguments { compiled, inputs, weights: &weights, topology: &topology, random, like: output })?;
    Ok(results.into_iter().next().expect("a program of one result"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::default_args;
    use crate::ops::loss::balanced_weights;
    use crate::ops::{LOSSES, LossKind, find_loss};

    #[test]
    fn every_loss_of_the_task_is_computed() {
        let of_task = LOSSES.iter().filter(|loss| matches!(loss.kind(), LossKind::Task(_)));
        let form = Form { width: 2, n_values: 1, weighs: false, is_of_labels: false, is_summed: true };
        let with_kernels = of_task.filter(|loss| program(**loss, &default_args(loss.args()), form).is_none());
        let names: Vec<_> = with_kernels.map(|loss| loss.name()).collect();
        assert_eq!(names, TASK_LOSSES.iter().map(|loss| loss.name).collect::<Vec<_>>());
    }

    fn named(name: &str) -> &'static dyn Loss {
        find_loss(name).unwrap()
    }

    fn cross_entropy(classes: &[i64], class_weights: Option<&[f64]>) -> f64 {
        let output = Tensor::new(&[[2.0f64, 0.0], [0.0, 1.0], [5.0, -5.0]], &Device::Cpu).unwrap();
        let targets = Tensor::new(classes, &Device::Cpu).unwrap();
        let args = default_args(named("cross_entropy").args());
        let cx = LossCx { args: &args, output: &output, targets: &targets, class_weights, total: None };
        compute(named("cross_entropy"), &cx).unwrap().to_scalar().unwrap()
    }

    #[test]
    fn items_without_a_label_do_not_count() {
        let expected = ((1.0 + (-2.0f64).exp()).ln() + (1.0 + (-10.0f64).exp()).ln()) / 2.0;
        assert!((cross_entropy(&[0, -1, 0], None) - expected).abs() < 1e-12);
    }

    #[test]
    fn balanced_classes_weigh_the_same_together() {
        let weights = balanced_weights(&[2, 1, 0]);
        assert_eq!(weights, [0.75, 1.5, 1.0]);
        let (of_zero, of_one) =
            ((1.0 + (-2.0f64).exp()).ln() + (1.0 + (-10.0f64).exp()).ln(), (1.0 + (-1.0f64).exp()).ln());
        // The two items of class 0 count as much as the one of class 1.
        let expected = (of_zero / 2.0 + of_one) / 2.0;
        assert!((cross_entropy(&[0, 1, 0], Some(&weights[..2])) - expected).abs() < 1e-12);
    }

    /// `ln(1 + e^−x)` where the label is there, `ln(1 + eˣ)` where it is not, and nothing where that is unknown.
    #[test]
    fn unknown_labels_do_not_count() {
        let (output, unknown) = ([[1.0f64, -2.0], [0.5, 3.0]], f32::NAN);
        let labels = [[1.0f32, unknown], [0.0, 1.0]];
        let terms = [(-1f64).exp().ln_1p(), 0.5f64.exp().ln_1p(), (-3f64).exp().ln_1p()];
        let expected = terms.iter().sum::<f64>() / 3.0;
        let (bce, args) = (named("bce"), default_args(named("bce").args()));
        let output = Tensor::new(&output, &Device::Cpu).unwrap();
        let targets = Tensor::new(&labels, &Device::Cpu).unwrap();
        let cx =
            |total| LossCx { args: &args, output: &output, targets: &targets, class_weights: None, total };
        let loss: f64 = compute(bce, &cx(None)).unwrap().to_scalar().unwrap();
        assert!((loss - expected).abs() < 1e-12, "{loss}, not {expected}");
        // Of a part with three times as many known labels.
        let loss: f64 = compute(bce, &cx(Some(4.5))).unwrap().to_scalar().unwrap();
        assert!((loss - expected / 3.0).abs() < 1e-12, "{loss}");
        let values = labels.concat();
        assert_eq!(labelled_items(&values, 2), 1.5);
        let items = Items { width: 2, outputs: &[1.0, -2.0, 0.5, 3.0], classes: &[], values: &values };
        let of_items = of_items(bce, &args, &items, None).unwrap();
        assert!((of_items[0] - terms[0] / 2.0).abs() < 1e-12, "{of_items:?}");
        assert!((of_items[1] - (terms[1] + terms[2]) / 2.0).abs() < 1e-12, "{of_items:?}");
        let nothing = Tensor::new(&[[unknown; 2]; 2], &Device::Cpu).unwrap();
        let cx = LossCx { targets: &nothing, ..cx(None) };
        assert_eq!(compute(bce, &cx).unwrap().to_scalar::<f64>().unwrap(), 0.0);
    }

    #[test]
    fn mse_is_the_mean_over_items_and_values() {
        let output = Tensor::new(&[[1.0f64, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap();
        let targets = Tensor::new(&[[1.0f64, 0.0], [0.0, 4.0]], &Device::Cpu).unwrap();
        let (mse, args) = (named("mse"), Args::default());
        let cx =
            |total| LossCx { args: &args, output: &output, targets: &targets, class_weights: None, total };
        let loss: f64 = compute(mse, &cx(None)).unwrap().to_scalar().unwrap();
        assert!((loss - 13.0 / 4.0).abs() < 1e-12, "{loss}");
        // One of five batches of eight items: a fifth of their mean, were all errors its own.
        let loss: f64 = compute(mse, &cx(Some(10.0))).unwrap().to_scalar().unwrap();
        assert!((loss - 13.0 / 20.0).abs() < 1e-12, "{loss}");
        let items =
            Items { width: 2, outputs: &[1.0, 2.0, 3.0, 4.0], classes: &[], values: &[1.0, 0.0, 0.0, 4.0] };
        assert_eq!(of_items(mse, &args, &items, None).unwrap(), [2.0, 4.5]);
        assert_eq!(find_loss("mse").unwrap().weight(2.0, &[], None), 2.0);
    }
}
