//! Feature maps inside a network, and how candle's backward pass goes through them.
//!
//! candle keeps every value of a graph until its backward pass has ended, starts each gradient as zeros and adds to it
//! on one thread. So its graph carries a token of one value in place of each map, which decides the order in
//! which the operations go back; values and gradients are handed over here, and freed when they have been used.

use super::buffer::Buffer;
use super::product::Store;
use super::scaling::Affine;
use super::{with_scratch, with_values};
use candle_core::{CpuStorage, CustomOp1, CustomOp3, DType, Device, Layout, Result, Shape, Tensor, bail};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// A batch of feature maps `[B, H, W, C]`, or of vectors `[B, C]`, between two operations.
#[derive(Clone)]
pub struct Map {
    shape: Shape,
    values: Values,
    node: Option<Node>,
}

#[derive(Clone)]
enum Values {
    /// On a CPU.
    Kernels(Pixels),
    /// On another device, where candle's own operations and graph are in use.
    Composed(Tensor),
}

/// The values of a map: those of a buffer, which a batch norm may still have to be applied to as they are read.
#[derive(Clone)]
pub(super) struct Pixels {
    pub(super) buffer: Arc<Buffer>,
    pub(super) affine: Option<Arc<Affine>>,
}

impl Pixels {
    /// Writes the values from `start`, the first of a pixel, to `target`.
    pub(super) fn read(&self, start: usize, target: &mut [f32]) {
        let source = &self.buffer[start..start + target.len()];
        match &self.affine {
            Some(affine) => affine.apply(start, source, target),
            None => target.copy_from_slice(source),
        }
    }

    /// Calls `body` with the values at `range`, from the first of a pixel.
    pub(super) fn with<R>(&self, range: Range<usize>, body: impl FnOnce(&[f32]) -> R) -> R {
        match &self.affine {
            None => body(&self.buffer[range]),
            Some(_) => with_scratch(range.len(), |scratch| {
                self.read(range.start, scratch);
                body(scratch)
            }),
        }
    }

    /// All values in one buffer: this one where nothing is left to apply.
    pub(super) fn whole(&self) -> Arc<Buffer> {
        match &self.affine {
            Some(affine) => Arc::new(affine.applied(&self.buffer)),
            None => self.buffer.clone(),
        }
    }
}

impl Map {
    /// The map of a tensor. A gradient reaches the tensor if it has a graph.
    ///
    /// # Errors
    /// When the tensor is not of `f32`.
    pub fn of(tensor: &Tensor) -> Result<Self> {
        if !tensor.device().is_cpu() {
            return Ok(Self::composed(tensor.clone()));
        }
        let buffer = with_values(tensor, |values| Ok(Buffer::of(values)))?;
        let node = match tensor.track_op() {
            false => None,
            true => {
                let gradient = Slot::default();
                let token = tensor.apply_op1(Enter { gradient: gradient.clone() })?;
                Some(Node { token, gradient })
            }
        };
        Ok(Self::new(tensor.shape().clone(), buffer, node))
    }

    /// A tensor of the values, which a gradient comes back through if the map has a graph.
    ///
    /// # Errors
    /// When the device has no memory for it.
    pub fn tensor(&self) -> Result<Tensor> {
        let pixels = match &self.values {
            Values::Composed(tensor) => return Ok(tensor.clone()),
            Values::Kernels(pixels) => pixels,
        };
        let mut values = vec![0.0; self.shape.elem_count()];
        pixels.read(0, &mut values);
        match &self.node {
            None => Tensor::from_vec(values, self.shape.clone(), &Device::Cpu),
            Some(node) => {
                let leave = Leave {
                    values: Mutex::new(values),
                    shape: self.shape.clone(),
                    gradient: node.gradient.clone(),
                };
                node.token.apply_op1(leave)
            }
        }
    }

    /// Its sizes.
    pub fn dims(&self) -> &[usize] {
        self.shape.dims()
    }

    pub(super) fn new(shape: Shape, buffer: Buffer, node: Option<Node>) -> Self {
        let pixels = Pixels { buffer: Arc::new(buffer), affine: None };
        Self { shape, values: Values::Kernels(pixels), node }
    }

    pub(super) fn of_pixels(shape: Shape, pixels: Pixels, node: Option<Node>) -> Self {
        Self { shape, values: Values::Kernels(pixels), node }
    }

    pub(super) fn composed(tensor: Tensor) -> Self {
        Self { shape: tensor.shape().clone(), values: Values::Composed(tensor), node: None }
    }

    /// The values on a CPU.
    pub(super) fn pixels(&self) -> Option<&Pixels> {
        match &self.values {
            Values::Kernels(pixels) => Some(pixels),
            Values::Composed(_) => None,
        }
    }

