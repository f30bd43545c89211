//! Differentiable operations on channels-last `f32` tensors, with gradients of their own.
//!
//! candle's convolution, batch norm and pooling take several times as long in a training step as PyTorch's,
//! and some of their gradients are wrong (its max pool divides by the window's area). On a CPU these
//! operations run kernels of this module, parallel over rayon's global pool; on any other device they are
//! composed of candle's own operations ([`composed`]). Sums are always taken over a partition that follows
//! from the shapes alone, so no result depends on the number of threads.

pub mod composed;

mod batch_norm;
mod buffer;
mod computed;
mod conv;
mod map;
mod moments;
mod patches;
mod pool;
mod product;
mod rows;
mod scaling;
mod statistics;
mod synchronised;
mod update;
mod winograd;

pub use batch_norm::{Fused, Normalisation, batch_norm, scale_shift, synchronised_batch_norm};
pub use conv::{conv2d, linear};
pub use map::Map;
pub use pool::{max_pool, mean_pool};
pub use statistics::BatchStatistics;
pub use update::{AdamWStep, SgdStep, adamw_step, ema_step, sgd_step};

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};
use std::cell::RefCell;

/// The values of a contiguous CPU tensor, from the arguments of a custom operation. For kernels, also a plugin's.
pub fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("expected a contiguous tensor, got the layout {layout:?}"),
    }
}

/// Calls `body` with the values of a CPU tensor.
pub fn with_values<R>(tensor: &Tensor, body: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => body(values(storage, layout)?),
        _ => bail!("expected a tensor on the CPU"),
    }
}

/// Calls `body` with `length` values of this thread's scratch memory, whose contents are arbitrary.
fn with_scratch<R>(length: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    thread_local!(static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) });
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < length {
            scratch.resize(length, 0.0);
        }
        body(&mut scratch[..length])
    })
}

/// The widest vectors of this processor, detected at run time.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
enum Vectors {
    Avx512,
    Avx2,
    Least,
}

#[cfg(target_arch = "x86_64")]
impl Vectors {
    fn of_processor() -> Self {
        static VECTORS: std::sync::LazyLock<Vectors> = std::sync::LazyLock::new(|| {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            match (avx512 && avx2, avx2) {
                (true, _) => Vectors::Avx512,
                (false, true) => Vectors::Avx2,
                (false, false) => Vectors::Least,
            }
        });
        *VECTORS
    }
}

/// Compiles functions for several widths of vectors, and calls the widest that the processor has. A closure in their
/// place would not do: the compiler leaves a long one out of the wide function, at the least width.
macro_rules! vectorised {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$meta])*
        $vis fn $name($($argument: $type),*) {
            #[inline(always)]
            fn body($($argument: $type),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn with_avx512($($argument: $type),*) {
                    body($($argument),*);
                }
                #[target_feature(enable = "avx2,fma")]
                fn with_avx2($($argument: $type),*) {
                    body($($argument),*);
                }
                // SAFETY: the processor has these vectors.
                match crate::ops::Vectors::of_processor() {
                    crate::ops::Vectors::Avx512 => return unsafe { with_avx512($($argument),*) },
                    crate::ops::Vectors::Avx2 => return unsafe { with_avx2($($argument),*) },
                    crate::ops::Vectors::Least => {}
                }
            }
            body($($argument),*);
        }
    )*};
}
use vectorised;

/// Channels handled at once: a few vectors, so that their sums stay in registers.
const LANES: usize = 16;

/// Calls `$body` with `$from` and `$width`: blocks of [`LANES`] channels with a width the compiler knows,
/// then the rest.
macro_rules! for_lanes {
    ($channels:expr, |$from:ident, $width:ident| $body:expr) => {
        let channels = $channels;
        let whole = channels / LANES * LANES;
        for $from in (0..whole).step_by(LANES) {
            const WIDTH: usize = LANES;
            let $width = WIDTH;
            $body
        }
        if whole < channels {
            let ($from, $width) = (whole, channels - whole);
            $body
        }
    };
}
use for_lanes;
