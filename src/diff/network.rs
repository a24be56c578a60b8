//! What changed in the network: stages added, removed, moved or changed, in words, and which weights still fit.

use super::align::Alignment;
use super::view::{Stage, View, short_call, value_or_absence};
use super::{Change, Class, Kind, WeightMatch, WeightState};
use crate::args::{ArgKind, ArgSpec, ArgValue, Args};
use crate::conv::{operator::Defined, text};
use crate::ops::{Operator, Ports, WidthRule, weight_scope};
use crate::plan::words::grouped;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// The stage that a weight belongs to, before and after.
type Owner = (Option<usize>, Option<usize>);

/// The stages that a value comes from, looking through stages that are gone or new; `None` where they are too many to
/// be compared. Stages that look through to the same ones share the set.
type Sources = Option<Rc<BTreeSet<usize>>>;

/// More sources of one value are not compared, so that comparing stays linear in the number of stages.
const MAX_SOURCES: usize = 64;

/// Inputs that are named one by one; of more, the others are counted.
const MAX_INPUTS: usize = 8;

/// A change with the stages that it is about, in each view.
struct Found {
    kind: Kind,
    text: String,
    /// Follows the text where it stands alone.
    place: String,
    before: Vec<usize>,
    after: Vec<usize>,
    class: Class,
}

/// Compares the stages of two models that were aligned.
pub(super) struct Network<'v, 'a> {
    before: &'v View<'a>,
    after: &'v View<'a>,
    alignment: &'v Alignment,
    moved: HashSet<usize>,
    /// Of each stage, in terms of `after`.
    sources_before: Vec<Sources>,
    sources_after: Vec<Sources>,
    found: Vec<Found>,
}

impl<'v, 'a> Network<'v, 'a> {
    pub fn compare(
        before: &'v View<'a>,
        after: &'v View<'a>,
        alignment: &'v Alignment,
    ) -> (Vec<Change>, Vec<WeightMatch>) {
        let moved: HashSet<usize> = alignment.moved.iter().map(|&(idx, _)| idx).collect();
        let stays = |mate: Option<usize>, idx: usize| mate.filter(|_| !moved.contains(&idx));
        let of_before = sources(&before.stages, |idx| stays(alignment.after[idx], idx));
        let of_after =
            sources(&after.stages, |idx| alignment.before[idx].and_then(|mate| stays(Some(idx), mate)));
        let mut network = Self {
            before,
            after,
            alignment,
            sources_before: of_before,
            sources_after: of_after,
            moved,
            found: Vec::new(),
        };
        network.find_repeats();
        network.find_pairs();
        network.find_moves();
        network.find_gaps();
        let weights = network.match_weights();
        network.find_causes(&weights);
        let changes = network.told();
        (changes, weights.into_iter().map(|(_, weight)| weight).collect())
    }

    fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        let mates = self.alignment.after.iter().enumerate();
        mates.filter_map(|(idx, mate)| Some((idx, (*mate)?)))
    }

    /// Every weight of either model, with the pair or single stage that it belongs to.
    fn match_weights(&self) -> Vec<(Owner, WeightMatch)> {
        let mut all = Vec::new();
        let name = |stage: &Stage, weight: &str| {
            format!("{}.{}.{weight}", stage.node.index(), weight_scope(stage.op))
        };
        for (i, stage) in self.before.stages.iter().enumerate() {
            let mate = self.alignment.after[i].map(|j| (j, &self.after.stages[j]));
            let mate = mate.filter(|(_, mate)| weight_scope(mate.op) == weight_scope(stage.op));
            for weight in &stage.weights {
                let other =
                    mate.and_then(|(_, mate)| mate.weights.iter().find(|other| other.name == weight.name));
                let state = match other {
                    None => WeightState::Dropped,
                    Some(other) if other.shape == weight.shape => WeightState::Kept,
                    Some(_) => WeightState::Reshaped,
                };
                let here = Some((name(stage, weight.name), weight.shape.clone()));
                let there =
                    mate.zip(other).map(|((_, mate), other)| (name(mate, other.name), other.shape.clone()));
                let stages = (Some(i), self.alignment.after[i]);
                all.push((stages, WeightMatch { before: here, after: there, state }));
            }
        }
        for (j, stage) in self.after.stages.iter().enumerate() {
            let mate = self.alignment.before[j].map(|i| &self.before.stages[i]);
            let mate = mate.filter(|mate| weight_scope(mate.op) == weight_scope(stage.op));
            for weight in &stage.weights {
                if mate.is_some_and(|mate| mate.weights.iter().any(|other| other.name == weight.name)) {
                    continue;
                }
                let there = Some((name(stage, weight.name), weight.shape.clone()));
                let stages = (self.alignment.before[j], Some(j));
                all.push((stages, WeightMatch { before: None, after: there, state: WeightState::New }));
            }
        }
        all
    }

    /// Operators and arguments of stages that belong together, and what they read.
    fn find_pairs(&mut self) {
        let pairs: Vec<_> = self.pairs().collect();
        for (i, j) in pairs {
            let (a, b) = (&self.before.stages[i], &self.after.stages[j]);
            if weight_scope(a.op) != weight_scope(b.op) {
                let (from, to) = (short_call(a.op, a.args), short_call(b.op, b.args));
                let class = match a.weights.is_empty() && b.weights.is_empty() {
                    true => Class::WeightCompatible,
                    false => Class::WeightBreaking,
                };
                self.note(Kind::Changed, format!("{from} → {to}"), class, vec![i], vec![j]);
            } else if !self.find_body(i, j) {
                self.find_arguments(i, j);
            }
            self.find_sharing(i, j);
            if !self.moved.contains(&i) {
                self.find_inputs(i, j);
            }
        }
    }

    /// Whether a stage has weights of its own or shares those of another, and of which.
    fn find_sharing(&mut self, i: usize, j: usize) {
        let (a, b) = (&self.before.stages[i], &self.after.stages[j]);
        let owner = |shares: Option<usize>, view: &View| match shares {
            Some(owner) => format!("shared with stage {}", view.stages[owner].node.index()),
            None => "its own".to_owned(),
        };
        let is_same = match (a.shares, b.shares) {
            (Some(one), Some(other)) => self.alignment.after[one] == Some(other),
            (one, other) => one.is_none() && other.is_none(),
        };
        // What stands without a mate is said of that stage.
        let is_gone =
            matches!((a.shares, b.shares), (Some(one), Some(_)) if self.alignment.after[one].is_none());
        if !is_same && !is_gone {
            let (from, to) = (owner(a.shares, self.before), owner(b.shares, self.after));
            let text = format!("{}: weights {from} → {to}", b.op.name());
            self.note(Kind::Changed, text, Class::WeightBreaking, vec![i], vec![j]);
        }
    }

    /// Parts of convolutions that the files define themselves, where they differ by more than the values of parameters.
    /// Returns whether nothing else is to be said of the stage.
    fn find_body(&mut self, i: usize, j: usize) -> bool {
        let (a, b) = (&self.before.stages[i], &self.after.stages[j]);
        let (Some(one), Some(other)) = (Defined::of(a.op), Defined::of(b.op)) else { return false };
        let (one, other) = (one.definition(), other.definition());
        if text::entries(one, a.args) == text::entries(other, b.args) {
            // The same is computed, whatever the names.
            return true;
        }
        let names = |args: &Args| args.0.iter().map(|arg| arg.name).collect::<Vec<_>>();
        let are_same_params = names(a.args) == names(b.args);
        let none = Args::default();
        let args = if are_same_params { (&none, &none) } else { (a.args, b.args) };
        let (one, other) = (text::entries(one, args.0), text::entries(other, args.1));
        let class = match a.weights == b.weights {
            true => Class::WeightCompatible,
            false => Class::WeightBreaking,
        };
        let name = b.op.name();
        let split = |entry: &String| {
            let (part, value) = entry.split_once(" = ").unwrap_or((entry, ""));
            (part.to_owned(), value.to_owned())
        };
        let (one, other): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (one.iter().map(split).collect(), other.iter().map(split).collect());
        let parts: BTreeSet<_> = one.keys().chain(other.keys()).cloned().collect();
        for part in parts.iter().filter(|part| one.get(*part) != other.get(*part)) {
            let of = |side: &BTreeMap<String, String>| {
                side.get(part).map_or("aggregated", String::as_str).to_owned()
            };
            let text = format!("{name}: {part} {} → {}", of(&one), of(&other));
            self.note(Kind::Changed, text, class, vec![i], vec![j]);
        }
        !are_same_params
    }

    fn find_arguments(&mut self, i: usize, j: usize) {
        let (a, b) = (&self.before.stages[i], &self.after.stages[j]);
        let op = a.op;
        let differing: Vec<_> =
            a.args.0.iter().zip(&b.args.0).filter(|(one, other)| one.value != other.value).collect();
        let are_equal_weights = a.weights == b.weights;
        let is_lone = differing.len() == 1;
        for (one, other) in differing {
            let spec = op.args().iter().find(|spec| spec.name == one.name);
            let is_pipeline = |value: &ArgValue| *value == ArgValue::Pipeline;
            let is_of_edges = spec.is_some_and(|spec| matches!(spec.kind, ArgKind::Edges(_)));
            if is_of_edges {
                // Which of several arguments is given does not follow from the inputs.
                let words = |is_given: bool| if is_given { "given" } else { "none" };
                let (from, to) = (words(is_pipeline(&one.value)), words(is_pipeline(&other.value)));
                let class = match are_equal_weights {
                    true => Class::WeightCompatible,
                    false => Class::WeightBreaking,
                };
                let text = format!("{}: {} {from} → {to}", op.name(), one.name);
                self.note(Kind::Changed, text, class, vec![i], vec![j]);
                continue;
            }
            if is_pipeline(&one.value) || is_pipeline(&other.value) {
                // The stages of the pipeline are reported; that the operator reads them follows from its inputs.
                continue;
            }
            let is_one_inferred = one.value == ArgValue::Absent || other.value == ArgValue::Absent;
            let is_settled = a.ty.width.known().is_some()
                && a.ty.width.size == b.ty.width.size
                && a.ty.rows.size == b.ty.rows.size
                && are_equal_weights;
            let class = if is_for_training(op, spec) {
                Class::Training
            } else if is_one_inferred && is_lone && is_settled {
                Class::Cosmetic
            } else if is_one_inferred && a.ty.width.size != b.ty.width.size {
                Class::WeightBreaking
            } else {
                Class::WeightCompatible
            };
            let from = value_or_absence(Some(&one.value), spec);
            let to = value_or_absence(Some(&other.value), spec);
            let mut text = match op.width_rule() {
                WidthRule::Argument(name) if name == one.name => format!("{} {from} → {to}", op.name()),
                _ => format!("{}: {} {from} → {to}", op.name(), one.name),
            };
            if class == Class::Cosmetic {
                text.push_str(", which is the same with this data");
            }
            self.note(Kind::Changed, text, class, vec![i], vec![j]);
        }
    }

    /// What a stage reads, beyond what stages put in or taken out in between explain.
    fn find_inputs(&mut self, i: usize, j: usize) {
        let (a, b) = (&self.before.stages[i], &self.after.stages[j]);
        let n_of_edges = |stage: &Stage| {
            let given = stage.args.0.iter().zip(stage.op.args());
            given
                .filter(|(arg, spec)| {
                    arg.value == ArgValue::Pipeline && matches!(spec.kind, ArgKind::Edges(_))
                })
                .count()
        };
        if a.inputs.len() != b.inputs.len() {
            let is_told = a.inputs.len() - n_of_edges(a) == b.inputs.len() - n_of_edges(b);
            if weight_scope(a.op) == weight_scope(b.op) && !is_told {
                let what = if matches!(a.op.ports(), Ports::Many(_)) { "branches" } else { "inputs" };
                let (n, m, who) = (a.inputs.len(), b.inputs.len(), self.after.place(j));
                let text = format!("{who}: {what} {n} → {m}");
                self.note(Kind::Rewired, text, Class::WeightCompatible, vec![i], vec![j]);
            }
            return;
        }
        let sources: Vec<(&Sources, &Sources)> = a
            .inputs
            .iter()
            .zip(&b.inputs)
            .map(|(&one, &other)| (&self.sources_before[one], &self.sources_after[other]))
            .collect();
        let has_changed = |pair: &(&Sources, &Sources)| match pair {
            (Some(one), Some(other)) => one.is_disjoint(other),
            // What is not known is taken for the same.
            _ => false,
        };
        let Some(changed) = sources.iter().position(has_changed) else { return };
        let all = |of: fn(&(&Sources, &Sources)) -> Sources| -> BTreeSet<usize> {
            sources.iter().filter_map(of).flat_map(|set| set.iter().copied().collect::<Vec<_>>()).collect()
        };
        let who = self.after.place(j);
        let text = if a.inputs.len() > 1 && all(|pair| pair.0.clone()) == all(|pair| pair.1.clone()) {
            format!("{who} reads its branches in another order")
        } else {
            format!(
                "{who} reads {} instead of {}",
                self.after.place(b.inputs[changed]),
                self.before.place(a.inputs[changed])
            )
        };
        self.note(Kind::Rewired, text, Class::WeightCompatible, vec![i], vec![j]);
    }

    fn find_moves(&mut self) {
        for &(i, j) in &self.alignment.moved {
            let (a, b) = (&self.before.stages[i], &self.after.stages[j]);
            let behind = |view: &View, stage: &Stage| {
                stage.inputs.first().map_or_else(String::new, |&input| view.place(input))
            };
            let call = short_call(a.op, a.args);
            let text = format!(
                "{call} moved: after {}, was after {}",
                behind(self.after, b),
                behind(self.before, a)
            );
            self.note(Kind::Moved, text, Class::WeightCompatible, vec![i], vec![j]);
        }
    }

    /// A `repeat` with more or fewer rounds, where nothing else of it changed.
    fn find_repeats(&mut self) {
        let (before, after) = (repeats(&self.before.stages), repeats(&self.after.stages));
        let mate_of = |stage: usize| self.alignment.after[stage];
        // The first repeat that a stage lies in.
        let mut of_stage: HashMap<usize, usize> = HashMap::new();
        for (idx, repeat) in after.iter().enumerate() {
            for &stage in repeat.iter().flatten() {
                of_stage.entry(stage).or_insert(idx);
            }
        }
        let mut found = Vec::new();
        let mut is_compared = HashSet::new();
        for one in &before {
            let Some(first) = one.first().and_then(|round| round.first()).and_then(|&stage| mate_of(stage))
            else {
                continue;
            };
            let Some(&idx) = of_stage.get(&first).filter(|&&idx| is_compared.insert(idx)) else { continue };
            let other = &after[idx];
            let (n, m) = (one.len(), other.len());
            let (longer, mates, n_kept) =
                if n < m { (other, &self.alignment.before, n) } else { (one, &self.alignment.after, m) };
            let is_lone = |stage: &usize| mates[*stage].is_none();
            let are_kept = longer[..n_kept].iter().flatten().all(|stage| !is_lone(stage));
            if n != m && are_kept && longer[n_kept..].iter().flatten().all(is_lone) {
                found.push((n, m, longer[n_kept..].concat(), longer[0].clone()));
            }
        }
        for (n, m, stages, round) in found {
            let view = if n < m { self.after } else { self.before };
            let text = format!("repeat {n} → {m} times: {}", chain(view, &round));
            let class = match stages.iter().any(|&stage| !view.stages[stage].weights.is_empty()) {
                true => Class::WeightBreaking,
                false => Class::WeightCompatible,
            };
            let (removed, added) = if n < m { (Vec::new(), stages) } else { (stages, Vec::new()) };
            self.note(Kind::Repeated, text, class, removed, added);
        }
    }

    /// Stages without a counterpart, in chains.
    fn find_gaps(&mut self) {
        for (kind, view, mates) in [
            (Kind::Removed, self.before, &self.alignment.after),
            (Kind::Added, self.after, &self.alignment.before),
        ] {
            let stages_of = |found: &Found| match kind {
                Kind::Added => found.after.clone(),
                _ => found.before.clone(),
            };
            let told: HashSet<usize> = self.found.iter().flat_map(stages_of).collect();
            let mut chains: Vec<Vec<usize>> = Vec::new();
            for idx in (0..view.stages.len()).filter(|&idx| mates[idx].is_none()) {
                if told.contains(&idx) {
                    continue;
                }
                match chains.last_mut() {
                    Some(open)
                        if open.last().is_some_and(|&last| {
                            last + 1 == idx
                                && view.stages[idx].inputs == [last]
                                && view.stages[last].readers == [idx]
                        }) =>
                    {
                        open.push(idx);
                    }
                    _ => chains.push(vec![idx]),
                }
            }
            for stages in chains {
                let has_weights = stages.iter().any(|&stage| !view.stages[stage].weights.is_empty());
                let class = if has_weights { Class::WeightBreaking } else { Class::WeightCompatible };
                let place = match view.stages[stages[0]].inputs.as_slice() {
                    [] => String::new(),
                    [input] => format!(" after {}", view.place(*input)),
                    inputs => {
                        let shown = inputs.iter().take(MAX_INPUTS);
                        let mut places: Vec<_> = shown.map(|&input| view.place(input)).collect();
                        if inputs.len() > places.len() {
                            places.push(format!("{} more", grouped(inputs.len() - places.len())));
                        }
                        format!(" of {}", places.join(" and "))
                    }
                };
                let verb = if kind == Kind::Added { "added" } else { "removed" };
                let text = format!("{} {verb}", chain(view, &stages));
                let (removed, added) =
                    if kind == Kind::Added { (Vec::new(), stages) } else { (stages, Vec::new()) };
                self.found.push(Found { kind, text, place, before: removed, after: added, class });
            }
        }
    }

    fn note(&mut self, kind: Kind, text: String, class: Class, before: Vec<usize>, after: Vec<usize>) {
        self.found.push(Found { kind, text, place: String::new(), before, after, class });
    }

    /// Finds for every weight that does not fit the changes that are the reason, and gives them their class.
    fn find_causes(&mut self, weights: &[(Owner, WeightMatch)]) {
        let mut causes = Causes::new(self);
        let mut unexplained = BTreeSet::new();
        for ((i, j), _) in weights.iter().filter(|(_, weight)| weight.state != WeightState::Kept) {
            let mut is_explained = causes.take_own(*i, *j);
            if let (Some(i), Some(j)) = (i, j) {
                is_explained |= causes.take_upstream(*i, *j);
                is_explained |= causes.take_downstream(*i, *j);
            }
            if !is_explained {
                unexplained.extend(*j);
            }
        }
        for idx in causes.taken {
            let found = &mut self.found[idx];
            found.class = found.class.max(Class::WeightBreaking);
        }
        // Sizes that come from the data are reported as such; the stages themselves report the rest.
        let is_of_data = |view: &View| view.side.facts.is_some();
        if !is_of_data(self.before) || !is_of_data(self.after) {
            for j in unexplained {
                let text = format!("{} has weights of another shape", self.after.stages[j].op.name());
                let i = self.alignment.before[j];
                self.note(Kind::Changed, text, Class::WeightBreaking, i.into_iter().collect(), vec![j]);
            }
        }
    }

    /// The changes as they are reported, the same one at several stages once.
    fn told(self) -> Vec<Change> {
        let mut groups: BTreeMap<(Class, Kind, String), Vec<Found>> = BTreeMap::new();
        let mut order = Vec::new();
        for found in self.found {
            let key = (found.class, found.kind, found.text.clone());
            let group = groups.entry(key.clone()).or_default();
            if group.is_empty() {
                order.push(key);
            }
            group.push(found);
        }
        let mut changes = Vec::new();
        for key in order {
            let Some(group) = groups.remove(&key) else { continue };
            let (class, kind, text) = key;
            let before: Vec<usize> = group.iter().flat_map(|found| found.before.clone()).collect();
            let after: Vec<usize> = group.iter().flat_map(|found| found.after.clone()).collect();
            let mut text = text;
            if let ([one], false) = (group.as_slice(), group[0].place.is_empty()) {
                text.push_str(&one.place);
            } else if !matches!(kind, Kind::Repeated | Kind::Moved | Kind::Rewired) || group.len() > 1 {
                let (view, stages) =
                    if after.is_empty() { (self.before, &before) } else { (self.after, &after) };
                if group.len() > 1 {
                    text.push_str(&format!(", {} times", group.len()));
                }
                text.push_str(&format!(" ({})", view.numbers(stages)));
            }
            changes.push(Change {
                class,
                kind,
                text,
                before: before.iter().map(|&idx| self.before.stages[idx].node).collect(),
                after: after.iter().map(|&idx| self.after.stages[idx].node).collect(),
            });
        }
        changes
    }
}

