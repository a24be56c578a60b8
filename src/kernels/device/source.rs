//! The text of the CUDA kernels, for NVRTC and for tests that compile it as C++.

const KERNELS: &str = include_str!("kernels.cu");

/// The kernels for one number type: `real` in C, `suffix` behind the kernels' names.
pub(super) fn text(real: &str, suffix: &str) -> String {
    format!("#define REAL {real}\n#define NAME(x) x##_{suffix}\n{KERNELS}")
}
