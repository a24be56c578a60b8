//! `planetoid("cora")`: citation networks as the authors of Planetoid published them.
//!
//! Format: Z. Yang, W. Cohen, R. Salakhutdinov, "Revisiting Semi-Supervised Learning with Graph Embeddings", ICML 2016,
//! <https://github.com/kimiyoung/planetoid>: `ind.NAME.x`, `.tx`, `.allx` (features), `.y`, `.ty`, `.ally` (classes) and
//! `.graph` are Python pickles, `.test.index` is text. PyG: `torch_geometric.datasets.Planetoid`, whose reading of gaps
//! in the test nodes is followed.

use crate::args::BoundCall;
use crate::data::columns::{Columns, Target, Vocabulary};
use crate::data::dataset::{Dataset, DatasetParts, Features, SparseRows, Targets};
use crate::data::edges::{EdgeList, EdgeOptions};
use crate::data::features::{self, Block};
use crate::data::files::PlainFiles;
use crate::data::pickle::{self, Pickle, Wrong};
use crate::data::places::Layout;
use crate::data::recognise::{Look, Recognised};
use crate::data::{DataError, DataOptions, Source};
use crate::diagnostic::count;
use crate::settings::{self, data::SourceFacts, protocol::Split};
use crate::types::{Entity, TargetKind, Task};
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub struct Planetoid;

/// Parts of a set, in the order in which they are read.
const PARTS: [&str; 8] = ["x", "tx", "allx", "y", "ty", "ally", "graph", "test.index"];

/// Nodes behind the training nodes that the public split validates on.
const N_VALIDATION: usize = 500;

static LAYOUT: Layout = Layout {
    source: "planetoid",
    folders: &["planetoid"],
    is_set: |folder, name| !names(folder, name).is_empty(),
    lacks: "file `ind.NAME.x`",
    published: &["cora", "citeseer", "pubmed", "nell.0.001", "nell.0.01", "nell.0.1"],
    url: "https://github.com/kimiyoung/planetoid/tree/master/data",
};

/// The names of the sets whose files lie in a folder; of those that are called like `wanted`, if anything is wanted.
fn names(folder: &Path, wanted: &str) -> Vec<String> {
    let name_of = |entry: String| Some(entry.strip_prefix("ind.")?.strip_suffix(".x")?.to_owned());
    let all = crate::data::files::entries(folder).into_iter().filter_map(name_of);
    all.filter(|name| wanted.is_empty() || name.eq_ignore_ascii_case(wanted)).collect()
}

/// The folder of a set with the name that its files have.
fn find(call: &BoundCall, options: &DataOptions) -> Result<(PathBuf, String), DataError> {
    let given = call.args.text("name").unwrap_or_default();
    let folder = LAYOUT.find(given, options).map_err(|error| match error.is_absent() {
        true => error.span(call.args.get("name").and_then(|arg| arg.span)),
        false => error,
    })?;
    let of_name = names(&folder, given);
    let mut all = if of_name.is_empty() { names(&folder, "") } else { of_name };
    if all.len() > 1 {
        return Err(DataError::new(
            "data::ambiguous",
            format!("holds {}: {}", count(all.len(), "data set"), crate::data::files::names(&all)),
        )
        .file(folder.display().to_string())
        .help("give each set a folder of its own, and name that"));
    }
    Ok((folder, all.remove(0)))
}

impl Source for Planetoid {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::planetoid::Planetoid
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        let (folder, name) = find(call, options).ok()?;
        let files = PlainFiles::new(&folder, "Planetoid", 0);
        Some(PARTS.iter().filter_map(|part| files.path(&format!("ind.{name}.{part}"))).collect())
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        let is_set = look.is_folder
            && look.names.iter().any(|name| name.starts_with("ind.") && name.ends_with(".allx"));
        let call = format!("planetoid({})", look.quoted());
        is_set.then(|| Recognised::new(call, "a citation network in the files of Planetoid")).flatten()
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let (folder, name) = find(call, options)?;
        if name.starts_with("nell") {
            return Err(DataError::new(
                "data::unsupported_set",
                "the features of NELL in this layout belong to its relation nodes, which are not among them",
            )
            .file(folder.display().to_string())
            .help(
                "there is no reader for this set; the citation networks cora, citeseer and pubmed are read",
            ));
        }
        let mut set = Set { files: PlainFiles::new(&folder, "Planetoid", options.max_bytes()?), name };
        read(&mut set, call, options)
    }
}

