//! The CUDA kernels compiled as C++ and run on the CPU, thread by thread, beside plain loops and beside the CPU's own
//! kernels. A C++ compiler stands in for the GPU: it holds the arithmetic and the indexing of `kernels.cu`, not the
//! launch.

use super::source;
use crate::kernels::graph::{Csr, SparseGraph};
use crate::kernels::testkit::{random, values};
use crate::kernels::{Norm, Reduce, propagate, propagate_max, segment_reduce};
use candle_core::{Device, Tensor, Var};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};

/// Reads one call as numbers and writes the result as numbers. Threads run from the last to the first: none may need
/// what another has done.
const HARNESS: &str = r#"
#include <cstdio>
#include <cstring>
#include <vector>
#define __global__
static struct { unsigned x; } blockIdx, blockDim, threadIdx;
KERNELS
static std::vector<unsigned> integers() {
    unsigned n; if (scanf("%u", &n) != 1) return {};
    std::vector<unsigned> all(n);
    for (auto &value : all) if (scanf("%u", &value) != 1) return {};
    return all;
}
template <class T> static std::vector<T> reals() {
    unsigned n; if (scanf("%u", &n) != 1) return {};
    std::vector<T> all(n);
    for (auto &value : all) { double read; if (scanf("%lf", &read) != 1) return {}; value = (T)read; }
    return all;
}
template <class F> static void launch(unsigned long long n, F kernel) {
    blockDim.x = 256;
    for (unsigned long long block = n / 256 + 1; block-- > 0;)
        for (unsigned thread = 256; thread-- > 0;) {
            blockIdx.x = (unsigned)block; threadIdx.x = thread; kernel();
        }
}
template <class T> static void show(const std::vector<T> &all) {
    for (auto value : all) printf("%.17g\n", (double)value);
}
#define RUN(T, SUFFIX) \
    if (!strcmp(name, "propagate")) { \
        auto offsets = integers(), sources = integers(); \
        auto row = reals<T>(), col = reals<T>(), own = reals<T>(), x = reals<T>(); \
        unsigned n = (unsigned)offsets.size() - 1, width = (unsigned)(x.size() / row.size()); \
        std::vector<T> y(n * width, (T)-77); \
        launch(n * width, [&] { propagate_##SUFFIX(offsets.data(), sources.data(), row.data(), col.data(), \
            own.data(), x.data(), y.data(), n, width); }); \
        show(y); \
    } else { \
        auto offsets = integers(); auto kind = integers(); auto x = reals<T>(); \
        unsigned n = (unsigned)offsets.size() - 1, width = (unsigned)(x.size() / offsets.back()); \
        std::vector<T> y(n * width, (T)-77); \
        launch(n * width, [&] { segment_reduce_##SUFFIX(offsets.data(), x.data(), y.data(), n, width, kind[0]); }); \
        show(y); \
        auto dy = reals<T>(); std::vector<T> dx(x.size(), (T)-77); \
        launch(n * width, [&] { segment_spread_##SUFFIX(offsets.data(), x.data(), y.data(), dy.data(), dx.data(), \
            n, width, kind[0]); }); \
        show(dx); \
    }
int main() {
    char name[32], type[8];
    if (scanf("%31s %7s", name, type) != 2) return 1;
    if (!strcmp(type, "f32")) { RUN(float, f32) } else { RUN(double, f64) }
}
"#;

/// The harness as a program; `None` where no C++ compiler is found.
fn program() -> Option<&'static PathBuf> {
    static PROGRAM: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let built = PROGRAM.get_or_init(|| {
        let named = std::env::var("CXX").ok().filter(|name| !name.is_empty());
        let names = named.into_iter().chain(["c++", "g++", "clang++"].map(str::to_owned));
        let compiler = names.into_iter().find(|name| {
            Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success())
        })?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (text, program) = (folder.path().join("kernels.cpp"), folder.path().join("kernels"));
        let kernels = [("float", "f32"), ("double", "f64")]
            .map(|(real, suffix)| source::text(real, suffix) + "\n#undef REAL\n#undef NAME\n");
        std::fs::write(&text, HARNESS.replace("KERNELS", &kernels.concat())).expect("writable");
        // No fused multiplication and addition: each rounding is that of the source.
        let flags = ["-std=c++11", "-O1", "-ffp-contract=off", "-Wall", "-Werror", "-o"];
        let output =
            Command::new(&compiler).args(flags).arg(&program).arg(&text).output().expect("it starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kernels.cu does not compile as C++:\n{errors}");
        Some((folder, program))
    });
    built.as_ref().map(|(_, program)| program)
}

