//! Stages that have weights of their own for each relation, or for each type of nodes: one module for each, on the part of the graph
//! that it is for.

use super::{ForwardCx, Module, Structure, Value};
use crate::kernels::graph::SparseGraph;
use crate::kernels::parts::{Parts, join_rows, split_rows};
use crate::kernels::{gather_rows, max_of_lists, mean_of_lists, sum_of_lists};
use crate::ops::hetero::{Combine, Lifted};
use crate::types::DataFacts;
use candle_core::{Result, Tensor, bail};
use std::sync::Arc;

/// One module for each part of the graph.
pub(super) struct PerPart {
    pub by: Lifted,
    pub modules: Vec<Box<dyn Module>>,
}

/// What the weights of each part have in front of their names: `author__writes__paper`, or `author`.
pub(super) fn part_names(lifted: Lifted, data: &DataFacts) -> Vec<Option<String>> {
    match (lifted, &data.schema) {
        (Lifted::Relations(_), Some(schema)) => {
            (0..schema.relations.len()).map(|relation| Some(schema.key(relation))).collect()
        }
        (Lifted::Relations(_), None) => (0..data.edge_kinds).map(|kind| Some(kind.to_string())).collect(),
        (Lifted::Types, Some(schema)) => schema.nodes.iter().map(|of| Some(of.name.clone())).collect(),
        (Lifted::Types, None) => vec![Some("node".to_owned())],
    }
}

/// What comes in at a port, by part.
fn cut(input: &Value, parts: &Parts, cx: &ForwardCx) -> Result<Vec<Value>> {
    let of_edges = matches!(input.structure, Structure::Edges(_));
    let (idx, counts) = match of_edges {
        true => (&parts.entries, parts.n_entries()),
        false => (&parts.rows, parts.n_rows()),
    };
    let x = match cx.stand_ins.of(&input.x) {
        // Most numbers are zeros, and stay so.
        Some(matrix) if !of_edges => {
            let part = |rows: &Arc<Vec<u32>>| -> Result<Tensor> {
                let picked = matrix.picked(rows);
                let stand_in = picked.stand_in(input.x.dtype())?;
                cx.stand_ins.add(&stand_in, picked);
                Ok(stand_in)
            };
            parts.all.iter().map(|of| part(&of.rows)).collect::<Result<Vec<_>>>()?
        }
        _ => split_rows(&gather_rows(&cx.stand_ins.written_out(input.x.clone())?, idx)?, &counts)?,
    };
    let structure = |graph: &Arc<SparseGraph>| match of_edges {
        true => Structure::Edges(graph.clone()),
        false => Structure::Sparse(graph.clone()),
    };
    let of_part =
        |(x, part): (Tensor, &crate::kernels::parts::Part)| Value { x, structure: structure(&part.graph) };
    Ok(x.into_iter().zip(&parts.all).map(of_part).collect())
}

impl Module for PerPart {
    fn forward(&self, inputs: &[&Value], cx: &mut ForwardCx) -> Result<Value> {
        let Structure::Sparse(graph) = &inputs[0].structure else {
            bail!("a stage with weights for each relation or type got a value that is not on nodes")
        };
        let parts = match self.by {
            Lifted::Relations(_) => graph.relations()?,
            Lifted::Types => graph.node_types()?,
        };
        if parts.all.len() != self.modules.len() {
            let (built, there) = (self.modules.len(), parts.all.len());
            bail!("the network was built for {built} relations or types of nodes, and the batch has {there}")
        }
        let cut: Vec<Vec<Value>> =
            inputs.iter().map(|input| cut(input, &parts, cx)).collect::<Result<_>>()?;
        // What is kept and left out is of the whole graph, and the parts draw random numbers of their own.
        let (constants, wanted_rows, step_seed) = (cx.constants.take(), cx.wanted_rows.take(), cx.step_seed);
        let mut results = Vec::with_capacity(self.modules.len());
        for (part, module) in self.modules.iter().enumerate() {
            let values: Vec<&Value> = cut.iter().map(|values| &values[part]).collect();
            cx.step_seed = step_seed;
            cx.step_seed = cx.seed_of(u64::MAX, part as u64);
            let result = module.forward(&values, cx)?.x;
            results.push(cx.stand_ins.written_out(result)?);
        }
        (cx.constants, cx.wanted_rows, cx.step_seed) = (constants, wanted_rows, step_seed);
        let all = join_rows(&results)?;
        let x = match self.by {
            Lifted::Relations(Combine::Mean) => mean_of_lists(&all, &parts.results, 0.0)?,
            Lifted::Relations(Combine::Max) => max_of_lists(&all, &parts.results)?,
            Lifted::Relations(Combine::Sum) | Lifted::Types => sum_of_lists(&all, &parts.results)?,
        };
        Ok(Value { x, structure: inputs[0].structure.clone() })
    }
}
