//! One group by itself: layers, order, places across and along, and the lines within it.

use super::across::{self, Pull, Slot};
use super::order;
use super::tracks::{self, Run};
use super::{Child, GroupBox, LocalLink, NodeBox, Pins, Point, Rect};
use std::collections::{BTreeMap, HashMap};

/// Distance of boxes across.
const GAP: f64 = 26.0;
/// Distance of a lane from its neighbours.
const LANE_GAP: f64 = 12.0;
/// Half the room that a lane takes.
const LANE: f64 = 3.0;
/// Room between two layers for a straight arrow, and around the tracks of lines that turn.
const CHANNEL: f64 = 20.0;
const ABOVE_TRACKS: f64 = 9.0;
const BELOW_TRACKS: f64 = 16.0;
const TRACK: f64 = 8.0;

/// Ranks of lines: to the main input of a stage, and along the chain that ends in the model's result.
pub(crate) const MAIN: u8 = 1;
pub(crate) const SPINE: u8 = 2;

/// An end of a line within a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum End {
    /// Place among the children.
    Child(usize),
    Border,
}

/// A group whose inside is known; coordinates from its corner.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arranged {
    pub length: f64,
    pub width: f64,
    pub children: Vec<Rect>,
    /// Where values come in and go out, by their source node.
    pub entries: Pins,
    pub exits: Pins,
    /// By source node and end.
    pub routes: HashMap<(usize, End), Vec<Point>>,
    /// Where the label begins.
    pub label: f64,
}

/// What stands on a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Child(usize),
    /// A value passing by, coming in or going out, by its source node.
    Lane(usize),
}

/// A value within this group.
#[derive(Debug, Clone)]
struct Net {
    from: End,
    /// Ends with the rank of the line there, and whether it is the main one of its target.
    to: BTreeMap<End, (u8, bool)>,
}

/// The layers, from the border where values come in to the border where they go out.
struct Layers {
    places: Vec<Vec<Place>>,
    /// Layer of each child.
    of: Vec<usize>,
}

struct Joint {
    source: usize,
    upper: usize,
    lower: usize,
    rank: u8,
    /// It ends in the middle of its target.
    is_main: bool,
}

pub(crate) fn arrange(
    frame: &GroupBox,
    children: &[Child],
    links: &[LocalLink],
    nodes: &[NodeBox],
    inner: &[Option<Arranged>],
) -> Arranged {
    let mut nets: BTreeMap<usize, Net> = BTreeMap::new();
    for link in links {
        let net = nets.entry(link.source).or_insert_with(|| Net { from: link.from, to: BTreeMap::new() });
        let (rank, is_main) = net.to.entry(link.to).or_default();
        (*rank, *is_main) = ((*rank).max(link.rank), *is_main || link.is_main);
    }
    let mut layers = layers(children.len(), &nets);
    let joints = joints(&layers, &nets);
    let n_slots: Vec<usize> = layers.places.iter().map(Vec::len).collect();
    let pairs: Vec<Vec<(usize, usize)>> =
        joints.iter().map(|joints| joints.iter().map(|joint| (joint.upper, joint.lower)).collect()).collect();
    let orders = order::order(&n_slots, &pairs);
    let joints = sort(&mut layers, joints, &orders);

    let body = |child: usize| Body::of(children[child], nodes, inner);
    let pins = pins(&layers, &joints, children, nodes, inner);
    let axes = places_across(&layers, &joints, &pins, &body);

    // The left edge of the content becomes the frame's left margin.
    let mut edges = (f64::INFINITY, f64::NEG_INFINITY);
    for (places, axes) in layers.places.iter().zip(&axes) {
        for (place, axis) in places.iter().zip(axes) {
            let slot = slot(*place, &body);
            edges = (edges.0.min(axis - slot.left), edges.1.max(axis + slot.right));
        }
    }
    if edges.0 > edges.1 {
        edges = (0.0, 0.0);
    }
    let (mut left, mut right) = (edges.0 - frame.left, edges.1 + frame.right);
    let mut label = left;
    if frame.label_across > 0.0 {
        // The label stands beside the lines that come in, on the left where there is room.
        let first = axes[0].iter().copied().fold(f64::INFINITY, f64::min);
        let last = axes[0].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if first < left + frame.label_across {
            if right - frame.label_across > last {
                label = right - frame.label_across;
            } else {
                left = first - frame.label_across;
                label = left;
            }
        }
        right = right.max(left + frame.label_across);
    }
    let axes: Vec<Vec<f64>> = axes.iter().map(|axes| axes.iter().map(|axis| axis - left).collect()).collect();

    let mut result = Arranged {
        width: right - left,
        label: label - left,
        children: vec![Rect::default(); children.len()],
        ..Default::default()
    };
    places_along(frame, &layers, &joints, &pins, &axes, &body, &nets, &mut result);
    for (places, axes, is_entry) in [(0, true), (layers.places.len() - 1, false)]
        .map(|(layer, is_entry)| (&layers.places[layer], &axes[layer], is_entry))
    {
        for (place, &axis) in places.iter().zip(axes) {
            if let Place::Lane(source) = *place {
                if is_entry { &mut result.entries } else { &mut result.exits }.insert(source, axis);
            }
        }
    }
    result
}

