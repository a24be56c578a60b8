//! Folds of published experiments, as two kinds of files list them: `NAME_splits.json` of Errica et al. 2020
//! (<https://github.com/diningphil/gnn-comparison>), and `10fold_idx/NAME/{train,test}_idx-k.txt` of the code of DGCNN and GIN.
//! Both count items from 0.

use super::error::DataError;
use super::files::{TextFiles, names};
use super::{Dataset, Split};
use crate::diagnostic::count;
use crate::regular;
use crate::types::Entity;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes of all files of folds together.
const MAX_BYTES: u64 = 256 << 20;

const TRAIN: [&str; 2] = ["train", "training"];
const VALIDATION: [&str; 4] = ["validation", "valid", "val", "dev"];
const TEST: [&str; 2] = ["test", "testing"];

/// What a fold is of.
struct Items<'a> {
    /// `graph` or `node`.
    word: &'static str,
    data: &'a str,
    classes: Vec<i64>,
}

/// The folds that a file or folder lists for a data set, of `set` where it lists those of several.
///
/// # Errors
/// Where it cannot be read, or its folds cannot be of this data.
pub fn read(path: &Path, set: Option<&str>, data: &Dataset) -> Result<Vec<Split>, DataError> {
    let of_nodes = data.task.is_some_and(|task| task.entity == Entity::Nodes);
    let items =
        Items { word: if of_nodes { "node" } else { "graph" }, data: &data.name, classes: data.strata() };
    if let Err(error) = path.metadata() {
        return Err(DataError::new("data::missing", format!("there are no folds here: {error}"))
            .file(path.display().to_string())
            .help("name the file or folder by its path from the folder of the model file"));
    }
    let is_json =
        !path.is_dir() && path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let splits = if is_json { of_json(path, set, &items)? } else { of_texts(path, set, &items)? };
    items.covers(path, &splits)?;
    Ok(splits)
}

impl Items<'_> {
    fn count(&self, n: usize) -> String {
        count(n, self.word)
    }

    /// Whether a fold can be of these items, whose parts stand in files of these names.
    fn check(&self, fold: usize, split: &mut Split, files: &dyn Fn(&str) -> String) -> Result<(), DataError> {
        let mut part_of: Vec<Option<&str>> = vec![None; self.classes.len()];
        let parts = [
            ("training", &mut split.train),
            ("validation", &mut split.validation),
            ("test", &mut split.test),
        ];
        for (part, listed) in parts {
            let wrong = |code: &'static str, message: String| DataError::new(code, message).file(files(part));
            for &item in listed.iter() {
                let what = format!("{} {item} of the {part} part of fold {fold}", self.word);
                let Some(place) = part_of.get_mut(item as usize) else {
                    return Err(wrong(
                        "data::wrong_split",
                        format!(
                            "{what} does not exist: {} has {}, counted from 0",
                            self.data,
                            self.count(self.classes.len())
                        ),
                    )
                    .help("name the folds of this data set; they may be of another version of it"));
                };
                match place.replace(part) {
                    Some(before) if before == part => {
                        return Err(wrong("data::wrong_split", format!("{what} occurs twice"))
                            .help("list each item once"));
                    }
                    Some(before) => {
                        return Err(wrong(
                            "data::wrong_split",
                            format!("{what} is in the {before} part too"),
                        )
                        .help("the parts of a fold have nothing in common"));
                    }
                    None => {}
                }
                if self.classes[item as usize] < 0 {
                    return Err(wrong("data::wrong_split", format!("{what} has no label"))
                        .help("leave items without a label out of the folds"));
                }
            }
            listed.sort_unstable();
        }
        for (part, listed) in [("training", &split.train), ("test", &split.test)] {
            if listed.is_empty() {
                return Err(DataError::new(
                    "data::wrong_split",
                    format!("the {part} part of fold {fold} is empty"),
                )
                .file(files(part))
                .help("a fold has items to train on and items to test on"));
            }
        }
        Ok(())
    }

    /// Folds that name fewer graphs than there are, are those of another set. Of nodes many are often in no part.
    fn covers(&self, path: &Path, splits: &[Split]) -> Result<(), DataError> {
        if self.word != "graph" {
            return Ok(());
        }
        let mut is_named = vec![false; self.classes.len()];
        for split in splits {
            for part in [&split.train, &split.validation, &split.test] {
                part.iter().for_each(|&item| is_named[item as usize] = true);
            }
        }
        let left =
            (0..).zip(&is_named).zip(&self.classes).filter(|((_, named), class)| !**named && **class >= 0);
        let left: Vec<usize> = left.map(|((item, _), _)| item).collect();
        let Some(first) = left.first() else { return Ok(()) };
        Err(DataError::new(
            "data::wrong_split",
            format!(
                "{} of the {} of {} are in no part of any fold, the first is graph {first}",
                left.len(),
                self.count(self.classes.len()),
                self.data
            ),
        )
        .file(path.display().to_string())
        .help("name the folds of this data set; they may be of another version of it"))
    }
}

