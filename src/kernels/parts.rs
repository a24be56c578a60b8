//! A heterogeneous graph cut into its relations or its types of nodes, for stages that have weights of their own for each, and their
//! results put together again.

use super::device;
use super::float::{by_dtype, values};
use super::graph::{Csr, SparseGraph};
use super::tape;
use candle_core::{CpuStorage, Result, Shape, Tensor, WithDType, bail};
use std::sync::{Arc, OnceLock};

/// A relation with the nodes of both its ends, or the nodes of one type.
#[derive(Debug, Clone)]
pub struct Part {
    pub graph: Arc<SparseGraph>,
    /// The node of the whole graph that each row is, ascending.
    pub rows: Arc<Vec<u32>>,
    /// The entry of the whole graph that each entry is.
    pub entries: Arc<Vec<u32>>,
}

/// A graph cut into parts that may share nodes.
#[derive(Debug)]
pub struct Parts {
    pub all: Vec<Part>,
    /// The rows of all parts, one part after another.
    pub rows: Arc<Vec<u32>>,
    /// By node of the whole graph: which of those rows its results come from.
    pub results: Arc<Csr>,
    /// The same of the parts' entries: which entries of the whole graph.
    pub entries: Arc<Vec<u32>>,
}

/// By relations and by types.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartsCache(Arc<[OnceLock<Arc<Parts>>; 2]>);

impl SparseGraph {
    /// A part for each kind of edges: its edges, with the nodes of the types that it joins. Results come from the parts whose relation
    /// leads to the type of a node.
    ///
    /// # Errors
    /// Where the edges have no kinds.
    pub(crate) fn relations(&self) -> Result<Arc<Parts>> {
        let Some(kinds) = &self.kinds else { bail!("the relations of edges without kinds were asked for") };
        if let Some(types) = &self.types
            && types.relations.len() != kinds.n_kinds
        {
            bail!(
                "{} relations join types of nodes, and edges are of {} kinds",
                types.relations.len(),
                kinds.n_kinds
            )
        }
        let make = || Arc::new(self.cut_by_relation());
        Ok(self.parts.0[0].get_or_init(make).clone())
    }

    /// A part for each type of nodes, without edges.
    ///
    /// # Errors
    /// Where the nodes have no types.
    pub(crate) fn node_types(&self) -> Result<Arc<Parts>> {
        if self.types.is_none() {
            bail!("the types of nodes were asked for, and there are none")
        }
        let make = || {
            let parts = self.nodes_by_type().into_iter();
            let empty = |n: usize| Csr { offsets: vec![0; n + 1], indices: Vec::new(), n_cols: n };
            let parts = parts.map(|rows| self.part(empty(rows.len()), rows, Vec::new())).collect();
            Arc::new(Parts::new(parts, self.n_nodes(), |_, _| true))
        };
        Ok(self.parts.0[1].get_or_init(make).clone())
    }

    fn nodes_by_type(&self) -> Vec<Vec<u32>> {
        let Some(types) = &self.types else { return vec![(0..self.n_nodes() as u32).collect()] };
        let mut nodes = vec![Vec::new(); types.n_types];
        for (node, &of) in (0u32..).zip(types.of_node.iter()) {
            nodes[of as usize].push(node);
        }
        nodes
    }

    fn cut_by_relation(&self) -> Parts {
        let kinds = self.kinds.as_ref().expect("asked before");
        let nodes = self.nodes_by_type();
        let relations = match &self.types {
            Some(types) => types.relations.to_vec(),
            None => vec![[0, 0]; kinds.n_kinds],
        };
        // Entries of each kind with their rows, in the order of the rows.
        let mut of_kind: Vec<Vec<(u32, u32)>> = vec![Vec::new(); kinds.n_kinds];
        for row in 0..self.n_nodes() {
            for entry in self.adjacency.offsets[row]..self.adjacency.offsets[row + 1] {
                of_kind[kinds.of_entry[entry as usize] as usize].push((row as u32, entry));
            }
        }
        let mut place = vec![0u32; self.n_nodes()];
        let mut parts = Vec::with_capacity(relations.len());
        for (&[source, target], of_kind) in relations.iter().zip(of_kind) {
            let mut rows = nodes[source as usize].clone();
            if source != target {
                rows.extend_from_slice(&nodes[target as usize]);
                rows.sort_unstable();
            }
            (0u32..).zip(&rows).for_each(|(at, &node)| place[node as usize] = at);
            let mut csr = Csr {
                offsets: vec![0; rows.len() + 1],
                indices: Vec::with_capacity(of_kind.len()),
                n_cols: rows.len(),
            };
            let mut entries = Vec::with_capacity(of_kind.len());
            for &(row, entry) in &of_kind {
                csr.offsets[place[row as usize] as usize + 1] += 1;
                csr.indices.push(place[self.adjacency.indices[entry as usize] as usize]);
                entries.push(entry);
            }
            (0..rows.len()).for_each(|row| csr.offsets[row + 1] += csr.offsets[row]);
            parts.push(self.part(csr, rows, entries));
        }
        let of_node = self.types.as_ref().map(|types| types.of_node.clone());
        let is_target = |part: usize, node: u32| {
            of_node.as_ref().is_none_or(|of_node| of_node[node as usize] == relations[part][1])
        };
        Parts::new(parts, self.n_nodes(), is_target)
    }

    fn part(&self, csr: Csr, rows: Vec<u32>, entries: Vec<u32>) -> Part {
        let ends = self.graph_offsets.iter().map(|&end| rows.partition_point(|&node| node < end) as u32);
        let offsets = Arc::new(ends.collect());
        let adjacency = Arc::new(csr);
        let transpose = adjacency.transpose();
        let transpose = if transpose == *adjacency { adjacency.clone() } else { Arc::new(transpose) };
        let graph = Arc::new(SparseGraph::new(adjacency, transpose, offsets));
        Part { graph, rows: Arc::new(rows), entries: Arc::new(entries) }
    }
}

