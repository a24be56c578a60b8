//! Short programs over rows that operators with a module of their own need on the way.

use super::{Arguments, Compiled, Random, Topology, run};
use crate::program::{Build, Init, Space, V};
use crate::types::{Dim, Size};
use candle_core::{Result, Tensor};
use std::sync::{Arc, OnceLock};

/// A program of rows `x` and of weights, compiled at its first run for the shapes that come in.
pub(crate) struct Rowwise {
    write: Box<Write>,
    /// Of the weights, as the operator calls them.
    names: &'static [&'static str],
    compiled: OnceLock<Arc<Compiled>>,
}

/// Writes the program, given its inputs and weights.
type Write = dyn for<'b> Fn(&'b Build, &[V<'b>], &[V<'b>]) -> V<'b> + Send + Sync;

impl Rowwise {
    /// `names`: of the weights, in their order.
    pub fn new(
        names: &'static [&'static str],
        write: impl for<'b> Fn(&'b Build, &[V<'b>], &[V<'b>]) -> V<'b> + Send + Sync + 'static,
    ) -> Self {
        Self { write: Box::new(write), names, compiled: OnceLock::new() }
    }

    /// The program for inputs of these widths and weights of these shapes; those of the first call.
    pub fn compiled(&self, widths: &[usize], shapes: &[&[usize]]) -> &Arc<Compiled> {
        self.compiled.get_or_init(|| {
            let b = Build::new();
            let input = |(k, &width): (usize, &usize)| b.input(k, Space::Rows, &[Size::Known(width)]);
            let x: Vec<V> = widths.iter().enumerate().map(input).collect();
            let weight = |(shape, name): (&&[usize], &'static str)| {
                let dims: Vec<Dim> = shape.iter().map(|&n| Dim::new(Size::Known(n), None, "")).collect();
                b.weight(name, &dims, Init::Zeros)
            };
            let w: Vec<V> = shapes.iter().zip(self.names.iter().copied()).map(weight).collect();
            let y = (self.write)(&b, &x, &w);
            Arc::new(Compiled::new(&b.finish(&[y]), &vec![true; widths.len()]))
        })
    }

    /// `inputs`: `[rows, width]`; `weights` of any shape. The result has the rows of the inputs.
    ///
    /// # Errors
    /// Where Candle cannot make a tensor.
    pub fn run(&self, inputs: &[&Tensor], weights: &[&Tensor]) -> Result<Tensor> {
        let widths: Vec<usize> = inputs.iter().map(|x| x.dims()[1]).collect();
        let shapes: Vec<&[usize]> = weights.iter().map(|w| w.dims()).collect();
        let compiled = self.compiled(&widths, &shapes);
        let rows = inputs[0].dims()[0];
        let owned = |tensors: &[&Tensor]| tensors.iter().map(|&tensor| tensor.clone()).collect::<Vec<_>>();
        let mut results = run(&Arguments {
            compiled,
            inputs: &owned(inputs),
            weights: &owned(weights),
            topology: &Topology::rows(Arc::new(vec![0, rows as u32])),
            random: Random::default(),
        })?;
        Ok(results.remove(0))
    }
}
