//! Features of which most numbers are zero, and the first layers that read them without writing them out: products with a
//! weight, alone or in a graph convolution, and dropout.
//!
//! The 2,708 papers of Cora have 49,216 of 3.9 million words: a first layer does a hundredth of the work, forward and for
//! the gradient of its weight. No gradient goes to the features, which are data.

use super::activation::{Activation, activate, masked};
use super::custom::{Kernel, apply1, apply2};
use super::dropout::kept;
use super::float::{Float, View, by_dtype};
use super::graph::{Csr, SparseGraph};
use super::linear::{add_column_sums, check_bias, rounded};
use super::parallel::{fill_rows, map_chunks, sum_partials};
use super::product::{Start, finish_rows};
use super::propagate::{Scales, aggregate_rows};
use super::tape::Reads;
use crate::program::Norm;
use candle_core::{DType, Device, Result, Shape, Tensor, TensorId, bail};
use multiversion::multiversion;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Rows without their zeros.
#[derive(Debug, Clone)]
pub struct SparseMatrix {
    pattern: Arc<Pattern>,
    /// Of each entry of the pattern; zeros among them where dropout was.
    values: Arc<Vec<f32>>,
    /// The same with all zeros, once something asks for them.
    written_out: Arc<OnceLock<Tensor>>,
}

/// Where a matrix has numbers.
#[derive(Debug)]
struct Pattern {
    rows: Csr,
    /// The same by columns, with the entry that each is; made for the first gradient.
    by_columns: OnceLock<(Csr, Vec<u32>)>,
}

impl SparseMatrix {
    /// # Panics
    /// Where there is not one value for each entry.
    pub fn new(rows: Csr, values: Vec<f32>) -> Self {
        assert_eq!(rows.n_entries(), values.len(), "a value for each entry");
        let pattern = Arc::new(Pattern { rows, by_columns: OnceLock::new() });
        Self { pattern, values: Arc::new(values), written_out: Arc::default() }
    }

    pub fn n_rows(&self) -> usize {
        self.pattern.rows.n_rows()
    }

    pub fn width(&self) -> usize {
        self.pattern.rows.n_cols
    }

    /// A tensor that stands for the matrix and takes no memory. Its numbers are none, so that what reads it in place of
    /// the matrix does not pass unnoticed.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn stand_in(&self, dtype: DType) -> Result<Tensor> {
        Tensor::new(f64::NAN, &Device::Cpu)?.to_dtype(dtype)?.broadcast_as((self.n_rows(), self.width()))
    }

    /// All numbers, zeros included.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn written_out(&self, dtype: DType) -> Result<Tensor> {
        if let Some(known) = self.written_out.get().filter(|known| known.dtype() == dtype) {
            return Ok(known.clone());
        }
        let (rows, width) = (&self.pattern.rows, self.width());
        let mut numbers = vec![0f32; self.n_rows() * width];
        for row in 0..self.n_rows() {
            let entries = rows.offsets[row] as usize..rows.offsets[row + 1] as usize;
            for (&column, &value) in rows.row(row).iter().zip(&self.values[entries]) {
                numbers[row * width + column as usize] = value;
            }
        }
        let tensor = Tensor::from_vec(numbers, (self.n_rows(), width), &Device::Cpu)?.to_dtype(dtype)?;
        Ok(self.written_out.get_or_init(|| tensor.clone()).clone())
            .map(|known| if known.dtype() == dtype { known } else { tensor })
    }

    /// Some of the rows, in this order.
    ///
    /// # Panics
    /// Where there is no such row.
    #[must_use]
    pub fn picked(&self, picked: &[u32]) -> Self {
        let rows = &self.pattern.rows;
        let mut csr = Csr { offsets: vec![0], indices: Vec::new(), n_cols: rows.n_cols };
        let mut values = Vec::new();
        for &row in picked {
            let entries = rows.offsets[row as usize] as usize..rows.offsets[row as usize + 1] as usize;
            csr.indices.extend_from_slice(&rows.indices[entries.clone()]);
            values.extend_from_slice(&self.values[entries]);
            csr.offsets.push(csr.indices.len() as u32);
        }
        Self::new(csr, values)
    }

    /// The matrix with each number set to 0 with probability `p` and the others scaled by `1 / (1 − p)`: the same numbers
    /// as [`super::dropout()`] drops of the matrix written out.
    ///
    /// # Errors
    /// Where `p` is not in [0, 1).
    pub fn dropped(&self, p: f64, seed: u64) -> Result<Self> {
        if !(0.0..1.0).contains(&p) {
            bail!("`dropout` needs a probability in [0, 1), not {p}")
        }
        let (rows, width) = (&self.pattern.rows, self.width() as u64);
        let keep = (1.0 / (1.0 - p)) as f32;
        let mut values = Vec::with_capacity(self.values.len());
        for row in 0..self.n_rows() {
            let first = rows.offsets[row] as usize;
            for (&column, &value) in rows.row(row).iter().zip(&self.values[first..]) {
                let place = row as u64 * width + u64::from(column);
                values.push(if kept(place, p, seed) { keep * value } else { 0.0 });
            }
        }
        Ok(Self { pattern: self.pattern.clone(), values: Arc::new(values), written_out: Arc::default() })
    }

    /// `out = x w` of some rows.
    fn times<T: Float>(&self, rows: std::ops::Range<usize>, w: &[T], n_out: usize, out: &mut [T]) {
        let csr = &self.pattern.rows;
        for (row, out) in rows.zip(out.chunks_exact_mut(n_out.max(1))) {
            out.fill(T::ZERO);
            let first = csr.offsets[row] as usize;
            add_rows(csr.row(row), |entry| self.values[first + entry], w, out);
        }
    }

    /// `xᵀ g`, a row for each column.
    fn transposed_times<T: Float>(&self, g: &[T], n_out: usize) -> Vec<T> {
        let (columns, entries) = self.pattern.by_columns.get_or_init(|| {
            let rows = &self.pattern.rows;
            (rows.transpose(), rows.transpose_entries())
        });
        // SAFETY: each row is filled with zeros before it is added to.
        unsafe {
            fill_rows(columns.n_rows(), n_out, self.values.len() * n_out, |rows, out| {
                for (column, out) in rows.zip(out.chunks_exact_mut(n_out.max(1))) {
                    out.fill(T::ZERO);
                    let first = columns.offsets[column] as usize;
                    add_rows(
                        columns.row(column),
                        |entry| self.values[entries[first + entry] as usize],
                        g,
                        out,
                    );
                }
            })
        }
    }
}

