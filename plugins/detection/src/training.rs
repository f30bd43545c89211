//! Trains a detector on a dataset.

use crate::detector::{Detector, Losses};
use crate::inputs::{Input, Inputs, batch};
use crate::protocol::{MOMENTUM, Protocol, WEIGHT_DECAY};
use crate::sampling::Draws;
use anyhow::{Context, Result, bail, ensure};
use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use std::sync::mpsc::sync_channel;
use std::thread;
use univip_core::error::NotApplicable;
use univip_core::nn::Parameters;
use univip_core::optim::{Gradients, Optimizer};
use univip_core::pool::in_pool;
use univip_core::recipe::{OptimizerKind, OptimizerSettings};
use univip_core::seed::stream;

/// Trains every parameter by SGD on what is [`applicable`]. `progress` hears of each step.
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
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let settings = OptimizerSettings {
        kind: OptimizerKind::Sgd,
        momentum: MOMENTUM,
        weight_decay: WEIGHT_DECAY,
        decay_bias_and_norm: true,
        ..OptimizerSettings::default()
    };
    let mut optimizer = Optimizer::new(&settings, parameters)?;
    let mut order = Order::new(inputs, &protocol.train_sides, seed);
    thread::scope(|scope| {
        let (send, drawn) = sync_channel(1);
        // Draws the next batch while this one is learnt from; it ends when nobody takes any more.
        scope.spawn(move || {
            for _ in 0..protocol.steps {
                let batch = order.next(protocol.batch);
                let last = batch.is_err();
                if send.send(batch).is_err() || last {
                    break;
                }
            }
        });
        for step in 0..protocol.steps {
            let mut drawn = drawn.recv().context("the thread that draws images has ended")??;
            let images = batch(&drawn, device)?;
            let objects: Vec<_> = drawn.iter_mut().map(|input| std::mem::take(&mut input.objects)).collect();
            in_pool(|| -> Result<()> {
                let losses = detector.losses(&images, &objects, &Draws { seed, step })?;
                let gradients = Gradients::of(&mut total(losses, step)?.backward()?, parameters);
                optimizer.step(&gradients, protocol.lr_at(step))
            })?;
            progress(step + 1);
        }
        Ok(())
    })
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

/// The images of a run, epoch after epoch in new orders.
struct Order<'a> {
    inputs: &'a Inputs<'a>,
    sides: &'a [u32],
    seed: u64,
    epoch: u64,
    /// What is left of the epoch, the next one last.
    left: Vec<usize>,
}

impl<'a> Order<'a> {
    fn new(inputs: &'a Inputs<'a>, sides: &'a [u32], seed: u64) -> Self {
        Self { inputs, sides, seed, epoch: 0, left: Vec::new() }
    }

    /// The next `count` images that have an object to learn from; there is one.
    fn next(&mut self, count: usize) -> Result<Vec<Input>> {
        let mut found = Vec::with_capacity(count);
        while found.len() < count {
            let chosen: Vec<(u64, usize)> = (found.len()..count).map(|_| self.index()).collect();
            let draw = |(epoch, index): (u64, usize)| {
                let mut stream = stream(self.seed, "detection image", &[epoch, index as u64]);
                self.inputs.training(index, self.sides, &mut stream)
            };
            let drawn: Vec<Option<Input>> = chosen.into_par_iter().map(draw).collect::<Result<_>>()?;
            found.extend(drawn.into_iter().flatten());
        }
        Ok(found)
    }

    fn index(&mut self) -> (u64, usize) {
        if self.left.is_empty() {
            self.left = (0..self.inputs.dataset.len()).collect();
            self.left.shuffle(&mut stream(self.seed, "detection order", &[self.epoch]));
            self.epoch += 1;
        }
        (self.epoch, self.left.pop().unwrap_or_default())
    }
}
