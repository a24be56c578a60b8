//! What a node gathers of its neighbours and, as one more of them, of itself.

use crate::program::{Edges, V};
use crate::types::Size;

/// Edges, and whether a node's own message counts beside those that come along them.
pub struct Gathered<'b> {
    pub edges: Edges<'b>,
    pub has_own: bool,
}

impl<'b> Gathered<'b> {
    pub fn sum(&self, message: V<'b>, own: V<'b>) -> V<'b> {
        let sum = self.edges.sum(message);
        if self.has_own { sum + own } else { sum }
    }
    /// The sum over how many there are.
    pub fn mean(&self, message: V<'b>, own: V<'b>) -> V<'b> {
        let degree = self.edges.degree();
        self.sum(message, own).div_rows(if self.has_own { degree.offset(1.0) } else { degree.at_least(1.0) })
    }
    pub fn largest(&self, message: V<'b>, own: V<'b>) -> V<'b> {
        let largest = self.edges.largest(message);
        if !self.has_own {
            return largest;
        }
        // The largest of no neighbours is 0, which a node's own value may lie below.
        let n = self.edges.degree().view(&[Size::Known(1)]);
        n.above(0.0).choose(largest.max(own), own)
    }
    pub fn smallest(&self, message: V<'b>, own: V<'b>) -> V<'b> {
        -self.largest(-message, -own)
    }
    /// The mean of squares without the square of the mean.
    pub fn variance(&self, message: V<'b>, own: V<'b>) -> V<'b> {
        self.mean(message.square(), own.square()) - self.mean(message, own).square()
    }
}
