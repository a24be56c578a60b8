//! What a new file begins with: a commented starting file, or a copy of a model that is shipped.

use crate::fmt;
use crate::ir::{Entity, TargetKind, Task};
use crate::source::SourceMap;
use crate::syntax::{self, ast::ItemKind};

/// A model of the folder `models`.
#[derive(Debug, Clone, Copy)]
pub struct Shipped {
    /// Without `.hgnn`.
    pub name: &'static str,
    pub text: &'static str,
}

macro_rules! shipped {
    ($($name:ident),+ $(,)?) => {
        /// Every model that is shipped, by name.
        pub static SHIPPED: &[Shipped] = &[$(Shipped {
            name: stringify!($name),
            text: include_str!(concat!("../../models/", stringify!($name), ".hgnn")),
        }),+];
    };
}

shipped! {
    dd_diffpool, dd_gcn, enzymes_diffpool, enzymes_gcn, karate_gat, mutag_gin, proteins_diffpool, proteins_diffpool_two_levels, proteins_gcn, proteins_sort_pool, proteins_topk, quickstart, quickstart_flat,
}

impl Shipped {
    /// The model's documentation up to the first empty line, as one line.
    pub fn summary(&self) -> String {
        let lines = self.text.lines().map_while(|line| line.strip_prefix("///"));
        lines.map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

/// The data of a new file: built in, so that it trains at once.
pub const DATA: &str = "hierarchy(1000, communities = 8, rings = [1, 2])";

/// A starting file for data, with a network that ends in what the task needs.
pub fn starting_file(name: &str, data: &str, task: Option<Task>) -> String {
    let is_nodes = task.is_some_and(|task| task.entity == Entity::Nodes);
    let is_regression = task.is_some_and(|task| task.kind == TargetKind::Regression);
    let text = if is_nodes { include_str!("nodes.hgnn.in") } else { include_str!("graphs.hgnn.in") };
    // The name stands in a comment, which ends with its line.
    let name = name.replace(char::is_control, " ");
    text.replace("NAME", &name)
        .replace("DATA", data)
        .replace("LOSS", if is_regression { "mse" } else { "cross_entropy" })
}

/// The text with other data; `data = …` is put on top where it names none. A text that does not parse stays as it is.
pub fn with_data(text: &str, data: &str) -> String {
    let mut sources = SourceMap::default();
    let id = sources.add("", text);
    let (file, _) = syntax::parse(&sources, id);
    let own = file.items.iter().find_map(|item| match &item.kind {
        ItemKind::Setting { key, value } if key.text == "data" => Some(value.span),
        _ => None,
    });
    match own {
        Some(span) => format!("{}{data}{}", &text[..span.start as usize], &text[span.end as usize..]),
        None => format!("data = {data}\n\n{text}"),
    }
}

/// A call as a file writes it: `tu("PROTEINS",features=both)` in the layout of [`fmt`]. `None` where it is none.
pub fn call_in_layout(call: &str) -> Option<String> {
    let mut sources = SourceMap::default();
    let id = sources.add("", format!("data = {call}"));
    let text = fmt::format(&sources, id).ok()?;
    let call = text.strip_prefix("data = ")?.trim_end();
    let is_name = call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    Some(if is_name { format!("{call}()") } else { call.to_owned() })
}

/// A string of the language.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::compile;
    use crate::data::DataOptions;

    fn layout(text: &str) -> String {
        let mut sources = SourceMap::default();
        let id = sources.add("new.hgnn", text);
        fmt::format(&sources, id).unwrap_or_else(|found| panic!("{found:#?}"))
    }

    #[test]
    fn starting_files_are_right_and_in_layout() {
        let nodes = Task { entity: Entity::Nodes, kind: TargetKind::Classification };
        for (data, task) in [(DATA, None), ("karate()", Some(nodes))] {
            let text = starting_file("new", data, task);
            assert_eq!(layout(&text), text);
            // Fewer graphs, which is the same to the checker and quicker to make.
            let text = text.replace("1000", "40");
            let options = DataOptions { offline: true, ..DataOptions::from_env() };
            let compiled = compile("new.hgnn", &text, &options).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(compiled.warnings, []);
        }
    }

    #[test]
    fn a_starting_file_for_values_compares_values() {
        let graphs = Task { entity: Entity::Graph, kind: TargetKind::Regression };
        let text = starting_file("new", "tu(\"X\")", Some(graphs));
        assert!(text.contains("loss = mse + 0.1 * entropy\n") && text.contains("data = tu(\"X\")\n"));
    }

    #[test]
    fn every_model_of_the_folder_is_shipped() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let names = std::fs::read_dir(folder)
            .expect("models are there")
            .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
        let mut names: Vec<_> =
            names.filter_map(|name| Some(name.strip_suffix(".hgnn")?.to_owned())).collect();
        names.sort();
        assert_eq!(SHIPPED.iter().map(|model| model.name).collect::<Vec<_>>(), names);
        for model in SHIPPED {
            assert!(model.summary().ends_with(['.', '?']), "{}: {}", model.name, model.summary());
        }
    }

    #[test]
    fn data_takes_the_place_of_the_data_that_is_there() {
        assert_eq!(
            with_data("// a\ndata = tu( // b\n\"X\")\nlet a = 1", "karate()"),
            "// a\ndata = karate()\nlet a = 1"
        );
        assert_eq!(with_data("gcn(8) -> mlp\n", "karate()"), "data = karate()\n\ngcn(8) -> mlp\n");
        assert_eq!(
            call_in_layout("tu( \"X\",features=both )").as_deref(),
            Some("tu(\"X\", features = both)")
        );
        assert_eq!(call_in_layout("karate").as_deref(), Some("karate()"));
        assert_eq!(
            call_in_layout(&format!("tu({})", quoted("a\"\\b"))).as_deref(),
            Some("tu(\"a\\\"\\\\b\")")
        );
    }
}
