//! Named parts of programs that have kernels of their own.
//!
//! What a composite means is its [expansion](Composite::expand) into primitives: symmetry and the reference follow from
//! it, and a test compares each kernel with it, values and gradients. Operators call composites by name, so that their
//! speed does not hang on finding a pattern again. A composite whose meaning no primitive has (a choice by value, rows
//! read in an order) has no expansion and says itself how it moves.

use super::build::Edges;
use super::symmetry::Moves;
use super::{Fun, Index, Space, V};
use crate::types::Size;

/// How the messages of a propagation are scaled. Degrees count incoming edges, or add up what clusters are joined by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Norm {
    /// `Σ_{j→i} x_j`
    Sum,
    /// `Σ_{j→i} x_j / d_i`; 0 where nothing comes in.
    Mean,
    /// `Σ_{j→i} x_j / √(d_i d_j)`; with `self_loops` each node counts as its own neighbour, once, as PyG's
    /// `gcn_norm`. A degree of 0 gives 0.
    Gcn { self_loops: bool },
    /// `(1 + eps) x_i + Σ_{j→i} x_j`
    SelfPlus { eps: f64 },
}

/// How many nodes of a graph stay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Keep {
    /// `⌈ratio · n⌉`, ratio in (0, 1], and those that tie with the last of them.
    Ratio(f64),
    /// This many and those that tie with the last of them, or all nodes of a smaller graph.
    Count(usize),
    /// Those with a score above this, or the best where none has.
    MinScore(f64),
}

/// Which nodes become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Join {
    /// Those at both ends of an edge with a number above this, and all that are linked so.
    Above(f64),
    /// Those of a graph with equal rows.
    Equal,
    /// Nodes of falling numbers with those within so many edges that none before them has; those that tie and are as near
    /// become one together.
    Around { hops: usize },
    /// Nodes along the heaviest links, pair by pair and pair of pairs by pair of pairs, into about so many parts of one size: numbers of
    /// edges.
    Balanced(Keep),
    /// The best nodes, and others with the one of them that most of their neighbours joined before.
    Votes(Keep),
}

/// What the nodes of a graph are put in order by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    Degree,
    Closeness,
    /// Nothing but what refinement finds.
    Colours,
}

/// Which edges a selection makes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Connect {
    /// Those between kept nodes.
    Edges,
    /// An edge for each walk of one or two edges from a kept node to another, one for each way to stay at either end: the
    /// entries of `(A + I)²` without its diagonal, counted by parallel edges. Loops take no part.
    Walks,
    /// An edge wherever one, or a node itself, leads from the neighbours of one node to those of another, each its own
    /// neighbour.
    Neighbourhoods { self_loops: bool },
    /// An edge each way where nodes are linked directly or through those that are gone, if the link weighs more than this: Kron
    /// reduction.
    Through { least: f64 },
}

/// How the rows of a graph become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Sum,
    Mean,
    Max,
}

/// What attention does beside its weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    pub heads: usize,
    /// Slope of the leaky ReLU below 0.
    pub slope: f64,
    /// Self-loops of the graph are replaced by one a row.
    pub self_loops: bool,
    /// Probability with which a weight `α_ij` is dropped in training.
    pub dropout: f64,
}

