//! Kernels for CUDA, compiled at run time with NVRTC from `kernels.cu`, for f32 and f64.

use super::{THREADS, blocks, size};
use crate::kernels::float::Float;
use crate::kernels::graph::Csr;
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, CudaView, DeviceRepr, LaunchConfig, PushKernelArg,
};
use candle_core::cuda_backend::cudarc::nvrtc::compile_ptx;
use candle_core::cuda_backend::{CudaDType, WrapErr};
use candle_core::{CudaDevice, CudaStorage, DType, Layout, Result, bail};
use std::sync::{Arc, Mutex, OnceLock};

/// The text that NVRTC gets for a number type.
fn source(dtype: DType) -> Result<String> {
    let (real, suffix) = match dtype {
        DType::F32 => ("float", "f32"),
        DType::F64 => ("double", "f64"),
        other => bail!("kernels work on f32 and f64, not {other:?}"),
    };
    Ok(super::source::text(real, suffix))
}

/// The compiled module of a number type, made once a process.
fn ptx(dtype: DType) -> Result<&'static str> {
    static SINGLE: OnceLock<String> = OnceLock::new();
    static DOUBLE: OnceLock<String> = OnceLock::new();
    let cell = if dtype == DType::F64 { &DOUBLE } else { &SINGLE };
    if let Some(text) = cell.get() {
        return Ok(text);
    }
    let compiled = compile_ptx(source(dtype)?).map_err(|error| {
        candle_core::Error::Cuda(format!("the CUDA kernels do not compile: {error:?}").into())
    })?;
    Ok(cell.get_or_init(|| compiled.to_src()))
}

/// Offsets and indices on the device.
type Uploaded = Arc<(CudaSlice<u32>, CudaSlice<u32>)>;

/// A CSR structure on the device, uploaded at its first use.
#[derive(Debug, Default)]
pub struct DeviceCsr(Mutex<Option<Uploaded>>);

impl DeviceCsr {
    fn get(&self, csr: &Csr, device: &CudaDevice) -> Result<Uploaded> {
        let mut cached = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(uploaded) = &*cached {
            return Ok(uploaded.clone());
        }
        // CUDA refuses allocations of no bytes, so a graph without edges gets one entry that no row names.
        let indices: &[u32] = if csr.indices.is_empty() { &[0] } else { &csr.indices };
        let uploaded = Arc::new((device.clone_htod(&csr.offsets)?, device.clone_htod(indices)?));
        *cached = Some(uploaded.clone());
        Ok(uploaded)
    }
}

/// One thread an element.
///
/// # Errors
/// Where there are more elements than a device has threads for.
fn elements(n: usize) -> Result<LaunchConfig> {
    Ok(LaunchConfig { grid_dim: (blocks(n)?, 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 })
}

/// Launches the kernel `$name` with one thread an element.
macro_rules! launch {
    ($device:expr, $T:ty, $name:literal, $n:expr, [$($arg:expr),* $(,)?]) => {{
        let suffix = if <$T as candle_core::WithDType>::DTYPE == DType::F64 { "f64" } else { "f32" };
        let text = ptx(<$T as candle_core::WithDType>::DTYPE)?;
        let module = format!("hgnn_{suffix}");
        let function = $device.get_or_load_custom_func(&format!("{}_{suffix}", $name), &module, text)?;
        let mut launch = function.builder();
        $(launch.arg($arg);)*
        let config = elements($n)?;
        // SAFETY: the arguments are those of the kernel's declaration in `kernels.cu`, and the buffers have the
        // sizes that it reads and writes.
        unsafe { launch.launch(config) }.w()?;
    }};
}

/// The memory of a contiguous tensor.
fn contiguous<'a, T: CudaDType>(storage: &'a CudaStorage, layout: &Layout) -> Result<CudaView<'a, T>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(storage.as_cuda_slice::<T>()?.slice(start..end)),
        None => bail!("a CUDA kernel got a tensor of shape {:?} that is not contiguous", layout.shape()),
    }
}

