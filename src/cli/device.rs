//! `--device`: what a network is computed on.

use super::Failure;
use candle_core::Device;

/// What to compute on: an option of every command that runs a network.
#[derive(Debug, Clone, clap::Args)]
pub struct DeviceArg {
    /// What to compute on
    #[arg(long, value_enum, default_value_t, value_name = "DEVICE")]
    device: DeviceKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum DeviceKind {
    /// The CPU, with --threads threads
    #[default]
    Cpu,
    /// The first NVIDIA GPU; needs a build with `--features cuda`
    Cuda,
}

impl DeviceArg {
    pub fn is_cpu(&self) -> bool {
        self.device == DeviceKind::Cpu
    }

    /// # Errors
    /// Where this build or this machine has no such device.
    pub fn open(&self) -> Result<Device, Failure> {
        match self.device {
            DeviceKind::Cpu => Ok(Device::Cpu),
            DeviceKind::Cuda if !cfg!(feature = "cuda") => Err(Failure::new(
                "this hgnnc was built without support for CUDA",
            )
            .help("build it with `cargo build --release --features cuda`, or leave `--device cuda` out")),
            DeviceKind::Cuda => Device::new_cuda(0).map_err(|error| {
                Failure::new(format!("no CUDA device can be used: {error}"))
                    .help("check `nvidia-smi`, or leave `--device cuda` out")
            }),
        }
    }
}
