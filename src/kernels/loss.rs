//! Losses of a task, as scalars. Sums are taken in f64.

use super::device;
use super::float::{Float, View, by_dtype, finish, values};
use super::parallel::{fill_elements, fill_rows, map_chunks};
use super::tape::{Reads, Recorded};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, DType, Layout, Result, Shape, Tensor, bail};
use multiversion::multiversion;

/// Mean over the rows of `−log softmax(logits)[class]`; rows of a negative class (no label) do not count.
/// Without any labelled row it is 0.
///
/// - `logits`: `[G, C]`
/// - `classes`: `[G]`, i64 or u32
/// - result: scalar
///
/// PyTorch: `torch.nn.functional.cross_entropy`.
///
/// # Errors
/// Where the shapes do not fit or a class is not below `C`.
pub fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    weighted_cross_entropy(logits, classes, None, None)
}

/// [`cross_entropy`] with a weight for each class: `Σ_i w[c_i] · −log softmax(logits_i)[c_i] / total`.
///
/// - `weights`: `[C]`, not negative; `None` for all alike
/// - `total`: what the sum is divided by; `None` for the weight of the rows, `Σ_i w[c_i]`
///
/// PyTorch: `torch.nn.functional.cross_entropy(weight = …)`, where `total` is the weight of the rows.
///
/// # Errors
/// As [`cross_entropy`], and where there are not `C` weights.
pub fn weighted_cross_entropy(
    logits: &Tensor,
    classes: &Tensor,
    weights: Option<&[f64]>,
    total: Option<f64>,
) -> Result<Tensor> {
    let (n_rows, n_classes) = logits.dims2()?;
    let classes = classes.dims1().and_then(|_| match classes.dtype() {
        DType::I64 => classes.to_vec1::<i64>(),
        DType::U32 => Ok(classes.to_vec1::<u32>()?.into_iter().map(i64::from).collect()),
        other => bail!("`cross_entropy` needs classes of type i64 or u32, not {other:?}"),
    })?;
    if classes.len() != n_rows {
        bail!("`cross_entropy` got {n_rows} rows, but {} classes", classes.len())
    }
    if let Some(class) = classes.iter().find(|&&class| class >= n_classes as i64) {
        bail!("`cross_entropy` got class {class}, but {n_classes} logits a row")
    }
    if let Some(weights) = weights.filter(|weights| weights.len() != n_classes) {
        bail!("`cross_entropy` got {} weights for {n_classes} classes", weights.len())
    }
    let weights = weights.map_or_else(|| vec![1.0; n_classes], <[f64]>::to_vec);
    let total = total.unwrap_or_else(|| {
        let labelled = classes.iter().filter(|&&class| class >= 0);
        labelled.map(|&class| weights[class as usize]).sum()
    });
    // Where nothing counts, every loss is 0 whatever it is divided by.
    let total = if total > 0.0 { total } else { 1.0 };
    if device::is_elsewhere(logits) {
        return device::composed::cross_entropy(logits, &classes, &weights, total);
    }
    logits.contiguous()?.recorded1(CrossEntropy { classes, weights, total }, Reads::ARGS)
}

struct CrossEntropy {
    classes: Vec<i64>,
    /// By class.
    weights: Vec<f64>,
    /// What the sum over the rows is divided by.
    total: f64,
}

/// `w[c_i] · −log softmax(logits_i)[c_i]` of each row, in f64: a row has the same value whatever stands beside it.
///
/// - `logits`: row-major `[N, C]`
/// - `classes`: `[N]`, each below `C`
/// - `weights`: `[C]`; `None` for all alike
pub fn cross_entropy_of_rows(
    logits: &[f32],
    n_classes: usize,
    classes: &[u32],
    weights: Option<&[f64]>,
) -> Vec<f64> {
    let partials = map_chunks(classes.len(), logits.len() * 32, |rows| {
        let logits: Vec<f64> = logits[rows.start * n_classes..rows.end * n_classes]
            .iter()
            .map(|&logit| f64::from(logit))
            .collect();
        let mut exps = vec![0.0; logits.len()];
        let mut sums = vec![0.0; rows.len()];
        exponentials(&logits, n_classes, &mut exps, &mut sums);
        let each = classes[rows].iter().zip(logits.chunks_exact(n_classes.max(1))).zip(sums);
        let loss = |((&class, logits), sum): ((&u32, &[f64]), f64)| {
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weight = weights.map_or(1.0, |weights| weights[class as usize]);
            weight * ((largest - logits[class as usize]) + sum.ln())
        };
        each.map(loss).collect::<Vec<_>>()
    });
    partials.concat()
}

