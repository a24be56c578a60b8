//! What an operator computes, as one program: values in spaces, made by a closed set of primitives.
//!
//! Gradients ([`gradient`]), symmetry ([`symmetry`]), cost and the printed form ([`text`]) follow from the program; an
//! operator says none of them itself. Nothing here knows Candle or files; `kernels/program` runs what is built here, and
//! [`reference`] is its meaning, written as plain loops.
//!
//! A value has a number of rows that its [`Space`] decides and up to three feature axes. Index maps lead from one space
//! to another: [`Index::Source`] from an edge to the node it comes from, [`Index::Graph`] from a row to its graph. `gather`
//! reads along a map, `reduce` sums against it, and each is the gradient of the other.

pub mod build;
pub mod composite;
pub mod fun;
pub mod gradient;
pub mod pieces;
pub mod recognise;
#[cfg(test)]
pub(crate) mod reference;
pub mod special;
pub mod symmetry;
pub mod text;
pub mod words;

pub use build::{Build, Edges, V};
pub use composite::{Composite, Norm};
pub use fun::Fun;

use crate::types::{Dim, Size};

/// What the rows of a value stand for. All of them belong to the level that the stage works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// One row: weights and numbers.
    One,
    /// A row a graph.
    Graphs,
    /// Nodes of a sparse graph, or clusters.
    Rows,
    /// Those of them that a selection keeps.
    Kept,
    /// Edges, in the order *(target, source, kind)*; of clusters all pairs of a graph.
    Edges,
    /// Of pairs that a task asks about, the distinct sources with their kinds: what several pairs have in common is made once.
    Queries,
}

/// A map from the rows of one space to those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Index {
    /// From an edge to the row that gathers it.
    Target,
    /// From an edge to the row that it comes from.
    Source,
    /// From a row to its graph.
    Graph,
    /// From any row to the one of [`Space::One`].
    All,
}

impl Index {
    /// The space that the map leads to.
    pub fn to(self) -> Space {
        match self {
            Index::Target | Index::Source => Space::Rows,
            Index::Graph => Space::Graphs,
            Index::All => Space::One,
        }
    }

    /// Whether rows of this space have the map.
    pub fn is_from(self, space: Space) -> bool {
        match self {
            Index::Target => space == Space::Edges,
            Index::Source => matches!(space, Space::Edges | Space::Queries),
            Index::Graph => space == Space::Rows,
            Index::All => space != Space::One,
        }
    }
}

/// How many rows become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reduce {
    /// In the order of the map, from 0.
    Sum,
    /// 0 where there are none. A gradient is shared by equal largest values.
    Max,
    /// The product, 1 where there are none. The gradient of a factor is the product of the others, also where some are 0.
    Mul,
}

impl Reduce {
    /// As the printed program says it.
    pub fn word(self) -> &'static str {
        match self {
            Reduce::Sum => "sum",
            Reduce::Max => "max",
            Reduce::Mul => "mul",
        }
    }
}

/// A value of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub u32);

impl Id {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What makes a value. Axes count from the first feature axis; rows are none.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// What comes in at a port.
    Input(usize),
    /// A learned tensor, or a buffer.
    Weight(usize),
    Constant(f64),
    /// How many edges or rows lead to each row of the map's space.
    Count(Index),
    /// 0, 1, 2, … along its one axis: places of features, never of rows.
    Iota,
    /// 1 for an edge from a row to itself, else 0.
    IsLoop,
    /// 0 with the probability `p`, else `1 / (1 − p)`; a function of the step's seed, the site, the row and the column.
    Random {
        site: usize,
        p: f64,
    },
    /// A number of mean 0 and variance 1 in training, else 0; a function of the step's seed, the site, the row and the column.
    Noise {
        site: usize,
    },
    /// A function of numbers at the same place. An operand of [`Space::One`], or with an axis of 1, or with fewer
    /// axes (the last ones), is repeated.
    Map(Fun, Vec<Id>),
    /// `x[.., i] · w[i, o]`, or head by head `x[h, i] · w[h, i, o]`. `transposed`: the weight is `[.., o, i]`.
    Linear {
        x: Id,
        w: Id,
        transposed: bool,
    },
    /// [`Op::Linear`] with the matrix of each row's kind: `w[t, i, o]`. Edges have kinds of their own; others are numbers
    /// that stand in a value of the same rows, whole and below `t`: those beyond count as the last, those below 0 as 0.
    Typed {
        x: Id,
        w: Id,
        kind: Option<Id>,
        transposed: bool,
    },
    /// Row by row `a[p, q] · b[q, r]`, either transposed before.
    Contract {
        a: Id,
        b: Id,
        transposed: [bool; 2],
    },
    /// Over one axis, which goes.
    Fold {
        how: Reduce,
        x: Id,
        axis: usize,
    },
    /// The same numbers under other axes.
    View(Id),
    Concat {
        parts: Vec<Id>,
        axis: usize,
    },
    /// From `start` on, as many as the result's axis says.
    Slice {
        x: Id,
        axis: usize,
        start: Size,
    },
    /// Zeros around a value: `start` before, and up to the result's axis.
    Pad {
        x: Id,
        axis: usize,
        start: Size,
    },
    /// Repeated along axes of 1, as [`Op::Map`] repeats.
    Expand(Id),
    Gather {
        x: Id,
        index: Index,
    },
    Reduce {
        how: Reduce,
        x: Id,
        index: Index,
    },
    /// Over the edges of the same kind that lead to the same row; each of them gets the result.
    Alike {
        how: Reduce,
        x: Id,
    },
    /// For each number, how many of those beside it are smaller: of the rows of its graph, of the edges to its target, or
    /// of all. Steps of a sorted order, so no gradient passes; equal numbers have equal counts in any numbering.
    Below {
        x: Id,
        index: Index,
    },
    /// `Σ a bᵀ` over the rows that lead to one: `a[.., p]`, `b[.., q]` → `[.., p, q]`.
    Outer {
        a: Id,
        b: Id,
        index: Index,
    },
    /// `Σ a bᵀ` over the rows of each kind → `[t, p, q]` of [`Space::One`]. Kinds are those of [`Op::Typed`].
    OuterOfKinds {
        a: Id,
        b: Id,
        kind: Option<Id>,
    },
    /// `a[p]` times the matrix `y[p, q]` that the map leads to; `transposed`: `y[q, p]`.
    Apply {
        a: Id,
        y: Id,
        index: Index,
        transposed: bool,
    },
    /// A named part with kernels of its own, and a function of its result.
    Call {
        what: Composite,
        args: Vec<Id>,
        then: Option<Fun>,
    },
}