/// The files of one set.
struct Set {
    files: PlainFiles,
    name: String,
}

impl Set {
    fn file(&self, part: &str) -> String {
        format!("ind.{}.{part}", self.name)
    }

    /// A mistake of one part.
    fn error(&self, part: &str, code: &'static str, message: impl Into<String>) -> DataError {
        DataError::new(code, message).file(self.files.folder.join(self.file(part)).display().to_string())
    }

    fn bytes(&mut self, part: &str, meaning: &str) -> Result<Vec<u8>, DataError> {
        let file = self.file(part);
        self.files.require(&file, meaning)?.bytes()
    }

    /// What is made of a pickle.
    fn pickled<T>(
        &mut self,
        part: &str,
        meaning: &str,
        make: impl FnOnce(&Pickle) -> Result<T, Wrong>,
    ) -> Result<T, DataError> {
        let bytes = self.bytes(part, meaning)?;
        let made = pickle::read(&bytes, self.files.max_bytes()).and_then(|pickle| make(&pickle));
        made.map_err(|Wrong { at, message, is_foreign }| {
            let error = self.error(part, "data::pickle", format!("byte {at}: {message}"));
            error.help(if is_foreign {
                "a pickle can run anything, so only what data sets are made of is read: get the file from where it is published"
            } else {
                "the file is damaged or something else: download it again from where it is published"
            })
        })
    }

    /// Features as sparse rows, however they are kept.
    fn rows(&mut self, part: &str) -> Result<SparseRows, DataError> {
        self.pickled(part, "it holds features of nodes", |pickle| {
            if pickle.is_sparse() {
                return pickle.sparse();
            }
            let array = pickle.array()?;
            let width = array.shape.get(1).copied().unwrap_or(0);
            let mut rows = SparseRows::new(width);
            for row in array.values.chunks_exact(width.max(1)) {
                rows.push_row((0..).zip(row.iter().map(|&value| value as f32)));
            }
            Ok(rows)
        })
    }

    /// The class of each row, -1 where it has none; and how many classes there are.
    fn classes(&mut self, part: &str) -> Result<(Vec<i64>, usize), DataError> {
        let array = self.pickled(part, "it holds the classes of nodes", |pickle| pickle.array())?;
        let &[_, n_classes] = array.shape.as_slice() else {
            let message = format!(
                "expected a row of zeros with a one for each node, found the shape {:?}",
                array.shape
            );
            return Err(self.error(part, "data::count", message));
        };
        let mut classes = Vec::new();
        for (row, values) in array.values.chunks_exact(n_classes.max(1)).enumerate() {
            let ones: Vec<usize> = (0..n_classes).filter(|&class| values[class] != 0.0).collect();
            match ones.as_slice() {
                [] => classes.push(-1),
                [class] if values[*class] == 1.0 => classes.push(*class as i64),
                _ => {
                    let message = format!("row {row} is not zeros with a one, so it names no single class");
                    return Err(self
                        .error(part, "data::not_a_number", message)
                        .help("nodes of several classes each have no place here: keep one class a node"));
                }
            }
        }
        Ok((classes, n_classes))
    }

    fn expect(
        &self,
        part: &str,
        found: usize,
        expected: usize,
        of: &str,
        items: &str,
    ) -> Result<(), DataError> {
        if found == expected {
            return Ok(());
        }
        let message = format!("has {found} {items}, but {} has {expected}", self.file(of));
        Err(self.error(part, "data::count", message).help("the files are of different sets: get all of one"))
    }
}

