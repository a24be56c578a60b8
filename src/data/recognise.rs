//! What lies at a path: which source reads it, by its names and first bytes. Each source says what looks like its own
//! ([`Source::recognise`](super::Source::recognise)); for what none knows there is advice.

use super::error::DataError;
use super::files::{Archive, OneFile, Walk, entries};
use super::{DataOptions, SOURCES};
use std::path::{Path, PathBuf};

/// Bytes of a file that are looked at.
const HEAD_BYTES: usize = 64 << 10;

/// A file or folder, looked at from outside.
pub struct Look {
    pub path: PathBuf,
    /// The path as it was given, which a call names.
    pub shown: String,
    pub is_folder: bool,
    /// Names in a folder or archive, those of subfolders with their folders before them.
    pub names: Vec<String>,
    /// The first bytes of a file, as they unpack; of an archive those of its only text file.
    pub head: Vec<u8>,
    options: DataOptions,
}

/// What a source says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognised {
    /// The call that reads it: `tables(edges = "edges.csv")`.
    pub call: String,
    /// "a table of edges, with a table of nodes beside it"
    pub what: String,
}

impl Recognised {
    pub fn new(call: String, what: impl Into<String>) -> Option<Self> {
        Some(Self { call, what: what.into() })
    }
}

impl Look {
    /// # Errors
    /// Where nothing lies there, or it cannot be read.
    pub fn at(shown: &str, options: &DataOptions) -> Result<Self, DataError> {
        let path = super::locate::existing(shown, options)?;
        let mut look = Self {
            is_folder: path.is_dir(),
            path,
            shown: shown.trim_end_matches('/').to_owned(),
            names: Vec::new(),
            head: Vec::new(),
            options: options.clone(),
        };
        if look.is_folder {
            look.names = names_below(&look.path);
            return Ok(look);
        }
        let max_bytes = options.max_bytes()?;
        let is_text = |name: &str| {
            let name = name.to_ascii_lowercase();
            [".txt", ".csv", ".tsv", ".json", ".jsonl", ".graphml", ".gexf", ".edgelist"]
                .iter()
                .any(|ending| name.ends_with(ending))
        };
        let raw = OneFile::at(&look.path, max_bytes, &|_| true)?.open_head(4)?;
        if raw.starts_with(b"PK") {
            look.names = Archive::open(&look.path)?.other_names();
            if let Ok(mut file) = OneFile::at(&look.path, max_bytes, &is_text) {
                look.head = file.open_head(HEAD_BYTES)?;
            }
        } else {
            look.head = OneFile::at(&look.path, max_bytes, &|_| true)?.open_head(HEAD_BYTES)?;
        }
        Ok(look)
    }

    /// A file in the folder, looked at.
    pub fn inside(&self, name: &str) -> Option<Look> {
        Look::at(&format!("{}/{name}", self.shown), &self.options).ok()
    }

    /// A file beside this one.
    pub fn beside(&self, name: &str) -> Option<Look> {
        let (folder, _) = self.shown.rsplit_once('/').unwrap_or((".", &self.shown));
        let shown = if folder == "." && !self.shown.starts_with("./") {
            name.to_owned()
        } else {
            format!("{folder}/{name}")
        };
        Look::at(&shown, &self.options).ok()
    }

