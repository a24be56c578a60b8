//! What a drawing shows, before anything has a place: from a model to boxes, groups and arrows.

use super::fold::{self, Folding};
use crate::args::{ArgKind, ArgSpec, ArgValue, Default};
use crate::ir::{Author, Model, Node};
use crate::ops::{Family, LossKind, Ports, WidthRule};
use crate::plan::{self, StageRow};
use crate::types::{DataFacts, Entity, Level, Type};
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How much is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, std::default::Default)]
pub enum Detail {
    /// Equal rounds of a `repeat` once, with their number; blocks as one box each where the model is very large.
    #[default]
    Blocks,
    /// Every stage.
    Stages,
}

/// A drawing without places.
#[derive(Debug, Clone)]
pub struct Scene {
    /// In topological order.
    pub units: Vec<Unit>,
    /// Parents before children; 0 is the drawing itself.
    pub groups: Vec<Group>,
    pub edges: Vec<Edge>,
    /// `graph classification`
    pub task: String,
    /// Trained numbers; `None` while a width is symbolic.
    pub parameters: Option<usize>,
    /// Stages of the model, without its input.
    pub n_stages: usize,
    /// What the drawing leaves out, for a note.
    pub n_hidden: usize,
    /// The data that filled in the sizes.
    pub data: Option<String>,
}

/// A box: a stage, and those that only pass on what it computes (activation, normalisation, dropout).
#[derive(Debug, Clone)]
pub struct Unit {
    pub group: usize,
    pub kind: Kind,
    pub parts: Vec<Part>,
    /// The type of the result.
    pub ty: String,
    /// `as NAME`
    pub name: Option<String>,
    /// Losses that are computed here: `0.1 · entropy`.
    pub losses: Vec<String>,
}

/// What a box stands for, which decides its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Stage(Family),
    /// Several stages that are not shown one by one.
    Folded,
    /// The prediction and its loss.
    Output,
}

/// A stage within a box.
#[derive(Debug, Clone)]
pub struct Part {
    pub family: Family,
    /// `sage`
    pub title: String,
    /// `64`, `ratio = 0.25`: the arguments as written.
    pub arguments: String,
    /// `8,256`, `256 + 2 × 4,160`; empty where there are none or they are symbolic.
    pub parameters: String,
    /// The model's nodes drawn here: one, or one of each round.
    pub nodes: Vec<NodeIndex>,
}

/// An arrow.
#[derive(Debug, Clone)]
pub struct Edge {
    pub from: usize,
    pub to: usize,
    /// The one that chains are straightened along.
    pub is_main: bool,
    /// Only the graph is taken from here, not the features.
    pub is_structure: bool,
    /// The argument that takes it: `assign`.
    pub label: String,
}

/// A frame.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its own index for group 0.
    pub parent: usize,
    pub kind: GroupKind,
    pub label: String,
    /// Rounds of a repeat.
    pub times: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupKind {
    Drawing,
    /// A graph of the hierarchy, from 0; the last one holds what is computed of whole graphs.
    Level(usize),
    Block,
}

impl Scene {
    /// What there is to draw of a model; with `data`, its sizes are filled in.
    pub fn of(model: &Model, data: Option<&DataFacts>, detail: Detail) -> Self {
        Self::marked(model, data, detail, &|_| 0)
    }

    /// The same, where only rounds whose nodes have equal marks are drawn as one.
    pub(super) fn marked(
        model: &Model,
        data: Option<&DataFacts>,
        detail: Detail,
        mark: &dyn Fn(NodeIndex) -> u8,
    ) -> Self {
        let rows = plan::stages(model, data);
        let folding = match detail {
            Detail::Blocks => Folding::of(model, &rows, mark),
            Detail::Stages => Folding::none(model),
        };
        let mut scene = Draft::new(model, data, &rows, &folding).finish();
        fold::limit(&mut scene);
        open_circles(&mut scene);
        scene
    }
}

/// A scene while it is made.
struct Draft<'m> {
    model: &'m Model,
    rows: &'m [StageRow],
    folding: &'m Folding,
    /// Where the value of a node is drawn to come from, past stages that only hand it on.
    sources: Vec<usize>,
    /// Nodes of the same place in other rounds, by the one that is drawn.
    rounds: BTreeMap<usize, Vec<usize>>,
    unit_of: HashMap<usize, usize>,
    scene: Scene,
}

