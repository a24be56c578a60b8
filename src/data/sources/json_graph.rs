//! A graph as a JSON object: what [`json_lines`](super::json_lines) and [`node_link`](super::node_link) share.

use super::assembly::{Cells, Column, Place, Texts};
use super::frame::{Cell, Frame, Frames};
use crate::data::dataset::Unread;
use crate::data::files::{names, size_in_words};
use crate::data::scan::FileName;
use crate::data::{DataError, Names};
use crate::diagnostic::count;
use crate::findings::names::did_you_mean;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use std::collections::HashMap;
use std::fmt;

/// What a graph's object says, before its nodes have numbers.
#[derive(Debug, Default)]
pub struct GraphJson {
    nodes: Option<Nodes>,
    features: Option<Matrix>,
    node_labels: Option<Vec<Item>>,
    node_targets: Option<Vec<Item>>,
    edges: Vec<EdgeJson>,
    edge_features: Option<Matrix>,
    edge_labels: Option<Vec<Item>>,
    is_undirected: bool,
    attributes: Vec<(String, Item)>,
}

#[derive(Debug)]
enum Nodes {
    Count(u64),
    List(Vec<NodeJson>),
}

#[derive(Debug, Default)]
struct NodeJson {
    id: Option<Box<str>>,
    attributes: Vec<(String, Item)>,
}

#[derive(Debug)]
struct EdgeJson {
    ends: [Box<str>; 2],
    attributes: Vec<(String, Item)>,
}