    /// Names of files in the folder of this file.
    pub fn names_beside(&self) -> Vec<String> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        entries(folder.unwrap_or(Path::new(".")))
    }

    /// The path in quotes, as a call has it.
    pub fn quoted(&self) -> String {
        quoted(&self.shown)
    }

    /// Whether the name ends so, packed or not, whatever its case.
    pub fn has_ending(&self, endings: &[&str]) -> bool {
        let name = self.shown.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        endings.iter().any(|ending| name.ends_with(ending))
    }

    /// The first bytes as text, without what was cut; `None` where they are none.
    pub fn text(&self) -> Option<&str> {
        let head = self.head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.head);
        if head.is_empty() || head.contains(&0) {
            return None;
        }
        match std::str::from_utf8(head) {
            Ok(text) => Some(text),
            // The last character may be cut.
            Err(error) if head.len() - error.valid_up_to() < 4 => {
                std::str::from_utf8(&head[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        }
    }

    /// Lines that are whole, at most `n`.
    pub fn lines(&self, n: usize) -> Vec<&str> {
        let Some(text) = self.text() else { return Vec::new() };
        let is_cut = self.head.len() == HEAD_BYTES;
        let mut lines: Vec<&str> = text.lines().collect();
        if is_cut && lines.len() > 1 {
            lines.pop();
        }
        lines.truncate(n);
        lines
    }
}

/// A text in quotes, as a file of the language has it.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn names_below(folder: &Path) -> Vec<String> {
    let walk = Walk::below(folder);
    let mut names: Vec<String> = walk
        .files
        .iter()
        .map(|found| {
            if found.folder.is_empty() {
                found.file.clone()
            } else {
                format!("{}/{}", found.folder, found.file)
            }
        })
        .collect();
    names.extend(
        walk.others()
            .iter()
            .filter_map(|path| Some(path.strip_prefix(folder).ok()?.to_string_lossy().replace('\\', "/"))),
    );
    names.sort();
    names
}

/// Every source that takes what lies at a path for its own.
///
/// # Errors
/// Where nothing lies there, or it cannot be read.
pub fn recognise(shown: &str, options: &DataOptions) -> Result<Vec<Recognised>, DataError> {
    let look = Look::at(shown, options)?;
    Ok(SOURCES.iter().filter_map(|source| source.recognise(&look)).collect())
}

/// What to do with something that no source reads: what it is, as far as that shows, and the nearest layout.
///
/// # Errors
/// Where nothing lies there, or it cannot be read.
pub fn advice(shown: &str, options: &DataOptions) -> Result<DataError, DataError> {
    let path = super::locate::existing(shown, options)?;
    let wrong = |what: &str, help: String| {
        DataError::new("data::not_recognised", format!("is {what}, which no source reads as data"))
            .file(shown)
            .help(help)
    };
    let name = shown.to_ascii_lowercase();
    for (endings, what, help) in FOREIGN {
        if path.is_file() && endings.iter().any(|ending| name.ends_with(ending)) {
            return Ok(wrong(what, (*help).to_owned()));
        }
    }
    let look = Look::at(shown, options)?;
    if look.is_folder {
        let tables: Vec<&String> = look.names.iter().filter(|name| name.ends_with(".csv")).collect();
        let found = super::files::names(&look.names);
        let holds = if look.names.is_empty() { "nothing".to_owned() } else { found };
        return Ok(wrong(
            &format!("a folder that holds {holds}"),
            match tables.as_slice() {
                [] => format!(
                    "name a file in it, or put a set in the layout of the TU collection there: {LAYOUT_TU}"
                ),
                _ => format!("none of its tables has a column for each end of an edge: {LAYOUT_TABLES}"),
            },
        ));
    }
    let lines = look.lines(3);
    let first = lines.first().copied().unwrap_or_default().trim_start();
    if look.head.is_empty() {
        return Ok(wrong("an empty file", LAYOUT_TABLES.to_owned()));
    }
    if look.text().is_none() {
        return Ok(wrong(
            "a binary file of an unknown kind",
            format!("write it as a table or as JSON: {LAYOUT_TABLES}"),
        ));
    }
    Ok(match first.chars().next() {
        Some('{' | '[') => wrong("JSON without nodes and edges", LAYOUT_JSON.to_owned()),
        Some('<') => wrong(
            "XML or a web page",
            "GraphML and GEXF are read; a page in place of a file is downloaded again".to_owned(),
        ),
        Some(_) if first.contains([',', ';', '\t']) => {
            wrong("a table without a column for each end of an edge", LAYOUT_TABLES.to_owned())
        }
        _ => wrong("a text", LAYOUT_TABLES.to_owned()),
    })
}

