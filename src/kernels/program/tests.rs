//! The engine against the reference, over widths, shapes of graphs and operators.

use super::*;
use crate::kernels::graph::{Csr, EdgeKinds, SparseGraph};
use crate::kernels::tape;
use crate::program::reference::{self, Maps};
use crate::program::{Build, Fun, Index, Init, V};
use crate::types::{Dim, Size};
use candle_core::{DType, Device, Tensor, Var};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// How many kinds of edges there are beside values of this width: in one case more than blocks take each by itself.
fn n_kinds(width: usize) -> usize {
    if width == 17 { 20 } else { 4 }
}

/// Nodes of graphs, of which one has none.
const SMALL: &[usize] = &[3, 0, 1, 9];
/// The same, and one with a hub.
const WITH_HUB: &[usize] = &[3, 0, 1, 9, 131];

/// For rows that are wider than what is summed in registers at a time.
const TINY: &[usize] = &[2, 0, 1, 4];

/// Graphs with isolated nodes and loops, and those of more than 100 nodes with a hub.
fn graph(seed: u64, n_kinds: usize, sizes: &[usize]) -> (SparseGraph, Maps) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut offsets = vec![0u32];
    let mut edges = Vec::new();
    let mut graph_of = Vec::new();
    for (graph, &n) in sizes.iter().enumerate() {
        let first = *offsets.last().unwrap();
        for _ in 0..n {
            let mut end = || first + rng.random_range(0..n as u32);
            edges.push((end(), end()));
        }
        if n > 100 {
            // More neighbours than are summed in f32.
            edges.extend((1..n as u32).map(|other| (first + other, first)));
        }
        graph_of.extend(vec![graph; n]);
        offsets.push(first + n as u32);
    }
    let n = *offsets.last().unwrap() as usize;
    let adjacency = Csr::from_edges(n, &edges);
    let transpose = adjacency.transpose();
    let entries = (0..n)
        .flat_map(|row| adjacency.row(row).iter().map(move |&col| (row, col as usize)).collect::<Vec<_>>())
        .enumerate()
        // Kind 2 has no edges.
        .map(|(entry, (row, col))| (row, col, [0, 1, n_kinds - 1][entry * entry % 3]))
        .collect();
    let maps = Maps { graph_of, n_graphs: sizes.len(), edges: entries };
    let of_entry = Arc::new(maps.edges.iter().map(|edge| edge.2 as u32).collect());
    let graph = SparseGraph::new(Arc::new(adjacency), Arc::new(transpose), Arc::new(offsets));
    (graph.with_kinds(Some(EdgeKinds { of_entry, n_kinds })), maps)
}

fn size(n: usize) -> Size {
    Size::Known(n)
}

fn weight<'b>(b: &'b Build, name: &'static str, shape: &[usize]) -> V<'b> {
    let dims: Vec<Dim> = shape.iter().map(|&n| Dim::new(size(n), None, "of the test")).collect();
    b.weight(name, &dims, Init::Ones)
}

type Write = for<'b> fn(&'b Build, V<'b>, V<'b>, V<'b>, usize) -> V<'b>;