/// Why weights do not fit. Each stage is walked through once, however many weights lie behind it.
struct Causes<'v, 'a> {
    before: &'v View<'a>,
    after: &'v View<'a>,
    /// The changes of each stage that can be a reason, by their place in the list.
    of_before: Vec<Vec<usize>>,
    of_after: Vec<Vec<usize>>,
    /// What a walk finds at each stage: see [`Step`].
    up_before: Vec<Step>,
    up_after: Vec<Step>,
    down_after: Vec<Step>,
    is_walked: HashSet<(Way, usize)>,
    /// The changes that are the reason for some weight.
    taken: BTreeSet<usize>,
}

/// Which way a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Way {
    UpBefore,
    UpAfter,
    DownAfter,
}

/// What a walk from a weight does at a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The stage's own changes are the reason.
    Reason,
    /// The reason lies further on.
    Further,
    /// There is no reason this way.
    Nothing,
}

impl<'v, 'a> Causes<'v, 'a> {
    fn new(network: &Network<'v, 'a>) -> Self {
        let Network { before, after, alignment, found, .. } = network;
        let (mut of_before, mut of_after) =
            (vec![Vec::new(); before.stages.len()], vec![Vec::new(); after.stages.len()]);
        for (idx, change) in found.iter().enumerate() {
            if !matches!(change.class, Class::Training | Class::Cosmetic) {
                change.before.iter().for_each(|&stage| of_before[stage].push(idx));
                change.after.iter().for_each(|&stage| of_after[stage].push(idx));
            }
        }
        let up_before = upstream(before, after, &alignment.after, &of_before);
        let up_after = upstream(after, before, &alignment.before, &of_after);
        // Readers come behind what they read.
        let mut down_after = vec![Step::Nothing; after.stages.len()];
        for (idx, stage) in after.stages.iter().enumerate().rev() {
            let goes_on = stage.op.width_rule() == WidthRule::Kept;
            let has_reason = |&reader: &usize| down_after[reader] != Step::Nothing;
            down_after[idx] = match goes_on {
                true if stage.readers.iter().any(has_reason) => Step::Further,
                false if !of_after[idx].is_empty() => Step::Reason,
                _ => Step::Nothing,
            };
        }
        let (is_walked, taken) = (HashSet::new(), BTreeSet::new());
        Self { before, after, of_before, of_after, up_before, up_after, down_after, is_walked, taken }
    }

