//! What a value is made of within each part of a graph: its shares of the eigenspaces of the part's Laplacian.

use super::custom::{Kernel, Shared, apply1, where_needed};
use super::eigen::symmetric;
use super::float::Float;
use super::graph::{Csr, SparseGraph};
use super::parallel::{each, map_each};
use super::per_graph::Wanted;
use super::spectral::{Links, links};
use super::summation::{self, Summation};
use super::tape::Reads;
use candle_core::{Result, Shape, Tensor};
use std::collections::HashMap;
use std::sync::Arc;

/// Of each row, `x` projected onto the eigenspaces of the `modes` lowest eigenvalues of the Laplacian of the row's part, one beside
/// the other; 0 where a part has fewer eigenvalues that differ. An eigenspace is one, whatever vectors span it, so that the result
/// depends neither on signs nor on a choice among vectors of one eigenvalue.
///
/// The Laplacian is that of the links inside of the part, `I − D^-½ A D^-½` where `normalized`, and else
/// `D − A`. No gradient leads to the weights. Without weights the eigenspaces of a graph of a data set are found once, and again only
/// where it is in other parts.
///
/// # Shapes
/// - `x`: `[N, F]`; `parts`: lists of rows, each row in one; `weights`: `[E, 1]`, 1 without; result: `[N, modes · F]`
///
/// # Errors
/// Where the shapes do not fit.
pub fn bands(
    x: &Tensor,
    parts: &Arc<Csr>,
    graph: &SparseGraph,
    weights: Option<&Tensor>,
    modes: usize,
    normalized: bool,
) -> Result<Tensor> {
    // Weights are of the step; without them spaces follow from the graph and its parts.
    let of_data = graph.of_data.as_ref().filter(|_| weights.is_none());
    let wanted = Wanted::Spaces { modes, normalized };
    let mut of_graphs: Vec<Vec<usize>> = vec![Vec::new(); graph.n_graphs()];
    for part in (0..parts.n_rows()).filter(|&part| !parts.row(part).is_empty()) {
        let first = parts.row(part)[0];
        let graph_idx = graph.graph_offsets.partition_point(|&start| start <= first) - 1;
        of_graphs[graph_idx].push(part);
    }
    let rows_of = |graph_idx: usize, part: usize| {
        let first = graph.graph_offsets[graph_idx];
        parts.row(part).iter().map(move |&row| row - first)
    };
    let mut spaces: Vec<Option<Arc<Spaces>>> = vec![None; parts.n_rows()];
    for (graph_idx, of_graph) in of_graphs.iter().enumerate() {
        let Some(known) = of_data.and_then(|of_data| of_data.get::<OfGraph>(wanted, graph_idx)) else {
            continue;
        };
        let are_same = known.len() == of_graph.len()
            && (known.iter().zip(of_graph))
                .all(|((rows, _), &part)| rows_of(graph_idx, part).eq(rows.iter().copied()));
        if are_same {
            known.iter().zip(of_graph).for_each(|((_, found), &part)| spaces[part] = Some(found.clone()));
        }
    }
    let missing: Vec<usize> = (0..parts.n_rows()).filter(|&part| spaces[part].is_none()).collect();
    if !missing.is_empty() {
        let links = links(graph, weights)?;
        let work = missing.iter().map(|&part| 9 * parts.row(part).len().pow(3)).sum();
        let found = map_each(missing.len(), work, |at| {
            let rows = parts.row(missing[at]);
            let matrix = laplacian(rows, &links, normalized);
            Arc::new(spaces_of(rows.len(), matrix, modes))
        });
        missing.iter().zip(found).for_each(|(&part, found)| spaces[part] = Some(found));
    }
    let spaces: Vec<Arc<Spaces>> = spaces.into_iter().flatten().collect();
    if let Some(of_data) = of_data {
        let is_new =
            |(_, of): &(usize, &Vec<usize>)| of.iter().any(|part| missing.binary_search(part).is_ok());
        for (graph_idx, of_graph) in of_graphs.iter().enumerate().filter(is_new) {
            let known: OfGraph = (of_graph.iter())
                .map(|&part| (rows_of(graph_idx, part).collect(), spaces[part].clone()))
                .collect();
            of_data.set(wanted, graph_idx, Arc::new(known));
        }
    }
    let is_exact = Summation::current().is_reproducible();
    apply1(Bands { parts: parts.clone(), spaces: Arc::new(spaces), modes, is_exact }, x)
}

