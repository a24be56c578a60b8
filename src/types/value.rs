//! Types of values: rows of an entity, a width, and how each moves when the nodes are renumbered.

use super::Size;
use crate::source::Span;
use std::fmt;
use std::sync::Arc;

/// A size that remembers where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Dim {
    pub size: Size,
    pub origin: Origin,
}

/// Why a size is what it is: `from_data` has no place in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    pub span: Option<Span>,
    /// "the 32 comes from here", "PROTEINS has 4 features"; shared by all stages that keep the size.
    pub reason: Arc<str>,
}

impl Dim {
    pub fn new(size: Size, span: Option<Span>, reason: impl Into<Arc<str>>) -> Self {
        Self { size, origin: Origin { span, reason: reason.into() } }
    }
    pub fn known(&self) -> Option<usize> {
        self.size.known()
    }
}

/// What the rows of a value stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entity {
    /// Nodes of a sparse graph; they move with the numbering.
    Nodes,
    /// Edges of a sparse graph; they move with the numbering too.
    Edges,
    /// The same edges, where a row is no features but one of so many kinds: the width of such a value is how many.
    EdgeKinds,
    /// Clusters of a learned assignment: a fixed number per graph, in a fixed order.
    Clusters,
    /// Sorted places (`sort_pool`): a fixed number per graph, in a fixed order, without edges.
    Slots,
    /// One row per graph.
    Graph,
    /// Pairs of nodes that a task asks about. They are no edges: what is known of a pair is not passed on to its ends.
    Pairs,
}

impl Entity {
    /// Whether there is a row for each edge.
    pub fn is_of_edges(self) -> bool {
        matches!(self, Entity::Edges | Entity::EdgeKinds)
    }

    /// Whether the number of rows differs from graph to graph, and their order is that of the numbering.
    pub fn is_ragged(self) -> bool {
        matches!(self, Entity::Nodes | Entity::Edges | Entity::EdgeKinds | Entity::Pairs)
    }
}

/// Which graph of the hierarchy the rows live on: 0 is the input graph, each pooling makes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Level(pub u32);

/// What happens to a value when the nodes of the input graph are renumbered.
#[derive(Debug, Clone, PartialEq)]
pub enum Symmetry {
    /// Its rows are renumbered with the nodes.
    Equivariant,
    /// It stays as it is: graph vectors, clusters, sorted slots.
    Invariant,
    /// It depends on the numbering, with the chain of causes: the operator that read an order, then those that read one
    /// again.
    Poisoned(Causes),
}

impl Symmetry {
    /// As tables say it.
    pub fn word(&self) -> &'static str {
        match self {
            Symmetry::Equivariant => "equivariant",
            Symmetry::Invariant => "invariant",
            Symmetry::Poisoned(_) => "depends on the numbering",
        }
    }
}

/// Causes in the order of the stages, shared by all stages behind them. The first ones are kept, which is where a
/// mistake is mended, and the others are counted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Causes {
    first: Arc<Vec<Cause>>,
    n_more: usize,
}

impl Causes {
    /// So many causes are kept.
    pub const MAX: usize = 12;

    #[must_use]
    pub fn and(mut self, cause: Cause) -> Self {
        if self.first.len() < Self::MAX {
            Arc::make_mut(&mut self.first).push(cause);
        } else {
            self.n_more += 1;
        }
        self
    }

    pub fn first(&self) -> &[Cause] {
        &self.first
    }

    /// How many there are beside the first.
    pub fn n_more(&self) -> usize {
        self.n_more
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    pub span: Span,
    /// "`flatten` lays the nodes out in the order they are numbered"
    pub text: String,
}

/// The type of a value: `nodes[N, 64]`, `clusters[155, 64]`, `graph[64]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    pub entity: Entity,
    pub level: Level,
    /// Rows per graph: `N` for nodes; `k` for clusters and slots; 1 for a graph.
    pub rows: Dim,
    pub width: Dim,
    pub symmetry: Symmetry,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, width) = (&self.rows.size, &self.width.size);
        match self.entity {
            Entity::Nodes => write!(f, "nodes[{rows}, {width}]"),
            Entity::Edges => write!(f, "edges[{rows}, {width}]"),
            Entity::EdgeKinds => write!(f, "kinds[{rows}, {width}]"),
            Entity::Clusters => write!(f, "clusters[{rows}, {width}]"),
            Entity::Slots => write!(f, "slots[{rows}, {width}]"),
            Entity::Graph => write!(f, "graph[{width}]"),
            Entity::Pairs => write!(f, "pairs[{rows}, {width}]"),
        }
    }
}
