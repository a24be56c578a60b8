//! `hgnnc data fetch`: published sets, downloaded into the data folder.

use super::data::DataArgs;
use super::{Exit, Failure, Format, Global};
use crate::data::fetch::{self, sets::SETS};
use crate::data::files::size_in_words;
use crate::data::{DataOptions, collection};
use serde_json::json;
use std::io::Write;

/// Download a published data set into the data folder, and print the line that reads it; without a name, list the sets
///
/// The folder is that of --data-dir or HGNN_DATA, else the cache. A transfer that breaks off goes on where it was, also in a later
/// call. Checksums of the first download are kept in SHA256SUMS beside the files, as `sha256sum -c` reads them, and compared
/// whenever the set is fetched again; where the content of a set is known, the first download has to be that.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hgnnc data fetch\n  hgnnc data fetch cora --data-dir ./data\n  hgnnc data fetch ogbg-molhiv\n\n\
                        Exit codes: 0 done, 1 nobody knows the name, 2 it could not be downloaded, or differs from what is known"
)]
pub struct Fetch {
    /// The set: `cora`, `ogbn-arxiv`, `texas`, `FB15k-237`, `ml-100k`, `NCI1`, …
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Download it although it is there, and compare both
    #[arg(long, requires = "name")]
    again: bool,
    #[command(flatten)]
    place: DataArgs,
}

impl Fetch {
    /// # Errors
    /// Where the set cannot be downloaded or stored.
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let mut out = super::stdout();
        let Some(name) = &self.name else {
            match global.format {
                Format::Json => {
                    let sets = SETS.iter().map(|set| {
                        json!({ "name": set.name, "what": set.what, "about_bytes": set.download_bytes })
                    });
                    let sets: Vec<_> = sets.collect();
                    let tu: Vec<String> = collection::names().collect();
                    writeln!(out, "{}", json!({ "sets": sets, "tu_collection": tu }))?;
                }
                Format::Full | Format::Short => fetch::list(&mut out)?,
            }
            return Ok(Exit::Clean);
        };
        let options = self.place.options();
        let options = DataOptions { is_local: false, ..options };
        let fetched = match fetch::fetch(name, self.again, &options) {
            Ok(fetched) => fetched,
            Err(error) if error.is_unknown() => {
                let failure = Failure::from(error);
                let mut err = std::io::stderr();
                // Where standard error is closed, the exit code still reports it.
                let _ = match global.format {
                    Format::Json => writeln!(out, "{}", failure.json()),
                    _ => err.write_all(failure.text(super::prose_width(&err)).as_bytes()),
                };
                return Ok(Exit::Findings);
            }
            Err(error) => return Err(error.into()),
        };
        let (path, size) = (fetched.path.display(), size_in_words(fetched.n_bytes));
        match global.format {
            Format::Json => writeln!(
                out,
                "{}",
                json!({
                    "name": fetched.name,
                    "path": fetched.path,
                    "was_there": fetched.was_there,
                    "bytes": fetched.n_bytes,
                    "call": fetched.call,
                })
            )?,
            Format::Short => writeln!(out, "{path}")?,
            Format::Full => {
                let state = match fetched.was_there {
                    true => "is there, and its checksums are those of its first download",
                    false => "was downloaded",
                };
                writeln!(out, "{} {state}: {path}, {size}\n\ndata = {}", fetched.name, fetched.call)?;
            }
        }
        Ok(Exit::Clean)
    }
}
