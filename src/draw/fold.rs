//! What is drawn once for many: equal rounds of a `repeat`, and, where a model is too large to be looked at, whole
//! blocks and stretches of stages.

use super::scene::{Group, GroupKind, Kind, Part, Scene, Unit, grouped, tidy_groups};
use crate::ir::Model;
use crate::ops;
use crate::ops::Family;
use crate::plan::StageRow;
use petgraph::graph::NodeIndex;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

/// Which rounds of which repeats are drawn as one.
pub(super) struct Folding {
    /// The round that stands for each node's own: the same place in the first round of its run.
    drawn: Vec<usize>,
    /// Run and round of each instance of a scope that is in one.
    runs: HashMap<u32, (usize, usize)>,
    /// Rounds of each run.
    times: Vec<usize>,
    /// Runs around each node, outermost first, with its round.
    around: Vec<Vec<(usize, usize)>>,
}

/// A round as the model has it.
struct Round {
    instance: u32,
    nodes: Range<usize>,
}

impl Folding {
    /// Nothing is folded.
    pub fn none(model: &Model) -> Self {
        let n = model.graph.node_count();
        Self { drawn: (0..n).collect(), runs: HashMap::new(), times: Vec::new(), around: vec![Vec::new(); n] }
    }

    /// Neighbouring rounds that compute the same are folded, as far as their marks agree.
    pub fn of(model: &Model, rows: &[StageRow], mark: &dyn Fn(NodeIndex) -> u8) -> Self {
        let mut folding = Self::none(model);
        // (run, shift) of each round after the first, by its instance.
        let mut shifts: HashMap<u32, usize> = HashMap::new();
        let read_outside = last_readers(rows);
        for rounds in repeats(model) {
            let mut idx = 0;
            while idx < rounds.len() {
                let first = idx;
                let mut entry: Option<usize> = None;
                while idx + 1 < rounds.len() {
                    let (a, b) = (&rounds[idx].nodes, &rounds[idx + 1].nodes);
                    let Some(found) = entry_of_equal(model, rows, mark, &read_outside, a, b) else { break };
                    // Every round is entered by the end of the one before, at the same places.
                    if idx > first && entry != found {
                        break;
                    }
                    entry = Some(b.start).and_then(|_| end(&read_outside, a));
                    idx += 1;
                }
                let run = folding.times.len();
                folding.times.push(idx - first + 1);
                for (round, at) in rounds[first..=idx].iter().enumerate() {
                    folding.runs.insert(at.instance, (run, round));
                    shifts.insert(at.instance, at.nodes.start - rounds[first].nodes.start);
                }
                idx += 1;
            }
        }
        for (idx, node) in model.nodes() {
            let openings = node.scope.openings().into_iter();
            let runs = openings.filter_map(|(_, instance)| folding.runs.get(&instance).copied());
            folding.around[idx.index()] = runs.collect();
        }
        for idx in 0..folding.drawn.len() {
            // The outermost shift first; the place found lies in an equal round, whose own shifts follow.
            let mut at = idx;
            let mut depth = 0;
            let mut openings = model.graph[NodeIndex::new(at)].scope.openings();
            while let Some((_, instance)) = openings.get(depth) {
                if let Some(&shift) = shifts.get(instance).filter(|&&shift| shift > 0) {
                    at -= shift;
                    openings = model.graph[NodeIndex::new(at)].scope.openings();
                }
                depth += 1;
            }
            folding.drawn[idx] = at;
        }
        folding
    }

    pub fn drawn(&self, idx: usize) -> usize {
        self.drawn[idx]
    }

    /// How many rounds a scope stands for.
    pub fn times(&self, instance: u32) -> usize {
        self.runs.get(&instance).map_or(1, |&(run, _)| self.times[run])
    }

    /// Whether a value goes from one round of a run to another, which the drawing does not show.
    pub fn is_between_rounds(&self, from: usize, to: usize) -> bool {
        let rounds = self.around[to].iter();
        rounds.zip(&self.around[from]).any(|(to, from)| to.0 == from.0 && to.1 != from.1)
    }
}

