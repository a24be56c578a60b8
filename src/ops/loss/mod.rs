//! Losses: what training makes small.

pub mod cross_entropy;
pub mod entropy;
pub mod link_prediction;
pub mod mse;

/// The name under which poolings report their link loss.
pub const LINK_PREDICTION: &str = "link_prediction";

/// The name under which poolings report the entropy of their assignment.
pub const ENTROPY: &str = "entropy";
