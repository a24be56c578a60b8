//! `distinct_labels`: a graph kernel on features that hardly two nodes share.

use super::cx::percent;
use super::{Cx, Lint, NeedsData, Threshold};
use crate::args::Range;
use crate::diagnostic::Diagnostic;
use crate::gram::Kernel;
use crate::ops::kernel::NodeLabels;

/// Kernels compare rows to the last bit. Where nearly every node has a row of its own, as with measured attributes, no two graphs
/// have anything in common, and the machine learns nothing.
///
/// Paper: Togninalli et al. 2019, "Wasserstein Weisfeiler-Lehman Graph Kernels", section 1, on kernels for discrete labels.
pub static LINT: Lint = Lint {
    code: "lint::distinct_labels",
    summary: "a graph kernel on features that nearly every node has for itself",
    needs_data: NeedsData::Always,
    thresholds: &[Threshold {
        name: "share",
        default: 0.3,
        range: Range::open_closed(0.0, 1.0),
        doc: "Share of the nodes that have a row of their own from which it is reported.",
    }],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let (Some(data), Some([node, _])) = (cx.data, cx.model.machine()) else { return Vec::new() };
    let Some(kernel) = Kernel::of(cx.node(node)).filter(|kernel| kernel.labels == NodeLabels::Features)
    else {
        return Vec::new();
    };
    let (n_alone, n_nodes) = (kernel.n_alone(data.dataset), data.dataset.n_nodes());
    if n_nodes == 0 || (n_alone as f64) < cx.threshold(&LINT, "share") * n_nodes as f64 {
        return Vec::new();
    }
    let mut finding = Diagnostic::warning(
        LINT.code,
        format!(
            "{} of the nodes of {} have features that no other node has",
            percent(n_alone, n_nodes),
            data.name()
        ),
    )
    .label(cx.node(node).span, "compares features to the last bit");
    let written = cx.model.data.as_ref().and_then(|data| data.args.get("features")).and_then(|arg| arg.span);
    if let Some(span) = written {
        finding = finding.label(span, "the features come from here");
    }
    vec![finding.help(
        "read labels alone (`features = labels` in `data`), or take degrees: `labels = degree` of the kernel",
    )]
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::{dataset, lints_on};

    #[test]
    fn rows_of_their_own_are_told_and_labels_are_not() {
        let pair: &[_] = &[(0, 1), (1, 0)];
        let of = |rows: &[u32]| dataset(&[(2, pair), (2, pair)], rows, &[0, 1]);
        let has = |text: &str, rows: &[u32]| lints_on(text, &of(rows)).contains(&"distinct_labels");
        assert!(has("wl_kernel(2) -> svm(1)", &[3, 4, 5, 6]));
        assert!(!has("wl_kernel(2) -> svm(1)", &[3, 3, 4, 4]));
        assert!(!has("wl_kernel(2, labels = degree) -> svm(1)", &[3, 4, 5, 6]));
        assert!(!has("wl -> sum -> linear", &[3, 4, 5, 6]));
    }
}