/// The rounds of every `repeat`, in order. Rounds without stages of their own are left out.
fn repeats(model: &Model) -> Vec<Vec<Round>> {
    // By instance: its text, the instance around it, its nodes.
    let mut found: BTreeMap<u32, (&str, Option<u32>, Range<usize>)> = BTreeMap::new();
    for (idx, node) in model.nodes() {
        let mut around = None;
        for (text, instance) in node.scope.openings() {
            let idx = idx.index();
            let (_, _, nodes) = found.entry(instance).or_insert((text, around, idx..idx + 1));
            nodes.end = idx + 1;
            around = Some(instance);
        }
    }
    let mut repeats: Vec<Vec<Round>> = Vec::new();
    // The last round seen in each scope.
    let mut open: HashMap<Option<u32>, (usize, u64)> = HashMap::new();
    for (instance, (text, around, nodes)) in found {
        let Some(number) = text.strip_prefix("repeat ").and_then(|number| number.parse::<u64>().ok()) else {
            continue;
        };
        let round = Round { instance, nodes };
        match open.get_mut(&around) {
            Some((repeat, last)) if *last + 1 == number => {
                repeats[*repeat].push(round);
                *last = number;
            }
            _ => {
                open.insert(around, (repeats.len(), number));
                repeats.push(vec![round]);
            }
        }
    }
    repeats
}

/// The last node that reads each node's value; the number of nodes for the model's output.
fn last_readers(rows: &[StageRow]) -> Vec<usize> {
    let mut last = vec![0; rows.len()];
    for row in rows {
        row.inputs.iter().for_each(|&input| last[input] = row.index);
    }
    last.iter_mut().filter(|last| **last == 0).for_each(|last| *last = rows.len());
    last
}

/// The one node of a round whose value is read outside of it.
fn end(last_readers: &[usize], nodes: &Range<usize>) -> Option<usize> {
    let mut ends = nodes.clone().filter(|&idx| last_readers[idx] >= nodes.end);
    match (ends.next(), ends.next()) {
        (Some(end), None) => Some(end),
        _ => None,
    }
}

/// Where two neighbouring rounds are equal: the value that enters the first one in place of its predecessor.
/// The outer `None` says that they differ.
fn entry_of_equal(
    model: &Model,
    rows: &[StageRow],
    mark: &dyn Fn(NodeIndex) -> u8,
    last_readers: &[usize],
    a: &Range<usize>,
    b: &Range<usize>,
) -> Option<Option<usize>> {
    if a.len() != b.len() || a.end != b.start {
        return None;
    }
    let (end_a, end_b) = (end(last_readers, a)?, end(last_readers, b)?);
    if end_a - a.start != end_b - b.start {
        return None;
    }
    let mut entry = None;
    for (of_a, of_b) in a.clone().zip(b.clone()) {
        let (idx_a, idx_b) = (NodeIndex::new(of_a), NodeIndex::new(of_b));
        let (node_a, node_b) = (&model.graph[idx_a], &model.graph[idx_b]);
        let (row_a, row_b) = (&rows[of_a], &rows[of_b]);
        let values = |node: &crate::ir::Node| -> Vec<crate::args::ArgValue> {
            node.args.0.iter().map(|arg| arg.value.clone()).collect()
        };
        let is_equal = ops::is_same(node_a.op, node_b.op)
            && mark(idx_a) == mark(idx_b)
            && row_a.ty.level == row_b.ty.level
            && row_a.ty.to_string() == row_b.ty.to_string()
            // The name of the whole repeat stands at the end of its last round.
            && (row_a.name == row_b.name || row_a.name.is_none() && of_a == end_a)
            && row_a.inputs.len() == row_b.inputs.len()
            && values(node_a) == values(node_b)
            && same_inner_scopes(node_a, node_b);
        if !is_equal {
            return None;
        }
        for (&from_a, &from_b) in row_a.inputs.iter().zip(&row_b.inputs) {
            let is_inside =
                a.contains(&from_a) && b.contains(&from_b) && from_a - a.start == from_b - b.start;
            let is_common = from_a == from_b && from_a < a.start;
            let is_entry = from_b == end_a && from_a < a.start;
            if is_entry && entry.is_none_or(|known| known == from_a) {
                entry = Some(from_a);
            } else if !is_inside && !is_common {
                return None;
            }
        }
    }
    Some(entry)
}

fn same_inner_scopes(a: &crate::ir::Node, b: &crate::ir::Node) -> bool {
    // The rounds themselves have different texts; blocks and repeats within them have the same.
    let (a, b) = (a.scope.openings(), b.scope.openings());
    let depth = a.iter().zip(&b).take_while(|((_, a), (_, b))| a == b).count();
    a.len() == b.len() && a.iter().zip(&b).skip(depth + 1).all(|((a, _), (b, _))| a == b)
}

/// More boxes than this are too many for one drawing, and more than that for one row.
const MOST_UNITS: usize = 240;
const MOST_IN_ROW: usize = 24;

/// More stages than these in one box are too many.
const MOST_PARTS: usize = 24;

