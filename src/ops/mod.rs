//! The catalogue of operators: one operator, one file. Every step of the compiler asks the catalogue
//! and none names an operator.
//!
//! To add one, write `src/ops/<family>/<name>.rs` and enter it in [`CATALOGUE`].

pub mod activation;
pub mod aggregate;
pub mod combinators;
pub mod conv;
pub mod decoder;
pub mod dense;
#[cfg(test)]
mod edge_sum;
pub mod facts;
pub mod findings;
pub mod hetero;
pub mod input;
pub mod kernel;
pub mod loss;
pub mod norm;
pub mod pool;
pub mod program;
pub mod readout;
pub mod structure;
#[cfg(test)]
pub(crate) mod testing;

use crate::args::{ArgKind, ArgSpec, Args, EdgeValue};
use crate::diagnostic::Diagnostic;
use crate::program::{Fun, V};
pub use crate::program::{Init, WeightSpec};
use crate::source::Span;
use crate::types::{DataFacts, Dim, Size, SizesWithData, Type};
use program::{Options, Outcome, ProgramCx};
use std::cell::RefCell;

/// The model's input. It is not written at the front of a model; a branch begins with it by its name.
pub static INPUT: &dyn Operator = &input::features::Input;

/// The features of the edges: a word that begins pipelines on them.
pub static EDGES: &dyn Operator = &input::edges::Edges;

/// The kinds of the edges: a word that stands as an argument alone.
pub static EDGE_LABELS: &dyn Operator = &input::edge_labels::EdgeLabels;

/// The types of the nodes of heterogeneous data.
pub static NODE_TYPES: &dyn Operator = &input::node_types::NodeTypes;

/// Words of the language for what the data brings, none of which takes arguments.
pub static INPUTS: [&dyn Operator; 4] = [INPUT, EDGES, EDGE_LABELS, NODE_TYPES];

/// The values of the edges that a selection leaves. The compiler puts it in; no file can name it.
pub static REMAINING_EDGES: &dyn Operator = &input::remaining_edges::RemainingEdges;

/// The values of the edges that pairs are. The compiler puts it in; no file can name it.
pub static EDGES_OF_PAIRS: &dyn Operator = &input::edges_of_pairs::EdgesOfPairs;

/// What makes logarithms of shares.
pub static LOG_SOFTMAX: &dyn Operator = &activation::log_softmax::LogSoftmax;

/// What the pipeline of a `fixed_point` is applied to, and what comes of it: the stages that the word is expanded to.
pub static STATE: &dyn Operator = &structure::fixed_point::State;
pub static FIXED_POINT: &dyn Operator = &structure::fixed_point::FixedPoint;