/// `exp(logit − largest of its row)`, and the sum of each row. Exponentials are taken over the whole block at once,
/// because a row is shorter than a vector.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn exponentials<T: Float>(logits: &[T], n_classes: usize, exps: &mut [T], sums: &mut [T]) {
    let n_classes = n_classes.max(1);
    let rows = logits.chunks_exact(n_classes);
    for (row, exps) in rows.zip(exps.chunks_exact_mut(n_classes)) {
        let largest = row.iter().fold(T::NEG_INFINITY, |largest, &logit| largest.greater(logit));
        for (exp, &logit) in exps.iter_mut().zip(row) {
            *exp = logit - largest;
        }
    }
    for exp in exps.iter_mut() {
        *exp = exp.exp();
    }
    for (sum, exps) in sums.iter_mut().zip(exps.chunks_exact(n_classes)) {
        *sum = exps.iter().fold(T::ZERO, |sum, &exp| sum + exp);
    }
}

impl candle_core::CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n_rows, n_classes) = (layout.dims()[0], layout.dims()[1]);
        by_dtype!(logits.dtype(), T => {
            let logits = values::<T>(logits, layout)?;
            let partials = map_chunks(n_rows, logits.len() * 16, |rows| {
                let logits = &logits[rows.start * n_classes..rows.end * n_classes];
                let mut exps = vec![T::ZERO; logits.len()];
                let mut sums = vec![T::ZERO; rows.len()];
                exponentials(logits, n_classes, &mut exps, &mut sums);
                let labelled = self.classes[rows].iter().enumerate().filter(|(_, class)| **class >= 0);
                let losses = labelled.map(|(row, &class)| {
                    let logits = &logits[row * n_classes..][..n_classes];
                    let largest = logits.iter().fold(T::NEG_INFINITY, |largest, &logit| largest.greater(logit));
                    let loss = (largest - logits[class as usize]).wide() + sums[row].wide().ln();
                    self.weights[class as usize] * loss
                });
                losses.sum::<f64>()
            });
            let mean = partials.iter().sum::<f64>() / self.total;
            Ok(finish(vec![T::of(mean)], ()))
        })
    }
    fn bwd(&self, logits: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (n_rows, n_classes) = logits.dims2()?;
        let grad = grad.contiguous()?;
        by_dtype!(logits.dtype(), T => {
            let (x, g) = (View::<T>::new(logits)?, View::<T>::new(&grad)?);
            let scales: Vec<T> =
                self.weights.iter().map(|weight| T::of(weight * g[0].wide() / self.total)).collect();
            // SAFETY: every row is written.
            let dx = unsafe {
                fill_rows(n_rows, n_classes, x.len() * 16, |rows, out| {
                    let mut sums = vec![T::ZERO; rows.len()];
                    exponentials(&x[rows.start * n_classes..rows.end * n_classes], n_classes, out, &mut sums);
                    let each = out.chunks_exact_mut(n_classes.max(1)).zip(&sums).zip(&self.classes[rows]);
                    for ((out, &sum), &class) in each {
                        if class < 0 {
                            out.fill(T::ZERO);
                            continue;
                        }
                        let scale = scales[class as usize];
                        let factor = scale / sum;
                        for out in out.iter_mut() {
                            *out *= factor;
                        }
                        out[class as usize] -= scale;
                    }
                })
            };
            Ok(Some(Tensor::from_vec(dx, logits.shape(), logits.device())?))
        })
    }
}

/// `Σ (output − target)² / (V · total)` over all elements.
///
/// - `output`, `targets`: `[N, V]`
/// - `total`: the rows that count; `None` for `N`, which makes it the mean
///
/// PyTorch: `torch.nn.functional.mse_loss`.
///
/// # Errors
/// Where the shapes differ.
pub fn mse(output: &Tensor, targets: &Tensor, total: Option<f64>) -> Result<Tensor> {
    if output.dims() != targets.dims() {
        bail!("`mse` got outputs of shape {:?} for targets of shape {:?}", output.dims(), targets.dims())
    }
    let n_rows = output.dims().first().copied().unwrap_or(1).max(1);
    let total = total.unwrap_or(n_rows as f64) * (output.elem_count() / n_rows) as f64;
    let total = if total > 0.0 { total } else { 1.0 };
    if device::is_elsewhere(output) {
        return device::composed::mse(output, targets, total);
    }
    output.contiguous()?.recorded2(&targets.contiguous()?, Mse { total }, Reads::ARGS)
}

