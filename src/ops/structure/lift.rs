//! `lift(to)`: back to the level that a pooling was applied to.

use crate::args::{ArgKind, ArgSpec, Args, Default};
use crate::diagnostic::Diagnostic;
use crate::ops::findings::{levels, symmetry};
use crate::ops::program::{Outcome, ProgramCx};
use crate::ops::{Action, Doc, Family, InferCx, Operator, Pyg, WidthRule};
use crate::program::{Build, Index, Program, Space};
use crate::types::{Entity, Size, Type};

/// Brings the values of a pooled level back to the rows that were pooled, which `to` names a value of: a row that became a
/// cluster gets the cluster's values, one that is shared out over clusters gets them by its shares, `S X'`, and one that was
/// dropped gets zeros.
///
/// Paper: Gao and Ji 2019, "Graph U-Nets", eq. 3, and Bianchi et al. 2020 for shares; as Lift of Grattarola et al. 2022,
/// "Understanding Pooling in Graph Neural Networks", between Select, Reduce and Connect.
/// PyG: what `GraphUNet` does on its way up.
///
/// # Shapes
/// - port 0, `x`: `[N', F]`, nodes or clusters that a pooling made
/// - port 1, `to`: a value of the rows that it pooled, `[N, …]`, of which only the level is read
/// - result: `[N, F]` on the level of `to`
///
/// # Errors
/// `levels::no_way_back` where no pooling led from the level of `to` to that of `x`, or several did: one is undone at a time.
#[derive(Debug)]
pub struct Lift;

static ARGS: &[ArgSpec] = &[ArgSpec {
    name: "to",
    kind: ArgKind::Pipeline { port: 1 },
    default: Default::Required,
    positional: true,
    doc: "A value of the rows that were pooled, by its name.",
}];

impl Operator for Lift {
    fn name(&self) -> &'static str {
        "lift"
    }
    fn family(&self) -> Family {
        Family::Structure
    }
    fn doc(&self) -> Doc {
        Doc {
            summary: "Brings values of a pooled level back to the rows that were pooled.",
            formula: "x_i = x'_c of the cluster c of i,  S x' of shares S,  0 of what was dropped",
            paper: "Gao and Ji 2019, \"Graph U-Nets\"",
            example: "gcn(64) -> relu as fine -> diffpool(k = 8) -> gcn(64) -> relu -> lift(fine) -> add(fine, identity) -> \
                      gcn(64) -> relu -> mean -> linear",
        }
    }
    fn args(&self) -> &'static [ArgSpec] {
        ARGS
    }
    fn width_rule(&self) -> WidthRule {
        WidthRule::Kept
    }
    fn infer(&self, cx: &InferCx) -> Result<Type, Diagnostic> {
        let x = cx.inputs[0];
        // Until the other value is known, only the width is.
        let Some(to) = cx.inputs.get(1) else { return Ok(x.clone()) };
        let has_level = |ty: &Type| matches!(ty.entity, Entity::Nodes | Entity::Clusters);
        if !has_level(x) || !has_level(to) || to.level >= x.level {
            return Err(levels::no_way_back(cx));
        }
        let of_rows = symmetry::of_entity(cx, to.entity);
        Ok(Type { width: x.width.clone(), symmetry: of_rows, ..(*to).clone() })
    }
    fn program<'b>(&self, _: &ProgramCx<'_, 'b>) -> Option<Outcome<'b>> {
        None
    }
    fn pyg(&self) -> Pyg {
        Pyg {
            class: "tgp.lift.BaseLift",
            weights: &[],
            arguments: &[],
            note: "tgp multiplies by the weights of what became one too; `GraphUNet` of PyTorch Geometric does not.",
        }
    }
    fn action(&self, _: &Args) -> Action {
        Action::Lift
    }
}

/// `S X'` of each graph: `S [k]` a row and `X' [k, F]` a graph.
pub fn of_shares(k: usize, width: usize) -> Program {
    let b = Build::new();
    let [k, width] = [k, width].map(Size::Known);
    let s = b.input(0, Space::Rows, std::slice::from_ref(&k));
    let x = b.input(1, Space::Graphs, &[k, width]);
    b.finish(&[s.apply(x, Index::Graph)])
}

#[cfg(test)]
mod tests {
    use crate::data::synthetic::{RandomGraphs, random_graphs};
    use crate::lower::testing::compile;
    use crate::lower::{ForwardCx, Network, witness};
    use crate::ops::testing::{codes, types};
    use candle_core::{DType, Device};

    #[test]
    fn each_pooling_is_undone_on_its_own() {
        let text = "gcn(8) as a -> topk(ratio = 0.5) -> gcn(6) as b -> topk(k = 3) -> gcn(5) -> lift(b) -> gcn(4) -> lift(a) \
                    -> concat(a, identity) -> mean -> linear";
        assert_eq!(codes(text), [""; 0]);
        let types = types(text, None);
        assert!(
            types.contains(&"nodes[⌈N/2⌉, 5]".to_owned()) && types.contains(&"nodes[N, 12]".to_owned()),
            "{types:?}"
        );
        for wrong in [
            "gcn(8) as a -> topk(k = 4) -> topk(k = 3) -> gcn(5) -> lift(a) -> mean -> linear",
            "gcn(8) as a -> gcn(5) -> lift(a) -> mean -> linear",
            "gcn(8) as a -> topk(k = 4) -> mean -> lift(a) -> mean -> linear",
            "gcn(8) as a -> sort_pool(k = 4) -> lift(a) -> mean -> linear",
        ] {
            assert_eq!(codes(wrong), ["levels::no_way_back"], "{wrong}");
        }
    }

