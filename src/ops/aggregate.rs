//! How several rows become one: the words that readouts, convolutions and convolutions of a file's own have in common,
//! and what each of them computes.

use super::Gather;
use crate::program::{Edges, Index, V};
use crate::types::Size;

/// One of the words. Where there is nothing to gather, the result is 0, and 1 of `mul`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    Sum,
    Mean,
    Max,
    Min,
    /// The root of the variance; 0 where the variance is no more than [`LEAST_VARIANCE`].
    Std,
    /// Of all members, not of a sample: divided by their number.
    Var,
    Mul,
    /// The lower of two middle numbers.
    Median,
    /// Each feature weighed by the softmax of itself.
    Softmax,
}

/// The least variance that a deviation is taken of, as PyG's `StdAggregation` has it: the root's slope at 0 is infinite.
pub const LEAST_VARIANCE: f64 = 1e-5;

/// Places in a sorted order are whole numbers; what is this near to one is one.
const ROUNDING: f64 = 1e-4;

impl Aggregate {
    pub const NAMES: &[&str] = &["sum", "mean", "max", "min", "std", "var", "mul", "median", "softmax_sum"];

    pub const ALL: &[Aggregate] = &[
        Aggregate::Sum,
        Aggregate::Mean,
        Aggregate::Max,
        Aggregate::Min,
        Aggregate::Std,
        Aggregate::Var,
        Aggregate::Mul,
        Aggregate::Median,
        Aggregate::Softmax,
    ];

    pub fn find(name: &str) -> Option<Self> {
        Self::NAMES.iter().position(|known| *known == name).map(|idx| Self::ALL[idx])
    }

    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// What it tells of its members, by the words of the lints.
    pub fn gather(self) -> Gather {
        match self {
            Aggregate::Sum => Gather::Sum,
            Aggregate::Mean => Gather::Mean,
            Aggregate::Mul | Aggregate::Std | Aggregate::Var => Gather::Other,
            Aggregate::Max | Aggregate::Min | Aggregate::Median => Gather::Max,
            Aggregate::Softmax => Gather::Attention,
        }
    }

    pub fn is_linear(self) -> bool {
        matches!(self, Aggregate::Sum | Aggregate::Mean)
    }

    /// Whether it means something where every pair is linked, more or less, by a weight.
    pub fn counts_by_weight(self) -> bool {
        !matches!(self, Aggregate::Max | Aggregate::Min | Aggregate::Mul | Aggregate::Median)
    }

    /// The members as one, feature by feature.
    pub fn of<'b, M: Members<'b>>(self, members: &M, x: M::Values) -> V<'b> {
        match self {
            Aggregate::Sum => members.sum(x),
            Aggregate::Mean => members.mean(x),
            Aggregate::Max => members.largest(x),
            Aggregate::Min => -members.largest(members.map(x, |x| -x)),
            Aggregate::Std => deviation(members.variance(x)),
            Aggregate::Var => members.variance(x),
            Aggregate::Mul => members.product(x),
            Aggregate::Median => quantile(members, x, 0.5, Between::Lower),
            Aggregate::Softmax => softmax_sum(members, x, x),
        }
    }
}

