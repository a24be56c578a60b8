//! A training step on sizes alone: the kernels that each stage runs on one batch, what their results and gradients
//! take, and how much work they are. No number is computed, so a step over any batch is traced in microseconds.
//!
//! A stage records the pieces of its program ([`stage`]): the kernels of its composites under their names, and the
//! passes of what lies between. What a kernel costs stands here, once.

pub(crate) mod dense;
mod hetero;
mod message;
mod pool;
mod program;

use crate::kernels::{self, Activation, Summation};
use crate::program::{Fun, Norm};
use crate::types::Schema;
pub(crate) use program::{Programs, Ran, stage};
use std::collections::HashSet;
use std::rc::Rc;

/// Bytes of one f32.
pub const FLOAT_BYTES: f64 = 4.0;

/// Numbers of a vector.
const LANES: f64 = 16.0;

/// How large the graphs of one batch are. Fractions are fine: an average graph has them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graphs {
    /// Nodes of each graph.
    pub nodes: Vec<f64>,
    /// Directed edges of each graph.
    pub edges: Vec<f64>,
    /// Whether a contraction made them, so that nodes have edges to themselves.
    pub is_merged: bool,
    /// Pairs of nodes that the task asks about.
    pub pairs: f64,
    /// First ends with their kinds among these pairs, each counted once; 0 where as many as pairs.
    pub queries: f64,
}

impl Graphs {
    pub fn n_graphs(&self) -> f64 {
        self.nodes.len() as f64
    }
    pub fn n_nodes(&self) -> f64 {
        self.nodes.iter().sum()
    }
    pub fn n_edges(&self) -> f64 {
        self.edges.iter().sum()
    }
    /// Nodes of the graph that an average node lies in.
    pub fn rows_around_a_node(&self) -> f64 {
        self.nodes.iter().map(|n| n * n).sum::<f64>() / self.n_nodes().max(1.0)
    }
}

/// A tensor of `rows × width` numbers that is only thought of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Matrix {
    pub id: usize,
    pub rows: f64,
    pub width: f64,
    /// Whether a weight stands behind it, so that it has a gradient.
    pub is_tracked: bool,
    /// Share of the numbers that is stored, where zeros are left out; 1 where all are.
    pub density: f64,
}

impl Matrix {
    pub fn numbers(&self) -> f64 {
        self.rows * self.width
    }
}

/// What flows between stages: `crate::lower::Value` without its numbers.
#[derive(Debug, Clone)]
pub struct Value {
    pub x: Matrix,
    pub structure: Structure,
}

impl Value {
    /// The same structure with other features.
    #[must_use]
    pub fn with(&self, x: Matrix) -> Value {
        Value { x, structure: self.structure.clone() }
    }
}

/// `crate::lower::Structure` without its numbers.
#[derive(Debug, Clone)]
pub enum Structure {
    Sparse(Rc<Graphs>),
    /// A row for each edge.
    Edges(Rc<Graphs>),
    Clusters {
        n_graphs: f64,
        k: f64,
        adjacency: Option<Matrix>,
        assignment: Option<Matrix>,
    },
    Slots {
        n_graphs: f64,
        k: f64,
    },
    Graphs {
        n_graphs: f64,
    },
}

impl Structure {
    pub fn n_graphs(&self) -> f64 {
        match self {
            Structure::Sparse(graphs) | Structure::Edges(graphs) => graphs.n_graphs(),
            Structure::Clusters { n_graphs, .. }
            | Structure::Slots { n_graphs, .. }
            | Structure::Graphs { n_graphs } => *n_graphs,
        }
    }

    pub fn is_merged(&self) -> bool {
        matches!(self, Structure::Sparse(graphs) | Structure::Edges(graphs) if graphs.is_merged)
    }

    /// Rows of each graph.
    pub fn rows(&self) -> Vec<f64> {
        let equal = |n_graphs: f64, k: f64| vec![k; n_graphs as usize];
        match self {
            Structure::Sparse(graphs) => graphs.nodes.clone(),
            Structure::Edges(graphs) => graphs.edges.clone(),
            Structure::Clusters { n_graphs, k, .. } | Structure::Slots { n_graphs, k } => {
                equal(*n_graphs, *k)
            }
            Structure::Graphs { n_graphs } => equal(*n_graphs, 1.0),
        }
    }
}