/// A child as a box around its axis.
struct Body {
    left: f64,
    right: f64,
    length: f64,
    tail: f64,
    tail_width: f64,
}

impl Body {
    fn of(child: Child, nodes: &[NodeBox], inner: &[Option<Arranged>]) -> Self {
        match child {
            Child::Node(idx) => {
                let NodeBox { length, left, right, tail, tail_width, .. } = nodes[idx];
                Self { left, right, length, tail, tail_width }
            }
            Child::Group(idx) => {
                let (width, length) =
                    inner[idx].as_ref().map_or((0.0, 0.0), |group| (group.width, group.length));
                Self { left: 0.0, right: width, length, tail: 0.0, tail_width: 0.0 }
            }
        }
    }
}

fn slot(place: Place, body: &impl Fn(usize) -> Body) -> Slot {
    match place {
        Place::Child(child) => {
            let body = body(child);
            Slot { left: body.left, right: body.right.max(body.tail_width), gap: GAP, is_lane: false }
        }
        Place::Lane(_) => Slot { left: LANE, right: LANE, gap: LANE_GAP, is_lane: true },
    }
}

/// Longest paths from where values come in, and lanes on the layers that a value passes.
fn layers(n_children: usize, nets: &BTreeMap<usize, Net>) -> Layers {
    let mut of = vec![1usize; n_children];
    let mut edges: Vec<(usize, usize)> = Vec::new();
    for net in nets.values() {
        let End::Child(from) = net.from else { continue };
        edges.extend(net.to.keys().filter_map(|to| match to {
            End::Child(to) => Some((from, *to)),
            End::Border => None,
        }));
    }
    // Longest paths, in a topological order of the children.
    let (mut n_inputs, mut readers) = (vec![0usize; n_children], vec![Vec::new(); n_children]);
    for &(from, to) in &edges {
        n_inputs[to] += 1;
        readers[from].push(to);
    }
    let mut ready: Vec<usize> = (0..n_children).filter(|&child| n_inputs[child] == 0).collect();
    while let Some(child) = ready.pop() {
        for &reader in &readers[child] {
            of[reader] = of[reader].max(of[child] + 1);
            n_inputs[reader] -= 1;
            if n_inputs[reader] == 0 {
                ready.push(reader);
            }
        }
    }
    let last = of.iter().copied().max().unwrap_or(0) + 1;
    let mut places: Vec<Vec<Place>> = vec![Vec::new(); last + 1];
    for (&source, net) in nets {
        let first = match net.from {
            End::Child(child) => of[child] + 1,
            End::Border => 0,
        };
        let until = net.to.keys().map(|to| match to {
            End::Child(child) => of[*child],
            End::Border => last + 1,
        });
        for layer in first..until.max().unwrap_or(0) {
            places[layer].push(Place::Lane(source));
        }
    }
    for (child, &layer) in of.iter().enumerate() {
        places[layer].push(Place::Child(child));
    }
    // What passes by begins on the left, then comes the chain to the result, then what feeds into it.
    let on_spine = |place: &Place| match *place {
        Place::Lane(source) => nets[&source].to.values().any(|to| to.0 == SPINE),
        Place::Child(child) => {
            nets.values().any(|net| net.to.get(&End::Child(child)).is_some_and(|to| to.0 == SPINE))
        }
    };
    for places in &mut places {
        places.sort_by_cached_key(|place| {
            (!matches!(place, Place::Lane(_)) || on_spine(place), !on_spine(place))
        });
    }
    Layers { places, of }
}