impl Parts {
    fn new(all: Vec<Part>, n_nodes: usize, is_result: impl Fn(usize, u32) -> bool) -> Self {
        let rows: Vec<u32> = all.iter().flat_map(|part| part.rows.iter().copied()).collect();
        let mut offsets = vec![0u32; n_nodes + 1];
        let places =
            || all.iter().enumerate().flat_map(|(at, part)| part.rows.iter().map(move |&node| (at, node)));
        for (_, node) in places().filter(|&(part, node)| is_result(part, node)) {
            offsets[node as usize + 1] += 1;
        }
        (0..n_nodes).for_each(|node| offsets[node + 1] += offsets[node]);
        let mut next = offsets.clone();
        let mut indices = vec![0u32; offsets[n_nodes] as usize];
        for (row, (part, node)) in (0u32..).zip(places()) {
            if is_result(part, node) {
                indices[next[node as usize] as usize] = row;
                next[node as usize] += 1;
            }
        }
        let results = Arc::new(Csr { offsets, indices, n_cols: rows.len() });
        let entries = all.iter().flat_map(|part| part.entries.iter().copied()).collect();
        Self { all, rows: Arc::new(rows), results, entries: Arc::new(entries) }
    }

    /// How many rows each part has.
    pub fn n_rows(&self) -> Vec<usize> {
        self.all.iter().map(|part| part.rows.len()).collect()
    }

    /// How many entries each part has.
    pub fn n_entries(&self) -> Vec<usize> {
        self.all.iter().map(|part| part.entries.len()).collect()
    }
}

/// Rows one after another as tensors of so many rows each.
///
/// # Errors
/// Where there are not as many rows, or Candle fails.
pub fn split_rows(x: &Tensor, n_rows: &[usize]) -> Result<Vec<Tensor>> {
    let (total, width) = x.dims2()?;
    if total != n_rows.iter().sum::<usize>() {
        bail!("{total} rows cannot be split into {n_rows:?}")
    }
    if device::is_elsewhere(x) || !tape::is_taped(&[x]) {
        let mut start = 0;
        let part = |&n: &usize| {
            start += n;
            x.narrow(0, start - n, n)?.contiguous()
        };
        return n_rows.iter().map(part).collect();
    }
    #[cfg(test)]
    super::recorder::note(|| "split_rows".to_owned());
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let candle_core::Storage::Cpu(storage) = &*storage else { bail!("rows on a device") };
    let mut start = 0;
    let mut results = Vec::with_capacity(n_rows.len());
    for &n in n_rows {
        let part = by_dtype!(storage.dtype(), T => {
            T::to_cpu_storage_owned(values::<T>(storage, layout)?[start * width..(start + n) * width].to_vec())
        });
        results.push((part, Shape::from((n, width))));
        start += n;
    }
    let op = Split { n_rows: n_rows.to_vec() };
    tape::record_many(std::slice::from_ref(&x), results, |_| false, |_| Arc::new(op))
}

/// The rows of all tensors, one after another.
///
/// # Errors
/// Where they are not equally wide, or Candle fails.
pub fn join_rows(parts: &[Tensor]) -> Result<Tensor> {
    let all: Vec<&Tensor> = parts.iter().collect();
    let is_elsewhere = parts.iter().any(device::is_elsewhere);
    if is_elsewhere || !tape::is_taped(&all) {
        return Tensor::cat(parts, 0);
    }
    #[cfg(test)]
    super::recorder::note(|| "join_rows".to_owned());
    let n_rows: Vec<usize> = parts.iter().map(|part| Ok(part.dims2()?.0)).collect::<Result<_>>()?;
    let joined = tape::beside(|| Tensor::cat(&parts.iter().map(Tensor::detach).collect::<Vec<_>>(), 0))?;
    let shape = joined.shape().clone();
    let storage = taken(&joined)?;
    let op = Join { n_rows };
    Ok(tape::record_many(parts, vec![(storage, shape)], |_| false, |_| Arc::new(op))?.remove(0))
}

fn taken(x: &Tensor) -> Result<CpuStorage> {
    let (storage, layout) = x.storage_and_layout();
    let candle_core::Storage::Cpu(storage) = &*storage else { bail!("rows on a device") };
    Ok(by_dtype!(storage.dtype(), T => T::to_cpu_storage_owned(values::<T>(storage, layout)?.to_vec())))
}

struct Split {
    n_rows: Vec<usize>,
}

impl tape::ManyGradients for Split {
    fn gradients(&self, args: &[Tensor], results: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let width = args[0].dims2()?.1;
        let part = |(gradient, &n): (&Option<Tensor>, &usize)| match gradient {
            Some(gradient) => Ok(gradient.clone()),
            None => Tensor::zeros((n, width), args[0].dtype(), args[0].device()),
        };
        let parts: Vec<Tensor> = results.iter().zip(&self.n_rows).map(part).collect::<Result<_>>()?;
        Ok(vec![Some(Tensor::cat(&parts, 0)?)])
    }
}

struct Join {
    n_rows: Vec<usize>,
}

impl tape::ManyGradients for Join {
    fn gradients(&self, _: &[Tensor], results: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(gradient) = &results[0] else { return Ok(vec![None; self.n_rows.len()]) };
        let mut start = 0;
        let part = |&n: &usize| {
            start += n;
            Ok(Some(gradient.narrow(0, start - n, n)?.contiguous()?))
        };
        self.n_rows.iter().map(part).collect()
    }
}
