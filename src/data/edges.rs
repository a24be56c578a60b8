//! What a source does to the edges of its files: options that several sources share, and edges with what they carry.

use super::dataset::{EdgeEdits, Features};
use super::edge_items::NO_ROW;
use super::error::DataError;
use super::files::size_in_words;
use crate::args::BoundCall;
use crate::diagnostic::count;
use crate::kernels::graph::{Csr, EdgeKinds};
use crate::settings::data::edges::{LOOPS, PARALLEL, UNDIRECTED};
use std::sync::Arc;

/// Edges with what they carry, in the order of the file.
#[derive(Debug, Clone)]
pub struct EdgeList {
    /// (source, target), from 0.
    pub pairs: Vec<(u32, u32)>,
    /// A row for each pair.
    pub features: Option<Features>,
    /// Of each pair.
    pub kinds: Option<EdgeKinds>,
    /// Of each pair the row of the targets that is its own, where edges are predicted.
    pub rows: Option<Vec<u32>>,
}

/// What the arguments [`UNDIRECTED`], [`LOOPS`] and [`PARALLEL`] ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeOptions {
    pub undirected: bool,
    pub loops: Loops,
    pub parallel: Parallel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loops {
    Keep,
    Drop,
    Add,
}

/// What becomes of edges with the same source and target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parallel {
    Keep,
    Drop,
    Merge(Merge),
}

/// How the features of edges that become one are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    Sum,
    Mean,
    Max,
}

impl EdgeOptions {
    /// Those of a call whose spec has the three arguments.
    ///
    /// # Panics
    /// Where it does not have them.
    pub fn of(call: &BoundCall) -> Self {
        Self {
            undirected: call.args.bool(UNDIRECTED.name),
            loops: match call.args.choice(LOOPS.name) {
                "drop" => Loops::Drop,
                "add" => Loops::Add,
                _ => Loops::Keep,
            },
            parallel: match call.args.choice(PARALLEL.name) {
                "drop" => Parallel::Drop,
                "sum" => Parallel::Merge(Merge::Sum),
                "mean" => Parallel::Merge(Merge::Mean),
                "max" => Parallel::Merge(Merge::Max),
                _ => Parallel::Keep,
            },
        }
    }

    /// Changes the edges of a graph over `n_nodes` nodes, loops and parallel edges first.
    ///
    /// # Errors
    /// Where features are to be merged that do not exist, or the features of the result take more than `max_bytes`.
    pub fn apply(
        self,
        list: &mut EdgeList,
        n_nodes: usize,
        call: &BoundCall,
        max_bytes: u64,
    ) -> Result<EdgeEdits, DataError> {
        let mut edits = EdgeEdits::default();
        if self.loops == Loops::Drop {
            edits.dropped_loops = list.drop_loops();
        }
        // As a model's own data was read, not as the call says: one of the edges is then kept.
        let written = call.args.get(PARALLEL.name).and_then(|arg| arg.span);
        if let (Parallel::Merge(_), Some(span)) = (self.parallel, written)
            && list.features.is_none()
        {
            let word = call.args.choice(PARALLEL.name);
            return Err(DataError::new(
                "data::no_effect",
                format!("`parallel = {word}` has no effect here: the edges of this data have no features"),
            )
            .help("write `parallel = drop`, which keeps one of parallel edges")
            .span(Some(span)));
        }
        edits.merged = match self.parallel {
            Parallel::Keep => 0,
            Parallel::Drop => list.merge(n_nodes, None, max_bytes)?,
            Parallel::Merge(how) => list.merge(n_nodes, Some(how), max_bytes)?,
        };
        if self.undirected {
            edits.added_reverses = list.add_reverses(n_nodes);
        }
        if self.loops == Loops::Add {
            edits.added_loops = list.add_loops(n_nodes, max_bytes)?;
        }
        Ok(edits)
    }
}

impl EdgeList {
    /// Only the edges of these numbers, in this order; a number may come several times.
    pub fn pick(&mut self, edges: &[u32]) {
        self.pairs = edges.iter().map(|&edge| self.pairs[edge as usize]).collect();
        self.features = self.features.take().map(|features| features.picked(edges));
        if let Some(kinds) = &mut self.kinds {
            kinds.of_entry = Arc::new(edges.iter().map(|&edge| kinds.of_entry[edge as usize]).collect());
        }
        if let Some(rows) = &mut self.rows {
            *rows = edges.iter().map(|&edge| rows[edge as usize]).collect();
        }
    }