/// Work of one kernel in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Work {
    /// Floating-point operations as counted by hand: multiply and add are two, an exponential is one.
    pub flops: f64,
    /// Those inside matrix products.
    pub products: f64,
    /// Numbers that matrix products write.
    pub outputs: f64,
    /// Numbers fetched from rows that edges name.
    pub gathered: f64,
    /// Runs of columns that such rows are fetched in, each at a place of its own.
    pub lookups: f64,
    /// Numbers read or written in order.
    pub streamed: f64,
    /// Rows that a loop begins anew; a narrow row costs about as much as one of a vector's length.
    pub row_visits: f64,
    /// Exponentials and logarithms, a vector of them at a time.
    pub exponentials: f64,
    /// Those that are computed one at a time.
    pub lone_exponentials: f64,
    /// Values of the error function, one at a time.
    pub erfs: f64,
    /// Dot products of rows, whose lanes are added up at the end.
    pub dots: f64,
    /// Rows that are copied, or added to another, as they stand.
    pub copies: f64,
    /// Numbers computed one by one from others that lie in a cache, a vector of them at a time.
    pub elements: f64,
    /// The same where each waits for the one before, as in a sum along a row.
    pub singles: f64,
    /// The same where operands lie at places of their own.
    pub general: f64,
    /// Numbers summed so that their order leaves no trace.
    pub exact: f64,
    /// Random numbers, each made from its place.
    pub random: f64,
    /// Numbers that dropout keeps or drops.
    pub dropped: f64,
    /// Numbers compared and moved while sorting, on one thread.
    pub sorted: f64,
    /// Further operations on tensors of a few numbers, each about a call of a kernel that has nothing to do.
    pub calls: f64,
    /// Jobs that threads share; at most one where the kernel runs on one thread.
    pub jobs: f64,
    /// Share of the longest job, where jobs differ.
    pub longest: f64,
}

impl Work {
    /// The same work several times over, one after another.
    #[must_use]
    fn times(self, n: f64) -> Self {
        Self {
            flops: n * self.flops,
            products: n * self.products,
            outputs: n * self.outputs,
            gathered: n * self.gathered,
            lookups: n * self.lookups,
            streamed: n * self.streamed,
            row_visits: n * self.row_visits,
            exponentials: n * self.exponentials,
            lone_exponentials: n * self.lone_exponentials,
            erfs: n * self.erfs,
            dots: n * self.dots,
            copies: n * self.copies,
            elements: n * self.elements,
            singles: n * self.singles,
            general: n * self.general,
            exact: n * self.exact,
            random: n * self.random,
            dropped: n * self.dropped,
            sorted: n * self.sorted,
            calls: n * self.calls,
            ..self
        }
    }

    /// Jobs of as many rows as the kernels give to one.
    fn by_rows(rows: f64) -> Self {
        let n_rows = rows.ceil() as usize;
        let jobs = n_rows.div_ceil(kernels::block_rows(n_rows)).max(1) as f64;
        Work { jobs, longest: 1.0 / jobs, ..Work::default() }
    }

    /// A function of `numbers` numbers, each of which is read or written so many times: in jobs of as many numbers as
    /// `kernels/parallel.rs` gives to one.
    pub fn elementwise(numbers: f64, times: f64) -> Self {
        let n = numbers.ceil() as usize;
        let jobs = n.div_ceil(kernels::block_elements(n)).max(1) as f64;
        Work { jobs, longest: 1.0 / jobs, ..Work::default() }.stream(numbers, times * numbers)
    }

    /// A job a graph, with these weights.
    fn by_graph(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let longest = weights.iter().fold(0.0, |a: f64, &b| a.max(b)) / total.max(1e-9);
        Work { jobs: (weights.len() as f64).max(1.0), longest, ..Work::default() }
    }