/// Every operator that a file can name, in the order of the reference.
pub static CATALOGUE: &[&dyn Operator] = &[
    // Convolutions.
    &conv::gcn::Gcn,
    &conv::sage::Sage,
    &conv::gin::Gin,
    &conv::gat::Gat,
    &conv::gatv2::GatV2,
    &conv::gine::Gine,
    &conv::nn_conv::NnConv,
    &conv::rgcn::Rgcn,
    &conv::signed::Signed,
    &conv::pna::Pna,
    &conv::transformer::Transformer,
    &conv::graph_conv::GraphConv,
    &conv::sg::Sg,
    &conv::ssg::Ssg,
    &conv::appnp::Appnp,
    &conv::tag::Tag,
    &conv::lg::Lg,
    &conv::le::Le,
    &conv::cg::Cg,
    &conv::edge_conv::EdgeConv,
    &conv::res_gated::ResGated,
    &conv::agnn::Agnn,
    &conv::gated_graph::GatedGraph,
    &conv::cluster_gcn::ClusterGcn,
    &conv::cheb::Cheb,
    &conv::arma::Arma,
    &conv::mixhop::MixHop,
    &conv::pdn::Pdn,
    &conv::gcn2::Gcn2,
    &conv::fa::Fa,
    &conv::film::Film,
    &conv::rgat::Rgat,
    &conv::eg::Eg,
    &conv::mf::Mf,
    &conv::rgin::Rgin,
    &conv::gnn_mlp::GnnMlp,
    &conv::rgdcn::Rgdcn,
    &conv::supergat::SuperGat,
    &conv::general::General,
    &conv::feast::Feast,
    &conv::gmm::Gmm,
    &conv::gen_conv::Gen,
    &conv::antisymmetric::Antisymmetric,
    &conv::simple::Simple,
    &conv::plain::SUM_CONV,
    &conv::plain::MEAN_CONV,
    &conv::wl_continuous::WlContinuous,
    &conv::dna::Dna,
    &conv::mpnn::Mpnn,
    &conv::pan::Pan,
    &conv::spline::Spline,
    &conv::gps::Gps,
    &conv::point::Point,
    &conv::point_transformer::PointTransformer,
    &conv::point_gnn::PointGnn,
    &conv::ppf::Ppf,
    &conv::dynamic_edge::DynamicEdge,
    &conv::gravnet::GravNet,
    &conv::x_conv::XConv,
    &conv::hgt::Hgt,
    &conv::han::Han,
    &conv::hypergraph::Hypergraph,
    // Poolings.
    &pool::diffpool::DiffPool,
    &pool::topk::TopK,
    &pool::mincut::MinCut,
    &pool::edge_pool::EdgePool,
    &pool::sag::Sag,
    &pool::dmon::Dmon,
    &pool::just_balance::JustBalance,
    &pool::hosc::Hosc,
    &pool::asap::Asap,
    &pool::cluster_pool::ClusterPool,
    &pool::kmis::Kmis,
    &pool::graclus::Graclus,
    &pool::partition::Partition,
    &pool::pan_pool::PanPool,
    &pool::max_cut::MaxCut,
    &pool::asym_cheeger::AsymCheeger,
    &pool::la_pool::LaPool,
    &pool::spa_pool::SpaPool,
    &pool::bn_pool::BnPool,
    &pool::ndp::Ndp,
    &pool::nmf::Nmf,
    &pool::eigen_pool::EigenPool,
    &pool::coarsen::Coarsen,
    // Readouts.
    &readout::over_rows::SUM,
    &readout::over_rows::MEAN,
    &readout::over_rows::MAX,
    &readout::over_rows::MIN,
    &readout::over_rows::MUL,
    &readout::over_rows::VAR,
    &readout::over_rows::STD,
    &readout::over_rows::MEDIAN,
    &readout::quantile::Quantile,
    &readout::softmax_sum::SoftmaxSum,
    &readout::power_mean::PowerMean,
    &readout::variance_preserving::VariancePreserving,
    &readout::attentional::Attentional,
    &readout::deep_sets::DeepSets,
    &readout::multi::Multi,
    &readout::degree_scaler::DegreeScaler,
    &readout::multiset_transformer::MultisetTransformer,
    &readout::set_transformer::SetTransformer,
    &readout::sort_pool::SortPool,
    &readout::patchy_san::PatchySan,
    &readout::flatten::Flatten,
    &readout::recurrent::LSTM,
    &readout::recurrent::GRU,
    &readout::set2set::Set2Set,
    &readout::mem_pool::MemPool,
    // Normalisation.
    &norm::batch_norm::BatchNorm,
    &norm::layer_norm::LayerNorm,
    &norm::instance_norm::InstanceNorm,
    &norm::graph_norm::GraphNorm,
    &norm::graph_size_norm::GraphSizeNorm,
    &norm::pair_norm::PairNorm,
    &norm::mean_subtraction::MeanSubtraction,
    &norm::message_norm::MessageNorm,
    &norm::diff_group_norm::DiffGroupNorm,
    // Activations.
    &activation::RELU,
    &activation::LEAKY_RELU,
    &activation::ELU,
    &activation::GELU,
    &activation::SIGMOID,
    &activation::TANH,
    &activation::composed::SILU,
    &activation::composed::MISH,
    &activation::composed::SOFTPLUS,
    &activation::composed::SELU,
    &activation::composed::CELU,
    &activation::composed::RELU6,
    &activation::composed::HARDTANH,
    &activation::composed::HARDSWISH,
    &activation::composed::HARDSIGMOID,
    &activation::composed::SOFTSIGN,
    &activation::composed::LOGSIGMOID,
    &activation::prelu::PRelu,
    LOG_SOFTMAX,
    // Dense layers.
    &dense::linear::Linear,
    &dense::mlp::Mlp,
    &dense::dropout::Dropout,
    &dense::drop_node::DropNode,
    &dense::mask_features::MaskFeatures,
    &dense::conv1d::Conv1d,
    &dense::conv1d::MaxPool1d,
    &dense::embedding::Embedding,
    // Decoders.
    &decoder::inner_product::InnerProduct,
    &decoder::bilinear::Bilinear,
    &decoder::pairs::Pairs,
    &decoder::relational::DISTMULT,
    &decoder::relational::TRANSE,
    &decoder::relational::COMPLEX,
    &decoder::relational::ROTATE,
    &decoder::conve::ConvE,
    // Structure.
    &structure::concat::Concat,
    &structure::columns::Columns,
    &structure::add::Add,
    &structure::identity::Identity,
    &structure::lift::Lift,
    &structure::drop_edge::DropEdge,
    &structure::jump::Jump,
    &structure::virtual_node::VirtualNode,
    &structure::wl::Wl,
    &structure::self_attention::SelfAttention,
    &structure::variational::Variational,
    &structure::adversarial::Adversarial,
    // Graph kernels and their machine.
    &kernel::wl_kernel::WlKernel,
    &kernel::wl_oa::WlOa,
    &kernel::shortest_path::ShortestPath,
    &kernel::graphlet::Graphlet,
    &kernel::svm::Svm,
];

