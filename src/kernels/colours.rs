//! Weisfeiler-Lehman colours.

use super::graph::Csr;

/// One more number in a hash, so that every bit of both has an influence on every bit of the result (SplitMix64).
pub fn mixed(hash: u64, number: u64) -> u64 {
    let mut state = (hash ^ number.wrapping_mul(0xbf58_476d_1ce4_e5b9)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// The colour of each row after each step, from 0 to `steps`: at first a hash of its numbers, then one of its colour and those of
/// its neighbours in any order. `rows` are `[n, width]`, and `graph` lists the neighbours that each row gathers.
///
/// Paper: Shervashidze et al. 2011, "Weisfeiler-Lehman Graph Kernels", algorithm 1; there colours are numbered, here hashed to 64
/// bits.
pub fn colours(rows: &[f64], width: usize, graph: &Csr, steps: usize) -> Vec<Vec<u64>> {
    let n = graph.n_rows();
    // Adding 0 makes −0 and 0 equal.
    let first = |row: usize| {
        let numbers = rows[row * width..(row + 1) * width].iter();
        numbers.fold(width as u64, |hash, number| mixed(hash, (number + 0.0).to_bits()))
    };
    let mut all = vec![(0..n).map(first).collect::<Vec<u64>>()];
    let mut near = Vec::new();
    for step in 1..=steps {
        let before = &all[step - 1];
        let next = (0..n).map(|row| {
            near.clear();
            near.extend(graph.row(row).iter().map(|&source| before[source as usize]));
            refined(step, before[row], &mut near)
        });
        let next = next.collect();
        all.push(next);
    }
    all
}

/// The next colour of a row: of the step, its colour and those that it gathers, in any order.
pub fn refined(step: usize, own: u64, near: &mut [u64]) -> u64 {
    near.sort_unstable();
    near.iter().fold(mixed(mixed(step as u64, own), near.len() as u64), |hash, &colour| mixed(hash, colour))
}

/// How many colours of each row, over all steps, are hashed to each of `buckets` features: `[n, buckets]`.
pub fn counted_colours(colours: &[Vec<u64>], buckets: usize) -> Vec<f32> {
    #[cfg(test)]
    super::recorder::note(|| "colours".to_owned());
    let n = colours.first().map_or(0, Vec::len);
    let mut counts = vec![0.0; n * buckets];
    for (step, of_rows) in colours.iter().enumerate() {
        for (row, &colour) in of_rows.iter().enumerate() {
            let bucket = mixed(colour, step as u64) % buckets as u64;
            counts[row * buckets + bucket as usize] += 1.0;
        }
    }
    counts
}
