//! Stages that compute nothing: what the data brings, and edges laid out anew.

use super::{ForwardCx, Module, Structure, Value};
use crate::kernels;
use crate::kernels::graph::Remaining;
use crate::ops::Action;
use crate::types::Entity;
use candle_core::{Result, Tensor, bail};

/// The module of an operator without a program.
///
/// # Errors
/// Where it has to have one.
pub fn module(name: &str, action: Action, entity: Entity) -> Result<Box<dyn Module>> {
    match action {
        Action::Input => Ok(Box::new(Given)),
        Action::RemainingEdges => Ok(Box::new(RemainingEdges { is_kind: entity == Entity::EdgeKinds })),
        _ => bail!("`{name}` has no program"),
    }
}

struct Given;

impl Module for Given {
    fn forward(&self, inputs: &[&Value], _: &mut ForwardCx) -> Result<Value> {
        Ok(inputs[0].clone())
    }
}

struct RemainingEdges {
    is_kind: bool,
}

impl Module for RemainingEdges {
    fn forward(&self, inputs: &[&Value], _: &mut ForwardCx) -> Result<Value> {
        let (Structure::Edges(_), Structure::Sparse(selected)) = (&inputs[0].structure, &inputs[1].structure)
        else {
            bail!("`remaining_edges` got a value that is not on edges, or nodes without edges")
        };
        let Some(entries) = &selected.remaining else {
            bail!("`remaining_edges` got nodes that no pooling made")
        };
        let structure = Structure::Edges(selected.clone());
        let Some(kinds) = selected.kinds.as_ref().filter(|_| self.is_kind) else {
            let x = match entries {
                Remaining::Kept(entries) => kernels::gather_rows(&inputs[0].x, entries)?,
                Remaining::Merged(lists) => kernels::sum_of_lists(&inputs[0].x, lists)?,
            };
            return Ok(Value { x, structure });
        };
        let shape = (kinds.of_entry.len(), 1);
        Ok(Value { x: Tensor::from_slice(&kinds.of_entry, shape, inputs[0].x.device())?, structure })
    }
}
