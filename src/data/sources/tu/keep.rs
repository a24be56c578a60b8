//! `max_nodes`: only some graphs of a set, with their nodes renumbered.

use crate::data::dataset::{Features, Targets};
use crate::data::edges::EdgeList;
use crate::types::Entity;

/// The new number of a node that is left out.
pub const DROPPED: u32 = u32::MAX;

/// The new number of each node where only some graphs (ascending) are kept.
pub fn moved(kept: &[usize], node_offsets: &mut Vec<u32>) -> Vec<u32> {
    let n_nodes = *node_offsets.last().expect("starts with 0") as usize;
    let mut moved = vec![DROPPED; n_nodes];
    let mut offsets = vec![0u32];
    let mut n_kept = 0;
    for &graph in kept {
        for place in &mut moved[node_offsets[graph] as usize..node_offsets[graph + 1] as usize] {
            *place = n_kept;
            n_kept += 1;
        }
        offsets.push(n_kept);
    }
    *node_offsets = offsets;
    moved
}

/// Renumbers everything else.
pub fn graphs(
    kept: &[usize],
    moved: &[u32],
    edges: &mut EdgeList,
    features: &mut Features,
    (targets, entity): (&mut Targets, Entity),
    graph_ids: &mut Vec<u32>,
) {
    let kept_edges: Vec<u32> = (0u32..)
        .zip(&edges.pairs)
        .filter(|(_, (source, _))| moved[*source as usize] != DROPPED)
        .map(|(edge, _)| edge)
        .collect();
    edges.pick(&kept_edges);
    for (source, target) in &mut edges.pairs {
        (*source, *target) = (moved[*source as usize], moved[*target as usize]);
    }
    let kept_nodes: Vec<u32> =
        (0..moved.len()).filter(|&node| moved[node] != DROPPED).map(|node| node as u32).collect();
    *features = features.picked(&kept_nodes);
    let items: Vec<usize> = match entity {
        Entity::Nodes => kept_nodes.iter().map(|&node| node as usize).collect(),
        Entity::Graph => kept.to_vec(),
        // Edges name the rows of their targets.
        _ => (0..targets.n_rows()).collect(),
    };
    match targets {
        Targets::Classes(classes) => *classes = items.iter().map(|&item| classes[item]).collect(),
        Targets::Values { values, n_values } => {
            *values =
                items.iter().flat_map(|&item| &values[item * *n_values..][..*n_values]).copied().collect();
        }
        Targets::None => {}
    }
    *graph_ids = kept.iter().map(|&graph| graph_ids[graph]).collect();
}