fn read(set: &mut Set, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
    let known = options.vocabulary.as_ref();
    let (mut all, test) = (set.rows("allx")?, set.rows("tx")?);
    set.expect("tx", test.width, all.width, "allx", "columns")?;
    let (mut classes, n_classes) = set.classes("ally")?;
    let (test_classes, n_test_classes) = set.classes("ty")?;
    set.expect("ty", n_test_classes, n_classes, "ally", "columns")?;
    set.expect("ally", classes.len(), all.n_rows(), "allx", "rows")?;
    set.expect("ty", test_classes.len(), test.n_rows(), "tx", "rows")?;
    // The training nodes are the first of all; `x` and `y` hold them once more.
    let n_train = set.classes("y")?.0.len();
    if n_train > classes.len() {
        return Err(set.error(
            "y",
            "data::count",
            format!("has {n_train} rows, but {} has {}", set.file("ally"), classes.len()),
        ));
    }
    // Row `i` of the test parts is of the node on line `i`.
    let index_file = set.file("test.index");
    let text = set.files.require(&index_file, "it says which node each row of the test part is")?;
    let index_name = text.name.clone();
    let index = text.naturals(1, usize::MAX, "the number of a node")?.values;
    if index.len() != test.n_rows() {
        return Err(index_name
            .whole(
                "data::count",
                format!(
                    "has {}, but {} has {} rows",
                    count(index.len(), "line"),
                    set.file("tx"),
                    test.n_rows()
                ),
            )
            .help("line i names the node of row i of the test part"));
    }
    let first = all.n_rows();
    let n_nodes = index.iter().max().map_or(first, |&last| last as usize + 1);
    let mut row_of = vec![None; n_nodes.saturating_sub(first).min(index.len().saturating_mul(1 << 10))];
    for (row, &node) in index.iter().enumerate() {
        let (first_node, last) = (first as u32, index.len());
        let Some(place) = (node as usize).checked_sub(first) else {
            return Err(index_name
                .error(
                    "data::out_of_range",
                    row,
                    format!("node {node} is not behind the {first_node} nodes of {}", set.file("allx")),
                )
                .help("test nodes are numbered from there on"));
        };
        let Some(place) = row_of.get_mut(place) else {
            return Err(index_name
                .error("data::out_of_range", row, format!("node {node} is far beyond the {last} test nodes"))
                .help("test nodes follow the others, with few gaps"));
        };
        if place.replace(row).is_some() {
            return Err(index_name
                .error("data::wrong_split", row, format!("node {node} is named a second time"))
                .help("each test node has one row"));
        }
    }
    // Nodes that no line names are there without features and class (CiteSeer has 15).
    for row in row_of {
        match row {
            Some(row) => {
                all.push_row(test.row(row));
                classes.push(test_classes[row]);
            }
            None => {
                all.push_row(std::iter::empty());
                classes.push(-1);
            }
        }
    }
    let mut edges = EdgeList { pairs: graph(set, n_nodes)?, features: None, kinds: None, rows: None };
    let max_bytes = options.max_bytes()?.saturating_mul(4);
    let edits = EdgeOptions::of(call).apply(&mut edges, n_nodes, call, max_bytes)?;

    let width = all.width;
    let own = Block { features: Features::Sparse(all), columns: vec![Columns::Attributes { count: width }] };
    let node_offsets = vec![0, n_nodes as u32];
    let prepared = features::of_made(call, options, (&node_offsets, &edges.pairs), own)?;
    let is_labelled = |node: &u32| classes[*node as usize] >= 0;
    let mut test: Vec<u32> = index.iter().copied().filter(is_labelled).collect();
    test.sort_unstable();
    let validation: Vec<u32> =
        (n_train as u32..(n_train + N_VALIDATION).min(first) as u32).filter(is_labelled).collect();
    let train: Vec<u32> = match call.args.choice("split") {
        "full" => {
            let is_held_out =
                |node: &u32| validation.binary_search(node).is_ok() || test.binary_search(node).is_ok();
            (0..n_nodes as u32).filter(is_labelled).filter(|node| !is_held_out(node)).collect()
        }
        _ => (0..n_train as u32).filter(is_labelled).collect(),
    };
    let labels: Vec<i64> = (0..n_classes as i64).collect();
    let classes_known = known.and_then(Vocabulary::classes).filter(|known| known.len() == labels.len());
    let labels = classes_known.map_or(labels, <[i64]>::to_vec);
    let mut dataset = Dataset::new(DatasetParts {
        name: set.name.clone(),
        task: Some(Task { entity: Entity::Nodes, kind: TargetKind::Classification }),
        node_offsets,
        edges: edges.pairs,
        edge_features: None,
        edge_kinds: None,
        features: prepared.features,
        targets: Targets::Classes(classes),
        class_names: labels.iter().map(i64::to_string).collect(),
        fixed_split: Some(Split { train, validation, test }),
        graph_ids: vec![1],
        vocabulary: Vocabulary {
            columns: prepared.columns,
            target: Some(Target::Classes(labels)),
            ..Vocabulary::default()
        },
    });
    dataset.draw_signs(prepared.random_signs);
    dataset.edits = edits;
    Ok(dataset)
}