impl<'m> Draft<'m> {
    fn new(model: &'m Model, data: Option<&DataFacts>, rows: &'m [StageRow], folding: &'m Folding) -> Self {
        let mut sources: Vec<usize> = (0..rows.len()).collect();
        for (idx, node) in model.nodes() {
            if is_handed_on(node) && idx != model.output {
                sources[idx.index()] = sources[rows[idx.index()].inputs[0]];
            }
        }
        let mut rounds: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for idx in (0..rows.len()).filter(|&idx| sources[idx] == idx) {
            rounds.entry(folding.drawn(idx)).or_default().push(idx);
        }
        let scene = Scene {
            units: Vec::new(),
            groups: vec![Group { parent: 0, kind: GroupKind::Drawing, label: String::new(), times: 1 }],
            edges: Vec::new(),
            task: model.task.name().replace('_', " "),
            parameters: rows.iter().map(|row| row.parameters).sum(),
            n_stages: rows.len() - 1,
            n_hidden: 0,
            data: data.map(|data| data.name.clone()),
        };
        Self { model, rows, folding, sources, rounds, unit_of: HashMap::new(), scene }
    }

    fn node(&self, idx: usize) -> &'m Node {
        &self.model.graph[NodeIndex::new(idx)]
    }

    fn finish(mut self) -> Scene {
        let drawn: Vec<usize> = self.rounds.keys().copied().collect();
        let readers = self.readers();
        let groups = self.groups(&drawn);
        for &idx in &drawn {
            let host = self.host(idx, &readers, &groups);
            match host {
                Some(unit) => {
                    self.unit_of.insert(idx, unit);
                    let (part, name) = (self.part(idx), self.name(idx));
                    let unit = &mut self.scene.units[unit];
                    unit.parts.push(part);
                    unit.ty = self.rows[idx].ty.to_string();
                    unit.name = name;
                }
                None => {
                    self.unit_of.insert(idx, self.scene.units.len());
                    let unit = Unit {
                        group: groups[&idx],
                        kind: Kind::Stage(self.node(idx).op.family()),
                        parts: vec![self.part(idx)],
                        ty: self.rows[idx].ty.to_string(),
                        name: self.name(idx),
                        losses: self.losses(idx),
                    };
                    self.scene.units.push(unit);
                }
            }
        }
        self.add_edges(&drawn);
        self.add_output();
        tidy_groups(&mut self.scene);
        self.scene
    }

    /// The nodes that read each drawn node's value.
    fn readers(&self) -> HashMap<usize, HashSet<usize>> {
        let mut readers: HashMap<usize, HashSet<usize>> = HashMap::new();
        for idx in (0..self.rows.len()).filter(|&idx| self.sources[idx] == idx) {
            for &input in &self.rows[idx].inputs {
                let source = self.sources[input];
                if !self.folding.is_between_rounds(source, idx) {
                    readers.entry(self.folding.drawn(source)).or_default().insert(self.folding.drawn(idx));
                }
            }
        }
        readers
    }

    /// The box that a stage is attached to: that of its only input, which nothing else reads.
    fn host(
        &self,
        idx: usize,
        readers: &HashMap<usize, HashSet<usize>>,
        groups: &HashMap<usize, usize>,
    ) -> Option<usize> {
        let node = self.node(idx);
        let [input] = self.rows[idx].inputs.as_slice() else { return None };
        let source = self.folding.drawn(self.sources[*input]);
        let unit = *self.unit_of.get(&source)?;
        let is_hostable = match self.scene.units[unit].kind {
            Kind::Stage(Family::Input | Family::Structure) => false,
            Kind::Stage(_) => self.scene.units[unit].losses.is_empty(),
            _ => false,
        };
        let is_only_reader = readers.get(&source).is_some_and(|readers| readers.len() == 1);
        (is_attachable(node, &self.rows[idx])
            && is_hostable
            && is_only_reader
            && self.name(source).is_none()
            && groups[&idx] == groups[&source])
            .then_some(unit)
    }

    /// `as NAME`, which for a repeat stands in its last round.
    fn name(&self, idx: usize) -> Option<String> {
        self.rounds[&idx].iter().rev().find_map(|&round| self.rows[round].name.clone())
    }

    fn part(&self, idx: usize) -> Part {
        let node = self.node(idx);
        let rounds = &self.rounds[&idx];
        let counts: Option<Vec<usize>> = rounds.iter().map(|&round| self.rows[round].parameters).collect();
        Part {
            family: node.op.family(),
            title: if node.op.family() == Family::Input {
                match node.ty.entity {
                    Entity::Edges => "edge features".into(),
                    Entity::EdgeKinds => "edge kinds".into(),
                    _ => "node features".into(),
                }
            } else if node.author == Author::Compiler {
                format!("{} (added)", node.op.name())
            } else {
                node.op.name().into()
            },
            arguments: arguments(node),
            parameters: counts.map_or_else(String::new, |counts| parameters(&counts)),
            nodes: rounds.iter().map(|&idx| NodeIndex::new(idx)).collect(),
        }
    }

    /// Auxiliary losses that the stage reports and the file asks for.
    fn losses(&self, idx: usize) -> Vec<String> {
        let reports = |term: &&crate::ir::LossTerm| self.model.reports(NodeIndex::new(idx), term);
        self.model.losses.iter().filter(reports).map(loss_text).collect()
    }

    fn add_edges(&mut self, drawn: &[usize]) {
        let mut depth: HashMap<usize, usize> = HashMap::new();
        for &idx in drawn {
            let unit = self.unit_of[&idx];
            let (node, row) = (self.node(idx), &self.rows[idx]);
            let superseding = superseding_port(node, row);
            let mut found: Vec<Edge> = Vec::new();
            // The place of each in `found`, by where it comes from: a stage may have as many inputs as there are stages.
            let mut found_from: HashMap<usize, usize> = HashMap::new();
            // The first round says what comes from outside; in later ones only what differs is new.
            for &round in &self.rounds[&idx] {
                for (port, &input) in self.rows[round].inputs.iter().enumerate() {
                    let source = self.sources[input];
                    if self.folding.is_between_rounds(source, round) {
                        continue;
                    }
                    let from = self.unit_of[&self.folding.drawn(source)];
                    if from == unit {
                        continue;
                    }
                    let label = port_name(node, port).unwrap_or("");
                    let is_structure = port == 0 && superseding.is_some();
                    match found_from.get(&from).map(|&at| &mut found[at]) {
                        Some(edge) => {
                            edge.is_structure &= is_structure;
                            if edge.label.is_empty() {
                                label.clone_into(&mut edge.label);
                            } else if !label.is_empty() && !edge.label.split(", ").any(|known| known == label)
                            {
                                edge.label = format!("{}, {label}", edge.label);
                            }
                        }
                        None => {
                            found_from.insert(from, found.len());
                            found.push(Edge {
                                from,
                                to: unit,
                                is_main: false,
                                is_structure,
                                label: label.to_owned(),
                            });
                        }
                    }
                }
            }
            // Along the straight line runs what is pooled, or of several branches the longest.
            let main_input = match node.op.ports() {
                Ports::Many(_) => None,
                _ => superseding.or(Some(0)).and_then(|port| row.inputs.get(port)),
            };
            let main_from = main_input
                .filter(|&&input| !self.folding.is_between_rounds(self.sources[input], idx))
                .map(|&input| self.unit_of[&self.folding.drawn(self.sources[input])]);
            let level = |edge: &Edge| depth.get(&edge.from).copied().unwrap_or(0);
            let longest = found.iter().map(level).max().unwrap_or(0);
            // Beside many branches of about its length none stands out.
            let count = |least: usize| found.iter().filter(|edge| level(edge) + least >= longest).count();
            let is_clear = count(0) == 1 && count(2) <= 3;
            for edge in &mut found {
                edge.is_main = match main_from {
                    Some(from) => edge.from == from,
                    None => is_clear && level(edge) == longest,
                };
            }
            let above = found.iter().map(|edge| level(edge) + 1).max().unwrap_or(0);
            let at = depth.entry(unit).or_default();
            *at = (*at).max(above);
            self.scene.edges.extend(found);
        }
    }

    fn add_output(&mut self) {
        let model = self.model;
        let source = self.folding.drawn(self.sources[model.output.index()]);
        let from = self.unit_of[&source];
        let losses = model.losses.iter().filter(|term| matches!(term.loss.kind(), LossKind::Task(_)));
        let unit = self.scene.units.len();
        self.scene.units.push(Unit {
            group: 0,
            kind: Kind::Output,
            parts: vec![Part {
                family: Family::Structure,
                title: self.scene.task.clone(),
                arguments: String::new(),
                parameters: String::new(),
                nodes: Vec::new(),
            }],
            ty: String::new(),
            name: None,
            losses: losses.map(loss_text).collect(),
        });
        self.scene.edges.push(Edge {
            from,
            to: unit,
            is_main: true,
            is_structure: false,
            label: String::new(),
        });
    }

    /// Makes the groups and says which one each node is drawn in.
    fn groups(&mut self, drawn: &[usize]) -> HashMap<usize, usize> {
        let homes = self.homes(drawn);
        let mut known: HashMap<(usize, GroupKey), usize> = HashMap::new();
        let mut found = HashMap::new();
        let mut open = |scene: &mut Scene, parent: usize, key: GroupKey, group: Group| {
            *known.entry((parent, key)).or_insert_with(|| {
                scene.groups.push(group);
                scene.groups.len() - 1
            })
        };
        let shared = self.shared(drawn);
        for &idx in drawn {
            let node = self.node(idx);
            let home = homes[&idx];
            let label = self.home_label(idx, home);
            let kind = GroupKind::Level(home.level);
            let mut group =
                open(&mut self.scene, 0, GroupKey::Home(home), Group { parent: 0, kind, label, times: 1 });
            for (text, instance) in node.scope.openings() {
                let times = self.folding.times(instance);
                let label = scope_label(text, times, shared.contains(&instance));
                let inner = Group { parent: group, kind: GroupKind::Block, label, times };
                group = open(&mut self.scene, group, GroupKey::Instance(instance), inner);
            }
            found.insert(idx, group);
        }
        found
    }

    /// Rounds that are drawn for all of a `repeat` that share their weights, by their instance.
    fn shared(&self, drawn: &[usize]) -> HashSet<u32> {
        let mut shared = HashSet::new();
        for &idx in drawn {
            let openings = self.node(idx).scope.openings();
            for &round in &self.rounds[&idx] {
                let Some(owner) = self.node(round).shares else { continue };
                let (own, first) =
                    (self.node(round).scope.openings(), self.model.graph[owner].scope.openings());
                let depth = own.iter().zip(&first).take_while(|(own, first)| own == first).count();
                shared.extend(openings.get(depth).map(|(_, instance)| *instance));
            }
        }
        shared
    }

    /// The part of the hierarchy that each node is drawn in. A pooling belongs to the level that it pools.
    fn homes(&self, drawn: &[usize]) -> HashMap<usize, Home> {
        let mut homes: HashMap<usize, Home> = HashMap::new();
        for &idx in drawn {
            let (ty, inputs) = (&self.rows[idx].ty, &self.rows[idx].inputs);
            let first = inputs.first().map(|&input| &self.rows[input].ty);
            let level = match first {
                _ if ty.entity == Entity::Graph => GRAPH,
                Some(first) if first.level != ty.level => level_of(first),
                _ => level_of(ty),
            };
            // A value that comes back to a finer level begins a new part, so that parts follow one another.
            let visit =
                inputs.iter().filter_map(|&input| homes.get(&self.folding.drawn(self.sources[input])));
            let visit = visit.map(|home| home.visit + usize::from(home.level > level)).max().unwrap_or(0);
            homes.insert(idx, Home { level, visit });
        }
        homes
    }

    fn home_label(&self, idx: usize, home: Home) -> String {
        if home.level == GRAPH {
            return "graph vector".into();
        }
        let row = &self.rows[idx];
        let is_pooled = row.inputs.first().is_some_and(|&input| self.rows[input].ty.level != row.ty.level);
        let ty = if is_pooled { &self.rows[row.inputs[0]].ty } else { &row.ty };
        let rows = &ty.rows.size;
        let what = match ty.entity {
            _ if home.level == 0 => "input graph".to_owned(),
            Entity::Nodes => format!("{rows} kept nodes"),
            Entity::Edges | Entity::EdgeKinds => "edges".to_owned(),
            Entity::Pairs => "pairs".to_owned(),
            Entity::Clusters => format!("{rows} clusters"),
            Entity::Slots => format!("{rows} slots"),
            Entity::Graph => "graph".to_owned(),
        };
        format!("level {}: {what}", home.level)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Home {
    level: usize,
    /// Counts how often a value came back from a coarser level.
    visit: usize,
}

/// After all levels.
const GRAPH: usize = usize::MAX;

fn level_of(ty: &Type) -> usize {
    let Level(level) = ty.level;
    if ty.entity == Entity::Graph { GRAPH } else { level as usize }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum GroupKey {
    Home(Home),
    Instance(u32),
}

/// It gives out what it gets.
fn is_handed_on(node: &Node) -> bool {
    node.op.family() == Family::Structure
        && node.op.ports() == Ports::One
        && node.op.width_rule() == WidthRule::Kept
        && node.op.args().is_empty()
}

/// Activations, normalisations and dropout are drawn at the stage that they follow.
fn is_attachable(node: &Node, row: &StageRow) -> bool {
    match node.op.family() {
        Family::Activation | Family::Normalization => true,
        Family::Dense => row.parameters == Some(0) && node.op.width_rule() == WidthRule::Kept,
        _ => false,
    }
}

/// The port whose value is used in place of port 0, which then only gives the graph.
fn superseding_port(node: &Node, row: &StageRow) -> Option<usize> {
    node.op.args().iter().find_map(|spec| match (spec.kind, spec.default) {
        (ArgKind::Pipeline { port }, Default::Inferred(_)) if port < row.inputs.len() => Some(port),
        _ => None,
    })
}

fn port_name(node: &Node, port: usize) -> Option<&'static str> {
    let takes_port = |spec: &&ArgSpec| matches!(spec.kind, ArgKind::Pipeline { .. } | ArgKind::Edges(_));
    let mut specs = node.op.args().iter().filter(takes_port);
    specs.find(|spec| node.args.port(spec.name) == Some(port)).map(|spec| spec.name)
}

/// The arguments as written, without names where they may be left out.
fn arguments(node: &Node) -> String {
    let mut words = Vec::new();
    for (arg, spec) in node.args.0.iter().zip(node.op.args()) {
        let is_shown = arg.span.is_some() && !matches!(arg.value, ArgValue::Absent | ArgValue::Pipeline);
        if is_shown {
            let value = plan::value_text(&arg.value);
            words.push(if spec.positional && words.is_empty() {
                value
            } else {
                format!("{} = {value}", arg.name)
            });
        }
    }
    words.join(", ")
}

/// `0.1 · entropy`
pub(super) fn loss_text(term: &crate::ir::LossTerm) -> String {
    if term.weight == 1.0 { term.label() } else { format!("{} · {}", term.weight, term.label()) }
}

/// `8,256`; of several rounds `256 + 2 × 4,160`.
fn parameters(counts: &[usize]) -> String {
    if counts.iter().all(|&count| count == 0) {
        return String::new();
    }
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &count in counts {
        match runs.last_mut() {
            Some((times, last)) if *last == count => *times += 1,
            _ => runs.push((1, count)),
        }
    }
    if runs.len() > 2 {
        return grouped(counts.iter().sum());
    }
    let run = |&(times, count): &(usize, usize)| match times {
        1 => grouped(count),
        times => format!("{} × {}", grouped(times), grouped(count)),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(" + ")
}

/// `12,345`
pub(super) fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or(""));
    groups.collect::<Vec<_>>().join(",")
}

