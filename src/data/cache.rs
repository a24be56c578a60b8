//! Large data sets as they are after reading, kept in the cache folder: the second start with COLLAB parses no text and copies none
//! of its hundred megabytes of numbers.
//!
//! The place is behind all sources, in [`load`](super::load): an entry is a whole [`Dataset`], whatever it was read of, so a new source
//! has it without a line of its own. An entry holds for one call, the content of the files that it reads and one build of this
//! program; whatever of these changes names another entry. It begins with a sealed header (JSON: everything that is small, and how
//! many numbers of which kind follow), and the numbers stand behind it in the order of the header, each array from a multiple
//! of 64 bytes on, in the order of bytes of this machine, with a checksum over all of them.
//!
//! An entry is mapped, so the arrays of a set are the system's own copy of the file, and processes that read one set share it.
//! Only entries are mapped, never the files of people: who edits those gets another entry. An entry is written aside,
//! renamed into its place and never touched again, and one that is deleted stays for those who have mapped it.

use super::columns::Vocabulary;
use super::dataset::{Dataset, EdgeEdits, Features, Names, PartedBy, SparseRows, Targets, Types, Unread};
use super::features::scaling::Scale;
use super::report::Report;
use super::{DataOptions, EdgeItems, Links, facts_cache};
use crate::args::BoundCall;
use crate::files::array::Content;
use crate::files::{self, Array, sealed};
use crate::kernels::graph::{Csr, EdgeKinds};
use crate::kernels::parallel;
use crate::regular;
use crate::settings::protocol::Split;
use crate::types::{NoKinds, Schema, Task};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Numbers of a set that is worth an entry; smaller ones are read as fast from their files.
const MIN_NUMBERS: usize = if cfg!(test) { 1_000 } else { 1_000_000 };

/// Bytes of all entries together; the oldest go first.
const MAX_BYTES: u64 = 4 << 30;

/// Bytes of a header.
const MAX_HEADER_BYTES: u64 = 64 << 20;

const MAGIC: &[u8; 8] = b"hgnnset2";

/// Where an array begins is a multiple of so many bytes: a line of the processor's cache.
const ALIGNMENT: usize = 64;

/// Bytes with a checksum of their own, so that several threads can compute it.
const SUM_BLOCK_BYTES: usize = 1 << 20;

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
    /// SHA-256 over the SHA-256 of each [`SUM_BLOCK_BYTES`] of them, with what stands between.
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

/// Where a set is kept, or would be.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry(PathBuf);

impl Entry {
    /// The entry of this call and its files as they are now; `None` for data that is made, and where nothing can be kept.
    pub fn of(call: &BoundCall, options: &DataOptions) -> Option<Self> {
        super::find(call.name)?.files(call, options).filter(|files| !files.is_empty())?;
        let key = facts_cache::content_key_of(call, options)?;
        Some(Self(options.cache_dir.as_ref()?.join("sets").join(key + ".set")))
    }

    /// The set, where it is kept; whatever is wrong with an entry, it is not.
    pub fn read(&self) -> Option<Dataset> {
        open(&self.0)
    }

    /// The figures of this set: those that are kept, else those that `make` computes, which are kept of a large set.
    pub fn report(&self, dataset: &Dataset, make: impl FnOnce() -> Report) -> Report {
        if n_numbers(dataset) < MIN_NUMBERS {
            return make();
        }
        let name = self.0.file_name().unwrap_or_default();
        let folder = self.0.parent().and_then(Path::parent).unwrap_or(Path::new("."));
        let path = folder.join("reports").join(name).with_extension("json");
        if let Some(known) = facts_cache::read(&path) {
            return known;
        }
        let report = make();
        let _ = facts_cache::write(&path, &report);
        report
    }

    /// Keeps a set that took some reading, unless its files have changed since this entry was named. A cache that cannot be
    /// written costs time and nothing else.
    pub fn write(&self, call: &BoundCall, options: &DataOptions, dataset: &Dataset) {
        if n_numbers(dataset) < MIN_NUMBERS || Self::of(call, options).as_ref() != Some(self) {
            return;
        }
        if save(&self.0, dataset).is_ok() {
            clear(self.0.parent().unwrap_or(Path::new(".")), MAX_BYTES);
        }
    }
}