/// The parts of one graph, their nodes counted from 0, with the spaces of each.
type OfGraph = Vec<(Vec<u32>, Arc<Spaces>)>;

/// The Laplacian of the links inside of a part, row-major.
fn laplacian(rows: &[u32], links: &Links, normalized: bool) -> Vec<f64> {
    let at: HashMap<u32, usize> = rows.iter().enumerate().map(|(at, &row)| (row, at)).collect();
    let n = rows.len();
    let mut matrix = vec![0.0; n * n];
    for (from, &row) in rows.iter().enumerate() {
        for (other, &weight) in &links[row as usize] {
            if let Some(&to) = at.get(other) {
                matrix[from * n + to] = -weight;
            }
        }
    }
    let degrees: Vec<f64> = (0..n).map(|row| -matrix[row * n..][..n].iter().sum::<f64>()).collect();
    for row in 0..n {
        for other in 0..n {
            if normalized && matrix[row * n + other] != 0.0 {
                matrix[row * n + other] /= (degrees[row] * degrees[other]).sqrt();
            }
        }
        matrix[row * n + row] = if normalized { 1.0 } else { degrees[row] };
    }
    matrix
}

/// The grid that entries of a projection are rounded to where sums have the same bits in any order: far coarser than the rounding of
/// an eigenvector, which is another in each numbering, and far finer than a number of 32 bits.
const GRID: f64 = (1u64 << 30) as f64;

/// Eigenvalues this close, beside the largest, are one.
const NEAR: f64 = 1e-9;

/// By mode: vectors that span its eigenspace.
type Spaces = Vec<Vec<Vec<f64>>>;

fn spaces_of(n: usize, matrix: Vec<f64>, modes: usize) -> Spaces {
    if n == 0 {
        return Vec::new();
    }
    let (values, vectors) = symmetric(n, matrix);
    let near = NEAR * values.iter().fold(1.0f64, |largest, value| largest.max(value.abs()));
    let mut spaces: Spaces = Vec::new();
    let mut before = f64::NEG_INFINITY;
    for (value, vector) in values.into_iter().zip(vectors) {
        if value - before > near {
            if spaces.len() == modes {
                break;
            }
            spaces.push(Vec::new());
        }
        before = value;
        if let Some(space) = spaces.last_mut() {
            space.push(vector);
        }
    }
    spaces
}

/// Each projection is its own transpose, so the gradient is projected and summed up.
struct Bands {
    parts: Arc<Csr>,
    spaces: Arc<Vec<Arc<Spaces>>>,
    modes: usize,
    /// Whether the result has the same bits in every numbering.
    is_exact: bool,
}

impl Bands {
    fn work(&self, width: usize) -> usize {
        let of_part = |(part, spaces): (usize, &Arc<Spaces>)| {
            self.parts.row(part).len() * spaces.iter().map(Vec::len).sum::<usize>()
        };
        4 * width * self.spaces.iter().enumerate().map(of_part).sum::<usize>()
    }

    /// `to += P_mode from` of a part, for `width` features of each row at these places.
    fn project<T: Float>(
        &self,
        part: usize,
        mode: usize,
        width: usize,
        from: impl Fn(usize) -> T + Copy,
        mut add: impl FnMut(usize, f64),
    ) {
        let Some(space) = self.spaces[part].get(mode) else { return };
        let n = self.parts.row(part).len();
        if self.is_exact {
            for at in 0..n {
                let entry = |other: usize| {
                    let entry: f64 = space.iter().map(|vector| vector[at] * vector[other]).sum();
                    (entry * GRID).round() / GRID
                };
                let row: Vec<f64> = (0..n).map(entry).collect();
                for feature in 0..width {
                    let terms = row.iter().enumerate();
                    let terms = terms.map(|(other, entry)| entry * from(other * width + feature).wide());
                    add(at * width + feature, summation::sum(terms));
                }
            }
            return;
        }
        for vector in space {
            for feature in 0..width {
                let share: f64 = (0..n).map(|at| vector[at] * from(at * width + feature).wide()).sum();
                (0..n).for_each(|at| add(at * width + feature, share * vector[at]));
            }
        }
    }
}