    fn serial() -> Self {
        Work { jobs: 1.0, longest: 1.0, ..Work::default() }
    }

    /// `m × k` times `k × n`.
    fn product(mut self, m: f64, k: f64, n: f64) -> Self {
        self.flops += 2.0 * m * k * n;
        // Columns are computed a vector at a time.
        let n = (n / LANES).ceil() * LANES;
        self.products += 2.0 * m * k * n;
        self.outputs += m * n;
        self
    }

    /// `flops` operations over `numbers` that are read or written in order.
    fn stream(mut self, flops: f64, numbers: f64) -> Self {
        self.flops += flops;
        self.streamed += numbers;
        self
    }

    /// Rows of `width` numbers fetched by `entries` edges, each multiplied and added.
    fn gather(mut self, entries: f64, width: f64) -> Self {
        self.flops += 2.0 * entries * width;
        self.gathered += entries * width;
        self.lookups += entries * column_runs(width);
        self
    }

    fn element(mut self, numbers: f64) -> Self {
        self.elements += numbers;
        self
    }

    fn visit(mut self, rows: f64) -> Self {
        self.row_visits += rows;
        self
    }

    fn erf(mut self, n: f64) -> Self {
        self.flops += n;
        self.erfs += n;
        self
    }

    /// Exponentials of which one is computed at a time.
    fn lone_exponentials(mut self, n: f64) -> Self {
        self.flops += n;
        self.lone_exponentials += n;
        self
    }

    fn dot(mut self, n: f64) -> Self {
        self.dots += n;
        self
    }

    fn copy(mut self, rows: f64) -> Self {
        self.copies += rows;
        self
    }

    fn single(mut self, numbers: f64) -> Self {
        self.singles += numbers;
        self
    }

    fn exponentials(mut self, n: f64) -> Self {
        self.flops += n;
        self.exponentials += n;
        self
    }

    fn sort(mut self, numbers: f64) -> Self {
        self.flops += numbers;
        self.sorted += numbers;
        self
    }

    /// Both, one after the other.
    fn and(self, other: Work) -> Self {
        Work {
            flops: self.flops + other.flops,
            products: self.products + other.products,
            outputs: self.outputs + other.outputs,
            gathered: self.gathered + other.gathered,
            lookups: self.lookups + other.lookups,
            streamed: self.streamed + other.streamed,
            row_visits: self.row_visits + other.row_visits,
            exponentials: self.exponentials + other.exponentials,
            lone_exponentials: self.lone_exponentials + other.lone_exponentials,
            erfs: self.erfs + other.erfs,
            dots: self.dots + other.dots,
            elements: self.elements + other.elements,
            singles: self.singles + other.singles,
            general: self.general + other.general,
            copies: self.copies + other.copies,
            exact: self.exact + other.exact,
            random: self.random + other.random,
            dropped: self.dropped + other.dropped,
            sorted: self.sorted + other.sorted,
            calls: self.calls + other.calls,
            jobs: self.jobs.max(other.jobs),
            longest: self.longest.max(other.longest),
        }
    }
}

/// A weight of a stage, as far as gradients of it are added up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SharedWeight {
    /// Its place among the weights of the stage.
    pub place: usize,
    pub name: &'static str,
    pub numbers: f64,
}

/// One kernel of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    pub name: &'static str,
    /// The stage that runs it; `None` for the loss.
    pub stage: Option<usize>,
    /// Its arguments beside weights.
    pub args: Vec<Matrix>,
    /// Trained weights that it reads, where several kernels of the stage may read one.
    pub weights: Vec<SharedWeight>,
    pub result: Matrix,
    pub forward: Work,
    /// Without anything that needs a gradient, there is none.
    pub backward: Work,
    /// The same work phase by phase, where it is that of a program: one launch each.
    pub forward_phases: Vec<Work>,
    pub backward_phases: Vec<Work>,
    /// By argument, whether the backward pass reads it: the tape lets go of the others.
    pub reads: Vec<bool>,
    pub reads_result: bool,
    /// Bytes beside arguments and result that are kept for the backward pass.
    pub kept_bytes: f64,
    /// Bytes beside the result that are in use while it runs forward.
    pub scratch_bytes: f64,
    /// Bytes beside gradients that are in use while it runs backward.
    pub backward_scratch_bytes: f64,
    /// Numbers of its weights' gradients.
    pub weight_gradients: f64,
    /// Whether the result is the argument's memory in another shape.
    pub is_view: bool,
    /// Nodes of the graph that an average node of the batch lies in: its neighbours lie anywhere among them.
    pub graph_rows: f64,
    /// The program whose phases do the work. Further results of the same program are kernels named `program` without
    /// one, and without work.
    pub(crate) program: Option<Ran>,
}