/// Rows of numbers.
#[derive(Debug, Default)]
struct Matrix {
    values: Vec<f32>,
    width: usize,
    n_rows: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Item {
    Null,
    Number(f64),
    Text(String),
    List(Vec<f64>),
    /// Something that is neither.
    Other,
}

impl Item {
    fn cell(&self) -> Option<Cell<'_>> {
        Some(match self {
            Item::Null => Cell::Missing,
            Item::Number(number) => Cell::Number(*number),
            Item::Text(text) => Cell::Text(text),
            Item::List(list) => Cell::List(list),
            Item::Other => return None,
        })
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number, a text or a list of numbers")
    }
    fn visit_unit<E>(self) -> Result<Item, E> {
        Ok(Item::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Item, E> {
        Ok(Item::Number(f64::from(u8::from(value))))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Item, E> {
        Ok(Item::Number(value as f64))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Item, E> {
        Ok(Item::Number(value as f64))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Item, E> {
        Ok(Item::Number(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Item, E> {
        Ok(Item::Text(value.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Item, A::Error> {
        let mut list = Some(Vec::new());
        while let Some(item) = seq.next_element::<Item>()? {
            match (item, &mut list) {
                (Item::Number(number), Some(list)) => list.push(number),
                _ => list = None,
            }
        }
        Ok(list.map_or(Item::Other, Item::List))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Item::Other)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

/// What a node is called: a text or a whole number.
struct Id(Box<str>);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl Visitor<'_> for IdVisitor {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a node: its number or its name")
            }
            fn visit_i64<E>(self, value: i64) -> Result<Id, E> {
                Ok(Id(value.to_string().into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Id, E> {
                Ok(Id(value.to_string().into()))
            }
            fn visit_f64<E: Error>(self, value: f64) -> Result<Id, E> {
                match value.fract() == 0.0 && value.abs() < 1e15 {
                    true => Ok(Id(format!("{value:.0}").into())),
                    false => Err(E::custom("a node is named by a whole number or a text")),
                }
            }
            fn visit_str<E>(self, value: &str) -> Result<Id, E> {
                Ok(Id(value.into()))
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}

impl<'de> Deserialize<'de> for Matrix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows;
        impl<'de> Visitor<'de> for Rows {
            type Value = Matrix;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list of rows, each a list of numbers or a number")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Matrix, A::Error> {
                let mut matrix = Matrix::default();
                while seq.next_element_seed(Row(&mut matrix))?.is_some() {
                    matrix.n_rows += 1;
                }
                Ok(matrix)
            }
        }
        deserializer.deserialize_seq(Rows)
    }
}

/// Appends one row of a matrix.
struct Row<'a>(&'a mut Matrix);

impl Row<'_> {
    fn number<E: Error>(&mut self, value: f64) -> Result<(), E> {
        let value = value as f32;
        if !value.is_finite() {
            return Err(E::custom("a feature is too large for a number of 32 bits"));
        }
        self.0.values.push(value);
        Ok(())
    }

    fn end<E: Error>(self, width: usize) -> Result<(), E> {
        if self.0.n_rows == 0 {
            self.0.width = width;
        }
        if width != self.0.width {
            return Err(E::custom(format!(
                "row {} has {}, but the rows before have {}",
                self.0.n_rows + 1,
                count(width, "number"),
                self.0.width
            )));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a row of features: numbers in a list, or one number")
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.visit_f64(f64::from(u8::from(value)))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }
    fn visit_f64<E: Error>(mut self, value: f64) -> Result<(), E> {
        self.number(value)?;
        self.end(1)
    }
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let mut width = 0;
        while let Some(item) = seq.next_element::<Item>()? {
            let Item::Number(value) = item else {
                return Err(A::Error::custom("a row of features holds numbers alone"));
            };
            self.number(value)?;
            width += 1;
        }
        self.end(width)
    }
}

impl<'de> Deserialize<'de> for Nodes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodesVisitor;
        impl<'de> Visitor<'de> for NodesVisitor {
            type Value = Nodes;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the nodes: how many there are, or a list of them")
            }
            fn visit_u64<E>(self, value: u64) -> Result<Nodes, E> {
                Ok(Nodes::Count(value))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Nodes, A::Error> {
                let mut list = Vec::new();
                while let Some(node) = seq.next_element::<NodeJson>()? {
                    list.push(node);
                }
                Ok(Nodes::List(list))
            }
        }
        deserializer.deserialize_any(NodesVisitor)
    }
}

impl<'de> Deserialize<'de> for NodeJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NodeVisitor;
        impl<'de> Visitor<'de> for NodeVisitor {
            type Value = NodeJson;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a node: an object, a number or a name")
            }
            fn visit_str<E>(self, value: &str) -> Result<NodeJson, E> {
                Ok(NodeJson { id: Some(value.into()), attributes: Vec::new() })
            }
            fn visit_u64<E>(self, value: u64) -> Result<NodeJson, E> {
                Ok(NodeJson { id: Some(value.to_string().into()), attributes: Vec::new() })
            }
            fn visit_i64<E>(self, value: i64) -> Result<NodeJson, E> {
                Ok(NodeJson { id: Some(value.to_string().into()), attributes: Vec::new() })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NodeJson, A::Error> {
                let mut node = NodeJson::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "id" => node.id = Some(map.next_value::<Id>()?.0),
                        _ => node.attributes.push((key, map.next_value()?)),
                    }
                }
                Ok(node)
            }
        }
        deserializer.deserialize_any(NodeVisitor)
    }
}

impl<'de> Deserialize<'de> for EdgeJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EdgeVisitor;
        impl<'de> Visitor<'de> for EdgeVisitor {
            type Value = EdgeJson;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an edge: [source, target] or an object with both")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<EdgeJson, A::Error> {
                let mut end = || seq.next_element::<Id>();
                let (Some(source), Some(target)) = (end()?, end()?) else {
                    return Err(A::Error::custom("an edge has a source and a target"));
                };
                if seq.next_element::<IgnoredAny>()?.is_some() {
                    return Err(A::Error::custom(
                        "an edge is [source, target] alone; what it carries belongs in `edge_features` or \
                         `edge_labels`, or write it as an object",
                    ));
                }
                Ok(EdgeJson { ends: [source.0, target.0], attributes: Vec::new() })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EdgeJson, A::Error> {
                let (mut source, mut target, mut attributes) = (None, None, Vec::new());
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "source" => source = Some(map.next_value::<Id>()?.0),
                        "target" => target = Some(map.next_value::<Id>()?.0),
                        // Of several edges with the same ends, which one it is.
                        "key" => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        _ => attributes.push((key, map.next_value()?)),
                    }
                }
                match (source, target) {
                    (Some(source), Some(target)) => Ok(EdgeJson { ends: [source, target], attributes }),
                    _ => Err(A::Error::custom("an edge needs `source` and `target`")),
                }
            }
        }
        deserializer.deserialize_any(EdgeVisitor)
    }
}

/// Attributes of the graph as a whole.
struct Attributes(Vec<(String, Item)>);

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AttributesVisitor;
        impl<'de> Visitor<'de> for AttributesVisitor {
            type Value = Attributes;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the attributes of the graph")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut attributes = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    attributes.push(entry);
                }
                Ok(Attributes(attributes))
            }
            // NetworkX before 2.0 wrote pairs.
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Attributes, A::Error> {
                let mut attributes = Vec::new();
                while let Some(pair) = seq.next_element()? {
                    attributes.push(pair);
                }
                Ok(Attributes(attributes))
            }
        }
        deserializer.deserialize_any(AttributesVisitor)
    }
}

