//! Short programs over rows that operators with a module of their own need on the way.

use super::{Arguments, Compiled, Random, Topology, run};
use crate::ir::{Dim, Size};
use crate::program::{Build, Init, Space, V};
use candle_core::{Result, Tensor};
use std::sync::{Arc, OnceLock};

/// A program of rows `x` and of weights, compiled at its first run for the shapes that come in.
pub(crate) struct Rowwise {
    write: Box<Write>,
    compiled: OnceLock<Arc<Compiled>>,
}

/// Writes the program, given its inputs and weights.
type Write = dyn for<'b> Fn(&'b Build, &[V<'b>], &[V<'b>]) -> V<'b> + Send + Sync;

impl Rowwise {
    pub fn new(
        write: impl for<'b> Fn(&'b Build, &[V<'b>], &[V<'b>]) -> V<'b> + Send + Sync + 'static,
    ) -> Self {
        Self { write: Box::new(write), compiled: OnceLock::new() }
    }

    /// `inputs`: `[rows, width]`; `weights` of any shape. The result has the rows of the inputs.
    ///
    /// # Errors
    /// Where Candle cannot make a tensor.
    pub fn run(&self, inputs: &[&Tensor], weights: &[&Tensor]) -> Result<Tensor> {
        const NAMES: [&str; 2] = ["first", "second"];
        let compiled = self.compiled.get_or_init(|| {
            let b = Build::new();
            let sizes = |dims: &[usize]| dims.iter().map(|&n| Size::Known(n)).collect::<Vec<_>>();
            let x: Vec<V> = inputs
                .iter()
                .enumerate()
                .map(|(k, x)| b.input(k, Space::Rows, &sizes(&x.dims()[1..])))
                .collect();
            let w: Vec<V> = weights
                .iter()
                .zip(NAMES)
                .map(|(w, name)| {
                    let dims: Vec<Dim> =
                        w.dims().iter().map(|&n| Dim::new(Size::Known(n), None, "")).collect();
                    b.weight(name, &dims, Init::Zeros)
                })
                .collect();
            let y = (self.write)(&b, &x, &w);
            Arc::new(Compiled::new(&b.finish(&[y]), &vec![true; inputs.len()]))
        });
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
