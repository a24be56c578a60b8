//! Source control: what a file was at another revision, and which files have changed since. Read through
//! libgit2, so that no `git` has to be installed.
//!
//! Paths inside a repository are relative to its root and written with `/`, on every system.

mod changed;
mod chosen;
mod error;
pub mod install;
mod load;
mod repository;
mod snapshot;
mod spec;
mod state;

#[cfg(test)]
pub(crate) mod testing;

pub use changed::{Change, Changed};
pub use chosen::Chosen;
pub use error::{ErrorKind, GitError, Result};
pub use load::Loaded;
pub use repository::{Located, Repository};
pub use snapshot::Snapshot;
pub use spec::{PREFIX, Spec, revision};
