//! Warnings about models that are right and probably not what their author wants.

/// The names of all lints, as `allow(…)` takes them.
pub const NAMES: &[&str] = &[
    "over_smoothing",
    "constant_features",
    "inexpressive_pooling",
    "single_cluster",
    "unused_clusters",
    "batch_of_one",
    "class_balance",
    "dead_dropout",
    "attention_without_edges",
    "dead_assignment",
    "missing_activation",
    "activation_before_loss",
    "monitor_on_training",
];