/// Adds rows of `of` to `out`, each times its value.
#[inline(always)]
fn add_rows<T: Float>(rows: &[u32], value: impl Fn(usize) -> f32, of: &[T], out: &mut [T]) {
    for (entry, &row) in rows.iter().enumerate() {
        let value = value(entry);
        if value != 0.0 {
            add_row(T::of(f64::from(value)), &of[row as usize * out.len()..], out);
        }
    }
}

#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn add_row<T: Float>(value: T, row: &[T], out: &mut [T]) {
    for (out, &x) in out.iter_mut().zip(row) {
        *out += value * x;
    }
}

/// `act(x w + bias)` of sparse features.
///
/// # Errors
/// Where the shapes do not fit.
pub fn linear(x: &SparseMatrix, w: &Tensor, bias: Option<&Tensor>, act: Activation) -> Result<Tensor> {
    layer(x, None, w, bias, act)
}

/// `act(P x w + bias)` of sparse features, or `act([P x | x] w + bias)` where the node itself has a part of the weight: the
/// product comes first.
///
/// # Errors
/// Where the shapes do not fit.
pub fn convolution(
    x: &SparseMatrix,
    graph: &Arc<SparseGraph>,
    norm: Norm,
    has_root: bool,
    w: &Tensor,
    bias: Option<&Tensor>,
    act: Activation,
) -> Result<Tensor> {
    layer(x, Some((graph.clone(), norm, has_root)), w, bias, act)
}

fn layer(
    x: &SparseMatrix,
    gathered: Option<(Arc<SparseGraph>, Norm, bool)>,
    w: &Tensor,
    bias: Option<&Tensor>,
    act: Activation,
) -> Result<Tensor> {
    let (n_in, n_out) = w.dims2()?;
    let n_parts = if gathered.as_ref().is_some_and(|(.., has_root)| *has_root) { 2 } else { 1 };
    if n_in != n_parts * x.width() {
        bail!("a layer got {} sparse features for a weight of shape [{n_in}, {n_out}]", x.width())
    }
    if let Some((graph, ..)) = gathered.as_ref().filter(|(graph, ..)| graph.n_nodes() != x.n_rows()) {
        bail!("{} nodes, but sparse features of {}", graph.n_nodes(), x.n_rows())
    }
    check_bias("sparse_layer", bias, n_out)?;
    let (inside, after) = act.split();
    let layer = Layer { x: x.clone(), gathered, act: inside };
    let y = match bias {
        Some(bias) => apply2(layer, [w, bias])?,
        None => apply1(layer, w)?,
    };
    activate(&y, after)
}