    #[test]
    fn what_was_dropped_is_zero_and_what_became_one_is_alike() {
        let data = random_graphs(&RandomGraphs { n_graphs: 4, ..RandomGraphs::default() });
        for (pooling, rule) in [
            ("topk(ratio = 0.5)", "zeros"),
            ("edge_pool", "pairs"),
            ("diffpool(k = 3)", "any"),
            ("diffpool(k = 4) -> mincut(k = 2) -> lift(b)", "any"),
        ] {
            let pooling = pooling.replace("-> mincut", "as b -> mincut");
            let text = format!("model = linear(5) as a -> {pooling} -> lift(a)\ntask = node_classification");
            let model = compile(&text, None);
            let network = Network::build(&model, &data.facts(), DType::F64, &Device::Cpu, 1).unwrap();
            let batch = data.batch(&[0, 1, 2], DType::F64, &Device::Cpu).unwrap();
            let value = network.forward(&batch, &mut ForwardCx::evaluation()).unwrap();
            let rows: Vec<Vec<f64>> = value.x.to_vec2().unwrap();
            assert_eq!(rows.len(), batch.graph.n_nodes(), "{text}");
            let n_zero = rows.iter().filter(|row| row.iter().all(|&x| x == 0.0)).count();
            match rule {
                "zeros" => assert!(n_zero * 2 <= rows.len() && n_zero * 2 + 3 >= rows.len(), "{n_zero}"),
                _ => assert_eq!(n_zero, 0, "{text}"),
            }
            let alike = |row: &Vec<f64>| rows.iter().filter(|other| *other == row).count() > 1;
            assert_eq!(rows.iter().any(|row| n_zero == 0 && alike(row)), rule == "pairs", "{text}");
        }
        for text in [
            "gcn(8) -> relu as a -> topk(ratio = 0.5) -> gcn(8) -> lift(a) -> add(a, identity) -> gcn(8) -> sum -> linear",
            "gcn(8) -> relu as a -> edge_pool -> gcn(8) -> lift(a) -> add(a, identity) -> gcn(8) -> sum -> linear",
            "gcn(8) -> relu as a -> mincut(k = 3) -> gcn(8) -> lift(a) -> add(a, identity) -> gcn(8) -> sum -> linear",
        ] {
            let found = witness(&compile(text, Some(&data.facts())), Some(&data)).unwrap();
            assert!(found.deviation < 1e-5, "{text}: {found:?}");
        }
    }

    /// Gradients flow through the shares as through what is lifted.
    #[test]
    fn a_lift_has_the_slopes_of_what_it_computes() {
        let data = random_graphs(&RandomGraphs { n_graphs: 3, ..RandomGraphs::default() });
        let facts = data.facts();
        for pooling in ["diffpool(k = 3)", "topk(ratio = 0.5)", "edge_pool(score = sigmoid)"] {
            let text = format!(
                "model = gcn(4) -> tanh as a -> {pooling} -> gcn(4) -> lift(a) -> add(a, identity) -> sum -> linear"
            );
            let network =
                Network::build(&compile(&text, Some(&facts)), &facts, DType::F64, &Device::Cpu, 1).unwrap();
            let batch = data.batch(&[0, 1, 2], DType::F64, &Device::Cpu).unwrap();
            let run = |is_taped: bool| {
                let mut cx = network.training_cx(1);
                cx.is_taped = is_taped;
                let targets = data.target_tensor(&[0, 1, 2], DType::F64, &Device::Cpu).unwrap().unwrap();
                let output = network.forward(&batch, &mut cx).unwrap();
                network.loss(&output, &targets, &cx, None).unwrap()
            };
            let loss = run(true);
            let gradients = loss.backward().unwrap();
            for parameter in network.parameters().trained() {
                let gradient = gradients.get(&parameter.var).unwrap().flatten_all().unwrap();
                let gradient: Vec<f64> = gradient.to_vec1().unwrap();
                let before = parameter.var.as_tensor().copy().unwrap();
                let shape = before.dims().to_vec();
                let values: Vec<f64> = before.flatten_all().unwrap().to_vec1().unwrap();
                for place in [0, values.len() - 1] {
                    let at = |step: f64| {
                        let mut moved = values.clone();
                        moved[place] += step;
                        let moved =
                            candle_core::Tensor::from_vec(moved, shape.as_slice(), &Device::Cpu).unwrap();
                        parameter.var.set(&moved).unwrap();
                        run(false).total.to_scalar::<f64>().unwrap()
                    };
                    let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                    parameter.var.set(&before).unwrap();
                    let name = &parameter.name;
                    assert!(
                        (slope - gradient[place]).abs() < 1e-6,
                        "{text}: {name}: {} not {slope}",
                        gradient[place]
                    );
                }
            }
        }
    }
}
