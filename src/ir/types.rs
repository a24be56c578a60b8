//! Types of values: rows of an entity, a width, and how each moves when the nodes are renumbered.

use crate::source::Span;
use std::fmt;
use std::sync::Arc;

/// A size, symbolic until data is known.
#[derive(Debug, Clone, PartialEq)]
pub enum Size {
    Known(usize),
    /// `N`, `E`, `F` (input feature width), `D` (edge feature width), `C` (outputs of the task).
    Symbol(&'static str),
    /// `⌈ratio · size⌉`
    Ratio(f64, Arc<Size>),
    /// `Σ sizes` (concat)
    Sum(Vec<Size>),
    /// `Π sizes` (flatten)
    Product(Vec<Size>),
}

/// A size that remembers where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Dim {
    pub size: Size,
    pub origin: Origin,
}

/// Why a size is what it is: `from_data` has no place in the file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Origin {
    pub span: Option<Span>,
    /// "the 32 comes from here", "PROTEINS has 4 features"
    pub reason: String,
}

impl Dim {
    pub fn new(size: Size, span: Option<Span>, reason: impl Into<String>) -> Self {
        Self { size, origin: Origin { span, reason: reason.into() } }
    }
    pub fn known(&self) -> Option<usize> {
        self.size.known()
    }
}

impl Size {
    /// The number, where nothing symbolic is in it.
    pub fn known(&self) -> Option<usize> {
        match self {
            Size::Known(n) => Some(*n),
            Size::Symbol(_) => None,
            // A tolerance keeps 0.1 · 30 from being rounded up to 4.
            Size::Ratio(ratio, of) => {
                of.known().map(|n| ((ratio * n as f64) - 1e-9).ceil().max(1.0) as usize)
            }
            Size::Sum(parts) => {
                parts.iter().try_fold(0usize, |sum, part| Some(sum.saturating_add(part.known()?)))
            }
            Size::Product(parts) => {
                parts.iter().try_fold(1usize, |product, part| Some(product.saturating_mul(part.known()?)))
            }
        }
    }

    /// The same size in its shortest form: nested sums and products opened, numbers added up, equal terms
    /// counted. Keeps sizes small however often values are joined.
    #[must_use]
    pub fn simplified(self) -> Size {
        if let Some(n) = self.known() {
            return Size::Known(n);
        }
        match self {
            Size::Known(_) | Size::Symbol(_) => self,
            Size::Ratio(ratio, of) => Size::Ratio(ratio, Arc::new(Size::clone(&of).simplified())),
            Size::Product(parts) => {
                let mut factor = 1usize;
                let mut rest = Vec::new();
                for part in parts.into_iter().map(Size::simplified) {
                    match part {
                        Size::Known(n) => factor = factor.saturating_mul(n),
                        Size::Product(inner) => {
                            for part in inner {
                                match part {
                                    Size::Known(n) => factor = factor.saturating_mul(n),
                                    other => rest.push(other),
                                }
                            }
                        }
                        other => rest.push(other),
                    }
                }
                product(factor, rest)
            }
            Size::Sum(parts) => {
                let mut number = 0usize;
                // Each term once, with how often it stands in the sum.
                let mut terms: Vec<(usize, Vec<Size>)> = Vec::new();
                let mut queue: Vec<Size> = parts.into_iter().rev().collect();
                while let Some(part) = queue.pop() {
                    let (count, term) = match part.simplified() {
                        Size::Known(n) => {
                            number = number.saturating_add(n);
                            continue;
                        }
                        Size::Sum(inner) => {
                            queue.extend(inner.into_iter().rev());
                            continue;
                        }
                        Size::Product(mut factors) => match factors.first() {
                            Some(&Size::Known(n)) => {
                                factors.remove(0);
                                (n, factors)
                            }
                            _ => (1, factors),
                        },
                        other => (1, vec![other]),
                    };
                    match terms.iter_mut().find(|(_, known)| *known == term) {
                        Some((total, _)) => *total = total.saturating_add(count),
                        None => terms.push((count, term)),
                    }
                }
                let mut sum: Vec<Size> =
                    terms.into_iter().map(|(count, term)| product(count, term)).collect();
                if number > 0 {
                    sum.push(Size::Known(number));
                }
                if sum.len() == 1 { sum.remove(0) } else { Size::Sum(sum) }
            }
        }
    }
}

fn product(factor: usize, mut rest: Vec<Size>) -> Size {
    if factor != 1 {
        rest.insert(0, Size::Known(factor));
    }
    if rest.len() == 1 { rest.remove(0) } else { Size::Product(rest) }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(n) = self.known() {
            return write!(f, "{n}");
        }
        let join = |f: &mut fmt::Formatter<'_>, parts: &[Size], sign: &str| {
            for (idx, part) in parts.iter().enumerate() {
                if idx > 0 {
                    f.write_str(sign)?;
                }
                write!(f, "{part}")?;
            }
            Ok(())
        };
        match self {
            Size::Known(n) => write!(f, "{n}"),
            Size::Symbol(name) => f.write_str(name),
            Size::Ratio(ratio, of) => {
                let inverse = 1.0 / ratio;
                if (inverse - inverse.round()).abs() < 1e-9 {
                    write!(f, "⌈{of}/{}⌉", inverse.round())
                } else {
                    write!(f, "⌈{ratio}·{of}⌉")
                }
            }
            Size::Sum(parts) => join(f, parts, "+"),
            Size::Product(parts) => join(f, parts, "·"),
        }
    }
}

/// What the rows of a value stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entity {
    /// Nodes of a sparse graph; they move with the numbering.
    Nodes,
    /// Edges of a sparse graph.
    Edges,
    /// Clusters of a learned assignment: a fixed number a graph, in a fixed order.
    Clusters,
    /// Sorted places (`sort_pool`): a fixed number a graph, in a fixed order, without edges.
    Slots,
    /// One row a graph.
    Graph,
}

/// Which graph of the hierarchy the rows live on: 0 is the input graph, each pooling makes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Level(pub u32);

/// How a value moves when the nodes of the input graph are renumbered.
#[derive(Debug, Clone, PartialEq)]
pub enum Symmetry {
    /// Rows move with the nodes.
    Equivariant,
    /// Nothing moves: graph vectors, clusters, sorted slots.
    Invariant,
    /// Unpredictable, with the chain of causes: the operator that read an order, then those that passed it on.
    Poisoned(Vec<Cause>),
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
    /// Rows a graph: `N` for nodes; `k` for clusters and slots; 1 for a graph.
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
            Entity::Clusters => write!(f, "clusters[{rows}, {width}]"),
            Entity::Slots => write!(f, "slots[{rows}, {width}]"),
            Entity::Graph => write!(f, "graph[{width}]"),
        }
    }
}