impl Kernel {
    /// Whether it stands for a further result of the program before it.
    pub fn is_further_result(&self) -> bool {
        self.name == "program" && self.program.is_none()
    }

    /// The backward pass reads shapes at most.
    fn reads_nothing(&mut self) {
        self.reads.fill(false);
    }

    /// Bytes of the result.
    pub fn result_bytes(&self) -> f64 {
        if self.is_view { 0.0 } else { FLOAT_BYTES * self.result.numbers() }
    }
}

/// The kernel that lets go of each matrix last, on the way back: the first that reads it there. `None` for those that no
/// gradient is computed from, and for what stands in the memory of another ([`Kernel::is_view`]).
pub fn last_backward_readers(kernels: &[Kernel], n_matrices: usize) -> Vec<Option<usize>> {
    let owners = owners(kernels, n_matrices);
    let mut readers: Vec<Option<usize>> = vec![None; n_matrices];
    for (at, kernel) in kernels.iter().enumerate().filter(|(_, kernel)| kernel.result.is_tracked) {
        let args = kernel.args.iter().zip(&kernel.reads).filter(|(_, reads)| **reads).map(|(arg, _)| arg.id);
        for id in args.chain(kernel.reads_result.then_some(kernel.result.id)) {
            readers[owners[id]].get_or_insert(at);
        }
    }
    readers
}

/// In whose memory each matrix stands.
pub fn owners(kernels: &[Kernel], n_matrices: usize) -> Vec<usize> {
    let mut owners: Vec<usize> = (0..n_matrices).collect();
    for kernel in kernels.iter().filter(|kernel| kernel.is_view) {
        if let Some(arg) = kernel.args.first() {
            owners[kernel.result.id] = owners[arg.id];
        }
    }
    owners
}

/// An auxiliary loss of a stage, a number for each graph.
#[derive(Debug, Clone, Copy)]
pub struct Reported {
    pub loss: &'static str,
    pub stage: Option<usize>,
    pub of_graphs: Matrix,
}

/// Records the kernels of a step.
#[derive(Debug, Clone)]
pub struct Trace {
    kernels: Vec<Kernel>,
    n_matrices: usize,
    stage: Option<usize>,
    /// Whether the graph is its own transpose.
    pub is_symmetric: bool,
    /// See [`Kernel::graph_rows`].
    pub graph_rows: f64,
    /// Names of the auxiliary losses that the traced stage is asked for.
    pub wanted_losses: Vec<&'static str>,
    /// The activation that the plan moved into the stage that is traced.
    pub activation: Option<Fun>,
    /// Whether anything reads the edges of the graph that the traced stage makes.
    pub needs_adjacency: bool,
    /// Whether a lift undoes the traced stage.
    pub needs_assignment: bool,
    /// Whether some node of the data has an edge to itself.
    pub has_loops: bool,
    /// How the stage sums over rows.
    pub summation: Summation,
    /// What [`Trace::shared`] has recorded.
    computed: Vec<((Norm, bool), Vec<usize>, Matrix)>,
    /// Rows of the levels whose maps were made.
    mapped: Vec<f64>,
    /// Auxiliary losses of the step, in the order of the stages.
    pub losses: Vec<Reported>,
    /// Whether the batch was cut into its relations, and into its types of nodes.
    has_parts: [bool; 2],
    /// Matrices without their zeros that some kernel has had written out.
    written_out: HashSet<usize>,
    /// Types of nodes and relations of the data, for stages that have weights for each.
    pub schema: Option<Rc<Schema>>,
    /// Kinds of edges of the data, where its nodes are of one type.
    pub n_kinds: usize,
    /// What steps before this one have worked out of the same stages.
    pub(crate) programs: Programs,
}