/// The lines between each layer and the next.
fn joints(layers: &Layers, nets: &BTreeMap<usize, Net>) -> Vec<Vec<Joint>> {
    let last = layers.places.len() - 1;
    let mut joints: Vec<Vec<Joint>> = (0..last).map(|_| Vec::new()).collect();
    let slots: Vec<HashMap<PlaceKey, usize>> = layers
        .places
        .iter()
        .map(|places| places.iter().enumerate().map(|(idx, &place)| (key(place), idx)).collect())
        .collect();
    for (&source, net) in nets {
        let first = match net.from {
            End::Child(child) => layers.of[child],
            End::Border => 0,
        };
        for (layer, joints) in joints.iter_mut().enumerate().skip(first) {
            let upper_key = match net.from {
                End::Child(child) if layer == first => key(Place::Child(child)),
                _ => key(Place::Lane(source)),
            };
            let Some(&upper) = slots[layer].get(&upper_key) else { break };
            for (to, &(rank, is_main)) in &net.to {
                if let End::Child(child) = *to
                    && layers.of[child] == layer + 1
                {
                    let lower = slots[layer + 1][&key(Place::Child(child))];
                    joints.push(Joint { source, upper, lower, rank, is_main });
                }
            }
            if let Some(&lower) = slots[layer + 1].get(&key(Place::Lane(source))) {
                let goes_on = |to: &End| match *to {
                    End::Child(child) => layers.of[child] > layer + 1,
                    End::Border => true,
                };
                let rank = net.to.iter().filter(|(to, _)| goes_on(to)).map(|(_, to)| to.0).max().unwrap_or(0);
                joints.push(Joint { source, upper, lower, rank, is_main: false });
            }
        }
    }
    joints
}

type PlaceKey = (bool, usize);

fn key(place: Place) -> PlaceKey {
    match place {
        Place::Child(child) => (false, child),
        Place::Lane(source) => (true, source),
    }
}

/// Puts layers into their order; joints then count places in it.
fn sort(layers: &mut Layers, mut joints: Vec<Vec<Joint>>, orders: &[Vec<usize>]) -> Vec<Vec<Joint>> {
    let mut new_places = Vec::new();
    for (places, order) in layers.places.iter_mut().zip(orders) {
        let mut at = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, &slot)| at[slot] = place);
        *places = order.iter().map(|&slot| places[slot]).collect();
        new_places.push(at);
    }
    for (layer, joints) in joints.iter_mut().enumerate() {
        for joint in joints.iter_mut() {
            joint.upper = new_places[layer][joint.upper];
            joint.lower = new_places[layer + 1][joint.lower];
        }
        joints.sort_by_key(|joint| (joint.lower, joint.upper));
    }
    joints
}

