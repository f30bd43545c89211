//! Trains a detector on a dataset.

use crate::batches::Batches;
use crate::detector::{Detector, Losses};
use crate::inputs::Inputs;
use crate::precise_norm::PreciseNorm;
use crate::protocol::{MOMENTUM, Protocol, WEIGHT_DECAY};
use crate::sampling::Draws;
use anyhow::{Result, bail, ensure};
use candle_core::{Device, Tensor};
use univip_core::error::NotApplicable;
use univip_core::nn::Parameters;
use univip_core::nn::optim::{Decay, Gradients, Optimizer};
use univip_core::pool::in_pool;
use univip_core::recipe::{OptimizerKind, OptimizerSettings};

/// A detector that is to be trained.
pub struct Training<'a> {
    /// The network.
    pub detector: &'a dyn Detector,
    /// The parameters of its backbone, which stay as they are where [`Protocol::frozen`] says so.
    pub backbone: &'a Parameters,
    /// All others.
    pub heads: &'a Parameters,
    /// The settings by which it is trained.
    pub protocol: &'a Protocol,
    /// Draws images, regions and anchors.
    pub seed: u64,
}

impl Training<'_> {
    /// Trains by SGD on what is [`applicable`]. `progress` hears of each step, and of each batch that only batch norm learns
    /// from: `(done, total)`.
    ///
    /// # Errors
    /// When a loss is not finite, or an image cannot be read.
    pub fn run(
        &self,
        inputs: &Inputs<'_>,
        device: &Device,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        let Self { detector, protocol, seed, .. } = *self;
        let mut parts = self.parts()?;
        let Protocol { steps, precise_norm: after, .. } = *protocol;
        let mut batches = Batches::new(inputs, &protocol.train_sides, protocol.batch, seed);
        batches.each(steps, device, |step, images, objects| {
            in_pool(|| -> Result<()> {
                let losses = detector.losses(images, objects, &Draws { seed, step })?;
                let mut gradients = total(losses, step)?.backward()?;
                parts.iter_mut().try_for_each(|part| {
                    let gradients = Gradients::of(&mut gradients, part.parameters);
                    part.optimizer.step(&gradients, protocol.lr_at(step) * part.lr_factor)
                })
            })?;
            progress(step + 1, steps + after);
            Ok(())
        })?;
        if after > 0 {
            let learning: Vec<&Parameters> = parts.iter().map(|part| part.parameters).collect();
            let mut progress = |done| progress(steps + done, steps + after);
            PreciseNorm { detector, parameters: &learning, seed, first: steps, count: after }.measure(
                &mut batches,
                device,
                &mut progress,
            )?;
        }
        Ok(())
    }

    /// The parts that learn.
    fn parts(&self) -> Result<Vec<Part<'_>>> {
        let Self { protocol, .. } = *self;
        let settings = OptimizerSettings {
            kind: OptimizerKind::Sgd,
            momentum: MOMENTUM,
            weight_decay: WEIGHT_DECAY,
            ..OptimizerSettings::default()
        };
        let decay = if protocol.decay_norm { Decay::All } else { Decay::AllButNorm };
        let backbone = (!protocol.frozen).then_some((self.backbone, protocol.backbone_lr_factor));
        let learning = backbone.into_iter().chain([(self.heads, 1.0)]);
        let part = |(parameters, lr_factor)| -> Result<Part<'_>> {
            let optimizer = Optimizer::with_decay(&settings, decay, parameters)?;
            Ok(Part { parameters, optimizer, lr_factor })
        };
        learning.map(part).collect()
    }
}

/// Parameters that learn at a rate of their own.
struct Part<'a> {
    parameters: &'a Parameters,
    optimizer: Optimizer,
    /// Of the protocol's learning rate.
    lr_factor: f64,
}

/// Checks that there is something to learn, before a detector is made.
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