impl Trace {
    pub fn new(is_symmetric: bool, wanted_losses: Vec<&'static str>) -> Self {
        Self {
            kernels: Vec::new(),
            n_matrices: 0,
            stage: None,
            is_symmetric,
            graph_rows: 0.0,
            wanted_losses,
            activation: None,
            needs_adjacency: false,
            needs_assignment: false,
            has_loops: false,
            summation: Summation::Sequential,
            computed: Vec::new(),
            mapped: Vec::new(),
            losses: Vec::new(),
            has_parts: [false; 2],
            written_out: HashSet::new(),
            schema: None,
            n_kinds: 0,
            programs: Programs::default(),
        }
    }

    /// Whose kernels are recorded from here on.
    pub fn begin(
        &mut self,
        stage: Option<usize>,
        activation: Option<Fun>,
        needs_adjacency: bool,
        summation: Summation,
    ) {
        self.stage = stage;
        self.summation = summation;
        self.activation = activation;
        self.needs_adjacency = needs_adjacency;
    }

    /// Forward sums over rows fetched by `entries` edges. Where their order may leave no trace, the sums are put together
    /// in f64 on a grid, after a first look at all terms.
    fn sums(&self, work: Work, entries: f64, width: f64) -> Work {
        match self.summation {
            Summation::Sequential => work.gather(entries, width),
            Summation::Reproducible => {
                Work { exact: work.exact + entries * width, ..work }.gather(entries, width)
            }
        }
    }

    pub fn kernels(&self) -> &[Kernel] {
        &self.kernels
    }

    /// The stages from `first` on were run so many times more, forward and backward, and what one more pass keeps is kept too.
    pub(crate) fn repeated(&mut self, first: usize, n_more: f64) {
        for kernel in
            self.kernels.iter_mut().filter(|kernel| kernel.stage.is_some_and(|stage| stage >= first))
        {
            kernel.forward = kernel.forward.times(1.0 + n_more);
            kernel.backward = kernel.backward.times(1.0 + n_more);
            for phase in kernel.forward_phases.iter_mut().chain(&mut kernel.backward_phases) {
                *phase = phase.times(1.0 + n_more);
            }
            kernel.kept_bytes = 2.0 * kernel.kept_bytes + FLOAT_BYTES * kernel.result.numbers();
        }
    }

    /// The backward pass begins at `total`: what no gradient arrives at from there runs forward only.
    pub fn differentiate(&mut self, total: Matrix) {
        let mut arrives = vec![false; self.n_matrices];
        arrives[total.id] = true;
        for kernel in self.kernels.iter_mut().rev() {
            if !arrives[kernel.result.id] && !kernel.is_further_result() {
                kernel.result.is_tracked = false;
                kernel.backward = Work::default();
                kernel.backward_phases.clear();
            }
            let is_reached = arrives[kernel.result.id];
            for arg in kernel.args.iter().filter(|arg| is_reached && arg.is_tracked) {
                arrives[arg.id] = true;
            }
        }
    }

    /// Numbers of the values and weights whose gradients are added up on the way back, once for each reader beyond the
    /// first.
    pub fn sums_of_gradients(&self) -> Vec<f64> {
        let mut has_gradient = vec![false; self.n_matrices];
        let mut weights = HashSet::new();
        let mut sums = Vec::new();
        for kernel in self.kernels.iter().rev().filter(|kernel| kernel.result.is_tracked) {
            if kernel.is_further_result() {
                continue;
            }
            for arg in kernel.args.iter().filter(|arg| arg.is_tracked) {
                if std::mem::replace(&mut has_gradient[arg.id], true) {
                    sums.push(arg.numbers());
                }
            }
            let again = kernel.weights.iter().filter(|weight| !weights.insert((kernel.stage, weight.place)));
            sums.extend(again.map(|weight| weight.numbers));
        }
        sums
    }

