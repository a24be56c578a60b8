//! Connected parts of graphs, whatever the direction of the edges.

use crate::kernels::graph::Csr;
use std::ops::{Deref, Range};

/// The part of each node of a graph, counted from 0 in the order of their first nodes, and how many there are.
/// `outgoing` is `None` where every edge has its reverse.
pub fn of_graph<W: Deref<Target = [u32]>>(
    nodes: &Range<usize>,
    incoming: &Csr<W>,
    outgoing: Option<&Csr<W>>,
) -> (Vec<u32>, usize) {
    const NONE: u32 = u32::MAX;
    let mut part_of = vec![NONE; nodes.len()];
    let mut n_parts = 0;
    let mut open = Vec::new();
    for first in nodes.clone() {
        if part_of[first - nodes.start] != NONE {
            continue;
        }
        part_of[first - nodes.start] = n_parts;
        open.push(first);
        while let Some(node) = open.pop() {
            let out = outgoing.map_or(&[][..], |outgoing| outgoing.row(node));
            for &other in incoming.row(node).iter().chain(out) {
                let part = &mut part_of[other as usize - nodes.start];
                if *part == NONE {
                    *part = n_parts;
                    open.push(other as usize);
                }
            }
        }
        n_parts += 1;
    }
    (part_of, n_parts as usize)
}
