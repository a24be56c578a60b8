//! `sum`, `mean`, `max`, `min`, `mul`, `var`, `std`, `median`: the rows of each graph as one.

use crate::args::{ArgSpec, Args};
use crate::diagnostic::Diagnostic;
use crate::ops::aggregate::{Aggregate, Members, Rows, deviation};
use crate::ops::findings::levels;
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::program::composite::{Composite, Over};
use crate::program::{Index, V};
use crate::types::{Entity, Type};

/// A readout that takes one number of each feature over the rows of each graph.
///
/// # Shapes
/// - `x`: nodes, clusters or slots, `F` features
/// - result: one vector per graph, `F` features; a graph without rows gives 0, and 1 of `mul`
///
/// # Errors
/// `levels::needs_rows` if the value is already one vector per graph.
#[derive(Debug)]
pub struct OverRows {
    name: &'static str,
    doc: Doc,
    args: &'static [ArgSpec],
    /// Function or class in PyTorch Geometric, and what differs.
    pyg: [&'static str; 2],
    how: Aggregate,
}

static SEMI_GRAD: &[ArgSpec] = &[ArgSpec::flag(
    "semi_grad",
    false,
    "Whether the gradient goes through the square of the mean alone, and not through the mean of the squares.",
)];

/// `Σ_i x_i`. Tells apart multisets that mean and max confuse. PyG: `torch_geometric.nn.global_add_pool`.
pub static SUM: OverRows = OverRows {
    name: "sum",
    doc: Doc {
        summary: "Adds up the rows of each graph.",
        formula: "Σ_i x_i",
        paper: "Xu et al. 2019, \"How Powerful are Graph Neural Networks?\"",
        example: "gcn(32) -> relu -> sum -> linear",
    },
    args: &[],
    pyg: ["torch_geometric.nn.global_add_pool", ""],
    how: Aggregate::Sum,
};

/// `1/n Σ_i x_i`. Clusters that no node is assigned to count as rows. PyG: `torch_geometric.nn.global_mean_pool`.
pub static MEAN: OverRows = OverRows {
    name: "mean",
    doc: Doc {
        summary: "Averages the rows of each graph.",
        formula: "1/n Σ_i x_i",
        paper: "Duvenaud et al. 2015, \"Convolutional Networks on Graphs for Learning Molecular Fingerprints\"",
        example: "gcn(32) -> relu -> mean -> linear",
    },
    args: &[],
    pyg: ["torch_geometric.nn.global_mean_pool", ""],
    how: Aggregate::Mean,
};

/// `max_i x_i`. PyG: `torch_geometric.nn.global_max_pool`.
pub static MAX: OverRows = OverRows {
    name: "max",
    doc: Doc {
        summary: "Takes the largest value of each feature over the rows of each graph.",
        formula: "max_i x_i",
        paper: "Hamilton et al. 2017, \"Inductive Representation Learning on Large Graphs\"",
        example: "gcn(32) -> relu -> max -> linear",
    },
    args: &[],
    pyg: ["torch_geometric.nn.global_max_pool", ""],
    how: Aggregate::Max,
};

/// `min_i x_i`. PyG: `torch_geometric.nn.MinAggregation`.
pub static MIN: OverRows = OverRows {
    name: "min",
    doc: Doc {
        summary: "Takes the smallest value of each feature over the rows of each graph.",
        formula: "min_i x_i",
        paper: "Corso et al. 2020, \"Principal Neighbourhood Aggregation for Graph Nets\"",
        example: "gcn(32) -> relu -> concat(min, max) -> linear",
    },
    args: &[],
    pyg: ["torch_geometric.nn.MinAggregation", ""],
    how: Aggregate::Min,
};

/// `Π_i x_i`, 1 for a graph without rows. The gradient of a factor is the product of the others, also where some are 0.
/// PyG: `torch_geometric.nn.MulAggregation`.
pub static MUL: OverRows = OverRows {
    name: "mul",
    doc: Doc {
        summary: "Multiplies the rows of each graph, feature by feature.",
        formula: "Π_i x_i",
        paper: "",
        example: "gcn(32) -> sigmoid -> mul -> linear",
    },
    args: &[],
    pyg: ["torch_geometric.nn.MulAggregation", ""],
    how: Aggregate::Mul,
};

/// Variance: `1/n Σ_i (x_i − x̄)²` of all rows, not of a sample. PyG: `torch_geometric.nn.VarAggregation`, as the difference
/// `E[x²] − E[x]²`, of which rounding leaves less.
pub static VAR: OverRows = OverRows {
    name: "var",
    doc: Doc {
        summary: "Takes the variance of each feature over the rows of each graph.",
        formula: "1/n Σ_i (x_i − x̄)²",
        paper: "Corso et al. 2020, \"Principal Neighbourhood Aggregation for Graph Nets\"",
        example: "gcn(32) -> relu -> concat(mean, var) -> linear",
    },
    args: SEMI_GRAD,
    pyg: ["torch_geometric.nn.VarAggregation", ""],
    how: Aggregate::Var,
};

/// Standard deviation: the root of the variance of all rows. A variance of 1e-5 or less counts as none, since the root is
/// infinitely steep at 0. PyG: `torch_geometric.nn.StdAggregation`.
pub static STD: OverRows = OverRows {
    name: "std",
    doc: Doc {
        summary: "Takes the standard deviation of each feature over the rows of each graph.",
        formula: "√(1/n Σ_i (x_i − x̄)²)",
        paper: "Corso et al. 2020, \"Principal Neighbourhood Aggregation for Graph Nets\"",
        example: "gcn(32) -> relu -> concat(mean, std) -> linear",
    },
    args: SEMI_GRAD,
    pyg: ["torch_geometric.nn.StdAggregation", "a variance of 1e-5 or less gives 0 in both"],
    how: Aggregate::Std,
};

/// The number in the middle of each feature, the lower of two. Rows that are equal share its gradient.
/// PyG: `torch_geometric.nn.MedianAggregation`.
pub static MEDIAN: OverRows = OverRows {
    name: "median",
    doc: Doc {
        summary: "Takes the median of each feature over the rows of each graph, the lower of two middle values.",
        formula: "x_(⌊(n + 1) / 2⌋), sorted feature by feature",
        paper: "",
        example: "gcn(32) -> relu -> median -> linear",
    },
    args: &[],
    pyg: [
        "torch_geometric.nn.MedianAggregation",
        "where the first graph has no rows, PyG fails; here it gives 0",
    ],
    how: Aggregate::Median,
};

impl Operator for OverRows {
    fn name(&self) -> &'static str {
        self.name
    }
    fn family(&self) -> Family {
        Family::Readout
    }
    fn doc(&self) -> Doc {
        self.doc
    }
    fn args(&self) -> &'static [ArgSpec] {
        self.args
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> std::result::Result<Type, Diagnostic> {
        if cx.inputs[0].entity == Entity::Graph {
            return Err(levels::needs_rows(cx));
        }
        Ok(super::one_row(cx))
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let x = cx.x();
        let over = match self.how {
            Aggregate::Sum => Some(Over::Sum),
            Aggregate::Mean => Some(Over::Mean),
            Aggregate::Max => Some(Over::Max),
            _ => None,
        };
        Some(Outcome::graphs(match over {
            Some(over) => cx.b.call(Composite::Readout(over), &[x]),
            None if !self.args.is_empty() && cx.args.bool("semi_grad") => {
                let variance = half_followed_variance(x);
                if self.how == Aggregate::Std { deviation(variance) } else { variance }
            }
            None => self.how.of(&Rows(x), x),
        }))
    }
    fn pyg(&self) -> Pyg {
        let [class, note] = self.pyg;
        Pyg { class, weights: &[], arguments: &[], note }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Readout(self.how.gather())
    }
}

