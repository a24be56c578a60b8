//! Tests of the whole program, in one binary.

mod commands;
mod data;
mod explanations;
mod golden;
mod laws;
mod models;
mod operator;
mod reference;
mod robustness;
mod runs;
mod spec;
