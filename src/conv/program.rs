//! A convolution at a stage as a program. `linear` of several values is split by what it reads, so that what depends on a
//! node alone is computed once for each node and not for each edge.

use super::functions::Function;
use super::operator::known_name;
use super::widths::{Call, Shapes, Weight};
use super::{End, Expr, ExprKind, Input, Sign, Start, Word};
use crate::ops::aggregate::Members;
use crate::ops::facts;
use crate::program::{Build, Edges, Fun, Index, Init, Op, Space, V};
use crate::types::Size;
use std::cell::RefCell;
use std::collections::HashMap;

/// Stands under the root of `rsqrt`, whose slope at 0 would be infinite.
const LEAST: f64 = 1e-30;

/// A width that is not known before the data.
const UNKNOWN: Size = Size::Symbol("?");

/// The values that come in.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'b> {
    /// `[N, F]`
    pub x: V<'b>,
    /// `[E, D]`, where the body reads `e_ij`.
    pub edge: Option<V<'b>>,
    /// Without those from a node to itself where `self_loops` adds them.
    pub edges: Edges<'b>,
}

/// Writes the program of a call; the widths fit. The result is `[N, width]`.
pub fn write<'b>(call: &Call, b: &'b Build, inputs: Inputs<'b>) -> V<'b> {
    let has_loops = call.flag(call.definition.self_loops);
    let shapes = call.shapes().unwrap_or_else(|finding| panic!("the widths fit: {}", finding.message));
    let (weights, known) = Default::default();
    let writer = Writer { call, shapes, b, inputs, has_loops, weights, known };
    let message = Message {
        edge: writer.expr(&call.definition.message, At::Edge).in_space(Space::Edges),
        own: has_loops.then(|| writer.expr(&call.definition.message, At::Loop).in_space(Space::Rows)),
    };
    let parts: Vec<V> = call.aggregates().into_iter().map(|how| how.of(&writer, message)).collect();
    let aggregated = b.concat(&parts);
    match &call.definition.update {
        Some(update) => writer.expr(update, At::Node { aggregated: Some(aggregated) }).in_space(Space::Rows),
        None => aggregated,
    }
}

/// What a part of the body is computed for.
#[derive(Clone, Copy)]
enum At<'b> {
    /// The edges of the data.
    Edge,
    /// The edges from nodes to themselves that `self_loops` adds: one for each node, in the order of the nodes.
    Loop,
    /// The nodes; what was aggregated is known in `update`.
    Node { aggregated: Option<V<'b>> },
}

/// What goes along the edges of the data, and along those that were added.
#[derive(Clone, Copy)]
struct Message<'b> {
    edge: V<'b>,
    own: Option<V<'b>>,
}

struct Writer<'a, 'b> {
    call: &'a Call<'a>,
    shapes: Shapes,
    b: &'b Build,
    inputs: Inputs<'b>,
    has_loops: bool,
    /// A message that is computed for two kinds of edges has one set of weights.
    weights: RefCell<HashMap<String, V<'b>>>,
    /// By expression and kind of row: a softmax reads its scores for both kinds of edges.
    known: RefCell<HashMap<(*const Expr, u8), V<'b>>>,
}

/// The messages of each node, its own among them.
impl<'b> Members<'b> for Writer<'_, 'b> {
    type Values = Message<'b>;

