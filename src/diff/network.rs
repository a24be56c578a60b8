//! What changed in the network: stages added, removed, moved or changed, in words, and which weights still fit.

use super::align::Alignment;
use super::view::{Stage, View, short_call, value_or_absence};
use super::{Change, Class, Kind, WeightMatch, WeightState};
use crate::args::{ArgSpec, ArgValue};
use crate::ops::{Operator, Ports, WidthRule};
use std::collections::{BTreeMap, BTreeSet};

/// The stage that a weight belongs to, before and after.
type Owner = (Option<usize>, Option<usize>);

/// Where an input comes from, looking through stages that are gone or new: before and after.
type Sources = (BTreeSet<usize>, BTreeSet<usize>);

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
    moved: BTreeSet<usize>,
    found: Vec<Found>,
}

impl<'v, 'a> Network<'v, 'a> {
    pub fn compare(
        before: &'v View<'a>,
        after: &'v View<'a>,
        alignment: &'v Alignment,
    ) -> (Vec<Change>, Vec<WeightMatch>) {
        let moved = alignment.moved.iter().map(|&(idx, _)| idx).collect();
        let mut network = Self { before, after, alignment, moved, found: Vec::new() };
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
        let name =
            |stage: &Stage, weight: &str| format!("{}.{}.{weight}", stage.node.index(), stage.op.name());
        for (i, stage) in self.before.stages.iter().enumerate() {
            let mate = self.alignment.after[i].map(|j| (j, &self.after.stages[j]));
            let mate = mate.filter(|(_, mate)| mate.op.name() == stage.op.name());
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
            let mate = mate.filter(|mate| mate.op.name() == stage.op.name());
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
            if a.op.name() != b.op.name() {
                let (from, to) = (short_call(a.op, a.args), short_call(b.op, b.args));
                let class = match a.weights.is_empty() && b.weights.is_empty() {
                    true => Class::WeightCompatible,
                    false => Class::WeightBreaking,
                };
                self.note(Kind::Changed, format!("{from} → {to}"), class, vec![i], vec![j]);
            } else {
                self.find_arguments(i, j);
            }
            if !self.moved.contains(&i) {
                self.find_inputs(i, j);
            }
        }
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
        if a.inputs.len() != b.inputs.len() {
            if a.op.name() == b.op.name() {
                let what = if matches!(a.op.ports(), Ports::Many(_)) { "branches" } else { "inputs" };
                let (n, m, who) = (a.inputs.len(), b.inputs.len(), self.after.place(j));
                let text = format!("{who}: {what} {n} → {m}");
                self.note(Kind::Rewired, text, Class::WeightCompatible, vec![i], vec![j]);
            }
            return;
        }
        let sources: Vec<_> = a
            .inputs
            .iter()
            .zip(&b.inputs)
            .map(|(&one, &other)| (self.sources_before(one), self.sources_after(other)))
            .collect();
        if sources.iter().all(|(one, other)| !one.is_disjoint(other)) {
            return;
        }
        let all = |of: fn(&Sources) -> &BTreeSet<usize>| -> BTreeSet<usize> {
            sources.iter().flat_map(|pair| of(pair).iter().copied()).collect()
        };
        let who = self.after.place(j);
        let text = if a.inputs.len() > 1 && all(|pair| &pair.0) == all(|pair| &pair.1) {
            format!("{who} reads its branches in another order")
        } else {
            let changed = sources.iter().position(|(one, other)| one.is_disjoint(other)).unwrap_or(0);
            format!(
                "{who} reads {} instead of {}",
                self.after.place(b.inputs[changed]),
                self.before.place(a.inputs[changed])
            )
        };
        self.note(Kind::Rewired, text, Class::WeightCompatible, vec![i], vec![j]);
    }

    /// The stages of `after` that a value of `before` stands for, looking through stages that are gone.
    fn sources_before(&self, idx: usize) -> BTreeSet<usize> {
        let is_gone = |idx: usize| self.alignment.after[idx].is_none() || self.moved.contains(&idx);
        let found = through(&self.before.stages, idx, is_gone);
        found.into_iter().filter_map(|idx| self.alignment.after[idx]).collect()
    }