fn n_numbers(dataset: &Dataset) -> usize {
    let features = match &dataset.features {
        Features::Dense { values, .. } => values.len(),
        Features::OneHot { columns, .. } => columns.len(),
        Features::Sparse(rows) => rows.columns.len(),
    };
    dataset.n_edges() + features
}

/// An array of a set, and how many numbers it has.
struct Numbers<'a> {
    bytes: &'a [u8],
    n: usize,
}

impl<'a> Numbers<'a> {
    fn of<T: bytemuck::Pod>(numbers: &'a [T]) -> Self {
        Self { bytes: bytemuck::cast_slice(numbers), n: numbers.len() }
    }
}

/// The checksum of everything behind a header.
fn sum_of(bytes: &[u8]) -> String {
    let blocks: Vec<&[u8]> = bytes.chunks(SUM_BLOCK_BYTES).collect();
    let sums = parallel::map_each(blocks.len(), bytes.len(), |block| Sha256::digest(blocks[block]));
    let mut sum = Sha256::new();
    sums.iter().for_each(|of_block| sum.update(of_block));
    sealed::hex(sum)
}

/// The same of bytes that come one after the other.
#[derive(Default)]
struct Summing {
    sum: Sha256,
    block: Sha256,
    n_of_block: usize,
}

impl Summing {
    fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (part, rest) = bytes.split_at(bytes.len().min(SUM_BLOCK_BYTES - self.n_of_block));
            self.block.update(part);
            self.n_of_block += part.len();
            bytes = rest;
            if self.n_of_block == SUM_BLOCK_BYTES {
                self.end_block();
            }
        }
    }

    fn end_block(&mut self) {
        self.sum.update(self.block.finalize_reset());
        self.n_of_block = 0;
    }

    fn finish(mut self) -> String {
        if self.n_of_block > 0 {
            self.end_block();
        }
        sealed::hex(self.sum)
    }
}

/// Zeros up to where the next array begins.
fn padding(n_bytes: usize) -> &'static [u8] {
    &[0; ALIGNMENT][..n_bytes.next_multiple_of(ALIGNMENT) - n_bytes]
}

fn of_features<'a>(features: &'a Features, arrays: &mut Vec<Numbers<'a>>) -> Kept {
    match features {
        Features::Dense { values, width } => {
            arrays.push(Numbers::of(values));
            Kept::Dense(*width)
        }
        Features::OneHot { columns, width } => {
            arrays.push(Numbers::of(columns));
            Kept::OneHot(*width)
        }
        Features::Sparse(rows) => {
            arrays.extend([
                Numbers::of(&rows.offsets),
                Numbers::of(&rows.columns),
                Numbers::of(&rows.values),
            ]);
            Kept::Sparse(rows.width)
        }
    }
}

fn save(entry: &Path, dataset: &Dataset) -> io::Result<()> {
    let mut arrays = vec![
        Numbers::of(&dataset.node_offsets),
        Numbers::of(&dataset.graph_ids),
        Numbers::of(&dataset.adjacency.offsets),
        Numbers::of(&dataset.adjacency.indices),
    ];
    if let Some(reverse) = &dataset.reverse {
        arrays.extend([Numbers::of(&reverse.offsets), Numbers::of(&reverse.indices)]);
    }
    let features = of_features(&dataset.features, &mut arrays);
    let edge_features = dataset.edge_features.as_ref().map(|features| of_features(features, &mut arrays));
    if let Some(kinds) = &dataset.edge_kinds {
        arrays.push(Numbers::of(&kinds.of_entry));
    }
    let targets = match &dataset.targets {
        Targets::Classes(classes) => {
            arrays.push(Numbers::of(classes));
            KeptTargets::Classes
        }
        Targets::Values { values, n_values } => {
            arrays.push(Numbers::of(values));
            KeptTargets::Values(*n_values)
        }
        Targets::None => KeptTargets::None,
    };
    let of_items = dataset.edge_items.as_ref();
    if let Some(items) = of_items {
        arrays.extend([Numbers::of(&items.ends), Numbers::of(&items.entries), Numbers::of(&items.offsets)]);
    }
    if let Some(types) = &dataset.types {
        arrays.push(Numbers::of(&types.of_node));
    }
    let mut sum = Summing::default();
    for array in &arrays {
        sum.update(array.bytes);
        sum.update(padding(array.bytes.len()));
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
        lengths: arrays.iter().map(|array| array.n as u64).collect(),
        sum: sum.finish(),
    };
    let header = sealed::seal(&header);
    std::fs::create_dir_all(entry.parent().unwrap_or(Path::new(".")))?;
    files::replace(entry, |out| {
        out.write_all(MAGIC)?;
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        out.write_all(padding(MAGIC.len() + 8 + header.len()))?;
        arrays.iter().try_for_each(|array| {
            out.write_all(array.bytes)?;
            out.write_all(padding(array.bytes.len()))
        })
    })
}

