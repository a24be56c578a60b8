//! `hgnn`: the library behind the `hgnnc` command.
//!
//! Data flows one way:
//!
//! ```text
//! syntax → bind → ir (typed, petgraph) → check → plan → lower → train
//!               ops: the catalogue that every step asks
//! ```
//!
//! `src/README.md` is the map of the code and has the order of its folders, in which each imports only what lies below it.

pub mod args;
pub mod bind;
pub mod check;
pub mod cli;
pub mod compile;
pub mod conv;
pub mod data;
pub mod diagnostic;
pub mod diff;
pub mod draw;
pub mod elsewhere;
pub mod estimate;
pub mod files;
pub mod findings;
pub mod fmt;
pub mod git;
pub mod gram;
pub mod ir;
pub mod kernels;
pub mod lint;
pub mod lower;
pub mod memory;
pub mod migrate;
pub mod ops;
pub mod plan;
pub mod program;
pub mod reach;
pub mod regular;
pub mod rng;
pub mod search;
pub mod settings;
#[cfg(test)]
#[path = "../tests/it/skip.rs"]
mod skip;
pub mod source;
pub mod starter;
pub mod stats;
pub mod syntax;
pub mod system;
pub mod track;
pub mod train;
pub mod types;