/// The vectors of scales, one entry a node each.
pub(crate) struct HostScales<T> {
    pub row: Vec<T>,
    pub col: Vec<T>,
    pub own: Vec<T>,
}

/// `y_i = row_i (Σ_j col_j x_j + own_i col_i x_i)`.
pub(crate) fn propagate<T: Float + CudaDType + DeviceRepr>(
    x: &CudaStorage,
    layout: &Layout,
    csr: &Csr,
    cache: &DeviceCsr,
    scales: &HostScales<T>,
) -> Result<CudaStorage> {
    let device = x.device().clone();
    let (n_rows, width) = (csr.n_rows(), layout.dims()[1]);
    let csr_on_device = cache.get(csr, &device)?;
    let (offsets, indices) = &*csr_on_device;
    let (row, col, own) =
        (device.clone_htod(&scales.row)?, device.clone_htod(&scales.col)?, device.clone_htod(&scales.own)?);
    let x = contiguous::<T>(x, layout)?;
    // SAFETY: the kernel writes every element.
    let y = unsafe { device.alloc::<T>(n_rows * width)? };
    let sizes = (size("rows", n_rows)?, size("features a row", width)?);
    launch!(
        device,
        T,
        "propagate",
        n_rows * width,
        [offsets, indices, &row, &col, &own, &x, &y, &sizes.0, &sizes.1]
    );
    Ok(CudaStorage::wrap_cuda_slice(y, device))
}

/// The rows of each segment reduced to one; `kind` 0 is the sum, 1 the mean, 2 the maximum.
pub(crate) fn segment_reduce<T: Float + CudaDType + DeviceRepr>(
    x: &CudaStorage,
    layout: &Layout,
    offsets: &[u32],
    kind: u32,
) -> Result<CudaStorage> {
    let device = x.device().clone();
    let (n_segments, width) = (offsets.len() - 1, layout.dims()[1]);
    let offsets = device.clone_htod(offsets)?;
    let x = contiguous::<T>(x, layout)?;
    // SAFETY: the kernel writes every element.
    let y = unsafe { device.alloc::<T>(n_segments * width)? };
    let sizes = (size("segments", n_segments)?, size("features a row", width)?);
    launch!(device, T, "segment_reduce", n_segments * width, [&offsets, &x, &y, &sizes.0, &sizes.1, &kind]);
    Ok(CudaStorage::wrap_cuda_slice(y, device))
}

/// The gradient of [`segment_reduce`]: `x` the rows, `y` the result, `dy` its gradient.
pub(crate) fn segment_spread<T: Float + CudaDType + DeviceRepr>(
    [x, y, dy]: [(&CudaStorage, &Layout); 3],
    offsets: &[u32],
    kind: u32,
) -> Result<CudaStorage> {
    let device = x.0.device().clone();
    let (n_segments, n_rows, width) = (offsets.len() - 1, x.1.dims()[0], x.1.dims()[1]);
    let offsets = device.clone_htod(offsets)?;
    let (x, y, dy) = (contiguous::<T>(x.0, x.1)?, contiguous::<T>(y.0, y.1)?, contiguous::<T>(dy.0, dy.1)?);
    // SAFETY: the segments cover all rows, so the kernel writes every element.
    let dx = unsafe { device.alloc::<T>(n_rows * width)? };
    let sizes = (size("segments", n_segments)?, size("features a row", width)?);
    launch!(
        device,
        T,
        "segment_spread",
        n_segments * width,
        [&offsets, &x, &y, &dy, &dx, &sizes.0, &sizes.1, &kind]
    );
    Ok(CudaStorage::wrap_cuda_slice(dx, device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_compile_for_both_number_types() {
        for dtype in [DType::F32, DType::F64] {
            assert!(ptx(dtype).unwrap().contains("propagate"));
        }
    }
}
