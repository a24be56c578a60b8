//! Steps of a loss without targets: what is drawn for each, and what stands beside what.

use super::feed::Step;
use crate::args::Args;
use crate::data::batch::Reading;
use crate::data::views::changes::{Change, asked, changed};
use crate::data::views::corruption::corrupted;
use crate::data::views::walks::Walks;
use crate::data::views::{Views, seed_of};
use crate::data::{Dataset, GraphBatch};
use crate::ir::Model;
use crate::ops::loss::Contrast;
use candle_core::{DType, Device, Result, Tensor};
use std::sync::{Mutex, PoisonError};

/// Everything that a loss without targets learns from.
pub struct ViewPart<'a> {
    dataset: &'a Dataset,
    contrast: Contrast,
    args: Args,
    /// All graphs in one batch, as they are, made once.
    whole: Mutex<Option<GraphBatch>>,
}

/// The loss of a model that compares no targets, with its arguments.
pub fn contrast_of(model: &Model) -> Option<(Contrast, &Args)> {
    model.losses.iter().find_map(|term| Some((term.loss.contrast()?, &term.args)))
}

impl<'a> ViewPart<'a> {
    /// `None` where the loss compares with targets.
    pub fn new(dataset: &'a Dataset, model: &Model) -> Option<Self> {
        let (contrast, args) = contrast_of(model)?;
        Some(Self { dataset, contrast, args: args.clone(), whole: Mutex::default() })
    }

    /// What batches are made of: nodes that walks begin at, else graphs.
    pub fn units(&self) -> Vec<u32> {
        let n = match self.contrast {
            Contrast::Walks => self.dataset.n_nodes(),
            _ => self.dataset.n_graphs(),
        };
        (0..n as u32).collect()
    }

    /// Whether something is drawn for each step.
    pub fn draws(&self) -> bool {
        self.contrast != Contrast::Readout
    }

    /// What has a value of the loss of its own, of these units.
    pub fn items(&self, units: &[u32]) -> Vec<u32> {
        match self.contrast {
            Contrast::Walks | Contrast::Views => units.to_vec(),
            Contrast::Corruption | Contrast::Readout => {
                let nodes = units.iter().flat_map(|&graph| self.dataset.graph_nodes(graph as usize));
                nodes.map(|node| node as u32).collect()
            }
        }
    }

    /// These graphs as they are.
    fn batch(&self, reading: &Reading, graphs: &[u32], device: &Device) -> Result<GraphBatch> {
        // What no weight touches is the same in every step.
        if graphs.len() < self.dataset.n_graphs()
            || reading.sign_seed.is_some()
            || self.dataset.n_graphs() > 1
        {
            return self.dataset.batch_with(reading, graphs, DType::F32, device);
        }
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*whole {
            return Ok(known.clone());
        }
        let batch = self.dataset.batch_with(reading, graphs, DType::F32, device)?.kept();
        *whole = Some(batch.clone());
        Ok(batch)
    }

    /// The step over these units.
    ///
    /// # Errors
    /// Where Candle cannot allocate.
    pub fn step(&self, reading: &Reading, units: &[u32], seed: u64, device: &Device) -> Result<Step> {
        let draws_signs = !self.dataset.random_signs.is_empty();
        let reading = Reading { sign_seed: draws_signs.then_some(seed), ..*reading };
        let (mut batch, views) = match self.contrast {
            Contrast::Walks => {
                let graphs: Vec<u32> = (0..self.dataset.n_graphs() as u32).collect();
                let pairs = Walks::of(&self.args).pairs(self.dataset, units, seed, device)?;
                (self.batch(&reading, &graphs, device)?, Views::Walks(pairs))
            }
            Contrast::Corruption => {
                let batch = self.batch(&reading, units, device)?;
                let other = corrupted(&batch, seed)?;
                (batch, Views::Second(Box::new(other)))
            }
            Contrast::Readout => (self.batch(&reading, units, device)?, Views::Nothing),
            Contrast::Views => {
                let batch = self.batch(&reading, units, device)?;
                let changes: Vec<Change> = asked(&self.args);
                let second = changed(&batch, &changes, seed_of(seed, 2))?;
                (changed(&batch, &changes, seed_of(seed, 1))?, Views::Second(Box::new(second)))
            }
        };
        batch.graphs = units.to_vec();
        let items = self.items(units);
        let targets = Tensor::zeros(items.len(), DType::I64, device)?;
        Ok(Step::of_views(batch, items, views, targets))
    }
}
