//! Moving rows and columns: side by side, picked by index, added.

use super::device;
use super::float::{Float, View, by_dtype, finish, values};
use super::parallel::{fill_elements, fill_rows};
use super::tape::{Reads, Recorded};
use crate::kernels::graph::Csr;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};
use multiversion::multiversion;
use std::sync::Arc;

/// `[N, F₁]`, `[N, F₂]`, … side by side: `[N, F₁ + F₂ + …]`.
///
/// # Errors
/// Where there is no part, the numbers of rows differ, or the type is neither f32 nor f64.
pub fn concat_columns(parts: &[Tensor]) -> Result<Tensor> {
    if parts.first().is_some_and(device::is_elsewhere) {
        return Tensor::cat(parts, 1);
    }
    // An operator has at most three arguments, so more are put together in threes.
    match parts {
        [] => bail!("`concat_columns` needs at least one part"),
        [only] => Ok(only.clone()),
        [first, second] => {
            check_same_rows(parts)?;
            first.contiguous()?.recorded2(&second.contiguous()?, Concat, Reads::NOTHING)
        }
        [first, second, third] => {
            check_same_rows(parts)?;
            first.contiguous()?.recorded3(&second.contiguous()?, &third.contiguous()?, Concat, Reads::NOTHING)
        }
        many => concat_columns(&many.chunks(3).map(concat_columns).collect::<Result<Vec<_>>>()?),
    }
}

fn check_same_rows(parts: &[Tensor]) -> Result<()> {
    let rows = parts.iter().map(|part| Ok(part.dims2()?.0)).collect::<Result<Vec<_>>>()?;
    if rows.iter().any(|&n| n != rows[0]) {
        bail!("`concat_columns` got parts of {rows:?} rows")
    }
    Ok(())
}

struct Concat;

fn side_by_side<T: Float>(parts: &[(&[T], usize)], n_rows: usize) -> Vec<T> {
    let width = parts.iter().map(|(_, width)| width).sum();
    // SAFETY: the parts' widths add up to a row.
    unsafe {
        fill_rows(n_rows, width, n_rows * width, |rows, out| {
            for (row, mut out) in rows.zip(out.chunks_exact_mut(width.max(1))) {
                for &(part, part_width) in parts {
                    let (to, rest) = out.split_at_mut(part_width);
                    to.copy_from_slice(&part[row * part_width..][..part_width]);
                    out = rest;
                }
            }
        })
    }
}

/// The columns of each part of a gradient, where the part wants one.
fn columns_of(parts: &[&Tensor], grad: &Tensor) -> Result<Vec<Option<Tensor>>> {
    let grad = grad.contiguous()?;
    let (n_rows, width) = grad.dims2()?;
    let mut first = 0;
    let mut gradients = Vec::new();
    for part in parts {
        let part_width = part.dim(1)?;
        let gradient = if part.track_op() {
            Some(by_dtype!(grad.dtype(), T => {
                let g = View::<T>::new(&grad)?;
                // SAFETY: each row is copied.
                let data = unsafe {
                    fill_rows(n_rows, part_width, n_rows * part_width, |rows, out| {
                        for (row, out) in rows.zip(out.chunks_exact_mut(part_width.max(1))) {
                            out.copy_from_slice(&g[row * width + first..][..part_width]);
                        }
                    })
                };
                Tensor::from_vec(data, (n_rows, part_width), grad.device())?
            }))
        } else {
            None
        };
        gradients.push(gradient);
        first += part_width;
    }
    Ok(gradients)
}

impl CustomOp2 for Concat {
    fn name(&self) -> &'static str {
        "concat_columns"
    }
    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        al: &Layout,
        b: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n_rows, widths) = (al.dims()[0], [al.dims()[1], bl.dims()[1]]);
        by_dtype!(a.dtype(), T => {
            let parts = [(values::<T>(a, al)?, widths[0]), (values(b, bl)?, widths[1])];
            Ok(finish(side_by_side(&parts, n_rows), (n_rows, widths.iter().sum::<usize>())))
        })
    }
    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut gradients = columns_of(&[a, b], grad)?;
        Ok((gradients[0].take(), gradients[1].take()))
    }
}

impl CustomOp3 for Concat {
    fn name(&self) -> &'static str {
        "concat_columns"
    }
    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        al: &Layout,
        b: &CpuStorage,
        bl: &Layout,
        c: &CpuStorage,
        cl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (n_rows, widths) = (al.dims()[0], [al.dims()[1], bl.dims()[1], cl.dims()[1]]);
        by_dtype!(a.dtype(), T => {
            let parts =
                [(values::<T>(a, al)?, widths[0]), (values(b, bl)?, widths[1]), (values(c, cl)?, widths[2])];
            Ok(finish(side_by_side(&parts, n_rows), (n_rows, widths.iter().sum::<usize>())))
        })
    }
    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut gradients = columns_of(&[a, b, c], grad)?;
        Ok((gradients[0].take(), gradients[1].take(), gradients[2].take()))
    }
}

/// The rows `idx` of `x`, in that order; a row may be picked more than once.
///
/// - `x`: `[N, F]`
/// - result: `[idx.len(), F]`
///
/// # Errors
/// Where an index is not below `N`, or the type is neither f32 nor f64.
pub fn gather_rows(x: &Tensor, idx: &Arc<Vec<u32>>) -> Result<Tensor> {
    let n_rows = x.dims2()?.0;
    if let Some(outside) = idx.iter().find(|&&row| row as usize >= n_rows) {
        bail!("`gather_rows` was asked for row {outside} of {n_rows}")
    }
    if device::is_elsewhere(x) {
        return x.index_select(&Tensor::from_slice(idx, idx.len(), x.device())?, 0);
    }
    x.contiguous()?.recorded1(Gather { idx: idx.clone() }, Reads::NOTHING)
}