/// The edges as the dictionary lists them: of each node its neighbours.
fn graph(set: &mut Set, n_nodes: usize) -> Result<Vec<(u32, u32)>, DataError> {
    set.pickled("graph", "it holds the edges", |pickle| {
        let mut pairs = Vec::new();
        let node = |number: i64| {
            let found = u32::try_from(number).ok().filter(|&node| (node as usize) < n_nodes);
            found.ok_or_else(|| format!("names node {number}, but there are {n_nodes}, counted from 0"))
        };
        pickle.lists(|one, other| {
            pairs.push((node(one)?, node(other)?));
            Ok(())
        })?;
        Ok(pairs)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data::{self, real_data};

    fn load(folder: &Path, name: &str, args: &[(&str, ArgValue)]) -> Result<Dataset, DataError> {
        let name = ("name", ArgValue::Text(name.into()));
        let call = data::call("planetoid", &[std::slice::from_ref(&name), args].concat());
        data::load(&call, &DataOptions::folder(folder))
    }

    /// The code of an array of 32-bit numbers, as NumPy pickles one.
    fn array(shape: &[u8], values: &[i32]) -> Vec<u8> {
        let mut bytes =
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01(".to_vec();
        shape.iter().for_each(|&size| bytes.extend([b'K', size]));
        bytes.extend(b"tcnumpy\ndtype\nU\x02i4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T");
        bytes.extend((4 * values.len() as u32).to_le_bytes());
        values.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
        bytes.extend(b"tb");
        bytes
    }

    fn pickled(code: &[u8]) -> Vec<u8> {
        [b"\x80\x02", code, b"."].concat()
    }

    /// Four nodes of which two train, then test nodes 6 and 4; node 5 is a gap. Edges 0-1, 1-4, 4-6, one of them twice,
    /// and a loop.
    fn tiny() -> Vec<(&'static str, Vec<u8>)> {
        let words = |rows: u8, values: &[i32]| pickled(&array(&[rows, 3], values));
        let classes = |rows: u8, values: &[i32]| pickled(&array(&[rows, 2], values));
        let graph = b"}(K\x00]K\x01aK\x01](K\x00K\x04K\x04eK\x04]K\x06aK\x06]K\x06au";
        vec![
            ("x", words(2, &[1, 0, 0, 0, 1, 0])),
            ("y", classes(2, &[1, 0, 0, 1])),
            ("allx", words(4, &[1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0])),
            ("ally", classes(4, &[1, 0, 0, 1, 1, 0, 0, 1])),
            ("tx", words(2, &[0, 2, 0, 3, 0, 0])),
            ("ty", classes(2, &[1, 0, 0, 1])),
            ("graph", pickled(graph)),
            ("test.index", b"6\n4\n".to_vec()),
        ]
    }

    fn folder(change: Option<(&str, &[u8])>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("planetoid/Tiny/raw");
        std::fs::create_dir_all(&inner).unwrap();
        for (part, bytes) in tiny() {
            let bytes =
                change.filter(|(changed, _)| *changed == part).map_or(bytes, |(_, bytes)| bytes.to_vec());
            std::fs::write(inner.join(format!("ind.tiny.{part}")), bytes).unwrap();
        }
        folder
    }

    #[test]
    fn gaps_among_test_nodes_are_nodes_without_features_and_class() {
        let folder = folder(None);
        let set = load(folder.path(), "tiny", &[]).unwrap();
        assert_eq!((set.n_nodes(), set.n_edges(), set.n_features()), (7, 6, 3));
        assert_eq!(set.targets, Targets::Classes(vec![0, 1, 0, 1, 1, -1, 0]));
        let split = Split { train: vec![0, 1], validation: vec![2, 3], test: vec![4, 6] };
        assert_eq!(set.fixed_split, Some(split));
        let mut rows = Vec::new();
        set.features.write_rows(4..7, &mut rows);
        assert_eq!(rows, [3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
        assert_eq!((set.edits.dropped_loops, set.edits.merged), (1, 1));
        let kept = [("loops", ArgValue::Choice("keep")), ("parallel", ArgValue::Choice("keep"))];
        assert_eq!(load(folder.path(), "tiny", &kept).unwrap().n_edges(), 9);
        let full = load(folder.path(), "tiny", &[("split", ArgValue::Choice("full"))]).unwrap();
        assert_eq!(full.fixed_split.unwrap().train, [0, 1]);
    }

    #[test]
    fn broken_parts_are_refused_with_file_and_cause() {
        for (part, bytes, code, text) in [
            ("graph", &b"\x80\x02cos\nsystem\nU\x02ls\x85R."[..], "data::pickle", "names `os.system`"),
            ("graph", b"\x80\x02}(K\x00]K\x09au.", "data::pickle", "names node 9, but there are 7"),
            ("allx", b"\x80\x02U\x05", "data::pickle", "is cut short"),
            ("allx", b"not a pickle", "data::pickle", "is no pickle"),
            ("test.index", b"6\n3\n", "data::out_of_range", "node 3 is not behind the 4 nodes"),
            ("test.index", b"6\n6\n", "data::wrong_split", "node 6 is named a second time"),
            ("test.index", b"6\n4000000000\n", "data::out_of_range", "far beyond"),
            ("test.index", b"6\n", "data::count", "has 1 line"),
        ] {
            let error = load(folder(Some((part, bytes))).path(), "tiny", &[]).unwrap_err();
            let message = error.to_string();
            assert!(error.code == code && message.contains(text), "{}: {message}", error.code);
            assert!(message.contains(&format!("ind.tiny.{part}")) && error.help.is_some(), "{message}");
        }
        let folder = folder(None);
        assert_eq!(load(folder.path(), "pubmed", &[]).unwrap_err().code, "data::not_here");
        assert_eq!(load(folder.path(), "tin", &[]).unwrap_err().code, "data::unknown_set");
        std::fs::remove_file(folder.path().join("planetoid/Tiny/raw/ind.tiny.ty")).unwrap();
        assert_eq!(load(folder.path(), "tiny", &[]).unwrap_err().code, "data::missing_part");
    }

    /// The original files and the same set in tables are one content.
    #[test]
    fn cora_is_the_set_of_the_literature() {
        let Some(folder) = real_data("planetoid") else { return };
        let set = load(&folder, "cora", &[]).unwrap();
        assert_eq!((set.n_nodes(), set.n_published_edges(), set.n_features()), (2708, 5278, 1433));
        let Some(tables) = real_data("nodeprop") else { return };
        let call = data::call("nodeprop", &[("name", ArgValue::Text("cora".into()))]);
        let other = data::load(&call, &DataOptions::folder(tables)).unwrap();
        assert_eq!(set.fingerprint, other.fingerprint);
    }
}
