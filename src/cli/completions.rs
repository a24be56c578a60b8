//! `hgnnc completions`: scripts with which a shell completes commands and options.

use super::{Cli, Exit, Failure, Global};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;

/// Print the script with which a shell completes commands and options
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hgnnc completions bash > ~/.local/share/bash-completion/completions/hgnnc\n  \
    hgnnc completions zsh > ~/.zfunc/_hgnnc    (a folder of $fpath)\n  \
    hgnnc completions fish > ~/.config/fish/completions/hgnnc.fish\n\n\
    Exit codes: 0 done, 2 could not run"
)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run(&self, _global: &Global) -> Result<Exit, Failure> {
        // The generator cannot say that the output was closed, so it writes to memory.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "hgnnc", &mut script);
        super::data_stdout().write_all(&script)?;
        Ok(Exit::Clean)
    }
}