/// A list of folds, or a single one: objects with `train`, `validation` and `test`, where the first two may lie in
/// `model_selection`.
fn of_json(path: &Path, set: Option<&str>, items: &Items) -> Result<Vec<Split>, DataError> {
    let label = path.display().to_string();
    let wrong = |message: String| {
        DataError::new("data::wrong_split", message).file(&label).help(
            "a file of folds reads `[{\"train\": [0, 1], \"validation\": [2], \"test\": [3]}, …]`, or as Errica et al. \
             publish theirs, `[{\"test\": […], \"model_selection\": [{\"train\": […], \"validation\": […]}]}, …]`",
        )
    };
    if set.is_some() {
        return Err(DataError::new(
            "args::no_effect",
            "`set` has no effect here: the file holds folds of one set",
        )
        .file(&label)
        .help("leave `set` out"));
    }
    let bytes = regular::read(path, MAX_BYTES).map_err(|error| {
        DataError::new("data::unreadable", format!("cannot be read: {error}")).file(&label)
    })?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| wrong(format!("is no JSON: {error}")).line(error.line()))?;
    let folds = match &value {
        Value::Array(folds) if !folds.is_empty() => folds.as_slice(),
        Value::Object(_) => std::slice::from_ref(&value),
        _ => return Err(wrong("lists no folds".into())),
    };
    let mut found = Vec::new();
    for (idx, fold) in folds.iter().enumerate() {
        let number = idx + 1;
        let inner = match fold.get("model_selection") {
            None => fold,
            Some(Value::Array(inner)) if inner.len() == 1 => &inner[0],
            Some(Value::Array(inner)) => {
                return Err(wrong(format!(
                    "fold {number} has {} in `model_selection`, where one is expected",
                    count(inner.len(), "split")
                )));
            }
            Some(_) => return Err(wrong(format!("`model_selection` of fold {number} is no list"))),
        };
        let part = |of: &Value, names: &[&str], is_needed: bool| -> Result<Vec<u32>, DataError> {
            let Some((name, value)) = names.iter().find_map(|name| Some((name, of.get(name)?))) else {
                return match is_needed {
                    true => Err(wrong(format!("fold {number} has no `{}`", names[0]))),
                    false => Ok(Vec::new()),
                };
            };
            let Value::Array(listed) = value else {
                return Err(wrong(format!("`{name}` of fold {number} is no list")));
            };
            let place = |value: &Value| value.as_u64().and_then(|place| u32::try_from(place).ok());
            listed
                .iter()
                .map(|value| {
                    place(value).ok_or_else(|| {
                        wrong(format!("`{name}` of fold {number} holds {value}, which is no place from 0"))
                    })
                })
                .collect()
        };
        let mut split = Split {
            train: part(inner, &TRAIN, true)?,
            validation: part(inner, &VALIDATION, false)?,
            test: part(fold, &TEST, true)?,
        };
        items.check(number, &mut split, &|_| label.clone())?;
        found.push(split);
    }
    let n_validated = found.iter().filter(|fold| !fold.validation.is_empty()).count();
    if n_validated > 0 && n_validated < found.len() {
        return Err(wrong(format!(
            "{n_validated} of {} have a validation part, the others have none",
            count(found.len(), "fold")
        )));
    }
    Ok(found)
}

