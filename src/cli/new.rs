//! `hgnnc new`: a file to begin with.

use super::table::{plain_table, write_table};
use super::{Exit, Failure, Format, Global, help, report, source, stderr_look};
use crate::check;
use crate::data::{self, DataOptions};
use crate::source::SourceMap;
use crate::starter::{self, SHIPPED, Start};
use crate::syntax::{self, ast::ItemKind, quoted};
use crate::train::write_file;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Write a file to begin with: a commented one that trains at once, or a copy of a model
///
/// Without `--data` and `--from`, the file trains on built-in data and needs no other file. With `--data`, the data is
/// read, so that the model fits its task and its size. A file that exists is kept unless `--force` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hgnnc new first\n  hgnnc new proteins --data PROTEINS\n  \
    hgnnc new mine --from enzymes_diffpool\n  hgnnc new other --from pooling/asap --data ENZYMES\n  hgnnc new --list\n\n\
    Exit codes: 0 written, 1 the data or the model to copy is wrong, 2 could not run")]
pub struct New {
    /// Name of the file, with or without `.hgnn`
    #[arg(value_name = "NAME", required_unless_present = "list")]
    name: Option<String>,
    #[arg(long, value_name = "MODEL", help = help::shipped_models())]
    from: Option<String>,
    #[arg(long, value_name = "CALL", help = help::data_call("Data to learn from"))]
    data: Option<String>,
    /// Replace an existing file
    #[arg(long)]
    force: bool,
    /// List the models that are shipped
    #[arg(long, conflicts_with_all = ["name", "from", "data", "force"])]
    list: bool,
}

impl New {
    pub fn run(&self, global: &Global) -> Result<Exit, Failure> {
        let out = &mut super::stdout();
        let Some(name) = &self.name else {
            list(out, global.format)?;
            return Ok(Exit::Clean);
        };
        let path = file_path(name)?;
        let mut notes = Vec::new();
        let data = match &self.data {
            None => None,
            Some(text) => match written_data(text, &path) {
                Ok(data) => Some(data),
                Err((sources, findings)) => {
                    print(&sources, &findings, global)?;
                    return Ok(Exit::Findings);
                }
            },
        };
        let text = match &self.from {
            None => {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                match &data {
                    None => starter::starting_file(&stem, starter::DATA, &Start::default()),
                    Some(data) => {
                        let (text, refused) = text_for(&stem, data, &path, &mut notes);
                        if let Some((sources, findings)) = refused {
                            print(&sources, &findings, global)?;
                            return Ok(Exit::Findings);
                        }
                        text
                    }
                }
            }
            Some(from) => {
                let (sources, findings) = read_model(from, &path, &mut notes)?;
                if !findings.is_empty() {
                    print(&sources, &findings, global)?;
                    return Ok(Exit::Findings);
                }
                let text = &*sources.file(crate::source::FileId(0)).text;
                data.as_ref().map_or_else(|| text.to_owned(), |data| starter::with_data(text, data))
            }
        };
        self.write(&path, &text)?;
        let shown = path.display().to_string();
        let next = ["check", "show", "train"].map(|command| format!("hgnnc {command} {}", for_shell(&shown)));
        match global.format {
            Format::Json => {
                let document = json!({ "file": shown, "from": self.from, "notes": notes, "next": next });
                serde_json::to_writer_pretty(&mut *out, &document).map_err(io::Error::from)?;
                writeln!(out)?;
            }
            Format::Short => writeln!(out, "{shown}")?,
            Format::Full => {
                writeln!(out, "wrote {shown}")?;
                for note in &notes {
                    writeln!(out, "note: {note}")?;
                }
                let [check, show, train] = &next;
                let width = check.chars().count();
                writeln!(out, "\nNext:\n  {check:width$}   is it correct?")?;
                writeln!(out, "  {show:width$}   its stages, with every default")?;
                writeln!(out, "  {train:width$}   train it")?;
            }
        }
        Ok(Exit::Clean)
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), Failure> {
        if self.force {
            return Ok(write_file(path, |file| file.write_all(text.as_bytes()))?);
        }
        let shown = path.display();
        // Opened only where nothing is there, so that nothing is lost that appears in between.
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::of_file(format!("`{shown}` already exists"))
                .help("choose another name, or replace it with `--force`"),
            io::ErrorKind::NotFound => Failure::of_file(format!("the folder of `{shown}` does not exist")),
            _ => Failure::of_file(format!("`{shown}` cannot be written: {error}")),
        })
    }
}