impl Op {
    /// What it reads.
    pub fn args(&self) -> Vec<Id> {
        match self {
            Op::Input(_)
            | Op::Weight(_)
            | Op::Constant(_)
            | Op::Iota
            | Op::Count(_)
            | Op::IsLoop
            | Op::Random { .. }
            | Op::Noise { .. } => Vec::new(),
            Op::Map(_, args) | Op::Call { args, .. } => args.clone(),
            Op::Linear { x, w, .. } => vec![*x, *w],
            Op::Typed { x: a, w: b, kind, .. } | Op::OuterOfKinds { a, b, kind } => {
                [*a, *b].into_iter().chain(*kind).collect()
            }
            Op::Contract { a, b, .. } | Op::Outer { a, b, .. } => vec![*a, *b],
            Op::Fold { x, .. }
            | Op::View(x)
            | Op::Slice { x, .. }
            | Op::Pad { x, .. }
            | Op::Expand(x)
            | Op::Gather { x, .. }
            | Op::Reduce { x, .. }
            | Op::Below { x, .. }
            | Op::Alike { x, .. } => vec![*x],
            Op::Concat { parts, .. } => parts.clone(),
            Op::Apply { a, y, .. } => vec![*a, *y],
        }
    }

    /// The same of other values.
    #[must_use]
    pub(crate) fn with_args(&self, of: impl Fn(Id) -> Id) -> Op {
        let mut op = self.clone();
        match &mut op {
            Op::Input(_)
            | Op::Weight(_)
            | Op::Constant(_)
            | Op::Iota
            | Op::Count(_)
            | Op::IsLoop
            | Op::Random { .. }
            | Op::Noise { .. } => {}
            Op::Map(_, args) | Op::Call { args, .. } | Op::Concat { parts: args, .. } => {
                args.iter_mut().for_each(|arg| *arg = of(*arg));
            }
            Op::Typed { x: a, w: b, kind, .. } | Op::OuterOfKinds { a, b, kind } => {
                (*a, *b, *kind) = (of(*a), of(*b), kind.map(&of));
            }
            Op::Linear { x: a, w: b, .. } | Op::Contract { a, b, .. } | Op::Outer { a, b, .. } => {
                (*a, *b) = (of(*a), of(*b));
            }
            Op::Apply { a, y, .. } => (*a, *y) = (of(*a), of(*y)),
            Op::Fold { x, .. }
            | Op::View(x)
            | Op::Slice { x, .. }
            | Op::Pad { x, .. }
            | Op::Expand(x)
            | Op::Gather { x, .. }
            | Op::Reduce { x, .. }
            | Op::Below { x, .. }
            | Op::Alike { x, .. } => *x = of(*x),
        }
        op
    }
}

/// A value with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    pub op: Op,
    pub space: Space,
    /// Sizes of the feature axes, at most three.
    pub axes: Vec<Size>,
}

impl Value {
    /// Whether it goes by the edges of the level: a value of edges, or a number of them.
    pub fn reads_edges(&self) -> bool {
        matches!(self.space, Space::Edges | Space::Queries)
            || matches!(self.op, Op::Count(Index::Target | Index::Source))
    }