    pub(super) fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }
}

/// The sum of a map's gradients, and the map's place in candle's graph.
#[derive(Clone)]
pub(super) struct Node {
    token: Tensor,
    gradient: Slot,
}

type Slot = Arc<Mutex<Option<Buffer>>>;

impl Node {
    /// The node of an operation's result; none where neither the inputs nor the parameter have a graph.
    ///
    /// `backward` runs once, when the gradient of the result is complete: it takes that, hands gradients to the inputs'
    /// nodes, and returns the parameter's.
    pub(super) fn link(
        inputs: [Option<&Node>; 2],
        parameter: Option<&Tensor>,
        backward: impl FnOnce(Buffer) -> Result<Option<Tensor>> + Send + 'static,
    ) -> Result<Option<Node>> {
        let tracked = parameter.is_some_and(Tensor::track_op);
        if !tracked && inputs.iter().all(Option::is_none) {
            return Ok(None);
        }
        let nothing = nothing()?;
        let token = |node: Option<&Node>| node.map_or_else(|| nothing.clone(), |node| node.token.clone());
        let gradient = Slot::default();
        let link = Link { backward: Mutex::new(Some(Box::new(backward))), gradient: gradient.clone() };
        let [first, second] = inputs.map(token);
        let token = first.apply_op3(parameter.unwrap_or(&nothing), &second, link)?;
        Ok(Some(Node { token, gradient }))
    }

    /// Adds a gradient of the map.
    pub(super) fn add(&self, gradient: Buffer) {
        add(&self.gradient, gradient);
    }

    /// Adds a gradient of `length` values that `write` makes: in place, where there is one already.
    pub(super) fn accumulate(
        &self,
        length: usize,
        write: impl FnOnce(&mut [f32], Store) -> Result<()>,
    ) -> Result<()> {
        let before = take(&self.gradient);
        let store = if before.is_some() { Store::Add } else { Store::Replace };
        let mut gradient = before.unwrap_or_else(|| Buffer::stale(length));
        write(&mut gradient, store)?;
        self.add(gradient);
        Ok(())
    }
}

/// Stands where an operation has no input or no parameter.
fn nothing() -> Result<Tensor> {
    Tensor::zeros(1, DType::F32, &Device::Cpu)
}

fn take(slot: &Slot) -> Option<Buffer> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn add(slot: &Slot, gradient: Buffer) {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    match slot.as_mut() {
        None => *slot = Some(gradient),
        Some(sum) => sum.iter_mut().zip(gradient.iter()).for_each(|(sum, value)| *sum += value),
    }
}

/// An operation between maps, in candle's graph: from the tokens of its inputs and a parameter to its own.
struct Link {
    backward: Mutex<Option<Backward>>,
    gradient: Slot,
}

type Backward = Box<dyn FnOnce(Buffer) -> Result<Option<Tensor>> + Send>;

impl CustomOp3 for Link {
    fn name(&self) -> &'static str {
        "map"
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
        Ok(token())
    }

    fn bwd(
        &self,
        first: &Tensor,
        parameter: &Tensor,
        second: &Tensor,
        _token: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let backward = self.backward.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(backward) = backward else {
            bail!("a graph can be gone back through once: its values are freed on the way")
        };
        let for_parameter = match take(&self.gradient) {
            Some(gradient) => backward(gradient)?,
            None => bail!("an operation between maps got no gradient"),
        };
        let for_token = |token: &Tensor| token.track_op().then(|| gradient.clone());
        Ok((for_token(first), for_parameter.filter(|_| parameter.track_op()), for_token(second)))
    }
}

/// From a tensor to a map.
struct Enter {
    gradient: Slot,
}

impl CustomOp1 for Enter {
    fn name(&self) -> &'static str {
        "to map"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(&self, tensor: &Tensor, _token: &Tensor, _gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = take(&self.gradient);
        gradient.map(|values| Tensor::from_slice(&values, tensor.shape(), &Device::Cpu)).transpose()
    }
}

/// From a map to a tensor.
struct Leave {
    /// Taken by the forward pass.
    values: Mutex<Vec<f32>>,
    shape: Shape,
    gradient: Slot,
}

impl CustomOp1 for Leave {
    fn name(&self) -> &'static str {
        "from map"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let values = std::mem::take(&mut *self.values.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((CpuStorage::F32(values), self.shape.clone()))
    }

    fn bwd(&self, token: &Tensor, _tensor: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        add(&self.gradient, with_values(gradient, |values| Ok(Buffer::of(values)))?);
        Ok(Some(token.zeros_like()?))
    }
}

fn token() -> (CpuStorage, Shape) {
    (CpuStorage::F32(vec![0.0]), Shape::from(1))
}