    fn all(&self) -> impl Iterator<Item = (u32, (u32, u32))> + '_ {
        (0..).zip(self.pairs.iter().copied())
    }

    fn drop_loops(&mut self) -> usize {
        let n_before = self.pairs.len();
        let kept: Vec<u32> =
            self.all().filter(|(_, (source, target))| source != target).map(|(edge, _)| edge).collect();
        if kept.len() < n_before {
            self.pick(&kept);
        }
        n_before - kept.len()
    }

    /// One edge of all with the same source and target: the first of the file, with the features of all put together
    /// where `how` says so. Edges of different labels are then of no kind; there are no kinds after that.
    fn merge(&mut self, n_nodes: usize, how: Option<Merge>, max_bytes: u64) -> Result<usize, DataError> {
        // The order is stable, so the first of a group is the first of the file.
        let (_, order) = Csr::from_edges_with_order(n_nodes, &self.pairs, None);
        let groups: Vec<&[u32]> =
            order.chunk_by(|&a, &b| self.pairs[a as usize] == self.pairs[b as usize]).collect();
        let n_merged = order.len() - groups.len();
        if n_merged == 0 {
            return Ok(0);
        }
        let merged = match (how, &self.features) {
            (Some(how), Some(features)) => {
                let width = features.width();
                check_size(groups.len(), width, max_bytes)?;
                let mut values = Vec::with_capacity(groups.len() * width);
                groups.iter().for_each(|edges| how.put_together(features, edges, &mut values));
                Some(Features::Dense { values: values.into(), width })
            }
            _ => None,
        };
        let differs = |kinds: &EdgeKinds| {
            let kind = |edge: u32| kinds.of_entry[edge as usize];
            groups.iter().any(|edges| edges.iter().any(|&edge| kind(edge) != kind(edges[0])))
        };
        let has_no_kinds = how.is_some() && self.kinds.as_ref().is_some_and(differs);
        let mut first: Vec<u32> = groups.iter().map(|edges| edges[0]).collect();
        if merged.is_none() {
            first.sort_unstable();
        }
        self.pick(&first);
        if merged.is_some() {
            self.features = merged;
        }
        if has_no_kinds {
            self.kinds = None;
        }
        Ok(n_merged)
    }

    fn add_reverses(&mut self, n_nodes: usize) -> usize {
        let (adjacency, order) = Csr::from_edges_with_order(n_nodes, &self.pairs, self.kinds.as_ref());
        let reverse = adjacency.transpose();
        let mut one_way = Vec::new();
        for node in 0..n_nodes {
            let first = adjacency.offsets[node] as usize;
            let unpaired = super::dataset::unpaired(adjacency.row(node), reverse.row(node));
            one_way.extend(unpaired.map(|place| order[first + place]));
        }
        // The order of the file, so that what is added does not depend on how the nodes are numbered.
        one_way.sort_unstable();
        let n_edges = self.pairs.len();
        let all: Vec<u32> = (0..n_edges as u32).chain(one_way.iter().copied()).collect();
        self.pick(&all);
        self.pairs[n_edges..].iter_mut().for_each(|pair| *pair = (pair.1, pair.0));
        one_way.len()
    }

    fn add_loops(&mut self, n_nodes: usize, max_bytes: u64) -> Result<usize, DataError> {
        let mut has_loop = vec![false; n_nodes];
        self.pairs.iter().filter(|pair| pair.0 == pair.1).for_each(|pair| has_loop[pair.0 as usize] = true);
        let without: Vec<u32> = (0..n_nodes as u32).filter(|&node| !has_loop[node as usize]).collect();
        if let Some(kinds) = &mut self.kinds {
            let mut of_entry = kinds.of_entry.to_vec();
            of_entry.resize(of_entry.len() + without.len(), kinds.n_kinds as u32);
            *kinds = EdgeKinds { of_entry: Arc::new(of_entry), n_kinds: kinds.n_kinds + 1 };
        }
        if let Some(features) = self.features.as_ref().filter(|_| !without.is_empty()) {
            let width = features.width();
            check_size(self.pairs.len() + without.len(), width, max_bytes)?;
            let mut values = Vec::with_capacity((self.pairs.len() + without.len()) * width);
            features.write_rows(0..self.pairs.len(), &mut values);
            let (incoming, order) = Csr::from_edges_with_order(n_nodes, &self.pairs, None);
            for &node in &without {
                let entries =
                    incoming.offsets[node as usize] as usize..incoming.offsets[node as usize + 1] as usize;
                Merge::Mean.put_together(features, &order[entries], &mut values);
            }
            self.features = Some(Features::Dense { values: values.into(), width });
        }
        self.pairs.extend(without.iter().map(|&node| (node, node)));
        if let Some(rows) = &mut self.rows {
            rows.resize(self.pairs.len(), NO_ROW);
        }
        Ok(without.len())
    }
}

