//! Multi-head attention between a few rows of each graph and all of its rows, and of all rows to each other: what the
//! transformers among the readouts are made of.

use crate::ops::conv::{part, times};
use crate::ops::program::ProgramCx;
use crate::ops::{Init, facts};
use crate::program::{Index, Space, V};
use crate::types::{Dim, Size};

/// Names of the weights of one block, `MAB`: the maps to queries, keys and values beside each other, the map of the heads, the layer
/// behind, and two layer norms.
pub struct Block {
    pub input: [&'static str; 2],
    pub heads: [&'static str; 2],
    pub layer: [&'static str; 2],
    pub norms: [[&'static str; 2]; 2],
}

/// The names of a block whose weights begin with a prefix.
macro_rules! block {
    ($prefix:literal) => {
        $crate::ops::readout::attention::Block {
            input: [concat!($prefix, ".in_weight"), concat!($prefix, ".in_bias")],
            heads: [concat!($prefix, ".out_weight"), concat!($prefix, ".out_bias")],
            layer: [concat!($prefix, ".lin_weight"), concat!($prefix, ".lin_bias")],
            norms: [
                [concat!($prefix, ".norm1_weight"), concat!($prefix, ".norm1_bias")],
                [concat!($prefix, ".norm2_weight"), concat!($prefix, ".norm2_bias")],
            ],
        }
    };
}
pub(super) use block;

/// The weights of a block of PyG, by its prefix there and here.
macro_rules! block_map {
    ($($theirs:literal => $ours:literal),*) => {
        &[$(
            (concat!($theirs, ".attn.in_proj_weight"), concat!($ours, ".in_weight"), $crate::ops::WeightMap::Transposed),
            (concat!($theirs, ".attn.in_proj_bias"), concat!($ours, ".in_bias"), $crate::ops::WeightMap::Same),
            (concat!($theirs, ".attn.out_proj.weight"), concat!($ours, ".out_weight"), $crate::ops::WeightMap::Transposed),
            (concat!($theirs, ".attn.out_proj.bias"), concat!($ours, ".out_bias"), $crate::ops::WeightMap::Same),
            (concat!($theirs, ".lin.weight"), concat!($ours, ".lin_weight"), $crate::ops::WeightMap::Transposed),
            (concat!($theirs, ".lin.bias"), concat!($ours, ".lin_bias"), $crate::ops::WeightMap::Same),
            (concat!($theirs, ".layer_norm1.weight"), concat!($ours, ".norm1_weight"), $crate::ops::WeightMap::Same),
            (concat!($theirs, ".layer_norm1.bias"), concat!($ours, ".norm1_bias"), $crate::ops::WeightMap::Same),
            (concat!($theirs, ".layer_norm2.weight"), concat!($ours, ".norm2_weight"), $crate::ops::WeightMap::Same),
            (concat!($theirs, ".layer_norm2.bias"), concat!($ours, ".norm2_bias"), $crate::ops::WeightMap::Same),
        )*]
    };
}
pub(super) use block_map;

/// What all blocks of a transformer have in common.
#[derive(Clone, Copy)]
pub struct Options {
    pub heads: usize,
    pub has_norm: bool,
    pub dropout: f64,
}

impl Options {
    pub fn of(cx: &ProgramCx<'_, '_>) -> Self {
        let a = cx.args;
        Self { heads: a.int("heads") as usize, has_norm: a.bool("layer_norm"), dropout: a.float("dropout") }
    }
}

/// A block with its weights.
pub struct Mab<'b> {
    input: V<'b>,
    input_bias: V<'b>,
    heads: [V<'b>; 2],
    layer: [V<'b>; 2],
    norms: Option<[[V<'b>; 2]; 2]>,
    width: Dim,
    options: Options,
}

impl<'b> Mab<'b> {
    pub fn new(cx: &ProgramCx<'_, 'b>, names: &Block, width: &Dim, options: Options) -> Self {
        let b = cx.b;
        let glorot = Init::Glorot { fan_in: facts::known(width), fan_out: 3 * facts::known(width) };
        let uniform = Init::KaimingUniform { fan_in: facts::known(width) };
        let matrix = |name, init| b.weight(name, &[width.clone(), width.clone()], init);
        let vector = |name, init| b.weight(name, std::slice::from_ref(width), init);
        let norm =
            |[scale, offset]: [&'static str; 2]| [vector(scale, Init::Ones), vector(offset, Init::Zeros)];
        Self {
            input: b.weight(names.input[0], &[width.clone(), times(3, width)], glorot),
            input_bias: b.weight(names.input[1], &[times(3, width)], Init::Zeros),
            heads: [matrix(names.heads[0], uniform), vector(names.heads[1], Init::Zeros)],
            layer: [matrix(names.layer[0], uniform), vector(names.layer[1], uniform)],
            norms: options.has_norm.then(|| names.norms.map(norm)),
            width: width.clone(),
            options,
        }
    }

    /// Queries, keys or values, by `kind`.
    fn mapped(&self, x: V<'b>, kind: usize) -> V<'b> {
        let start = Size::product([Size::Known(kind), self.width.size.clone()]);
        let w = self.input.slice(1, start.clone(), self.width.size.clone());
        x.linear(w) + self.input_bias.slice(0, start, self.width.size.clone())
    }

    fn each(&self) -> Size {
        part(&self.width, self.options.heads).size
    }

    /// The part of a head, of the last axis.
    fn head(&self, x: V<'b>, head: usize) -> V<'b> {
        let each = self.each();
        x.slice(x.axes().len() - 1, Size::product([Size::Known(head), each.clone()]), each)
    }

    fn scale(&self) -> f64 {
        1.0 / (self.each().known().unwrap_or(1).max(1) as f64).sqrt()
    }

    /// `k` rows of every graph, `[k, C]`, the same or its own, attend to all rows of the graph.
    pub fn of_rows(&self, seeds: V<'b>, rows: V<'b>) -> V<'b> {
        let (q, k, v) = (self.mapped(seeds, 0), self.mapped(rows, 1), self.mapped(rows, 2));
        let read = (0..self.options.heads).map(|head| {
            let scores = self.head(k, head).linear_by(self.head(q, head), true).scale(self.scale());
            let shares = scores.softmax(Index::Graph).dropout(self.options.dropout);
            shares.outer(self.head(v, head), Index::Graph)
        });
        let read = seeds.build().concat(&read.collect::<Vec<_>>());
        self.behind(seeds, read)
    }

    /// `[k, C]` of every graph attend to `[m, C]` of it.
    pub fn of_few(&self, x: V<'b>, y: V<'b>) -> V<'b> {
        let x = if x.space() == Space::One { x.in_space(Space::Graphs) } else { x };
        let (q, k, v) = (self.mapped(x, 0), self.mapped(y, 1), self.mapped(y, 2));
        let read = (0..self.options.heads).map(|head| {
            let scores =
                self.head(q, head).contract_by(self.head(k, head), [false, true]).scale(self.scale());
            scores.softmax_columns().dropout(self.options.dropout).contract(self.head(v, head))
        });
        let read = x.build().concat(&read.collect::<Vec<_>>());
        self.behind(x, read)
    }

    /// All rows of a graph, `[C]` each, attend to each other. `place` tells the blocks of a program apart.
    pub fn of_all(&self, x: V<'b>, place: usize) -> V<'b> {
        let packed = x.linear(self.input) + self.input_bias;
        let Options { heads, dropout, .. } = self.options;
        self.behind(x, packed.self_attention(&self.width.size, heads, dropout, place))
    }

    /// What follows the heads: a map, the rows themselves, a layer, and norms.
    fn behind(&self, x: V<'b>, read: V<'b>) -> V<'b> {
        let [w, bias] = self.heads;
        let y = read.linear(w) + bias + x;
        let y = self.norms.map_or(y, |[norm, _]| layer_norm(y, norm));
        let [w, bias] = self.layer;
        let y = y + (y.linear(w) + bias).relu();
        self.norms.map_or(y, |[_, norm]| layer_norm(y, norm))
    }
}

/// Each row by its own statistics.
fn layer_norm<'b>(x: V<'b>, [scale, offset]: [V<'b>; 2]) -> V<'b> {
    let last = x.axes().len() - 1;
    let centred = x - x.fold_mean(last).column();
    let variance = centred.square().fold_mean(last).column();
    centred * variance.offset(1e-5).sqrt().reciprocal() * scale + offset
}
