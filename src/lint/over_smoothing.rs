//! `over_smoothing`: so many averaging layers in a row that all nodes become alike.

use super::cx::counted;
use super::{Cx, Depth, Lint, NeedsData, Threshold};
use crate::args::Range;
use crate::diagnostic::Diagnostic;
use crate::ops::{Action, Gather};
use crate::source::Span;
use crate::types::Entity;
use petgraph::graph::NodeIndex;
use std::collections::{HashMap, HashSet};

/// With data: no fewer layers than this are reported, because networks of two and three layers are the rule
/// whatever the graphs (Li et al. 2018, section 3, where the fall begins behind the third layer).
const LEAST_LAYERS: usize = 4;

/// No more layers than this are pointed at.
const MAX_LABELS: usize = 4;

/// Layers in a row that average without a skip, against the diameter of the graphs, or against a fixed number.
///
/// Papers: Li et al. 2018, "Deeper Insights into Graph Convolutional Networks for Semi-Supervised Learning";
/// Oono and Suzuki 2020, "Graph Neural Networks Exponentially Lose Expressive Power for Node Classification".
pub static LINT: Lint = Lint {
    code: "lint::over_smoothing",
    summary: "more averaging layers in a row than the diameter of the graphs, so all nodes become alike",
    needs_data: NeedsData::Sometimes,
    thresholds: &[Threshold {
        name: "layers",
        default: 8.0,
        range: Range::closed(2.0, 1000.0),
        doc: "Layers in a row that are too many on any graph.",
    }],
    find,
};

/// Averaging layers behind one another that lead to a value, without a skip connection: the last of them, how many
/// they are, and in [`Rows::before`] the one before each.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    n_layers: usize,
    last: Option<NodeIndex>,
}

/// The layer before each averaging layer of a row. Rows share what they begin with.
struct Rows {
    before: Vec<Option<NodeIndex>>,
    /// Last layers of rows that were looked at.
    seen: HashSet<NodeIndex>,
    /// Layers that may still be gone through, over all rows.
    budget: usize,
}

/// Rows that share layers go through them again and again: after so many steps, only the last ones of a row are.
const MAX_STEPS: usize = 1_000_000;
const LEAST_STEPS: usize = 100;

fn averages(action: Action) -> bool {
    // Sums keep how many neighbours there were, and a maximum is no average.
    let averages = |gather| matches!(gather, Gather::Mean | Gather::DegreeWeighted | Gather::Attention);
    matches!(action, Action::Messages { gather, .. } if averages(gather))
}

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let n_nodes = cx.model.graph.node_count();
    let mut rows: Vec<Row> = vec![Row::default(); n_nodes];
    let mut all = Rows { before: vec![None; n_nodes], seen: HashSet::new(), budget: MAX_STEPS };
    let mut found = Vec::new();
    for node in cx.nodes() {
        let inputs = cx.model.inputs(node);
        rows[node.index()] = match cx.action(node) {
            Action::Input => Row::default(),
            Action::Pooling(_) => {
                // A new graph begins; what led to it ends here, in each of its networks.
                inputs.iter().for_each(|input| found.extend(finding(cx, rows[input.index()], &mut all)));
                Row::default()
            }
            // The shortest way around the layers is what keeps the nodes apart.
            Action::Concat | Action::Add => {
                let shortest = inputs.iter().map(|input| rows[input.index()]).min_by_key(|row| row.n_layers);
                shortest.unwrap_or_default()
            }
            action => {
                let row = if averages(action) {
                    // A layer that mixes an earlier value in, as `gcn2` does the first, is a sum of both.
                    let of_rows = inputs.iter().filter(|input| cx.node(**input).ty.entity != Entity::Edges);
                    of_rows.map(|input| rows[input.index()]).min_by_key(|row| row.n_layers)
                } else {
                    inputs.first().map(|input| rows[input.index()])
                };
                let row = row.unwrap_or_default();
                if averages(action) {
                    all.before[node.index()] = row.last;
                    Row { n_layers: row.n_layers + 1, last: Some(node) }
                } else {
                    row
                }
            }
        };
    }
    found.extend(finding(cx, rows[cx.model.output.index()], &mut all));
    found
}

