//! The two number types of the kernels, and access to the memory of tensors as slices.

use super::propagate::{DegreeCache, DegreeScales};
use candle_core::{CpuStorage, Layout, Result, Shape, Storage, StorageRef, Tensor, WithDType, bail};
use std::marker::PhantomData;
use std::ops::{Deref, Neg};

/// `f32` or `f64`. The `f32` functions are written so that loops over them become vector code.
pub trait Float:
    WithDType + candle_core::FloatDType + Neg<Output = Self> + Default + std::fmt::Debug
{
    const ZERO: Self;
    const ONE: Self;
    const NEG_INFINITY: Self;

    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    /// `eˣ`; for `f32` within 2 units in the last place, 0 below −87.3.
    fn exp(self) -> Self;
    fn ln(self) -> Self;
    /// `ln x` of a normal positive number; for `f32` within 2 units in the last place, or of 0.1 near 1.
    fn ln_normal(self) -> Self;
    fn tanh(self) -> Self;
    fn erf(self) -> Self;
    /// `self` if it is larger or `other` is NaN.
    fn greater(self, other: Self) -> Self {
        if other > self { other } else { self }
    }
    /// The cached scales of this type.
    fn scales(cache: &DegreeCache) -> &DegreeScales<Self>;
}

impl Float for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = f32::NEG_INFINITY;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self as f64
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }

    /// Cody–Waite reduction by ln 2 in two parts, then the polynomial of the Cephes library.
    #[inline(always)]
    fn exp(self) -> Self {
        const LOWEST: f32 = -87.336_54;
        const HIGHEST: f32 = 88.722_83;
        // Adding 1.5·2²³ rounds to an integer in the low bits of the mantissa.
        const ROUND: f32 = 12_582_912.0;
        // Comparisons that are false for NaN let it through to the polynomial.
        let x = if self < LOWEST { LOWEST } else { self };
        let x = if x > HIGHEST { HIGHEST } else { x };
        let shifted = x * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = x - n * 0.693_359_4;
        let r = r - n * -2.121_944_4e-4;
        let mut p = 1.987_569_2e-4;
        p = p * r + 1.398_2e-3;
        p = p * r + 8.333_452e-3;
        p = p * r + 4.166_579_6e-2;
        p = p * r + 0.166_666_66;
        p = p * r + 0.5;
        let p = p * (r * r) + r + 1.0;
        // 2ⁿ in two factors, because n reaches 128, which one exponent cannot hold.
        let n = shifted.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
        let half = n >> 1;
        let first = f32::from_bits(((half + 127) as u32) << 23);
        let second = f32::from_bits(((n - half + 127) as u32) << 23);
        let y = p * first * second;
        let y = if self < LOWEST { 0.0 } else { y };
        if self > HIGHEST { f32::INFINITY } else { y }
    }
    #[inline(always)]
    fn ln(self) -> Self {
        f32::ln(self)
    }
    /// The polynomial of the Cephes library, without a branch.
    #[inline(always)]
    fn ln_normal(self) -> Self {
        let bits = self.to_bits() as i32;
        // Taking √½ away first leaves a mantissa in [√½, √2).
        let e = bits.wrapping_sub(0x3f35_04f3) >> 23;
        let z = f32::from_bits(bits.wrapping_sub(e << 23) as u32) - 1.0;
        let e = e as f32;
        let mut p = 7.037_683_6e-2;
        p = p * z - 0.115_146_1;
        p = p * z + 0.116_769_99;
        p = p * z - 0.124_201_41;
        p = p * z + 0.142_493_23;
        p = p * z - 0.166_680_58;
        p = p * z + 0.200_007_15;
        p = p * z - 0.249_999_94;
        p = p * z + 0.333_333_3;
        let square = z * z;
        z + (p * z * square + e * -2.121_944_4e-4 - 0.5 * square) + e * 0.693_359_4
    }
    #[inline(always)]
    #[allow(clippy::excessive_precision)] // The digits of the library that the polynomial is from.
    fn tanh(self) -> Self {
        // Near 0 the quotient below would lose digits, so there the polynomial of the Cephes library is taken.
        let z = self * self;
        let mut p = -5.704_988_7e-3;
        p = p * z + 2.063_908_9e-2;
        p = p * z - 5.373_971_5e-2;
        p = p * z + 0.133_314_43;
        p = p * z - 0.333_332_82;
        let small = p * z * self + self;
        let large = 1.0 - 2.0 / (Float::exp(2.0 * self.abs()) + 1.0);
        if self.abs() < 0.625 { small } else { large.copysign(self) }
    }
    fn erf(self) -> Self {
        candle_core::cpu::erf::erf_f32(self)
    }
    fn scales(cache: &DegreeCache) -> &DegreeScales<Self> {
        &cache.single
    }
}