/// Rows that become one, and how they count.
pub trait Members<'b> {
    /// A value of each member.
    type Values: Copy;
    fn map(&self, x: Self::Values, f: impl Fn(V<'b>) -> V<'b>) -> Self::Values;
    fn zip(&self, x: Self::Values, y: Self::Values, f: impl Fn(V<'b>, V<'b>) -> V<'b>) -> Self::Values;
    /// What they became, at each member.
    fn spread(&self, y: V<'b>) -> Self::Values;
    /// Members count as much as they weigh.
    fn sum(&self, x: Self::Values) -> V<'b>;
    fn mean(&self, x: Self::Values) -> V<'b>;
    fn largest(&self, x: Self::Values) -> V<'b>;
    fn product(&self, x: Self::Values) -> V<'b>;
    /// How many there are, whatever they weigh: no axes.
    fn count(&self) -> V<'b>;
    /// For each number, how many members have a smaller one.
    fn below(&self, x: Self::Values) -> Self::Values;
    /// The sum over all members, whatever they weigh.
    fn pick(&self, x: Self::Values) -> V<'b>;
    /// `E[x²] − E[x]²`
    fn variance(&self, x: Self::Values) -> V<'b> {
        self.mean(self.map(x, V::square)) - self.mean(x).square()
    }
}

/// By what the number `d` of members scales what was gathered: 1, `ln(d + 1) / δ`, `δ / ln(d + 1)`, `d / d̄` or `d̄ / d`, with the means `δ` of
/// `ln(d + 1)` and `d̄` of `d` over the data that is trained on.
pub const SCALERS: &[&str] = &["identity", "amplification", "attenuation", "linear", "inverse_linear"];

/// The factor of a word of [`SCALERS`]; `None` for 1, and where the mean that it reads is not there.
pub fn scaled_by<'b>(word: &str, d: V<'b>, mean: Option<V<'b>>, mean_log: Option<V<'b>>) -> Option<V<'b>> {
    match word {
        "amplification" => Some(d.offset(1.0).ln() / mean_log?),
        "attenuation" => Some(mean_log? / d.at_least(1.0).offset(1.0).ln()),
        "linear" => Some(d / mean?),
        "inverse_linear" => Some(mean? / d.at_least(1.0)),
        _ => None,
    }
}

/// The root of a variance.
pub fn deviation(variance: V) -> V {
    let root = variance.at_least(LEAST_VARIANCE).sqrt();
    variance.above(LEAST_VARIANCE).choose(root, variance.build().constant(0.0))
}

/// The members weighed by the softmax of their scores, feature by feature.
pub fn softmax_sum<'b, M: Members<'b>>(members: &M, x: M::Values, scores: M::Values) -> V<'b> {
    let e = exponentials(members, scores);
    let total = members.sum(e).at_least(1e-30);
    members.sum(members.zip(x, e, |x, e| x * e)) / total
}

/// `exp(x − max x)`: what a softmax over the members is made of.
fn exponentials<'b, M: Members<'b>>(members: &M, x: M::Values) -> M::Values {
    let largest = members.spread(members.largest(x).stop());
    // Pairs that are not linked may have larger numbers than all that are; they weigh nothing, and must not be infinite.
    members.zip(x, largest, |x, largest| (x - largest).at_most(1.0).exp())
}

/// What lies between two places of a sorted order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Between {
    /// In proportion to the distances.
    Linear,
    Lower,
    Higher,
    /// The nearer one, and of two equally near ones the one at the even place.
    Nearest,
    Midpoint,
}

impl Between {
    pub const NAMES: &[&str] = &["linear", "lower", "higher", "nearest", "midpoint"];

    pub const ALL: &[Between] =
        &[Between::Linear, Between::Lower, Between::Higher, Between::Nearest, Between::Midpoint];
}

/// The number at the place `q (n − 1)` of the sorted members, feature by feature. Members that are equal share its gradient.
pub fn quantile<'b, M: Members<'b>>(members: &M, x: M::Values, q: f64, between: Between) -> V<'b> {
    let n = members.count();
    let place = n.offset(-1.0).scale(q);
    let (lower, higher) = (place.offset(ROUNDING).floor(), -(-place).offset(ROUNDING).floor());
    let at = |place: V<'b>| at_place(members, x, place);
    match between {
        Between::Lower => at(lower),
        Between::Higher => at(higher),
        Between::Midpoint => (at(lower) + at(higher)).scale(0.5),
        Between::Linear => {
            let (low, high) = (at(lower), at(higher));
            let share = (place - lower).at_least(0.0);
            low + (high - low).mul_rows(share)
        }
        Between::Nearest => {
            let up = place.offset(0.5 + ROUNDING).floor();
            let is_half =
                (place - lower).offset(-0.5).abs().offset(-ROUNDING).above(0.0).scale(-1.0).offset(1.0);
            let is_odd = up - up.scale(0.5).floor().scale(2.0);
            at(up - is_half * is_odd)
        }
    }
}

