//! What changed between two models, by meaning.

use crate::ir::{DataFacts, Model};

/// One of the two models that are compared.
#[derive(Debug, Clone)]
pub struct Side {
    /// As the user named it.
    pub name: String,
    pub model: Model,
    /// What is known of its data; sizes stay symbolic without.
    pub facts: Option<DataFacts>,
    /// The text that it was compiled from, with the files that it uses; `None` where only the canonical form is known.
    pub text: Option<String>,
}
