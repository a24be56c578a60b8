//! `tables(edges = "edges.csv", …)`: tables of edges, nodes and graphs, with columns by their names.

use super::assembly::{Texts, assemble};
use super::csv_table::{self, CsvTable, column_of};
use super::frame::{Frame, Frames};
use crate::args::BoundCall;
use crate::data::files::{OneFile, names, stem};
use crate::data::recognise::{Look, Recognised};
use crate::data::{DataError, DataOptions, Dataset, Names, Source, locate};
use crate::settings::{self, data::SourceFacts};
use std::collections::HashMap;
use std::path::PathBuf;

#[derive(Debug)]
pub struct Tables;

const PARTS: [&str; 3] = ["edges", "nodes", "graphs"];
pub const ENDS: [[&str; 2]; 4] = [["source", "target"], ["src", "dst"], ["from", "to"], ["u", "v"]];
pub const IDS: [&str; 3] = ["id", "node_id", "node"];
const GRAPHS: [&str; 2] = ["graph", "graph_id"];

impl Source for Tables {
    fn facts(&self) -> &'static dyn SourceFacts {
        &settings::data::tables::Tables
    }

    fn files(&self, call: &BoundCall, options: &DataOptions) -> Option<Vec<PathBuf>> {
        Some(
            PARTS
                .into_iter()
                .filter_map(|part| call.args.text(part))
                .map(|path| options.path_of(path))
                .collect(),
        )
    }

    fn recognise(&self, look: &Look) -> Option<Recognised> {
        const ENDINGS: [&str; 3] = [".csv", ".tsv", ".tab"];
        // The header in lower case where the file is a table.
        let header = |look: &Look| -> Option<Vec<String>> {
            let line =
                look.has_ending(&ENDINGS).then(|| look.lines(1).first().map(|line| (*line).to_owned()))??;
            Some(
                line.split([',', ';', '\t'])
                    .map(|column| column.trim().trim_matches('"').to_owned())
                    .collect(),
            )
        };
        let has = |header: &[String], columns: &[&str]| {
            columns.iter().any(|name| header.iter().any(|column| column == name))
        };
        let has_ends = |header: &[String]| {
            ENDS.iter().any(|ends| ends.iter().all(|name| header.iter().any(|column| column == name)))
        };
        let tables = |names: &[String], open: &dyn Fn(&str) -> Option<Look>| -> Vec<(Look, Vec<String>)> {
            let is_table = |name: &&String| {
                let name = name.to_ascii_lowercase();
                !name.contains('/')
                    && ENDINGS.iter().any(|ending| name.trim_end_matches(".gz").ends_with(ending))
            };
            let looks = names.iter().filter(is_table).take(100).filter_map(|name| open(name));
            looks.filter_map(|look| header(&look).map(|header| (look, header))).collect()
        };
        let (edges, others) = if look.is_folder {
            let mut all = tables(&look.names, &|name| look.inside(name));
            let mut with_ends = (0..all.len()).filter(|&idx| has_ends(&all[idx].1));
            let edges = with_ends.next().filter(|_| with_ends.next().is_none())?;
            let (edges, _) = all.remove(edges);
            (edges, all)
        } else {
            let own = header(look).filter(|header| has_ends(header))?;
            let name = look.path.file_name()?.to_string_lossy().into_owned();
            let others: Vec<String> =
                look.names_beside().into_iter().filter(|other| *other != name).collect();
            drop(own);
            (look.beside(&name)?, tables(&others, &|name| look.beside(name)))
        };
        let named = |word: &str, columns: &[&str]| {
            let is_it = |(look, header): &&(Look, Vec<String>)| {
                let name = look
                    .path
                    .file_name()
                    .map(|name| name.to_string_lossy().to_lowercase())
                    .unwrap_or_default();
                name.contains(word) && has(header, columns) && !has_ends(header)
            };
            let mut found = others.iter().filter(is_it);
            found.next().filter(|_| found.next().is_none()).map(|(look, _)| look)
        };
        let nodes = named("node", &["id", "node_id", "node", "label"]);
        let graphs = named("graph", &["graph", "graph_id", "id"]);
        let mut call = format!("tables(edges = {}", edges.quoted());
        let mut what = "a table of edges".to_owned();
        for (part, look) in [("nodes", nodes), ("graphs", graphs)] {
            if let Some(look) = look {
                call += &format!(", {part} = {}", look.quoted());
                what += &format!(", {part} in {}", look.shown);
            }
        }
        Recognised::new(call + ")", what)
    }

    fn load(&self, call: &BoundCall, options: &DataOptions) -> Result<Dataset, DataError> {
        let frames = read(call, options)?;
        assemble(frames.found(call, options.vocabulary.as_ref())?, call, options)
    }
}