    /// The changes of the stages that a weight belongs to.
    fn take_own(&mut self, i: Option<usize>, j: Option<usize>) -> bool {
        let own = i.map(|i| &self.of_before[i]).into_iter().chain(j.map(|j| &self.of_after[j]));
        let own: Vec<usize> = own.flatten().copied().collect();
        let is_explained = !own.is_empty();
        self.taken.extend(own);
        is_explained
    }

    /// Changes of the width of what a pair reads.
    fn take_upstream(&mut self, i: usize, j: usize) -> bool {
        let (before, after) = (self.before, self.after);
        let one = self.walk(Way::UpBefore, &before.stages[i].inputs);
        let other = self.walk(Way::UpAfter, &after.stages[j].inputs);
        one || other
    }

    /// Where a stage takes its width from what reads it (the clusters of a pooling): the change of that one.
    fn take_downstream(&mut self, i: usize, j: usize) -> bool {
        let (a, b) = (&self.before.stages[i], &self.after.stages[j]);
        let is_inferred = |stage: &Stage| match stage.op.width_rule() {
            WidthRule::Argument(name) => stage.args.opt_int(name).is_none(),
            _ => false,
        };
        if a.ty.width.size == b.ty.width.size || !is_inferred(a) || !is_inferred(b) {
            return false;
        }
        let after = self.after;
        self.walk(Way::DownAfter, &after.stages[j].readers)
    }