const LAYOUT_TU: &str =
    "NAME_A.txt (edges `1, 2`), NAME_graph_indicator.txt, NAME_graph_labels.txt; `hgnnc ops tu`";

const LAYOUT_TABLES: &str = "a table of edges begins with a line that names its columns:\n\
                             source,target\n1,2\n2,3\n\
                             `hgnnc ops tables` describes it, and tables of nodes and graphs beside it";

const LAYOUT_JSON: &str = "a file of graphs has one a line:\n\
                           {\"nodes\": 3, \"edges\": [[0, 1], [1, 2]], \"label\": \"path\"}\n\
                           `hgnnc ops json_lines` describes it";

/// Files of other programs that hold a program or need one, by their endings, with what writes them in a layout that is read.
const FOREIGN: &[(&[&str], &str, &str)] = &[
    (
        &[".pt", ".pth", ".pkl", ".pickle", ".dgl", ".bin", ".gpickle"],
        "a file of Python objects, which would run as a program",
        "write the graphs as JSON lines from Python:\n\
         print(json.dumps({\"features\": data.x.tolist(), \"edges\": data.edge_index.t().tolist(), \"label\": int(data.y)}), \
         file=out)\n`hgnnc ops json_lines` describes the layout",
    ),
    (
        &[".parquet", ".feather", ".arrow"],
        "a table in a binary format",
        "write it as CSV: `pandas.read_parquet(\"edges.parquet\").to_csv(\"edges.csv\", index=False)`; `hgnnc ops tables` \
         describes the columns",
    ),
    (
        &[".mat", ".h5", ".hdf5"],
        "a file of MATLAB or HDF5",
        "write the adjacency matrix with `scipy.sparse.save_npz(\"graph.npz\", matrix)`; `hgnnc ops npz` describes it",
    ),
    (
        &[".xlsx", ".xls", ".ods"],
        "a spreadsheet",
        "save each sheet as CSV: a table of edges, and one of nodes; `hgnnc ops tables` describes the columns",
    ),
    (
        &[".db", ".sqlite", ".sqlite3"],
        "a database",
        "write its tables as CSV: `sqlite3 -header -csv FILE 'select * from edges' > edges.csv`; `hgnnc ops tables`",
    ),
    (
        &[".gml", ".dot", ".gv", ".net", ".graph6", ".g6", ".sparse6", ".s6"],
        "a graph in a format without a reader here",
        "write it as GraphML: `networkx.write_graphml(networkx.read_gml(\"graph.gml\"), \"graph.graphml\")`",
    ),
    (
        &[".sdf", ".mol", ".mol2", ".pdb", ".smi"],
        "a file of molecules",
        "write a graph for each as a line of JSON, with RDKit's atoms and bonds; `hgnnc ops json_lines` describes it",
    ),
    (
        &[".tar", ".tgz", ".tar.gz", ".bz2", ".xz", ".7z", ".rar", ".zst"],
        "a packed file",
        "unpack it, and name the file or folder that comes out",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn in_folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, content) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("in a folder")).expect("writable");
            std::fs::write(path, content).expect("writable");
        }
        folder
    }

    /// The calls for a path in a folder with these files, with the folder's own path written `…`.
    fn calls(files: &[(&str, &[u8])], name: &str) -> Vec<String> {
        let folder = in_folder(files);
        let shown = folder.path().join(name).display().to_string();
        let found = recognise(&shown, &DataOptions::folder("nowhere")).expect("it is there");
        let calls: Vec<String> = found.into_iter().map(|found| found.call).collect();
        for call in &calls {
            let call = super::super::parse_call(call, &mut Default::default()).expect(call);
            super::super::load(&call, &DataOptions::folder("nowhere"))
                .expect("what is recognised can be read");
        }
        calls.into_iter().map(|call| call.replace(&folder.path().display().to_string(), "…")).collect()
    }

    const TEXT: &[u8] = b"2\n2 0\n0 1 1\n1 1 0\n1 1\n0 0\n";
    const EDGES: &[u8] = b"source,target\na,b\n";

    #[test]
    fn files_are_recognised_by_what_they_hold() {
        assert_eq!(calls(&[("X.txt", TEXT)], "X.txt"), ["graph_text(\"…/X.txt\")"]);
        assert_eq!(calls(&[("e.csv", EDGES)], "e.csv"), ["tables(edges = \"…/e.csv\")"]);
        let line = b"{\"nodes\": 2, \"edges\": [[0, 1]], \"label\": 1}\n";
        assert_eq!(calls(&[("g.jsonl", line)], "g.jsonl"), ["json_lines(\"…/g.jsonl\")"]);
        let graph = b"{\n\"nodes\": [{\"id\": 0}],\n\"links\": []}\n";
        assert_eq!(calls(&[("g.json", graph)], "g.json"), ["node_link(\"…/g.json\")"]);
        assert_eq!(calls(&[("x.edgelist", b"1 2\n2 3\n")], "x.edgelist"), ["edge_list(\"…/x.edgelist\")"]);
        let xml = b"<graphml><graph edgedefault=\"directed\"><node id=\"a\"/></graph></graphml>";
        assert_eq!(calls(&[("x.graphml", xml)], "x.graphml"), ["graphml(\"…/x.graphml\")"]);
        let xml = b"<gexf><graph><nodes><node id=\"a\"/></nodes></graph></gexf>";
        assert_eq!(calls(&[("x.gexf", xml)], "x.gexf"), ["gexf(\"…/x.gexf\")"]);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(TEXT).expect("in memory");
        let packed = packed.finish().expect("in memory");
        assert_eq!(calls(&[("X.txt.gz", &packed)], "X.txt.gz"), ["graph_text(\"…/X.txt.gz\")"]);
    }

    #[test]
    fn folders_are_recognised_by_their_files() {
        let tables: &[(&str, &[u8])] =
            &[("edges.csv", EDGES), ("my_nodes.csv", b"id,x\na,1\nb,2\n"), ("notes.csv", b"who,what\n1,2\n")];
        assert_eq!(calls(tables, ""), ["tables(edges = \"…/edges.csv\", nodes = \"…/my_nodes.csv\")"]);
        assert_eq!(
            calls(tables, "edges.csv"),
            ["tables(edges = \"…/edges.csv\", nodes = \"…/my_nodes.csv\")"]
        );
        assert_eq!(calls(&[("SET/X.txt", TEXT)], "SET"), ["graph_text(\"…/SET/X.txt\")"]);
        let tu: &[(&str, &[u8])] = &[("S/S_A.txt", b"1, 2\n"), ("S/S_graph_indicator.txt", b"1\n1\n")];
        assert_eq!(calls(tu, "S"), ["tu(\"…/S\")"]);
    }

    #[test]
    fn what_no_source_reads_is_explained() {
        for (name, content, word) in [
            ("x.pt", &b"PK\x03\x04"[..], "json.dumps"),
            ("x.parquet", b"PAR1\x00", "to_csv"),
            ("x.csv", b"who,what\n1,2\n", "source,target"),
            ("x.json", b"{\"a\": 1}", "\"nodes\""),
            ("x.xyz", b"\x00\x01\x02", "source,target"),
            ("x.txt", b"", "source,target"),
            ("x.html", b"<!doctype html>", "GraphML"),
        ] {
            let folder = in_folder(&[(name, content)]);
            let shown = folder.path().join(name).display().to_string();
            let options = DataOptions::folder("nowhere");
            assert!(recognise(&shown, &options).unwrap_or_default().is_empty(), "{name}");
            let advice = advice(&shown, &options).unwrap_or_else(|error| error);
            assert!(
                advice.help.clone().unwrap_or_default().contains(word),
                "{name}: {advice}: {:?}",
                advice.help
            );
        }
        let empty = in_folder(&[]);
        let told = advice(&empty.path().display().to_string(), &DataOptions::folder("nowhere"))
            .expect("it is there");
        assert_eq!(told.code, "data::not_recognised");
    }
}