    fn map(&self, x: Message<'b>, f: impl Fn(V<'b>) -> V<'b>) -> Message<'b> {
        Message { edge: f(x.edge), own: x.own.map(f) }
    }
    fn zip(&self, x: Message<'b>, y: Message<'b>, f: impl Fn(V<'b>, V<'b>) -> V<'b>) -> Message<'b> {
        Message { edge: f(x.edge, y.edge), own: x.own.zip(y.own).map(|(x, y)| f(x, y)) }
    }
    fn spread(&self, y: V<'b>) -> Message<'b> {
        Message { edge: self.inputs.edges.target(y), own: self.has_loops.then_some(y) }
    }
    fn sum(&self, message: Message<'b>) -> V<'b> {
        // What attention weighs is not weighed again by how strongly clusters are joined, as in PyG's `DenseGATConv`.
        let is_weighed = self.call.definition.message.any(&|expr| matches!(expr.kind, ExprKind::Softmax(_)));
        let sum = match is_weighed {
            true => message.edge.sum(Index::Target),
            false => self.inputs.edges.sum(message.edge),
        };
        message.own.map_or(sum, |own| sum + own)
    }
    fn mean(&self, message: Message<'b>) -> V<'b> {
        match message.own {
            None => self.inputs.edges.mean(message.edge),
            Some(_) => {
                let sum = self.sum(message);
                sum * self.degree_like(sum).reciprocal()
            }
        }
    }
    fn largest(&self, message: Message<'b>) -> V<'b> {
        let largest = self.inputs.edges.largest(message.edge);
        match message.own {
            None => largest,
            // Of a node without other edges, what goes along its own is the only one.
            Some(own) => self.degree_like(own).above(1.0).choose(largest.max(own), own),
        }
    }
    fn product(&self, message: Message<'b>) -> V<'b> {
        let product = self.inputs.edges.product(message.edge);
        message.own.map_or(product, |own| product * own)
    }
    fn count(&self) -> V<'b> {
        let count = self.inputs.edges.count();
        if self.has_loops { count.offset(1.0) } else { count }
    }
    fn below(&self, message: Message<'b>) -> Message<'b> {
        let edges = self.inputs.edges;
        let below = edges.below(message.edge);
        match message.own {
            None => Message { edge: below, own: None },
            Some(own) => {
                let difference = message.edge - edges.target(own);
                let is_below = edges.sum_of_counted((-difference).above(0.0));
                Message { edge: below + difference.above(0.0), own: Some(is_below) }
            }
        }
    }
    fn pick(&self, message: Message<'b>) -> V<'b> {
        let sum = self.inputs.edges.sum_of_counted(message.edge);
        message.own.map_or(sum, |own| sum + own)
    }
}

impl<'b> Writer<'_, 'b> {
    fn degree(&self) -> V<'b> {
        let degree = self.inputs.edges.degree().view(&[Size::Known(1)]);
        if self.has_loops { degree.offset(1.0) } else { degree }
    }

    /// The number of a node's edges under the axes of a value.
    fn degree_like(&self, v: V<'b>) -> V<'b> {
        self.degree().view(&vec![Size::Known(1); v.axes().len()])
    }

    /// Weights over the edges of each node, those that were added among them.
    fn softmax(&self, score: &Expr, at: At<'b>) -> V<'b> {
        let edges = self.inputs.edges;
        let edge = self.expr(score, At::Edge).in_space(Space::Edges);
        if !self.has_loops {
            return edges.softmax(edge);
        }
        let own = self.expr(score, At::Loop).in_space(Space::Rows);
        let largest = self.largest(Message { edge, own: Some(own) }).stop();
        let of_own = (own - largest).exp();
        let of_edges = (edge - edges.target(largest)).exp();
        // Pairs of clusters that are not joined have no weight.
        let of_edges = match edges.weight() {
            Some(weight) => {
                let is_joined = weight.stop().abs().above(0.0);
                is_joined
                    .view(&vec![Size::Known(1); of_edges.axes().len()])
                    .choose(of_edges, self.b.constant(0.0))
            }
            None => of_edges,
        };
        let total = (of_edges.sum(Index::Target) + of_own).reciprocal();
        if matches!(at, At::Loop) { of_own * total } else { of_edges * edges.target(total) }
    }

    fn weight(&self, weight: Weight) -> V<'b> {
        if let Some(known) = self.weights.borrow().get(&weight.name) {
            return *known;
        }
        let (fan_in, fan_out) = (facts::known(&weight.fans.0), facts::known(&weight.fans.1));
        let init = match weight.start {
            Start::Kaiming => Init::KaimingUniform { fan_in },
            Start::Glorot => Init::Glorot { fan_in, fan_out },
            Start::Zeros => Init::Zeros,
            Start::Ones => Init::Ones,
        };
        let v = self.b.weight(known_name(&weight.name), &weight.shape, init);
        self.weights.borrow_mut().insert(weight.name, v);
        v
    }

    fn weights_of(&self, expr: &Expr) -> Vec<V<'b>> {
        let weights = self.call.weights_of(expr, &self.shapes);
        weights.into_iter().map(|weight| self.weight(weight)).collect()
    }

    fn function(&self, word: &Word<&'static Function>) -> &'static str {
        match word {
            Word::Fixed(function) => function.name,
            Word::Param(idx) => self.call.word(*idx),
        }
    }

    fn input(&self, input: Input, at: At<'b>) -> V<'b> {
        let Inputs { x, edge, edges } = self.inputs;
        let given = || edge.expect("a body that reads the edges has them as an argument");
        match (input, at) {
            (Input::Target, At::Edge) => edges.target(x),
            (Input::Source, At::Edge) => edges.source(x),
            (Input::Own | Input::Target | Input::Source, _) => x,
            (Input::Edge, At::Edge) => given(),
            // As PyG's attention does it: an added edge has the mean of the others' values.
            (Input::Edge, _) => edges.mean(given()),
            (Input::TargetDegree, At::Edge) => edges.target(self.degree()),
            (Input::SourceDegree, At::Edge) => edges.source(self.degree()),
            (Input::OwnDegree | Input::TargetDegree | Input::SourceDegree, _) => self.degree(),
            (Input::Aggregated, At::Node { aggregated: Some(aggregated) }) => aggregated,
            (Input::Aggregated, _) => unreachable!("`message` cannot read what is made of it"),
        }
    }

    /// A value of each node, written where it is first read.
    fn node(&self, idx: usize) -> V<'b> {
        self.expr(&self.call.definition.nodes[idx], At::Node { aggregated: None }).in_space(Space::Rows)
    }

    fn number(&self, number: &super::Number) -> f64 {
        // A width that is not known before the data stands in no program that runs.
        self.call.number(number).unwrap_or(1.0)
    }

    fn map(&self, name: &str, value: V<'b>, numbers: &[f64]) -> V<'b> {
        match name {
            "relu" => value.relu(),
            "leaky_relu" => value.leaky_relu(numbers.first().copied().unwrap_or(0.01)),
            "elu" => value.elu(numbers.first().copied().unwrap_or(1.0)),
            "gelu" => value.gelu(),
            "sigmoid" => value.sigmoid(),
            "tanh" => value.tanh(),
            "softplus" => value.softplus(),
            "exp" => value.exp(),
            "log" => value.ln(),
            "sqrt" => value.sqrt(),
            "rsqrt" => value.at_least(LEAST).sqrt().reciprocal() * value.above(0.0),
            "abs" => value.abs(),
            "square" => value.square(),
            other => unreachable!("`{other}` is no function of one value"),
        }
    }

    /// A value, computed once for each kind of row.
    fn expr(&self, expr: &Expr, at: At<'b>) -> V<'b> {
        let kind = match at {
            At::Edge => 0,
            At::Loop => 1,
            At::Node { .. } => 2,
        };
        let key = (std::ptr::from_ref(expr), kind);
        if let Some(known) = self.known.borrow().get(&key) {
            return *known;
        }
        let v = self.compute(expr, at);
        self.known.borrow_mut().insert(key, v);
        v
    }

    fn compute(&self, expr: &Expr, at: At<'b>) -> V<'b> {
        let value = |expr: &Expr| self.expr(expr, at);
        match &expr.kind {
            ExprKind::Input(input) => self.input(*input, at),
            ExprKind::Node { idx, end } => match (at, end) {
                (At::Edge, End::Source) => self.inputs.edges.source(self.node(*idx)),
                (At::Edge, _) => self.inputs.edges.target(self.node(*idx)),
                (At::Loop | At::Node { .. }, _) => self.node(*idx),
            },
            ExprKind::Number(number) => self.b.constant(self.number(number)).view(&[Size::Known(1)]),
            ExprKind::Map { function, value: inner, numbers } => {
                let name = self.function(function);
                let numbers: Vec<f64> = numbers.iter().map(|number| self.number(number)).collect();
                self.map(name, value(inner), &numbers)
            }
            ExprKind::Neg(inner) => -value(inner),
            ExprKind::Binary { sign, lhs, rhs } => match (sign, &lhs.kind, &rhs.kind) {
                (Sign::Add, _, ExprKind::Number(n)) => value(lhs).offset(self.number(n)),
                (Sign::Add, ExprKind::Number(n), _) => value(rhs).offset(self.number(n)),
                (Sign::Sub, _, ExprKind::Number(n)) => value(lhs).offset(-self.number(n)),
                (Sign::Mul, _, ExprKind::Number(n)) => value(lhs).scale(self.number(n)),
                (Sign::Mul, ExprKind::Number(n), _) => value(rhs).scale(self.number(n)),
                (Sign::Div, ExprKind::Number(n), _) => value(rhs).reciprocal().scale(self.number(n)),
                (Sign::Add, ..) => self.joined(Fun::Add, value(lhs), value(rhs)),
                (Sign::Sub, ..) => self.joined(Fun::Sub, value(lhs), value(rhs)),
                (Sign::Mul, ..) => self.joined(Fun::Mul, value(lhs), value(rhs)),
                (Sign::Div, ..) => self.joined(Fun::Div, value(lhs), value(rhs)),
            },
            ExprKind::Extreme { is_max, lhs, rhs } => match (is_max, &lhs.kind, &rhs.kind) {
                (true, _, ExprKind::Number(n)) => value(lhs).at_least(self.number(n)),
                (true, ExprKind::Number(n), _) => value(rhs).at_least(self.number(n)),
                (false, _, ExprKind::Number(n)) => value(lhs).at_most(self.number(n)),
                (false, ExprKind::Number(n), _) => value(rhs).at_most(self.number(n)),
                (true, ..) => self.joined(Fun::Max, value(lhs), value(rhs)),
                (false, ..) => -self.joined(Fun::Max, -value(lhs), -value(rhs)),
            },
            ExprKind::Linear { values, bias, .. } => {
                let weights = self.weights_of(expr);
                let values: Vec<V> = values.iter().map(value).collect();
                let result = self.linear(&values, weights[0], at);
                if self.call.flag(*bias) { result + weights[1] } else { result }
            }
            ExprKind::Mlp { values, activation, dropout, .. } => {
                let weights = self.weights_of(expr);
                let values: Vec<V> = values.iter().map(value).collect();
                let (name, p) = (self.function(activation), self.number(dropout));
                let mut layers = weights.chunks_exact(2);
                let first = layers.next().expect("there is a layer at least");
                let first = self.linear(&values, first[0], at) + first[1];
                layers.fold(first, |x, layer| self.map(name, x, &[]).dropout(p).linear(layer[0]) + layer[1])
            }
            ExprKind::Weight { .. } => self.weights_of(expr)[0],
            ExprKind::Concat(values) => self.b.concat(&values.iter().map(value).collect::<Vec<_>>()),
            ExprKind::Dot(a, b) => {
                let product = self.joined(Fun::Mul, value(a), value(b));
                let axis = product.axes().len() - 1;
                product.fold_sum(axis).column()
            }
            ExprKind::Matvec { matrix, vector } => {
                let (matrix, x) = (value(matrix), value(vector));
                let columns = super::widths::divided(&matrix.width(), &x.width()).unwrap_or(UNKNOWN);
                let rows = x.view(&[Size::Known(1), x.width()]);
                rows.contract(matrix.view(&[x.width(), columns.clone()])).view(&[columns])
            }
            ExprKind::Softmax(score) => self.softmax(score, at),
            ExprKind::Heads { value: inner, n } => {
                let (inner, n) = (value(inner), self.number(n) as usize);
                let each = super::widths::divided(&inner.width(), &Size::Known(n)).unwrap_or(UNKNOWN);
                inner.heads(n, &each)
            }
            ExprKind::Flat(inner) => value(inner).flat(),
            ExprKind::MeanHeads(inner) => value(inner).fold_mean(0),
            ExprKind::Dropout { value: inner, p } => value(inner).dropout(self.number(p)),
        }
    }

    /// A function of two values.
    fn joined(&self, f: Fun, a: V<'b>, b: V<'b>) -> V<'b> {
        let (a, b) = fitted(a, b);
        self.b.map(f, &[a, b])
    }

    /// A value of edges or nodes for each of `n` heads.
    fn in_heads(&self, v: V<'b>, n: &Size, at: At<'b>) -> V<'b> {
        // The gradient of a matrix for each head sums over rows, which weights and numbers have none of.
        let v = match (v.space(), at) {
            (Space::One, At::Edge) => v.in_space(Space::Edges),
            (Space::One, _) => v.in_space(Space::Rows),
            _ => v,
        };
        match self.b.value(v.id).op {
            _ if v.axes().len() > 1 => v,
            // Once for each node, as everything that depends on a node alone.
            Op::Gather { x, index } if index != Index::All => {
                self.in_heads(self.b.at(x), n, at).gather(index)
            }
            _ => v.view(&[Size::Known(1), v.width()]).expand(&[n.clone(), v.width()]),
        }
    }

    /// The values side by side times a matrix, or each of their heads times its own: those that are gathered along one map together, so that each product is
    /// as small as it can be.
    fn linear(&self, values: &[V<'b>], matrix: V<'b>, at: At<'b>) -> V<'b> {
        let columns = matrix.width();
        let heads = values.iter().map(|v| v.axes()).find(|axes| axes.len() > 1).map(|axes| axes[0].clone());
        let axis = matrix.axes().len() - 2;
        let mut start = Size::Known(0);
        let mut result: Option<V> = None;
        let mut group: Vec<V> = Vec::new();
        let mut from = start.clone();
        let mut close = |group: &mut Vec<V<'b>>, from: &Size| {
            if group.is_empty() {
                return;
            }
            let rows = Size::sum(group.iter().map(|v| v.width()));
            let part = self.b.concat(group).linear(matrix.slice(axis, from.clone(), rows));
            debug_assert_eq!(part.width(), columns);
            result = Some(result.map_or(part, |known| known + part));
            group.clear();
        };
        for &v in values {
            let v = heads.as_ref().map_or(v, |n| self.in_heads(v, n, at));
            if group.first().is_some_and(|first| self.origin(*first) != self.origin(v)) {
                close(&mut group, &from);
            }
            if group.is_empty() {
                from = start.clone();
            }
            start = Size::sum([start, v.width()]);
            group.push(v);
        }
        close(&mut group, &from);
        result.expect("a linear map has a value")
    }

    /// The map along which a value was gathered, or its space.
    fn origin(&self, v: V<'b>) -> (Space, Option<Index>) {
        let index = match self.b.value(v.id).op {
            Op::Gather { index, .. } => Some(index),
            _ => None,
        };
        (v.space(), index)
    }
}

/// Two values whose axes are the same, although without data some of them are symbols.
fn fitted<'b>(a: V<'b>, b: V<'b>) -> (V<'b>, V<'b>) {
    let (mut of_a, mut of_b) = (a.axes(), b.axes());
    let is_one = |size: &Size| size.known() == Some(1);
    // Aligned at the last axis.
    for (a, b) in of_a.iter_mut().rev().zip(of_b.iter_mut().rev()) {
        if a == b || is_one(a) || is_one(b) {
            continue;
        }
        if a.known().is_some() { *b = a.clone() } else { *a = b.clone() }
    }
    (a.view(&of_a), b.view(&of_b))
}