/// Every loss that a file can name.
pub static LOSSES: &[&dyn Loss] = &[
    &loss::cross_entropy::CrossEntropy,
    &loss::mse::Mse,
    &loss::written::FOCAL,
    &loss::written::NLL,
    &loss::written::BCE,
    &loss::written::HINGE,
    &loss::written::MAE,
    &loss::written::HUBER,
    &loss::written::SMOOTH_L1,
    &loss::written::BPR,
    &loss::written::MARGIN_RANKING,
    &loss::written::SELF_ADVERSARIAL,
    &loss::contrast::skip_gram::SKIP_GRAM,
    &loss::contrast::dgi::DGI,
    &loss::contrast::infograph::INFOGRAPH,
    &loss::contrast::graphcl::GRAPHCL,
    &loss::auxiliary::LINK_PREDICTION_LOSS,
    &loss::auxiliary::ENTROPY_LOSS,
    &loss::auxiliary::MINCUT_LOSS,
    &loss::auxiliary::ORTHOGONALITY_LOSS,
    &loss::auxiliary::SPECTRAL_LOSS,
    &loss::auxiliary::CLUSTER_LOSS,
    &loss::auxiliary::BALANCE_LOSS,
    &loss::auxiliary::HOSC_LOSS,
    &loss::auxiliary::KL_LOSS,
    &loss::auxiliary::MAX_CUT_LOSS,
    &loss::auxiliary::TOTAL_VARIATION_LOSS,
    &loss::auxiliary::ASYMMETRIC_NORM_LOSS,
    &loss::auxiliary::RECONSTRUCTION_LOSS,
    &loss::auxiliary::STICK_BREAKING_LOSS,
    &loss::auxiliary::CONNECTIVITY_LOSS,
    &loss::auxiliary::ATTENTION_LOSS,
    &loss::auxiliary::PRIOR_LOSS,
    &loss::auxiliary::ADVERSARIAL_LOSS,
];

/// The operators that networks of any graphs are made of: without graph kernels and their machine, and without what learns about the
/// nodes of one graph or scores pairs of them.
pub fn for_any_graphs() -> impl Iterator<Item = &'static dyn Operator> {
    let is_of_one = |op: &dyn Operator| op.family() == Family::Decoder || op.name() == dense::embedding::NAME;
    CATALOGUE.iter().copied().filter(move |op| op.family() != Family::Kernel && !is_of_one(*op))
}

pub fn find(name: &str) -> Option<&'static dyn Operator> {
    #[cfg(test)]
    if name == "edge_sum" {
        return Some(&edge_sum::EDGE_SUM);
    }
    CATALOGUE.iter().copied().find(|op| op.name() == name)
}

