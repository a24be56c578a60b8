//! The `hgnnc` command. Everything is in the library; see `src/cli`.

use std::process::ExitCode;

/// Activations of one batch are freed and allocated again by the next; mimalloc keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hgnn::memory::keep_pages();
    hgnn::cli::main()
}
