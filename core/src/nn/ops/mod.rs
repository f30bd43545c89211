//! Differentiable operations on channels-last `f32` tensors, with gradients of their own.
//!
//! candle's convolution, batch norm and pooling take several times as long in a training step as PyTorch's,
//! and some of their gradients are wrong (its max pool divides by the window's area). On a CPU these
//! operations run kernels of this module, parallel over rayon's global pool; on any other device they are
//! composed of candle's own operations ([`composed`]). Sums are always taken over a partition that follows
//! from the shapes alone, so no result depends on the number of threads.

pub mod composed;

mod batch_norm;
mod conv;
mod moments;
mod patches;
mod pool;
mod product;
mod scaling;
mod update;

pub use batch_norm::{BatchStatistics, batch_norm, scale_shift};
pub use conv::{conv2d, linear};
pub use pool::{max_pool, mean_pool};
pub use update::{ema_step, sgd_step};

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};

/// The values of a contiguous CPU tensor, from the arguments of a custom operation.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("expected a contiguous tensor, got the layout {layout:?}"),
    }
}

/// Calls `body` with the values of a CPU tensor.
fn with_values<R>(tensor: &Tensor, body: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => body(values(storage, layout)?),
        _ => bail!("expected a tensor on the CPU"),
    }
}

/// Runs `body` compiled for the widest vectors of this machine.
#[inline(always)]
fn vectorised<R>(body: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(body)
}
