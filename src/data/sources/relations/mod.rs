//! Lists of names that are linked, in parts that are files: triples of a knowledge graph, users with items.

pub mod interactions;
mod ratings;
pub mod triples;

use crate::data::recognise::Look;
use crate::data::{DataError, DataOptions, Split};
use crate::diagnostic::count;
use crate::findings::names::did_you_mean;
use crate::regular::{self, ReadError};
use crate::source::Span;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Names of the parts' files, without their endings.
const PARTS: [&[&str]; 3] = [&["train", "training"], &["valid", "validation", "dev", "val"], &["test"]];

/// What a source reads.
struct Kind {
    /// The folder below the data folder that its sets lie in.
    below: &'static str,
    endings: &'static [&'static str],
    /// How a line looks, for messages.
    example: &'static str,
    /// Sets that are published, with where.
    published: &'static [(&'static str, &'static str)],
}

/// Where a list lies: the files of the parts that are there, or one file.
struct Place {
    /// As messages call the data.
    name: String,
    parts: [Option<PathBuf>; 3],
}

impl Place {
    fn paths(&self) -> Vec<PathBuf> {
        self.parts.iter().flatten().cloned().collect()
    }

    fn has_parts(&self) -> bool {
        self.parts[1..].iter().any(Option::is_some)
    }
}

/// Finds a list by its name in the data folder and in one below it, or by its path. `endings` are those of its files.
fn find(name: &str, options: &DataOptions, kind: &Kind, span: Option<Span>) -> Result<Place, DataError> {
    let Kind { below, endings, example, published } = *kind;
    let mut tried = Vec::new();
    if is_path(name) {
        tried.push(options.path_of(name));
    } else {
        for folder in [&options.data_dir, &options.cache_dir].into_iter().flatten() {
            tried.extend([folder.join(below).join(name), folder.join(name)]);
        }
    }
    for path in &tried {
        if path.is_dir() {
            let names = crate::data::files::entries(path);
            let of_part = |part: &&[&str]| {
                let is_it = |entry: &&String| {
                    let plain = entry.strip_suffix(".gz").unwrap_or(entry);
                    plain
                        .rsplit_once('.')
                        .is_some_and(|(stem, ending)| part.contains(&stem) && endings.contains(&ending))
                };
                names.iter().find(is_it).map(|entry| path.join(entry))
            };
            let [train, valid, test] = PARTS.each_ref().map(of_part);
            if train.is_none() {
                return Err(DataError::new("data::missing_part", "has no file of the training part")
                    .file(path.display().to_string())
                    .help(format!("it is called train.{}; {example}", endings[0]))
                    .span(span));
            }
            let name = path.file_name().map_or(name.to_owned(), |name| name.to_string_lossy().into_owned());
            return Ok(Place { name, parts: [train, valid, test] });
        }
        if path.is_file() {
            let name = path.file_name().map_or(name.to_owned(), |name| name.to_string_lossy().into_owned());
            return Ok(Place { name, parts: [Some(path.clone()), None, None] });
        }
    }
    if let Some((_, place)) = published.iter().find(|(known, _)| *known == name) {
        let folder = match &options.data_dir {
            Some(folder) => folder.join(below).join(name).display().to_string(),
            None => format!("a data folder (HGNN_DATA or `--data-dir`) as {below}/{name}"),
        };
        return Err(DataError::new(
            "data::not_here",
            format!("the data set `{name}` was not found in any data folder"),
        )
        .help(format!(
            "put its files into {folder}; it is published at {place}{}",
            crate::data::fetch::way_to(name)
        ))
        .span(span));
    }
    let beside: Vec<String> =
        tried.iter().filter_map(|path| path.parent()).flat_map(crate::data::files::entries).collect();
    let last = tried.last().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    let like = did_you_mean(last.as_deref().unwrap_or(name), beside.iter().map(String::as_str));
    let like = like.map(|like| format!("did you mean `{like}`?\n")).unwrap_or_default();
    let places: Vec<String> = tried.iter().map(|path| path.display().to_string()).collect();
    let looked = match places.is_empty() {
        true => "no data folder is named: set HGNN_DATA or `--data-dir`, or write a path such as `./my/data`"
            .to_owned(),
        false => format!("looked for {}", places.join(" and ")),
    };
    Err(DataError::new("data::missing", format!("the data `{name}` does not exist"))
        .help(format!("{like}{looked}"))
        .span(span))
}

/// A path as a call names it: a word alone is the name of a set.
fn as_path(shown: &str) -> String {
    if is_path(shown) { shown.to_owned() } else { format!("./{shown}") }
}

fn is_path(name: &str) -> bool {
    name.contains(['/', '\\', '.'])
}

