//! Values that were computed without a graph, with a gradient of their own in one.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, Result, Shape, Storage, Tensor, bail};
use std::sync::{Mutex, PoisonError};

/// The gradients of three arguments, from them, the value and its gradient; none has a graph.
type Backward = dyn Fn([&Tensor; 3], &Tensor, &Tensor) -> Result<[Option<Tensor>; 3]> + Send + Sync;

/// Puts `value`, which has no graph and was computed of `arguments`, into theirs. candle then keeps the arguments and the value
/// for the backward pass, and nothing that was in between. A function of fewer arguments names one again, and returns
/// no gradient for it; nor does `backward` for an argument without a graph.
///
/// # Errors
/// When the device has no memory for a copy.
pub(super) fn with_gradient(
    value: Tensor,
    [first, second, third]: [&Tensor; 3],
    backward: impl Fn([&Tensor; 3], &Tensor, &Tensor) -> Result<[Option<Tensor>; 3]> + Send + Sync + 'static,
) -> Result<Tensor> {
    if [first, second, third].iter().all(|argument| !argument.track_op()) {
        return Ok(value);
    }
    // The operation copies the storage as it lies.
    let value = match value.layout().contiguous_offsets() {
        Some((0, _)) => value,
        _ => value.force_contiguous()?,
    };
    first.apply_op3(second, third, Computed { value: Mutex::new(Some(value)), backward: Box::new(backward) })
}

struct Computed {
    /// Taken by the forward pass.
    value: Mutex<Option<Tensor>>,
    backward: Box<Backward>,
}

impl Computed {
    fn value(&self) -> Result<Tensor> {
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| candle_core::Error::msg("a computed value can be put into one graph"))
    }
}

impl CustomOp3 for Computed {
    fn name(&self) -> &'static str {
        "computed"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let value = self.value()?;
        let (storage, layout) = value.storage_and_layout();
        match &*storage {
            Storage::Cpu(storage) => Ok((storage.clone(), layout.shape().clone())),
            _ => bail!("a value that was computed on another device than its arguments"),
        }
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let value = self.value()?;
        let (storage, layout) = value.storage_and_layout();
        match &*storage {
            Storage::Cuda(storage) => Ok((storage.try_clone(layout)?, layout.shape().clone())),
            _ => bail!("a value that was computed on another device than its arguments"),
        }
    }

    fn bwd(
        &self,
        first: &Tensor,
        second: &Tensor,
        third: &Tensor,
        value: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [first, second, third] = [first, second, third].map(Tensor::detach);
        let arguments = [&first, &second, &third];
        let [first, second, third] = (self.backward)(arguments, &value.detach(), &gradient.detach())?;
        Ok((first, second, third))
    }
}
