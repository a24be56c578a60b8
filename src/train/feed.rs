//! The batches of one part of a split, for tasks on graphs, nodes, edges and links alike.

use super::links::LinkPart;
use super::views::ViewPart;
use crate::args::BoundCall;
use crate::data::batch::{EdgeReads, Reading};
use crate::data::features::scaling::Scaling;
use crate::data::views::Views;
use crate::data::{Dataset, GraphBatch, Split, Targets};
use crate::ir::Model;
use crate::kernels;
use crate::lower::{ForwardCx, Network, Value};
use crate::settings::metric::Predictions;
use crate::types::{Entity, TargetKind, Task};
use candle_core::{DType, Device, Result, Tensor};
use std::sync::Arc;

/// Graphs of one part, and which of their items belong to it; of a task on links, the links.
pub struct Feed<'a> {
    dataset: &'a Dataset,
    /// What of its edges the batches carry.
    reads: EdgeReads,
    device: &'a Device,
    /// What batches are made of: graphs with at least one item in the part, or links, ascending.
    pub graphs: Vec<u32>,
    /// For tasks on nodes and on edges: whether one is in the part.
    is_member: Option<Vec<bool>>,
    task: Task,
    scaling: Option<&'a Scaling>,
    /// Of the values to be predicted.
    targets: Option<&'a Scaling>,
    links: Option<LinkPart<'a>>,
    views: Option<ViewPart<'a>>,
}

/// What one step needs.
#[derive(Clone)]
pub struct Step {
    pub batch: GraphBatch,
    /// Items in the order of the rows that are compared with targets.
    pub items: Vec<u32>,
    /// For node tasks: the rows of those items in the batch, `[n_items]`; `None` where it is all of them.
    rows: Option<Arc<Vec<u32>>>,
    /// Rows of an item that stand beside each other once they are picked: a link and the pairs that it is told from.
    beside: usize,
    /// Whether items are queries, whose rows have a label for each node: nothing of them is kept beside their loss.
    pub is_of_queries: bool,
    /// What a loss without targets compares.
    views: Option<Views>,
    /// `[n_items]` classes or `[n_items, n_values]`; `None` where the data carries no labels.
    pub targets: Option<Tensor>,
}

impl<'a> Feed<'a> {
    /// `items` are graphs, nodes, edges or links, as the task has it; `reads` is what the model reads of the edges.
    pub fn new(
        dataset: &'a Dataset,
        task: Task,
        reads: EdgeReads,
        items: &[u32],
        device: &'a Device,
    ) -> Self {
        let (mut graphs, mut is_member) = (items.to_vec(), None);
        if let Some(offsets) = dataset.item_offsets(task) {
            let mut member = vec![false; offsets[offsets.len() - 1] as usize];
            items.iter().for_each(|&item| member[item as usize] = true);
            let of_graph = |graph: usize| offsets[graph] as usize..offsets[graph + 1] as usize;
            graphs = (0..dataset.n_graphs() as u32)
                .filter(|&graph| member[of_graph(graph as usize)].contains(&true))
                .collect();
            is_member = Some(member);
        }
        graphs.sort_unstable();
        Self {
            dataset,
            reads,
            device,
            graphs,
            is_member,
            task,
            scaling: None,
            targets: None,
            links: None,
            views: None,
        }
    }

    /// The same of a task on links, with the edges that pass messages: those of the training part of `split`, and where the test part
    /// is measured those of the validation part too. Without a split all edges pass messages but those of the part itself. Pairs are drawn as
    /// `negatives` says, or one for each link where nothing is trained; where every node is scored, steps are over queries instead of links.
    /// Without effect on other tasks.
    #[must_use]
    pub fn of_links(self, task: Task, split: Option<&Split>, negatives: Option<&BoundCall>) -> Self {
        if task.kind != TargetKind::Links {
            return self;
        }
        let links = LinkPart::new(self.dataset, &self.graphs, split, negatives);
        let graphs = links.n_queries().map_or(self.graphs, |n| (0..n as u32).collect());
        Self { links: Some(links), graphs, ..self }
    }

    /// All of the data, as a loss without targets learns from it. Without effect on other losses.
    #[must_use]
    pub fn of_views(self, model: &Model) -> Self {
        match ViewPart::new(self.dataset, model) {
            Some(views) => Self { graphs: views.units(), is_member: None, views: Some(views), ..self },
            None => self,
        }
    }