    /// Takes all reasons on the way from some stages on; whether there are any.
    fn walk(&mut self, way: Way, from: &[usize]) -> bool {
        let (steps, reasons, view) = match way {
            Way::UpBefore => (&self.up_before, &self.of_before, self.before),
            Way::UpAfter => (&self.up_after, &self.of_after, self.after),
            Way::DownAfter => (&self.down_after, &self.of_after, self.after),
        };
        let is_explained = from.iter().any(|&idx| steps[idx] != Step::Nothing);
        let mut open: Vec<usize> = from.to_vec();
        while let Some(idx) = open.pop() {
            if steps[idx] == Step::Nothing || !self.is_walked.insert((way, idx)) {
                continue;
            }
            match (steps[idx], way) {
                (Step::Reason, _) => self.taken.extend(&reasons[idx]),
                (_, Way::DownAfter) => open.extend(&view.stages[idx].readers),
                _ => open.extend(&view.stages[idx].inputs),
            }
        }
        is_explained
    }
}

/// What a walk to the inputs does at each stage of a view. It ends where the width has not changed.
fn upstream(view: &View, other: &View, mates: &[Option<usize>], reasons: &[Vec<usize>]) -> Vec<Step> {
    let width = |stage: &Stage| stage.ty.width.size.fingerprint();
    let mut steps: Vec<Step> = Vec::with_capacity(view.stages.len());
    for (idx, stage) in view.stages.iter().enumerate() {
        let is_cause = match mates[idx] {
            Some(mate) if width(&other.stages[mate]) == width(stage) => {
                steps.push(Step::Nothing);
                continue;
            }
            Some(_) => stage.op.width_rule() != WidthRule::Kept,
            None => stage.inputs.first().is_none_or(|&input| width(&view.stages[input]) != width(stage)),
        };
        // Inputs come before what reads them.
        steps.push(if is_cause && !reasons[idx].is_empty() {
            Step::Reason
        } else if stage.inputs.iter().any(|&input| steps[input] != Step::Nothing) {
            Step::Further
        } else {
            Step::Nothing
        });
    }
    steps
}

