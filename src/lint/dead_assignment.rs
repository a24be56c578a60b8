//! `dead_assignment`: a learned assignment that cannot matter.

use super::{Cx, Lint, NeedsData};
use crate::diagnostic::Diagnostic;
use crate::ops::{Action, Gather, Select};
use petgraph::graph::NodeIndex;

/// The rows of `S = softmax(…)` add up to 1, so clusters read out by a sum give
/// `Σ_c X'_c = Σ_c Σ_i S_ic Z_i = Σ_i Z_i`: the sum over the nodes, whatever the assignment. A mean over the clusters
/// is that sum divided by their number. Linear layers in between change nothing, because they can be taken after
/// the sum; an activation, a maximum or a convolution on the clusters does.
///
/// Paper: the definitions are eqs. 3 and 6 of Ying et al. 2018, "Hierarchical Graph Representation Learning with
/// Differentiable Pooling".
pub static LINT: Lint = Lint {
    code: "lint::dead_assignment",
    summary: "clusters that are only summed up, which is the sum over the nodes whatever the assignment",
    needs_data: NeedsData::Never,
    thresholds: &[],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let n_nodes = cx.model.graph.node_count();
    // Readers come after what they read, so going backwards each is known before.
    // Only the sum of the rows matters:
    let mut is_summed = vec![false; n_nodes];
    // Nothing that is learned depends on the value at all:
    let mut is_dead = vec![false; n_nodes];
    // The readout that the first of a value's readers leads to:
    let mut readouts: Vec<Option<NodeIndex>> = vec![None; n_nodes];
    let mut found = Vec::new();
    for node in cx.nodes().rev() {
        readouts[node.index()] = cx.readers(node).first().and_then(|&(reader, _)| match cx.action(reader) {
            Action::Readout(_) => Some(reader),
            _ => readouts[reader.index()],
        });
        let readers: Vec<_> = cx
            .readers(node)
            .iter()
            .copied()
            .filter(|&(reader, port)| !reads_nothing(cx, reader, port, &is_summed, &is_dead))
            .collect();
        is_dead[node.index()] = readers.is_empty() && node != cx.model.output;
        is_summed[node.index()] = node != cx.model.output
            && !readers.is_empty()
            && readers.iter().all(|&(reader, _)| match cx.action(reader) {
                Action::Readout(Gather::Sum | Gather::Mean) => true,
                Action::Identity | Action::Dense { is_affine: true, .. } => is_summed[reader.index()],
                // Sums of sums; its own assignment is dead, so this is the value that it gathers.
                Action::Pooling(Select::Assign) => is_summed[reader.index()] && !reports(cx, reader),
                _ => false,
            });
        if cx.action(node) == Action::Pooling(Select::Assign) && is_summed[node.index()] && !reports(cx, node)
        {
            found.push(finding(cx, node, readouts[node.index()]));
        }
    }
    found.reverse();
    found
}

/// Whether the loss asks this pooling for something that depends on its assignment.
fn reports(cx: &Cx, pooling: NodeIndex) -> bool {
    cx.model.losses.iter().any(|term| term.weight != 0.0 && cx.model.reports(pooling, term))
}

/// Whether what a stage takes in through a port cannot matter.
fn reads_nothing(cx: &Cx, reader: NodeIndex, port: usize, is_summed: &[bool], is_dead: &[bool]) -> bool {
    if is_dead[reader.index()] {
        return true;
    }
    if cx.action(reader) != Action::Pooling(Select::Assign) {
        return false;
    }
    let has_embedding = cx.model.inputs(reader).len() > 2;
    match port {
        1 => is_summed[reader.index()] && !reports(cx, reader),
        // With an embedding, the value itself only says which graph is pooled, and its edges reach a coarse graph
        // that nothing reads.
        0 => has_embedding && is_summed[reader.index()] && !reports(cx, reader),
        _ => false,
    }
}