/// A word for what the data brings.
pub fn find_input(name: &str) -> Option<&'static dyn Operator> {
    INPUTS.iter().copied().find(|op| op.name() == name)
}

/// Any stage that a model can have, also those that the compiler puts in.
pub fn find_stage(name: &str) -> Option<&'static dyn Operator> {
    let added = [REMAINING_EDGES, EDGES_OF_PAIRS, STATE, FIXED_POINT];
    find(name).or_else(|| INPUTS.iter().copied().chain(added).find(|op| op.name() == name))
}

/// The first operator of the reference that takes such values of the edges, with the name of the argument, for messages.
pub fn takes_edges(value: EdgeValue) -> Option<(&'static dyn Operator, &'static str)> {
    let takes = |spec: &&ArgSpec| spec.kind == ArgKind::Edges(value);
    CATALOGUE.iter().find_map(|&op| Some((op, op.args().iter().find(takes)?.name)))
}

pub fn find_loss(name: &str) -> Option<&'static dyn Loss> {
    LOSSES.iter().copied().find(|loss| loss.name() == name)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    Input,
    Convolution,
    Pooling,
    Readout,
    Normalization,
    Activation,
    Dense,
    Structure,
    /// From nodes to pairs of them.
    Decoder,
    /// Graph kernels and the machine that learns from them: no network.
    Kernel,
}

/// What the reference says of an operator.
#[derive(Debug, Clone, Copy)]
pub struct Doc {
    /// One sentence.
    pub summary: &'static str,
    /// The formula, in plain Unicode.
    pub formula: &'static str,
    /// "Ying et al. 2018, \"Hierarchical Graph Representation Learning with Differentiable Pooling\""; empty where none.
    pub paper: &'static str,
    /// A model that uses it, checked by a test.
    pub example: &'static str,
}

/// How many values come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// One value, and one more for each argument of kind `Pipeline` or `Edges` that is given: see [`Args::port`].
    One,
    /// At least this many, given as pipelines in the call: `concat(a, b)`.
    Many(usize),
    /// None: what the data brings.
    None,
}

/// Where the width of the result comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WidthRule {
    /// As wide as the input: a target width is passed on to the operator before.
    Kept,
    /// From this argument; where it is absent and the operator is the last to set a width, from the task
    /// (or from the clusters of the pooling whose assignment it computes).
    Argument(&'static str),
    /// Computed from the inputs.
    Computed,
}

/// What [`Operator::infer`] sees.
pub struct InferCx<'a> {
    pub op: &'static dyn Operator,
    pub args: &'a Args,
    /// Types of the inputs by port.
    pub inputs: &'a [&'a Type],
    /// Where the stages that made the inputs stand.
    pub input_spans: &'a [Span],
    /// The stage as written.
    pub span: Span,
    /// The width asked of this operator by the task or a pooling, where it is the last to set one.
    pub target: Option<&'a Dim>,
    /// A level not used before, for a pooling's result.
    pub new_level: crate::types::Level,
    pub data: Option<&'a DataFacts>,
    /// Where the file defines the operator, for places inside; `None` where they are not known.
    pub definition: Option<Span>,
    /// Sizes with the numbers of `data`; there where it is.
    pub sizes: Option<&'a RefCell<SizesWithData>>,
}

impl InferCx<'_> {
    /// The input at which an argument of kind `Pipeline` or `Edges` comes in: `cx.inputs[port]`. `None` where it was not
    /// given, or where the inputs are not all known yet.
    pub fn port(&self, name: &str) -> Option<usize> {
        self.args.port(name).filter(|&port| port < self.inputs.len())
    }

    /// A size with the numbers of the data, as far as they are known.
    pub fn with_data(&self, size: &Size) -> Size {
        self.sizes.map_or_else(|| size.clone(), |sizes| sizes.borrow_mut().of(size))
    }
}

/// A typed node, for facts that depend on sizes.
pub struct FactCx<'a> {
    pub args: &'a Args,
    pub inputs: &'a [&'a Type],
    pub output: &'a Type,
}

impl FactCx<'_> {
    /// The input at which an argument of kind `Pipeline` or `Edges` comes in; `None` where it was not given.
    pub fn port(&self, name: &str) -> Option<usize> {
        self.args.port(name)
    }
}