/// A named part. The adjacency of clusters, `[E, 1]`, comes last among the arguments where the level has one.
#[derive(Debug, Clone, PartialEq)]
pub enum Composite {
    /// `act(x W + b)`: `x`, `W [I, O]`, and `b [O]` where there is one.
    Affine { has_bias: bool },
    /// `act([P x | x] W + b)`, with `P` the propagation of `norm`; without a root `act(P x W + b)`: `x`, `W`, `b`.
    Convolve { norm: Norm, has_root: bool, has_bias: bool },
    /// `P x`
    Propagate(Norm),
    /// `max_{j→i} x_j`, 0 where nothing comes in.
    PropagateMax,
    /// The last state of an LSTM that reads the rows which lead to one in their order: `x`, `W [2F, 4F]`, `b [4F]`.
    PropagateLstm,
    /// `Σ_j α_ij h_j`, `α_ij = softmax_j(leaky_relu(a_src · h_j + a_dst · h_i))`, head by head: `h`, `a_src`, `a_dst`.
    Attend(Attention),
    /// `Σ_j α_ij v_j` over the rows of the graph, `α_ij = softmax_j(q_i · k_j / √d)`, head by head of width `d`: queries,
    /// keys and values beside each other. Shares are dropped in training with probability `dropout`; `place` tells the sites
    /// of one stage apart.
    SelfAttention { width: Size, heads: usize, dropout: f64, place: usize },
    /// The edges of all that follows: from the `k` rows of the graph nearest to each row, itself among them, and those that tie
    /// with the last. No number.
    Nearest { k: usize },
    /// Rows that are learned themselves, one for each row of the level: a weight `[N, F]`.
    Table,
    /// A function alone.
    Activate(Fun),
    /// Numbers set to 0 in training, with probability `p`; `place` tells the sites of one stage apart.
    Dropout { p: f64, place: usize },
    /// Each feature by its statistics over all rows: `x`, `γ`, `β`, and the running mean and variance. Of `x [p, F]` each place counts as a
    /// row, as of the channels of an image.
    BatchNorm { momentum: f64, eps: f64 },
    /// Each row by its own statistics: `x`, `γ`, `β`.
    RowNorm { eps: f64 },
    /// All numbers of a graph by their statistics: `x`, `γ`, `β`.
    GraphNorm { eps: f64 },
    /// Side by side.
    Beside,
    /// The arguments added up.
    Plus,
    /// Of each edge the product of what its query has, `φ [F]`, with what its target has, `x [F]`.
    Answers,
    /// Softmax over the features of each row.
    SoftmaxRows,
    /// The rows of each graph as one.
    Readout(Over),
    /// The first `k` rows of each graph in falling order of their last feature, then of the one before, …; zeros where
    /// there are fewer.
    Sort { k: Size },
    /// The rows of each graph one after another: of nodes as many as fit into the width, zeros where there are fewer.
    Flatten { width: Size },
    /// `Sᵀ Z` of each graph: `S [k]`, `Z [F]`.
    Pool,
    /// `Sᵀ A S` of each graph.
    CoarseAdjacency,
    /// `‖A − S Sᵀ‖_F / n²` of each graph.
    LinkLoss,
    /// The mean entropy of the rows of each graph.
    Entropy,
    /// The logarithm of a draw from the gamma distribution of each number and rate 1 in training, else the logarithm of the
    /// number, which is its mean; `place` tells the sites of one stage apart. Gradients go through the draw.
    GammaDraws { place: usize },
    /// `Σ_ij ln(1 + exp(a_i · b_j))` over all pairs of rows of each graph: `a`, `b`.
    PairSoftplus,
    /// Of each graph `Σ ln(1 + exp(a_i · b_j))` over pairs of rows that no edge links, so many for each edge, drawn while training,
    /// and how many they are, `[2]`: `a`, `b`. Otherwise the mean over all such pairs times their number. With `own_loops` every
    /// row counts as an edge to itself, in place of those that it has.
    UnlinkedSoftplus { per_edge: f64, own_loops: bool, place: usize },
    /// 1 or −1: the side of a node in the largest cut of what it is linked to. Any value of the nodes, and what edges count where they do
    /// not count 1.
    CutSides,
    /// `Hᵀ` where the adjacency of each graph is nearly `W H`, two matrices of which no number is below 0: any value of the nodes.
    Factors { k: Size },
    /// The rows with the largest scores, all that tie with the last: a level of its own. With [`Connect::Through`], also what edges
    /// count where they do not count 1.
    Select(Keep, Connect),
    /// `x` at the rows that a selection keeps: `x`, the selection.
    Kept,
    /// Edges contracted by falling score, those that tie together: a level of its own, whose rows are the nodes that
    /// became one. A number for each edge, and further ones that decide where the first tie.
    Contract { self_loops: bool },
    /// Nodes that become one by a rule: a level of its own, as that of a contraction. Numbers of edges or of nodes.
    Join { rule: Join, self_loops: bool },
    /// `Σ` of `x` over the rows that became one: `x`, the contraction.
    Merged,
    /// The largest of `x` over the rows that became one: `x`, the contraction.
    MergedMax,
    /// Of each row, `x` projected onto the eigenspaces of the lowest eigenvalues of the Laplacian of what becomes one with it, beside
    /// each other: `x`, the contraction, and what edges weigh.
    Bands { modes: usize, normalized: bool },
    /// `1 / d` with `d` edges, at least one, to the nearest row that a column marks; 0 where there is none: marks.
    Nearness,
    /// Of each graph the rows around some, in a canonical order: `w` times `k` rows.
    Fields { w: usize, k: usize, stride: usize, order: Order },
    /// Of each row that several became, the mean over the edges that were contracted for it, which tie, or over the nodes
    /// that others gathered around; 1 where a row stayed alone: numbers of edges, or of nodes, the contraction.
    OfContracted,
}