/// Whether an argument acts in training alone, so that the trained network computes the same.
fn is_for_training(op: &dyn Operator, spec: Option<&'static ArgSpec>) -> bool {
    op.name() == "dropout" || spec.is_some_and(|spec| spec.name == "dropout")
}

/// `gcn(64) -> relu`
fn chain(view: &View, stages: &[usize]) -> String {
    let call = |&stage: &usize| view.stages[stage].short_call();
    let calls: Vec<String> = stages.iter().map(call).collect();
    let n = calls.len();
    // The shortest part that the whole is a repeat of.
    let period = (1..n).find(|period| {
        n.is_multiple_of(*period) && (*period..n).all(|idx| calls[idx] == calls[idx - period])
    });
    match period {
        Some(period) => format!("repeat({}, {})", n / period, elided(&calls[..period])),
        None => elided(&calls),
    }
}

/// Stages in a row; of many, the first and the last.
fn elided(calls: &[String]) -> String {
    const N_SHOWN: usize = 8;
    match calls.len() {
        n if n > N_SHOWN => {
            let (first, last) = (calls[..N_SHOWN / 2].join(" -> "), calls[n - N_SHOWN / 4..].join(" -> "));
            format!("{first} -> … -> {last} ({n} stages)")
        }
        _ => calls.join(" -> "),
    }
}