/// Values and gradients of every input and weight, by the engine.
fn by_engine(
    program: &Program,
    graph: &SparseGraph,
    inputs: &[Vec<f64>],
    weights: &[Vec<f64>],
    cotangent: &[f64],
    dtype: DType,
    is_taped: bool,
) -> Vec<Vec<f64>> {
    let compiled = Arc::new(Compiled::new(program, &vec![true; inputs.len()]));
    let topology = Topology::sparse(graph);
    let var = |values: &[f64], shape: Vec<usize>| {
        Var::from_tensor(
            &Tensor::from_vec(values.to_vec(), shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap(),
        )
        .unwrap()
    };
    let shape_of = |id: Id| {
        let value = program.value(id);
        let mut shape = vec![n_rows(&topology, value.space)];
        shape.extend(value.axes.iter().map(|size| size.known().unwrap()));
        shape
    };
    let inputs: Vec<Var> = program.inputs.iter().zip(inputs).map(|(&id, x)| var(x, shape_of(id))).collect();
    let weights: Vec<Var> = program
        .weights
        .iter()
        .zip(weights)
        .map(|(spec, w)| var(w, spec.shape.iter().map(|dim| dim.known().unwrap()).collect()))
        .collect();
    let tensors = |vars: &[Var]| vars.iter().map(|var| var.as_tensor().clone()).collect::<Vec<_>>();
    if is_taped {
        tape::start();
    }
    let results = run(&Arguments {
        compiled: &compiled,
        inputs: &tensors(&inputs),
        weights: &tensors(&weights),
        topology: &topology,
        random: Random { seed: Some(3) },
        like: inputs[0].as_tensor(),
    })
    .unwrap();
    let flat = |tensor: &Tensor| -> Vec<f64> {
        tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
    };
    let y = flat(&results[0]);
    // A scalar through a kernel that the tape knows: a product of one row and one column.
    let n = y.len();
    let row = crate::kernels::tape::reshape(&results[0], (1, n)).unwrap();
    let column = Tensor::from_vec(cotangent.to_vec(), (n, 1), &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
    let loss = crate::kernels::linear(&row, &column, None, crate::kernels::Activation::Identity).unwrap();
    let gradients = if is_taped { tape::backward(&loss) } else { loss.backward() }.unwrap();
    let mut all = vec![y];
    for var in inputs.iter().chain(&weights) {
        all.push(gradients.get(var).map(flat).unwrap_or_default());
    }
    all
}

fn check(what: &str, write: Write) {
    for (width, seed, sizes) in [(1, 1, WITH_HUB), (3, 2, WITH_HUB), (17, 3, WITH_HUB), (67, 4, TINY)] {
        let (graph, maps) = graph(seed, n_kinds(width), sizes);
        let b = Build::new();
        let x = b.input(0, Space::Rows, &[size(width)]);
        let e = b.input(1, Space::Edges, &[size(width)]);
        let g = b.input(2, Space::Graphs, &[size(width), size(2)]);
        let y = write(&b, x, e, g, width);
        let program = b.finish(&[y]);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut numbers = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.random_range(-1.0..1.0)).collect() };
        let inputs: Vec<Vec<f64>> = program
            .inputs
            .iter()
            .map(|&id| numbers(maps.rows(program.value(id).space) * program.value(id).known_width()))
            .collect();
        let weights: Vec<Vec<f64>> = program
            .weights
            .iter()
            .map(|spec| numbers(spec.shape.iter().map(|dim| dim.known().unwrap()).product()))
            .collect();
        let value = program.value(program.outputs[0]);
        let cotangent = numbers(maps.rows(value.space) * value.known_width());
        let random = Random { seed: Some(3) };
        let factor = |site: usize, p: f64, row: usize, col: usize| random.factor::<f64>(site, p, row, col);
        let whole = differentiate(&program, &vec![true; inputs.len()]);
        let mut all_inputs = inputs.clone();
        all_inputs.push(cotangent.clone());
        let values = reference::run(&whole.program, &maps, &all_inputs, &weights, &factor);
        let mut wanted = vec![values[program.outputs[0].index()].clone()];
        for id in whole.of_inputs.iter().chain(&whole.of_weights) {
            wanted.push(id.map(|id| values[id.index()].clone()).unwrap_or_default());
        }
        for is_taped in [true, false] {
            let found = by_engine(&program, &graph, &inputs, &weights, &cotangent, DType::F64, is_taped);
            for (k, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                // Without a tape, what needs no gradient gets zeros.
                let zeros = vec![0.0; found.len()];
                let wanted = if wanted.is_empty() { &zeros } else { wanted };
                assert_eq!(found.len(), wanted.len(), "{what}, width {width}, result {k}");
                let largest = wanted.iter().fold(1e-3, |a: f64, b| a.max(b.abs()));
                for (i, (found, wanted)) in found.iter().zip(wanted).enumerate() {
                    assert!(
                        (found - wanted).abs() <= 1e-10 * largest,
                        "{what}, width {width}, result {k}[{i}], taped {is_taped}: {found}, not {wanted}"
                    );
                }
            }
        }
        let single = |threads| {
            crate::kernels::threads::with_count(threads, || {
                by_engine(&program, &graph, &inputs, &weights, &cotangent, DType::F32, true)
            })
        };
        let with_hub = single(1);
        assert_eq!(with_hub, single(3), "{what}, width {width}: threads");
        let reads_all = |op: &Op| {
            matches!(op, Op::Reduce { index: Index::All, .. } | Op::Below { index: Index::All, .. })
        };
        if sizes == TINY || program.values.iter().any(|value| reads_all(&value.op)) {
            continue;
        }
        // What shares the batch leaves no trace: a hub's sums are of other accuracy, and those of other rows are not.
        let (small, small_maps) = self::graph(seed, n_kinds(width), SMALL);
        let first = |values: &[f64], id: Id| {
            let value = program.value(id);
            values[..small_maps.rows(value.space) * value.known_width()].to_vec()
        };
        let few: Vec<Vec<f64>> = program.inputs.iter().zip(&inputs).map(|(&id, x)| first(x, id)).collect();
        let few_cotangents = first(&cotangent, program.outputs[0]);
        let alone = by_engine(&program, &small, &few, &weights, &few_cotangents, DType::F32, true);
        let ids = program.outputs.iter().chain(&program.inputs);
        for ((alone, beside), &id) in alone.iter().zip(&with_hub).zip(ids) {
            if !beside.is_empty() {
                assert_eq!(alone, &first(beside, id), "{what}, width {width}: %{} alone", id.0);
            }
        }
    }
}

