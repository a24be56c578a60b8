//! The kernels on other devices than the CPU.
//!
//! Message passing and reductions over graphs have kernels of their own, compiled at run time ([`cuda`]); dense
//! layers are Candle's operators ([`composed`]); what is left (selection, sorting, order-dependent aggregation)
//! runs on the host ([`on_host`]). Every function here gives what its namesake in [`crate::kernels`] gives, and
//! gradients too; tests run the composed ones on the CPU against the fused kernels, and those of their own compiled as
//! C++ against plain loops.

#[cfg(test)]
mod compiled;
pub mod composed;
#[cfg(feature = "cuda")]
pub mod cuda;
#[cfg(any(test, feature = "cuda"))]
mod source;

use candle_core::{Device, Result, Tensor};

/// Threads of a block of a launch.
#[cfg(any(test, feature = "cuda"))]
const THREADS: u32 = 256;

/// A size as the kernels on a device take it.
///
/// # Errors
/// Where it is beyond 32 bits.
fn size(what: &str, n: usize) -> Result<u32> {
    match u32::try_from(n) {
        Ok(n) => Ok(n),
        Err(_) => candle_core::bail!(
            "{n} {what} are more than a kernel on the device can count, {}: take smaller batches",
            u32::MAX
        ),
    }
}

/// Blocks of [`THREADS`] threads, one a number.
///
/// # Errors
/// Where there are more than a device starts at once.
#[cfg(any(test, feature = "cuda"))]
fn blocks(n: usize) -> Result<u32> {
    /// Of the first axis of a grid, by the CUDA programming guide.
    const MOST: usize = i32::MAX as usize;
    let n_blocks = n.div_ceil(THREADS as usize).max(1);
    if n_blocks > MOST {
        candle_core::bail!(
            "{n} numbers are more than one kernel on the device computes, {}: take smaller batches",
            MOST * THREADS as usize
        );
    }
    size("blocks", n_blocks)
}

/// Whether the fused CPU kernels do not apply.
pub(crate) fn is_elsewhere(x: &Tensor) -> bool {
    #[cfg(test)]
    if PRETENDED.get() {
        return true;
    }
    !x.device().is_cpu()
}

#[cfg(test)]
thread_local! {
    static PRETENDED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs `f` as if tensors were on a device, for tests without one: what is composed of Candle's operators runs so, and
/// what runs on the host is copied there and back.
#[cfg(test)]
pub(crate) fn pretending<T>(f: impl FnOnce() -> T) -> T {
    PRETENDED.set(true);
    let result = f();
    PRETENDED.set(false);
    result
}

/// Runs a CPU kernel on copies and brings the result back. Candle's copy between devices carries gradients.
///
/// # Errors
/// Those of the copies and of `f`.
pub(crate) fn on_host<const N: usize>(
    inputs: [&Tensor; N],
    f: impl FnOnce([Tensor; N]) -> Result<Tensor>,
) -> Result<Tensor> {
    let device = inputs[0].device().clone();
    let mut copies = Vec::with_capacity(N);
    for input in inputs {
        copies.push(input.to_device(&Device::Cpu)?);
    }
    // The vector has the array's length by construction.
    let copies: [Tensor; N] = copies.try_into().unwrap_or_else(|_| unreachable!("one copy an input"));
    #[cfg(test)]
    let was = PRETENDED.replace(false);
    let result = f(copies);
    #[cfg(test)]
    PRETENDED.set(was);
    result?.to_device(&device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_those_of_a_device_are_errors_that_name_them() {
        assert_eq!(size("rows", u32::MAX as usize).unwrap(), u32::MAX);
        let error = size("rows", 1 << 32).unwrap_err().to_string();
        assert!(error.contains("4294967296 rows") && error.contains("smaller batches"), "{error}");
        assert_eq!([0, 1, 256, 257].map(|n| blocks(n).unwrap()), [1, 1, 1, 2]);
        let most = (i32::MAX as usize) << 8;
        assert_eq!(blocks(most).unwrap(), i32::MAX as u32);
        let error = blocks(most + 1).unwrap_err().to_string();
        assert!(error.contains(&format!("{} numbers", most + 1)), "{error}");
    }
}