fn finding(cx: &Cx, row: Row, rows: &mut Rows) -> Option<Diagnostic> {
    let n_layers = row.n_layers;
    let last = row.last?;
    // Many poolings may read one value.
    if !rows.seen.insert(last) {
        return None;
    }
    let ty = &cx.node(last).ty;
    let is_input_graph = ty.entity == Entity::Nodes && ty.level.0 == 0;
    let depth = cx.data.filter(|_| is_input_graph).map(|data| (data.name(), data.depth()));
    let is_wide = |(_, depth): &(&str, Depth)| n_layers >= LEAST_LAYERS && n_layers as f64 > depth.diameter;
    let depth = depth.filter(is_wide);
    let limit = cx.threshold(&LINT, "layers");
    if depth.is_none() && (n_layers as f64) < limit {
        return None;
    }
    let layers = counted(n_layers, "averaging layer");
    let message = match &depth {
        Some((name, depth)) => {
            format!("{layers} in a row make nodes alike: the mean diameter of {name} is {}", steps(depth))
        }
        None => format!("{layers} in a row make all nodes alike"),
    };
    // Places in the file, each with how many of the layers it stands for.
    let mut places: Vec<(Span, usize)> = Vec::new();
    let mut place_of: HashMap<Span, usize> = HashMap::new();
    let n_steps = n_layers.min(rows.budget.max(LEAST_STEPS));
    rows.budget = rows.budget.saturating_sub(n_steps);
    let mut layers: Vec<NodeIndex> =
        std::iter::successors(Some(last), |layer| rows.before[layer.index()]).take(n_steps).collect();
    layers.reverse();
    for layer in layers {
        let span = cx.node(layer).span;
        let place = *place_of.entry(span).or_insert(places.len());
        match places.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => places.push((span, 1)),
        }
    }
    // The place of most of them first; a stable sort keeps the order of the others.
    places.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let mut finding = Diagnostic::warning(LINT.code, message);
    for (idx, &(span, count)) in places.iter().enumerate().take(MAX_LABELS) {
        let label = match (idx, count) {
            (0, 1) => format!("one of {n_layers}, without a skip connection"),
            (0, count) if count == n_layers => {
                format!("{count} of these in a row, without a skip connection")
            }
            (0, count) => format!("{count} of these, without a skip connection"),
            (_, 1) => "one more".to_owned(),
            (_, count) => format!("{count} more"),
        };
        finding = finding.label(span, label);
    }
    let residual = format!("`residual({})`", cx.text(places[0].0));
    let fewer = match &depth {
        Some((_, depth)) => format!(
            "; after {} a node has seen all others on average",
            counted(depth.eccentricity.ceil() as usize, "layer")
        ),
        None => String::new(),
    };
    Some(finding.help(format!(
        "add skip connections: {residual} from the second layer on, or name the layers with `as` and join them with \
         `concat`{fewer}"
    )))
}

/// `about 5 steps`, `8.2 steps`
fn steps(depth: &Depth) -> String {
    let about = if depth.is_sampled { "about " } else { "" };
    if depth.diameter.fract() == 0.0 {
        format!("{about}{}", counted(depth.diameter as usize, "step"))
    } else {
        format!("{about}{:.1} steps", depth.diameter)
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::{karate, lints, lints_on};

    #[test]
    fn without_data_only_clear_cases_are_told() {
        assert_eq!(lints("repeat(7, gcn(16) -> relu) -> mean -> mlp"), [""; 0]);
        assert_eq!(lints("repeat(8, gcn(16) -> relu) -> mean -> mlp"), ["over_smoothing"]);
        assert_eq!(lints("repeat(8, sage(16) -> relu) -> sum -> mlp"), ["over_smoothing"]);
    }

    #[test]
    fn skips_and_sums_are_no_averages() {
        for text in [
            "gcn(16) -> repeat(9, residual(gcn(16) -> relu)) -> mean -> mlp",
            "linear(16) as first -> repeat(9, gcn2(initial = first) -> relu) -> mean -> mlp",
            "gcn(16) -> relu as first -> repeat(9, gcn(16) -> relu) -> concat(first, identity) -> mean -> mlp",
            "gcn(16) -> relu as first -> repeat(9, gcn(16) -> relu) -> concat(first -> mean, mean) -> mlp",
            "repeat(9, gin(16) -> relu) -> sum -> mlp",
            "repeat(4, gcn(16) -> relu) -> diffpool(k = 8) -> repeat(4, gcn(16) -> relu) -> max -> mlp",
        ] {
            assert!(!lints(text).contains(&"over_smoothing"), "{text}");
        }
    }

    #[test]
    fn with_data_the_diameter_counts() {
        let on_club = |n: usize| {
            let text = format!("data = karate()\nmodel = repeat({n}, gcn(16) -> relu) -> gcn");
            lints_on(&text, &karate())
        };
        // The club is five steps wide; the last layer is one more.
        assert_eq!(on_club(4), [""; 0]);
        assert_eq!(on_club(5), ["over_smoothing"]);
    }
}
