//! In-place updates of parameters: one pass over memory each, where the device has it.

use super::{values, vectorised};
use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;

/// The rates of a step of SGD with momentum.
#[derive(Debug, Clone, Copy)]
pub struct SgdStep {
    /// The learning rate.
    pub rate: f64,
    /// The share of the velocity that is kept.
    pub momentum: f64,
    /// The weight decay, added to the gradient.
    pub decay: f64,
    /// Steps by the velocity that the next step would begin with.
    pub nesterov: bool,
}

/// One step of SGD with momentum, as PyTorch's: `v = momentum * v + (gradient + decay * p)`, then
/// `p = p - rate * v`, or with Nesterov's momentum `p = p - rate * (gradient + decay * p + momentum * v)`.
/// The buffer `v` starts at zero. All have the parameter's shape.
///
/// # Errors
/// When the shapes differ, or `parameter` and `buffer` are not contiguous.
pub fn sgd_step(parameter: &Var, gradient: &Tensor, buffer: &Var, step: &SgdStep) -> Result<()> {
    let SgdStep { rate, momentum, decay, nesterov } = *step;
    if !parameter.device().is_cpu() {
        let decayed = (gradient + (parameter.as_tensor() * decay)?)?;
        buffer.set(&((buffer.as_tensor() * momentum)? + &decayed)?.detach())?;
        let update =
            if nesterov { (decayed + (buffer.as_tensor() * momentum)?)? } else { buffer.as_tensor().clone() };
        return parameter.set(&(parameter.as_tensor() - (update * rate)?)?.detach());
    }
    let gradient = gradient.contiguous()?;
    let [momentum, decay, rate] = [momentum as f32, decay as f32, rate as f32];
    let velocity = Elementwise(move |v: &mut [f32], [g, p]: [&[f32]; 2]| follow(v, g, p, momentum, decay));
    buffer.inplace_op3(&gradient, parameter, &velocity)?;
    if nesterov {
        let ahead =
            move |p: &mut [f32], [g, v]: [&[f32]; 2]| go_ahead(p, g, v, Ahead { momentum, decay, rate });
        return parameter.inplace_op3(&gradient, buffer, &Elementwise(ahead));
    }
    parameter.inplace_op2(buffer, &Elementwise(move |p: &mut [f32], [v]: [&[f32]; 1]| go(p, v, rate)))
}

/// The rates of a step of AdamW.
#[derive(Debug, Clone, Copy)]
pub struct AdamWStep {
    /// The learning rate.
    pub rate: f64,
    /// The shares of the mean gradient and of the mean squared gradient that are kept.
    pub betas: [f64; 2],
    /// Added to the root of the mean squared gradient.
    pub epsilon: f64,
    /// The weight decay, times the learning rate.
    pub decay: f64,
    /// The number of this step, counted from 1, for the correction of means that start at zero.
    pub number: u64,
}

/// One step of AdamW (Loshchilov and Hutter 2019, Algorithm 2), as PyTorch's: `p = p (1 - rate decay)`, then
/// `p = p - rate m' / (sqrt(s') + epsilon)` with the corrected means `m' = m / (1 - beta1^t)` of the gradient and
/// `s' = s / (1 - beta2^t)` of its square. The buffers `m` and `s` start at zero. All have the parameter's shape.
///
/// # Errors
/// When the shapes differ, or `parameter` and the buffers are not contiguous.
pub fn adamw_step(
    parameter: &Var,
    gradient: &Tensor,
    [mean, square]: [&Var; 2],
    step: &AdamWStep,
) -> Result<()> {
    let AdamWStep { rate, betas: [beta1, beta2], epsilon, decay, number } = *step;
    let corrections = [beta1, beta2].map(|beta| 1.0 - beta.powf(number as f64));
    let (keep, rate, root) = (1.0 - rate * decay, rate / corrections[0], corrections[1].sqrt());
    if !parameter.device().is_cpu() {
        mean.set(&((mean.as_tensor() * beta1)? + (gradient * (1.0 - beta1))?)?.detach())?;
        square.set(&((square.as_tensor() * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?.detach())?;
        let deviation = ((square.as_tensor().sqrt()? / root)? + epsilon)?;
        let update = (mean.as_tensor().div(&deviation)? * rate)?;
        return parameter.set(&((parameter.as_tensor() * keep)? - update)?.detach());
    }
    let gradient = gradient.contiguous()?;
    let [shares, square_shares] = [beta1, beta2].map(|beta| [beta as f32, (1.0 - beta) as f32]);
    let first = move |m: &mut [f32], [g]: [&[f32]; 1]| average(m, g, shares[0], shares[1]);
    let second = move |s: &mut [f32], [g]: [&[f32]; 1]| {
        average_square(s, g, square_shares[0], square_shares[1]);
    };
    mean.inplace_op2(&gradient, &Elementwise(first))?;
    square.inplace_op2(&gradient, &Elementwise(second))?;
    let by = Adaptive { keep: keep as f32, rate: rate as f32, root: root as f32, epsilon: epsilon as f32 };
    let adapted = move |p: &mut [f32], [m, s]: [&[f32]; 2]| go_adapted(p, m, s, by);
    parameter.inplace_op3(mean, square, &Elementwise(adapted))
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

    /// `p = p - rate * (gradient + decay * p + momentum * v)`.
    fn go_ahead(p: &mut [f32], gradient: &[f32], v: &[f32], by: Ahead) {
        for ((p, gradient), v) in p.iter_mut().zip(gradient).zip(v) {
            *p -= by.rate * ((gradient + by.decay * *p) + by.momentum * v);
        }
    }

    /// `s = keep * s + take * gradient^2`.
    fn average_square(s: &mut [f32], gradient: &[f32], keep: f32, take: f32) {
        s.iter_mut().zip(gradient).for_each(|(s, gradient)| *s = keep * *s + take * (gradient * gradient));
    }

    /// `p = keep * p - rate * m / (sqrt(s) / root + epsilon)`.
    fn go_adapted(p: &mut [f32], m: &[f32], s: &[f32], by: Adaptive) {
        for ((p, m), s) in p.iter_mut().zip(m).zip(s) {
            *p = by.keep * *p - by.rate * (m / (s.sqrt() / by.root + by.epsilon));
        }
    }

    /// `t = keep * t + take * o`.
    fn average(t: &mut [f32], o: &[f32], keep: f32, take: f32) {
        t.iter_mut().zip(o).for_each(|(t, o)| *t = keep * *t + take * o);
    }
}

/// The factors of a step with Nesterov's momentum.
#[derive(Clone, Copy)]
struct Ahead {
    momentum: f32,
    decay: f32,
    rate: f32,
}

/// The factors of a step of AdamW, with the corrections of its means.
#[derive(Clone, Copy)]
struct Adaptive {
    keep: f32,
    rate: f32,
    root: f32,
    epsilon: f32,
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