impl Composite {
    /// Whether what comes behind it lies on another level, or goes by other edges.
    pub fn makes_level(&self) -> bool {
        matches!(
            self,
            Composite::Select(..)
                | Composite::Contract { .. }
                | Composite::Join { .. }
                | Composite::Nearest { .. }
        )
    }

    /// As the printed program says it.
    pub fn name(&self) -> &'static str {
        match self {
            Composite::Affine { .. } => "affine",
            Composite::Convolve { .. } => "convolve",
            Composite::Propagate(_) => "propagate",
            Composite::PropagateMax => "propagate_max",
            Composite::PropagateLstm => "propagate_lstm",
            Composite::Attend(_) => "attend",
            Composite::SelfAttention { .. } => "self_attention",
            Composite::Nearest { .. } => "nearest",
            Composite::Table => "table",
            Composite::Activate(f) => f.name(),
            Composite::Dropout { .. } => "dropout",
            Composite::BatchNorm { .. } => "batch_norm",
            Composite::RowNorm { .. } => "row_norm",
            Composite::GraphNorm { .. } => "graph_norm",
            Composite::Beside => "beside",
            Composite::Plus => "plus",
            Composite::Answers => "answers",
            Composite::SoftmaxRows => "softmax_rows",
            Composite::Readout(Over::Sum) => "graph_sum",
            Composite::Readout(Over::Mean) => "graph_mean",
            Composite::Readout(Over::Max) => "graph_max",
            Composite::Sort { .. } => "sort",
            Composite::Flatten { .. } => "flatten",
            Composite::Pool => "pool",
            Composite::CoarseAdjacency => "coarse_adjacency",
            Composite::LinkLoss => "link_loss",
            Composite::Entropy => "assignment_entropy",
            Composite::GammaDraws { .. } => "gamma_draws",
            Composite::PairSoftplus => "pair_softplus",
            Composite::UnlinkedSoftplus { .. } => "unlinked_softplus",
            Composite::CutSides => "cut_sides",
            Composite::Factors { .. } => "factors",
            Composite::Select(..) => "select",
            Composite::Kept => "kept",
            Composite::Contract { .. } => "contract",
            Composite::Join { .. } => "join",
            Composite::Merged => "merged",
            Composite::MergedMax => "merged_max",
            Composite::Bands { .. } => "bands",
            Composite::Nearness => "nearness",
            Composite::Fields { .. } => "fields",
            Composite::OfContracted => "of_contracted",
        }
    }

    /// What stands beside the name in brackets.
    pub fn details(&self) -> Vec<String> {
        let norm = |norm: &Norm| match norm {
            Norm::Sum => "sum".to_owned(),
            Norm::Mean => "mean".to_owned(),
            Norm::Gcn { self_loops: true } => "degrees with loops".to_owned(),
            Norm::Gcn { self_loops: false } => "degrees".to_owned(),
            Norm::SelfPlus { eps } => format!("sum and {} own", 1.0 + eps),
        };
        match self {
            Composite::Convolve { norm: of, has_root, .. } => {
                let mut all = vec![norm(of)];
                all.extend(has_root.then(|| "root".to_owned()));
                all
            }
            Composite::Propagate(of) => vec![norm(of)],
            Composite::Attend(options) => {
                let mut all = vec![format!("heads {}", options.heads)];
                all.extend(options.self_loops.then(|| "loops".to_owned()));
                all
            }
            Composite::SelfAttention { heads, .. } => vec![format!("heads {heads}")],
            Composite::Nearest { k } => vec![format!("k {k}")],
            Composite::Activate(f) => f.parameter().map(|c| c.to_string()).into_iter().collect(),
            Composite::Dropout { p, .. } => vec![p.to_string()],
            Composite::Sort { k } => vec![k.to_string()],
            Composite::Bands { modes, .. } => vec![format!("modes {modes}")],
            Composite::Fields { w, k, .. } => vec![format!("{w} of {k}")],
            Composite::UnlinkedSoftplus { per_edge, .. } => vec![format!("{per_edge} an edge")],
            Composite::Select(keep, connect) => {
                let mut all = vec![match keep {
                    Keep::Ratio(ratio) => format!("ratio {ratio}"),
                    Keep::Count(k) => format!("k {k}"),
                    Keep::MinScore(least) => format!("above {least}"),
                }];
                all.extend(match connect {
                    Connect::Edges => None,
                    Connect::Walks => Some("walks joined".to_owned()),
                    Connect::Neighbourhoods { .. } => Some("neighbourhoods joined".to_owned()),
                    Connect::Through { least } => Some(format!("joined through others above {least}")),
                });
                all
            }
            Composite::Join { rule, .. } => vec![match rule {
                Join::Above(least) => format!("above {least}"),
                Join::Equal => "equal rows".to_owned(),
                Join::Around { hops } => format!("within {hops}"),
                Join::Balanced(_) => "balanced".to_owned(),
                Join::Votes(_) => "by votes".to_owned(),
            }],
            _ => Vec::new(),
        }
    }

    /// Whether a function of the result can be computed inside.
    pub fn takes_function(&self) -> bool {
        matches!(
            self,
            Composite::Affine { .. }
                | Composite::Convolve { .. }
                | Composite::BatchNorm { .. }
                | Composite::RowNorm { .. }
                | Composite::GraphNorm { .. }
        )
    }

    /// The space and the axes of the result.
    ///
    /// # Panics
    /// Where the arguments are not those of the composite.
    pub(crate) fn result(&self, args: &[V]) -> (Space, Vec<Size>) {
        let (space, axes) = (args[0].space(), args[0].axes());
        match self {
            Composite::Affine { .. } | Composite::Convolve { .. } => {
                let mut axes = axes;
                *axes.last_mut().expect("rows of features") = args[1].width();
                (space, axes)
            }
            Composite::Propagate(_)
            | Composite::PropagateMax
            | Composite::PropagateLstm
            | Composite::Attend(_)
            | Composite::Activate(_)
            | Composite::Nearness
            | Composite::Dropout { .. }
            | Composite::GammaDraws { .. }
            | Composite::BatchNorm { .. }
            | Composite::RowNorm { .. }
            | Composite::GraphNorm { .. }
            | Composite::Plus
            | Composite::SoftmaxRows => (space, axes),
            Composite::Answers => (Space::Edges, vec![Size::Known(1)]),
            Composite::Beside => (space, vec![Size::sum(args.iter().map(|arg| arg.width()))]),
            Composite::SelfAttention { width, .. } => (space, vec![width.clone()]),
            Composite::Table => (Space::Rows, axes[1..].to_vec()),
            Composite::Nearest { .. } => (space, Vec::new()),
            Composite::Readout(_) => (Space::Graphs, axes),
            Composite::Sort { k } => (Space::Graphs, vec![k.clone(), args[0].width()]),
            Composite::Flatten { width } => (Space::Graphs, vec![width.clone()]),
            Composite::Bands { modes, .. } => {
                (space, vec![Size::product([Size::Known(*modes), args[0].width()])])
            }
            Composite::Fields { w, k, .. } => (Space::Graphs, vec![Size::Known(w * k), args[0].width()]),
            Composite::CutSides => (space, vec![Size::Known(1)]),
            Composite::Factors { k } => (space, vec![k.clone()]),
            Composite::Pool => (Space::Graphs, vec![args[0].width(), args[1].width()]),
            Composite::CoarseAdjacency => (Space::Graphs, vec![args[0].width(), args[0].width()]),
            Composite::LinkLoss | Composite::Entropy | Composite::PairSoftplus => (Space::Graphs, Vec::new()),
            Composite::UnlinkedSoftplus { .. } => (Space::Graphs, vec![Size::Known(2)]),
            Composite::Select(..) | Composite::Contract { .. } | Composite::Join { .. } => {
                (Space::Kept, Vec::new())
            }
            Composite::Kept | Composite::Merged | Composite::MergedMax | Composite::OfContracted => {
                (Space::Kept, axes)
            }
        }
    }

    /// How the result moves when rows are renumbered, where no expansion says it. What is read in the order of the
    /// rows depends on their numbers; what is chosen by value does not, since rows that tie are equal or all kept.
    pub fn moves(&self, space: Space) -> Option<Moves> {
        match self {
            Composite::PropagateLstm => Some(Moves::Ordered),
            Composite::Flatten { .. } if space == Space::Rows => Some(Moves::Ordered),
            Composite::Flatten { .. }
            | Composite::Sort { .. }
            | Composite::PairSoftplus
            | Composite::Fields { .. }
            | Composite::UnlinkedSoftplus { .. } => Some(Moves::Invariant),
            // A sum over all rows of the graph, for each of them.
            Composite::SelfAttention { .. }
            | Composite::Nearest { .. }
            | Composite::Table
            | Composite::Answers
            | Composite::GammaDraws { .. }
            | Composite::CutSides
            | Composite::Factors { .. }
            | Composite::Nearness
            | Composite::Bands { .. }
            | Composite::Select(..)
            | Composite::Kept
            | Composite::Contract { .. }
            | Composite::Join { .. }
            | Composite::Merged
            | Composite::MergedMax
            | Composite::OfContracted => Some(Moves::Equivariant),
            _ => None,
        }
    }

    /// The same made of primitives, without the function that is taken of the result; `None` where no primitive has its
    /// meaning. Of batch norm, what training computes; dropout as in a step of training.
    pub fn expand<'b>(&self, args: &[V<'b>]) -> Option<V<'b>> {
        let (x, b) = (args[0], args[0].b);
        // Convolutions of clusters have the adjacency behind their other arguments.
        let edges = |n: usize| match args.get(n) {
            Some(&adjacency) => b.weighted_edges(adjacency),
            None => b.edges(),
        };
        let propagated = |n: usize, norm: &Norm| propagated(edges(n), args.len() > n, x, *norm);
        Some(match self {
            Composite::Affine { has_bias } => {
                let y = x.linear(args[1]);
                if *has_bias { y + args[2] } else { y }
            }
            Composite::Convolve { norm, has_root, has_bias } => {
                let n_in = x.width();
                let part = |k: usize| {
                    let start = Size::product([Size::Known(k), n_in.clone()]);
                    if *has_root { args[1].slice(0, start, n_in.clone()) } else { args[1] }
                };
                let y = propagated(2 + usize::from(*has_bias), norm).linear(part(0));
                let y = if *has_root { y + x.linear(part(1)) } else { y };
                if *has_bias { y + args[2] } else { y }
            }
            Composite::Propagate(norm) => propagated(1, norm),
            Composite::PropagateMax => {
                let e = edges(1);
                e.largest(e.source(x))
            }
            Composite::Attend(options) => {
                let e = edges(3);
                let heads = args[1].axes();
                let h = x.view(&heads);
                let act = |score: V<'b>| score.leaky_relu(options.slope);
                let (source, target) = (h.dot(args[1]), h.dot(args[2]));
                let p = options.dropout;
                let y = if options.self_loops {
                    let e = e.without_loops();
                    let (shares, own) =
                        e.softmax_beside(act(e.source(source) + e.target(target)), act(source + target));
                    e.sum_of_shares(e.source(h) * shares.dropout(p).column()) + h * own.dropout(p).column()
                } else {
                    let shares = e.softmax(act(e.source(source) + e.target(target)));
                    e.sum_of_shares(e.source(h) * shares.dropout(p).column())
                };
                y.flat()
            }
            Composite::Activate(f) => b.map(*f, &[x]),
            Composite::Dropout { p, .. } => x.dropout(*p),
            Composite::BatchNorm { eps, .. } => {
                let n = b.constant(1.0).in_space(x.space()).sum(Index::All).at_least(1.0);
                let mean = |x: V<'b>| {
                    let of_places = x.sum(Index::All).div_rows(n);
                    if of_places.axes().len() == 2 { of_places.fold_mean(0) } else { of_places }
                };
                let centred = x - mean(x);
                let variance = mean(centred.square());
                centred * variance.offset(*eps).sqrt().reciprocal() * args[1] + args[2]
            }
            Composite::RowNorm { eps } => {
                let centred = x - x.fold_mean(0).column();
                let variance = centred.square().fold_mean(0).column();
                centred * variance.offset(*eps).sqrt().reciprocal() * args[1] + args[2]
            }
            Composite::GraphNorm { eps } => {
                let of_graph = |v: V<'b>| v.fold_mean(0).mean(Index::Graph).gather(Index::Graph).column();
                let centred = x - of_graph(x);
                let variance = of_graph(centred.square());
                centred * variance.offset(*eps).sqrt().reciprocal() * args[1] + args[2]
            }
            Composite::Beside => b.concat(args),
            Composite::Plus => args[1..].iter().fold(x, |sum, &arg| sum + arg),
            Composite::SoftmaxRows => x.softmax_columns(),
            Composite::Readout(over) => match over {
                Over::Sum => x.sum(Index::Graph),
                Over::Mean => x.mean(Index::Graph),
                Over::Max => x.largest(Index::Graph),
            },
            Composite::Pool => x.outer(args[1], Index::Graph),
            Composite::CoarseAdjacency => {
                let e = edges(1);
                x.outer(e.sum(e.source(x)), Index::Graph)
            }
            Composite::Entropy => (-(x * x.offset(1e-15).ln()).fold_sum(0)).mean(Index::Graph),
            // There are no pairs of the rows of a graph.
            Composite::SelfAttention { .. }
            | Composite::Table
            | Composite::Nearest { .. }
            | Composite::LinkLoss
            | Composite::PropagateLstm
            | Composite::CutSides
            | Composite::Factors { .. }
            | Composite::Answers
            | Composite::GammaDraws { .. }
            | Composite::PairSoftplus
            | Composite::UnlinkedSoftplus { .. }
            | Composite::Nearness
            | Composite::Bands { .. }
            | Composite::Fields { .. }
            | Composite::Sort { .. }
            | Composite::Flatten { .. }
            | Composite::Select(..)
            | Composite::Kept
            | Composite::Contract { .. }
            | Composite::Join { .. }
            | Composite::Merged
            | Composite::MergedMax
            | Composite::OfContracted => return None,
        })
    }
}

/// `P x`
fn propagated<'b>(e: Edges<'b>, of_clusters: bool, x: V<'b>, norm: Norm) -> V<'b> {
    let b = x.b;
    match norm {
        Norm::Sum => e.sum(e.source(x)),
        Norm::Mean => e.mean(e.source(x)),
        Norm::SelfPlus { eps } => x.scale(1.0 + eps) + e.sum(e.source(x)),
        Norm::Gcn { self_loops } => {
            // Loops of a row stand for the one that counts 1.
            let e = if self_loops { e.without_loops() } else { e };
            let degree = if self_loops { e.degree().offset(1.0) } else { e.degree() };
            // On nodes a degree of 0 gives 0; clusters have one of 1 at least.
            let scale = if of_clusters {
                degree.at_least(1.0).sqrt().reciprocal()
            } else {
                degree.above(0.0).choose(degree.at_least(1e-30).sqrt().reciprocal(), b.constant(0.0))
            };
            let h = x.mul_rows(scale);
            let y = e.sum(e.source(h));
            (if self_loops { y + h } else { y }).mul_rows(scale)
        }
    }
}