impl Float for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = f64::NEG_INFINITY;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn ln(self) -> Self {
        f64::ln(self)
    }
    fn ln_normal(self) -> Self {
        f64::ln(self)
    }
    fn tanh(self) -> Self {
        f64::tanh(self)
    }
    fn erf(self) -> Self {
        candle_core::cpu::erf::erf_f64(self)
    }
    fn scales(cache: &DegreeCache) -> &DegreeScales<Self> {
        &cache.double
    }
}

/// A contiguous CPU tensor as a slice.
pub(crate) struct View<'a, T> {
    storage: StorageRef<'a>,
    start: usize,
    end: usize,
    ty: PhantomData<T>,
}

impl<'a, T: Float> View<'a, T> {
    /// # Errors
    /// Where the tensor is on another device, of another type or not contiguous.
    pub fn new(tensor: &'a Tensor) -> Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("a kernel got a tensor of shape {:?} that is not contiguous", layout.shape())
        };
        let Storage::Cpu(cpu) = &*storage else { bail!("this kernel runs on the CPU only") };
        T::cpu_storage_as_slice(cpu)?;
        Ok(Self { storage, start, end, ty: PhantomData })
    }

    /// No numbers where they are not read: a tape may have let go of them.
    ///
    /// # Errors
    /// As [`View::new`], where they are read.
    pub fn where_read(tensor: &'a Tensor, is_read: bool) -> Result<Self> {
        if is_read {
            return Self::new(tensor);
        }
        let (storage, _) = tensor.storage_and_layout();
        Ok(Self { storage, start: 0, end: 0, ty: PhantomData })
    }
}

impl<T: Float> Deref for View<'_, T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        match &*self.storage {
            Storage::Cpu(cpu) => match T::cpu_storage_as_slice(cpu) {
                Ok(data) => &data[self.start..self.end],
                Err(_) => unreachable!("the type was checked when the view was made"),
            },
            _ => unreachable!("the device was checked when the view was made"),
        }
    }
}

/// The contiguous values behind an operator's argument.
pub(crate) fn values<'a, T: Float>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("a kernel got a tensor of shape {:?} that is not contiguous", layout.shape())
    };
    Ok(&T::cpu_storage_as_slice(storage)?[start..end])
}

/// Runs the body with `$T` as the type of a storage or of a `DType`.
macro_rules! by_dtype {
    ($dtype:expr, $T:ident => $body:expr) => {{
        #[allow(unused_imports)] // Gives storages their `dtype`; tensors have one of their own.
        use candle_core::backend::BackendStorage as _;
        match $dtype {
            candle_core::DType::F32 => {
                type $T = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $T = f64;
                $body
            }
            other => candle_core::bail!("kernels work on f32 and f64, not {other:?}"),
        }
    }};
}
pub(crate) use by_dtype;

/// A result of an operator's `cpu_fwd`.
pub(crate) fn finish<T: Float>(data: Vec<T>, shape: impl Into<Shape>) -> (CpuStorage, Shape) {
    (T::to_cpu_storage_owned(data), shape.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(got: f32, want: f64) -> f64 {
        let ulp = (want as f32).abs().max(f32::MIN_POSITIVE) as f64 * f32::EPSILON as f64;
        (got as f64 - want).abs() / ulp
    }

    #[test]
    fn exp_is_within_two_ulp_over_its_range() {
        let worst = (0..400_000)
            .map(|i| -87.3 + i as f32 * (176.0 / 400_000.0))
            .map(|x| ulps(Float::exp(x), (x as f64).exp()))
            .fold(0.0, f64::max);
        assert!(worst < 2.0, "{worst} ulp");
    }

    #[test]
    fn exp_saturates_and_keeps_nan() {
        assert_eq!(Float::exp(-200.0f32), 0.0);
        assert_eq!(Float::exp(f32::NEG_INFINITY), 0.0);
        assert_eq!(Float::exp(200.0f32), f32::INFINITY);
        assert_eq!(Float::exp(0.0f32), 1.0);
        assert!(Float::exp(f32::NAN).is_nan());
    }

    #[test]
    fn ln_of_normal_numbers_is_accurate() {
        for step in 1..=200_000 {
            let x = step as f32 / 100_000.0;
            let exact = (x as f64).ln();
            assert!((x.ln_normal() as f64 - exact).abs() <= 2.4e-7 * exact.abs().max(0.1), "ln({x})");
        }
        assert!((1e-15f32.ln_normal() as f64 + 34.538_776).abs() < 1e-5);
    }

    #[test]
    fn tanh_is_within_four_ulp() {
        let worst = (0..200_000)
            .map(|i| -10.0 + i as f32 * 1e-4 + 3e-6)
            .map(|x| ulps(Float::tanh(x), (x as f64).tanh()))
            .fold(0.0, f64::max);
        assert!(worst < 4.0, "{worst} ulp");
        assert!(Float::tanh(f32::NAN).is_nan());
    }
}