/// What is near counts more: the score of an edge is a dot product of rows.
fn nearness<'b>(b: &'b Build, x: V<'b>, w: usize) -> V<'b> {
    let edges = b.edges();
    let (q, v) = (x.linear(weight(b, "q", &[w, w])), x.linear(weight(b, "v", &[w, w])));
    let apart = edges.target(q) - edges.source(q);
    let shares = edges.softmax(-apart.dot(apart).view(&[size(1)]));
    edges.sum(edges.source(v) * shares)
}

/// Of `apart · apart`, and of `∂ · v` on the way back, where one dot product of the forward pass stays beside the shares.
#[test]
fn dot_products_of_edges_are_computed_once() {
    let n_dots = |width: usize| {
        let b = Build::new();
        let x = b.input(0, Space::Rows, &[size(width)]);
        let program = b.finish(&[nearness(&b, x, width)]);
        let compiled = Compiled::new(&program, &[true]);
        let sizes = Sizes { graphs: 1.0, rows: 10.0, edges: 40.0 };
        let dots = |pass| compiled.launches(pass, sizes).iter().map(|launch| launch.dots).sum::<f64>() / 40.0;
        let kept = compiled.whole.program.values.iter().enumerate();
        let of_edges = kept.filter(|(_, value)| value.space == Space::Edges).map(|(id, _)| Id(id as u32));
        let backward = compiled.backward(&[true]);
        let n_kept: usize = of_edges
            .filter(|id| backward.kept.binary_search(id).is_ok())
            .map(|id| compiled.whole.program.value(id).known_width())
            .sum();
        (dots(Direction::Forward), dots(Direction::Backward(&[true])), n_kept)
    };
    // A row's own `∂ · y` is a dot product too.
    let of_rows = 10.0 / 40.0;
    assert_eq!(n_dots(16), (1.0, 1.0 + of_rows, 1));
    // Rows of two numbers are read again.
    assert_eq!(n_dots(2), (1.0, 4.0 + of_rows, 0));
}