    pub fn n_matrices(&self) -> usize {
        self.n_matrices
    }

    /// A tensor that no kernel of the step makes.
    pub fn given(&mut self, rows: f64, width: f64) -> Matrix {
        self.matrix(rows, width, false)
    }

    fn matrix(&mut self, rows: f64, width: f64, is_tracked: bool) -> Matrix {
        self.n_matrices += 1;
        Matrix { id: self.n_matrices - 1, rows, width, is_tracked, density: 1.0 }
    }

    /// As [`crate::lower::ForwardCx::shared`]: recorded once for the same matrices.
    pub fn shared(
        &mut self,
        what: (Norm, bool),
        of: &[Matrix],
        compute: impl FnOnce(&mut Self) -> Matrix,
    ) -> Matrix {
        let of: Vec<usize> = of.iter().map(|matrix| matrix.id).collect();
        if let Some((_, _, result)) = self.computed.iter().find(|known| known.0 == what && known.1 == of) {
            return *result;
        }
        let result = compute(self);
        self.computed.push((what, of, result));
        result
    }

    /// Records a kernel; `fill` says what differs from one that keeps its result and nothing else.
    fn kernel(
        &mut self,
        name: &'static str,
        args: &[Matrix],
        has_weights: bool,
        [rows, width]: [f64; 2],
        fill: impl FnOnce(&mut Kernel),
    ) -> Matrix {
        let is_tracked = has_weights || args.iter().any(|arg| arg.is_tracked);
        let result = self.matrix(rows, width, is_tracked);
        let mut kernel = Kernel {
            name,
            stage: self.stage,
            args: args.to_vec(),
            weights: Vec::new(),
            result,
            forward: Work::default(),
            backward: Work::default(),
            reads: vec![true; args.len()],
            reads_result: false,
            forward_phases: Vec::new(),
            backward_phases: Vec::new(),
            kept_bytes: 0.0,
            scratch_bytes: 0.0,
            backward_scratch_bytes: 0.0,
            weight_gradients: 0.0,
            is_view: false,
            graph_rows: self.graph_rows,
            program: None,
        };
        fill(&mut kernel);
        for arg in args.iter().filter(|arg| arg.density < 1.0) {
            if self.written_out.insert(arg.id) {
                kernel.kept_bytes += FLOAT_BYTES * arg.numbers();
            }
        }
        if !is_tracked {
            kernel.backward = Work::default();
            kernel.backward_phases.clear();
        }
        self.kernels.push(kernel);
        result
    }
}

/// Runs that an aggregation cuts `width` columns into: of 64, 16, 4 and the rest (`kernels/propagate.rs`).
fn column_runs(width: f64) -> f64 {
    (width / 64.0).floor()
        + (width % 64.0 / 16.0).floor()
        + (width % 16.0 / 4.0).floor()
        + f64::from(u8::from(width % 4.0 > 0.0))
}

/// Blocks whose partial sums of a weight's gradient are kept apart: `kernels::parallel::chunk_rows`.
fn partials(rows: f64) -> f64 {
    let n_rows = rows.ceil() as usize;
    n_rows.div_ceil(kernels::chunk_rows(n_rows)) as f64
}

/// Whether a derivative reads the result only, so that it is taken inside the kernel.
fn split(activation: Activation) -> (Activation, Activation) {
    activation.split()
}

/// Exponentials an element.
fn exponentials(activation: Activation) -> f64 {
    match activation {
        Activation::Identity | Activation::Relu | Activation::LeakyRelu { .. } => 0.0,
        Activation::Elu { .. } | Activation::Sigmoid | Activation::Tanh => 1.0,
        // The error function, which is counted on its own.
        Activation::Gelu => 0.0,
    }
}

/// Values of the error function an element.
fn erfs(activation: Activation) -> f64 {
    if activation == Activation::Gelu { 1.0 } else { 0.0 }
}