    fn sources_after(&self, idx: usize) -> BTreeSet<usize> {
        let is_new = |idx: usize| self.alignment.before[idx].is_none_or(|mate| self.moved.contains(&mate));
        through(&self.after.stages, idx, is_new)
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
        let mut found = Vec::new();
        for one in &before {
            let Some(first) = one.first().and_then(|round| round.first()).and_then(|&stage| mate_of(stage))
            else {
                continue;
            };
            let Some(other) = after.iter().find(|other| other.iter().any(|round| round.contains(&first)))
            else {
                continue;
            };
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
            let is_told = |stage: usize, found: &[Found]| {
                found.iter().any(|found| {
                    let stages = if kind == Kind::Added { &found.after } else { &found.before };
                    stages.contains(&stage)
                })
            };
            let mut chains: Vec<Vec<usize>> = Vec::new();
            for idx in (0..view.stages.len()).filter(|&idx| mates[idx].is_none()) {
                if is_told(idx, &self.found) {
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
                        let places: Vec<_> = inputs.iter().map(|&input| view.place(input)).collect();
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
        let mut causes: BTreeSet<usize> = BTreeSet::new();
        let mut unexplained = BTreeSet::new();
        for ((i, j), _) in weights.iter().filter(|(_, weight)| weight.state != WeightState::Kept) {
            let own: Vec<usize> = (0..self.found.len())
                .filter(|&idx| {
                    let found = &self.found[idx];
                    let is_here = i.is_some_and(|i| found.before.contains(&i))
                        || j.is_some_and(|j| found.after.contains(&j));
                    is_here && !matches!(found.class, Class::Training | Class::Cosmetic)
                })
                .collect();
            let mut reasons: BTreeSet<usize> = BTreeSet::new();
            if let (Some(i), Some(j)) = (i, j) {
                self.causes_upstream(*i, *j, &mut reasons);
                self.causes_downstream(*i, *j, &mut reasons);
                reasons.extend(own);
            } else {
                reasons.extend(own);
            }
            if reasons.is_empty() {
                unexplained.extend(*j);
            }
            causes.extend(reasons);
        }
        for idx in causes {
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

    /// Changes of the width of what a pair reads.
    fn causes_upstream(&self, i: usize, j: usize, causes: &mut BTreeSet<usize>) {
        let mut seen = BTreeSet::new();
        let mut open: Vec<(bool, usize)> = self.before.stages[i].inputs.iter().map(|&s| (false, s)).collect();
        open.extend(self.after.stages[j].inputs.iter().map(|&s| (true, s)));
        while let Some((is_after, idx)) = open.pop() {
            if !seen.insert((is_after, idx)) {
                continue;
            }
            let (view, other, mates) = match is_after {
                true => (self.after, self.before, &self.alignment.before),
                false => (self.before, self.after, &self.alignment.after),
            };
            let stage = &view.stages[idx];
            let width = |stage: &Stage| stage.ty.width.size.clone();
            let of_stage = (0..self.found.len()).filter(|&found| {
                let found = &self.found[found];
                let stages = if is_after { &found.after } else { &found.before };
                stages.contains(&idx) && !matches!(found.class, Class::Training | Class::Cosmetic)
            });
            let of_stage: Vec<usize> = of_stage.collect();
            let keeps = stage.op.width_rule() == WidthRule::Kept;
            let is_cause = match mates[idx] {
                Some(mate) => {
                    if width(&other.stages[mate]) == width(stage) {
                        continue;
                    }
                    !keeps
                }
                None => stage.inputs.first().is_none_or(|&input| width(&view.stages[input]) != width(stage)),
            };
            if is_cause && !of_stage.is_empty() {
                causes.extend(of_stage);
                continue;
            }
            open.extend(stage.inputs.iter().map(|&input| (is_after, input)));
        }
    }

    /// Where a stage takes its width from what reads it (the clusters of a pooling): the change of that one.
    fn causes_downstream(&self, i: usize, j: usize, causes: &mut BTreeSet<usize>) {
        let (a, b) = (&self.before.stages[i], &self.after.stages[j]);
        let is_inferred = |stage: &Stage| match stage.op.width_rule() {
            WidthRule::Argument(name) => stage.args.opt_int(name).is_none(),
            _ => false,
        };
        if a.ty.width.size == b.ty.width.size || !is_inferred(a) || !is_inferred(b) {
            return;
        }
        let mut open = b.readers.clone();
        while let Some(idx) = open.pop() {
            let of_stage = (0..self.found.len()).filter(|&found| {
                let found = &self.found[found];
                found.after.contains(&idx) && !matches!(found.class, Class::Training | Class::Cosmetic)
            });
            let stage = &self.after.stages[idx];
            if stage.op.width_rule() == WidthRule::Kept {
                open.extend(&stage.readers);
            } else {
                causes.extend(of_stage);
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

/// The stages that a value comes from, looking through those that `is_open`.
fn through(stages: &[Stage], idx: usize, is_open: impl Fn(usize) -> bool) -> BTreeSet<usize> {
    let (mut found, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![idx]);
    while let Some(idx) = open.pop() {
        if !seen.insert(idx) {
            continue;
        }
        if is_open(idx) {
            open.extend(&stages[idx].inputs);
        } else {
            found.insert(idx);
        }
    }
    found
}

/// Every `repeat` as its rounds, each with its stages in order.
fn repeats(stages: &[Stage]) -> Vec<Vec<Vec<usize>>> {
    // A round is an opening of its own; rounds of one repeat follow each other inside the same openings.
    let mut rounds: Vec<(Vec<u32>, u32, usize, Vec<usize>)> = Vec::new();
    for (idx, stage) in stages.iter().enumerate() {
        let openings = stage.scope.openings();
        for (depth, (text, instance)) in openings.iter().enumerate() {
            let Some(number) = text.strip_prefix("repeat ").and_then(|number| number.parse().ok()) else {
                continue;
            };
            match rounds.iter_mut().find(|(_, known, ..)| known == instance) {
                Some((.., members)) => members.push(idx),
                None => {
                    let around = openings[..depth].iter().map(|&(_, instance)| instance).collect();
                    rounds.push((around, *instance, number, vec![idx]));
                }
            }
        }
    }
    // In the order of the file, not of the canonical form.
    rounds.sort_by_key(|&(_, instance, ..)| instance);
    let mut repeats: Vec<(Vec<u32>, usize, Vec<Vec<usize>>)> = Vec::new();
    for (around, _, number, members) in rounds {
        match repeats.iter_mut().rev().find(|(known, ..)| *known == around) {
            Some((_, last, rounds)) if number == *last + 1 => {
                *last = number;
                rounds.push(members);
            }
            _ => repeats.push((around, number, vec![members])),
        }
    }
    repeats.into_iter().map(|(_, _, rounds)| rounds).collect()
}
