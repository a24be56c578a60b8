//! Files of our own on disk: written whole or not at all, sealed by a checksum, and folders with one writer; and
//! numbers that are read as they lie in such a file.

pub mod array;
pub mod aside;
pub mod lines;
pub mod lock;
pub mod npy;
pub mod sealed;

pub use array::Array;
pub use aside::{replace, write};
