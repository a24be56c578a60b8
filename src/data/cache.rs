//! Large data sets as they are after reading, kept in the cache folder: the second start with COLLAB copies a hundred
//! megabytes of numbers and parses no text.
//!
//! The place is behind all sources, in [`load`](super::load): an entry is a whole [`Dataset`], whatever it was read of, so a new source
//! has it without a line of its own. An entry holds for one call, the size and times of the files that it reads and one build of
//! this program, as that of the facts does; whatever of these changes names another entry. It begins with a sealed header
//! (JSON: everything that is small, and how many numbers of which kind follow), and the numbers stand behind it in the order of
//! the header, little-endian, with a checksum over all of them. Processes that read it at once share the system's copy of the file.

use super::columns::Vocabulary;
use super::dataset::{Dataset, EdgeEdits, Features, Names, PartedBy, SparseRows, Targets, Types, Unread};
use super::features::scaling::Scale;
use super::{DataOptions, EdgeItems, Links, facts_cache};
use crate::args::BoundCall;
use crate::files::{self, sealed};
use crate::kernels::graph::{Csr, EdgeKinds};
use crate::regular;
use crate::settings::protocol::Split;
use crate::types::{NoKinds, Schema, Task};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Numbers of a set that is worth an entry; smaller ones are read as fast from their files.
const MIN_NUMBERS: usize = if cfg!(test) { 1_000 } else { 1_000_000 };

/// Bytes of all entries together; the oldest go first.
const MAX_BYTES: u64 = 4 << 30;

/// Bytes of a header.
const MAX_HEADER_BYTES: u64 = 64 << 20;

const MAGIC: &[u8; 8] = b"hgnnset1";

