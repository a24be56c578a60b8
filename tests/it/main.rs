//! Tests of the whole program, in one binary.

mod begin;
mod commands;
mod compare;
mod damage;
mod data;
mod direction;
mod draw;
mod estimate;
mod explanations;
mod failures;
mod fmt;
mod git;
mod golden;
mod labels;
mod laws;
mod layout;
mod lint;
mod migrate;
mod models;
mod operator;
mod reference;
mod robustness;
mod run_folder;
mod runs;
mod spec;
mod terminal;
