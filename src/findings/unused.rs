//! Every token has an effect or is an error: definitions, names, files and stages that nothing reads.

use crate::args::EdgeValue;
use crate::diagnostic::Diagnostic;
use crate::ops;
use crate::source::Span;

/// A `let`, block or parameter that nothing reads.
pub fn definition(what: &str, name: &str, place: Span) -> Diagnostic {
    let code = match what {
        "let" => "unused::let",
        "block" => "unused::block",
        "conv" => "unused::conv",
        _ => "unused::parameter",
    };
    let said = match what {
        "let" => format!("`{name}` is never used"),
        "block" => format!("block `{name}` is never used"),
        "conv" => format!("the convolution `{name}` is never used"),
        _ => format!("the parameter `{name}` is never used"),
    };
    let finding =
        Diagnostic::warning(code, said).label(place, "nothing reads this").help("use it, or leave it out");
    // Calls may give the parameter a value.
    if code == "unused::parameter" { finding } else { finding.guess(place, "") }
}

/// `edges -> … as NAME` whose value nothing reads. `item` is the whole pipeline.
pub fn edges(name: &str, place: Span, item: Span) -> Diagnostic {
    let help = match ops::takes_edges(EdgeValue::Features) {
        Some((op, arg)) => {
            format!("give it to a convolution, `{}({arg} = {name})`, or leave it out", op.name())
        }
        None => "give it to a convolution, or leave it out".to_owned(),
    };
    Diagnostic::error("unused::edges", format!("the value of the edges `{name}` is never used"))
        .label(place, "nothing reads this")
        .help(help)
        .guess(item, "")
}

/// A convolution whose `update` drops what came along the edges.
pub fn messages(name: &str, update: Span, message: Span) -> Diagnostic {
    Diagnostic::error("unused::messages", format!("`update` of `{name}` never reads `aggregated`"))
        .label(update, "the messages are dropped")
        .label(message, "what this computes is never used")
        .help("read what was gathered, as in `update = aggregated + linear(out, x_i)`")
        .guess(Span { end: update.start, ..update }, "aggregated + ")
}

/// `as NAME` that no later pipeline begins with.
pub fn stage_name(name: &str, place: Span) -> Diagnostic {
    Diagnostic::warning("unused::name", format!("the value named `{name}` is never used by its name"))
        .label(place, "nothing reads this name")
        .help(format!(
            "leave `as {name}` out, or begin a pipeline with `{name}`; where it is there for `hgnnc predict RUN \
             --embeddings={name}` alone, nothing has to change"
        ))
        .fix(place, "")
}

/// A file from which nothing is used.
pub fn import(path: &str, place: Span) -> Diagnostic {
    Diagnostic::warning("unused::use", format!("nothing from \"{path}\" is used"))
        .label(place, "brings nothing that is needed here")
        .help("leave the line out")
        .fix(place, "")
}

/// A loss with weight 0.
pub fn loss_without_weight(name: &str, place: Span) -> Diagnostic {
    Diagnostic::error("unused::loss", format!("`{name}` has the weight 0"))
        .label(place, "adds nothing to the loss")
        .help("leave the term out")
        .fix(place, "")
}
