//! Which stage of one model is which of another: an alignment of least cost. Stages stand in canonical order,
//! inputs before what reads them, so that a stage put in at the front is one gap and moves nothing else.

use super::view::{Stage, View};
use crate::ops::{Family, WidthRule, weight_scope};
use std::collections::{HashMap, VecDeque};

/// What an operator with weights costs to be put in or taken out, and one without.
const GAP: [u32; 2] = [25, 40];
/// Another width, another argument.
const WIDTH: u32 = 10;
const ARGUMENT: u32 = 6;
/// Arguments cost no more than this, so that an operator stays itself.
const ARGUMENTS_AT_MOST: u32 = 30;
/// The value is of something else: nodes, clusters, a graph.
const ENTITY: u32 = 15;
const INPUTS: u32 = 8;
/// A stage before or behind is another one.
const NEIGHBOUR: u32 = 7;
/// Another block or round of a repeat around it: decides only between equals.
const SCOPE: u32 = 1;

/// Beyond this many pairs of stages the middle is paired by place alone.
const MAX_PAIRS: usize = 9_000_000;

/// Of the stages that read a value, as many are compared: they only decide between pairs that are alike.
const MAX_READERS: usize = 16;

/// Stages that belong together, in order of both sides, and those that moved.
#[derive(Debug, Default)]
pub(super) struct Alignment {
    /// For each stage of `before` its stage of `after`, and the other way round.
    pub after: Vec<Option<usize>>,
    pub before: Vec<Option<usize>>,
    /// Pairs that stand in another place: before, after.
    pub moved: Vec<(usize, usize)>,
}

/// Aligns two models. The result does not depend on which one is `before`.
pub(super) fn align(before: &View, after: &View) -> Alignment {
    // Among alignments of equal cost the choice has a direction, which the texts set.
    let is_swapped = before.canonical.to_string() > after.canonical.to_string();
    let (a, b) = if is_swapped { (after, before) } else { (before, after) };
    let mut mates = match_in_order(&a.stages, &b.stages, None);
    for _ in 0..2 {
        let next = match_in_order(&a.stages, &b.stages, Some(&mates));
        if next == mates {
            break;
        }
        mates = next;
    }
    let mut moved = Vec::new();
    let mut is_taken = vec![false; b.stages.len()];
    mates.iter().flatten().for_each(|&mate| is_taken[mate] = true);
    // What is left of `b`, by what it is, each in order.
    let mut left: HashMap<_, VecDeque<usize>> = HashMap::new();
    for (idx, stage) in b.stages.iter().enumerate().filter(|&(idx, _)| !is_taken[idx]) {
        left.entry((&stage.call, &stage.weights)).or_default().push_back(idx);
    }
    for (idx, stage) in a.stages.iter().enumerate().filter(|&(idx, _)| mates[idx].is_none()) {
        let mate = left.get_mut(&(&stage.call, &stage.weights)).and_then(VecDeque::pop_front);
        moved.extend(mate.map(|mate| (idx, mate)));
    }
    moved.iter().for_each(|&(idx, mate)| mates[idx] = Some(mate));
    let mut back = vec![None; b.stages.len()];
    for (idx, mate) in mates.iter().enumerate() {
        if let Some(mate) = mate {
            back[*mate] = Some(idx);
        }
    }
    if is_swapped {
        let mut moved: Vec<_> = moved.into_iter().map(|(idx, mate)| (mate, idx)).collect();
        moved.sort_unstable();
        Alignment { after: back, before: mates, moved }
    } else {
        Alignment { after: mates, before: back, moved }
    }
}