/// Runs a call; its parts are the arguments in the order of the harness. `None` where no C++ compiler is found.
#[track_caller]
fn run(name: &str, suffix: &str, parts: &[Part]) -> Option<Vec<f64>> {
    let Some(program) = program() else {
        crate::skip::skip("a C++ compiler (c++, g++, clang++ or CXX)");
        return None;
    };
    let mut text = format!("{name} {suffix}\n");
    for part in parts {
        match part {
            Part::Integers(all) => {
                let _ = write!(text, "{}", all.len());
                all.iter().for_each(|value| text.push_str(&format!(" {value}")));
            }
            Part::Reals(all) => {
                let _ = write!(text, "{}", all.len());
                all.iter().for_each(|value| text.push_str(&format!(" {value:e}")));
            }
        }
        text.push('\n');
    }
    let mut child =
        Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the compiled kernels ended with {}", output.status);
    let shown = String::from_utf8(output.stdout).expect("numbers");
    Some(shown.lines().map(|line| line.parse().expect("a number")).collect())
}

enum Part<'a> {
    Integers(&'a [u32]),
    Reals(&'a [f64]),
}
use Part::{Integers, Reals};

#[track_caller]
fn assert_same(what: &str, theirs: &[f64], ours: &[f64], tolerance: f64) {
    assert_eq!(theirs.len(), ours.len(), "{what}");
    for (idx, (a, b)) in theirs.iter().zip(ours).enumerate() {
        let is_same = (a - b).abs() <= tolerance * b.abs().max(1.0) || (a.is_nan() && b.is_nan());
        assert!(is_same, "{what}[{idx}]: {a} by the CUDA kernel, {b} here");
    }
}

/// f64 to a few roundings; f32 to its own.
const TYPES: [(&str, f64); 2] = [("f64", 1e-14), ("f32", 1e-5)];

/// Seven nodes: one without edges, one with a self-loop, one with parallel edges, and more elements than a block has
/// threads. Edges are `(source, target)`.
const EDGES: [(u32, u32); 11] =
    [(1, 0), (2, 0), (6, 0), (0, 1), (2, 2), (3, 2), (0, 4), (0, 4), (5, 4), (4, 5), (1, 6)];
const N: usize = 7;
const WIDTH: usize = 41;

fn csr() -> (Vec<u32>, Vec<u32>) {
    let mut offsets = vec![0];
    let mut sources = Vec::new();
    for target in 0..N as u32 {
        sources.extend(EDGES.iter().filter(|edge| edge.1 == target).map(|edge| edge.0));
        offsets.push(sources.len() as u32);
    }
    (offsets, sources)
}

fn graph_of(n: usize, edges: &[(u32, u32)]) -> Arc<SparseGraph> {
    let adjacency = Csr::from_edges(n, edges);
    let transpose = Arc::new(adjacency.transpose());
    Arc::new(SparseGraph::new(Arc::new(adjacency), transpose, Arc::new(vec![0, n as u32])))
}

#[test]
fn propagation_is_that_of_plain_loops() {
    let (offsets, sources) = csr();
    let x = values(&random(&[N, WIDTH], 1));
    let (row, col) = (values(&random(&[N], 2)), values(&random(&[N], 3)));
    let own: Vec<f64> = (0..N).map(|node| if node % 2 == 0 { 0.0 } else { 0.5 * node as f64 }).collect();
    let mut expected = vec![0.0; N * WIDTH];
    for i in 0..N {
        for f in 0..WIDTH {
            let mut sum = own[i] * col[i] * x[i * WIDTH + f];
            for &(source, target) in &EDGES {
                if target as usize == i {
                    sum += col[source as usize] * x[source as usize * WIDTH + f];
                }
            }
            expected[i * WIDTH + f] = row[i] * sum;
        }
    }
    for (suffix, tolerance) in TYPES {
        let parts =
            [Integers(&offsets), Integers(&sources), Reals(&row), Reals(&col), Reals(&own), Reals(&x)];
        let Some(found) = run("propagate", suffix, &parts) else { return };
        assert_same(&format!("propagate_{suffix}"), &found, &expected, tolerance);
    }
}

#[test]
fn propagation_is_that_of_the_cpu_kernels() {
    // Parallel edges are dropped here.
    let graph = graph_of(N, &EDGES);
    let (offsets, sources) = (graph.adjacency.offsets.clone(), graph.adjacency.indices.clone());
    let x = random(&[N, WIDTH], 4);
    let degree = |node: usize| f64::from(offsets[node + 1] - offsets[node]);
    let inverse = |value: f64| if value == 0.0 { 0.0 } else { 1.0 / value };
    let each = |f: &dyn Fn(usize) -> f64| (0..N).map(f).collect::<Vec<f64>>();
    let ones = vec![1.0; N];
    let root = each(&|node| inverse(degree(node).sqrt()));
    for (norm, row, col, own) in [
        (Norm::Sum, ones.clone(), ones.clone(), vec![0.0; N]),
        (Norm::Mean, each(&|node| inverse(degree(node))), ones.clone(), vec![0.0; N]),
        (Norm::Gcn { self_loops: false }, root.clone(), root.clone(), vec![0.0; N]),
        (Norm::SelfPlus { eps: 0.25 }, ones.clone(), ones.clone(), vec![1.25; N]),
    ] {
        let expected = values(&propagate(&x, &graph, norm).unwrap());
        let plain = values(&x);
        let parts =
            [Integers(&offsets), Integers(&sources), Reals(&row), Reals(&col), Reals(&own), Reals(&plain)];
        let Some(found) = run("propagate", "f64", &parts) else { return };
        assert_same(&format!("{norm:?}"), &found, &expected, 1e-12);
    }
}

/// Segments of one row, none, and many; rows that share the maximum.
fn segments() -> (Vec<u32>, Vec<f64>) {
    let offsets = vec![0, 1, 1, 6, 30];
    let mut x = values(&random(&[30, WIDTH], 5));
    for f in 0..WIDTH {
        // Rows 2 and 4 are the largest of their segment, and equal.
        x[2 * WIDTH + f] = 9.0;
        x[4 * WIDTH + f] = 9.0;
    }
    (offsets, x)
}

#[test]
fn reductions_and_their_gradients_are_those_of_plain_loops_and_of_the_cpu_kernels() {
    let (offsets, x) = segments();
    let n_segments = offsets.len() - 1;
    let dy = values(&random(&[n_segments, WIDTH], 6));
    for reduce in [Reduce::Sum, Reduce::Mean, Reduce::Max] {
        let (mut y, mut dx) = (vec![0.0; n_segments * WIDTH], vec![0.0; x.len()]);
        for g in 0..n_segments {
            let rows = offsets[g] as usize..offsets[g + 1] as usize;
            for f in 0..WIDTH {
                let column: Vec<f64> = rows.clone().map(|row| x[row * WIDTH + f]).collect();
                let largest = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let n_ties = column.iter().filter(|value| **value == largest).count() as f64;
                let n = column.len() as f64;
                y[g * WIDTH + f] = match reduce {
                    _ if column.is_empty() => 0.0,
                    Reduce::Sum => column.iter().sum(),
                    Reduce::Mean => column.iter().sum::<f64>() / n,
                    Reduce::Max => largest,
                };
                for (row, value) in rows.clone().zip(&column) {
                    let share = match reduce {
                        Reduce::Sum => 1.0,
                        Reduce::Mean => 1.0 / n,
                        Reduce::Max => f64::from(u8::from(*value == largest)) / n_ties,
                    };
                    dx[row * WIDTH + f] = share * dy[g * WIDTH + f];
                }
            }
        }
        for (suffix, tolerance) in TYPES {
            let parts = [Integers(&offsets), Integers(&[reduce as u32]), Reals(&x), Reals(&dy)];
            let Some(found) = run("segment_reduce", suffix, &parts) else { return };
            let (found_y, found_dx) = found.split_at(y.len());
            assert_same(&format!("segment_reduce_{suffix} {reduce:?}"), found_y, &y, tolerance);
            assert_same(&format!("segment_spread_{suffix} {reduce:?}"), found_dx, &dx, tolerance);
        }
        let variable = Var::from_vec(x.clone(), (30, WIDTH), &Device::Cpu).unwrap();
        let reduced = segment_reduce(&variable, &Arc::new(offsets.clone()), reduce).unwrap();
        let weights = Tensor::from_vec(dy.clone(), (n_segments, WIDTH), &Device::Cpu).unwrap();
        let gradients = (&reduced * weights).unwrap().sum_all().unwrap().backward().unwrap();
        assert_same("the CPU's result", &y, &values(&reduced), 1e-12);
        assert_same("the CPU's gradient", &dx, &values(gradients.get(&variable).unwrap()), 1e-12);
    }
}

#[test]
fn a_nan_is_the_maximum_wherever_it_stands() {
    for place in [0, 1, 2] {
        let mut x = vec![1.0, 3.0, 2.0];
        x[place] = f64::NAN;
        let heard = Tensor::from_vec([&x[..], &[0.0]].concat(), (4, 1), &Device::Cpu).unwrap();
        let largest = propagate_max(&heard, &graph_of(4, &[(0, 3), (1, 3), (2, 3)])).unwrap();
        assert!(values(&largest)[3].is_nan(), "place {place}: {:?}", values(&largest));
        let parts = [Integers(&[0, 3]), Integers(&[Reduce::Max as u32]), Reals(&x), Reals(&[1.0])];
        let Some(found) = run("segment_reduce", "f64", &parts) else { return };
        let rows = Tensor::from_vec(x, (3, 1), &Device::Cpu).unwrap();
        let ours = segment_reduce(&rows, &Arc::new(vec![0, 3]), Reduce::Max).unwrap();
        assert!(found[0].is_nan() && values(&ours)[0].is_nan(), "place {place}: {found:?}");
    }
}