impl Kernel<1> for Bands {
    fn name(&self) -> &'static str {
        "bands"
    }
    fn forward<T: Float>(&self, [x]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let (n_rows, width) = shape.dims2()?;
        if n_rows != self.parts.n_cols {
            candle_core::bail!("bands: {n_rows} rows and parts of {}", self.parts.n_cols)
        }
        let stride = self.modes * width;
        let mut out = vec![T::ZERO; n_rows * stride];
        let shared = Shared::new(&mut out);
        each(self.spaces.len(), self.work(width), |part| {
            let rows = self.parts.row(part);
            let mut sums = vec![0.0; rows.len() * width];
            for mode in 0..self.modes {
                sums.fill(0.0);
                let from = |at: usize| x[rows[at / width] as usize * width + at % width];
                self.project(part, mode, width, from, |at, value| sums[at] += value);
                for (&row, sums) in rows.iter().zip(sums.chunks(width.max(1))) {
                    let start = row as usize * stride + mode * width;
                    // SAFETY: every row is in one part.
                    let to = unsafe { shared.part(start..start + width) };
                    to.iter_mut().zip(sums).for_each(|(to, &sum)| *to = T::of(sum));
                }
            }
        });
        Ok((out, (n_rows, stride).into()))
    }
    fn reads(&self) -> Reads {
        Reads::NOTHING
    }
    fn backward(&self, [x]: [&Tensor; 1], _: &Tensor, grad: &Tensor) -> Result<[Option<Tensor>; 1]> {
        let back = BandsGrad(Bands {
            parts: self.parts.clone(),
            spaces: self.spaces.clone(),
            modes: self.modes,
            is_exact: false,
        });
        Ok([where_needed(x, || super::custom::plain1(back, grad))?])
    }
}

struct BandsGrad(Bands);