struct Mse {
    /// What the sum over all elements is divided by.
    total: f64,
}

/// `1/V Σ_v (output_iv − target_iv)²` of each row, in f64.
///
/// - `outputs`, `targets`: row-major `[N, V]`
pub fn square_error_of_rows(outputs: &[f32], targets: &[f32], n_values: usize) -> Vec<f64> {
    let n_values = n_values.max(1);
    let rows = outputs.chunks_exact(n_values).zip(targets.chunks_exact(n_values));
    let square = |(output, target): (&f32, &f32)| (f64::from(*output) - f64::from(*target)).powi(2);
    rows.map(|(output, target)| output.iter().zip(target).map(square).sum::<f64>() / n_values as f64)
        .collect()
}

impl CustomOp2 for Mse {
    fn name(&self) -> &'static str {
        "mse"
    }
    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        al: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!(a.dtype(), T => {
            let (a, b) = (values::<T>(a, al)?, values::<T>(b, bl)?);
            let partials = map_chunks(a.len(), a.len(), |range| {
                let pairs = a[range.clone()].iter().zip(&b[range]);
                pairs.map(|(&a, &b)| (a - b).wide().powi(2)).sum::<f64>()
            });
            let mean = partials.iter().sum::<f64>() / self.total;
            Ok(finish(vec![T::of(mean)], ()))
        })
    }
    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let gradient = |of: &Tensor, other: &Tensor| -> Result<Option<Tensor>> {
            if !of.track_op() {
                return Ok(None);
            }
            by_dtype!(of.dtype(), T => {
                let (x, y, g) = (View::<T>::new(of)?, View::<T>::new(other)?, View::<T>::new(&grad)?);
                let scale = T::of(2.0 * g[0].wide() / self.total);
                // SAFETY: every element is written.
                let dx = unsafe {
                    fill_elements(x.len(), x.len(), |range, out| {
                        for ((out, &x), &y) in out.iter_mut().zip(&x[range.clone()]).zip(&y[range]) {
                            *out = scale * (x - y);
                        }
                    })
                };
                Ok(Some(Tensor::from_vec(dx, of.shape(), of.device())?))
            })
        };
        Ok((gradient(a, b)?, gradient(b, a)?))
    }
}

/// `factor · loss`, of a scalar.
///
/// # Errors
/// Where Candle fails.
pub fn scaled(loss: &Tensor, factor: f64) -> Result<Tensor> {
    if device::is_elsewhere(loss) {
        loss.affine(factor, 0.0)
    } else {
        loss.recorded1(Scaled(factor), Reads::NOTHING)
    }
}

struct Scaled(f64);