/// The table of an argument, where it is written.
fn open(part: &str, call: &BoundCall, options: &DataOptions) -> Result<Option<OneFile>, DataError> {
    let Some(path) = call.args.text(part) else { return Ok(None) };
    let span = call.args.get(part).and_then(|arg| arg.span);
    let path = locate::existing(path, options).map_err(|error| error.span(span))?;
    let own = stem(&path);
    let is_table = |name: &str| {
        let name = name.to_ascii_lowercase();
        [".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz"].iter().any(|ending| name.ends_with(ending))
            && stem(name.as_ref()) == own.to_ascii_lowercase()
    };
    OneFile::at(&path, options.max_bytes()?, &is_table).map(Some).map_err(|error| error.span(span))
}

fn read(call: &BoundCall, options: &DataOptions) -> Result<Frames, DataError> {
    let place = |arg: &str| call.args.get(arg).and_then(|arg| arg.span);
    let mut edge_file = open("edges", call, options)?.expect("the argument is required");
    let name = edge_file.stem();
    let ends = |columns: &[String]| -> Result<Vec<Option<usize>>, DataError> {
        let ends = match call.args.text("ends") {
            Some(written) => {
                let mut ends = written.split(',').map(str::trim).filter(|name| !name.is_empty());
                let mut next =
                    || column_of(columns, ends.next(), &[]).map_err(|error| error.span(place("ends")));
                vec![next()?, next()?]
            }
            None => {
                let find = |name: &str| columns.iter().position(|column| column == name);
                let found =
                    ENDS.iter().map(|ends| ends.map(find)).find(|ends| ends.iter().all(Option::is_some));
                let Some(found) = found else {
                    return Err(DataError::new(
                        "data::missing_part",
                        "no columns `source` and `target` say which nodes an edge joins",
                    )
                    .help(format!(
                        "the header has {}; name two of them: `ends = \"from, to\"`",
                        names(columns)
                    )));
                };
                found.to_vec()
            }
        };
        let graph = graph_column(columns, call, &GRAPHS, true)?;
        Ok([ends, vec![graph]].concat())
    };
    let CsvTable { frame: edges, keys } = csv_table::read(&mut edge_file, "edge", &ends, &[])?;
    let keys: [Option<Texts>; 3] = keys.try_into().expect("three keys");
    let [Some(sources), Some(targets), edge_graphs] = keys else { unreachable!("both ends have a column") };
    let nodes = open("nodes", call, options)?
        .map(|mut file| {
            let keys = |columns: &[String]| {
                let id = column_of(columns, call.args.text("id"), &IDS)
                    .map_err(|error| error.span(place("id")))?;
                Ok(vec![id, graph_column(columns, call, &GRAPHS, call.args.text("graphs").is_none())?])
            };
            csv_table::read(&mut file, "node", &keys, &[])
        })
        .transpose()?;
    let graphs = open("graphs", call, options)?
        .map(|mut file| {
            let keys = |columns: &[String]| {
                let usual = [GRAPHS[0], GRAPHS[1], "id"];
                let graph = graph_column(columns, call, &usual, true)?;
                match graph {
                    Some(graph) => Ok(vec![Some(graph)]),
                    None => Err(DataError::new(
                        "data::missing_part",
                        "no column `graph` says which graph a row is",
                    )
                    .help(format!("the header has {}; name one of them: `graph = \"…\"`", names(columns)))),
                }
            };
            csv_table::read(&mut file, "graph", &keys, &[])
        })
        .transpose()?;
    join(name, edges, [sources, targets], edge_graphs, nodes, graphs)
}

