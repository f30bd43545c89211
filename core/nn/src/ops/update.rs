//! In-place updates of parameters: one pass over memory each, where the device has it.

use super::{values, vectorised};
use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;

/// One step of SGD with momentum, as PyTorch's: `v = momentum * v + (gradient + decay * p)`, then
/// `p = p - rate * v`. The buffer `v` starts at zero.
pub fn sgd_step(
    parameter: &Var,
    gradient: &Tensor,
    buffer: &Var,
    rate: f64,
    momentum: f64,
    decay: f64,
) -> Result<()> {
    if !parameter.device().is_cpu() {
        let step = (gradient + (parameter.as_tensor() * decay)?)?;
        buffer.set(&((buffer.as_tensor() * momentum)? + step)?.detach())?;
        return parameter.set(&(parameter.as_tensor() - (buffer.as_tensor() * rate)?)?.detach());
    }
    let [momentum, decay, rate] = [momentum as f32, decay as f32, rate as f32];
    let velocity = Elementwise(move |v: &mut [f32], [g, p]: [&[f32]; 2]| follow(v, g, p, momentum, decay));
    buffer.inplace_op3(&gradient.contiguous()?, parameter, &velocity)?;
    parameter.inplace_op2(buffer, &Elementwise(move |p: &mut [f32], [v]: [&[f32]; 1]| go(p, v, rate)))
}

/// One step of an exponential moving average (Eq. 1): `target = m * target + (1 - m) * online`.
pub fn ema_step(target: &Var, online: &Tensor, momentum: f64) -> Result<()> {
    if !target.device().is_cpu() {
        return target.set(&((target.as_tensor() * momentum)? + (online * (1.0 - momentum))?)?.detach());
    }
    let (keep, take) = (momentum as f32, (1.0 - momentum) as f32);
    let average = Elementwise(move |t: &mut [f32], [o]: [&[f32]; 1]| average(t, o, keep, take));
    target.inplace_op2(&online.contiguous()?, &average)
}

vectorised! {
    /// `v = momentum * v + (gradient + decay * p)`.
    fn follow(v: &mut [f32], gradient: &[f32], p: &[f32], momentum: f32, decay: f32) {
        for ((v, gradient), p) in v.iter_mut().zip(gradient).zip(p) {
            *v = momentum * *v + (gradient + decay * p);
        }
    }

    /// `p = p - rate * v`.
    fn go(p: &mut [f32], v: &[f32], rate: f32) {
        p.iter_mut().zip(v).for_each(|(p, v)| *p -= rate * v);
    }

    /// `t = keep * t + take * o`.
    fn average(t: &mut [f32], o: &[f32], keep: f32, take: f32) {
        t.iter_mut().zip(o).for_each(|(t, o)| *t = keep * *t + take * o);
    }
}

/// Changes the values of a tensor by what stands at the same places in others, chunk by chunk.
struct Elementwise<F>(F);

impl<F: Fn(&mut [f32], [&[f32]; 1]) + Sync> InplaceOp2 for Elementwise<F> {
    fn name(&self) -> &'static str {
        "elementwise update"
    }

    fn cpu_fwd(&self, s1: &mut CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<()> {
        update(s1, l1, [(s2, l2)], &self.0)
    }
}

impl<F: Fn(&mut [f32], [&[f32]; 2]) + Sync> InplaceOp3 for Elementwise<F> {
    fn name(&self) -> &'static str {
        "elementwise update"
    }

    fn cpu_fwd(
        &self,
        s1: &mut CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<()> {
        update(s1, l1, [(s2, l2), (s3, l3)], &self.0)
    }
}

fn update<const N: usize>(
    target: &mut CpuStorage,
    layout: &Layout,
    sources: [(&CpuStorage, &Layout); N],
    change: &(impl Fn(&mut [f32], [&[f32]; N]) + Sync),
) -> Result<()> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("cannot update a tensor with the layout {layout:?} in place");
    };
    let CpuStorage::F32(target) = target else { bail!("can only update f32 tensors in place") };
    let target = &mut target[start..end];
    let mut slices = [&[][..]; N];
    for (slice, (storage, source)) in slices.iter_mut().zip(sources) {
        if source.dims() != layout.dims() {
            bail!("cannot update {:?} with {:?}", layout.dims(), source.dims());
        }
        *slice = values(storage, source)?;
    }
    const CHUNK: usize = 16_384;
    target.par_chunks_mut(CHUNK).enumerate().for_each(|(index, target)| {
        let slices = slices.map(|slice| &slice[index * CHUNK..][..target.len()]);
        change(target, slices);
    });
    Ok(())
}