/// Offsets of the pins of each joint from the axes of its ends.
fn pins(
    layers: &Layers,
    joints: &[Vec<Joint>],
    children: &[Child],
    nodes: &[NodeBox],
    inner: &[Option<Arranged>],
) -> Vec<Vec<(f64, f64)>> {
    let child_at = |layer: usize, slot: usize| match layers.places[layer][slot] {
        Place::Child(child) => Some(children[child]),
        Place::Lane(_) => None,
    };
    let mut pins = Vec::with_capacity(joints.len());
    for (layer, joints) in joints.iter().enumerate() {
        let mut list = Vec::with_capacity(joints.len());
        for (idx, joint) in joints.iter().enumerate() {
            let upper = match child_at(layer, joint.upper) {
                Some(Child::Group(group)) => exit(inner, group, joint.source),
                _ => 0.0,
            };
            let lower = match child_at(layer + 1, joint.lower) {
                Some(Child::Group(group)) => entry(inner, group, joint.source),
                Some(Child::Node(node)) => {
                    // Joints are sorted by their lower end, then from left to right.
                    let first = joints[..idx]
                        .iter()
                        .rposition(|other| other.lower != joint.lower)
                        .map_or(0, |at| at + 1);
                    let same = joints[first..].iter().take_while(|other| other.lower == joint.lower);
                    let same: Vec<bool> = same.map(|other| other.is_main).collect();
                    let main = same.iter().position(|&is_main| is_main);
                    let centre = main.map_or((same.len() as f64 - 1.0) / 2.0, |at| at as f64);
                    ((idx - first) as f64 - centre) * nodes[node].pin_gap
                }
                None => 0.0,
            };
            list.push((upper, lower));
        }
        pins.push(list);
    }
    pins
}

fn entry(inner: &[Option<Arranged>], group: usize, source: usize) -> f64 {
    inner[group].as_ref().and_then(|group| group.entries.get(&source)).copied().unwrap_or(0.0)
}

fn exit(inner: &[Option<Arranged>], group: usize, source: usize) -> f64 {
    inner[group].as_ref().and_then(|group| group.exits.get(&source)).copied().unwrap_or(0.0)
}

fn places_across(
    layers: &Layers,
    joints: &[Vec<Joint>],
    pins: &[Vec<(f64, f64)>],
    body: &impl Fn(usize) -> Body,
) -> Vec<Vec<f64>> {
    let slots: Vec<Vec<Slot>> = layers
        .places
        .iter()
        .map(|places| {
            let mut slots: Vec<Slot> = places.iter().map(|&place| slot(place, body)).collect();
            // A lane keeps the same distance from a box on either side of it.
            for idx in 1..places.len() {
                if matches!(places[idx], Place::Lane(_)) {
                    slots[idx - 1].gap = LANE_GAP;
                }
            }
            slots
        })
        .collect();
    let is_lane = |layer: usize, slot: usize| matches!(layers.places[layer][slot], Place::Lane(_));
    let pulls: Vec<Vec<Pull>> = joints
        .iter()
        .zip(pins)
        .enumerate()
        .map(|(layer, (joints, pins))| {
            let pull = |(joint, pins): (&Joint, &(f64, f64))| {
                let ends = (is_lane(layer, joint.upper), is_lane(layer + 1, joint.lower));
                let (rank, weight) = match (joint.rank, ends) {
                    (SPINE, _) => (3, 20.0),
                    // A lane bends where it leaves rather than where it arrives.
                    (MAIN, (true, false)) => (2, 9.0),
                    (MAIN, _) => (2, 8.0),
                    (_, (true, true)) => (1, 6.0),
                    // A value on its way to be joined passes straight below its box.
                    (_, (false, true)) => (0, 1.5),
                    _ => (0, 1.0),
                };
                Pull { upper: (joint.upper, pins.0), lower: (joint.lower, pins.1), rank, weight }
            };
            joints.iter().zip(pins).map(pull).collect()
        })
        .collect();
    across::place(&slots, &pulls)
}