/// What an operator does to the rows that come in: what `hgnnc lint` reasons with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    Input,
    Identity,
    /// One or more linear maps of each row, beginning and ending with one. `is_affine`: nothing stands between
    /// them. `has_batch_norm`: batch statistics are taken inside.
    Dense {
        is_affine: bool,
        has_batch_norm: bool,
    },
    /// A function of each number alone.
    Activation,
    /// Each row by its own statistics.
    RowNorm,
    /// Each feature by its statistics over the rows of the batch.
    BatchNorm,
    Dropout {
        p: f64,
    },
    /// Each row reads all rows of its graph, beside the edges.
    Exchange,
    /// Each row gathers from the rows that lie nearest to it in its graph, whatever edges there are.
    Nearest,
    /// A convolution.
    Messages {
        gather: Gather,
        own: Own,
        is_linear: bool,
    },
    /// A smaller graph.
    Pooling(Select),
    /// Rows to one vector per graph, or to places.
    Readout(Gather),
    /// The inputs side by side.
    Concat,
    /// The inputs added up.
    Add,
    /// Of a value of the edges, the rows of those that a selection leaves.
    RemainingEdges,
    /// Of a value of the edges, the rows of those that the task asks about.
    EdgesOfPairs,
    /// A row of its own for each node, whatever comes in.
    Table,
    /// Of the rows of nodes, one for each pair that the task asks about.
    Decoder,
    /// A pooling undone.
    Lift,
    /// Which neighbourhoods a row has, by values that are compared.
    Colours {
        buckets: usize,
        steps: usize,
    },
    /// Counts of each graph, which a machine compares.
    Kernel(kernel::GraphKernel),
    /// A machine that learns from how alike graphs are.
    Machine,
    /// The same rows, joined by fewer edges while training.
    DropEdge {
        p: f64,
    },
    /// What a pipeline is applied to that is repeated until nothing changes any more.
    State,
    /// What such a pipeline gives back at last.
    FixedPoint,
}

impl Action {
    /// Whether values decide what comes out where, so that a rounding may decide it too. What such an operator reads
    /// has to have the same bits in every numbering.
    pub fn chooses_by_value(&self) -> bool {
        matches!(
            self,
            Action::Pooling(Select::Lead | Select::Keep | Select::Merge)
                | Action::Readout(Gather::Sorted)
                | Action::Colours { .. }
                | Action::Nearest
        )
    }

    /// Whether rows gather along the edges of the graph; some convolutions read others.
    pub fn goes_along_edges(&self) -> bool {
        matches!(self, Action::Messages { .. })
    }

    /// Whether each row of the result is made of the same row of the inputs, or by statistics of all rows: whatever the
    /// rows stand for, edges as well as nodes, they can come in.
    pub fn is_by_rows(&self) -> bool {
        match self {
            Action::Identity
            | Action::Dense { .. }
            | Action::Activation
            | Action::RowNorm
            | Action::BatchNorm
            | Action::Dropout { .. }
            | Action::Concat
            | Action::Add
            | Action::State
            | Action::FixedPoint => true,
            Action::Input
            | Action::Exchange
            | Action::Nearest
            | Action::Messages { .. }
            | Action::Pooling(_)
            | Action::Readout(_)
            | Action::RemainingEdges
            | Action::EdgesOfPairs
            | Action::DropEdge { .. }
            | Action::Colours { .. }
            | Action::Kernel(_)
            | Action::Machine
            | Action::Table
            | Action::Decoder
            | Action::Lift => false,
        }
    }
}

/// How several rows become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gather {
    Sum,
    Mean,
    Max,
    /// A sum with weights `1/√(d_i d_j)` by degree.
    DegreeWeighted,
    /// A mean with learned weights.
    Attention,
    /// By another function of their values: their product, how far they spread.
    Other,
    /// In an order: numbered or one after another.
    Ordered,
    /// In the order of their values.
    Sorted,
}

/// How a node's own row takes part in a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// Not at all: a node without neighbours gets nothing.
    Absent,
    /// As one more neighbour.
    SelfLoop,
    /// With a weight of its own beside the aggregate.
    Root,
}