/// The title of what stands for stages that are not shown.
pub(super) const MIDDLE: &str = "…";

/// Makes a scene small enough to be looked at: blocks become one box each, the innermost first; then the middle of
/// each group; then the middle of the whole.
pub(super) fn limit(scene: &mut Scene) {
    fold_parts(scene);
    fold_rows(scene);
    while scene.units.len() > MOST_UNITS {
        let Some(deepest) = deepest_blocks(scene) else { break };
        let group_of: Vec<Option<usize>> =
            scene.units.iter().map(|unit| deepest.contains(&unit.group).then_some(unit.group)).collect();
        merge(scene, &group_of, true);
        tidy_groups(scene);
    }
    if scene.units.len() > MOST_UNITS {
        fold_middles(scene, true);
    }
    if scene.units.len() > MOST_UNITS {
        fold_middles(scene, false);
    }
}

/// Folds the middle of a box to which many stages are attached.
fn fold_parts(scene: &mut Scene) {
    for unit in scene.units.iter_mut().filter(|unit| unit.parts.len() > MOST_PARTS) {
        let kept = MOST_PARTS / 2;
        let middle = kept..unit.parts.len() - kept;
        let folded: Vec<Part> = unit.parts.drain(middle).collect();
        let nodes: Vec<NodeIndex> = folded.into_iter().flat_map(|part| part.nodes).collect();
        scene.n_hidden += nodes.len();
        let arguments = format!("{} stages", grouped(nodes.len()));
        let (title, parameters) = (MIDDLE.to_owned(), String::new());
        unit.parts.insert(kept, Part { family: Family::Structure, title, arguments, parameters, nodes });
    }
}

/// Folds the middle of many boxes beside one another: those of a group whose longest way from the input is as long.
fn fold_rows(scene: &mut Scene) {
    let mut depth = vec![0usize; scene.units.len()];
    let mut edges: Vec<(usize, usize)> = scene.edges.iter().map(|edge| (edge.to, edge.from)).collect();
    edges.sort_unstable();
    for (to, from) in edges {
        depth[to] = depth[to].max(depth[from] + 1);
    }
    let mut rows: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (idx, unit) in scene.units.iter().enumerate() {
        rows.entry((depth[idx], unit.group)).or_default().push(idx);
    }
    let mut of_unit: Vec<Option<usize>> = vec![None; scene.units.len()];
    for (key, row) in rows.values().filter(|row| row.len() > MOST_IN_ROW).enumerate() {
        let kept = MOST_IN_ROW / 2 - 1;
        row[kept..row.len() - kept].iter().for_each(|&unit| of_unit[unit] = Some(key));
    }
    if of_unit.iter().any(Option::is_some) {
        merge(scene, &of_unit, false);
        tidy_groups(scene);
    }
}

/// The innermost blocks that hold only boxes.
fn deepest_blocks(scene: &Scene) -> Option<HashSet<usize>> {
    let mut depth = vec![0; scene.groups.len()];
    for idx in 1..scene.groups.len() {
        depth[idx] = depth[scene.groups[idx].parent] + 1;
    }
    let blocks = (1..scene.groups.len()).filter(|&idx| scene.groups[idx].kind == GroupKind::Block);
    let deepest = blocks.clone().map(|idx| depth[idx]).max()?;
    Some(blocks.filter(|&idx| depth[idx] == deepest).collect())
}

/// Folds the middle of each group's units, or of all units, into one box.
fn fold_middles(scene: &mut Scene, by_group: bool) {
    let last = scene.units.len() - 1;
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (idx, unit) in scene.units.iter().enumerate().take(last) {
        members.entry(if by_group { unit.group } else { 0 }).or_default().push(idx);
    }
    let room = if by_group { (MOST_UNITS / 4 / members.len().max(1)).clamp(2, 30) } else { MOST_UNITS / 8 };
    let mut of_unit: Vec<Option<usize>> = vec![None; scene.units.len()];
    for (group, members) in &members {
        if members.len() > 2 * room + 1 {
            let middle = &members[room..members.len() - room];
            // Only units with consecutive numbers can be one box without making a circle.
            let mut stretch = 0;
            for (place, &unit) in middle.iter().enumerate() {
                if place > 0 && middle[place - 1] + 1 != unit {
                    stretch += 1;
                }
                of_unit[unit] = Some(group + scene.groups.len() * stretch);
            }
        }
    }
    if !by_group {
        // What is left keeps no frames: a folded box may lie on several levels.
        scene.groups.truncate(1);
        scene.units.iter_mut().for_each(|unit| unit.group = 0);
    }
    merge(scene, &of_unit, false);
    tidy_groups(scene);
}

