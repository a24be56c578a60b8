//! The long explanation of every code, with a wrong and a right model: what `hgnnc explain CODE` prints.
//!
//! A test runs the models of each page, and another makes sure that no code lacks its page.

macro_rules! pages {
    ($($family:ident: $($name:tt),+;)+) => {
        /// Every code with its page (Markdown).
        pub static EXPLANATIONS: &[(&str, &str)] = &[$($((
            concat!(stringify!($family), "::", stringify!($name)),
            include_str!(concat!("explanations/", stringify!($family), "/", stringify!($name), ".md")),
        )),+),+];
    };
}

pages! {
    syntax: character, encoding, number, stray_bracket, string, too_deep, too_large, unclosed, unexpected;
    names: unknown, unknown_setting, unknown_section, unknown_loss, unknown_metric, unknown_task, unknown_lint, renamed, duplicate, reserved, recursive, too_deep, too_many_stages, not_first, unnamed_edges, continues_edges, no_model, missing_file, out_of_reach, not_a_model, circular_use;
    args: unknown, missing, duplicate, too_many, positional_after_named, wrong_kind, wrong_word, out_of_range, arithmetic, not_a_stage, no_effect, conflict, does_not_fit;
    conv: unknown_part, missing_part, wrong_space, stage_in_body, reads_order, heads;
    shape: width_mismatch, widths_differ, no_width, output_width, too_wide, shared_weights;
    kernel: not_first, no_machine, no_kernel, not_last, needs_classes;
    fixed_point: changes_shape, nothing_to_find, forgets_input, not_inside, no_bound;
    levels: needs_edges, needs_rows, needs_nodes, needs_slots, needs_one_graph, mixed_levels, not_for_edges, kinds, edges_needed, edges_end, no_way_back, needs_relations;
    task: differs_from_data, differs_from_file, wrong_end, unfinished, wrong_loss, unnormalised, no_task_loss, nothing_reports_loss, negative_loss, wrong_metric, wrong_decoder;
    training: no_validation, nothing_to_train_on, too_many_folds, no_split, no_relatives, no_folds, too_few_items, undefined_monitor, absent_class;
    search: not_here, values, range, endless;
    embedding: several, context, one_graph, no_features, no_readout, unchanged;
    symmetry: depends_on_numbering, eigenvector_signs;
    unused: let, block, conv, messages, parameter, name, edges, use, loss, stage, weights;
    lint: over_smoothing, constant_features, distinct_labels, inexpressive_pooling, single_cluster, unused_clusters, dead_assignment, attention_without_edges, batch_of_one, class_balance, idle_class_weights, unread_data, one_way_edges, idle_edge_option, idle_loss_option, idle_bases, dead_dropout, idle_stage, unread_neighbours, missing_activation, activation_before_loss, idle_schedule, unused_allow;
    config: syntax, unknown_key, unknown_lint, wrong_value;
    data: relation, no_features, no_edge_features, no_edge_kinds, no_labels, one_class, class_weights, empty, no_edges, more_clusters_than_nodes, no_effect, hierarchy, unknown_feature, target_among_features, no_eigenvectors, not_here, unknown_set, unsupported_set, pickle, wrong_split, missing, missing_part, leak, ambiguous, ragged, count, encoding, line_ends, separator, not_a_number, not_a_label, not_finite, missing_value, unknown_column, several_targets, not_a_part, in_two_parts, not_a_time, json, xml, array, not_supported, not_recognised, unknown_node, ends, out_of_range, graph_order, numbers_restart, empty_graph, edge_between_graphs, unknown_label, other_columns, too_large, wrong_limit, too_many_labels, too_many_files, unreadable, download, checksum, not_an_archive, corrupt_archive, unsupported_archive, unsafe_archive, cache_unwritable;
}

/// The codes of all warnings that `check` gives; the others are errors, and lints are warnings of their own.
pub static WARNINGS: &[&str] = &[
    "data::more_clusters_than_nodes",
    "data::no_edges",
    "data::not_here",
    "symmetry::eigenvector_signs",
    "training::absent_class",
    "unused::let",
    "unused::block",
    "unused::conv",
    "unused::parameter",
    "unused::name",
    "unused::use",
];

/// The page of a code; `None` for a code that does not exist.
pub fn explanation(code: &str) -> Option<&'static str> {
    EXPLANATIONS.iter().find(|(known, _)| *known == code).map(|(_, page)| *page)
}