/// How a pooling selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Select {
    /// Every row is shared out over the clusters, its shares adding up to 1, and clusters sum what they get.
    Assign,
    /// As [`Select::Assign`], over the best rows by value.
    Lead,
    /// Some rows are kept, the others dropped.
    Keep,
    /// Rows become one along edges between them, on a sparse graph.
    Merge,
}

/// The counterpart in PyTorch Geometric, as data.
#[derive(Debug, Clone, Copy)]
pub struct Pyg {
    /// `torch_geometric.nn.SAGEConv`; empty where there is none.
    pub class: &'static str,
    /// How its weights are found in ours: (PyG's `state_dict` name, our weight, what to do).
    pub weights: &'static [(&'static str, &'static str, WeightMap)],
    /// Arguments that are called otherwise here: (PyG's name, ours). Those that any library calls otherwise, as `aggr` and
    /// `add_self_loops`, stand once in [`crate::elsewhere::ARGUMENTS`].
    pub arguments: &'static [(&'static str, &'static str)],
    /// What differs, or empty.
    pub note: &'static str,
}

/// How a PyG weight is laid into ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightMap {
    /// The same layout.
    Same,
    /// `[out, in]` becomes `[in, out]`.
    Transposed,
    /// Transposed, then rows `part · in ..` of ours, of `of` equal parts.
    TransposedRows { part: usize, of: usize },
    /// Flattened to our shape.
    Reshaped,
    /// Of the tower with this number: a matrix transposed, a vector as it is, at that place of ours.
    Tower(usize),
}

/// The facts of one operator.
///
/// What it computes is one [`program`](Operator::program): weights, cost, gradients, symmetry, the forms on nodes and on
/// clusters follow from it. Only facts that hardly any operator has have a default body: every file answers the others.
pub trait Operator: std::any::Any + Send + Sync + std::fmt::Debug {
    fn name(&self) -> &'static str;
    fn family(&self) -> Family;
    fn doc(&self) -> Doc;
    fn args(&self) -> &'static [ArgSpec];
    fn ports(&self) -> Ports {
        Ports::One
    }
    fn width_rule(&self) -> WidthRule;
    /// The shape rule and the symmetry.
    ///
    /// # Errors
    /// One diagnostic, built by the constructors of [`findings`] (`shape::…`, `levels::…`, `args::…`).
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic>;
    /// What it computes; `None` for what the data brings, and for the edges that a selection leaves.
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>>;
    /// Names of the auxiliary losses that the program makes.
    fn losses(&self) -> &'static [&'static str] {
        &[]
    }
    fn pyg(&self) -> Pyg;
    /// The elementwise function, where the operator with these arguments is nothing else.
    fn as_activation(&self, _args: &Args) -> Option<Fun> {
        None
    }
    /// Whether a pooling that keeps nodes joins them by other edges than those of the graph, so that values of the edges
    /// end.
    fn joins_anew(&self, _args: &Args) -> bool {
        false
    }
    /// Whether a convolution is a sum of matrices, each times the value itself, times a mean or a maximum over neighbours, or
    /// times some of these side by side; of nothing else that depends on the value. So two results differ by no more, in their
    /// largest number, than two values do, times the largest sum of absolute values that leads to one feature, matrix by
    /// matrix.
    fn averages(&self, _args: &Args) -> bool {
        false
    }
    /// Of a decoder, whether its score is linear in the row of either end, so that the scores of all nodes are a product of matrices.
    fn is_linear_in_ends(&self) -> bool {
        false
    }
    /// Of a decoder, whether the first end of a pair is asked for as the second end of the reverse relation, where the data has reverses.
    fn asks_by_reverse(&self) -> bool {
        false
    }
    /// What it does to the rows, with these arguments.
    fn action(&self, args: &Args) -> Action;
    /// Whether a file defines it ([`crate::conv`]): it is not of the catalogue.
    fn is_of_file(&self) -> bool {
        false
    }
}