#[test]
fn messages_are_those_of_the_reference() {
    check("sum", |b, x, _, _, _| b.edges().sum(b.edges().source(x)));
    check("mean", |b, x, e, _, _| b.edges().mean(b.edges().source(x) * e));
    check("largest", |b, x, e, _, _| b.edges().largest(b.edges().source(x) + e));
    check("smallest", |b, x, e, _, _| b.edges().smallest(b.edges().source(x) + e));
    check("product", |b, x, e, _, _| b.edges().product(b.edges().source(x).exp() * e.offset(1.5)));
    // Some nodes have one factor that is 0, some several.
    check("product with zeros", |b, x, e, _, _| {
        let edges = b.edges();
        edges.product(edges.source(x.offset(0.8).relu().scale(1.1)) + e.offset(-0.2).relu())
    });
    check("product of sources", |b, x, e, _, _| {
        (e.offset(1.0) * b.edges().target(x).exp()).product(Index::Source)
    });
    check("gine", |b, x, e, _, w| {
        let edges = b.edges();
        let m = (edges.source(x) + e.linear(weight(b, "edge", &[w, w]))).relu();
        (x + edges.sum(m)).linear(weight(b, "w", &[w, 5]))
    });
    check("gatv2", |b, x, e, _, w| {
        let edges = b.edges();
        let each = size(w);
        let left = x.linear(weight(b, "left", &[w, 2 * w])).heads(2, &each);
        let right = x.linear(weight(b, "right", &[w, 2 * w])).heads(2, &each);
        let inner = edges.source(left)
            + edges.target(right)
            + e.linear(weight(b, "edge", &[w, 2 * w])).heads(2, &each);
        let score = inner.leaky_relu(0.2).dot(weight(b, "attention", &[2, w]));
        let alpha = edges.softmax(score).dropout(0.3);
        edges.sum(edges.source(left) * alpha.column()).flat()
    });
    check("nearness", |b, x, _, _, w| nearness(b, x, w));
    check("moments", |b, x, e, _, _| {
        let edges = b.edges();
        let m = edges.source(x) * e;
        let mean = edges.mean(m);
        b.concat(&[mean, (edges.mean(m.square()) - mean.square()).at_least(1e-5).sqrt(), edges.largest(m)])
    });
    check("matrices of edges", |b, x, e, _, w| {
        let edges = b.edges();
        let matrix = e.linear(weight(b, "net", &[w, 3 * w])).heads(w, &size(3));
        let m = edges.source(x).view(&[size(1), size(w)]).contract(matrix);
        edges.sum(m).flat()
    });
    check("largest of matrices of edges", |b, x, e, _, w| {
        let edges = b.edges();
        let matrix = e.linear(weight(b, "net", &[w, 3 * w])).heads(w, &size(3));
        edges.largest(edges.source(x).view(&[size(1), size(w)]).contract(matrix)).flat()
    });
    check("numbers of heads beside numbers of places", |b, x, e, _, w| {
        let edges = b.edges();
        let (of_heads, of_places) = (e.column(), edges.source(x).view(&[size(1), size(w)]));
        let both = b.map(Fun::Sub, &[of_places, of_heads]).above(0.0).choose(of_heads, of_places);
        (edges.sum(of_places - of_heads) + edges.largest(both)).flat()
    });
    check("a row whose own score is low", |b, x, e, _, _| {
        let edges = b.edges();
        let own = x.square().offset(1.0).scale(-1000.0);
        let (shares, own) = edges.softmax_beside(edges.source(x) * e, own);
        edges.sum_of_shares(edges.source(x) * shares) + x * own
    });
    check("one over no degree", |b, x, _, _, _| {
        let edges = b.edges();
        edges.sum(edges.source(x) * edges.target(edges.degree().reciprocal().view(&[size(1)])))
    });
    check("symmetric normalisation", |b, x, e, _, _| {
        let edges = b.edges();
        let root = edges.degree().at_least(1.0).sqrt().reciprocal().view(&[size(1)]);
        edges.sum(edges.source(x) * edges.target(root) * edges.source(root)) + edges.sum(e * edges.target(x))
    });
    check("sources", |b, x, e, _, _| (e * b.edges().target(x)).tanh().sum(Index::Source));
    check("degrees", |b, x, _, _, _| {
        let degree = b.edges().degree();
        x.mul_rows(degree.offset(1.0).ln()).mul_rows(b.count(Index::Source))
    });
    check("an edge's own value", |b, x, e, _, _| (b.edges().source(x) * b.edges().target(x)).softplus() + e);
}