/// The column that says the graph. Where the call names one, it has to be in the tables that need it alone.
fn graph_column(
    columns: &[String],
    call: &BoundCall,
    usual: &[&str],
    is_optional: bool,
) -> Result<Option<usize>, DataError> {
    let span = call.args.get("graph").and_then(|arg| arg.span);
    match column_of(columns, call.args.text("graph"), usual) {
        Err(_) if is_optional => column_of(columns, None, usual),
        found => found.map_err(|error| error.span(span)),
    }
}

/// Puts the tables together: numbers for nodes and graphs, nodes of a graph beside each other.
pub fn join(
    name: String,
    edges: Frame,
    ends: [Texts; 2],
    edge_graphs: Option<Texts>,
    nodes: Option<CsvTable>,
    graphs: Option<CsvTable>,
) -> Result<Frames, DataError> {
    let graph_file = graphs.as_ref().map(|table| table.frame.file.clone());
    let (graph_frame, graph_keys) = match graphs {
        Some(CsvTable { frame, mut keys }) => (Some(frame), keys.pop().flatten()),
        None => (None, None),
    };
    // Graphs in the order of their table, else as nodes or edges name them.
    let mut graph_names = Texts::default();
    if let (Some(frame), Some(keys)) = (&graph_frame, &graph_keys) {
        for (row, &code) in keys.codes.iter().enumerate() {
            let before = graph_names.values.len();
            graph_names.code(&keys.values[code as usize]);
            if graph_names.values.len() == before {
                let text = names(&[keys.values[code as usize].clone()]);
                return Err(frame
                    .file
                    .error("data::ambiguous", frame.line(row) - 1, format!("the graph {text} stands twice"))
                    .help("a graph has one row"));
            }
        }
    }
    let is_listed = graph_frame.is_some();
    let mut graph_of = |texts: &Texts, row: usize, frame: &Frame| -> Result<u32, DataError> {
        let text = &texts.values[texts.codes[row] as usize];
        if !is_listed {
            return Ok(graph_names.code(text));
        }
        graph_names.find(text).ok_or_else(|| {
            let table = graph_file.as_ref().map(ToString::to_string).unwrap_or_default();
            frame
                .file
                .error(
                    "data::unknown_node",
                    frame.line(row) - 1,
                    format!("{} is no graph of {table}", names(std::slice::from_ref(text))),
                )
                .help("add a row for it there, or correct the value")
        })
    };
    // Nodes: their graph and what edges name them by.
    let mut places: HashMap<(u32, String), u32> = HashMap::new();
    let mut of_nodes: Vec<u32> = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    let has_edge_graphs = edge_graphs.is_some();
    let node_frame = match nodes {
        Some(CsvTable { frame, keys }) => {
            let [id_texts, graph_texts]: [Option<Texts>; 2] = keys.try_into().expect("two keys");
            if graph_texts.is_none() && is_listed {
                return Err(frame
                    .file
                    .error("data::missing_part", 0, "no column `graph` says which graph each node is of")
                    .help(
                        "add it, with the values of the table of graphs; or name the column: `graph = \"…\"`",
                    ));
            }
            for row in 0..frame.n_rows() {
                let graph = match &graph_texts {
                    Some(texts) => graph_of(texts, row, &frame)?,
                    None => 0,
                };
                let id = match &id_texts {
                    Some(texts) => texts.values[texts.codes[row] as usize].clone(),
                    None => row.to_string(),
                };
                // Edges that say no graph find nodes by their id alone.
                let key = (if has_edge_graphs { graph } else { 0 }, id.clone());
                if places.insert(key, row as u32).is_some() {
                    let help = match graph_texts.is_some() && !has_edge_graphs {
                        true => "give each node an id of its own, or the edges a column `graph` too",
                        false => "give each node an id of its own",
                    };
                    return Err(frame
                        .file
                        .error(
                            "data::ambiguous",
                            frame.line(row) - 1,
                            format!("the node {} stands twice", names(&[id])),
                        )
                        .help(help));
                }
                of_nodes.push(graph);
                ids.push(id);
            }
            frame
        }
        None => {
            if is_listed && !has_edge_graphs {
                return Err(edges
                    .file
                    .error("data::missing_part", 0, "no column `graph` says which graph each edge is of")
                    .help("add it, or give a table of nodes with it"));
            }
            let mut frame = Frame::new(edges.file.clone(), "node");
            // Numbers in their order, texts in that of the alphabet, so that the order of the edges does not matter.
            let mut named: Vec<(u32, String)> = Vec::new();
            for row in 0..edges.n_rows() {
                let graph =
                    edge_graphs.as_ref().map(|texts| graph_of(texts, row, &edges)).transpose()?.unwrap_or(0);
                for end in &ends {
                    let key = (graph, end.values[end.codes[row] as usize].clone());
                    if !places.contains_key(&key) {
                        places.insert(key.clone(), 0);
                        named.push(key);
                    }
                }
            }
            let number = |id: &str| id.parse::<u64>().ok();
            named.sort_by(|(graph, id), (other_graph, other)| {
                let by_number = match (number(id), number(other)) {
                    (Some(one), Some(other)) => one.cmp(&other),
                    (one, other) => other.is_some().cmp(&one.is_some()),
                };
                graph.cmp(other_graph).then(by_number).then_with(|| id.cmp(other))
            });
            for (row, key) in named.into_iter().enumerate() {
                frame.begin(1);
                of_nodes.push(key.0);
                ids.push(key.1.clone());
                places.insert(key, row as u32);
            }
            frame
        }
    };
    let n_nodes = of_nodes.len();
    if n_nodes == 0 {
        return Err(node_frame
            .file
            .whole("data::empty", "there are no nodes")
            .help("a row of the table is a node, or an edge that names two"));
    }
    if u32::try_from(n_nodes).is_err() || u32::try_from(edges.n_rows()).is_err() {
        return Err(node_frame
            .file
            .whole("data::too_large", "more than 4294967295 nodes or edges")
            .help("split the data set"));
    }
    let mut pairs = Vec::with_capacity(edges.n_rows());
    // Each different text is looked up once where edges say no graph.
    let by_code: Option<Vec<Vec<Option<u32>>>> = (!has_edge_graphs).then(|| {
        let of = |end: &Texts| end.values.iter().map(|id| places.get(&(0, id.clone())).copied()).collect();
        ends.iter().map(of).collect()
    });
    for row in 0..edges.n_rows() {
        let mut found = [0u32; 2];
        for (idx, end) in ends.iter().enumerate() {
            let code = end.codes[row] as usize;
            let node = match (&by_code, &edge_graphs) {
                (Some(places), _) => places[idx][code],
                (None, Some(texts)) => {
                    let graph = graph_of(texts, row, &edges)?;
                    places.get(&(graph, end.values[code].clone())).copied()
                }
                (None, None) => None,
            };
            let Some(node) = node else {
                let text = names(&[end.values[code].clone()]);
                return Err(edges
                    .file
                    .error(
                        "data::unknown_node",
                        edges.line(row) - 1,
                        format!("{text} is no node of {}", node_frame.file),
                    )
                    .help("add a row for it there, or correct the edge"));
            };
            found[idx] = node;
        }
        if of_nodes[found[0] as usize] != of_nodes[found[1] as usize] {
            return Err(edges
                .file
                .error("data::edge_between_graphs", edges.line(row) - 1, "the edge joins nodes of two graphs")
                .help("both ends of an edge belong to one graph: correct it, or the column `graph` of the nodes"));
        }
        pairs.push((found[0], found[1]));
    }
    let n_graphs = graph_names.values.len().max(1);
    let mut sizes = vec![0u32; n_graphs];
    of_nodes.iter().for_each(|&graph| sizes[graph as usize] += 1);
    if let (Some(graph), Some(frame)) = (sizes.iter().position(|&size| size == 0), &graph_frame) {
        return Err(frame
            .file
            .error("data::empty_graph", frame.line(graph) - 1, "the graph has no nodes")
            .help("delete the row, or add nodes of the graph to the table of nodes"));
    }
    let mut node_offsets = vec![0u32];
    sizes.iter().for_each(|size| node_offsets.push(node_offsets[node_offsets.len() - 1] + size));
    // Nodes of a graph stand together, in the order of the table.
    let mut order: Vec<u32> = (0..n_nodes as u32).collect();
    order.sort_by_key(|&node| of_nodes[node as usize]);
    let mut node_frame = node_frame;
    if !order.is_sorted() {
        let mut moved = vec![0u32; n_nodes];
        (0u32..).zip(&order).for_each(|(to, &from)| moved[from as usize] = to);
        pairs.iter_mut().for_each(|(source, target)| {
            (*source, *target) = (moved[*source as usize], moved[*target as usize]);
        });
        node_frame.reorder(&order);
        ids = order.iter().map(|&node| std::mem::take(&mut ids[node as usize])).collect();
    }
    let are_numbers = ids.iter().enumerate().all(|(node, id)| *id == node.to_string());
    let graph_frame = graph_frame.unwrap_or_else(|| Frame::new(edges.file.clone(), "graph"));
    Ok(Frames {
        name,
        node_offsets,
        pairs,
        nodes: node_frame,
        edges,
        graphs: graph_frame,
        node_columns: Vec::new(),
        edge_columns: Vec::new(),
        graph_ids: (1..=n_graphs as u32).collect(),
        names: Names { nodes: if are_numbers { Vec::new() } else { ids }, graphs: graph_names.values },
        unread: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ArgValue;
    use crate::data::{self, Columns, Features, Targets};
    use std::path::Path;

    /// The tables in a folder, which the call names by their endings.
    fn load(tables: &[(&'static str, &str)], args: &[(&str, ArgValue)]) -> Result<Dataset, DataError> {
        load_with(tables, args, None)
    }

    fn load_with(
        tables: &[(&'static str, &str)],
        args: &[(&str, ArgValue)],
        vocabulary: Option<data::Vocabulary>,
    ) -> Result<Dataset, DataError> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut all: Vec<(&str, ArgValue)> = Vec::new();
        for (file, content) in tables {
            let path = folder.path().join(file);
            std::fs::write(&path, content).expect("writable");
            all.push((
                file.split_once('.').expect("an ending").0,
                ArgValue::Text(path.display().to_string()),
            ));
        }
        all.extend(args.iter().cloned());
        let options = DataOptions { vocabulary, ..DataOptions::folder("nowhere") };
        data::load(&data::call("tables", &all), &options)
    }

    fn text(value: &str) -> ArgValue {
        ArgValue::Text(value.into())
    }

    const EDGES: &str = "bond,target,source\ndouble,O1,C1\n\"single, long\",N1,N2\n";
    const NODES: &str = "id,graph,atom,charge\nN1,m2,N,0\nC1,m1,C,0.5\nO1,m1,O,-1\nN2,m2,N,0\n";
    const GRAPHS: &str = "graph,label,split\nm1,toxic,train\nm2,safe,test\n";

    #[test]
    fn tables_of_graphs_nodes_and_edges_are_joined_by_their_names() {
        let set =
            load(&[("edges.csv", EDGES), ("nodes.csv", NODES), ("graphs.csv", GRAPHS)], &[]).expect("whole");
        assert_eq!((set.n_graphs(), set.n_nodes(), set.n_edges()), (2, 4, 2));
        assert_eq!(set.names.nodes, ["C1", "O1", "N1", "N2"]);
        assert_eq!(set.names.graphs, ["m1", "m2"]);
        assert_eq!((set.adjacency.row(1), set.adjacency.row(2)), (&[0][..], &[3][..]));
        let values = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            set.vocabulary.columns,
            [
                Columns::Numbers { names: values(&["charge"]) },
                Columns::Categories { column: "atom".into(), values: values(&["C", "N", "O"]) },
            ]
        );
        assert_eq!(
            set.vocabulary.edge_columns,
            [Columns::Categories { column: "bond".into(), values: values(&["double", "single, long"]) }]
        );
        assert_eq!(
            (set.targets, set.class_names),
            (Targets::Classes(vec![1, 0]), values(&["safe", "toxic"]))
        );
        assert_eq!(set.fixed_split.map(|split| (split.train, split.test)), Some((vec![0], vec![1])));
    }

    #[test]
    fn edges_alone_are_a_graph() {
        for (file, content) in [
            ("edges.csv", "from,to\n10,2\n2,9\n"),
            ("edges.tsv", "src\tdst\n10\t2\n2\t9\n"),
            ("edges.csv", "\u{feff}u;v\r\n10;2\r\n2;9\r\n"),
            ("edges.csv", ",source,target\n0,10,2\n1,2,9\n"),
        ] {
            let set = load(&[(file, content)], &[]).expect(content);
            assert_eq!((set.n_graphs(), set.n_nodes(), set.n_edges()), (1, 3, 2), "{content}");
            assert_eq!(
                (set.names.nodes.join(" "), set.adjacency.row(0), set.adjacency.row(1)),
                ("2 9 10".into(), &[2][..], &[0][..])
            );
        }
    }

    #[test]
    fn nodes_with_labels_are_a_node_task_with_its_split() {
        let nodes = "label,x1,x2,split\nred,1,2,train\nblue,3,4,test\n,5,6,test\nred,0,0,\n";
        let set = load(
            &[("edges.csv", "source,target,weight,kind\n0,1,0.5,7\n1,2,2,9\n"), ("nodes.csv", nodes)],
            &[],
        )
        .expect("whole");
        assert_eq!(set.task.map(crate::types::Task::name), Some("node_classification"));
        assert_eq!(set.targets, Targets::Classes(vec![1, 0, -1, 1]));
        assert_eq!(
            set.fixed_split.as_ref().map(|split| (split.train.as_slice(), split.test.as_slice())),
            Some((&[0][..], &[1][..]))
        );
        assert_eq!(
            set.features,
            Features::Dense { values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0].into(), width: 2 }
        );
        assert_eq!((set.n_edge_features(), set.n_edge_kinds(), set.names.nodes.len()), (3, 2, 0));
        assert_eq!(set.vocabulary.edge_kinds.expect("kinds").names, ["7", "9"]);
    }

    #[test]
    fn several_targets_are_values_with_their_names() {
        let nodes = "id,mass,volume\na,1.5,3\nb,2,4\n";
        let args = [("target", text("volume, mass")), ("features", ArgValue::Choice("constant"))];
        let set = load(&[("edges.csv", "source,target\na,b\n"), ("nodes.csv", nodes)], &args).expect("whole");
        assert_eq!(set.targets, Targets::Values { values: vec![3.0, 1.5, 4.0, 2.0], n_values: 2 });
        assert_eq!(set.vocabulary.target_in_words(), "2 values (volume, mass)");
    }

    #[test]
    fn a_model_reads_its_columns_in_any_order_and_needs_no_targets() {
        let tables = [("edges.csv", EDGES), ("nodes.csv", NODES), ("graphs.csv", GRAPHS)];
        let trained = load(&tables, &[]).expect("whole").vocabulary;
        let again = |nodes: &str| {
            load_with(
                &[("edges.csv", "source,target,bond\na,b,double\n"), ("nodes.csv", nodes)],
                &[],
                Some(trained.clone()),
            )
        };
        let set = again("charge,new,id,atom\n2,x,b,O\n1,y,a,C\n").expect("the same columns");
        assert_eq!(set.vocabulary.columns, trained.columns);
        assert_eq!(
            set.features,
            Features::Dense { values: vec![2.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0].into(), width: 4 }
        );
        assert_eq!(again("charge,id,atom\n2,b,O\n1,a,Xe\n").expect_err("unseen").line, Some(3));
        assert_eq!(again("id,atom\nb,O\na,C\n").expect_err("no charge").code, "data::other_columns");
    }

    #[test]
    fn what_is_wrong_is_named_with_file_and_line() {
        let edges = ("edges.csv", EDGES);
        for (tables, code, line) in [
            (vec![("edges.csv", "")], "data::empty", None),
            (vec![("edges.csv", "a,b\n1,2\n")], "data::missing_part", None),
            (vec![("edges.csv", "1,2\n2,3\n")], "data::missing_part", Some(1)),
            (vec![("edges.csv", "source,target\n")], "data::empty", None),
            (vec![("edges.csv", "source,target\n1\n")], "data::ragged", Some(2)),
            (vec![("edges.csv", "source,target\n1,\n")], "data::missing_value", Some(2)),
            (vec![("edges.csv", "source,target,source\n1,2,3\n")], "data::ambiguous", Some(1)),
            (vec![("edges.csv", "source,target,w\n1,2,inf\n")], "data::not_finite", Some(2)),
            (vec![("edges.csv", "source,target,w\n1,2,\n")], "data::missing_value", Some(2)),
            (vec![edges, ("nodes.csv", "id\nC1\n")], "data::unknown_node", Some(2)),
            (vec![edges, ("nodes.csv", "id\nC1\nC1\n")], "data::ambiguous", Some(3)),
            (
                vec![edges, ("nodes.csv", "id,graph\nC1,a\nO1,b\nN1,a\nN2,a\n")],
                "data::edge_between_graphs",
                Some(2),
            ),
            (
                vec![edges, ("nodes.csv", NODES), ("graphs.csv", "graph,label\nm1,a\n")],
                "data::unknown_node",
                Some(2),
            ),
            (
                vec![edges, ("nodes.csv", NODES), ("graphs.csv", "graph\nm1\nm2\nm3\n")],
                "data::empty_graph",
                Some(4),
            ),
            (vec![edges, ("nodes.csv", NODES), ("graphs.csv", "name\nm1\n")], "data::missing_part", None),
            (vec![edges, ("nodes.csv", "id\nC1\n"), ("graphs.csv", GRAPHS)], "data::missing_part", Some(1)),
        ] {
            let error = load(&tables, &[]).expect_err(code);
            assert_eq!((error.code, error.line), (code, line), "{tables:?}: {error}");
            assert!(error.help.is_some() && error.file.is_some(), "{tables:?}");
        }
        let mut binary = b"source,target\n".to_vec();
        binary.extend([0xff, 0xfe, b',', 0x00, b'\n']);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("edges.csv");
        std::fs::write(&path, binary).expect("writable");
        let call = |path: &Path| data::call("tables", &[("edges", text(&path.display().to_string()))]);
        let of =
            |path: &Path| data::load(&call(path), &DataOptions::folder("nowhere")).expect_err("no table");
        assert_eq!((of(&path).code, of(&path).line), ("data::encoding", Some(2)));
        assert_eq!(of(folder.path()).code, "data::unreadable");
        assert_eq!(of(&folder.path().join("edge.csv")).code, "data::missing");
    }

    #[test]
    fn one_id_in_several_graphs_needs_the_graph_of_each_edge() {
        let nodes = ("nodes.csv", "graph,id\na,0\na,1\nb,0\nb,1\n");
        let set = load(&[("edges.csv", "graph,source,target\nb,0,1\na,1,0\n"), nodes], &[]).expect("whole");
        assert_eq!((set.n_graphs(), set.adjacency.row(3), set.adjacency.row(0)), (2, &[2][..], &[1][..]));
        let error = load(&[("edges.csv", "source,target\n0,1\n"), nodes], &[]).expect_err("which graph?");
        assert_eq!(error.code, "data::ambiguous");
    }

    #[test]
    fn tables_may_be_packed() {
        use std::io::Write;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("edges.tsv.gz");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"source\ttarget\na\tb\n").expect("in memory");
        let packed = packed.finish().expect("in memory");
        let call = data::call("tables", &[("edges", text(&path.display().to_string()))]);
        std::fs::write(&path, &packed).expect("writable");
        assert_eq!(data::load(&call, &DataOptions::folder("nowhere")).expect("whole").n_edges(), 1);
        std::fs::write(&path, &packed[..packed.len() - 12]).expect("writable");
        assert_eq!(
            data::load(&call, &DataOptions::folder("nowhere")).expect_err("cut").code,
            "data::corrupt_archive"
        );
    }
}
