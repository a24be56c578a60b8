//! `unread_neighbours`: a convolution of the file's own whose messages say nothing of the neighbours.

use super::{Cx, Lint, NeedsData};
use crate::conv::{End, operator::Defined};
use crate::diagnostic::Diagnostic;
use std::collections::HashSet;

/// A message that reads neither `x_j` nor anything else of the neighbour: nothing flows along the edges.
pub static LINT: Lint = Lint {
    code: "lint::unread_neighbours",
    summary: "a convolution whose message never reads `x_j`",
    needs_data: NeedsData::Never,
    thresholds: &[],
    find,
};

fn find(cx: &Cx) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    // A convolution that is called often is reported once.
    let mut known = HashSet::new();
    for node in cx.nodes() {
        let Some(defined) = Defined::of(cx.node(node).op) else { continue };
        if defined.definition().reads_end(End::Source) || !known.insert(cx.node(node).op.name()) {
            continue;
        }
        let name = cx.name(node);
        found.push(
            Diagnostic::warning(
                LINT.code,
                format!("the `message` of {name} never reads `x_j`: nodes learn nothing of their neighbours' values"),
            )
            .label(cx.node(node).span, "gathers what does not depend on the neighbours")
            .help("read the neighbour in `message`, as in `message = linear(out, x_j)`"),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::lints;

    #[test]
    fn a_message_has_to_come_from_somewhere() {
        let model = |message: &str| {
            format!(
                "conv mine(out) {{\n message = linear(out, {message})\n aggregate = mean\n}}\n\
                 model = mine(8) -> relu -> mine(8) -> relu -> mean -> linear"
            )
        };
        assert_eq!(lints(&model("x_i")), ["unread_neighbours"]);
        assert_eq!(lints(&model("x_i, x_j")), [""; 0]);
    }
}
