//! Bytes of one pass: an allocator that counts, and the memory of PyTorch Geometric beside it.

use super::{Batch, Workload, pass};
use hgnn::lower::{ForwardCx, Network};
use std::alloc::{GlobalAlloc, Layout};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};

/// The allocator of our programs, with a count of the bytes that were asked for.
pub struct Counting(hgnn::memory::Allocator);

static IN_USE: AtomicIsize = AtomicIsize::new(0);
static MOST: AtomicIsize = AtomicIsize::new(0);

impl Counting {
    #[allow(clippy::new_without_default)] // A static needs a constant.
    pub const fn new() -> Self {
        Self(hgnn::memory::Allocator::new())
    }
}

fn count(bytes: isize) {
    let in_use = IN_USE.fetch_add(bytes, Relaxed) + bytes;
    if bytes > 0 {
        MOST.fetch_max(in_use, Relaxed);
    }
}

// SAFETY: all blocks are those of the allocator inside.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { self.0.alloc(layout) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { self.0.dealloc(block, layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size as isize - layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { self.0.realloc(block, layout, new_size) }
    }
}

/// Megabytes of a pass with gradients.
pub struct Used {
    /// What it reads and what it starts the backward pass from, with the most that it had beside.
    pub peak: f64,
    /// What it reads, its results, and the gradients of both.
    pub needed: f64,
}

/// Measures one pass of a call over all batches.
pub fn used(network: &Network, workload: &Workload, call: &str) -> Used {
    let held: usize = workload.batches.iter().map(|batch| held(batch, call)).sum();
    // What a graph is asked for once, such as its degrees, is found before.
    pass(network, workload, true).expect("runs");
    let before = IN_USE.load(Relaxed);
    MOST.store(before, Relaxed);
    pass(network, workload, true).expect("runs");
    let beside = MOST.load(Relaxed) - before;
    let of_batch = |Batch { x, batch, .. }: &Batch| {
        let y = network.forward(batch, &mut ForwardCx::training(1, &[])).expect("runs").x;
        4 * (x.elem_count() + y.elem_count())
    };
    let results = workload.batches.iter().map(of_batch).max().unwrap_or(0);
    let mb = |bytes: usize| bytes as f64 / 1e6;
    Used { peak: mb(held + beside as usize), needed: mb(held + results) }
}

/// Bytes of a batch: features, edges both ways, what edges carry where the call names it, and the gradient of the result.
fn held(Batch { x, batch, ones }: &Batch, call: &str) -> usize {
    let (csr, transpose) = (&batch.graph.adjacency, &batch.graph.transpose);
    let mut n_numbers = x.elem_count() + ones.elem_count() + csr.offsets.len() + csr.indices.len();
    if !Arc::ptr_eq(csr, transpose) {
        n_numbers += transpose.offsets.len() + transpose.indices.len();
    }
    if call.contains("edges") || call.contains("place") {
        n_numbers += batch.edge_x.as_ref().map_or(0, |edge_x| edge_x.elem_count());
    }
    if call.contains("edge_labels") {
        n_numbers += csr.indices.len();
    }
    4 * n_numbers
}

/// Megabytes of PyTorch Geometric's process above what its imports take, on PROTEINS and on the other workload: `PYG_OPERATORS.md`.
pub static PYG: &[(&str, [Option<u32>; 2])] = &[
    ("simple", [Some(87), Some(397)]),
    ("gcn", [Some(95), Some(505)]),
    ("graph_conv", [Some(105), Some(541)]),
    ("sage", [Some(103), Some(598)]),
    ("sage max", [Some(104), Some(621)]),
    ("sage both ways", [Some(118), Some(1055)]),
    ("gin", [Some(114), Some(601)]),
    ("gine", [Some(126), Some(1665)]),
    ("gat", [Some(127), Some(1737)]),
    ("gat edge", [Some(135), Some(1922)]),
    ("gatv2 edge", [Some(182), Some(2092)]),
    ("transformer edge", [Some(153), Some(2326)]),
    ("supergat", [Some(196), Some(3077)]),
    ("agnn", [Some(154), Some(2186)]),
    ("feast", [Some(251), Some(4491)]),
    ("fa", [Some(123), Some(1601)]),
    ("cheb", [Some(130), Some(1373)]),
    ("sg", [Some(151), Some(513)]),
    ("ssg", [Some(110), Some(632)]),
    ("appnp", [Some(119), Some(761)]),
    ("gcn2", [Some(119), Some(555)]),
    ("tag", [Some(108), Some(715)]),
    ("arma", [Some(187), Some(1553)]),
    ("mixhop", [Some(111), Some(667)]),
    ("lg", [Some(90), Some(355)]),
    ("cluster_gcn", [Some(130), Some(602)]),
    ("le", [Some(113), Some(1420)]),
    ("mf", [Some(99), Some(786)]),
    ("eg", [Some(103), Some(451)]),
    ("wl_continuous", [Some(98), Some(734)]),
    ("antisymmetric", [Some(117), Some(617)]),
    ("general", [Some(119), Some(1200)]),
    ("gated_graph", [Some(153), Some(1521)]),
    ("res_gated", [Some(140), Some(1860)]),
    ("gen", [Some(161), Some(2816)]),
    ("cg", [Some(177), Some(2485)]),
    ("edge_conv", [Some(178), Some(2722)]),
    ("gmm", [Some(166), Some(3885)]),
    ("pdn", [Some(126), Some(1774)]),
    ("nn_conv", [Some(602), None]),
    ("pna", [Some(208), Some(3598)]),
    ("rgcn", [Some(109), Some(918)]),
    ("rgcn bases", [Some(109), Some(814)]),
    ("rgat", [Some(863), None]),
    ("film", [Some(153), Some(1991)]),
    ("film relations", [Some(125), Some(1642)]),
    ("gps", [Some(897), None]),
    ("topk", [Some(85), None]),
    ("sag", [Some(94), None]),
    ("asap", [Some(227), None]),
    ("edge_pool", [Some(118), None]),
    ("cluster_pool", [Some(506), None]),
    ("mem_pool", [Some(483), None]),
    ("sum", [Some(74), Some(171)]),
    ("mean", [Some(76), Some(173)]),
    ("max", [Some(85), Some(172)]),
    ("min", [Some(86), Some(196)]),
    ("mul", [Some(89), Some(334)]),
    ("var", [Some(88), Some(297)]),
    ("std", [Some(87), Some(153)]),
    ("softmax_sum", [Some(102), Some(565)]),
    ("power_mean", [Some(91), Some(335)]),
    ("median", [Some(88), Some(374)]),
    ("quantile", [Some(89), Some(423)]),
    ("attentional", [Some(90), Some(259)]),
    ("set2set", [Some(111), Some(423)]),
    ("sort_pool", [Some(142), Some(312)]),
    ("deep_sets", [Some(89), Some(299)]),
    ("set_transformer", [Some(929), Some(1027)]),
    ("multiset_transformer", [Some(246), Some(620)]),
    ("batch_norm", [Some(78), Some(287)]),
    ("layer_norm graph", [Some(99), Some(596)]),
    ("layer_norm node", [Some(83), Some(335)]),
    ("instance_norm", [Some(96), Some(434)]),
    ("graph_norm", [Some(106), Some(704)]),
    ("graph_size_norm", [Some(79), Some(361)]),
    ("pair_norm", [Some(101), Some(605)]),
    ("mean_subtraction", [Some(86), Some(334)]),
    ("diff_group_norm", [Some(223), Some(1075)]),
];
