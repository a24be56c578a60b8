//! Data sources: what each is called and takes, and what is wrong with a call, one file each, entered in [`SOURCES`] and
//! [`SPECS`]. [`crate::data`] reads them.

pub mod arrays;
pub mod bibliography;
pub mod columns;
pub mod edge_list;
pub mod edges;
pub mod features;
pub mod gexf;
pub mod graph_file;
pub mod graph_text;
pub mod graphml;
pub mod hetero_tables;
pub mod hierarchy;
pub mod interactions;
pub mod json_lines;
pub mod karate;
pub mod node_link;
pub mod nodeprop;
pub mod npz;
pub mod ogb;
pub mod planetoid;
pub mod tables;
pub mod triples;
pub mod tu;

use crate::args::{BoundCall, CallSpec};
use crate::diagnostic::Diagnostic;

/// What can be said of a kind of data without reading any.
pub trait SourceFacts: Sync {
    /// Name, documentation and arguments.
    fn spec(&self) -> &'static CallSpec;

    /// How the files that it reads are laid out, for `hgnnc ops`; empty where there are none.
    fn reference(&self) -> &'static str {
        ""
    }

    /// The features that no other source has, as lists of features name them.
    fn own_features(&self) -> &'static [&'static str];

    /// What is wrong with a call that its arguments alone show, without touching any file: arguments that
    /// contradict each other or have no effect. Features are looked at in [`check_call`].
    fn check(&self, call: &BoundCall) -> Vec<Diagnostic>;
}

/// Every source that a file can name, in the order of the reference.
pub static SOURCES: &[&dyn SourceFacts] = &[
    &tu::Tu,
    &tables::Tables,
    &graph_text::GraphText,
    &json_lines::JsonLines,
    &node_link::NODE_LINK,
    &graphml::GRAPHML,
    &gexf::GEXF,
    &edge_list::EdgeList,
    &npz::Npz,
    &arrays::Arrays,
    &planetoid::Planetoid,
    &nodeprop::NodeProp,
    &ogb::Ogb,
    &triples::Triples,
    &interactions::Interactions,
    &hetero_tables::HeteroTables,
    &karate::Karate,
    &hierarchy::Hierarchy,
    &bibliography::Bibliography,
];

/// Their specs, in the same order.
pub static SPECS: &[&CallSpec] = &[
    &tu::SPEC,
    &tables::SPEC,
    &graph_text::SPEC,
    &json_lines::SPEC,
    &node_link::SPEC,
    &graphml::SPEC,
    &gexf::SPEC,
    &edge_list::SPEC,
    &npz::SPEC,
    &arrays::SPEC,
    &planetoid::SPEC,
    &nodeprop::SPEC,
    &ogb::SPEC,
    &triples::SPEC,
    &interactions::SPEC,
    &hetero_tables::SPEC,
    &karate::SPEC,
    &hierarchy::SPEC,
    &bibliography::SPEC,
];

/// The source of that name.
pub fn find(name: &str) -> Option<&'static dyn SourceFacts> {
    SOURCES.iter().copied().find(|source| source.spec().name == name)
}

/// What a call's arguments alone show to be wrong: see [`SourceFacts::check`].
///
/// # Panics
/// Where the call is not of the catalogue [`SPECS`].
pub fn check_call(call: &BoundCall) -> Vec<Diagnostic> {
    let source = find(call.name).expect("a call bound against SPECS");
    let mut found = source.check(call);
    found.extend(features::check(call, source.own_features()));
    found
}

/// An argument that has no effect beside the others: an error, because every token of a file has one.
fn without_effect(call: &BoundCall, arg: &str, why: &str, help: &str) -> Option<Diagnostic> {
    let span = call.args.get(arg)?.span?;
    Some(
        Diagnostic::error("data::no_effect", format!("`{arg}` has no effect here: {why}"))
            .label(span, "this changes nothing")
            .help(help)
            .guess(span, ""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_name_the_same_sources() {
        let sources: Vec<_> = SOURCES.iter().map(|source| source.spec().name).collect();
        assert_eq!(sources, SPECS.iter().map(|spec| spec.name).collect::<Vec<_>>());
    }
}