const KEYS: [&str; 12] = [
    "nodes",
    "features",
    "node_labels",
    "node_targets",
    "edges",
    "edge_features",
    "edge_labels",
    "directed",
    "label",
    "target",
    "split",
    "name",
];

impl<'de> Deserialize<'de> for GraphJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GraphVisitor;
        impl<'de> Visitor<'de> for GraphVisitor {
            type Value = GraphJson;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a graph: an object with `nodes` and `edges`")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<GraphJson, A::Error> {
                let mut graph = GraphJson::default();
                let mut seen: Vec<String> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if seen.contains(&key) {
                        return Err(A::Error::custom(format!("`{key}` stands twice")));
                    }
                    match key.as_str() {
                        "nodes" => graph.nodes = Some(map.next_value()?),
                        "features" => graph.features = Some(map.next_value()?),
                        "node_labels" => graph.node_labels = Some(map.next_value()?),
                        "node_targets" => graph.node_targets = Some(map.next_value()?),
                        "edges" | "links" => graph.edges = map.next_value()?,
                        "edge_features" => graph.edge_features = Some(map.next_value()?),
                        "edge_labels" => graph.edge_labels = Some(map.next_value()?),
                        "directed" => graph.is_undirected = !map.next_value::<bool>()?,
                        "multigraph" => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        "graph" => graph.attributes.extend(map.next_value::<Attributes>()?.0),
                        "adjacency" => {
                            return Err(A::Error::custom(
                                "this is NetworkX's `adjacency_data`: write the graph with `node_link_data`",
                            ));
                        }
                        _ => graph.attributes.push((key.clone(), map.next_value()?)),
                    }
                    seen.push(key);
                }
                Ok(graph)
            }
        }
        deserializer.deserialize_map(GraphVisitor)
    }
}

