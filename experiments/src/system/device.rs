//! The device of tensors.

use anyhow::{Context, Result};
use candle_core::Device;

/// The first GPU when built with the feature `cuda`, else the CPU.
pub fn best() -> Result<Device> {
    if cfg!(feature = "cuda") {
        return Device::new_cuda(0).context(
            "this binary was built with the feature `cuda`, but no GPU can be used; build without it",
        );
    }
    Ok(Device::Cpu)
}