/// Blocks keep their text; the round of a repeat says which one it is, unless it stands for all.
fn scope_label(text: &str, times: usize, is_shared: bool) -> String {
    match text.strip_prefix("repeat ") {
        Some(_) if times > 1 && is_shared => "shared weights".to_owned(),
        Some(_) if times > 1 => String::new(),
        Some(round) => format!("round {round}"),
        None => text.to_owned(),
    }
}

/// Takes away frames between which values go back and forth, so that the frames of a group follow one another.
fn open_circles(scene: &mut Scene) {
    loop {
        let mut depth = vec![0; scene.groups.len()];
        for idx in 1..depth.len() {
            depth[idx] = depth[scene.groups[idx].parent] + 1;
        }
        // Frames and boxes as nodes of one graph: each line joins the two children of the frame that it lies in.
        let mut joined: DiGraph<(), ()> = DiGraph::new();
        let n_units = scene.units.len();
        for _ in 0..n_units + depth.len() {
            joined.add_node(());
        }
        for edge in &scene.edges {
            let (mut from, mut to) = (edge.from, edge.to);
            let (mut up, mut down) = (scene.units[from].group, scene.units[to].group);
            while up != down {
                if depth[up] >= depth[down] {
                    (from, up) = (n_units + up, scene.groups[up].parent);
                } else {
                    (to, down) = (n_units + down, scene.groups[down].parent);
                }
            }
            joined.update_edge(NodeIndex::new(from), NodeIndex::new(to), ());
        }
        let circles = petgraph::algo::tarjan_scc(&joined);
        let on_circles = circles.iter().filter(|circle| circle.len() > 1).flatten();
        let mut opened: Vec<usize> =
            on_circles.filter_map(|node| node.index().checked_sub(n_units)).collect();
        if opened.is_empty() {
            return;
        }
        // The innermost first: that may do.
        let deepest = opened.iter().map(|&group| depth[group]).max();
        opened.retain(|&group| Some(depth[group]) == deepest);
        let is_opened: HashSet<usize> = opened.iter().copied().collect();
        for unit in &mut scene.units {
            if is_opened.contains(&unit.group) {
                unit.group = scene.groups[unit.group].parent;
            }
        }
        for idx in 1..scene.groups.len() {
            if is_opened.contains(&scene.groups[idx].parent) {
                scene.groups[idx].parent = scene.groups[scene.groups[idx].parent].parent;
            }
        }
        for &group in &opened {
            // A level without members would stay as a frame, so it becomes a block, which is left out.
            scene.groups[group].kind = GroupKind::Block;
        }
        tidy_groups(scene);
    }
}

