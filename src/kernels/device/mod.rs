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

/// Whether the fused CPU kernels do not apply.
pub(crate) fn is_elsewhere(x: &Tensor) -> bool {
    !x.device().is_cpu()
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
    f(copies)?.to_device(&device)
}
