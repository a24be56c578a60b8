//! Memory of ranking links: each is compared with every pair that has another node at one of its ends, some questions at a time.
//!
//! The sizes are those of [`LinkPart::ranks`](crate::train::LinkPart) step by step; `counting.rs` holds them to the allocator's count.

use super::forward_bytes;
use crate::data::{Dataset, Links};
use crate::lower;
use crate::plan::Tracer;
use crate::plan::trace::{FLOAT_BYTES, Graphs};
use crate::settings::metric::Rank;
use crate::train::{questions_at_once, ranked_ends};

/// Bytes of an entry of a `BTreeMap` from two numbers to a list, with its share of a node that is two thirds full.
const QUESTION_BYTES: f64 = 1.5 * (8.0 + 24.0);

/// Bytes of the shortest list of numbers that has grown.
const LEAST_LIST_BYTES: f64 = 16.0;

/// Bytes of a vector that has grown to so many items of a size, as it doubles.
fn grown(n: usize, item_bytes: f64) -> f64 {
    item_bytes * n.max(4).next_power_of_two() as f64
}

/// The most that measuring these links takes at once beside the data set, the messages and the weights, the vectors of all nodes among it;
/// 0 where there are none.
pub fn bytes(tracer: &Tracer, dataset: &Dataset, graphs: &Graphs, items: &[u32]) -> f64 {
    let Some(links) = dataset.links.as_ref().filter(|_| !items.is_empty()) else { return 0.0 };
    let sides = ranked_ends(links);
    let ranks = (size_of::<Rank>() * items.len() * sides.len()) as f64;
    let of_side = |&is_tail: &bool| side_bytes(tracer, links, graphs, items, is_tail);
    ranks + sides.iter().map(of_side).fold(0.0, f64::max)
}

fn side_bytes(tracer: &Tracer, links: &Links, graphs: &Graphs, items: &[u32], is_tail: bool) -> f64 {
    let key = |link: u32| (links.ends[link as usize][usize::from(!is_tail)], links.kind(link));
    let distinct = |mut keys: Vec<(u32, u32)>| {
        keys.sort_unstable();
        keys.dedup();
        keys.len()
    };
    let n_keys = distinct((0..links.len() as u32).map(key).collect());
    let n_questions = distinct(items.iter().map(|&link| key(link)).collect());
    let (n_links, n_nodes) = (links.len() as f64, links.nodes_at(usize::from(is_tail)).len());
    // The answers that are known: the other ends by what is asked, sorted as triples before.
    let known = 4.0 * n_links + grown(n_keys, 8.0) + grown(n_keys + 1, 8.0);
    let lists = (4.0 * items.len() as f64).max(LEAST_LIST_BYTES * n_questions as f64);
    let questions = 32.0 * n_questions as f64 + lists;
    let begin = known + (12.0 * n_links).max(QUESTION_BYTES * n_questions as f64 + questions);
    let at_once = questions_at_once(n_nodes).min(n_questions) as f64;
    // What pairs of one question have in common is made once, where the second end is asked for.
    let asks_second = is_tail || links.first_reverse.is_some();
    let encoded = |n_pairs: f64| {
        let queries = if asks_second { n_pairs.min(at_once) } else { n_pairs };
        forward_bytes(tracer, &Graphs { pairs: n_pairs, queries, ..graphs.clone() }).0
    };
    let n_pairs = at_once * n_nodes as f64;
    let (all_nodes, keys) = (links.n_nodes as f64, 8.0 * at_once);
    let has_kinds = if links.n_kinds > 0 { 1.0 } else { 0.0 };
    let scored = match lower::width_of_product(tracer.model(), tracer.plan()) {
        // Each end is scored beside a unit row for each column, then a product of matrices has the scores, which are copied.
        Some(width) => {
            let (width, rows) = (width as f64, all_nodes + width as f64);
            let n_units = at_once * width;
            // Ends as they are asked and as edges, three orders while they are sorted, the graph, its transpose, and the same of kinds.
            let pairs = n_units * (16.0 + 12.0 + 8.0 + 12.0 * has_kinds) + 5.0 * 4.0 * rows;
            let beside = FLOAT_BYTES * width * (width + rows);
            let factors = pairs + beside + encoded(n_units);
            let product = FLOAT_BYTES * (2.0 * n_units + 2.0 * n_pairs) + encoded(0.0);
            f64::max(factors, product)
        }
        // A graph of all pairs with its transpose; its kinds are written in both orders.
        None => {
            let graph = n_pairs * (12.0 + 4.0 * has_kinds) + 8.0 * (all_nodes + 1.0);
            let decoded = n_pairs * (8.0 + 4.0 * has_kinds) + encoded(n_pairs) + FLOAT_BYTES * n_pairs;
            f64::max(graph, decoded)
        }
    };
    f64::max(begin, known + questions + keys + scored)
}