struct Layer {
    x: SparseMatrix,
    /// Along which edges rows are gathered, and whether the node itself has a part of the weight.
    gathered: Option<(Arc<SparseGraph>, Norm, bool)>,
    act: Activation,
}

impl Layer {
    fn values<T: Float>(&self, w: &[T], n_out: usize, bias: Option<&[T]>) -> Vec<T> {
        let (n_rows, n_in) = (self.x.n_rows(), self.x.width());
        let bias = bias.map_or(Start::Zero, Start::Bias);
        let work = self.x.values.len() * n_out;
        let product = |w: &[T], finish: bool| {
            // SAFETY: `times` writes all of `out`.
            unsafe {
                fill_rows(n_rows, n_out, work, |rows, out| {
                    self.x.times(rows, w, n_out, out);
                    if finish {
                        finish_rows(out, bias, self.act);
                    }
                })
            }
        };
        let Some((graph, norm, has_root)) = &self.gathered else { return product(w, true) };
        let scales = Scales::<T>::new(graph, *norm);
        let (w_neighbours, w_root) = w.split_at(n_in * n_out);
        let transformed = product(w_neighbours, false);
        let own = has_root.then(|| product(w_root, false));
        let work = graph.adjacency.n_entries() * n_out;
        // SAFETY: the aggregation writes all of `out`.
        unsafe {
            fill_rows(n_rows, n_out, work, |rows, out| {
                aggregate_rows(&graph.adjacency, scales, &transformed, n_out, rows.clone(), out);
                if let Some(own) = &own {
                    out.iter_mut().zip(&own[rows.start * n_out..]).for_each(|(out, &own)| *out += own);
                }
                finish_rows(out, bias, self.act);
            })
        }
    }

    /// Gradients of the weight and of the bias.
    fn gradients(
        &self,
        w: &Tensor,
        bias: Option<&Tensor>,
        result: &Tensor,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        by_dtype!(w.dtype(), T => {
            let n_out = w.dim(1)?;
            let y = View::<T>::where_read(result, self.act != Activation::Identity)?;
            let g = View::<T>::new(grad)?;
            let masked = masked(&g, &y, self.act);
            let g: &[T] = masked.as_deref().unwrap_or(&g);
            let n_rows = self.x.n_rows();
            let dw = match (w.track_op(), &self.gathered) {
                (false, _) => None,
                (true, None) => Some(self.x.transposed_times(g, n_out)),
                (true, Some((graph, norm, has_root))) => {
                    let scales = Scales::<T>::new(graph, *norm).transposed();
                    let work = graph.transpose.n_entries() * n_out;
                    // SAFETY: the aggregation writes all of `out`.
                    let h = unsafe {
                        fill_rows(n_rows, n_out, work, |rows, out| {
                            aggregate_rows(&graph.transpose, scales, g, n_out, rows, out);
                        })
                    };
                    let mut dw = self.x.transposed_times(&h, n_out);
                    if *has_root {
                        dw.extend(self.x.transposed_times(g, n_out));
                    }
                    Some(dw)
                }
            };
            let dw = dw.map(|dw| Tensor::from_vec(dw, w.shape(), w.device())).transpose()?;
            let db = match bias.filter(|bias| bias.track_op()) {
                Some(bias) => {
                    let partials = map_chunks(n_rows, n_rows * n_out, |rows| {
                        let mut sums = vec![0.0; n_out];
                        add_column_sums(&g[rows.start * n_out..rows.end * n_out], &mut sums);
                        sums
                    });
                    let sums = rounded::<T>(&sum_partials(partials, n_out));
                    Some(Tensor::from_vec(sums, bias.shape(), bias.device())?)
                }
                None => None,
            };
            Ok([dw, db])
        })
    }
}

impl Kernel<1> for Layer {
    fn name(&self) -> &'static str {
        "sparse_layer"
    }
    fn forward<T: Float>(&self, [w]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let n_out = shape.dims2()?.1;
        Ok((self.values(w, n_out, None), (self.x.n_rows(), n_out).into()))
    }
    fn reads(&self) -> Reads {
        Reads::NOTHING.with_result(self.act != Activation::Identity)
    }
    fn backward(&self, [w]: [&Tensor; 1], result: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let [dw, _] = self.gradients(w, None, result, grad)?;
        Ok([dw])
    }
}

