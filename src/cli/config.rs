//! `hgnn.toml`: found upward from a file.

use super::{Failure, Format, Global, code, report, source, stderr_look};
use crate::lint::Config;
use crate::lint::config::FILE;
use crate::source::SourceMap;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The configurations read so far, by the path of their `hgnn.toml`.
#[derive(Debug, Default)]
pub struct Configs(BTreeMap<PathBuf, Config>);

impl Configs {
    /// What holds for a file: the nearest `hgnn.toml` in its folder or above; the defaults where there is none.
    /// `-` is looked up from the current folder.
    ///
    /// # Errors
    /// Where the configuration cannot be read or is wrong; what is wrong with it has been printed.
    pub fn of(&mut self, file: &str, global: &Global) -> Result<Config, Failure> {
        let Some(path) = nearest(file) else { return Ok(Config::default()) };
        if let Some(config) = self.0.get(&path) {
            return Ok(config.clone());
        }
        let config = read(&path, global)?;
        self.0.insert(path, config.clone());
        Ok(config)
    }
}

fn nearest(file: &str) -> Option<PathBuf> {
    let path = if file == "-" { PathBuf::from(FILE) } else { PathBuf::from(file) };
    let path = std::path::absolute(path).ok()?;
    path.ancestors().skip(1).map(|folder| folder.join(FILE)).find(|config| config.is_file())
}

/// The path from the current folder, where the file lies in it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

fn read(path: &Path, global: &Global) -> Result<Config, Failure> {
    let name = shown(path);
    let bytes = source::read_bytes(path)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::of_file(format!("the file `{name}` cannot be read: it is not UTF-8 text")))?;
    let mut sources = SourceMap::default();
    let file = sources.add(name.as_str(), text);
    Config::parse(&sources, file).map_err(|found| {
        let failure = Failure::new(format!("the configuration `{name}` has errors")).code(code::MODEL);
        if global.format == Format::Json {
            return failure.findings(report::all_json(&sources, &found));
        }
        // Where the stream is closed, the exit code still reports it.
        let _ = report::write(&mut io::stderr().lock(), &sources, &found, global.format, stderr_look());
        failure
    })
}
