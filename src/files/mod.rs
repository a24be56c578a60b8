//! Files of our own on disk: written whole or not at all, sealed by a checksum, and folders with one writer.

pub mod aside;
pub mod lines;
pub mod lock;
pub mod npy;
pub mod sealed;

pub use aside::{replace, write};