#[test]
fn a_sum_of_matrices_of_edges_is_that_of_the_messages() {
    let (_, maps) = graph(7, 4, WITH_HUB);
    let both = |is_plain: bool| {
        let b = Build::new();
        let x = b.input(0, Space::Rows, &[size(3)]);
        let e = b.input(1, Space::Edges, &[size(2)]);
        let matrix = e.linear(weight(&b, "net", &[2, 12])) + weight(&b, "bias", &[12]);
        let row = b.edges().source(x).view(&[size(1), size(3)]);
        let message = row.contract(matrix.view(&[size(3), size(4)])).view(&[size(4)]);
        // What stands between hides the product from the sum.
        let message = if is_plain { message } else { message.exp().ln() };
        let program = b.finish(&[b.edges().sum(message)]);
        let has_product = program.values.iter().any(|value| matches!(value.op, Op::Contract { .. }));
        let is_read = program.live(program.outputs.iter().copied());
        let reads_product = program
            .values
            .iter()
            .zip(is_read)
            .any(|(value, is_read)| is_read && matches!(value.op, Op::Contract { .. }));
        assert!(has_product && reads_product != is_plain);
        let numbers = |n: usize| (0..n).map(|i| (i * 7 % 11) as f64 / 11.0).collect::<Vec<_>>();
        let inputs = [numbers(maps.rows(Space::Rows) * 3), numbers(maps.rows(Space::Edges) * 2)];
        let values = reference::run(&program, &maps, &inputs, &[numbers(24), numbers(12)], &|_, _, _, _| 1.0);
        values[program.outputs[0].index()].clone()
    };
    for (ours, theirs) in both(true).iter().zip(both(false)) {
        assert!((ours - theirs).abs() < 1e-9 * (1.0 + theirs.abs()), "{ours}, not {theirs}");
    }
}

#[test]
fn kinds_of_edges_are_those_of_the_reference() {
    check("typed by a value", |b, x, _, _, w| {
        // Numbers beyond the kinds count as the last.
        let degree = b.edges().degree().view(&[size(1)]);
        let y = x.typed_linear_of(degree, weight(b, "w", &[n_kinds(w), w, 3]));
        y.relu().typed_linear_of(degree, weight(b, "v", &[n_kinds(w), 3, w])) + x
    });
    check("typed by a value of edges", |b, x, _, _, w| {
        let degree = b.edges().source(b.edges().degree().view(&[size(1)]));
        let message = b.edges().source(x).square() * b.edges().target(x);
        b.edges().sum(message.typed_linear_of(degree, weight(b, "w", &[3, w, 2])))
    });
    check("typed", |b, x, e, _, w| {
        let m = (b.edges().source(x) * e).typed_linear(weight(b, "w", &[n_kinds(w), w, 3]));
        b.edges().sum(m.mul_rows(b.edges().count_alike().reciprocal()))
    });
    check("mixed matrices", |b, x, _, _, w| {
        let bases = weight(b, "bases", &[2, w, 3]).view(&[size(2), size(3 * w)]);
        let matrices =
            weight(b, "shares", &[n_kinds(w), 2]).contract(bases).view(&[size(n_kinds(w)), size(w), size(3)]);
        b.edges().sum(b.edges().source(x).largest_alike().typed_linear(matrices))
    });
    check("product of a kind", |b, x, e, _, _| (b.edges().source(x).exp() * e).product_alike() * e);
    check("sum of a kind", |b, x, e, _, _| (b.edges().source(x) * e).sum_alike() * e);
}