/// One graph, or several in a list.
pub struct OneOrMany(pub Vec<GraphJson>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyVisitor;
        impl<'de> Visitor<'de> for AnyVisitor {
            type Value = OneOrMany;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a graph, or a list of graphs")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneOrMany, A::Error> {
                GraphJson::deserialize(de::value::MapAccessDeserializer::new(map))
                    .map(|graph| OneOrMany(vec![graph]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<OneOrMany, A::Error> {
                let mut graphs = Vec::new();
                while let Some(graph) = seq.next_element()? {
                    graphs.push(graph);
                }
                Ok(OneOrMany(graphs))
            }
        }
        deserializer.deserialize_any(AnyVisitor)
    }
}

/// What serde says of a text, as a message of the file. `line` is where the text begins, from 1.
pub fn wrong_json(file: &FileName, error: &serde_json::Error, line: usize, is_quoted: bool) -> DataError {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let short: String = text.chars().take(200).collect();
    let message = match (is_quoted, error.classify()) {
        (true, _) => short,
        (false, _) => "is not as expected".to_owned(),
    };
    let row = line + error.line().max(1) - 2;
    file.error("data::json", row, format!("column {}: {message}", error.column()))
        .help("`hgnnc ops json_lines` shows the layout")
}

/// Labels that are whole numbers or texts.
#[derive(Debug, Default)]
struct Labels {
    whole: Vec<i64>,
    texts: Option<Texts>,
}

impl Labels {
    fn push(&mut self, item: &Item) -> Result<(), String> {
        match (item, &mut self.texts) {
            (Item::Number(number), None) if number.fract() == 0.0 && number.abs() < 9e15 => {
                self.whole.push(*number as i64);
            }
            (Item::Number(number), Some(texts)) if number.fract() == 0.0 => texts.push(&number.to_string()),
            (Item::Text(text), _) => {
                let whole = std::mem::take(&mut self.whole);
                let texts = self.texts.get_or_insert_with(|| {
                    let mut texts = Texts::default();
                    whole.iter().for_each(|label| texts.push(&label.to_string()));
                    texts
                });
                texts.push(text);
            }
            (Item::Null, _) => return Err("a label is missing: write a text that stands for it".into()),
            _ => return Err("a label is a whole number or a text".into()),
        }
        Ok(())
    }

    fn column(self, place: Place) -> Column {
        let cells = match self.texts {
            Some(texts) => Cells::Names(texts),
            None => Cells::Labels(self.whole),
        };
        Column { name: String::new(), cells, place }
    }
}

/// Graphs of one file, put after each other.
pub struct Builder {
    frames: Frames,
    is_quoted: bool,
    max_bytes: u64,
    features: Option<(Vec<f32>, usize)>,
    edge_features: Option<(Vec<f32>, usize)>,
    node_labels: Option<Labels>,
    edge_labels: Option<Labels>,
    /// Keys whose values cannot be used.
    unread: Vec<String>,
    has_node_names: bool,
}

impl Builder {
    pub fn new(name: String, file: &FileName, is_quoted: bool, max_bytes: u64) -> Self {
        let frame = |what| Frame::new(file.clone(), what);
        Self {
            frames: Frames {
                name,
                node_offsets: vec![0],
                pairs: Vec::new(),
                nodes: frame("node"),
                edges: frame("edge"),
                graphs: frame("graph"),
                node_columns: Vec::new(),
                edge_columns: Vec::new(),
                graph_ids: Vec::new(),
                names: Names::default(),
                unread: Vec::new(),
            },
            is_quoted,
            max_bytes,
            features: None,
            edge_features: None,
            node_labels: None,
            edge_labels: None,
            unread: Vec::new(),
            has_node_names: false,
        }
    }

    /// Puts a graph behind the others; `line` is where it begins, from 1.
    ///
    /// # Errors
    /// Where it contradicts itself, or has other parts than those before.
    pub fn add(&mut self, graph: GraphJson, line: usize) -> Result<(), DataError> {
        let number = self.frames.graph_ids.len() + 1;
        let file = self.frames.graphs.file.clone();
        let is_quoted = self.is_quoted;
        let show = |text: &str| if is_quoted { names(&[text.to_owned()]) } else { "…".to_owned() };
        let wrong = |code: &'static str, message: String| {
            file.error(code, line - 1, format!("graph {number}: {message}"))
        };
        let first = *self.frames.node_offsets.last().expect("starts with 0");
        let lengths = [
            graph.features.as_ref().map(|features| features.n_rows),
            graph.node_labels.as_ref().map(Vec::len),
            graph.node_targets.as_ref().map(Vec::len),
        ];
        let n_nodes = match &graph.nodes {
            Some(Nodes::Count(n)) => *n,
            Some(Nodes::List(nodes)) => nodes.len() as u64,
            None => match lengths.iter().flatten().next() {
                Some(&n) => n as u64,
                None => {
                    return Err(wrong("data::missing_part", "nothing says how many nodes there are".into())
                        .help("write `\"nodes\": 5`, or `features`, a row for each node"));
                }
            },
        };
        if n_nodes == 0 {
            return Err(wrong("data::empty_graph", "it has no nodes".into()).help("leave the graph out"));
        }
        // A number alone can ask for more memory than any file has.
        let end = u64::from(first) + n_nodes;
        if end > u64::from(u32::MAX) || end.saturating_mul(16) > self.max_bytes.saturating_mul(4) {
            let limit = size_in_words(self.max_bytes);
            return Err(wrong(
                "data::too_large",
                format!("{n_nodes} nodes are more than fit the limit of {limit}"),
            )
            .help("correct the number; or allow more with `--max-data-size`"));
        }
        let n_nodes = n_nodes as usize;
        for (what, length) in ["features", "node_labels", "node_targets"].into_iter().zip(lengths) {
            if let Some(length) = length.filter(|&length| length != n_nodes) {
                let (rows, nodes) = (count(length, "row"), count(n_nodes, "node"));
                return Err(wrong("data::count", format!("`{what}` has {rows} for {nodes}"))
                    .help("row i belongs to node i, from 0"));
            }
        }
        let mut places: Option<HashMap<Box<str>, u32>> = None;
        (0..n_nodes).for_each(|_| self.frames.nodes.begin(line));
        let first_row = self.frames.nodes.n_rows() - n_nodes;
        debug_assert_eq!(first_row, first as usize);
        if let Some(Nodes::List(nodes)) = graph.nodes {
            if nodes.iter().any(|node| node.id.is_some()) {
                let mut ids = HashMap::with_capacity(nodes.len());
                for (idx, node) in nodes.iter().enumerate() {
                    let Some(id) = &node.id else {
                        return Err(wrong("data::missing_part", format!("node {idx} has no `id`"))
                            .help("every node has one, or none has, and they are numbered from 0"));
                    };
                    if ids.insert(id.clone(), idx as u32).is_some() {
                        return Err(wrong("data::ambiguous", format!("two nodes are called {}", show(id)))
                            .help("give each node an `id` of its own"));
                    }
                }
                let is_number = |id: &str| id.bytes().all(|byte| byte.is_ascii_digit());
                self.has_node_names |= ids.keys().any(|id| !is_number(id));
                self.frames.names.nodes.resize(first_row, String::new());
                self.frames
                    .names
                    .nodes
                    .extend(nodes.iter().map(|node| node.id.as_deref().unwrap_or_default().to_owned()));
                places = Some(ids);
            }
            // Rows are set in their order, so a value is set before the next row begins: one node after another.
            for (idx, node) in nodes.into_iter().enumerate() {
                set_row(&mut self.frames.nodes, first_row + idx, &node.attributes, &mut self.unread)?;
            }
        }
        self.frames.names.nodes.resize(first_row + n_nodes, String::new());
        if let Some(targets) = &graph.node_targets {
            for (idx, target) in targets.iter().enumerate() {
                let target = [("target".to_owned(), target.clone())];
                set_row(&mut self.frames.nodes, first_row + idx, &target, &mut self.unread)?;
            }
        }
        let is_first = number == 1;
        let same = |is_there: bool, before: bool, what: &str| match is_there == before || is_first {
            true => Ok(()),
            false if is_there => {
                Err(wrong("data::ragged", format!("`{what}` is here, but not in the graphs before"))
                    .help("every graph has it, or none has"))
            }
            false => Err(wrong("data::ragged", format!("`{what}` is missing, which the graphs before have"))
                .help("every graph has it, or none has")),
        };
        same(graph.features.is_some(), self.features.is_some(), "features")?;
        same(graph.node_labels.is_some(), self.node_labels.is_some(), "node_labels")?;
        let n_edges = graph.edges.len();
        if let Some(features) = graph.features {
            append(&mut self.features, features).map_err(|message| {
                wrong("data::ragged", format!("`features` {message}")).help("every node has as many features")
            })?;
        }
        if let Some(labels) = &graph.node_labels {
            let column = self.node_labels.get_or_insert_default();
            for label in labels {
                column.push(label).map_err(|message| {
                    wrong("data::json", format!("`node_labels`: {message}"))
                        .help("real numbers belong in `features`")
                })?;
            }
        }
        for (what, length) in [
            ("edge_features", graph.edge_features.as_ref().map(|features| features.n_rows)),
            ("edge_labels", graph.edge_labels.as_ref().map(Vec::len)),
        ] {
            if let Some(length) = length.filter(|&length| length != n_edges) {
                return Err(wrong(
                    "data::count",
                    format!("`{what}` has {} for {}", count(length, "row"), count(n_edges, "edge")),
                )
                .help("row i belongs to edge i"));
            }
        }
        // A graph without edges has nothing to say of them.
        let same_edges = |is_there, before, what| {
            if n_edges == 0 {
                Ok(())
            } else {
                same(is_there, before || self.frames.pairs.is_empty() && is_there, what)
            }
        };
        same_edges(graph.edge_features.is_some(), self.edge_features.is_some(), "edge_features")?;
        same_edges(graph.edge_labels.is_some(), self.edge_labels.is_some(), "edge_labels")?;
        let is_undirected = graph.is_undirected;
        let mut twice: Vec<u32> = Vec::new();
        for (idx, edge) in graph.edges.iter().enumerate() {
            let mut ends = [0u32; 2];
            for (end, written) in ends.iter_mut().zip(&edge.ends) {
                let found = match &places {
                    Some(places) => places.get(written).copied(),
                    None => written.parse::<u32>().ok().filter(|&node| (node as usize) < n_nodes),
                };
                let Some(node) = found else {
                    let there = match &places {
                        Some(places) => {
                            let all: Vec<&str> = places.keys().map(|id| &**id).collect();
                            let like = did_you_mean(written, all).filter(|_| is_quoted);
                            like.map_or_else(
                                || "no node has that `id`".to_owned(),
                                |like| format!("did you mean `{like}`?"),
                            )
                        }
                        None => format!("nodes are numbered from 0 to {}", n_nodes - 1),
                    };
                    return Err(wrong(
                        "data::out_of_range",
                        format!("edge {idx} leads to {}, which is no node", show(written)),
                    )
                    .help(there));
                };
                *end = first + node;
            }
            let copies = if is_undirected && ends[0] != ends[1] { 2 } else { 1 };
            for copy in 0..copies {
                self.frames.pairs.push(if copy == 0 { (ends[0], ends[1]) } else { (ends[1], ends[0]) });
                twice.push(idx as u32);
                self.frames.edges.begin(line);
                let row = self.frames.edges.n_rows() - 1;
                set_row(&mut self.frames.edges, row, &edge.attributes, &mut self.unread)?;
            }
        }
        if let Some(features) = graph.edge_features {
            let picked = Matrix {
                values: twice
                    .iter()
                    .flat_map(|&row| &features.values[row as usize * features.width..][..features.width])
                    .copied()
                    .collect(),
                width: features.width,
                n_rows: twice.len(),
            };
            append(&mut self.edge_features, picked).map_err(|message| {
                wrong("data::ragged", format!("`edge_features` {message}"))
                    .help("every edge has as many features")
            })?;
        }
        if let Some(labels) = &graph.edge_labels {
            let column = self.edge_labels.get_or_insert_default();
            for &row in &twice {
                column.push(&labels[row as usize]).map_err(|message| {
                    wrong("data::json", format!("`edge_labels`: {message}"))
                        .help("real numbers belong in `edge_features`")
                })?;
            }
        }
        self.frames.graphs.begin(line);
        let row = self.frames.graphs.n_rows() - 1;
        let has_name = graph.attributes.iter().any(|(key, _)| key == "name");
        let attributes: Vec<(String, Item)> = graph
            .attributes
            .into_iter()
            .map(|(key, item)| if key == "id" && !has_name { ("name".to_owned(), item) } else { (key, item) })
            .collect();
        if is_first
            && let Some((key, like)) = attributes.iter().find_map(|(key, _)| {
                let like = did_you_mean(key, KEYS).filter(|like| like != key)?;
                Some((key, like))
            })
            && !["id", "y", "class"].contains(&key.as_str())
        {
            return Err(wrong("data::json", format!("there is no key {}", show(key)))
                .help(format!("did you mean `{like}`?")));
        }
        set_row(&mut self.frames.graphs, row, &attributes, &mut self.unread)?;
        self.frames.node_offsets.push(end as u32);
        self.frames.graph_ids.push(number as u32);
        Ok(())
    }

    /// What all graphs are together.
    ///
    /// # Errors
    /// Where there are none.
    pub fn finish(self) -> Result<Frames, DataError> {
        let Self {
            mut frames,
            features,
            edge_features,
            node_labels,
            edge_labels,
            unread,
            has_node_names,
            ..
        } = self;
        let file = frames.graphs.file.clone();
        if frames.graph_ids.is_empty() {
            return Err(file
                .whole("data::empty", "there are no graphs")
                .help("a line holds a graph: `hgnnc ops json_lines` shows the layout"));
        }
        if !has_node_names {
            frames.names.nodes.clear();
        }
        let place = Place::of(&file);
        for (columns, matrix, labels) in [
            (&mut frames.node_columns, features, node_labels),
            (&mut frames.edge_columns, edge_features, edge_labels),
        ] {
            if let Some((values, width)) = matrix.filter(|(_, width)| *width > 0) {
                columns.push(Column {
                    name: String::new(),
                    cells: Cells::Numbers { values, width },
                    place: place.clone(),
                });
            }
            columns.extend(labels.map(|labels| labels.column(place.clone())));
        }
        for what in unread {
            frames.unread.push(Unread {
                what: format!("`{what}`"),
                file: file.to_string(),
                n_columns: None,
                setting: None,
            });
        }
        Ok(frames)
    }
}

/// Sets values of one row, and notes those that are neither numbers nor texts.
fn set_row(
    frame: &mut Frame,
    row: usize,
    attributes: &[(String, Item)],
    unread: &mut Vec<String>,
) -> Result<(), DataError> {
    for (key, item) in attributes {
        match item.cell() {
            Some(cell) => {
                let column = frame.column(key);
                frame.set_at(row, column, cell)?;
            }
            None if unread.contains(key) => {}
            None => unread.push(key.clone()),
        }
    }
    Ok(())
}

/// Puts rows behind those before.
fn append(all: &mut Option<(Vec<f32>, usize)>, rows: Matrix) -> Result<(), String> {
    match all {
        None => *all = Some((rows.values, rows.width)),
        Some((_, width)) if *width != rows.width && rows.n_rows > 0 => {
            return Err(format!("has {}, but {width} in the graphs before", count(rows.width, "column")));
        }
        Some((values, _)) => values.extend(rows.values),
    }
    Ok(())
}
