//! What is refused and why: one check, one file. A diagnostic's code names its file.

pub mod args;
pub mod levels;
pub mod shape;
pub mod symmetry;

/// A model that was checked; the only thing that can be lowered.
#[derive(Debug, Clone)]
pub struct Checked<T>(T);

impl<T> Checked<T> {
    pub fn get(&self) -> &T {
        &self.0
    }
}
