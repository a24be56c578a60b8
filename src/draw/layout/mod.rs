//! Where things go: a layered layout of a directed acyclic graph with nested groups.
//!
//! Each group is laid out by itself, its subgroups as boxes in it: children on layers by their longest path, the
//! order within a layer by barycentres, the places across by straightening chains, the lines between two layers on
//! tracks. A value that is read further away passes the layers between on a lane of its own, and enters and leaves
//! groups at pins on their borders. So boxes never overlap, a group's frame contains its members and nothing else,
//! and no line runs through a box.
//!
//! Coordinates are *along* the flow and *across* it, whichever way the drawing turns.

mod across;
mod group;
mod order;
mod tracks;

use group::{Arranged, End};
use std::collections::{BTreeMap, HashMap};

/// A box to be placed. Its axis is where its result leaves it.
#[derive(Debug, Clone, Default)]
pub struct NodeBox {
    pub group: usize,
    /// Along the flow.
    pub length: f64,
    /// Across, on both sides of the axis.
    pub left: f64,
    pub right: f64,
    /// Room behind the box that is kept free of turning lines, for a label.
    pub tail: f64,
    /// How far that label reaches beside the axis.
    pub tail_width: f64,
    /// Distance of the pins where values come in.
    pub pin_gap: f64,
}

/// A frame around nodes and other frames. Group 0 is the drawing itself.
#[derive(Debug, Clone, Default)]
pub struct GroupBox {
    /// Its own index for group 0.
    pub parent: usize,
    pub start: f64,
    pub end: f64,
    pub left: f64,
    pub right: f64,
    /// Length of a label at the start of the frame that lines may not cross; 0 where there is none.
    pub label_across: f64,
    /// The frame is at least this long.
    pub min_length: f64,
}

/// A value read by a node.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    pub from: usize,
    pub to: usize,
    /// Kept straight before all others; at most one for each target.
    pub is_main: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    pub along: f64,
    pub across: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    pub along: f64,
    pub across: f64,
    pub length: f64,
    pub width: f64,
}

impl Rect {
    pub fn end(&self) -> f64 {
        self.along + self.length
    }
    pub fn right(&self) -> f64 {
        self.across + self.width
    }
}

#[derive(Debug, Clone, Default)]
pub struct Layout {
    pub nodes: Vec<Rect>,
    pub groups: Vec<Rect>,
    /// Where the label of each group begins, across.
    pub labels: Vec<f64>,
    /// Lines by link, from the end of one box to the start of the other, each part along or across.
    pub lines: Vec<Vec<Point>>,
}

/// Places everything. Nodes are numbered topologically, and so are the nodes of a group before those of a later one.
pub fn place(nodes: &[NodeBox], groups: &[GroupBox], links: &[Link]) -> Layout {
    let tree = Tree::new(nodes, groups);
    let mut local: Vec<Vec<LocalLink>> = vec![Vec::new(); groups.len()];
    for (link, rank) in links.iter().zip(ranks(nodes.len(), links)) {
        for (group, from, to) in tree.parts(link) {
            local[group].push(LocalLink { source: link.from, from, to, rank, is_main: link.is_main });
        }
    }
    // Children come after their parents, so going backwards lays out the inner ones first.
    let mut arranged: Vec<Option<Arranged>> = (0..groups.len()).map(|_| None).collect();
    for group in (0..groups.len()).rev() {
        let result = group::arrange(&groups[group], &tree.children[group], &local[group], nodes, &arranged);
        arranged[group] = Some(result);
    }
    let arranged: Vec<Arranged> = arranged.into_iter().flatten().collect();

    let mut layout = Layout {
        nodes: vec![Rect::default(); nodes.len()],
        groups: vec![Rect::default(); groups.len()],
        labels: vec![0.0; groups.len()],
        lines: Vec::with_capacity(links.len()),
    };
    layout.groups[0] = Rect { along: 0.0, across: 0.0, length: arranged[0].length, width: arranged[0].width };
    for (group, inner) in arranged.iter().enumerate() {
        let frame = layout.groups[group];
        layout.labels[group] = frame.across + inner.label;
        for (child, rect) in tree.children[group].iter().zip(&inner.children) {
            let rect = Rect { along: frame.along + rect.along, across: frame.across + rect.across, ..*rect };
            match *child {
                Child::Node(node) => layout.nodes[node] = rect,
                Child::Group(group) => layout.groups[group] = rect,
            }
        }
    }
    for link in links {
        let mut line: Vec<Point> = Vec::new();
        for (group, _, to) in tree.parts(link) {
            let frame = layout.groups[group];
            for point in &arranged[group].routes[&(link.from, to)] {
                let point = Point { along: frame.along + point.along, across: frame.across + point.across };
                push(&mut line, point);
            }
        }
        layout.lines.push(line);
    }
    layout
}