/// Whether what lies at a path is such a list, by the first line of its training part or of the one file.
fn looks_like(look: &Look, kind: &Kind, n_columns: usize, separators: &[char]) -> bool {
    let ends_right = |name: &str| {
        let plain = name.strip_suffix(".gz").unwrap_or(name);
        plain.rsplit_once('.').is_some_and(|(_, ending)| kind.endings.contains(&ending))
    };
    let is_train = |name: &&String| {
        let plain = name.strip_suffix(".gz").unwrap_or(name);
        ends_right(name) && plain.rsplit_once('.').is_some_and(|(stem, _)| PARTS[0].contains(&stem))
    };
    let head = match look.is_folder {
        true => match look.names.iter().find(is_train).and_then(|name| look.inside(name)) {
            Some(inside) => inside.head,
            None => return false,
        },
        false if ends_right(&look.shown) => look.head.clone(),
        false => return false,
    };
    let text = String::from_utf8_lossy(&head);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).take(5).peekable();
    let has_columns =
        |line: &str| separators.iter().any(|&separator| line.split(separator).count() == n_columns);
    lines.peek().is_some() && lines.all(has_columns)
}

/// The text of a file, unpacked where its name ends in `.gz`.
fn text_of(path: &Path, max_bytes: u64) -> Result<String, DataError> {
    let shown = path.display().to_string();
    let fail = |error: ReadError| {
        let error = match error {
            ReadError::TooLarge { .. } => DataError::new("data::too_large", error.to_string())
                .help(format!("raise the limit with {}", crate::data::files::MAX_SIZE_VARIABLE)),
            _ => DataError::new("data::unreadable", error.to_string())
                .help("restore the file from an intact copy"),
        };
        error.file(shown.clone())
    };
    let bytes = regular::read(path, max_bytes).map_err(fail)?;
    let bytes = match path.extension().is_some_and(|ending| ending == "gz") {
        true => regular::read_stream(flate2::read::MultiGzDecoder::new(bytes.as_slice()), max_bytes)
            .map_err(fail)?,
        false => bytes,
    };
    String::from_utf8(bytes).map_err(|_| {
        DataError::new("data::encoding", "is not UTF-8 text").file(shown.clone()).help("save it as UTF-8")
    })
}

/// Rows of a part: their columns as texts, and the line of each, from 1.
fn rows_of<'t, const N: usize>(
    text: &'t str,
    path: &Path,
    separator: char,
    header: &[&str; N],
    what: &str,
) -> Result<Vec<([&'t str; N], usize)>, DataError> {
    let mut rows = Vec::new();
    for (idx, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let mut columns = [""; N];
        let mut n_columns = 0;
        for column in line.split(separator) {
            if let Some(place) = columns.get_mut(n_columns) {
                *place = column.trim();
            }
            n_columns += 1;
        }
        if idx == 0 && n_columns == N && columns == *header {
            continue;
        }
        let parted = if separator == '\t' { "tabs" } else { "commas" };
        let fail = |message: String| {
            Err(DataError::new("data::ragged", message)
                .file(path.display().to_string())
                .line(idx + 1)
                .help(format!("write `{}` with {parted} between, as in {what}", header.join(" "))))
        };
        if n_columns != N {
            return fail(format!("has {} parted by {parted}, not {N}", count(n_columns, "value")));
        }
        if let Some(place) = columns.iter().position(|column| column.is_empty()) {
            return fail(format!("has no {}", header[place]));
        }
        rows.push((columns, idx + 1));
    }
    Ok(rows)
}

/// Texts with numbers in the order in which they first occur.
#[derive(Default)]
struct Names {
    of: HashMap<String, u32>,
    all: Vec<String>,
}

impl Names {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.of.get(name) {
            return number;
        }
        let number = self.all.len() as u32;
        self.of.insert(name.to_owned(), number);
        self.all.push(name.to_owned());
        number
    }
}

/// Pairs in three parts, those that stand twice in one left out.
///
/// # Errors
/// Where one stands in two parts.
fn distinct<K: Copy + Eq + std::hash::Hash>(
    parts: [Vec<(K, usize)>; 3],
    paths: &[Option<PathBuf>; 3],
    what: &str,
) -> Result<[Vec<K>; 3], DataError> {
    let mut seen: HashMap<K, (usize, usize)> = HashMap::new();
    let mut kept: [Vec<K>; 3] = Default::default();
    for (part, rows) in parts.into_iter().enumerate() {
        for (key, line) in rows {
            match seen.get(&key) {
                None => {
                    seen.insert(key, (part, line));
                    kept[part].push(key);
                }
                Some(&(first, _)) if first == part => {}
                Some(&(first, at)) => {
                    let name = |part: usize| {
                        paths[part].as_ref().map_or(String::new(), |path| path.display().to_string())
                    };
                    return Err(DataError::new(
                        "data::leak",
                        format!("the {what} of this line stands in {} too, in line {at}", name(first)),
                    )
                    .file(name(part))
                    .line(line)
                    .help("what is measured must not pass messages in training: keep it in one part only"));
                }
            }
        }
    }
    Ok(kept)
}

/// The split of the links of a data set whose parts are these, by the ends and kinds of each.
fn split_of(data: &crate::data::Dataset, parts: &[Vec<[u32; 3]>; 3]) -> Split {
    let links = data.links.clone().expect("made before");
    let of_part = |part: &Vec<[u32; 3]>| {
        let mut items: Vec<u32> =
            part.iter().filter_map(|&[first, second, kind]| links.find(data, first, second, kind)).collect();
        items.sort_unstable();
        items.dedup();
        items
    };
    let [train, validation, test] = parts.each_ref().map(of_part);
    Split { train, validation, test }
}

#[cfg(test)]
mod tests;