#[test]
fn rows_and_graphs_are_those_of_the_reference() {
    check("heads", |b, x, _, _, w| x.heads(1, &size(w)).linear(weight(b, "w", &[1, w, 3])).elu(1.0).flat());
    check("two heads", |b, x, _, _, w| {
        let both = b.concat(&[x, x.tanh()]).heads(2, &size(w));
        both.linear(weight(b, "w", &[2, w, 3])).sigmoid().fold_max(0)
    });
    check("readouts", |b, x, _, _, _| {
        b.concat(&[x.sum(Index::Graph), x.mean(Index::Graph), x.largest(Index::Graph)]).gelu()
    });
    check("products of rows", |b, x, _, _, w| {
        let heads = b.concat(&[x, x.relu()]).heads(2, &size(w));
        let factor = x.exp();
        b.concat(&[factor.product(Index::Graph), x.product(Index::Graph)]).gather(Index::Graph).tanh()
            * b.concat(&[heads.fold_mul(0), factor])
    });
    check("attention over graphs", |b, x, _, g, w| {
        let q = g.slice(1, size(0), size(1)).view(&[size(w)]);
        let score = x.dot(q.gather(Index::Graph)).view(&[size(1)]);
        (x * score.softmax(Index::Graph)).sum(Index::Graph) + weight(b, "w", &[w])
    });
    check("assignment", |_, x, _, g, _| {
        let s = x.apply(g, Index::Graph).softmax_columns();
        s.outer(x, Index::Graph)
    });
    check("cut", |b, x, _, g, _| {
        let s = x.apply(g, Index::Graph).softmax_columns();
        let edges = b.edges();
        let cut = edges.source(s).dot(edges.target(s)).sum(Index::Graph);
        let volume = s.square().fold_sum(0).mul_rows(edges.degree()).sum(Index::Graph);
        cut / volume.offset(1.0)
    });
    check("a weight's own sum", |b, x, _, _, w| {
        let p = weight(b, "p", &[w]);
        let length = p.dot(p).sqrt();
        x.dot(p) / length
    });
    check("all rows", |_, x, _, _, _| x - x.mean(Index::All));
    check("places in an order", |_, x, e, _, _| {
        // Whole numbers tie.
        let coarse = x.scale(3.0).floor();
        let of_rows = x.below(Index::Graph) + coarse.below(Index::Graph) * coarse.below(Index::All);
        (e.below(Index::Target) + e.scale(2.0).floor().below(Index::Target)).square().sum(Index::Target)
            + of_rows * x
    });
    check("weights of edges by heads", |b, x, e, _, w| {
        let (weight_of_edge, a) = (weight(b, "w", &[w, 2, 3]), weight(b, "a", &[2, 3]));
        let score = e.linear(weight_of_edge.dot(a)) + b.edges().source(x.linear(weight(b, "v", &[w, 2])));
        b.edges().softmax(score)
    });
    check("identity", |b, x, _, g, w| {
        let off = b.identity(&size(w)).scale(-1.0).offset(1.0);
        let (s, both) = (x.apply(g, Index::Graph).softmax_columns(), x.outer(x, Index::Graph) * off);
        s.outer(x.apply(both, Index::Graph) * b.iota(&size(w)), Index::Graph)
    });
    check("slices", |b, x, _, _, w| b.concat(&[x.slice(0, size(0), size(w.div_ceil(2))), x, x.square()]));
}

#[test]
fn a_product_that_a_choice_reads_is_the_same_in_every_order() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let rows: Vec<Vec<f64>> =
        (0..40).map(|_| (0..3).map(|_| rng.random_range(-1.5..1.5)).collect()).collect();
    let of = |is_reproducible: bool, is_turned: bool| {
        let mut rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        if is_turned {
            rows.reverse();
        }
        let mut out = vec![0.0; 3];
        block::product_of_factors(rows.into_iter(), is_reproducible, &mut Vec::new(), &mut out);
        out
    };
    assert_eq!(of(true, false), of(true, true));
    assert_ne!(of(false, false), of(false, true), "numbers whose order is seen");
}

#[test]
fn pairs_of_clusters_count_by_their_weight() {
    let (n_graphs, k) = (3, 4);
    let topology = Topology::pairs(n_graphs, k);
    assert_eq!(topology.n_edges(), n_graphs * k * k);
    assert_eq!(&topology.sources()[20..24], &[4, 5, 6, 7]);
    assert_eq!(&topology.turned_entries()[16..20], &[16, 20, 24, 28]);
}