fn finding(cx: &Cx, pooling: NodeIndex, readout: Option<NodeIndex>) -> Diagnostic {
    let name = cx.name(pooling);
    let rows = &cx.node(pooling).ty.rows.size;
    let mut finding = Diagnostic::warning(
        LINT.code,
        format!("the assignment of {name} changes nothing: its clusters are only summed up"),
    )
    .label(cx.node(pooling).span, "each node's shares add up to 1");
    let mut is_mean = false;
    if let Some(readout) = readout {
        is_mean = cx.action(readout) == Action::Readout(Gather::Mean);
        let divided = if is_mean { format!(", divided by {rows}") } else { String::new() };
        finding = finding.label(
            cx.node(readout).span,
            format!("the sum over all clusters is the sum over all nodes{divided}"),
        );
    }
    let readout = if is_mean { "mean" } else { "sum" };
    finding.help(format!(
        "let a later stage process the clusters separately: `-> gcn(64) -> relu -> {readout}`, or `max` in place of `{readout}`; \
         `loss = … + link_prediction` trains the assignment, but the result still does not depend on it"
    ))
}

#[cfg(test)]
mod tests {
    use crate::check::Checked;
    use crate::ir::Model;
    use crate::lint::testing::{compiled, lints, paths};
    use crate::lower::{ForwardCx, Network};
    use candle_core::{DType, Device};

    fn is_told(text: &str) -> bool {
        lints(text).contains(&"dead_assignment")
    }

    const DEAD: &[&str] = &[
        "diffpool(k = 5, assign = gin(8) -> relu -> linear, embed = gin(8) -> relu) -> mean -> linear",
        "gin(8) -> relu -> diffpool(k = 5) -> sum -> mlp",
        "gin(8) -> relu -> diffpool(k = 5) -> linear(8) -> mean -> mlp",
        "gin(8) -> relu -> diffpool(k = 5) -> diffpool(k = 2) -> mean -> mlp",
    ];

    const ALIVE: &[&str] = &[
        "gin(8) -> relu -> diffpool(k = 5) -> max -> linear",
        "gin(8) -> relu -> diffpool(k = 5) -> gcn(8) -> mean -> linear",
        "gin(8) -> relu -> diffpool(k = 5) -> linear(8) -> relu -> mean -> linear",
        "gin(8) -> relu -> diffpool(k = 5) -> concat(mean, max) -> linear",
    ];

    #[test]
    fn clusters_that_are_only_summed_up_are_told() {
        DEAD.iter().for_each(|text| assert!(is_told(text), "{text}"));
        ALIVE.iter().for_each(|text| assert!(!is_told(text), "{text}"));
        assert!(!is_told(
            "model = gin(8) -> relu -> diffpool(k = 5) -> sum -> mlp\nloss = cross_entropy + entropy"
        ));
    }

    /// The result after every weight in front of the assignment's softmax was moved, beside the one before.
    fn change(model: &Checked<Model>) -> f64 {
        let data = paths(&[6, 9, 4]);
        let network = Network::build(model, &data.facts(), DType::F64, &Device::Cpu, 3).unwrap();
        let batch = data.batch(&[0, 1, 2], DType::F64, &Device::Cpu).unwrap();
        let run = || {
            let value = network.forward(&batch, &mut ForwardCx::evaluation()).unwrap();
            value.x.flatten_all().unwrap().to_vec1::<f64>().unwrap()
        };
        let before = run();
        let graph = &model.get().graph;
        let mut in_front: Vec<_> = graph
            .node_indices()
            .filter(|&node| graph[node].op.name() == "diffpool")
            .map(|pooling| model.get().inputs(pooling)[1])
            .collect();
        in_front.sort_unstable();
        let mut n_moved = 0;
        for node in in_front {
            let of_node = format!("{}.", node.index());
            for parameter in network.parameters().iter().filter(|found| found.name.starts_with(&of_node)) {
                let far = parameter.var.affine(-7.0, 0.3).unwrap();
                parameter.var.set(&far).unwrap();
                n_moved += 1;
            }
        }
        assert!(n_moved > 0);
        before.iter().zip(run()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn what_is_told_is_so_in_numbers() {
        for (texts, is_dead) in [(DEAD, true), (ALIVE, false)] {
            for text in texts {
                let change = change(&compiled(text, Some(&paths(&[6, 9, 4]))).0);
                assert_eq!(change < 1e-12, is_dead, "{text}: {change:e}");
            }
        }
    }
}