/// A path as one word of a shell.
fn for_shell(path: &str) -> String {
    let is_plain = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '/' | '\\' | ':');
    if path.chars().all(is_plain) && !path.starts_with('-') {
        return path.to_owned();
    }
    let word = format!("'{}'", path.replace('\'', "'\\''"));
    if path.starts_with('-') { format!("-- {word}") } else { word }
}

fn file_path(name: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(name);
    let stem = name.strip_suffix(".hgnn").unwrap_or(name);
    if stem.is_empty() {
        return Err(Failure::of_usage("the name is empty").help("as in `hgnnc new first`"));
    }
    if stem.ends_with(['/', '\\', '.']) || path.file_name().is_none() {
        return Err(
            Failure::of_usage(format!("`{name}` is not the name of a file")).help("as in `hgnnc new first`")
        );
    }
    Ok(format!("{stem}.hgnn").into())
}

type Findings = (SourceMap, Vec<crate::diagnostic::Diagnostic>);

/// What `--data` names, as a file writes it.
fn written_data(text: &str, target: &Path) -> Result<String, Findings> {
    let mut sources = SourceMap::default();
    let call = match data::parse_call(text, &mut sources) {
        Ok(call) => call,
        Err(findings) => return Err((sources, findings)),
    };
    let last = sources.files().last().map(|(_, file)| file.text.clone());
    // A call was parsed as the line of a file; a name or path was not.
    let written = last.as_deref().and_then(|line| line.strip_prefix("data = "));
    let name = call.args.get("name").map(|arg| &arg.value);
    let name = match name {
        Some(crate::args::ArgValue::Text(name)) => name,
        _ => text,
    };
    let Some(mut written) = written.and_then(starter::call_in_layout) else {
        return Ok(format!("tu({})", quoted(&from_file(name, target))));
    };
    // Every path that the call names, and the set's own name.
    for arg in &call.args.0 {
        if let crate::args::ArgValue::Text(value) = &arg.value
            && (arg.name == "name" || Path::new(value).exists())
        {
            written = written.replacen(&quoted(value), &quoted(&from_file(value, target)), 1);
        }
    }
    Ok(written)
}

/// A path of the command line as the new file names it: from its own folder on. Names of sets stay as they are.
fn from_file(name: &str, target: &Path) -> String {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Ok(folder), Ok(place)) = (folder.canonicalize(), Path::new(name).canonicalize()) else {
        return name.to_owned();
    };
    if !data::locate::is_path(name) || Path::new(name).is_absolute() {
        return name.to_owned();
    }
    let n_common = folder.components().zip(place.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(n_common).map(|_| "..".to_owned());
    let down = place.components().skip(n_common).map(|part| part.as_os_str().to_string_lossy().into_owned());
    let parts: Vec<String> = up.chain(down).collect();
    match parts.first().map(String::as_str) {
        Some("..") => parts.join("/"),
        _ => format!("./{}", parts.join("/")),
    }
}

