//! The `hgnnc` command. Everything is in the library; see `src/cli`.

use std::process::ExitCode;

/// Activations of one batch are freed and allocated again by the next, in other sizes.
#[global_allocator]
static ALLOCATOR: hgnn::memory::Allocator = hgnn::memory::Allocator::new();

fn main() -> ExitCode {
    hgnn::memory::keep_pages();
    hgnn::cli::main()
}
