//! Loss inst-dis: each image told from a bank with one feature of every image (InstDis; Wu et al. 2018).

use anyhow::{Result, ensure};
use candle_core::{D, Tensor};
use rand::Rng;
use serde::{Deserialize, Serialize};
use univip_core::config::{at_least, positive, within};
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::memory::Bank;
use univip_core::networks::{Features, Needs, Output, PROJECTOR};
use univip_core::nn::cross_entropy::cross_entropy_of_first;
use univip_core::recipe::Invalid;
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::similarity::unit;
use univip_core::views::SCENE;

register_loss!("inst-dis", InstDis, "Each image told from a bank of all images' features (InstDis)");

/// The cross-entropy of a feature f with its image's vector v_i of the bank against the vectors of `negatives` images, drawn with
/// replacement for each feature: logits `[v_i . f, v_n . f] / temperature` (Wu et al. 2018, Eq. 2, as a softmax over a sample).
///
/// This is the form of the authors' later checkpoint, which the published tables compare with, and not their NCE with a constant Z.
/// Negatives may hold the image itself, as in the authors' code. When a step is done, the vectors of its images move to
/// `unit(momentum v + (1 - momentum) f)`; v is as it is: of length one only once its image has been seen.
///
/// The diagnostic `positive` is the mean cosine of a feature and its image's vector.
pub struct InstDis {
    config: Config,
    bank: Bank,
}

/// `[loss.inst-dis]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Vectors of the bank that each feature is told from; 65,536 for the authors' later checkpoint (lemniscate's README).
    pub negatives: usize,
    /// The temperature, which similarities are divided by; the authors' 0.07.
    pub temperature: f64,
    /// The share of its old value that a vector keeps; the authors' 0.5.
    pub momentum: f64,
    /// The group whose views are learned from.
    pub group: String,
    /// The online network's head.
    pub head: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            negatives: 65536,
            temperature: 0.07,
            momentum: 0.5,
            group: SCENE.into(),
            head: PROJECTOR.into(),
        }
    }
}

impl univip_core::recipe::Config for Config {
    fn check(&self) -> Result<(), Invalid> {
        at_least("negatives", self.negatives as u64, 1)?;
        positive("temperature", self.temperature)?;
        within("momentum", self.momentum, 0.0, 1.0)
    }
}

impl Config {
    fn output(&self) -> Output {
        Output::online(&self.group, &self.head)
    }
}

impl LossPlugin for InstDis {
    type Config = Config;

    fn needs(config: &Config) -> Needs {
        Needs::from([config.output()])
    }

    fn build(config: Config, context: LossContext) -> Result<Self> {
        ensure!(context.images > 0, "inst-dis tells images apart, and there are none");
        let bank = Bank::new(context.images, context.size(&config.output())?, &context.parameters)?;
        Ok(Self { config, bank })
    }
}

impl Loss for InstDis {
    fn compute(&self, features: &Features, step: &Step) -> Result<LossTerm> {
        let outputs = features.joined(&self.config.output())?;
        let chosen = self.choice(&own_indices(features, outputs.dim(0)?), step);
        let logits = self.logits(outputs, chosen)?;
        let value = cross_entropy_of_first(&logits)?;
        let positive = logits.detach().narrow(1, 0, 1)?.mean_all()?.to_scalar::<f32>()?;
        let positive = positive * self.config.temperature as f32;
        Ok(LossTerm { value, diagnostics: vec![("positive", positive)] })
    }

    fn after_step(&self, passes: &[Features], _step: &Step) -> Result<()> {
        for features in passes {
            let outputs = features.joined(&self.config.output())?;
            let own = own_indices(features, outputs.dim(0)?);
            self.bank.follow(&own, outputs, self.config.momentum)?;
        }
        Ok(())
    }
}

impl InstDis {
    /// For each feature its own image and then the negatives, by index: row by row.
    fn choice(&self, own: &[u32], step: &Step) -> Vec<u32> {
        let mut numbers = step.stream("inst-dis negatives");
        let images = self.bank.images() as u32;
        let mut chosen = Vec::with_capacity(own.len() * (1 + self.config.negatives));
        for own in own {
            chosen.push(*own);
            chosen.extend((0..self.config.negatives).map(|_| numbers.random_range(0..images)));
        }
        chosen
    }

    /// The similarities of each of the outputs `[B, D]`, at length one, with the `chosen` vectors of the bank, over the temperature:
    /// `[B, 1 + negatives]`.
    fn logits(&self, outputs: &Tensor, chosen: Vec<u32>) -> Result<Tensor> {
        let rows = outputs.dim(0)?;
        let chosen = Tensor::from_vec(chosen, (rows, 1 + self.config.negatives), outputs.device())?;
        // All similarities and then a choice: the vectors of the negatives would be D times as many numbers.
        let similarities = unit(outputs)?.matmul(&self.bank.vectors().t()?.contiguous()?)?;
        Ok((similarities.gather(&chosen, D::Minus1)? / self.config.temperature)?)
    }
}

/// The image of each of `rows` features: those of the batch, once for each view.
fn own_indices(features: &Features, rows: usize) -> Vec<u32> {
    features.facts().indices.iter().map(|index| *index as u32).cycle().take(rows).collect()
}

#[cfg(test)]
mod tests;
