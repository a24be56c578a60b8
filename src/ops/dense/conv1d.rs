//! `conv1d(out, kernel)` and `max_pool1d(size)`: over the slots of each graph in their order.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::conv::{OUT, times};
use crate::ops::findings::{args, levels, shape, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WeightMap, WidthRule};
use crate::program::V;
use crate::program::composite::Composite;
use crate::types::{Dim, Entity, Size, Type};

/// Convolution over the slots of each graph: `h_t = W [x_{ts} ∥ … ∥ x_{ts + kernel − 1}] + b` for every place `t` at which the window fits, `s` the
/// stride. Slots stand in an order of their own, as `sort_pool` makes it, so the result does not depend on the numbering.
///
/// Paper: Zhang et al. 2018, "An End-to-End Deep Learning Architecture for Graph Classification", section 3.3.
/// PyG: `torch.nn.Conv1d` on `[G, F, k]`.
///
/// # Shapes
/// - `x`: `slots[k, F]`
/// - result: `slots[(k − kernel) / stride + 1, out]`
///
/// # Errors
/// `levels::needs_slots` on anything else, `args::does_not_fit` where the window is longer than the slots, `shape::no_width` where `out`
/// cannot be inferred.
#[derive(Debug)]
pub struct Conv1d;

/// The largest of every `size` slots in a row: `h_t = max(x_{ts}, …, x_{ts + size − 1})`.
///
/// Paper: as [`Conv1d`]. PyG: `torch.nn.MaxPool1d` on `[G, F, k]`.
///
/// # Shapes
/// - `x`: `slots[k, F]`
/// - result: `slots[(k − size) / stride + 1, F]`
///
/// # Errors
/// As [`Conv1d`].
#[derive(Debug)]
pub struct MaxPool1d;

const STRIDE: ArgSpec = ArgSpec {
    name: "stride",
    kind: ArgKind::Int { min: 1, max: 1 << 20 },
    default: Default::Int(1),
    positional: false,
    doc: "Slots from one window to the next.",
};

static CONV_ARGS: &[ArgSpec] = &[
    OUT,
    ArgSpec {
        name: "kernel",
        kind: ArgKind::Int { min: 1, max: 1 << 20 },
        default: Default::Int(5),
        positional: false,
        doc: "Slots that a window covers, `kernel_size` in PyTorch.",
    },
    STRIDE,
];

static POOL_ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "size",
        kind: ArgKind::Int { min: 1, max: 1 << 20 },
        default: Default::Int(2),
        positional: true,
        doc: "Slots of which the largest is taken, `kernel_size` in PyTorch.",
    },
    ArgSpec { default: Default::Inferred("as `size`, so that windows do not overlap"), ..STRIDE },
];

/// Windows of `size` slots, `stride` apart.
#[derive(Clone, Copy)]
struct Windows {
    size: usize,
    stride: usize,
    n: usize,
}

impl Windows {
    /// The type of the result, with this width.
    fn infer(cx: &InferCx, [size, stride]: [usize; 2], arg: &str, width: Dim) -> Result<Type, Diagnostic> {
        let input = cx.inputs[0];
        if input.entity != Entity::Slots {
            return Err(levels::needs_slots(cx));
        }
        let rows = match input.rows.known() {
            Some(k) if k < size => {
                let message = format!(
                    "a window of {size} does not fit into {}",
                    shape::counted(&input.rows.size, "slot")
                );
                let help = format!("write `{arg} = {k}` or less, or keep more slots");
                return Err(args::does_not_fit(cx, arg, &message, &help));
            }
            Some(k) => Size::Known((k - size) / stride + 1),
            None => Size::Symbol("?"),
        };
        let reason = format!("windows of {size} over {}", shape::counted(&input.rows.size, "slot"));
        Ok(Type {
            entity: Entity::Slots,
            level: cx.new_level,
            rows: Dim::new(rows, Some(cx.span), reason),
            width,
            symmetry: symmetry::of_entity(cx, Entity::Slots),
        })
    }

    /// Of slots whose number is known; what is not known stands in no program that runs.
    fn of(cx: &ProgramCx, [size, stride]: [usize; 2]) -> Self {
        let k = cx.inputs[0].rows.known().unwrap_or(size).max(size);
        Self { size, stride, n: (k - size) / stride + 1 }
    }

    /// `[n, F]`: of every window the slot at this place.
    fn at<'b>(self, x: V<'b>, place: usize, width: &Size) -> V<'b> {
        let long = x.slice(0, Size::Known(place), Size::Known((self.n - 1) * self.stride + 1));
        let whole = Size::Known(self.n * self.stride);
        let padded = long.pad(0, Size::Known(0), whole);
        let row = Size::product([Size::Known(self.stride), width.clone()]);
        padded.view(&[Size::Known(self.n), row]).slice(1, Size::Known(0), width.clone())
    }
}

/// The slots of each graph as `[k, F]`.
fn slots<'b>(cx: &ProgramCx<'_, 'b>, windows: Windows) -> V<'b> {
    let width = &cx.inputs[0].width.size;
    let k = cx.inputs[0].rows.known().unwrap_or(windows.size).max(windows.size);
    let whole = Size::product([Size::Known(k), width.clone()]);
    cx.b.call(Composite::Flatten { width: whole }, &[cx.x()]).view(&[Size::Known(k), width.clone()])
}

