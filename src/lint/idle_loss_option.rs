//! `idle_loss_option`: an argument that only a loss reads, which the file does not ask for.

use super::{Cx, Lint, NeedsData};
use crate::args::{Args, words_list};
use crate::diagnostic::Diagnostic;
use crate::ir::Node;
use crate::ops::program::{self, Options};
use crate::ops::{FactCx, Operator};
use crate::types::{Entity, Type};
use petgraph::graph::NodeIndex;

/// Poolings and attention report losses of their own, which some of their arguments are for. Without the loss in `loss = …` such
/// an argument changes no step of the program.
pub static LINT: Lint = Lint {
    code: "lint::idle_loss_option",
    summary: "an argument of a loss that is not in `loss`",
    needs_data: NeedsData::Never,
    thresholds: &[],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    cx.nodes().flat_map(|node| of_stage(cx, node)).collect()
}

fn of_stage(cx: &Cx, idx: NodeIndex) -> Vec<Diagnostic> {
    let node = cx.node(idx);
    // Steps are compared where widths and clusters are known, as they may not be without data.
    let is_known = node.ty.width.known().is_some()
        && (node.ty.entity == Entity::Nodes || node.ty.rows.known().is_some());
    if node.op.losses().is_empty() || !is_known {
        return Vec::new();
    }
    let inputs: Vec<&Type> = cx.model.inputs(idx).into_iter().map(|input| &cx.node(input).ty).collect();
    let wanted = cx.model.asked_of(idx);
    let mut findings = Vec::new();
    for arg in &node.args.0 {
        let default =
            node.op.args().iter().find(|spec| spec.name == arg.name).and_then(|spec| spec.default.value());
        let (Some(place), Some(default)) = (arg.span, default) else { continue };
        if default == arg.value {
            continue;
        }
        let mut others = node.args.clone();
        others
            .0
            .iter_mut()
            .filter(|other| other.name == arg.name)
            .for_each(|other| other.value = default.clone());
        let steps = |args: &Args, losses: &[&'static str]| steps(node, args, &inputs, losses);
        if steps(&node.args, &wanted) != steps(&others, &wanted) {
            continue;
        }
        let reads = |loss: &&&'static str| steps(&node.args, &[**loss]) != steps(&others, &[**loss]);
        let losses: Vec<&'static str> = node.op.losses().iter().filter(reads).copied().collect();
        // What no loss reads either is not of this kind.
        let [first, ..] = losses[..] else { continue };
        findings.push(
            Diagnostic::warning(
                LINT.code,
                format!(
                    "`{}` changes nothing: it is for the loss {}, which is not asked for",
                    cx.text(place),
                    words_list(&losses)
                ),
            )
            .label(place, "no step reads it")
            .help(format!("leave it out, or write `loss = … + {first}`"))
            .guess(place, ""),
        );
    }
    findings
}

/// What a stage computes with these losses: its steps, without the numbers they have.
fn steps(node: &Node, args: &Args, inputs: &[&Type], losses: &[&'static str]) -> Vec<String> {
    let op: &dyn Operator = node.op;
    let options = Options { wanted_losses: losses, ..Options::plain() };
    let Some(described) = program::of(op, &FactCx { args, inputs, output: &node.ty }, options) else {
        return Vec::new();
    };
    let program = &described.program;
    let is_live = program.live(program.outputs.iter().copied());
    let live = program.values.iter().zip(is_live).filter(|(_, is_live)| *is_live);
    live.map(|(value, _)| {
        // Places are another where a step that nothing reads came in between.
        let text = format!("{value:?}");
        let parts = text.split("Id(").enumerate().map(|(k, part)| match k {
            0 => part,
            _ => part.trim_start_matches(|char: char| char.is_ascii_digit()),
        });
        parts.collect()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::lints;

    #[test]
    fn arguments_of_losses_that_are_not_asked_for_are_told() {
        let of = |stage: &str, loss: &str| {
            let lints = lints(&format!("model = {stage} -> relu -> mean -> mlp\nloss = cross_entropy{loss}"));
            lints.contains(&"idle_loss_option")
        };
        for (stage, loss) in [
            ("supergat(8, negatives = 2.0)", " + attention"),
            ("supergat(8, positives = 0.5)", " + attention"),
            ("gcn(8) -> bn_pool(k = 3, concentration = 2.0)", " + stick_breaking"),
            ("gcn(8) -> hosc(k = 3, alpha = 0.2)", " + hosc"),
        ] {
            assert!(of(stage, ""), "{stage}");
            assert!(!of(stage, loss), "{stage} {loss}");
        }
        assert!(
            !of("supergat(8, heads = 2, score = scaled, negatives = 0.5)", ""),
            "a default that is written"
        );
        assert!(!of("gcn(8) -> bn_pool(k = 3, learned = false)", ""));
    }
}