/// The alignment of least cost that keeps the order. `last` is one found before: stages whose neighbours belonged
/// together in it are likelier to.
fn match_in_order(a: &[Stage], b: &[Stage], last: Option<&[Option<usize>]>) -> Vec<Option<usize>> {
    let mut mates = vec![None; a.len()];
    let is_same = |i: usize, j: usize| a[i].call == b[j].call && a[i].weights == b[j].weights;
    let mut start = 0;
    while start < a.len() && start < b.len() && is_same(start, start) {
        mates[start] = Some(start);
        start += 1;
    }
    let (mut end_a, mut end_b) = (a.len(), b.len());
    // Between alignments of equal cost the one that is alike from the front on reads best, so the back is paired
    // beforehand only where there is too much to weigh.
    let is_large = (end_a - start).saturating_mul(end_b - start) > MAX_PAIRS;
    while is_large && end_a > start && end_b > start && is_same(end_a - 1, end_b - 1) {
        (end_a, end_b) = (end_a - 1, end_b - 1);
        mates[end_a] = Some(end_b);
    }
    let (n, m) = (end_a - start, end_b - start);
    if n.saturating_mul(m) > MAX_PAIRS {
        for offset in 0..n.min(m) {
            let (i, j) = (start + offset, start + offset);
            if cost(&a[i], &b[j]).is_some() {
                mates[i] = Some(j);
            }
        }
        return mates;
    }
    // least[i][j]: the cost of what is left from i and j on.
    let width = m + 1;
    let mut least = vec![0u32; (n + 1) * width];
    let gap = |stage: &Stage| GAP[usize::from(!stage.weights.is_empty())];
    for j in (0..m).rev() {
        least[n * width + j] = least[n * width + j + 1] + gap(&b[start + j]);
    }
    let pair = |i: usize, j: usize| {
        let own = cost(&a[start + i], &b[start + j])?;
        Some(own + neighbours(a, b, start + i, start + j, last))
    };
    let mut costs: Vec<Option<u32>> = Vec::with_capacity(n * m);
    for i in 0..n {
        costs.extend((0..m).map(|j| pair(i, j)));
    }
    for i in (0..n).rev() {
        least[i * width + m] = least[(i + 1) * width + m] + gap(&a[start + i]);
        for j in (0..m).rev() {
            let without_a = least[(i + 1) * width + j] + gap(&a[start + i]);
            let without_b = least[i * width + j + 1] + gap(&b[start + j]);
            let both = costs[i * m + j].map(|cost| least[(i + 1) * width + j + 1] + cost);
            least[i * width + j] = both.unwrap_or(u32::MAX).min(without_a).min(without_b);
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < n && j < m {
        let here = least[i * width + j];
        if costs[i * m + j].is_some_and(|cost| least[(i + 1) * width + j + 1] + cost == here) {
            mates[start + i] = Some(start + j);
            (i, j) = (i + 1, j + 1);
        } else if least[(i + 1) * width + j] + gap(&a[start + i]) == here {
            i += 1;
        } else {
            j += 1;
        }
    }
    mates
}

/// How unlike two stages are; `None` where they cannot be the same stage.
fn cost(a: &Stage, b: &Stage) -> Option<u32> {
    let (family_a, family_b) = (a.op.family(), b.op.family());
    if family_a != family_b {
        return None;
    }
    let mut cost = 0;
    if weight_scope(a.op) == weight_scope(b.op) {
        let mut of_arguments = 0;
        if a.op.name() != b.op.name() {
            of_arguments += ARGUMENT;
        }
        for (one, other) in a.args.0.iter().zip(&b.args.0) {
            if one.value != other.value {
                let is_width = a.op.width_rule() == WidthRule::Argument(one.name);
                of_arguments += if is_width { WIDTH } else { ARGUMENT };
            }
        }
        cost += of_arguments.min(ARGUMENTS_AT_MOST);
    } else if family_a == Family::Input
        || (family_a == Family::Dense && a.weights.is_empty() != b.weights.is_empty())
    {
        // Dropout is no linear layer.
        return None;
    } else {
        let gaps: u32 = [a, b].iter().map(|stage| GAP[usize::from(!stage.weights.is_empty())]).sum();
        cost += gaps * 7 / 10;
        if a.ty.width.size != b.ty.width.size {
            cost += WIDTH / 2;
        }
    }
    if a.ty.entity != b.ty.entity {
        cost += ENTITY;
    }
    if a.inputs.len() != b.inputs.len() {
        cost += INPUTS;
    }
    if !a.scope.reads_like(b.scope) {
        cost += SCOPE;
    }
    Some(cost)
}

fn neighbours(a: &[Stage], b: &[Stage], i: usize, j: usize, last: Option<&[Option<usize>]>) -> u32 {
    let Some(last) = last else { return 0 };
    let mut cost = 0;
    let first_input = |stage: &Stage| stage.inputs.first().copied();
    match (first_input(&a[i]), first_input(&b[j])) {
        (Some(one), Some(other)) if last[one] == Some(other) => {}
        (None, None) => {}
        _ => cost += NEIGHBOUR,
    }
    // Readers stand in order.
    let is_of_b = |mate: usize| b[j].readers.binary_search(&mate).is_ok();
    let is_read_alike = a[i].readers.iter().take(MAX_READERS).any(|&one| last[one].is_some_and(is_of_b));
    let are_unread = a[i].readers.is_empty() && b[j].readers.is_empty();
    if !(is_read_alike || are_unread) {
        cost += NEIGHBOUR;
    }
    cost
}