impl Operator for Conv1d {
    fn name(&self) -> &'static str {
        "conv1d"
    }
    fn family(&self) -> Family {
        Family::Dense
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "A convolution over the slots of each graph, in their order.",
            formula: "h_t = W [x_{ts} ∥ … ∥ x_{ts + kernel − 1}] + b",
            paper: "Zhang et al. 2018, \"An End-to-End Deep Learning Architecture for Graph Classification\"",
            example: "gcn(32) -> tanh -> sort_pool(10) -> conv1d(16, kernel = 3) -> relu -> max_pool1d(2) -> flatten -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        CONV_ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Argument("out")
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        if cx.inputs[0].entity != Entity::Slots {
            return Err(levels::needs_slots(cx));
        }
        let width = shape::output_width(cx, "out")?;
        Windows::infer(cx, ["kernel", "stride"].map(|name| cx.args.int(name) as usize), "kernel", width)
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let windows = Windows::of(cx, ["kernel", "stride"].map(|name| cx.args.int(name) as usize));
        let (x, width) = (slots(cx, windows), &cx.inputs[0].width);
        let parts: Vec<V> = (0..windows.size).map(|place| windows.at(x, place, &width.size)).collect();
        let from = times(windows.size, width);
        let y = cx.linear(cx.b.concat(&parts), ["weight", "bias"], &from, &cx.output.width);
        Some(Outcome::slots(y))
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "torch.nn.Conv1d",
            weights: &[("bias", "bias", WeightMap::Same)],
            arguments: &[("out_channels", "out"), ("kernel_size", "kernel")],
            note: "PyTorch's weight is `[out, F, kernel]`, here `[kernel · F, out]`.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Exchange
    }
}

impl MaxPool1d {
    fn sizes(args: &Args) -> [usize; 2] {
        let size = args.int("size") as usize;
        [size, args.opt_int("stride").map_or(size, |stride| stride as usize)]
    }
}

impl Operator for MaxPool1d {
    fn name(&self) -> &'static str {
        "max_pool1d"
    }
    fn family(&self) -> Family {
        Family::Dense
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "The largest value of each feature in every few slots of a graph, in their order.",
            formula: "h_t = max(x_{ts}, …, x_{ts + size − 1})",
            paper: "Zhang et al. 2018, \"An End-to-End Deep Learning Architecture for Graph Classification\"",
            example: "gcn(32) -> tanh -> sort_pool(10) -> max_pool1d(2) -> flatten -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        POOL_ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        Windows::infer(cx, Self::sizes(cx.args), "size", cx.inputs[0].width.clone())
    }
    fn program<'b>(&self, cx: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        let windows = Windows::of(cx, Self::sizes(cx.args));
        let (x, width) = (slots(cx, windows), &cx.inputs[0].width.size);
        let parts = (0..windows.size).map(|place| windows.at(x, place, width));
        Some(Outcome::slots(parts.reduce(V::max)?))
    }
    fn pyg(&self) -> Pyg {
        Pyg { class: "torch.nn.MaxPool1d", weights: &[], arguments: &[("kernel_size", "size")], note: "" }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Exchange
    }
}

#[cfg(test)]
mod tests {
    use crate::lower::{ForwardCx, Network};
    use crate::ops::testing::{assert_close, codes, forward, nodes, types, weight};
    use candle_core::{DType, Device};

    fn run(text: &str) -> (Vec<Vec<f64>>, Network, Vec<Vec<f64>>) {
        let data = nodes(9, &[(0, 1), (2, 1)]);
        let of = |text: &str| {
            let model =
                crate::lower::testing::compile(&format!("model = {text}\ntask = graph_regression"), None);
            let network = Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
            (forward(&network, &data, ForwardCx::evaluation()), network)
        };
        let (rows, network) = of(&format!("sort_pool(7) -> {text} -> flatten"));
        let (sorted, _) = of("sort_pool(7) -> flatten");
        (rows, network, sorted[0].chunks(3).map(<[f64]>::to_vec).collect())
    }

    #[test]
    fn windows_are_those_of_plain_loops() {
        for (stride, size) in [(1, 3), (2, 3), (3, 2), (1, 7)] {
            let (rows, network, x) = run(&format!("conv1d(4, kernel = {size}, stride = {stride})"));
            let (w, bias) = (weight(&network, "2.conv1d.weight"), weight(&network, "2.conv1d.bias"));
            let mut wanted = Vec::new();
            for start in (0..=x.len() - size).step_by(stride) {
                let window: Vec<f64> = x[start..start + size].concat();
                let of = |col: usize| {
                    window.iter().zip(&w).map(|(x, row)| x * row[col]).sum::<f64>() + bias[0][col]
                };
                wanted.extend((0..4).map(of));
            }
            assert_close(&rows[0], &wanted);

            let (rows, _, x) = run(&format!("max_pool1d({size}, stride = {stride})"));
            let mut wanted = Vec::new();
            for start in (0..=x.len() - size).step_by(stride) {
                wanted.extend(
                    (0..3).map(|col| {
                        x[start..start + size].iter().map(|row| row[col]).fold(f64::MIN, f64::max)
                    }),
                );
            }
            assert_close(&rows[0], &wanted);
        }
    }

    #[test]
    fn slots_are_needed_and_as_many_as_a_window_has() {
        let text = "gcn(8) -> sort_pool(10) -> conv1d(4, kernel = 3) -> max_pool1d -> flatten -> linear";
        assert_eq!(types(text, None)[3..5], ["slots[8, 4]", "slots[4, 4]"]);
        let codes = |text: &str| codes(&format!("gcn(8) -> {text} -> flatten -> linear"));
        assert_eq!(codes("sort_pool(4) -> conv1d(4)"), ["args::does_not_fit"]);
        assert_eq!(codes("sort_pool(4) -> max_pool1d(5)"), ["args::does_not_fit"]);
        assert!(codes("conv1d(4)").contains(&"levels::needs_slots"));
        assert!(codes("diffpool(k = 8) -> max_pool1d").contains(&"levels::needs_slots"));
    }
}