impl dyn Operator {
    /// Whether an elementwise function that follows can be computed inside (`linear -> relu`).
    pub fn fuses_activation(&self, args: &Args) -> bool {
        // Of results that are put together from several, a function is taken afterwards.
        hetero::Lifted::of(args).is_none()
            && matches!(
                self.action(args),
                Action::Messages { .. } | Action::Dense { .. } | Action::RowNorm | Action::BatchNorm
            )
    }

    /// Parameters as data, in the order in which the program asks for them. Those that there are of each relation or type have an axis
    /// for them in front.
    pub fn weights(&self, cx: &FactCx) -> Vec<WeightSpec> {
        let own = self.weights_of_part(cx);
        let Some(lifted) = hetero::Lifted::of(cx.args) else { return own };
        let with_parts = |spec: WeightSpec| WeightSpec {
            shape: [lifted.n_parts()].into_iter().chain(spec.shape).collect(),
            ..spec
        };
        own.into_iter().map(with_parts).collect()
    }

    /// [`weights`](Self::weights) of one relation or type.
    pub fn weights_of_part(&self, cx: &FactCx) -> Vec<WeightSpec> {
        program::of(self, cx, Options::plain()).map_or(Vec::new(), |described| described.program.weights)
    }
}

/// Whether two operators are the same one: of those that files define, the same text.
pub fn is_same(one: &dyn Operator, other: &dyn Operator) -> bool {
    match (one.is_of_file(), other.is_of_file()) {
        // Each text is one operator.
        (true, true) => std::ptr::addr_eq(one, other),
        (false, false) => one.name() == other.name(),
        _ => false,
    }
}

/// What the names of an operator's weights begin with, behind the number of the stage: a file may rename the
/// convolutions that it defines.
pub fn weight_scope(op: &dyn Operator) -> &'static str {
    if op.is_of_file() { "conv" } else { op.name() }
}

/// Where a loss gets its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossKind {
    /// Compares the model's output with the targets of this kind of task.
    Task(crate::types::TargetKind),
    /// Summed over the poolings of the model that report it.
    Auxiliary,
}

/// The facts of one loss. Those of the task are computed in [`crate::lower::task_loss`], auxiliary ones by the poolings.
pub trait Loss: Send + Sync + std::fmt::Debug {
    fn name(&self) -> &'static str;
    fn doc(&self) -> Doc;
    fn args(&self) -> &'static [ArgSpec];
    fn kind(&self) -> LossKind;
    /// Further kinds of targets that it compares with. Of links, each with the pairs that it is told from is an item of as many classes,
    /// of which the first is right.
    fn also_of(&self) -> &'static [crate::types::TargetKind] {
        &[]
    }
    /// Whether it compares outputs with such targets.
    fn compares(&self, kind: crate::types::TargetKind) -> bool {
        self.kind() == LossKind::Task(kind) || self.also_of().contains(&kind)
    }
    /// Names of the operators that report it; empty for a loss of the task.
    fn reported_by(&self) -> &'static [&'static str];
    fn pyg(&self) -> Pyg;
    /// The weight of some items together, `Σ_i w_i`: what the sum of `w_i ℓ_i` is divided by for the loss of a part.
    /// An item of which only some labels are known counts as their share. `classes` is empty but for classification. 0 for
    /// an `Auxiliary` loss.
    fn weight(&self, n_items: f64, classes: &[u32], class_weights: Option<&[f64]>) -> f64;
    /// Whether classes count by how rare they are among the training items: the network then keeps a weight for
    /// each.
    fn weighs_classes(&self, args: &Args) -> bool;
    /// `w_i ℓ_i` of each item, without axes, where the loss is written in primitives; `None` where it has a kernel of its own
    /// ([`crate::lower::task_loss`]), or comes from the poolings.
    fn program<'b>(&self, _cx: &loss::LossCx<'_, 'b>) -> Option<V<'b>> {
        None
    }
    /// Whether outputs have to be logarithms of shares that add up to 1: those of [`LOG_SOFTMAX`].
    fn takes_log_shares(&self) -> bool {
        false
    }
    /// Exponentials that it takes for each number of the output, forward and backward again.
    fn exponentials(&self) -> f64 {
        0.0
    }
    /// What it compares where there are no targets; `None` where it compares with targets, or comes from the poolings.
    fn contrast(&self) -> Option<loss::Contrast> {
        None
    }
}
