//! Seeds of the parts of a run, each a function of the run's seed and its place alone.

/// An unrelated seed for each list of places (SplitMix64 over the numbers).
pub fn derive(seed: u64, places: &[u64]) -> u64 {
    let mut state = seed;
    for &place in places {
        state =
            state.wrapping_add(place.wrapping_mul(0xbf58_476d_1ce4_e5b9)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 31;
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_counts() {
        let seeds =
            [derive(7, &[0, 0]), derive(7, &[0, 1]), derive(7, &[1, 0]), derive(8, &[0, 0]), derive(7, &[0])];
        for (idx, seed) in seeds.iter().enumerate() {
            assert!(!seeds[..idx].contains(seed));
        }
    }
}