impl Kernel<2> for Layer {
    fn name(&self) -> &'static str {
        "sparse_layer"
    }
    fn forward<T: Float>(&self, [w, bias]: [&[T]; 2], [shape, _]: [&Shape; 2]) -> Result<(Vec<T>, Shape)> {
        let n_out = shape.dims2()?.1;
        Ok((self.values(w, n_out, Some(bias)), (self.x.n_rows(), n_out).into()))
    }
    fn reads(&self) -> Reads {
        Reads::NOTHING.with_result(self.act != Activation::Identity)
    }
    fn backward(
        &self,
        [w, bias]: [&Tensor; 2],
        result: &Tensor,
        grad: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        self.gradients(w, Some(bias), result, grad)
    }
}

/// The sparse matrices of a step, by the tensors that stand for them.
#[derive(Debug, Default)]
pub struct StandIns(Mutex<Vec<(TensorId, SparseMatrix)>>);

impl StandIns {
    pub fn add(&self, stand_in: &Tensor, matrix: SparseMatrix) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((stand_in.id(), matrix));
    }

    /// The matrix that a tensor stands for.
    pub fn of(&self, tensor: &Tensor) -> Option<SparseMatrix> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|(id, _)| *id == tensor.id()).map(|(_, matrix)| matrix.clone())
    }

    /// The tensor itself, or what it stands for.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn written_out(&self, tensor: Tensor) -> Result<Tensor> {
        match self.of(&tensor) {
            Some(matrix) => matrix.written_out(tensor.dtype()),
            None => Ok(tensor),
        }
    }
}

/// Values of a batch that do not change while it is trained on: features, and what stages without weights and without
/// random numbers make of them. A batch that is run many times has them made once.
#[derive(Debug, Default)]
pub struct Constants(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    ids: Vec<TensorId>,
    made: Vec<(Made, Vec<Tensor>)>,
}

/// What made a value: a step of a stage, and what it read.
#[derive(Debug, PartialEq, Eq)]
pub struct Made {
    pub stage: usize,
    /// `None` for all steps that never change.
    pub step: Option<usize>,
    /// Only the rows that are compared with targets.
    pub is_picked: bool,
    pub of: Vec<TensorId>,
}

impl Constants {
    /// Constants that begin with these.
    pub fn beginning_with(tensors: &[&Tensor]) -> Self {
        let ids = tensors.iter().map(|tensor| tensor.id()).collect();
        Self(Mutex::new(Known { ids, made: Vec::new() }))
    }

