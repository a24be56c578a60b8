//! Stages with weights for each relation or type of nodes: their kernels once for each part, as `lower::hetero` runs them.

use super::{FLOAT_BYTES, Graphs, Kernel, Matrix, Structure, Trace, Value, Work};
use crate::ops::hetero::{Combine, Lifted};
use std::rc::Rc;

/// Places of the weights of one part.
const PLACES: usize = 1 << 16;

/// Nodes and edges of a part.
struct Part {
    rows: f64,
    edges: f64,
}

/// The parts of a batch, whose graphs are taken to have as much of each as the data.
fn parts(by: Lifted, graphs: &Graphs, step: &Trace) -> Vec<Part> {
    let Some(schema) = &step.schema else {
        let n = step.n_kinds.max(1);
        return (0..n).map(|_| Part { rows: graphs.n_nodes(), edges: graphs.n_edges() / n as f64 }).collect();
    };
    let all = |counts: &mut dyn Iterator<Item = usize>| counts.sum::<usize>().max(1) as f64;
    let share = graphs.n_nodes() / all(&mut schema.nodes.iter().map(|of| of.n_nodes));
    let of_edges = graphs.n_edges() / all(&mut schema.relations.iter().map(|of| of.n_edges));
    let rows = |of: usize| share * schema.nodes[of].n_nodes as f64;
    match by {
        Lifted::Types => (0..schema.nodes.len()).map(|of| Part { rows: rows(of), edges: 0.0 }).collect(),
        Lifted::Relations(_) => {
            let part = |of: &crate::types::Relation| Part {
                rows: if of.source == of.target {
                    rows(of.source)
                } else {
                    rows(of.source) + rows(of.target)
                },
                edges: of_edges * of.n_edges as f64,
            };
            schema.relations.iter().map(part).collect()
        }
    }
}

pub(super) fn stage(
    by: Lifted,
    inputs: &[Value],
    step: &mut Trace,
    run: impl Fn(&[Value], &mut Trace) -> Value,
) -> Value {
    let Structure::Sparse(graphs) = &inputs[0].structure else { return inputs[0].clone() };
    let parts = parts(by, graphs, step);
    let rows: Vec<f64> = parts.iter().map(|part| part.rows).collect();
    let edges: Vec<f64> = parts.iter().map(|part| part.edges).collect();
    // The parts are cut once for each batch: rows, places of results, adjacency and transpose with the entries that they are.
    let place = usize::from(by == Lifted::Types);
    let mut kept = match std::mem::replace(&mut step.has_parts[place], true) {
        true => 0.0,
        false => 5.0 * FLOAT_BYTES * rows.iter().sum::<f64>() + 4.0 * FLOAT_BYTES * edges.iter().sum::<f64>(),
    };
    let of_parts: Vec<Rc<Graphs>> = parts
        .iter()
        .map(|part| Rc::new(Graphs { nodes: vec![part.rows], edges: vec![part.edges], ..Graphs::default() }))
        .collect();
    let cut: Vec<Vec<Value>> = inputs
        .iter()
        .map(|input| {
            let of_edges = matches!(input.structure, Structure::Edges(_));
            let counts = if of_edges { &edges } else { &rows };
            let split = match input.x.density < 1.0 {
                // Most numbers are zeros, and stay so.
                true => {
                    let stored = input.x.density * input.x.width;
                    // Rows of each part, and by columns what its gradients read.
                    kept += counts.iter().map(|rows| FLOAT_BYTES * rows * (1.0 + 4.0 * stored)).sum::<f64>();
                    let part =
                        |&rows: &f64| Matrix { density: input.x.density, ..step.given(rows, input.x.width) };
                    counts.iter().map(part).collect()
                }
                false => {
                    let gathered = step.gather_rows(input.x, counts.iter().sum());
                    step.split_rows(gathered, counts)
                }
            };
            let structure = |graphs: &Rc<Graphs>| match of_edges {
                true => Structure::Edges(graphs.clone()),
                false => Structure::Sparse(graphs.clone()),
            };
            split
                .into_iter()
                .zip(&of_parts)
                .map(|(x, graphs)| Value { x, structure: structure(graphs) })
                .collect()
        })
        .collect();
    let mut results = Vec::with_capacity(parts.len());
    for part in 0..parts.len() {
        let values: Vec<Value> = cut.iter().map(|values: &Vec<Value>| values[part].clone()).collect();
        let first = step.kernels.len();
        results.push(run(&values, step).x);
        for kernel in &mut step.kernels[first..] {
            kernel.weights.iter_mut().for_each(|weight| weight.place += part * PLACES);
        }
    }
    let joined = step.join_rows(&results);
    if let Some(kernel) = step.kernels.last_mut() {
        kernel.kept_bytes += kept;
    }
    let x = match by {
        Lifted::Relations(Combine::Max) => step.max_rows(joined, graphs.n_nodes()),
        Lifted::Relations(Combine::Sum | Combine::Mean) | Lifted::Types => {
            step.merge_rows(joined, graphs.n_nodes())
        }
    };
    Value { x, structure: inputs[0].structure.clone() }
}

impl Trace {
    /// `kernels::parts::split_rows`: copies of what has a gradient, and views of what has none.
    fn split_rows(&mut self, x: Matrix, counts: &[f64]) -> Vec<Matrix> {
        if !x.is_tracked {
            return counts.iter().map(|&rows| self.given(rows, x.width)).collect();
        }
        let split = |&rows: &f64| {
            self.kernel("split_rows", &[x], false, [rows, x.width], |kernel| {
                copies(kernel, rows * x.width, rows)
            })
        };
        counts.iter().map(split).collect()
    }

    /// `kernels::parts::join_rows`
    fn join_rows(&mut self, parts: &[Matrix]) -> Matrix {
        let rows: f64 = parts.iter().map(|part| part.rows).sum();
        let width = parts.first().map_or(0.0, |part| part.width);
        self.kernel("join_rows", parts, false, [rows, width], |kernel| copies(kernel, rows * width, rows))
    }
}

fn copies(kernel: &mut Kernel, numbers: f64, rows: f64) {
    kernel.forward = Work::by_rows(rows).stream(0.0, 2.0 * numbers);
    kernel.backward = Work::by_rows(rows).stream(0.0, 2.0 * numbers);
    kernel.reads_nothing();
}