/// The number at a place of the sorted members, from 0; 0 where the place is outside.
fn at_place<'b, M: Members<'b>>(members: &M, x: M::Values, place: V<'b>) -> V<'b> {
    let smaller = members.below(x);
    let larger = members.below(members.map(x, |x| -x));
    let (n, place) = (members.spread(members.count()), members.spread(place));
    let others = members.zip(smaller, larger, |smaller, larger| smaller + larger);
    let equal = members.zip(others, n, |others, n| (others - like(n, others)).scale(-1.0));
    // Members that are equal stand at the places from `smaller` on.
    let after = members.zip(place, smaller, |place, smaller| like(place, smaller) - smaller);
    let before = members.zip(equal, after, |equal, after| (equal - after).above(0.5));
    let is_there = members.zip(after, before, |after, before| after.above(-0.5) * before);
    let share = members.zip(x, equal, |x, equal| x / equal.at_least(1.0));
    members.pick(members.zip(is_there, share, |is, share| is.choose(share, share.build().constant(0.0))))
}

/// A number a row under as many axes as another value has.
fn like<'b>(number: V<'b>, of: V<'b>) -> V<'b> {
    number.view(&vec![Size::Known(1); of.axes().len()])
}

/// The rows of each graph; a value of the program that they stand in.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'b>(pub V<'b>);

impl<'b> Members<'b> for Rows<'b> {
    type Values = V<'b>;

    fn map(&self, x: V<'b>, f: impl Fn(V<'b>) -> V<'b>) -> V<'b> {
        f(x)
    }
    fn zip(&self, x: V<'b>, y: V<'b>, f: impl Fn(V<'b>, V<'b>) -> V<'b>) -> V<'b> {
        f(x, y)
    }
    fn spread(&self, y: V<'b>) -> V<'b> {
        y.gather(Index::Graph)
    }
    fn sum(&self, x: V<'b>) -> V<'b> {
        x.sum(Index::Graph)
    }
    fn mean(&self, x: V<'b>) -> V<'b> {
        x.mean(Index::Graph)
    }
    fn largest(&self, x: V<'b>) -> V<'b> {
        x.largest(Index::Graph)
    }
    fn product(&self, x: V<'b>) -> V<'b> {
        x.product(Index::Graph)
    }
    fn count(&self) -> V<'b> {
        self.0.build().count(Index::Graph)
    }
    fn below(&self, x: V<'b>) -> V<'b> {
        x.below(Index::Graph)
    }
    fn pick(&self, x: V<'b>) -> V<'b> {
        x.sum(Index::Graph)
    }
    /// Around the mean, which rounding harms less than the difference of two large numbers.
    fn variance(&self, x: V<'b>) -> V<'b> {
        (x - x.mean(Index::Graph).gather(Index::Graph)).square().mean(Index::Graph)
    }
}

/// The messages of each node.
impl<'b> Members<'b> for Edges<'b> {
    type Values = V<'b>;

    fn map(&self, x: V<'b>, f: impl Fn(V<'b>) -> V<'b>) -> V<'b> {
        f(x)
    }
    fn zip(&self, x: V<'b>, y: V<'b>, f: impl Fn(V<'b>, V<'b>) -> V<'b>) -> V<'b> {
        f(x, y)
    }
    fn spread(&self, y: V<'b>) -> V<'b> {
        self.target(y)
    }
    fn sum(&self, x: V<'b>) -> V<'b> {
        Edges::sum(*self, x)
    }
    fn mean(&self, x: V<'b>) -> V<'b> {
        Edges::mean(*self, x)
    }
    fn largest(&self, x: V<'b>) -> V<'b> {
        Edges::largest(*self, x)
    }
    fn product(&self, x: V<'b>) -> V<'b> {
        Edges::product(*self, x)
    }
    fn count(&self) -> V<'b> {
        Edges::count(*self)
    }
    fn below(&self, x: V<'b>) -> V<'b> {
        Edges::below(*self, x)
    }
    fn pick(&self, x: V<'b>) -> V<'b> {
        Edges::sum_of_counted(*self, x)
    }
}