/// A starting file for data that is on this machine, checked against it; what is wrong where no file would be accepted.
fn text_for(stem: &str, data: &str, target: &Path, notes: &mut Vec<String>) -> (String, Option<Findings>) {
    let base = target.parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned);
    let options = DataOptions { is_local: true, base, ..DataOptions::from_env() };
    let mut sources = SourceMap::default();
    let Ok(call) = data::parse_call(data, &mut sources) else {
        return (starter::starting_file(stem, data, &Start::default()), None);
    };
    let dataset = match data::load(&call, &options) {
        Ok(dataset) => dataset,
        Err(error) if error.code == "data::not_here" => {
            notes.push(format!(
                "the data cannot be read here ({}), so the file assumes graph classification",
                error.message
            ));
            return (starter::starting_file(stem, data, &Start::default()), None);
        }
        Err(error) => {
            let found = error.to_diagnostic(call.span);
            return (String::new(), Some((sources, vec![found])));
        }
    };
    let text = starter::starting_file(stem, data, &Start::of(&dataset));
    let mut sources = SourceMap::default();
    let main = sources.add(target.display().to_string(), text.as_str());
    let no_files = |_: &str| Err(io::ErrorKind::NotFound.into());
    let (program, mut findings) = syntax::load_program(&mut sources, main, &no_files);
    // Degrees were put in where the data has no features: what is checked is what the file names.
    let dataset = match check::data_call(&program) {
        Ok(Some(call)) => data::load(&call, &options).ok(),
        _ => None,
    };
    findings.extend(check::check(&program, dataset.map(|dataset| dataset.facts()).as_ref()).diagnostics);
    let is_refused = findings.iter().any(crate::diagnostic::Diagnostic::is_error);
    (text, is_refused.then_some((sources, findings)))
}

/// A shipped model or a file, and why it cannot be copied.
fn read_model(from: &str, target: &Path, notes: &mut Vec<String>) -> Result<Findings, Failure> {
    let mut sources = SourceMap::default();
    if let Some(model) = starter::shipped(from) {
        sources.add(from, model.text);
        return Ok((sources, Vec::new()));
    }
    if !Path::new(from).exists() {
        let name = from.strip_suffix(".hgnn").unwrap_or(from);
        let names = SHIPPED.iter().flat_map(|model| [model.name, model.file_name()]);
        let help = match super::closest(name, names) {
            Some(close) => format!("did you mean `{close}`? `hgnnc new --list` lists the shipped models"),
            None => "`hgnnc new --list` lists the shipped models".to_owned(),
        };
        return Err(Failure::of_file(format!("`{from}` is neither a shipped model nor a file")).help(help));
    }
    let bytes = source::read_bytes(Path::new(from))?;
    let text = match syntax::decode(from, &bytes) {
        Ok(text) => text,
        Err(found) => return Ok((sources, vec![found])),
    };
    let id = sources.add(from, text);
    let (file, findings) = syntax::parse(&sources, id);
    let folder = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    if folder(Path::new(from)) != folder(target) {
        for item in &file.items {
            if let ItemKind::Use { path } = &item.kind {
                notes.push(format!(
                    "it uses `{}`, which is looked for beside it: copy that file too",
                    path.text
                ));
            }
        }
    }
    Ok((sources, findings))
}

fn print(sources: &SourceMap, findings: &[crate::diagnostic::Diagnostic], global: &Global) -> io::Result<()> {
    if global.format == Format::Json {
        return report::write(&mut super::stdout(), sources, findings, global.format, super::stdout_look());
    }
    // Where standard error is closed, the exit code still reports it.
    let _ = report::write(&mut io::stderr().lock(), sources, findings, global.format, stderr_look());
    Ok(())
}

fn list(out: &mut dyn Write, format: Format) -> io::Result<()> {
    match format {
        Format::Json => {
            let entries =
                SHIPPED.iter().map(|model| json!({ "name": model.name, "summary": model.summary() }));
            serde_json::to_writer_pretty(&mut *out, &entries.collect::<Vec<_>>())?;
            writeln!(out)
        }
        Format::Short => SHIPPED.iter().try_for_each(|model| writeln!(out, "{}", model.name)),
        Format::Full => {
            let mut table = plain_table();
            for model in SHIPPED {
                table.add_row([model.name.to_owned(), model.summary()]);
            }
            write_table(out, &table)?;
            writeln!(out, "\n`hgnnc new NAME --from MODEL` copies one.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::for_shell;

    #[test]
    fn paths_are_words_of_a_shell() {
        assert_eq!(for_shell("models/a-1.hgnn"), "models/a-1.hgnn");
        assert_eq!(for_shell("my model's.hgnn"), r"'my model'\''s.hgnn'");
        assert_eq!(for_shell("-x.hgnn"), "-- '-x.hgnn'");
    }
}
