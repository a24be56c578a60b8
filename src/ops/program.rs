//! Operators that are described by a program alone: what the program sees, and what comes out.

use super::{FactCx, Init, Operator, facts};
use crate::args::{ArgValue, Args};
use crate::program::composite::Composite;
use crate::program::pieces::{Piece, pieces};
use crate::program::recognise::recognised;
use crate::program::{Build, Edges, Fun, Id, Program, Space, V};
use crate::types::{Dim, Entity, Size, Type};

/// What an operator writes its program with.
pub struct ProgramCx<'a, 'b> {
    pub args: &'a Args,
    /// Types of the inputs by port.
    pub inputs: &'a [&'a Type],
    pub output: &'a Type,
    pub b: &'b Build,
    /// By port; `None` for the kinds of edges, which are a map and no numbers.
    values: Vec<Option<V<'b>>>,
    edges: Option<Edges<'b>>,
    has_loops: bool,
}

impl<'b> ProgramCx<'_, 'b> {
    /// What the stage is applied to.
    pub fn x(&self) -> V<'b> {
        self.values[0].expect("a stage is applied to numbers")
    }

    /// What comes in at a port.
    pub fn input(&self, port: usize) -> Option<V<'b>> {
        self.values.get(port).copied().flatten()
    }

    /// The value of a pipeline argument, where it was given.
    pub fn named(&self, name: &str) -> Option<V<'b>> {
        self.input(self.args.port(name)?)
    }

    /// [`ProgramCx::named`] with its width.
    pub fn named_with_width(&self, name: &str) -> Option<(V<'b>, &Dim)> {
        let port = self.args.port(name)?;
        Some((self.input(port)?, &self.inputs[port].width))
    }

    /// The edges of the level that the stage works on.
    ///
    /// # Panics
    /// Where it has none, which the shape rule of the operator refuses.
    pub fn edges(&self) -> Edges<'b> {
        self.edges.expect("the shape rule asks for edges")
    }

    /// `x W + b`, initialised as `torch.nn.Linear`, with the names of the weight and the bias.
    pub fn linear(&self, x: V<'b>, [weight, bias]: [&'static str; 2], from: &Dim, to: &Dim) -> V<'b> {
        let init = Init::KaimingUniform { fan_in: facts::known(from) };
        let w = self.b.weight(weight, &[from.clone(), to.clone()], init);
        x.linear(w) + self.b.weight(bias, std::slice::from_ref(to), init)
    }

    /// `x W`, initialised as `torch.nn.Linear`.
    pub fn map(&self, x: V<'b>, weight: &'static str, from: &Dim, to: &Dim) -> V<'b> {
        let init = Init::KaimingUniform { fan_in: facts::known(from) };
        x.linear(self.b.weight(weight, &[from.clone(), to.clone()], init))
    }

    /// A perceptron of these widths with `relu` between its layers. `names` are those of each layer's weight and bias.
    pub fn mlp(&self, x: V<'b>, widths: &[Dim], names: &[[&'static str; 2]]) -> V<'b> {
        let layers = widths.windows(2).zip(names).enumerate();
        layers.fold(x, |x, (layer, (pair, &names))| {
            self.linear(if layer == 0 { x } else { x.relu() }, names, &pair[0], &pair[1])
        })
    }

    /// `act(x w + bias)` by the kernel of dense layers; a function that is taken of it is computed inside.
    pub fn affine(&self, x: V<'b>, w: V<'b>, bias: Option<V<'b>>) -> V<'b> {
        let args: Vec<V> = [x, w].into_iter().chain(bias).collect();
        self.b.call(Composite::Affine { has_bias: bias.is_some() }, &args)
    }

    /// The weight and the bias of a dense layer, initialised as `torch.nn.Linear`.
    pub fn dense_weights(&self, [weight, bias]: [&'static str; 2], [from, to]: [&Dim; 2]) -> [V<'b>; 2] {
        let init = Init::KaimingUniform { fan_in: facts::known(from) };
        let w = self.b.weight(weight, &[from.clone(), to.clone()], init);
        [w, self.b.weight(bias, std::slice::from_ref(to), init)]
    }

    /// What comes in at all ports.
    pub fn all(&self) -> Vec<V<'b>> {
        self.values.iter().copied().flatten().collect()
    }

    /// Whether some row may have an edge to itself.
    pub fn has_loops(&self) -> bool {
        self.has_loops
    }

    /// [`ProgramCx::edges`] without those from a row to itself.
    ///
    /// # Panics
    /// As [`ProgramCx::edges`].
    pub fn edges_without_loops(&self) -> Edges<'b> {
        if self.has_loops { self.edges().without_loops() } else { self.edges() }
    }
}