    /// Whether something is drawn anew for each step beside signs: pairs, walks, shuffles, copies.
    pub fn draws(&self) -> bool {
        self.links.is_some() || self.views.as_ref().is_some_and(ViewPart::draws)
    }

    /// What a task on links is measured with.
    pub fn links(&self) -> Option<&LinkPart<'a>> {
        self.links.as_ref()
    }

    /// The edges that pass messages, of a task on links.
    ///
    /// # Errors
    /// Where Candle cannot allocate.
    pub fn messages(&self, links: &LinkPart) -> Result<GraphBatch> {
        let reading = Reading { edges: self.reads, scaling: self.scaling, sign_seed: None };
        links.messages(&reading, self.device)
    }

    /// The same with features scaled by the training part.
    #[must_use]
    pub fn scaled(self, scaling: Option<&'a Scaling>) -> Self {
        Self { scaling, ..self }
    }

    /// The same with values to be predicted scaled by the training part.
    #[must_use]
    pub fn with_targets(self, targets: Option<&'a Scaling>) -> Self {
        Self { targets, ..self }
    }

    pub fn is_empty(&self) -> bool {
        self.graphs.is_empty()
    }

    /// The items of these graphs that are in the part, in the order of their rows.
    pub fn items(&self, graphs: &[u32]) -> Vec<u32> {
        if let Some(views) = &self.views {
            return views.items(graphs);
        }
        let (Some(is_member), Some(offsets)) = (&self.is_member, self.dataset.item_offsets(self.task)) else {
            return graphs.to_vec();
        };
        let items = graphs.iter().flat_map(|&graph| offsets[graph as usize]..offsets[graph as usize + 1]);
        items.filter(|&item| is_member[item as usize]).collect()
    }

    /// The step over these graphs.
    ///
    /// # Errors
    /// Where Candle cannot allocate.
    pub fn step(&self, graphs: &[u32]) -> Result<Step> {
        self.step_with(graphs, None)
    }

    /// The step over these graphs, with signs drawn where features have free ones; of links, with the pairs drawn that they are told from.
    ///
    /// # Errors
    /// Where Candle cannot allocate.
    pub fn step_with(&self, graphs: &[u32], sign_seed: Option<u64>) -> Result<Step> {
        let reading = Reading { edges: self.reads, scaling: self.scaling, sign_seed };
        if let Some(links) = &self.links {
            return links.step(&reading, graphs, sign_seed, self.device);
        }
        if let Some(views) = &self.views {
            return views.step(&reading, graphs, sign_seed.unwrap_or_default(), self.device);
        }
        let mut batch = self.dataset.batch_with(&reading, graphs, DType::F32, self.device)?;
        let items = self.items(graphs);
        if self.task.is_of_edges() {
            self.dataset.ask_about_edges(&items, graphs, &mut batch);
        }
        let rows = match &self.is_member {
            Some(is_member) if self.task.entity == Entity::Nodes && items.len() < batch.graph.n_nodes() => {
                let nodes = graphs.iter().flat_map(|&graph| self.dataset.graph_nodes(graph as usize));
                let rows: Vec<u32> =
                    nodes.zip(0..).filter(|&(node, _)| is_member[node]).map(|(_, row)| row).collect();
                Some(Arc::new(rows))
            }
            _ => None,
        };
        let targets = self.dataset.scaled_targets(&items, self.targets, DType::F32, self.device)?;
        Ok(Step { batch, items, rows, beside: 1, is_of_queries: false, views: None, targets })
    }

    /// The same for training, where what stands beside a link may depend on what the network takes for one.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn training_step(&self, graphs: &[u32], seed: Option<u64>, network: &Network) -> Result<Step> {
        match &self.links {
            Some(links) => {
                let reading = Reading { edges: self.reads, scaling: self.scaling, sign_seed: seed };
                links.training_step(&reading, graphs, seed, network, self.device)
            }
            None => self.step_with(graphs, seed),
        }
    }

    /// The step over these graphs, to be run again and again.
    ///
    /// # Errors
    /// Where Candle cannot allocate.
    pub fn kept_step(&self, graphs: &[u32]) -> Result<Step> {
        let step = self.step(graphs)?;
        Ok(Step { batch: step.batch.kept(), ..step })
    }

    /// All steps over the part in ascending order.
    ///
    /// # Errors
    /// Where Candle cannot allocate.
    pub fn steps(&self, batch_size: usize) -> impl Iterator<Item = Result<Step>> {
        self.graphs.chunks(batch_size).map(|graphs| self.step(graphs))
    }

    /// Outputs as the network makes them beside the targets of `items`, in their own units.
    pub fn predictions(&self, outputs: Vec<f32>, width: usize, items: &[u32]) -> Predictions {
        predictions(self.dataset, outputs, width, items)
    }

    /// The targets of predictions as the network sees them.
    pub fn scaled_values(&self, predictions: &Predictions) -> Option<Vec<f32>> {
        scaled_values(self.targets, predictions)
    }

    /// Has outputs in the units of the data, as targets are.
    pub fn in_units(&self, predictions: &mut Predictions) {
        if let Some(scaling) = self.targets {
            scaling.undo(&mut predictions.outputs);
        }
    }
}