impl Kernel<1> for BandsGrad {
    fn name(&self) -> &'static str {
        "bands_grad"
    }
    fn forward<T: Float>(&self, [grad]: [&[T]; 1], [shape]: [&Shape; 1]) -> Result<(Vec<T>, Shape)> {
        let of = &self.0;
        let (n_rows, stride) = shape.dims2()?;
        let width = stride / of.modes;
        let mut out = vec![T::ZERO; n_rows * width];
        let shared = Shared::new(&mut out);
        each(of.spaces.len(), of.work(width), |part| {
            let rows = of.parts.row(part);
            let mut sums = vec![0.0; rows.len() * width];
            for mode in 0..of.modes {
                let from = |at: usize| grad[rows[at / width] as usize * stride + mode * width + at % width];
                of.project(part, mode, width, from, |at, value| sums[at] += value);
            }
            for (&row, sums) in rows.iter().zip(sums.chunks(width.max(1))) {
                let start = row as usize * width;
                // SAFETY: every row is in one part.
                let to = unsafe { shared.part(start..start + width) };
                to.iter_mut().zip(sums).for_each(|(to, &sum)| *to = T::of(sum));
            }
        });
        Ok((out, (n_rows, width).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::per_graph::OfData;
    use crate::kernels::testkit::{assert_gradients, graph, random};

    fn lists(of: &[&[u32]], n: usize) -> Arc<Csr> {
        let mut csr = Csr { offsets: vec![0], indices: Vec::new(), n_cols: n };
        for rows in of {
            csr.indices.extend_from_slice(rows);
            csr.offsets.push(csr.indices.len() as u32);
        }
        Arc::new(csr)
    }

    /// A star of four nodes, whose Laplacian has the eigenvalue 1 twice; a node alone; two nodes.
    fn example() -> (Arc<SparseGraph>, Arc<Csr>) {
        let links = [(0, 1), (0, 2), (0, 3), (3, 4), (5, 6)];
        let edges: Vec<(u32, u32)> = links.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).collect();
        (graph(&[7], &edges), lists(&[&[0, 1, 2, 3], &[4], &[5, 6]], 7))
    }

    #[test]
    fn eigenspaces_of_a_graph_of_the_data_are_found_once_for_its_parts() {
        let (plain, parts) = example();
        let kept = Arc::default();
        let of_data =
            |graph: &SparseGraph| SparseGraph { of_data: Some(OfData::new(&kept, &[4])), ..graph.clone() };
        let graph_of_data = of_data(&plain);
        let x = random(&[7, 2], 3);
        let bits = |graph: &SparseGraph, parts: &Arc<Csr>, weights: Option<&Tensor>| -> Vec<u64> {
            let found = bands(&x, parts, graph, weights, 3, true).unwrap();
            let found: Vec<f64> = found.flatten_all().unwrap().to_vec1().unwrap();
            found.into_iter().map(f64::to_bits).collect()
        };
        let expected = bits(&plain, &parts, None);
        assert_eq!(bits(&graph_of_data, &parts, None), expected);
        // Whatever has the number of the graph is taken for it, so nothing is worked out again.
        let other = of_data(&graph(&[7], &[(0, 1), (1, 0)]));
        assert_eq!(bits(&other, &parts, None), expected);
        // In other parts, or with weights, it is.
        let others = lists(&[&[0, 1, 2], &[3, 4], &[5, 6]], 7);
        assert_eq!(bits(&graph_of_data, &others, None), bits(&plain, &others, None));
        let weights = random(&[plain.n_edges(), 1], 5).abs().unwrap();
        assert_eq!(bits(&graph_of_data, &others, Some(&weights)), bits(&plain, &others, Some(&weights)));
        assert_eq!(bits(&graph_of_data, &parts, None), expected);
    }

    #[test]
    fn eigenspaces_are_those_of_each_part() {
        let (graph, parts) = example();
        let x = random(&[7, 2], 3);
        let rows: Vec<Vec<f64>> = x.to_vec2().unwrap();
        let found: Vec<Vec<f64>> = bands(&x, &parts, &graph, None, 3, false).unwrap().to_vec2().unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a}, not {b}");
        for feature in 0..2 {
            let of = |row: usize| rows[row][feature];
            let mean = (0..4).map(of).sum::<f64>() / 4.0;
            (0..4).for_each(|row| close(found[row][feature], mean));
            // Of the leaves, what differs from their mean.
            let leaves = (1..4).map(of).sum::<f64>() / 3.0;
            close(found[0][2 + feature], 0.0);
            (1..4).for_each(|row| close(found[row][2 + feature], of(row) - leaves));
            (0..4).for_each(|row| close((0..3).map(|mode| found[row][2 * mode + feature]).sum(), of(row)));
            close(found[4][feature], of(4));
            close(found[4][2 + feature], 0.0);
            close(found[5][2 + feature], (of(5) - of(6)) / 2.0);
            close(found[5][4 + feature], 0.0);
        }
    }

    #[test]
    fn the_normalised_laplacian_goes_by_degrees() {
        let (graph, parts) = example();
        let x = random(&[7, 1], 4);
        let rows: Vec<Vec<f64>> = x.to_vec2().unwrap();
        let found: Vec<Vec<f64>> = bands(&x, &parts, &graph, None, 2, true).unwrap().to_vec2().unwrap();
        // The lowest eigenvector is made of the roots of degrees: √3, 1, 1, 1, of length √6.
        let share = (3f64.sqrt() * rows[0][0] + rows[1][0] + rows[2][0] + rows[3][0]) / 6.0;
        assert!((found[0][0] - 3f64.sqrt() * share).abs() < 1e-12 && (found[1][0] - share).abs() < 1e-12);
        assert!((found[4][0] - rows[4][0]).abs() < 1e-12);
    }

    #[test]
    fn gradients_match_finite_differences() {
        let (graph, parts) = example();
        for normalized in [false, true] {
            assert_gradients(
                |args| bands(&args[0], &parts, &graph, None, 2, normalized),
                &[random(&[7, 3], 5)],
            );
        }
    }
}