/// The variance, whose gradient is that of `−E[x]²`.
fn half_followed_variance(x: V) -> V {
    let variance = Rows(x).variance(x).stop();
    // A difference of equal numbers, of which the second is followed.
    let square = x.mean(Index::Graph).square();
    variance + (square.stop() - square)
}

#[cfg(test)]
mod tests {
    use crate::lower::ForwardCx;
    use crate::ops::testing::{assert_close, forward, nodes};

    /// The rows of `model = TEXT`, for one graph of these features, three each.
    fn read(text: &str, n: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
        let data = nodes(n, &[]);
        let model = crate::lower::testing::compile(&format!("model = {text}\ntask = graph_regression"), None);
        let network = crate::lower::Network::build(
            &model,
            &data.facts(),
            candle_core::DType::F64,
            &candle_core::Device::Cpu,
            1,
        );
        let rows = forward(&network.unwrap(), &data, ForwardCx::evaluation());
        let crate::data::Features::Dense { values, width } = &data.features else { panic!("dense features") };
        let columns = (0..*width).map(|col| {
            let mut column: Vec<f64> =
                values.iter().skip(col).step_by(*width).map(|&value| f64::from(value)).collect();
            column.sort_by(f64::total_cmp);
            column
        });
        (columns.collect(), rows.into_iter().next().unwrap())
    }

    #[test]
    fn each_is_worked_out_by_hand() {
        for n in [1, 2, 5, 20] {
            let mean = |column: &[f64]| column.iter().sum::<f64>() / column.len() as f64;
            let var = |column: &[f64]| {
                let centred: Vec<f64> = column.iter().map(|x| (x - mean(column)).powi(2)).collect();
                mean(&centred)
            };
            type ByHand<'a> = (&'a str, &'a dyn Fn(&[f64]) -> f64);
            let of: [ByHand; 8] = [
                ("min", &|column| column[0]),
                ("max", &|column| column[column.len() - 1]),
                ("mul", &|column| column.iter().product()),
                ("var", &|column| var(column)),
                ("var(semi_grad = true)", &|column| var(column)),
                ("std", &|column| if var(column) > 1e-5 { var(column).sqrt() } else { 0.0 }),
                ("median", &|column| column[(column.len() - 1) / 2]),
                ("quantile(0.25)", &|column| {
                    let place = 0.25 * (column.len() - 1) as f64;
                    let (low, share) = (place.floor() as usize, place.fract());
                    column[low] + share * (column[(low + 1).min(column.len() - 1)] - column[low])
                }),
            ];
            for (text, by_hand) in of {
                let (columns, row) = read(text, n);
                assert_close(&row, &columns.iter().map(|column| by_hand(column)).collect::<Vec<_>>());
            }
        }
    }
}