/// Makes one box of all units with the same key. A merged block takes the place of its group.
fn merge(scene: &mut Scene, key: &[Option<usize>], is_block: bool) {
    let mut new_of: Vec<usize> = Vec::with_capacity(scene.units.len());
    let mut of_key: HashMap<usize, usize> = HashMap::new();
    let mut units: Vec<Unit> = Vec::new();
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for (unit, key) in std::mem::take(&mut scene.units).into_iter().zip(key) {
        let Some(key) = *key else {
            new_of.push(units.len());
            units.push(unit);
            continue;
        };
        let stages: usize = unit.parts.iter().map(|part| part.nodes.len()).sum();
        let nodes = unit.parts.iter().flat_map(|part| part.nodes.iter().copied());
        if let Some(&at) = of_key.get(&key) {
            new_of.push(at);
            *counts.entry(at).or_default() += stages;
            let into = &mut units[at];
            into.parts[0].nodes.extend(nodes);
            into.ty = unit.ty;
            into.name = unit.name;
            into.losses.extend(unit.losses);
            continue;
        }
        let at = units.len();
        of_key.insert(key, at);
        counts.insert(at, stages);
        new_of.push(at);
        let (group, title) = match scene.groups.get(key) {
            Some(Group { label, times, .. }) if is_block && !label.is_empty() => {
                (unit.group, if *times > 1 { format!("{label} × {times}") } else { label.clone() })
            }
            Some(Group { times, .. }) if is_block => (unit.group, format!("repeat × {times}")),
            _ => (unit.group, MIDDLE.to_owned()),
        };
        let nodes = nodes.collect();
        units.push(Unit {
            group,
            kind: Kind::Folded,
            parts: vec![Part {
                family: Family::Structure,
                title,
                arguments: String::new(),
                parameters: String::new(),
                nodes,
            }],
            ..unit
        });
    }
    for (at, count) in counts {
        units[at].parts[0].arguments = format!("{} stages", grouped(count));
        scene.n_hidden += count;
    }
    if is_block {
        // The box stands for the frame, rounds included.
        for &key in of_key.keys() {
            scene.groups[key].times = 1;
        }
    }
    let mut edges: BTreeMap<(usize, usize), super::scene::Edge> = BTreeMap::new();
    for edge in std::mem::take(&mut scene.edges) {
        let (from, to) = (new_of[edge.from], new_of[edge.to]);
        if from != to {
            let known =
                edges.entry((to, from)).or_insert_with(|| super::scene::Edge { from, to, ..edge.clone() });
            known.is_main |= edge.is_main;
            known.is_structure &= edge.is_structure;
        }
    }
    // A box has one straight way in.
    let mut has_main = vec![false; units.len()];
    scene.edges = edges.into_values().collect();
    for edge in &mut scene.edges {
        edge.is_main &= !has_main[edge.to];
        has_main[edge.to] |= edge.is_main;
    }
    scene.units = units;
    sort(scene);
}

/// Numbers the units topologically again.
fn sort(scene: &mut Scene) {
    let n = scene.units.len();
    let (mut n_inputs, mut readers) = (vec![0usize; n], vec![Vec::new(); n]);
    for edge in &scene.edges {
        n_inputs[edge.to] += 1;
        readers[edge.from].push(edge.to);
    }
    let mut ready: BTreeSet<usize> = (0..n).filter(|&idx| n_inputs[idx] == 0).collect();
    let mut new_of = vec![usize::MAX; n];
    let mut next = 0;
    while let Some(idx) = ready.pop_first() {
        new_of[idx] = next;
        next += 1;
        for &reader in &readers[idx] {
            n_inputs[reader] -= 1;
            if n_inputs[reader] == 0 {
                ready.insert(reader);
            }
        }
    }
    // Boxes that stand for consecutive stages or for a block cannot be on a circle; if one was, its arrows back
    // would have to go.
    for place in new_of.iter_mut().filter(|place| **place == usize::MAX) {
        *place = next;
        next += 1;
    }
    let mut units: Vec<(usize, Unit)> =
        new_of.iter().copied().zip(std::mem::take(&mut scene.units)).collect();
    units.sort_by_key(|(place, _)| *place);
    scene.units = units.into_iter().map(|(_, unit)| unit).collect();
    scene.edges.iter_mut().for_each(|edge| (edge.from, edge.to) = (new_of[edge.from], new_of[edge.to]));
    scene.edges.retain(|edge| edge.from < edge.to);
}