/// Which part of which fold a file is: `test_idx-3.txt`.
fn part_of(file: &str) -> Option<(usize, usize)> {
    let name = file.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name).strip_suffix(".txt")?;
    let (part, number) = name.rsplit_once(['-', '_'])?;
    let part = part.strip_suffix("_idx").or_else(|| part.strip_suffix("-idx"))?;
    let known = [&TRAIN[..], &VALIDATION[..], &TEST[..]];
    let part = known.iter().position(|names| names.contains(&part))?;
    Some((part, number.parse().ok()?))
}

fn of_texts(path: &Path, set: Option<&str>, items: &Items) -> Result<Vec<Split>, DataError> {
    let label = path.display().to_string();
    let mut files = TextFiles::at(path, MAX_BYTES)?;
    let mut folders: BTreeMap<String, BTreeMap<(usize, usize), _>> = BTreeMap::new();
    for found in files.found.clone() {
        if let Some((part, number)) = part_of(&found.file) {
            folders.entry(found.folder.clone()).or_default().insert((number, part), found);
        }
    }
    let base = |folder: &str| folder.rsplit('/').next().unwrap_or_default().to_owned();
    let known: Vec<String> = folders.keys().map(|folder| base(folder)).collect();
    let wanted = set.unwrap_or(items.data);
    let chosen = match (folders.len(), set) {
        (0, _) => {
            return Err(DataError::new("data::wrong_split", "holds no folds").file(&label).help(
                "a folder of folds holds `train_idx-1.txt` and `test_idx-1.txt`, `train_idx-2.txt`, …; \
                 a file of folds ends in .json",
            ));
        }
        (1, None) => folders.into_values().next(),
        _ => folders.into_iter().find(|(folder, _)| base(folder) == wanted).map(|(_, files)| files),
    };
    let Some(chosen) = chosen else {
        return Err(DataError::new("data::wrong_split", format!("holds no folds of `{wanted}`"))
            .file(&label)
            .help(format!("it holds those of {}: choose with `set = \"{}\"`", names(&known), known[0])));
    };
    let n_folds = chosen.keys().map(|(number, _)| *number).max().unwrap_or(0);
    let first = chosen.keys().map(|(number, _)| *number).min().unwrap_or(0);
    let has_validation = chosen.keys().any(|(_, part)| *part == 1);
    let mut folds = Vec::new();
    // Some count folds from 0, others from 1.
    for number in first.min(1)..=n_folds {
        let mut parts: [Vec<u32>; 3] = Default::default();
        let mut labels: [String; 3] = Default::default();
        for (part, word) in ["train", "validation", "test"].into_iter().enumerate() {
            let Some(found) = chosen.get(&(number, part)) else {
                if part == 1 && !has_validation {
                    continue;
                }
                return Err(DataError::new(
                    "data::wrong_split",
                    format!("`{word}_idx-{number}.txt` is missing, of {}", count(n_folds, "fold")),
                )
                .file(&label)
                .help("folds are numbered without gaps, each with all of its files"));
            };
            let (file, bytes) = files.read(found)?;
            parts[part] = places(&file, &bytes)?;
            labels[part] = file;
        }
        let [train, validation, test] = parts;
        let mut split = Split { train, validation, test };
        let label_of = |part: &str| {
            labels[["training", "validation", "test"].iter().position(|word| *word == part).unwrap_or(0)]
                .clone()
        };
        items.check(number, &mut split, &label_of)?;
        folds.push(split);
    }
    Ok(folds)
}

/// Whole numbers, one a line.
fn places(label: &str, bytes: &[u8]) -> Result<Vec<u32>, DataError> {
    let mut all = Vec::new();
    for (idx, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
        let text = String::from_utf8_lossy(line);
        for word in text.split_whitespace() {
            let place = word.parse().map_err(|_| {
                let shown: String = word.chars().take(20).flat_map(char::escape_default).collect();
                DataError::new("data::not_a_number", format!("`{shown}` is no place of an item"))
                    .file(label)
                    .line(idx + 1)
                    .help("a line holds the place of one item, a whole number from 0")
            })?;
            all.push(place);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