/// The layers one behind the other, with room for the lines between them; then the lines.
#[allow(clippy::too_many_arguments)]
fn places_along(
    frame: &GroupBox,
    layers: &Layers,
    joints: &[Vec<Joint>],
    pins: &[Vec<(f64, f64)>],
    axes: &[Vec<f64>],
    body: &impl Fn(usize) -> Body,
    nets: &BTreeMap<usize, Net>,
    result: &mut Arranged,
) {
    let n_layers = layers.places.len();
    // Where each slot ends and begins, along; lanes take the whole layer.
    let mut spans: Vec<Vec<(f64, f64)>> = Vec::with_capacity(n_layers);
    let mut turns: Vec<HashMap<usize, f64>> = Vec::with_capacity(joints.len());
    let mut at = 0.0;
    for (layer, places) in layers.places.iter().enumerate() {
        let length = places.iter().map(|&place| match place {
            Place::Child(child) => body(child).length,
            Place::Lane(_) => 0.0,
        });
        let length = length.fold(0.0, f64::max);
        let mut tail: f64 = 0.0;
        let mut layer_spans = Vec::with_capacity(places.len());
        for (&place, &axis) in places.iter().zip(&axes[layer]) {
            let Place::Child(child) = place else {
                layer_spans.push((at, at + length));
                continue;
            };
            let body = body(child);
            let begin = at + (length - body.length) / 2.0;
            result.children[child] = Rect {
                along: begin,
                across: axis - body.left,
                length: body.length,
                width: body.left + body.right,
            };
            layer_spans.push((begin, begin + body.length));
            tail = tail.max(begin + body.length + body.tail - (at + length));
        }
        spans.push(layer_spans);
        let Some(joints) = joints.get(layer) else { break };
        at += length + tail;
        // Lines of one value share a track.
        let mut runs: BTreeMap<usize, Run> = BTreeMap::new();
        for (joint, pin) in joints.iter().zip(&pins[layer]) {
            let from = axes[layer][joint.upper] + pin.0;
            let run = runs.entry(joint.source).or_insert_with(|| Run { from, to: Vec::new() });
            run.to.push(axes[layer + 1][joint.lower] + pin.1);
        }
        let sources: Vec<usize> = runs.keys().copied().collect();
        let list: Vec<Run> = runs.into_values().collect();
        let (tracks, n_tracks) = tracks::tracks(&list);
        let is_border = layer == 0 || layer + 2 == n_layers;
        let (pad, above, below) = match layer {
            0 => (frame.start, frame.start, BELOW_TRACKS),
            _ if is_border => (frame.end, ABOVE_TRACKS, frame.end),
            _ => (CHANNEL, ABOVE_TRACKS, BELOW_TRACKS),
        };
        let turn = |track: usize| at + above + TRACK * track as f64;
        turns.push(sources.iter().copied().zip(tracks.iter().map(|&track| turn(track))).collect());
        at += match n_tracks {
            // A label behind the last boxes is enough distance from the border.
            0 if is_border && layer > 0 => (pad - tail).max(4.0),
            0 => (pad - tail).max(CHANNEL * 0.7),
            n => above + TRACK * (n - 1) as f64 + below,
        };
    }
    result.length = at.max(frame.min_length);
    if let Some(last) = spans.last_mut() {
        last.iter_mut().for_each(|span| *span = (result.length, result.length));
    }

    // Follow each value from layer to layer.
    let mut joint_of: HashMap<(usize, usize, bool, usize), usize> = HashMap::new();
    for (layer, joints) in joints.iter().enumerate() {
        for (idx, joint) in joints.iter().enumerate() {
            let (is_lane, what) = key(layers.places[layer + 1][joint.lower]);
            joint_of.insert((layer, joint.source, is_lane, what), idx);
        }
    }
    for (&source, net) in nets {
        let first = match net.from {
            End::Child(child) => layers.of[child],
            End::Border => 0,
        };
        for &to in net.to.keys() {
            let last = match to {
                End::Child(child) => layers.of[child],
                End::Border => n_layers - 1,
            };
            let mut points = Vec::new();
            for layer in first..last {
                let lower_key = match to {
                    End::Child(child) if layer + 1 == last => (false, child),
                    _ => (true, source),
                };
                let Some(&idx) = joint_of.get(&(layer, source, lower_key.0, lower_key.1)) else { break };
                let (joint, pin) = (&joints[layer][idx], pins[layer][idx]);
                let x = axes[layer][joint.upper] + pin.0;
                let next = axes[layer + 1][joint.lower] + pin.1;
                points.push(Point { along: spans[layer][joint.upper].1, across: x });
                if (x - next).abs() > 1e-6 {
                    let turn = turns[layer].get(&source).copied().unwrap_or(spans[layer][joint.upper].1);
                    points.push(Point { along: turn, across: x });
                    points.push(Point { along: turn, across: next });
                }
                points.push(Point { along: spans[layer + 1][joint.lower].0, across: next });
            }
            result.routes.insert((source, to), points);
        }
    }
}
