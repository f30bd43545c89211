//! Trains a detector on a dataset.

use crate::batches::Batches;
use crate::detector::{Detector, Losses};
use crate::inputs::Inputs;
use crate::precise_norm::precise_norm;
use crate::protocol::{MOMENTUM, Protocol, WEIGHT_DECAY};
use crate::sampling::Draws;
use anyhow::{Result, bail, ensure};
use candle_core::{Device, Tensor};
use univip_core::error::NotApplicable;
use univip_core::nn::Parameters;
use univip_core::optim::{Decay, Gradients, Optimizer};
use univip_core::pool::in_pool;
use univip_core::recipe::{OptimizerKind, OptimizerSettings};

/// Trains every parameter by SGD on what is [`applicable`]. `progress` hears of each step, and of each batch that only
/// batch norm learns from: `(done, total)`.
///
/// # Errors
/// When a loss is not finite, or an image cannot be read.
pub fn train(
    detector: &dyn Detector,
    parameters: &Parameters,
    protocol: &Protocol,
    inputs: &Inputs<'_>,
    seed: u64,
    device: &Device,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<()> {
    let settings = OptimizerSettings {
        kind: OptimizerKind::Sgd,
        momentum: MOMENTUM,
        weight_decay: WEIGHT_DECAY,
        ..OptimizerSettings::default()
    };
    let decay = if protocol.decay_norm { Decay::All } else { Decay::AllButNorm };
    let mut optimizer = Optimizer::with_decay(&settings, decay, parameters)?;
    let Protocol { steps, precise_norm: after, .. } = *protocol;
    let mut batches = Batches::new(inputs, &protocol.train_sides, protocol.batch, seed);
    batches.each(steps, device, |step, images, objects| {
        in_pool(|| -> Result<()> {
            let losses = detector.losses(images, objects, &Draws { seed, step })?;
            let gradients = Gradients::of(&mut total(losses, step)?.backward()?, parameters);
            optimizer.step(&gradients, protocol.lr_at(step))
        })?;
        progress(step + 1, steps + after);
        Ok(())
    })?;
    if after > 0 {
        let mut progress = |done| progress(steps + done, steps + after);
        precise_norm(detector, parameters, &mut batches, (seed, steps), after, device, &mut progress)?;
    }
    Ok(())
}

/// Whether there is something to learn: asked before a detector is made.
///
/// # Errors
/// [`NotApplicable`] when no image has an object to learn from, or an annotation cannot be read.
pub fn applicable(inputs: &Inputs<'_>) -> Result<()> {
    if inputs.teach()? {
        return Ok(());
    }
    let masks = if inputs.masks { " with a mask" } else { "" };
    let problem = format!(
        "none of the {} images to learn detection from has an annotated object{masks}: set data.use to a dataset with \
         annotations, or leave `detection` out of evaluators.use",
        inputs.dataset.len()
    );
    Err(NotApplicable(problem).into())
}

/// The sum of the losses of a step.
fn total(losses: Losses, step: u64) -> Result<Tensor> {
    for (name, loss) in &losses {
        let value = loss.to_scalar::<f32>()?;
        ensure!(
            value.is_finite(),
            "{name} is {value} at step {step} of the detector's training: lower evaluator.detection.lr"
        );
    }
    let mut losses = losses.into_iter().map(|(_, loss)| loss);
    let Some(first) = losses.next() else { bail!("a detector without losses cannot be trained") };
    Ok(losses.try_fold(first, |sum, loss| sum + loss)?)
}