/// What a program makes.
pub struct Outcome<'b> {
    pub x: V<'b>,
    pub on: On<'b>,
    /// Auxiliary losses: name and a number for each graph.
    pub losses: Vec<(&'static str, V<'b>)>,
    /// The shares of each row in the clusters, for the statistics of a pooling.
    pub assignment: Option<V<'b>>,
}

/// Where the result lives.
pub enum On<'b> {
    /// On the rows of the input.
    Rows,
    /// A row for each graph.
    Graphs,
    /// Clusters: `x` is `[k, F]` a graph, the coarse adjacency `[k, k]`, row the cluster that gathers.
    Clusters { adjacency: V<'b> },
    /// Rows of each graph in an order of their own: `x` is `[k, F]` a graph.
    Slots,
    /// The rows that a selection keeps, or that nodes became by a contraction, with the edges between them.
    Kept { level: V<'b> },
    /// The pairs of rows that the task asks about, which are the edges of the program.
    Pairs,
}

impl<'b> Outcome<'b> {
    /// New features for the rows of the input.
    pub fn rows(x: V<'b>) -> Self {
        Self { x, on: On::Rows, losses: Vec::new(), assignment: None }
    }
    /// A vector for each graph.
    pub fn graphs(x: V<'b>) -> Self {
        Self { on: On::Graphs, ..Self::rows(x) }
    }
    /// `[k, F]` for each graph.
    pub fn slots(x: V<'b>) -> Self {
        Self { on: On::Slots, ..Self::rows(x) }
    }
    /// A row for each pair that the task asks about.
    pub fn pairs(x: V<'b>) -> Self {
        Self { on: On::Pairs, ..Self::rows(x) }
    }
    /// Features of the rows of the level that a selection or a contraction makes.
    pub fn kept(x: V<'b>, level: V<'b>) -> Self {
        Self { on: On::Kept { level }, ..Self::rows(x) }
    }
}

/// The part of [`Outcome::on`] that does not belong to a program under construction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Rows,
    Graphs,
    Clusters,
    Slots,
    /// On the level that this value of the program makes.
    Kept(Id),
    Pairs,
}

/// A program with what its results are: `x`, the coarse adjacency of a pooling, one value for each loss, the assignment.
#[derive(Debug, Clone)]
pub struct Described {
    pub program: Program,
    /// The same in the order in which it runs.
    pub pieces: Vec<Piece>,
    pub place: Place,
    /// Whether the coarse adjacency of a pooling is a result.
    pub has_adjacency: bool,
    /// Names of the losses whose values are results.
    pub losses: Vec<&'static str>,
    pub has_assignment: bool,
    /// Whether the coarse adjacency that a level of clusters has comes in behind the other inputs.
    pub reads_adjacency: bool,
    /// Which inputs of the stage are inputs of the program, in their order: all but the kinds of edges.
    pub ports: Vec<usize>,
}

impl Described {
    /// The same with composites replaced by their expansions.
    #[cfg(test)]
    pub(crate) fn expanded(&self) -> Self {
        let program = self.program.expanded();
        Self { pieces: pieces(&program), program, ..self.clone() }
    }

    /// Place of the coarse adjacency among the results.
    pub fn adjacency(&self) -> Option<usize> {
        self.has_adjacency.then_some(1)
    }
    /// Place of the first loss among the results.
    pub fn first_loss(&self) -> usize {
        1 + usize::from(self.has_adjacency)
    }
    /// Place of the assignment among the results.
    pub fn assignment(&self) -> Option<usize> {
        self.has_assignment.then(|| self.first_loss() + self.losses.len())
    }
}

/// Options of a stage that its program depends on.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Computed on the result.
    pub activation: Option<Fun>,
    /// The losses that are wanted; no other becomes a result.
    pub wanted_losses: &'a [&'static str],
    /// Whether the coarse adjacency of a pooling is a result.
    pub wants_adjacency: bool,
    /// Whether the assignment of a pooling is a result.
    pub wants_assignment: bool,
    /// Whether some row may have an edge to itself. Of clusters, each has.
    pub has_loops: bool,
    /// Whether a file wrote the formula, in which composites are to be found.
    pub is_of_file: bool,
}

impl Options<'_> {
    /// The program as the operator alone says it.
    pub fn plain() -> Self {
        Self {
            activation: None,
            wanted_losses: &[],
            wants_adjacency: true,
            wants_assignment: false,
            has_loops: false,
            is_of_file: false,
        }
    }
}

