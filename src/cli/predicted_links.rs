//! What `hgnnc predict` writes for tasks on links: the best new pairs of each node, or the scores of pairs that are asked for.

use super::Failure;
use super::predict::Written;
use super::sheet::{Cells, Sheet};
use crate::data::Dataset;
use crate::files::npy;
use crate::regular;
use crate::train::SavedModel;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

/// Bytes of a file of pairs that are read.
const MAX_BYTES: u64 = 1 << 30;

/// A line: two nodes, their relation where there are any, and a score.
struct Line {
    ends: [u32; 2],
    kind: u32,
    /// Place among the pairs of the first node, from 1; `None` for pairs that were asked for.
    rank: Option<usize>,
    score: f32,
}

/// Writes the pairs of each node that score highest and are no links, or those of a file.
pub struct Lines<'a> {
    pub model: &'a SavedModel,
    pub data: &'a Dataset,
    pub written: Written,
}

impl Lines<'_> {
    /// Up to `top` new second ends for each node and relation.
    ///
    /// # Errors
    /// Where the model cannot run or the lines cannot be written.
    pub fn suggest(&self, top: usize, out: &mut dyn Write) -> Result<(), Failure> {
        let mut lines = Vec::new();
        self.model.suggest(self.data, top, |found| {
            for (place, &(second, score)) in found.seconds.iter().enumerate() {
                lines.push(Line {
                    ends: [found.first, second],
                    kind: found.kind,
                    rank: Some(place + 1),
                    score,
                });
            }
        })?;
        Ok(self.write(&lines, true, out)?)
    }

    /// The pairs of a CSV file, by the names or numbers of their nodes and the name or number of their relation.
    ///
    /// # Errors
    /// Where the file cannot be read or names what the data does not have.
    pub fn score(&self, path: &Path, out: &mut dyn Write) -> Result<(), Failure> {
        let shown = path.display().to_string();
        let text = regular::read_text(path, MAX_BYTES)
            .map_err(|error| Failure::new(format!("`{shown}` cannot be read: {error}")))?;
        let (ends, kinds) = self.read(&text, &shown)?;
        let scores = self.model.score_pairs(self.data, &ends, &kinds)?;
        let line = |(pair, score): (usize, f32)| Line {
            ends: ends[pair],
            kind: kinds.get(pair).copied().unwrap_or(0),
            rank: None,
            score,
        };
        let lines: Vec<Line> = scores.into_iter().enumerate().map(line).collect();
        Ok(self.write(&lines, false, out)?)
    }

    /// Whether links have relations.
    fn has_kinds(&self) -> bool {
        self.data.n_edge_kinds() > 0
    }

    fn kind_name(&self, kind: u32) -> String {
        let labels = self.data.vocabulary.edge_kinds.as_ref();
        let name = labels.and_then(|labels| labels.names.get(kind as usize));
        name.cloned().unwrap_or_else(|| kind.to_string())
    }

    fn node_name(&self, node: u32) -> String {
        self.data.names.nodes.get(node as usize).cloned().unwrap_or_else(|| node.to_string())
    }

    /// The columns of a file of pairs.
    fn columns(&self) -> &'static [&'static str] {
        match (self.data.n_left > 0, self.has_kinds()) {
            (true, _) => &["user", "item"],
            (false, true) => &["head", "relation", "tail"],
            (false, false) => &["head", "tail"],
        }
    }

    fn read(&self, text: &str, shown: &str) -> Result<(Vec<[u32; 2]>, Vec<u32>), Failure> {
        let n_nodes = self.data.n_nodes() as u32;
        let n_left = self.data.n_left as u32;
        // Users and items may have the same names.
        let mut of_name: [HashMap<&str, u32>; 2] = Default::default();
        for (node, name) in (0u32..).zip(&self.data.names.nodes) {
            let sides = if n_left == 0 {
                0..2
            } else if node < n_left {
                0..1
            } else {
                1..2
            };
            sides.for_each(|side| {
                of_name[side].insert(name.as_str(), node);
            });
        }
        let labels = self.data.vocabulary.edge_kinds.as_ref();
        let of_kind: HashMap<&str, u32> = labels
            .map_or_else(HashMap::new, |labels| labels.names.iter().map(String::as_str).zip(0..).collect());
        let columns = self.columns();
        let fail = |line: u64, message: String| {
            Err(Failure::new(format!("{shown}:{line}: {message}"))
                .help(format!("a line is `{}`, by the names of the data", columns.join(","))))
        };
        let (mut ends, mut kinds) = (Vec::new(), Vec::new());
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
        for (idx, record) in reader.records().enumerate() {
            let record = record.map_err(|error| Failure::new(format!("{shown}: {error}")))?;
            let line = record.position().map_or(idx as u64 + 1, csv::Position::line);
            if idx == 0 && record.iter().map(str::trim).eq(columns.iter().copied()) {
                continue;
            }
            if record.len() != columns.len() {
                return fail(line, format!("has {} columns, not {}", record.len(), columns.len()));
            }
            let field = |place: usize| record.get(place).unwrap_or_default().trim();
            let mut pair = [0; 2];
            for (side, place) in [0, columns.len() - 1].into_iter().enumerate() {
                let name = field(place);
                let by_number = || {
                    name.parse::<u32>()
                        .ok()
                        .filter(|node| self.data.names.nodes.is_empty() && *node < n_nodes)
                };
                let Some(node) = of_name[side].get(name).copied().or_else(by_number) else {
                    return fail(line, format!("{} has no {} `{name}`", self.data.name, columns[place]));
                };
                pair[side] = node;
            }
            if self.has_kinds() {
                let name = field(1);
                let by_number = || {
                    name.parse::<u32>()
                        .ok()
                        .filter(|kind| of_kind.is_empty() && (*kind as usize) < self.data.n_edge_kinds())
                };
                let Some(kind) = of_kind.get(name).copied().or_else(by_number) else {
                    return fail(line, format!("{} has no relation `{name}`", self.data.name));
                };
                kinds.push(kind);
            }
            ends.push(pair);
        }
        Ok((ends, kinds))
    }

    fn write(&self, lines: &[Line], is_ranked: bool, out: &mut dyn Write) -> io::Result<()> {
        let columns = self.columns();
        let fields = |line: &Line| -> Vec<String> {
            let [first, second] = line.ends.map(|node| self.node_name(node));
            match columns.len() {
                3 => vec![first, self.kind_name(line.kind), second],
                _ => vec![first, second],
            }
        };
        if self.written == Written::Npy {
            let scores: Vec<f32> = lines.iter().map(|line| line.score).collect();
            return npy::write(out, &scores, 1);
        }
        if self.written == Written::JsonLines {
            for line in lines {
                let mut object: Map<String, Value> = columns
                    .iter()
                    .zip(fields(line))
                    .map(|(name, value)| ((*name).to_owned(), value.into()))
                    .collect();
                object.extend(line.rank.map(|rank| ("rank".to_owned(), rank.into())));
                object.insert("score".to_owned(), json!(line.score));
                serde_json::to_writer(&mut *out, &object)?;
                writeln!(out)?;
            }
            return Ok(());
        }
        let mut sheet = Sheet::default();
        let rows: Vec<Vec<String>> = lines.iter().map(fields).collect();
        for (idx, name) in columns.iter().enumerate() {
            sheet.push(*name, Cells::Texts(rows.iter().map(|row| Some(row[idx].clone())).collect()));
        }
        if is_ranked {
            let ranks = lines.iter().map(|line| line.rank.unwrap_or_default() as i64).collect();
            sheet.push("rank", Cells::Whole(ranks));
        }
        sheet.push("score", Cells::Real(lines.iter().map(|line| line.score).collect()));
        if self.written == Written::Parquet { sheet.write_parquet(out) } else { sheet.write_csv(out) }
    }
}