    pub fn are_constant(&self, tensors: &[Tensor]) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tensors.iter().all(|tensor| known.ids.contains(&tensor.id()))
    }

    /// One more.
    pub fn add(&self, tensor: &Tensor) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ids.push(tensor.id());
    }

    /// What was kept.
    pub fn known(&self, made: &Made) -> Option<Vec<Tensor>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.made.iter().find(|(known, _)| known == made).map(|(_, results)| results.clone())
    }

    /// Keeps results for later runs.
    pub fn keep(&self, made: Made, results: Vec<Tensor>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.ids.extend(results.iter().map(Tensor::id));
        known.made.push((made, results));
    }

    /// What `make` makes, which is kept.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn once(&self, made: Made, make: impl FnOnce() -> Result<Vec<Tensor>>) -> Result<Vec<Tensor>> {
        if let Some(known) = self.known(&made) {
            return Ok(known);
        }
        let results: Vec<Tensor> = make()?.iter().map(Tensor::detach).collect();
        self.keep(made, results.clone());
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels;
    use crate::kernels::tape;
    use candle_core::Var;

    /// A third of the numbers, of rows of which some are empty.
    fn matrix(n_rows: usize, width: usize) -> SparseMatrix {
        let (mut offsets, mut indices, mut values) = (vec![0u32], Vec::new(), Vec::new());
        for row in 0..n_rows {
            for column in 0..width {
                if row % 5 != 4 && (row * 7 + column * 3) % 11 < 4 {
                    indices.push(column as u32);
                    values.push(((row * 31 + column * 17) % 13) as f32 / 4.0 - 1.25);
                }
            }
            offsets.push(indices.len() as u32);
        }
        SparseMatrix::new(Csr { offsets, indices, n_cols: width }, values)
    }

    fn weight(rows: usize, columns: usize, seed: usize) -> Var {
        let numbers: Vec<f32> =
            (0..rows * columns).map(|at| ((at * 37 + seed) % 19) as f32 / 9.0 - 1.0).collect();
        Var::from_vec(numbers, (rows, columns), &Device::Cpu).unwrap()
    }

    fn graph(n_nodes: usize) -> Arc<SparseGraph> {
        let edges: Vec<(u32, u32)> = (0..3 * n_nodes as u32)
            .map(|at| (at * 5 % n_nodes as u32, (at * at + 1) % n_nodes as u32))
            .collect();
        let adjacency = Arc::new(Csr::from_edges(n_nodes, &edges));
        let transpose = Arc::new(adjacency.transpose());
        Arc::new(SparseGraph::new(adjacency, transpose, Arc::new(vec![0, n_nodes as u32])))
    }

    /// Values and gradients of the weights.
    fn run(of: &[&Var], f: impl Fn() -> Result<Tensor>) -> Vec<Vec<f32>> {
        tape::start();
        let y = f().unwrap();
        let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let factors: Vec<f32> = (0..y.elem_count()).map(|at| (at % 7) as f32 / 3.0 - 1.0).collect();
        let factors = Tensor::from_vec(factors, y.shape(), &Device::Cpu).unwrap();
        let mut all = vec![numbers(&y)];
        let gradients = tape::backward_from(&y, &factors).unwrap();
        all.extend(of.iter().map(|var| numbers(gradients.get(var.as_tensor()).unwrap())));
        all
    }

    fn assert_near(found: &[Vec<f32>], expected: &[Vec<f32>]) {
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() <= 2e-5 * b.abs().max(1.0), "{a} {b}");
            }
        }
    }

    #[test]
    fn layers_compute_what_they_compute_of_the_numbers_written_out() {
        let x = matrix(43, 29);
        let dense = x.written_out(DType::F32).unwrap();
        let (w, both, bias, graph) = (weight(29, 6, 1), weight(58, 6, 2), weight(1, 6, 3), graph(43));
        let bias = Var::from_tensor(&bias.flatten_all().unwrap()).unwrap();
        for act in [Activation::Identity, Activation::Relu] {
            assert_near(
                &run(&[&w, &bias], || linear(&x, &w, Some(&bias), act)),
                &run(&[&w, &bias], || kernels::linear(&dense, &w, Some(&bias), act)),
            );
            for norm in [Norm::Gcn { self_loops: true }, Norm::Mean, Norm::SelfPlus { eps: 0.5 }] {
                assert_near(
                    &run(&[&w], || convolution(&x, &graph, norm, false, &w, None, act)),
                    &run(&[&w], || kernels::gcn_layer(&dense, &graph, norm, &w, None, act)),
                );
                assert_near(
                    &run(&[&both, &bias], || convolution(&x, &graph, norm, true, &both, Some(&bias), act)),
                    &run(&[&both, &bias], || {
                        kernels::sage_layer(&dense, &graph, norm, &both, Some(&bias), act)
                    }),
                );
            }
        }
    }

    #[test]
    fn dropout_drops_the_numbers_that_it_drops_of_all() {
        let x = matrix(300, 200);
        let dense = kernels::dropout(&x.written_out(DType::F32).unwrap(), 0.4, 17).unwrap();
        let sparse = x.dropped(0.4, 17).unwrap().written_out(DType::F32).unwrap();
        assert_eq!(dense.to_vec2::<f32>().unwrap(), sparse.to_vec2::<f32>().unwrap());
        assert!(x.dropped(1.0, 1).is_err());
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let (x, w, graph) = (matrix(1500, 300), weight(300, 16, 1), graph(1500));
        let run = || {
            run(&[&w], || {
                convolution(&x, &graph, Norm::Gcn { self_loops: true }, false, &w, None, Activation::Relu)
            })
        };
        let many = run();
        for n_threads in [1, 3] {
            assert_eq!(crate::kernels::threads::with_count(n_threads, run), many);
        }
    }

    #[test]
    fn constants_are_made_once() {
        let x = Tensor::zeros((2, 2), DType::F32, &Device::Cpu).unwrap();
        let constants = Constants::beginning_with(&[&x]);
        let mut n_made = 0;
        for _ in 0..3 {
            let made = Made { stage: 1, step: Some(0), is_picked: false, of: vec![x.id()] };
            let results = constants.once(made, || {
                n_made += 1;
                Ok(vec![(&x + 1.0)?])
            });
            assert!(constants.are_constant(&results.unwrap()));
        }
        assert_eq!(n_made, 1);
        assert!(!constants.are_constant(&[x.clone(), (&x + 1.0).unwrap()]));
    }
}