struct Gather {
    idx: Arc<Vec<u32>>,
}

impl CustomOp1 for Gather {
    fn name(&self) -> &'static str {
        "gather_rows"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n_out, width) = (self.idx.len(), layout.dims()[1]);
        by_dtype!(x.dtype(), T => {
            let x = values::<T>(x, layout)?;
            // SAFETY: each row is copied.
            let out = unsafe {
                fill_rows(n_out, width, n_out * width, |rows, out| {
                    for (&from, to) in self.idx[rows].iter().zip(out.chunks_exact_mut(width.max(1))) {
                        to.copy_from_slice(&x[from as usize * width..][..width]);
                    }
                })
            };
            Ok(finish(out, (n_out, width)))
        })
    }
    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        let (n_rows, width) = x.dims2()?;
        // Which results each row went to, so that each row is summed by one thread in a fixed order.
        let offsets = (0..=self.idx.len() as u32).collect();
        let picks = Csr { offsets, indices: self.idx.to_vec(), n_cols: n_rows }.transpose();
        by_dtype!(x.dtype(), T => {
            let g = View::<T>::new(&grad)?;
            // SAFETY: each row is filled.
            let dx = unsafe {
                fill_rows(n_rows, width, (self.idx.len() + n_rows) * width, |rows, out| {
                    for (row, to) in rows.zip(out.chunks_exact_mut(width.max(1))) {
                        to.fill(T::ZERO);
                        for &from in picks.row(row) {
                            add_to(to, &g[from as usize * width..][..width]);
                        }
                    }
                })
            };
            Ok(Some(Tensor::from_vec(dx, (n_rows, width), x.device())?))
        })
    }
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn add_to<T: Float>(to: &mut [T], from: &[T]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

/// `a + b`, of one shape.
///
/// # Errors
/// Where the shapes differ, or the type is neither f32 nor f64.
pub fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.dims() != b.dims() {
        bail!("`add` got shapes {:?} and {:?}", a.dims(), b.dims())
    }
    if device::is_elsewhere(a) {
        return a + b;
    }
    a.contiguous()?.recorded2(&b.contiguous()?, Add, Reads::NOTHING)
}

struct Add;

impl CustomOp2 for Add {
    fn name(&self) -> &'static str {
        "add"
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
            // SAFETY: `sum_to` writes all of `out`.
            let out = unsafe {
                fill_elements(a.len(), a.len(), |range, out| sum_to(&a[range.clone()], &b[range], out))
            };
            Ok(finish(out, al.shape()))
        })
    }
    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((a.track_op().then(|| grad.clone()), b.track_op().then(|| grad.clone())))
    }
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn sum_to<T: Float>(a: &[T], b: &[T], out: &mut [T]) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = a + b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::reference;
    use crate::kernels::testing::{Case, random};
    use candle_core::{DType, Device, Var};

    #[test]
    fn parts_stand_side_by_side() {
        for widths in [vec![3], vec![1, 4], vec![2, 1, 3], vec![1, 2, 3, 4, 5, 1, 1, 1, 1, 2]] {
            let parts: Vec<_> = widths.iter().map(|&width| random(&[7, width], width as u64)).collect();
            Case::new(&parts, concat_columns).equals(reference::concat_columns);
        }
        Case::new(&[random(&[3000, 40], 1), random(&[3000, 33], 2)], concat_columns)
            .has_same_bits_on_any_number_of_threads();
    }

    #[test]
    fn a_part_without_variables_gets_no_gradient() {
        let (x, constant) = (Var::ones((2, 3), DType::F64, &Device::Cpu).unwrap(), random(&[2, 1], 1));
        let constant = constant.tensor(DType::F64);
        let y = concat_columns(&[x.as_tensor().clone(), constant.clone()]).unwrap();
        let gradients = y.sum_all().unwrap().backward().unwrap();
        assert!(gradients.get(&x).is_some() && gradients.get(&constant).is_none());
    }

    #[test]
    fn rows_picked_twice_get_both_gradients() {
        for idx in [vec![], vec![2, 0, 2, 2, 3]] {
            let idx = Arc::new(idx);
            Case::new(&[random(&[4, 3], 1)], |x| gather_rows(&x[0], &idx))
                .equals(|x| reference::gather_rows(&x[0], &idx));
        }
        let x = random(&[4, 3], 1).tensor(DType::F32);
        let error = gather_rows(&x, &Arc::new(vec![4])).unwrap_err().to_string();
        assert!(error.contains("row 4 of 4"), "{error}");
    }

    #[test]
    fn sums_give_both_sides_the_gradient() {
        Case::new(&[random(&[5, 3], 1), random(&[5, 3], 2)], |x| add(&x[0], &x[1]))
            .equals(|x| reference::Matrix::make(5, 3, |row, col| x[0].at(row, col) + x[1].at(row, col)));
        // A value added to itself gets it twice.
        Case::new(&[random(&[5, 3], 1)], |x| add(&x[0], &x[0])).equals(|x| x[0].map(|x| 2.0 * x));
    }
}