impl CustomOp1 for Scaled {
    fn name(&self) -> &'static str {
        "scaled"
    }
    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let scaled = candle_core::backend::BackendStorage::affine(storage, layout, self.0, 0.0)?;
        Ok((scaled, layout.shape().clone()))
    }
    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        grad.affine(self.0, 0.0).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::reference::{self, Matrix};
    use crate::kernels::testing::{Case, random};
    use candle_core::Device;

    fn check_cross_entropy(classes: &[i64], n_classes: usize) {
        let targets = Tensor::new(classes, &Device::Cpu).unwrap();
        let logits = random(&[classes.len(), n_classes], 1).map(|x| 5.0 * x);
        let equal = vec![1.0; n_classes];
        Case::new(std::slice::from_ref(&logits), |x| cross_entropy(&x[0], &targets))
            .equals(|x| Matrix::scalar(reference::cross_entropy(&x[0], classes, &equal)));
        let weights: Vec<f64> = (0..n_classes).map(|class| class as f64 * 0.7).collect();
        Case::new(std::slice::from_ref(&logits), |x| {
            weighted_cross_entropy(&x[0], &targets, Some(&weights), None)
        })
        .equals(|x| Matrix::scalar(reference::cross_entropy(&x[0], classes, &weights)));
        // Over another weight than that of the rows.
        let of_rows: f64 =
            classes.iter().filter(|class| **class >= 0).map(|&class| weights[class as usize]).sum();
        let of_rows = if of_rows > 0.0 { of_rows } else { 1.0 };
        Case::new(&[logits], |x| weighted_cross_entropy(&x[0], &targets, Some(&weights), Some(2.5)))
            .equals(|x| Matrix::scalar(reference::cross_entropy(&x[0], classes, &weights) * of_rows / 2.5));
    }

    #[test]
    fn losses_of_rows_do_not_depend_on_their_neighbours() {
        // −log softmax by hand: ln(1 + e⁻²), ln(1 + e¹), and 2 · (ln(1 + e⁻⁴⁰) + 40) for the class that weighs 2.
        let (logits, classes) = ([2f32, 0.0, 0.0, 1.0, 0.0, 40.0], [0u32, 0, 0]);
        let expected = [(-2f64).exp().ln_1p(), 1f64.exp().ln_1p(), 40.0 + (-40f64).exp().ln_1p()];
        for (weights, factor) in [(None, 1.0), (Some(&[2.0, 1.0][..]), 2.0)] {
            let got = cross_entropy_of_rows(&logits, 2, &classes, weights);
            for (got, expected) in got.iter().zip(expected) {
                assert!((got - factor * expected).abs() < 1e-14, "{got}");
            }
        }
        let many: Vec<f32> = random(&[5000, 3], 3).data.iter().map(|&value| 9.0 * value as f32).collect();
        let classes: Vec<u32> = (0..5000).map(|row| row % 3).collect();
        let all = cross_entropy_of_rows(&many, 3, &classes, None);
        let alone =
            |row: usize| cross_entropy_of_rows(&many[3 * row..3 * row + 3], 3, &classes[row..=row], None);
        assert!((0..5000).all(|row| alone(row)[0].to_bits() == all[row].to_bits()));
        assert_eq!(square_error_of_rows(&[1.0, 2.0, 3.0, 5.0], &[1.0, 0.0, 1.0, 4.0], 2), [2.0, 2.5]);
    }

    #[test]
    fn weights_are_one_a_class() {
        let logits = random(&[1, 3], 1).tensor(DType::F32);
        let classes = Tensor::new(&[1i64], &Device::Cpu).unwrap();
        let error = weighted_cross_entropy(&logits, &classes, Some(&[1.0, 2.0]), None).unwrap_err();
        assert!(error.to_string().contains("2 weights for 3 classes"), "{error}");
    }

    #[test]
    fn rows_without_a_label_do_not_count() {
        check_cross_entropy(&[0, 2, -1, 1, -1], 3);
        check_cross_entropy(&[0], 1);
        check_cross_entropy(&[-1, -1], 3);
        check_cross_entropy(&(0..300).map(|row| row % 4 - 1).collect::<Vec<_>>(), 3);
    }

    #[test]
    fn many_rows_have_the_same_bits_on_any_number_of_threads() {
        let classes: Vec<i64> = (0..3000).map(|row| row % 7 - 1).collect();
        let classes = Tensor::new(classes, &Device::Cpu).unwrap();
        Case::new(&[random(&[3000, 6], 1)], |x| cross_entropy(&x[0], &classes))
            .has_same_bits_on_any_number_of_threads();
    }

    #[test]
    fn large_logits_do_not_overflow() {
        let logits = Tensor::new(&[[1000f32, 0.0], [-1000.0, 0.0]], &Device::Cpu).unwrap();
        let loss = cross_entropy(&logits, &Tensor::new(&[1u32, 1], &Device::Cpu).unwrap()).unwrap();
        assert_eq!(loss.to_scalar::<f32>().unwrap(), 500.0);
    }

    #[test]
    fn a_class_without_a_logit_is_refused() {
        let logits = random(&[1, 3], 1).tensor(DType::F32);
        let error = cross_entropy(&logits, &Tensor::new(&[3i64], &Device::Cpu).unwrap()).unwrap_err();
        assert!(error.to_string().contains("class 3, but 3 logits"), "{error}");
    }

    #[test]
    fn mean_square_has_a_gradient_for_both_sides() {
        for shape in [[0, 2], [1, 1], [4, 3]] {
            Case::new(&[random(&shape, 1), random(&shape, 2)], |x| mse(&x[0], &x[1], None))
                .equals(|x| Matrix::scalar(reference::mse(&x[0], &x[1])));
            let n_rows = shape[0] as f64;
            Case::new(&[random(&shape, 1), random(&shape, 2)], |x| mse(&x[0], &x[1], Some(2.5)))
                .equals(|x| Matrix::scalar(reference::mse(&x[0], &x[1]) * n_rows / 2.5));
        }
    }
}