/// The targets of predictions as a network sees them that was trained on scaled ones; `None` where they are not scaled.
pub fn scaled_values(scaling: Option<&Scaling>, predictions: &Predictions) -> Option<Vec<f32>> {
    let mut values = predictions.values.clone();
    scaling?.apply(&mut values);
    Some(values)
}

/// Outputs beside the targets of `items`.
pub fn predictions(dataset: &Dataset, outputs: Vec<f32>, width: usize, items: &[u32]) -> Predictions {
    let (mut classes, mut values) = (Vec::new(), Vec::new());
    match &dataset.targets {
        Targets::Classes(all) => classes = items.iter().map(|&item| all[item as usize] as u32).collect(),
        Targets::Values { values: all, n_values } => {
            values = items
                .iter()
                .flat_map(|&item| &all[item as usize * n_values..][..*n_values])
                .copied()
                .collect();
        }
        Targets::None => {}
    }
    Predictions { width, outputs, classes, values, ..Predictions::default() }
}

impl Step {
    /// A step over links: `rows` are those of each link and of the pairs that it is told from, beside each other.
    pub(super) fn of_links(batch: GraphBatch, items: Vec<u32>, rows: Vec<u32>, targets: Tensor) -> Self {
        let beside = rows.len() / items.len().max(1);
        let rows = Some(Arc::new(rows));
        Self { batch, items, rows, beside, is_of_queries: false, views: None, targets: Some(targets) }
    }

    /// A step over queries: `rows` are those of each query with every node, `labels` say which of them are links.
    pub(super) fn of_queries(batch: GraphBatch, items: Vec<u32>, rows: Vec<u32>, labels: Tensor) -> Self {
        Self { is_of_queries: true, ..Self::of_links(batch, items, rows, labels) }
    }

    /// A step of a loss without targets.
    pub(super) fn of_views(batch: GraphBatch, items: Vec<u32>, views: Views, targets: Tensor) -> Self {
        Self {
            batch,
            items,
            rows: None,
            beside: 1,
            is_of_queries: false,
            views: Some(views),
            targets: Some(targets),
        }
    }

    /// The network's output on this step, with the rows alone that are compared with targets: `[n_items, width]`. Of a loss without targets
    /// what each item costs.
    ///
    /// # Errors
    /// Where Candle fails.
    pub fn run(&self, network: &Network, cx: &mut ForwardCx) -> Result<Value> {
        if let Some(views) = &self.views {
            return network.contrast(&self.batch, views, cx);
        }
        if self.beside > 1 {
            let mut output = network.forward(&self.batch, cx)?;
            output.x = self.pick(&output.x)?;
            return Ok(output);
        }
        cx.wanted_rows.clone_from(&self.rows);
        let mut output = network.forward(&self.batch, cx)?;
        if self.rows.is_some() && !cx.has_picked {
            output.x = self.pick(&output.x)?;
        }
        Ok(output)
    }

    /// Of the rows of an output those that are compared with targets.
    pub(super) fn pick(&self, output: &Tensor) -> Result<Tensor> {
        let picked = match &self.rows {
            Some(rows) => kernels::gather_rows(output, rows)?,
            None => output.clone(),
        };
        match self.beside {
            1 => Ok(picked),
            beside => kernels::tape::reshape(&picked, (picked.dim(0)? / beside, beside)),
        }
    }
}
