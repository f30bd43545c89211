//! The device of tensors.

use anyhow::Result;
use candle_core::Device;

/// The first GPU when built with the feature `cuda`, else the CPU; that too where `CUDA_VISIBLE_DEVICES` is set and names none. It
/// is the same one at every call.
///
/// # Errors
/// When it was built for a GPU and none can be used.
pub fn best() -> Result<Device> {
    #[cfg(feature = "cuda")]
    if !gpu::hidden() {
        return gpu::first();
    }
    Ok(Device::Cpu)
}

/// The most memory of the GPU that tensors have taken so far in this process, in bytes; none without a GPU, or where its driver
/// does not tell.
pub fn peak_memory(device: &Device) -> Option<u64> {
    #[cfg(feature = "cuda")]
    return gpu::peak_memory(device);
    #[cfg(not(feature = "cuda"))]
    {
        let _ = device;
        None
    }
}

#[cfg(feature = "cuda")]
mod gpu {
    use anyhow::{Context, Result};
    use candle_core::cuda_backend::cudarc::driver::{DriverError, result, sys};
    use candle_core::{CudaDevice, Device};
    use std::sync::OnceLock;

    /// True if the user has asked for the CPU, by CUDA's own variable.
    pub fn hidden() -> bool {
        std::env::var("CUDA_VISIBLE_DEVICES").is_ok_and(|visible| ["", "-1"].contains(&visible.trim()))
    }

    /// The GPU with one stream, in which all threads' work stands in the order in which they handed it over. candle's own choice
    /// is a stream for each thread, and nothing waits for another thread's: a step computes features on a thread of the pool
    /// and losses on its own, and would read what is not written yet.
    pub fn first() -> Result<Device> {
        static FIRST: OnceLock<Device> = OnceLock::new();
        if let Some(device) = FIRST.get() {
            return Ok(device.clone());
        }
        let device = Device::new_cuda_with_stream(0).context(
            "this binary was built with the feature `cuda`, but no GPU can be used; build without it",
        )?;
        if let Device::Cuda(gpu) = &device {
            // SAFETY: events order streams among each other, and here is one only.
            unsafe { gpu.disable_event_tracking() };
            keep_freed_memory(gpu).context("setting up the GPU's memory")?;
        }
        Ok(FIRST.get_or_init(|| device).clone())
    }

    /// The driver gives freed memory back to the system whenever it is waited for, several times per step, and the next
    /// allocations pay for new pages.
    fn keep_freed_memory(gpu: &CudaDevice) -> Result<(), DriverError> {
        let mut most = u64::MAX;
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        // SAFETY: the device is there, its default pool lives as long, and this attribute is a u64.
        unsafe {
            let pool = result::device::get_default_mem_pool(gpu.cuda_stream().context().cu_device())?;
            result::mem_pool::set_attribute(pool, attribute, (&raw mut most).cast())
        }
    }

    pub fn peak_memory(device: &Device) -> Option<u64> {
        let Device::Cuda(gpu) = device else { return None };
        let mut peak = 0u64;
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH;
        // SAFETY: as above.
        let told = unsafe {
            let pool = result::device::get_default_mem_pool(gpu.cuda_stream().context().cu_device()).ok()?;
            result::mem_pool::get_attribute(pool, attribute, (&raw mut peak).cast())
        };
        told.ok().map(|()| peak)
    }
}
