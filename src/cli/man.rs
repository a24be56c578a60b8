//! `hgnnc man`: the manual pages.

use super::{Cli, Exit, Failure, Format, Global};
use crate::train::write_file;
use clap::CommandFactory;
use clap_mangen::Man as Page;
use serde_json::json;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Print the manual page, or write one for every command
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc man | man -l -\n  hgnnc man --out ~/.local/share/man/man1\n\n\
    Exit codes: 0 done, 2 could not run")]
pub struct Man {
    /// Folder for a page per command; created if it is missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let mut command = Cli::command().disable_help_subcommand(true);
        // Gives every command its full name, `hgnnc train`, and the options of all commands.
        command.build();
        let out = &mut super::data_stdout();
        let Some(folder) = &self.out else {
            let page = render(command)?;
            if global.format == Format::Json {
                let document = json!({ "page": String::from_utf8_lossy(&page) });
                serde_json::to_writer_pretty(&mut *out, &document).map_err(io::Error::from)?;
                writeln!(out)?;
            } else {
                out.write_all(&page)?;
            }
            return Ok(Exit::Clean);
        };
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::of_file(format!("the folder `{}` cannot be created: {error}", folder.display()))
        })?;
        let mut written = Vec::new();
        pages(command, folder, &mut written)?;
        match global.format {
            Format::Json => {
                serde_json::to_writer_pretty(&mut *out, &json!({ "files": written }))
                    .map_err(io::Error::from)?;
                writeln!(out)?;
            }
            Format::Short => written.iter().try_for_each(|path| writeln!(out, "{path}"))?,
            Format::Full => writeln!(out, "wrote {} pages to {}", written.len(), folder.display())?,
        }
        Ok(Exit::Clean)
    }
}

fn render(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Page::new(command).manual("hgnnc manual").render(&mut page)?;
    Ok(page)
}

/// The pages of a command and of those below it.
fn pages(command: clap::Command, folder: &Path, written: &mut Vec<String>) -> Result<(), Failure> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        pages(below.clone(), folder, written)?;
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let path = folder.join(format!("{name}.1"));
    let page = render(command)?;
    write_file(&path, |file| file.write_all(&page))?;
    written.push(path.display().to_string());
    Ok(())
}