/// The rank of each link: the main ones, and those along which the last node's value came about. Where no way into a
/// node is the main one, the longest are followed.
fn ranks(n_nodes: usize, links: &[Link]) -> Vec<u8> {
    let mut into: Vec<Vec<usize>> = vec![Vec::new(); n_nodes];
    for (idx, link) in links.iter().enumerate() {
        into[link.to].push(idx);
    }
    let mut depth = vec![0usize; n_nodes];
    for node in 0..n_nodes {
        depth[node] = into[node].iter().map(|&link| depth[links[link].from] + 1).max().unwrap_or(0);
    }
    let mut ranks: Vec<u8> = links.iter().map(|link| if link.is_main { group::MAIN } else { 0 }).collect();
    let mut is_seen = vec![false; n_nodes];
    let mut queue: Vec<usize> = n_nodes.checked_sub(1).into_iter().collect();
    while let Some(node) = queue.pop() {
        if std::mem::replace(&mut is_seen[node], true) {
            continue;
        }
        let main = into[node].iter().find(|&&link| links[link].is_main);
        let near = |least: usize| {
            let is_near = |link: &&usize| depth[links[**link].from] + 1 + least >= depth[node];
            into[node].iter().filter(is_near).copied().collect::<Vec<usize>>()
        };
        let followed = match main {
            Some(&link) => vec![link],
            // Among many branches the longest is no better than the others.
            None if near(2).len() > 3 => near(2),
            None => near(0),
        };
        for link in followed {
            ranks[link] = group::SPINE;
            queue.push(links[link].from);
        }
    }
    ranks
}

/// Adds a point to a line, without points in the middle of a straight part.
fn push(line: &mut Vec<Point>, point: Point) {
    let is_near = |a: f64, b: f64| (a - b).abs() < 1e-6;
    if line.last().is_some_and(|last| is_near(last.along, point.along) && is_near(last.across, point.across))
    {
        return;
    }
    if let [.., before, last] = line.as_slice() {
        let is_straight = is_near(before.across, last.across) && is_near(last.across, point.across)
            || is_near(before.along, last.along) && is_near(last.along, point.along);
        if is_straight {
            line.pop();
        }
    }
    line.push(point);
}

/// A part of a link within one group: between two children, or from or to the border.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalLink {
    /// The node whose value it is; links of one source share their lane.
    pub source: usize,
    pub from: End,
    pub to: End,
    pub rank: u8,
    pub is_main: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Child {
    Node(usize),
    Group(usize),
}

/// Who is in which group.
struct Tree {
    children: Vec<Vec<Child>>,
    /// Place of each node, and of each group, among the children of its parent.
    node_place: Vec<usize>,
    group_place: Vec<usize>,
    node_group: Vec<usize>,
    parent: Vec<usize>,
    depth: Vec<usize>,
}

impl Tree {
    fn new(nodes: &[NodeBox], groups: &[GroupBox]) -> Self {
        let mut first: Vec<usize> = vec![usize::MAX; groups.len()];
        for (idx, node) in nodes.iter().enumerate() {
            first[node.group] = first[node.group].min(idx);
        }
        for group in (1..groups.len()).rev() {
            let parent = groups[group].parent;
            first[parent] = first[parent].min(first[group]);
        }
        let mut sorted: BTreeMap<usize, Vec<(usize, Child)>> = BTreeMap::new();
        for (idx, node) in nodes.iter().enumerate() {
            sorted.entry(node.group).or_default().push((idx, Child::Node(idx)));
        }
        let mut depth = vec![0; groups.len()];
        for (idx, group) in groups.iter().enumerate().skip(1) {
            depth[idx] = depth[group.parent] + 1;
            sorted.entry(group.parent).or_default().push((first[idx], Child::Group(idx)));
        }
        let mut children = vec![Vec::new(); groups.len()];
        let (mut node_place, mut group_place) = (vec![0; nodes.len()], vec![0; groups.len()]);
        for (group, mut list) in sorted {
            list.sort_unstable();
            for (place, &(_, child)) in list.iter().enumerate() {
                match child {
                    Child::Node(node) => node_place[node] = place,
                    Child::Group(inner) => group_place[inner] = place,
                }
                children[group].push(child);
            }
        }
        let node_group = nodes.iter().map(|node| node.group).collect();
        let parent = groups.iter().map(|group| group.parent).collect();
        Self { children, node_place, group_place, node_group, parent, depth }
    }

    /// The groups that a link runs through, from its source to its target, and where it enters and leaves each.
    fn parts(&self, link: &Link) -> Vec<(usize, End, End)> {
        let (mut up, mut down) = (self.node_group[link.from], self.node_group[link.to]);
        let mut from = End::Child(self.node_place[link.from]);
        let mut to = End::Child(self.node_place[link.to]);
        let (mut rising, mut falling) = (Vec::new(), Vec::new());
        while up != down {
            if self.depth[up] >= self.depth[down] {
                rising.push((up, from, End::Border));
                from = End::Child(self.group_place[up]);
                up = self.parent[up];
            } else {
                falling.push((down, End::Border, to));
                to = End::Child(self.group_place[down]);
                down = self.parent[down];
            }
        }
        rising.push((up, from, to));
        rising.extend(falling.into_iter().rev());
        rising
    }
}

pub(crate) type Pins = HashMap<usize, f64>;