/// Arrays out of an entry, in their order.
struct Arrays {
    content: Arc<Content>,
    lengths: std::vec::IntoIter<u64>,
    /// Where the next one begins.
    at: usize,
}

impl Arrays {
    fn next<T: bytemuck::Pod>(&mut self) -> Option<Array<T>> {
        let n = usize::try_from(self.lengths.next()?).ok()?;
        let end = self.at.checked_add(n.checked_mul(size_of::<T>())?)?;
        let array = self.content.array(self.at..end)?;
        self.at = end.checked_next_multiple_of(ALIGNMENT)?;
        Some(array)
    }

    fn features(&mut self, kept: Kept) -> Option<Features> {
        Some(match kept {
            Kept::Dense(width) => Features::Dense { values: self.next()?, width },
            Kept::OneHot(width) => Features::OneHot { columns: self.next()?, width },
            Kept::Sparse(width) => Features::Sparse(SparseRows {
                offsets: self.next()?,
                columns: self.next()?,
                values: self.next()?,
                width,
            }),
        })
    }

    fn csr(&mut self) -> Option<Csr<Array<u32>>> {
        let (offsets, indices): (Array<u32>, _) = (self.next()?, self.next()?);
        let n_cols = offsets.len().checked_sub(1)?;
        Some(Csr { offsets, indices, n_cols })
    }
}

