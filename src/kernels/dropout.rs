//! Dropout with a mask that is a function of seed and place, so that it need not be kept.

use super::device;
use super::float::{Float, by_dtype, finish, values};
use super::parallel::fill_elements;
use super::tape::{Reads, Recorded};
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use multiversion::multiversion;

/// Sets each element to 0 with probability `p` and scales the others by `1 / (1 − p)`.
///
/// Which ones depends on `seed` and the place in the tensor alone, not on threads or on what ran before.
///
/// # Errors
/// Where `p` is not in [0, 1), or the type is neither f32 nor f64.
pub fn dropout(x: &Tensor, p: f64, seed: u64) -> Result<Tensor> {
    if !(0.0..1.0).contains(&p) {
        bail!("`dropout` needs a probability in [0, 1), not {p}")
    }
    if p == 0.0 {
        return Ok(x.clone());
    }
    if device::is_elsewhere(x) {
        return device::composed::dropout(x, p, seed);
    }
    x.contiguous()?.recorded1(Dropout { p, seed }, Reads::NOTHING)
}

#[derive(Clone, Copy)]
struct Dropout {
    p: f64,
    seed: u64,
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }
    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(x.dtype(), T => {
            let x = values::<T>(x, layout)?;
            // SAFETY: `drop` writes all of `out`.
            let out = unsafe {
                fill_elements(x.len(), x.len() * 4, |range, out| {
                    drop_elements(&x[range.clone()], out, range.start, self.p, self.seed)
                })
            };
            Ok(finish(out, layout.shape()))
        })
    }
    fn bwd(&self, _x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(grad.contiguous()?.apply_op1_no_bwd(self)?))
    }
}

/// Dropout of numbers that belong to edges and are not kept, such as the weights of attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EdgeDropout {
    /// Probability in [0, 1).
    pub p: f64,
    pub seed: u64,
}

impl EdgeDropout {
    /// 0 or `1 / (1 − p)`, always the same for one edge and channel. Of parallel edges `nth` is the place, from 0.
    #[inline(always)]
    pub(super) fn factor<T: Float>(&self, target: usize, source: usize, nth: u32, channel: usize) -> T {
        let edge = (target as u64) << 32 | source as u64;
        let place = (channel as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            ^ u64::from(nth).wrapping_mul(0xd1b5_4a32_d192_ed03);
        let random = mix_64(mix_64(self.seed ^ place) ^ mix_64(edge));
        if ((random >> 32) as f64) < self.p * (1u64 << 32) as f64 {
            T::ZERO
        } else {
            T::of(1.0 / (1.0 - self.p))
        }
    }
}

/// A number of mean 0 and variance 1, nearly normal: twelve uniform ones less six, which is the same bits on every system, where
/// logarithms and cosines are not. A function of the seed, the row and the column.
pub fn noise(seed: u64, row: usize, col: usize) -> f64 {
    let place = mix_64(seed ^ (row as u64) << 32 ^ (col as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let words = [1, 2, 3].map(|word| mix_64(place ^ mix_64(word)));
    let uniform = |word: u64, part: u32| ((word >> (16 * part)) as u16 as f64 + 0.5) / 65_536.0;
    let sum: f64 = words.iter().flat_map(|&word| (0..4).map(move |part| uniform(word, part))).sum();
    sum - 6.0
}

/// `first` is the place of `x[0]` in the whole tensor. Blocks start at multiples of 2¹⁴, so the high half of the
/// place is the same throughout a block.
#[multiversion(targets("x86_64+avx2+fma+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2+fma"))]
fn drop_elements<T: Float>(x: &[T], out: &mut [T], first: usize, p: f64, seed: u64) {
    let keep = T::of(1.0 / (1.0 - p));
    let limit = (p * (1u64 << 32) as f64) as u32;
    let key = mix_64(seed ^ mix_64((first as u64 >> 32).wrapping_add(0x9e37_79b9_7f4a_7c15)));
    let (low, high) = (key as u32, (key >> 32) as u32);
    let start = first as u32;
    for (idx, (out, &x)) in out.iter_mut().zip(x).enumerate() {
        let place = start.wrapping_add(idx as u32);
        let random = mix_32(mix_32(place ^ low).wrapping_add(high));
        *out = if random < limit { T::ZERO } else { keep * x };
    }
}

/// Whether the number at a place of a tensor stays, as [`dropout`] has it.
#[inline]
pub(super) fn kept(place: u64, p: f64, seed: u64) -> bool {
    let limit = (p * (1u64 << 32) as f64) as u32;
    let key = mix_64(seed ^ mix_64((place >> 32).wrapping_add(0x9e37_79b9_7f4a_7c15)));
    mix_32(mix_32(place as u32 ^ key as u32).wrapping_add((key >> 32) as u32)) >= limit
}

/// The finaliser of SplitMix64.
pub(super) fn mix_64(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Wellons' `lowbias32`: a bijection of 32 bits in which every input bit flips every output bit about half the time.
#[inline(always)]
fn mix_32(value: u32) -> u32 {
    let value = (value ^ (value >> 16)).wrapping_mul(0x7feb_352d);
    let value = (value ^ (value >> 15)).wrapping_mul(0x846c_a68b);
    value ^ (value >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::{Case, random};
    use candle_core::{DType, Device};

    fn mask(n: usize, p: f64, seed: u64) -> Vec<f32> {
        let ones = Tensor::ones(n, DType::F32, &Device::Cpu).unwrap();
        dropout(&ones, p, seed).unwrap().to_vec1().unwrap()
    }

    #[test]
    fn the_share_of_zeros_is_p_and_the_mean_stays() {
        for p in [0.1, 0.5, 0.9] {
            let mask = mask(200_000, p, 3);
            let zeros = mask.iter().filter(|&&value| value == 0.0).count() as f64 / 200_000.0;
            assert!((zeros - p).abs() < 5e-3, "{zeros} of {p}");
            let mean = mask.iter().map(|&value| value as f64).sum::<f64>() / 200_000.0;
            assert!((mean - 1.0).abs() < 0.02, "{mean}");
        }
    }

    #[test]
    fn neighbouring_places_and_seeds_are_independent() {
        let [first, second] = [1, 2].map(|seed| mask(100_000, 0.5, seed));
        let agree = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).filter(|(a, b)| a == b).count() as f64 / a.len().min(b.len()) as f64
        };
        assert!((agree(&first, &second) - 0.5).abs() < 1e-2);
        assert!((agree(&first, &first[1..]) - 0.5).abs() < 1e-2);
        assert!((agree(&first, &first[64..]) - 0.5).abs() < 1e-2);
    }

    #[test]
    fn the_gradient_goes_where_the_values_went() {
        Case::new(&[random(&[300, 100], 1)], |x| dropout(&x[0], 0.3, 9))
            .has_same_bits_on_any_number_of_threads();
        let kept = mask(60, 0.3, 9);
        Case::new(&[random(&[20, 3], 1)], |x| dropout(&x[0], 0.3, 9)).equals(|x| {
            let data = x[0].data.iter().zip(&kept);
            let data = data.map(|(x, &kept)| if kept == 0.0 { 0.0 } else { x / 0.7 }).collect();
            crate::kernels::reference::Matrix { shape: vec![20, 3], data }
        });
    }

    #[test]
    fn nothing_is_dropped_at_zero_and_one_is_refused() {
        assert_eq!(mask(3, 0.0, 1), [1.0; 3]);
        let x = Tensor::ones(3, DType::F32, &Device::Cpu).unwrap();
        assert!(dropout(&x, 1.0, 1).unwrap_err().to_string().contains("[0, 1)"));
    }
}
