//! `hgnnc git-textconv`: what git compares in place of a file, as `install-git` sets it up.

use super::{Exit, Failure, Global};
use crate::source::SourceMap;
use crate::{fmt, regular, syntax};
use std::io::Write;
use std::path::PathBuf;

/// Print a file in its one layout for `git diff`; one that cannot be read is printed as it is
#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 printed, 2 the file cannot be read")]
pub struct GitTextconv {
    /// The file that git gives, which may be a copy under another name
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Part of the command's text only: git keeps results for as long as the text is the same
    #[arg(long, value_name = "VERSION")]
    #[allow(dead_code, reason = "git compares the text of the command")]
    cache_key: Option<String>,
}

impl GitTextconv {
    pub fn run(&self, _: &Global) -> Result<Exit, Failure> {
        // It is git that says which file, so its size is git's matter.
        let bytes = regular::read(&self.file, u64::MAX).map_err(|error| {
            Failure::of_file(format!("the file `{}` cannot be read: {error}", self.file.display()))
        })?;
        // A failure here would end the whole of `git diff`, so a broken file is shown as it is.
        let laid_out = syntax::decode("", &bytes).ok().and_then(|text| {
            let mut sources = SourceMap::default();
            let id = sources.add("", text);
            fmt::format(&sources, id).ok()
        });
        let out = &mut super::data_stdout();
        out.write_all(laid_out.as_ref().map_or(&bytes, |text| text.as_bytes()))?;
        Ok(Exit::Clean)
    }
}