/// The stages that each value comes from, as `named` calls them; those that it does not name are looked through.
fn sources(stages: &[Stage], named: impl Fn(usize) -> Option<usize>) -> Vec<Sources> {
    let mut sources: Vec<Sources> = Vec::with_capacity(stages.len());
    for (idx, stage) in stages.iter().enumerate() {
        let of_stage = match (named(idx), stage.inputs.as_slice()) {
            (Some(name), _) => Some(Rc::new(BTreeSet::from([name]))),
            (None, [input]) => sources[*input].clone(),
            (None, inputs) => {
                let mut all = Some(BTreeSet::new());
                for &input in inputs {
                    match (&mut all, &sources[input]) {
                        (Some(all), Some(others)) => all.extend(others.iter().copied()),
                        _ => all = None,
                    }
                    if all.as_ref().is_none_or(|all| all.len() > MAX_SOURCES) {
                        all = None;
                        break;
                    }
                }
                all.map(Rc::new)
            }
        };
        sources.push(of_stage);
    }
    sources
}

/// Every `repeat` as its rounds, each with its stages in order.
fn repeats(stages: &[Stage]) -> Vec<Vec<Vec<usize>>> {
    // A round is an opening of its own; rounds of one repeat follow each other inside the same opening.
    struct Round {
        around: Option<u32>,
        number: usize,
        members: Vec<usize>,
    }
    // By opening, which is the order of the file and not of the canonical form.
    let mut rounds: BTreeMap<u32, Round> = BTreeMap::new();
    for (idx, stage) in stages.iter().enumerate() {
        let mut around = None;
        for (text, instance) in stage.scope.openings() {
            if let Some(number) = text.strip_prefix("repeat ").and_then(|number| number.parse().ok()) {
                let round = rounds.entry(instance).or_insert(Round { around, number, members: Vec::new() });
                round.members.push(idx);
            }
            around = Some(instance);
        }
    }
    let mut repeats: Vec<Vec<Vec<usize>>> = Vec::new();
    // The last repeat inside each opening, with the number of its last round.
    let mut last: HashMap<Option<u32>, (usize, usize)> = HashMap::new();
    for Round { around, number, members } in rounds.into_values() {
        match last.get_mut(&around) {
            Some((repeat, round)) if number == *round + 1 => {
                *round = number;
                repeats[*repeat].push(members);
            }
            _ => {
                last.insert(around, (repeats.len(), number));
                repeats.push(vec![members]);
            }
        }
    }
    repeats
}