/// The argument of convolutions that says which way their messages go.
pub const DIRECTION: &str = "direction";

/// The argument that says how much those against the edges count, of both.
pub const AGAINST: &str = "against";

/// Which way messages go: a word of [`DIRECTION`].
pub fn direction(args: &Args) -> &'static str {
    match args.get(DIRECTION).map(|arg| &arg.value) {
        Some(ArgValue::Choice(word)) => word,
        _ => "along",
    }
}

/// Lets the operator write its program; `None` where it is not described by one.
pub fn describe(
    cx: &FactCx,
    options: Options,
    write: impl for<'a, 'b> Fn(&ProgramCx<'a, 'b>) -> Option<Outcome<'b>>,
) -> Option<Described> {
    let b = Build::new();
    let first = cx.inputs[0];
    let mut ports = Vec::new();
    let values = cx.inputs.iter().enumerate().map(|(port, ty)| {
        let space = match ty.entity {
            Entity::EdgeKinds => return None,
            entity if entity == first.entity => Space::Rows,
            Entity::Edges | Entity::Pairs => Space::Edges,
            _ => Space::Graphs,
        };
        ports.push(port);
        Some(b.input(ports.len() - 1, space, std::slice::from_ref(&ty.width.size)))
    });
    let values: Vec<Option<V>> = values.collect();
    let (edges, reads_adjacency) = match first.entity {
        Entity::Nodes => (Some(b.edges()), false),
        Entity::Clusters => {
            let weight = b.input(ports.len(), Space::Edges, &[Size::Known(1)]);
            (Some(b.weighted_edges(weight)), true)
        }
        Entity::Edges | Entity::EdgeKinds | Entity::Pairs | Entity::Slots | Entity::Graph => (None, false),
    };
    let has_loops = options.has_loops || first.entity == Entity::Clusters;
    let program_cx =
        ProgramCx { args: cx.args, inputs: cx.inputs, output: cx.output, b: &b, values, edges, has_loops };
    let against = || b.against(|| write(&program_cx));
    let outcome = match direction(cx.args) {
        "against" => against()?,
        "both" => {
            let share = cx.args.opt_float(AGAINST).unwrap_or(0.5);
            let (along, against) = (write(&program_cx)?, b.naming("against_", against)?);
            let losses = along.losses.iter().zip(&against.losses);
            let losses = losses.map(|(a, b)| (a.0, a.1.scale(1.0 - share) + b.1.scale(share))).collect();
            Outcome { x: along.x.scale(1.0 - share) + against.x.scale(share), losses, ..along }
        }
        _ => write(&program_cx)?,
    };
    let x = match options.activation {
        Some(f) => b.map(f, &[outcome.x]),
        None => outcome.x,
    };
    let mut results = vec![x];
    let mut place = match outcome.on {
        On::Rows => Place::Rows,
        On::Graphs => Place::Graphs,
        On::Slots => Place::Slots,
        On::Pairs => Place::Pairs,
        On::Kept { level } => Place::Kept(level.id),
        On::Clusters { adjacency } => {
            results.extend(options.wants_adjacency.then_some(adjacency));
            Place::Clusters
        }
    };
    let has_adjacency = place == Place::Clusters && options.wants_adjacency;
    let mut losses = Vec::new();
    for (name, value) in outcome.losses {
        if options.wanted_losses.contains(&name) {
            losses.push(name);
            results.push(value);
        }
    }
    let assignment = outcome.assignment.filter(|_| options.wants_assignment);
    results.extend(assignment);
    let has_assignment = assignment.is_some();
    let mut program = b.finish(&results);
    // What operators write has composites by name. On clusters edges count by how strongly they join, and composites
    // would read that.
    if options.is_of_file && first.entity == Entity::Nodes {
        let (found, now) = recognised(&program, has_loops);
        program = found;
        if let Place::Kept(level) = &mut place {
            *level = now[level.index()];
        }
    }
    Some(Described {
        pieces: pieces(&program),
        program,
        place,
        has_adjacency,
        losses,
        has_assignment,
        reads_adjacency,
        ports,
    })
}

/// The program of an operator; `None` for what the data brings, and for what only lays rows out anew.
pub fn of(op: &dyn Operator, cx: &FactCx, options: Options) -> Option<Described> {
    if cx.inputs.is_empty() {
        return None;
    }
    describe(cx, options, |cx| op.program(cx))
}