    /// Numbers a row.
    pub fn width(&self) -> Size {
        Size::product(self.axes.iter().cloned())
    }

    /// Numbers a row, where every size is known.
    ///
    /// # Panics
    /// Where one is not.
    pub fn known_width(&self) -> usize {
        self.known_axes().iter().product()
    }

    /// The axes, where every size is known.
    ///
    /// # Panics
    /// Where one is not.
    pub fn known_axes(&self) -> Vec<usize> {
        self.axes.iter().map(|size| size.known().expect("sizes are known where a program runs")).collect()
    }
}

/// How a weight begins, by the names of the field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    Zeros,
    Ones,
    Constant(f64),
    /// The mean number of edges that lead to a node, over the nodes of the training data; 1 where there are none.
    MeanDegree,
    /// The mean of `ln(d + 1)` over the same nodes.
    MeanLogDegree,
    /// The mean number of nodes of the graphs of the training data; 1 where there are none.
    MeanSize,
    /// The mean of `ln(n + 1)` over the same graphs.
    MeanLogSize,
    /// Uniform in ±√(6 / (fan_in + fan_out)).
    Glorot {
        fan_in: usize,
        fan_out: usize,
    },
    /// A random rotation: rows of length 1, orthogonal to each other as many at a time as there are columns.
    OrthogonalRows,
    /// Uniform in ±1/√fan_in, the default of `torch.nn.Linear` and PyG's linear layers, biases included.
    KaimingUniform {
        fan_in: usize,
    },
}

/// One weight tensor, as data. Matrices are `[in, out]`.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightSpec {
    pub name: &'static str,
    pub shape: Vec<Dim>,
    pub init: Init,
    /// A buffer (running mean) is saved but not trained.
    pub is_trained: bool,
}

/// A finished program. Values stand after what they read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Program {
    pub values: Vec<Value>,
    /// In the order in which the program asked for them.
    pub weights: Vec<WeightSpec>,
    /// The space and axes of each input, in the order of [`Op::Input`].
    pub inputs: Vec<Id>,
    /// Results, in the order given to [`Build::finish`].
    pub outputs: Vec<Id>,
}

impl Init {
    /// Whether it follows from the graphs that are trained on.
    pub fn is_counted(self) -> bool {
        matches!(self, Init::MeanDegree | Init::MeanLogDegree | Init::MeanSize | Init::MeanLogSize)
    }
}

impl Program {
    pub fn value(&self, id: Id) -> &Value {
        &self.values[id.index()]
    }

    /// The value whose numbers a view shows; a value that is no view itself.
    pub fn source(&self, mut id: Id) -> Id {
        while let Op::View(x) = self.value(id).op {
            id = x;
        }
        id
    }

    /// The same without composites: each is replaced by its expansion, where it has one.
    #[must_use]
    pub fn expanded(&self) -> Program {
        let b = Build::new();
        let mut of: Vec<V> = Vec::with_capacity(self.values.len());
        for spec in &self.weights {
            b.any_weight(spec.clone());
        }
        for value in &self.values {
            let expanded = match &value.op {
                Op::Call { what, args, then } => {
                    let args: Vec<V> = args.iter().map(|arg| of[arg.index()]).collect();
                    let x = what.expand(&args);
                    x.map(|x| then.map_or(x, |f| b.map(f, &[x])))
                }
                Op::Input(port) => Some(b.input(*port, value.space, &value.axes)),
                _ => None,
            };
            of.push(expanded.unwrap_or_else(|| {
                let op = value.op.with_args(|arg| of[arg.index()].id);
                b.push(op, value.space, value.axes.clone())
            }));
        }
        let outputs: Vec<V> = self.outputs.iter().map(|output| of[output.index()]).collect();
        b.finish(&outputs)
    }

    /// Which values the given ones depend on, themselves included.
    pub fn live(&self, roots: impl IntoIterator<Item = Id>) -> Vec<bool> {
        let mut is_live = vec![false; self.values.len()];
        for root in roots {
            is_live[root.index()] = true;
        }
        let links = self.links();
        for idx in (0..self.values.len()).rev() {
            if is_live[idx] {
                for arg in self.values[idx].op.args() {
                    is_live[arg.index()] = true;
                }
                if let Some(links) = links.filter(|_| self.values[idx].reads_edges()) {
                    is_live[links.index()] = true;
                }
            }
        }
        is_live
    }

    /// What finds the edges of the program, where these are not those of the level: it stands before all that reads them.
    pub fn links(&self) -> Option<Id> {
        let is_it = |value: &Value| matches!(value.op, Op::Call { what: Composite::Nearest { .. }, .. });
        self.values.iter().position(is_it).map(|idx| Id(idx as u32))
    }
}
