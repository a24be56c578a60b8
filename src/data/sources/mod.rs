//! The data sources, one file each. To add one, write its facts in [`crate::settings::data`] and its file here, and enter
//! it in both lists.

mod arrays;
mod assembly;
mod csv_table;
mod edge_list;
mod frame;
mod gexf;
mod graph_text;
mod graphml;
mod hetero;
mod hierarchy;
mod json_graph;
mod json_lines;
mod karate;
mod named_graph;
mod node_link;
mod ogb;
mod parquet_table;
mod planetoid;
mod relations;
mod tables;
mod tu;

use super::Source;

/// Every source that a file can name, in the order of [`crate::settings::data::SOURCES`].
pub static SOURCES: &[&dyn Source] = &[
    &tu::Tu,
    &tables::Tables,
    &graph_text::GraphText,
    &json_lines::JsonLines,
    &node_link::NodeLink,
    &graphml::GraphMl,
    &gexf::Gexf,
    &edge_list::EdgeList,
    &arrays::Npz,
    &arrays::Arrays,
    &planetoid::Planetoid,
    &ogb::NODEPROP,
    &ogb::OGB,
    &relations::triples::Triples,
    &relations::interactions::Interactions,
    &hetero::tables::HeteroTables,
    &karate::Karate,
    &hierarchy::Hierarchy,
    &hetero::bibliography::Bibliography,
];

#[cfg(test)]
mod tests {
    use crate::settings::data::SPECS;

    #[test]
    fn every_source_that_a_file_can_name_can_be_read() {
        let specs: Vec<_> = SPECS.iter().map(|spec| spec.name).collect();
        let sources: Vec<_> = super::SOURCES.iter().map(|source| source.facts().spec().name).collect();
        assert_eq!(specs, sources);
    }
}