/// Leaves out frames that say nothing: around one box, and around one other frame, whose label then says both.
pub(super) fn tidy_groups(scene: &mut Scene) {
    let n = scene.groups.len();
    let mut members = vec![0usize; n];
    let mut inner: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); n];
    scene.units.iter().for_each(|unit| members[unit.group] += 1);
    for idx in 1..n {
        inner[scene.groups[idx].parent].insert(idx);
    }
    // What each group becomes: itself, or its parent.
    let mut kept = vec![true; n];
    for idx in (1..n).rev() {
        let group = &scene.groups[idx];
        let is_block = group.kind == GroupKind::Block;
        let (n_units, groups) = (members[idx], &inner[idx]);
        if is_block
            && (n_units + groups.len() == 0 || (group.times == 1 && n_units == 1 && groups.is_empty()))
        {
            kept[idx] = false;
            let parent = group.parent;
            members[parent] += n_units;
            inner[parent].remove(&idx);
            continue;
        }
        if let (Some(&only), 1, 0) = (groups.first(), groups.len(), n_units) {
            let child = scene.groups[only].clone();
            let can_join =
                is_block && child.kind == GroupKind::Block && (group.times == 1 || child.times == 1);
            if can_join {
                kept[only] = false;
                let of_child = std::mem::take(&mut inner[only]);
                let labels = [group.label.as_str(), child.label.as_str()];
                let labels: Vec<&str> = labels.into_iter().filter(|label| !label.is_empty()).collect();
                let label = labels.join(" › ");
                let group = &mut scene.groups[idx];
                (group.label, group.times) = (label, group.times * child.times);
                members[idx] = members[only];
                of_child.iter().for_each(|&grandchild| scene.groups[grandchild].parent = idx);
                inner[idx] = of_child;
            }
        }
    }
    let home = |mut idx: usize, scene: &Scene| {
        while !kept[idx] {
            idx = scene.groups[idx].parent;
        }
        idx
    };
    let units: Vec<usize> = scene.units.iter().map(|unit| home(unit.group, scene)).collect();
    let parents: Vec<usize> = scene.groups.iter().map(|group| home(group.parent, scene)).collect();
    let mut new = vec![0; n];
    let mut groups = Vec::new();
    for (idx, group) in std::mem::take(&mut scene.groups).into_iter().enumerate() {
        if kept[idx] {
            new[idx] = groups.len();
            groups.push(Group { parent: new[parents[idx]], ..group });
        }
    }
    scene.groups = groups;
    scene.units.iter_mut().zip(units).for_each(|(unit, group)| unit.group = new[group]);
}