impl Merge {
    /// Appends what the features of these edges are together; zeros where there are none.
    fn put_together(self, features: &Features, edges: &[u32], out: &mut Vec<f32>) {
        let mut row = Vec::new();
        let mut total = vec![if self == Merge::Max { f64::NEG_INFINITY } else { 0.0 }; features.width()];
        for &edge in edges {
            row.clear();
            features.write_rows(edge as usize..edge as usize + 1, &mut row);
            for (total, &value) in total.iter_mut().zip(&row) {
                let value = f64::from(value);
                *total = if self == Merge::Max { total.max(value) } else { *total + value };
            }
        }
        let n_edges = edges.len().max(1) as f64;
        out.extend(total.iter().map(|&total| match self {
            _ if edges.is_empty() => 0.0,
            Merge::Mean => (total / n_edges) as f32,
            Merge::Sum | Merge::Max => total as f32,
        }));
    }
}

/// A small file can ask for many columns of many edges, most of them zeros.
fn check_size(n_edges: usize, width: usize, max_bytes: u64) -> Result<(), DataError> {
    let n_bytes = n_edges.saturating_mul(width).saturating_mul(size_of::<f32>()) as u64;
    if n_bytes <= max_bytes {
        return Ok(());
    }
    Err(DataError::new(
        "data::too_large",
        format!(
            "the features of {} in {width} columns take {}; the limit is {}",
            count(n_edges, "edge"),
            size_in_words(n_bytes),
            size_in_words(max_bytes)
        ),
    )
    .help(format!(
        "write `edge_features = none`; or allow more with `--max-data-size {}GiB`",
        n_bytes.div_ceil(4 << 30)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;

    /// 0 → 1 twice with labels 0 and 1, a loop at 1, 1 → 0, and 2 → 1 alone.
    fn list() -> EdgeList {
        EdgeList {
            pairs: vec![(0, 1), (1, 1), (0, 1), (1, 0), (2, 1)],
            features: Some(Features::Dense {
                values: vec![1.0, -1.0, 2.0, 2.0, 5.0, -3.0, 7.0, 0.5, 4.0, 4.0].into(),
                width: 2,
            }),
            kinds: Some(EdgeKinds { of_entry: Arc::new(vec![0, 1, 1, 0, 1]), n_kinds: 2 }),
            rows: None,
        }
    }

    fn rows(list: &EdgeList) -> Vec<Vec<f32>> {
        let features = list.features.as_ref().expect("it has features");
        let row = |edge: usize| {
            let mut row = Vec::new();
            features.write_rows(edge..edge + 1, &mut row);
            row
        };
        (0..list.pairs.len()).map(row).collect()
    }

    fn kinds(list: &EdgeList) -> Option<(&[u32], usize)> {
        list.kinds.as_ref().map(|kinds| (kinds.of_entry.as_slice(), kinds.n_kinds))
    }

    /// The list of three nodes after these options.
    fn after(args: &[(&str, ArgValue)]) -> (EdgeList, EdgeEdits) {
        let named = [&[("name", ArgValue::Text("X".into()))], args].concat();
        let call = crate::data::call("tu", &named);
        let mut list = list();
        let edits = EdgeOptions::of(&call).apply(&mut list, 3, &call, 1 << 20).expect("small");
        (list, edits)
    }

    #[test]
    fn edges_stay_as_they_are_unless_asked() {
        let (kept, edits) = after(&[]);
        assert_eq!((kept.pairs, edits), (list().pairs, EdgeEdits::default()));
    }

    #[test]
    fn loops_are_dropped_with_what_they_carry() {
        let (list, edits) = after(&[("loops", ArgValue::Choice("drop"))]);
        assert_eq!(list.pairs, [(0, 1), (0, 1), (1, 0), (2, 1)]);
        assert_eq!(rows(&list), [[1.0, -1.0], [5.0, -3.0], [7.0, 0.5], [4.0, 4.0]]);
        assert_eq!(kinds(&list), Some((&[0, 1, 0, 1][..], 2)));
        assert_eq!(edits, EdgeEdits { dropped_loops: 1, ..EdgeEdits::default() });
    }

    #[test]
    fn added_loops_have_the_mean_of_what_comes_in_and_a_kind_of_their_own() {
        let (list, edits) = after(&[("loops", ArgValue::Choice("add"))]);
        assert_eq!(list.pairs[5..], [(0, 0), (2, 2)]);
        // Into node 0 comes 1 → 0 alone, into node 2 nothing.
        assert_eq!(rows(&list)[5..], [[7.0, 0.5], [0.0, 0.0]]);
        assert_eq!(kinds(&list), Some((&[0, 1, 1, 0, 1, 2, 2][..], 3)));
        assert_eq!(edits, EdgeEdits { added_loops: 2, ..EdgeEdits::default() });
    }

    #[test]
    fn parallel_edges_become_one() {
        let merged = |how| after(&[("parallel", ArgValue::Choice(how))]);
        for (how, expected) in [("sum", [6.0, -4.0]), ("mean", [3.0, -2.0]), ("max", [5.0, -1.0])] {
            let (list, edits) = merged(how);
            // By target, then by source.
            assert_eq!(list.pairs, [(1, 0), (0, 1), (1, 1), (2, 1)], "{how}");
            assert_eq!(rows(&list)[1], expected, "{how}");
            assert_eq!(rows(&list)[0], [7.0, 0.5], "{how}");
            // One edge of two labels has none.
            assert_eq!((kinds(&list), edits.merged), (None, 1), "{how}");
        }
        let (list, edits) = merged("drop");
        assert_eq!(list.pairs, [(0, 1), (1, 1), (1, 0), (2, 1)]);
        assert_eq!(rows(&list)[0], [1.0, -1.0]);
        assert_eq!((kinds(&list), edits.merged), (Some((&[0, 1, 0, 1][..], 2)), 1));
    }

    #[test]
    fn each_edge_without_a_reverse_of_its_own_gets_one() {
        let (list, edits) = after(&[("undirected", ArgValue::Bool(true))]);
        // Of the two edges 0 → 1 the first has its reverse.
        assert_eq!(list.pairs[5..], [(1, 0), (1, 2)]);
        assert_eq!(rows(&list)[5..], [[5.0, -3.0], [4.0, 4.0]]);
        assert_eq!(kinds(&list), Some((&[0, 1, 1, 0, 1, 1, 1][..], 2)));
        assert_eq!(edits, EdgeEdits { added_reverses: 2, ..EdgeEdits::default() });
        let adjacency = Csr::from_edges(3, &list.pairs);
        assert_eq!(adjacency, adjacency.transpose());
    }

    #[test]
    fn features_that_would_not_fit_are_refused() {
        let call = crate::data::call(
            "tu",
            &[("name", ArgValue::Text("X".into())), ("parallel", ArgValue::Choice("sum"))],
        );
        let error = EdgeOptions::of(&call).apply(&mut list(), 3, &call, 31).expect_err("4 edges of 8 bytes");
        assert_eq!(error.code, "data::too_large");
        let mut bare = EdgeList { features: None, kinds: None, ..list() };
        let error = EdgeOptions::of(&call).apply(&mut bare, 3, &call, 1 << 20).expect_err("no features");
        assert_eq!(error.code, "data::no_effect");
    }
}
