//! Tests of the whole program, in one binary.

mod data;
mod golden;
mod laws;
mod models;
mod operator;
mod reference;
mod spec;