/// `None` where the entry is not there, or its checksums do not confirm it.
fn open(entry: &Path) -> Option<Dataset> {
    let mut file = regular::open(entry).ok()?;
    let mut start = [0u8; 16];
    file.read_exact(&mut start).ok()?;
    file.rewind().ok()?;
    let (magic, length) = start.split_at(8);
    let length = u64::from_le_bytes(length.try_into().ok()?);
    if magic != MAGIC || length > MAX_HEADER_BYTES {
        return None;
    }
    let content = Arc::new(Content::of_replaced(&mut file).ok()?);
    let end = start.len() + length as usize;
    let header: Header = sealed::open(content.get(start.len()..end)?).ok()?.sealed().ok()?;
    let at = end.next_multiple_of(ALIGNMENT);
    if content.get(end..at)? != padding(end) || sum_of(content.get(at..)?) != header.sum {
        return None;
    }
    let mut arrays = Arrays { content, lengths: header.lengths.into_iter(), at };
    let (node_offsets, graph_ids, adjacency) = (arrays.next()?, arrays.next()?, arrays.csr()?);
    let reverse = if header.has_reverse { Some(arrays.csr()?) } else { None };
    let features = arrays.features(header.features)?;
    let edge_features = match header.edge_features {
        Some(kept) => Some(arrays.features(kept)?),
        None => None,
    };
    let edge_kinds = match header.n_kinds {
        Some(n_kinds) => Some(EdgeKinds { of_entry: arrays.next()?, n_kinds }),
        None => None,
    };
    // One number an item: the little that is copied.
    let targets = match header.targets {
        KeptTargets::Classes => Targets::Classes(arrays.next()?.to_vec()),
        KeptTargets::Values(n_values) => Targets::Values { values: arrays.next()?.to_vec(), n_values },
        KeptTargets::None => Targets::None,
    };
    let edge_items = match header.has_directed_items {
        Some(is_directed) => Some(Arc::new(EdgeItems {
            ends: arrays.next()?,
            entries: arrays.next()?,
            offsets: arrays.next()?,
            is_directed,
        })),
        None => None,
    };
    let types = match header.schema {
        Some(schema) => Some(Types { schema, of_node: arrays.next()? }),
        None => None,
    };
    if arrays.at != arrays.content.len() {
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
        kept: Default::default(),
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
            offsets: vec![0; 35].into(),
            columns: Array::default(),
            values: Array::default(),
            width: 3,
        });
        for set in [full(folder.path()), karate, values] {
            let entry = folder.path().join("kept.set");
            save(&entry, &set).expect("writable");
            let kept = open(&entry).expect("whole");
            expect_same(&kept, &set);
            // The numbers lie in the file.
            assert!(kept.adjacency.indices.is_mapped() && kept.node_offsets.is_mapped());
        }
    }

    #[test]
    fn a_set_in_use_stays_as_it_is_when_its_entry_is_replaced_or_deleted() {
        let folder = tempfile::tempdir().expect("a folder");
        let (entry, set) = (folder.path().join("kept.set"), full(folder.path()));
        save(&entry, &set).expect("writable");
        let kept = open(&entry).expect("whole");
        let karate = load(&call("karate", &[]), &DataOptions::folder("")).expect("built in");
        save(&entry, &karate).expect("writable");
        expect_same(&kept, &set);
        expect_same(&open(&entry).expect("whole"), &karate);
        clear(folder.path(), 0);
        assert!(!entry.exists());
        expect_same(&kept, &set);
    }

    #[test]
    fn batches_of_a_mapped_set_have_the_bits_of_one_that_was_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let (entry, set) = (folder.path().join("kept.set"), full(folder.path()));
        save(&entry, &set).expect("writable");
        let batch = |set: &Dataset| {
            let batch =
                set.batch(&[1, 0], candle_core::DType::F32, &candle_core::Device::Cpu).expect("a batch");
            let rows = |x: &candle_core::Tensor| x.to_vec2::<f32>().expect("a matrix").concat();
            let bits = |x: &candle_core::Tensor| rows(x).into_iter().map(f32::to_bits).collect::<Vec<_>>();
            let edges = batch.edge_x.as_ref().map(bits);
            (bits(&batch.x), edges, batch.graph.adjacency.clone(), batch.graph.kinds.clone())
        };
        assert_eq!(batch(&open(&entry).expect("whole")), batch(&set));
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

    #[test]
    fn an_entry_is_named_by_what_the_files_hold() {
        let (folder, cache) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let options = DataOptions { cache_dir: Some(cache.path().into()), ..DataOptions::folder("nowhere") };
        let path = folder.path().join("x.txt");
        let call = call("graph_text", &[("name", ArgValue::Text(path.display().to_string()))]);
        // Written a minute ago, so that what is known of the content is kept.
        let write_set = |text: &str, age_s: u64| {
            std::fs::write(&path, text).expect("writable");
            let time = std::time::SystemTime::now() - std::time::Duration::from_secs(age_s);
            std::fs::File::options()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_modified(time))
                .expect("writable");
            Entry::of(&call, &options).expect("files")
        };
        let text = |neighbour: u32| format!("1\n2 0\n0 1000{}\n1 0\n", format!(" {neighbour}").repeat(1000));
        let (one, other) = (text(1), text(0));
        let first = write_set(&one, 60);
        // Another time, the same content; then another content of the same length.
        assert_eq!(write_set(&one, 50), first);
        assert_ne!(write_set(&other, 50), first);
        assert_ne!(write_set(&other, 0), first);
        assert_eq!(write_set(&one, 0), first);
        // A set is not kept under the name of a content that it was not read of.
        let stale = write_set(&other, 0);
        write_set(&one, 0);
        stale.write(&call, &options, &load(&call, &DataOptions::folder("nowhere")).expect("whole"));
        assert!(stale.read().is_none());
    }

    #[test]
    fn the_figures_of_a_large_set_are_computed_once() {
        let (folder, cache) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let options = DataOptions { cache_dir: Some(cache.path().into()), ..DataOptions::folder("nowhere") };
        let path = folder.path().join("x.txt");
        let call = call("graph_text", &[("name", ArgValue::Text(path.display().to_string()))]);
        std::fs::write(&path, format!("1\n2 0\n0 1000{}\n1 0\n", " 1".repeat(1000))).expect("writable");
        let data = load(&call, &options).expect("whole");
        let report = Report::of(&data);
        let entry = Entry::of(&call, &options).expect("files");
        assert_eq!(entry.report(&data, || Report::of(&data)), report);
        assert_eq!(entry.report(&data, || unreachable!("they are kept")), report);
        let kept = cache.path().join("reports");
        let file = std::fs::read_dir(&kept).expect("written").next().expect("one").expect("readable").path();
        let mut damaged = std::fs::read(&file).expect("readable");
        damaged[20] ^= 1;
        std::fs::write(&file, damaged).expect("writable");
        assert_eq!(entry.report(&data, || Report::of(&data)), report);
    }
}