/// Everything that is small, and what follows.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    name: String,
    task: Option<Task>,
    features: Kept,
    edge_features: Option<Kept>,
    n_kinds: Option<usize>,
    has_reverse: bool,
    targets: KeptTargets,
    class_names: Vec<String>,
    fixed_split: Option<Split>,
    vocabulary: Vocabulary,
    names: Names,
    unread: Vec<KeptUnread>,
    edits: EdgeEdits,
    no_kinds: Option<NoKinds>,
    random_signs: Vec<Range<usize>>,
    scales_columns: Option<Scale>,
    n_left: usize,
    n_own_kinds: Option<usize>,
    has_links: bool,
    /// Of edges that are items, whether they lead from one end to the other.
    has_directed_items: Option<bool>,
    schema: Option<Schema>,
    parted_by: PartedBy,
    fingerprint: String,
    structure_fingerprint: String,
    /// Numbers of each array behind the header, in their order.
    lengths: Vec<u64>,
    /// SHA-256 of all of them.
    sum: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Kept {
    Dense(usize),
    OneHot(usize),
    Sparse(usize),
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum KeptTargets {
    Classes,
    Values(usize),
    None,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptUnread {
    what: String,
    file: String,
    n_columns: Option<usize>,
    setting: Option<String>,
}

/// Settings that [`Unread`] may name.
const SETTINGS: [&str; 7] = [
    "features = both",
    "features = labels",
    "edge_features = both",
    "edge_features = labels",
    "target = attributes",
    "target = labels",
    "parallel = drop",
];

/// The set that this call makes, where it is kept; whatever is wrong with an entry, it is not.
pub fn read(call: &BoundCall, options: &DataOptions) -> Option<Dataset> {
    open(&entry_of(call, options)?)
}

/// Keeps a set that took some reading. A cache that cannot be written costs time and nothing else.
pub fn write(call: &BoundCall, options: &DataOptions, dataset: &Dataset) {
    let is_made = super::find(call.name)
        .is_none_or(|source| source.files(call, options).is_none_or(|files| files.is_empty()));
    if is_made || n_numbers(dataset) < MIN_NUMBERS {
        return;
    }
    let Some(entry) = entry_of(call, options) else { return };
    if save(&entry, dataset).is_ok() {
        clear(entry.parent().unwrap_or(Path::new(".")), MAX_BYTES);
    }
}

fn entry_of(call: &BoundCall, options: &DataOptions) -> Option<PathBuf> {
    let key = facts_cache::key_of(call, options)?;
    Some(options.cache_dir.as_ref()?.join("sets").join(key + ".set"))
}

fn n_numbers(dataset: &Dataset) -> usize {
    let features = match &dataset.features {
        Features::Dense { values, .. } => values.len(),
        Features::OneHot { columns, .. } => columns.len(),
        Features::Sparse(rows) => rows.columns.len(),
    };
    dataset.n_edges() + features
}

/// Numbers of four or eight bytes, as they stand in an entry.
enum Numbers<'a> {
    Words(&'a [u32]),
    Floats(&'a [f32]),
    Long(&'a [i64]),
}

impl Numbers<'_> {
    fn len(&self) -> usize {
        match self {
            Numbers::Words(words) => words.len(),
            Numbers::Floats(floats) => floats.len(),
            Numbers::Long(long) => long.len(),
        }
    }

    /// Gives the bytes to `each`, some at a time.
    fn bytes(&self, each: &mut dyn FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        const AT_ONCE: usize = 64 << 10;
        let mut buffer: Vec<u8> = Vec::with_capacity(8 * AT_ONCE);
        let mut start = 0;
        while start < self.len() {
            let range = start..self.len().min(start + AT_ONCE);
            buffer.clear();
            match self {
                Numbers::Words(words) => {
                    words[range.clone()].iter().for_each(|word| buffer.extend_from_slice(&word.to_le_bytes()))
                }
                Numbers::Floats(floats) => {
                    floats[range.clone()]
                        .iter()
                        .for_each(|float| buffer.extend_from_slice(&float.to_le_bytes()));
                }
                Numbers::Long(long) => {
                    long[range.clone()].iter().for_each(|long| buffer.extend_from_slice(&long.to_le_bytes()))
                }
            }
            each(&buffer)?;
            start = range.end;
        }
        Ok(())
    }
}

fn of_features<'a>(features: &'a Features, arrays: &mut Vec<Numbers<'a>>) -> Kept {
    match features {
        Features::Dense { values, width } => {
            arrays.push(Numbers::Floats(values));
            Kept::Dense(*width)
        }
        Features::OneHot { columns, width } => {
            arrays.push(Numbers::Words(columns));
            Kept::OneHot(*width)
        }
        Features::Sparse(rows) => {
            arrays.extend([
                Numbers::Words(&rows.offsets),
                Numbers::Words(&rows.columns),
                Numbers::Floats(&rows.values),
            ]);
            Kept::Sparse(rows.width)
        }
    }
}

fn save(entry: &Path, dataset: &Dataset) -> io::Result<()> {
    let mut arrays = vec![
        Numbers::Words(&dataset.node_offsets),
        Numbers::Words(&dataset.graph_ids),
        Numbers::Words(&dataset.adjacency.offsets),
        Numbers::Words(&dataset.adjacency.indices),
    ];
    if let Some(reverse) = &dataset.reverse {
        arrays.extend([Numbers::Words(&reverse.offsets), Numbers::Words(&reverse.indices)]);
    }
    let features = of_features(&dataset.features, &mut arrays);
    let edge_features = dataset.edge_features.as_ref().map(|features| of_features(features, &mut arrays));
    if let Some(kinds) = &dataset.edge_kinds {
        arrays.push(Numbers::Words(&kinds.of_entry));
    }
    let targets = match &dataset.targets {
        Targets::Classes(classes) => {
            arrays.push(Numbers::Long(classes));
            KeptTargets::Classes
        }
        Targets::Values { values, n_values } => {
            arrays.push(Numbers::Floats(values));
            KeptTargets::Values(*n_values)
        }
        Targets::None => KeptTargets::None,
    };
    let of_items = dataset.edge_items.as_ref();
    let pairs = |pairs: &Vec<[u32; 2]>| pairs.concat();
    let (ends, entries) =
        (of_items.map(|items| pairs(&items.ends)), of_items.map(|items| pairs(&items.entries)));
    for array in [ends.as_deref(), entries.as_deref(), of_items.map(|items| items.offsets.as_slice())] {
        arrays.extend(array.map(Numbers::Words));
    }
    if let Some(types) = &dataset.types {
        arrays.push(Numbers::Words(&types.of_node));
    }
    let mut sum = Sha256::new();
    for array in &arrays {
        array.bytes(&mut |bytes| {
            sum.update(bytes);
            Ok(())
        })?;
    }
    let unread = dataset.unread.iter().map(|unread| KeptUnread {
        what: unread.what.clone(),
        file: unread.file.clone(),
        n_columns: unread.n_columns,
        setting: unread.setting.map(str::to_owned),
    });
    let header = Header {
        name: dataset.name.clone(),
        task: dataset.task,
        features,
        edge_features,
        n_kinds: dataset.edge_kinds.as_ref().map(|kinds| kinds.n_kinds),
        has_reverse: dataset.reverse.is_some(),
        targets,
        class_names: dataset.class_names.clone(),
        fixed_split: dataset.fixed_split.clone(),
        vocabulary: dataset.vocabulary.clone(),
        names: dataset.names.clone(),
        unread: unread.collect(),
        edits: dataset.edits,
        no_kinds: dataset.no_kinds,
        random_signs: dataset.random_signs.clone(),
        scales_columns: dataset.scales_columns,
        n_left: dataset.n_left,
        n_own_kinds: dataset.n_own_kinds,
        has_links: dataset.links.is_some(),
        has_directed_items: of_items.map(|items| items.is_directed),
        schema: dataset.types.as_ref().map(|types| types.schema.clone()),
        parted_by: dataset.parted_by.clone(),
        fingerprint: dataset.fingerprint.clone(),
        structure_fingerprint: dataset.structure_fingerprint.clone(),
        lengths: arrays.iter().map(|array| array.len() as u64).collect(),
        sum: sealed::hex(sum),
    };
    let header = sealed::seal(&header);
    std::fs::create_dir_all(entry.parent().unwrap_or(Path::new(".")))?;
    files::replace(entry, |out| {
        let mut out = BufWriter::new(out);
        out.write_all(MAGIC)?;
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        arrays.iter().try_for_each(|array| array.bytes(&mut |bytes| out.write_all(bytes)))?;
        out.flush()
    })
}

/// Arrays out of an entry, in their order.
struct Arrays<R> {
    file: R,
    sum: Sha256,
    lengths: std::vec::IntoIter<u64>,
    /// Bytes that are left: no array is longer, whatever a header says.
    left: u64,
}

impl<R: Read> Arrays<R> {
    fn next<T, const N: usize>(&mut self, of: impl Fn([u8; N]) -> T) -> Option<Vec<T>> {
        let n = self.lengths.next()?;
        let n_bytes = n.checked_mul(N as u64).filter(|&bytes| bytes <= self.left)?;
        self.left -= n_bytes;
        let mut values = Vec::with_capacity(usize::try_from(n).ok()?);
        let mut buffer = vec![0u8; (256 << 10).min(n_bytes as usize)];
        let mut left = n_bytes as usize;
        while left > 0 {
            let part = &mut buffer[..left.min(256 << 10)];
            self.file.read_exact(part).ok()?;
            self.sum.update(&*part);
            values.extend(part.chunks_exact(N).map(|bytes| of(bytes.try_into().expect("of this length"))));
            left -= part.len();
        }
        Some(values)
    }

    fn words(&mut self) -> Option<Vec<u32>> {
        self.next(u32::from_le_bytes)
    }

    fn pairs(&mut self) -> Option<Vec<[u32; 2]>> {
        let words = self.words()?;
        Some(words.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect())
    }

    fn features(&mut self, kept: Kept) -> Option<Features> {
        Some(match kept {
            Kept::Dense(width) => Features::Dense { values: self.next(f32::from_le_bytes)?, width },
            Kept::OneHot(width) => Features::OneHot { columns: self.words()?, width },
            Kept::Sparse(width) => {
                let (offsets, columns) = (self.words()?, self.words()?);
                Features::Sparse(SparseRows {
                    offsets,
                    columns,
                    values: self.next(f32::from_le_bytes)?,
                    width,
                })
            }
        })
    }

    fn csr(&mut self) -> Option<Csr> {
        let (offsets, indices) = (self.words()?, self.words()?);
        let n_cols = offsets.len().checked_sub(1)?;
        Some(Csr { offsets, indices, n_cols })
    }
}

/// `None` where the entry is not there, or its checksums do not confirm it.
fn open(entry: &Path) -> Option<Dataset> {
    let mut file = regular::open(entry).ok()?;
    let size = file.metadata().ok()?.len();
    let mut start = [0u8; 16];
    file.read_exact(&mut start).ok()?;
    let (magic, length) = start.split_at(8);
    let length = u64::from_le_bytes(length.try_into().ok()?);
    if magic != MAGIC || length > MAX_HEADER_BYTES.min(size) {
        return None;
    }
    let mut header = vec![0u8; length as usize];
    file.read_exact(&mut header).ok()?;
    let header: Header = sealed::open(&header).ok()?.sealed().ok()?;
    let left = size.checked_sub(16 + length)?;
    let mut arrays = Arrays { file, sum: Sha256::new(), lengths: header.lengths.into_iter(), left };
    let (node_offsets, graph_ids, adjacency) = (arrays.words()?, arrays.words()?, arrays.csr()?);
    let reverse = if header.has_reverse { Some(arrays.csr()?) } else { None };
    let features = arrays.features(header.features)?;
    let edge_features = match header.edge_features {
        Some(kept) => Some(arrays.features(kept)?),
        None => None,
    };
    let edge_kinds = match header.n_kinds {
        Some(n_kinds) => Some(EdgeKinds { of_entry: Arc::new(arrays.words()?), n_kinds }),
        None => None,
    };
    let targets = match header.targets {
        KeptTargets::Classes => Targets::Classes(arrays.next(i64::from_le_bytes)?),
        KeptTargets::Values(n_values) => {
            Targets::Values { values: arrays.next(f32::from_le_bytes)?, n_values }
        }
        KeptTargets::None => Targets::None,
    };
    let edge_items = match header.has_directed_items {
        Some(is_directed) => {
            let (ends, entries) = (arrays.pairs()?, arrays.pairs()?);
            Some(Arc::new(EdgeItems { ends, entries, offsets: arrays.words()?, is_directed }))
        }
        None => None,
    };
    let types = match header.schema {
        Some(schema) => Some(Types { schema, of_node: arrays.words()? }),
        None => None,
    };
    if arrays.left > 0 || sealed::hex(arrays.sum) != header.sum {
        return None;
    }
    let unread = header.unread.into_iter().map(|unread| {
        let setting = match unread.setting {
            Some(text) => Some(SETTINGS.into_iter().find(|setting| *setting == text)?),
            None => None,
        };
        Some(Unread { what: unread.what, file: unread.file, n_columns: unread.n_columns, setting })
    });
    let mut dataset = Dataset {
        name: header.name,
        task: header.task,
        node_offsets,
        features,
        adjacency,
        edge_features,
        edge_kinds,
        reverse,
        targets,
        labels: None,
        class_names: header.class_names,
        fixed_split: header.fixed_split,
        graph_ids,
        vocabulary: header.vocabulary,
        names: header.names,
        unread: unread.collect::<Option<_>>()?,
        edits: header.edits,
        no_kinds: header.no_kinds,
        random_signs: header.random_signs,
        scales_columns: header.scales_columns,
        n_left: header.n_left,
        n_own_kinds: header.n_own_kinds,
        types,
        links: None,
        edge_items,
        parted_by: header.parted_by,
        file_folder: None,
        fingerprint: header.fingerprint,
        structure_fingerprint: header.structure_fingerprint,
    };
    if header.has_links {
        dataset.links = Some(Arc::new(Links::of(&dataset)));
    }
    Some(dataset)
}

/// Deletes the oldest entries until those that are left have at most so many bytes.
fn clear(folder: &Path, max_bytes: u64) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut all: Vec<(std::time::SystemTime, u64, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let facts =
                path.metadata().ok().filter(|_| path.extension().is_some_and(|ending| ending == "set"))?;
            Some((facts.modified().ok()?, facts.len(), path))
        })
        .collect();
    all.sort();
    let mut total: u64 = all.iter().map(|(_, size, _)| size).sum();
    for (_, size, path) in all {
        if total <= max_bytes {
            return;
        }
        if std::fs::remove_file(path).is_ok() {
            total -= size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data::{call, load};

    /// Everything that a model can see of a set, and what people are told of it.
    fn expect_same(one: &Dataset, other: &Dataset) {
        assert_eq!((&one.name, one.task, &one.node_offsets), (&other.name, other.task, &other.node_offsets));
        assert_eq!((&one.features, &one.edge_features), (&other.features, &other.edge_features));
        assert_eq!(
            (&one.adjacency, &one.reverse, &one.edge_kinds),
            (&other.adjacency, &other.reverse, &other.edge_kinds)
        );
        assert_eq!(
            (&one.targets, &one.class_names, &one.fixed_split),
            (&other.targets, &other.class_names, &other.fixed_split)
        );
        assert_eq!(
            (&one.graph_ids, &one.vocabulary, &one.names),
            (&other.graph_ids, &other.vocabulary, &other.names)
        );
        assert_eq!((&one.unread, one.edits, one.no_kinds), (&other.unread, other.edits, other.no_kinds));
        assert_eq!((&one.random_signs, one.scales_columns), (&other.random_signs, other.scales_columns));
        assert_eq!(
            (&one.fingerprint, &one.structure_fingerprint),
            (&other.fingerprint, &other.structure_fingerprint)
        );
    }

    /// A set with everything that a set can have.
    fn full(folder: &Path) -> Dataset {
        let lines = concat!(
            r#"{"nodes": [{"id": "a", "x": 1, "k": "u"}, {"id": "b", "x": 2.5, "k": "v"}], "edges": [{"source": "a", "target": "b", "relation": "r", "w": 2}], "label": "p", "split": "train", "name": "one", "more": [[1]]}"#,
            "\n",
            r#"{"nodes": [{"id": "c", "x": 3, "k": "u"}], "edges": [], "label": "q", "split": "test", "name": "two"}"#,
            "\n"
        );
        let path = folder.join("x.jsonl");
        std::fs::write(&path, lines).expect("writable");
        let call = call(
            "json_lines",
            &[("path", ArgValue::Text(path.display().to_string())), ("loops", ArgValue::Choice("add"))],
        );
        load(&call, &DataOptions::folder("nowhere")).expect("whole")
    }

    #[test]
    fn a_kept_set_is_the_set() {
        let folder = tempfile::tempdir().expect("a folder");
        let karate = load(&call("karate", &[]), &DataOptions::folder("")).expect("built in");
        let mut values = karate.clone();
        values.targets = Targets::Values { values: vec![0.5; 68], n_values: 2 };
        values.features = Features::Sparse(SparseRows {
            offsets: vec![0; 35],
            columns: Vec::new(),
            values: Vec::new(),
            width: 3,
        });
        for set in [full(folder.path()), karate, values] {
            let entry = folder.path().join("kept.set");
            save(&entry, &set).expect("writable");
            expect_same(&open(&entry).expect("whole"), &set);
        }
    }

    #[test]
    fn a_damaged_entry_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let entry = folder.path().join("kept.set");
        save(&entry, &full(folder.path())).expect("writable");
        let whole = std::fs::read(&entry).expect("written");
        for byte in 0..whole.len() {
            let mut changed = whole.clone();
            changed[byte] ^= 1 << (byte % 8);
            std::fs::write(&entry, &changed).expect("writable");
            assert!(open(&entry).is_none(), "byte {byte}");
        }
        for cut in [0, 7, 16, 100, whole.len() - 1] {
            std::fs::write(&entry, &whole[..cut]).expect("writable");
            assert!(open(&entry).is_none(), "{cut} bytes");
        }
    }

    #[test]
    fn the_oldest_entries_go_first() {
        let folder = tempfile::tempdir().expect("a folder");
        for (idx, name) in ["a.set", "b.set", "c.set"].iter().enumerate() {
            let path = folder.path().join(name);
            std::fs::write(&path, [0u8; 10]).expect("writable");
            let time =
                std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000 * (idx as u64 + 1));
            std::fs::File::options()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_modified(time))
                .expect("writable");
        }
        std::fs::write(folder.path().join("other.txt"), [0u8; 10]).expect("writable");
        clear(folder.path(), 20);
        let left: Vec<bool> = ["a.set", "b.set", "c.set", "other.txt"]
            .iter()
            .map(|name| folder.path().join(name).exists())
            .collect();
        assert_eq!(left, [false, true, true, true]);
    }

    #[test]
    fn large_sets_are_kept_and_follow_their_files() {
        let (folder, cache) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let options = DataOptions { cache_dir: Some(cache.path().into()), ..DataOptions::folder("nowhere") };
        let path = folder.path().join("x.npz");
        let call = call("graph_text", &[("name", ArgValue::Text(format!("{}.txt", path.display())))]);
        let write_set = |n: usize| {
            // Two nodes with many parallel edges.
            let neighbours = " 1".repeat(n);
            std::fs::write(format!("{}.txt", path.display()), format!("1\n2 0\n0 {n}{neighbours}\n1 0\n"))
                .expect("writable");
        };
        write_set(MIN_NUMBERS);
        let first = load(&call, &options).expect("whole");
        let entries = || std::fs::read_dir(cache.path().join("sets")).map_or(0, Iterator::count);
        assert_eq!(entries(), 1);
        expect_same(&load(&call, &options).expect("kept"), &first);
        write_set(MIN_NUMBERS + 1);
        assert_eq!(load(&call, &options).expect("whole").n_edges(), first.n_edges() + 1);
        assert_eq!(entries(), 2);
        write_set(1);
        assert_eq!(load(&call, &options).expect("whole").n_edges(), 1);
        assert_eq!(entries(), 2);
    }
}
