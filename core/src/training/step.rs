//! One training step: the method in one screen (Eq. 12).

use crate::features::{Features, Needs};
use crate::loader::Batch;
use crate::loss::{Loss, LossTerm};
use crate::networks::Networks;
use crate::optim::{Gradients, Optimizer};
use crate::pool::in_pool;
use crate::target;
use anyhow::{Context, Result, ensure};
use candle_core::Tensor;
use std::collections::BTreeMap;

/// A loss of the recipe, with its name and weight.
pub struct WeightedLoss {
    /// The name in the recipe.
    pub name: String,
    /// Its weight in the sum.
    pub weight: f64,
    /// What the networks must compute for it.
    pub needs: Needs,
    /// The loss.
    pub loss: Box<dyn Loss>,
}

/// The rates of one step.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// The learning rate.
    pub lr: f64,
    /// The target's momentum m of Eq. 1.
    pub momentum: f64,
}

/// What a step is worth logging for.
#[derive(Debug, Clone, Default)]
pub struct StepReport {
    /// The weighted sum, averaged over the forward passes.
    pub total: f32,
    /// Each loss before its weight, and its diagnostics as `loss/diagnostic`.
    pub terms: BTreeMap<String, f32>,
}

/// A loss term that is NaN or infinite; the step has changed no parameter, though batch norm's running statistics have
/// seen the batch.
#[derive(Debug, thiserror::Error)]
#[error("loss `{term}` is {value}")]
pub struct NotFinite {
    /// The loss.
    pub term: String,
    /// NaN, inf or -inf.
    pub value: f32,
    /// Which of the step's forward passes.
    pub pass: usize,
}

/// One optimiser step over the forward passes of `batches` (more than one accumulates gradients).
///
/// # Errors
/// [`NotFinite`] before any parameter is changed; any failure of a plugin, named.
pub fn step(
    networks: &Networks,
    losses: &[WeightedLoss],
    optimizer: &mut Optimizer,
    batches: &[Batch],
    rates: Rates,
) -> Result<StepReport> {
    ensure!(!batches.is_empty(), "a step needs at least one batch");
    let needs = needs(losses);
    let mut gradients = Gradients::default();
    let mut report = StepReport::default();
    let mut last = None;
    for (pass, batch) in batches.iter().enumerate() {
        let features = in_pool(|| networks.features(batch, needs))?;
        let terms = compute(losses, &features)?;
        report.add(losses, &terms, pass, batches.len())?;
        let total = (weighted_sum(losses, &terms)? / batches.len() as f64)?;
        gradients.add(Gradients::of(&mut in_pool(|| total.backward())?, networks.online()))?;
        last = Some(features);
    }
    in_pool(|| {
        optimizer.step(&gradients, rates.lr)?;
        target::update(networks.target(), networks.online(), rates.momentum)
    })?;
    if let Some(features) = last {
        for each in losses {
            each.loss
                .after_step(&features)
                .with_context(|| format!("loss `{}` after the step", each.name))?;
        }
    }
    Ok(report)
}

/// What all losses need together.
pub fn needs(losses: &[WeightedLoss]) -> Needs {
    losses.iter().fold(Needs::default(), |all, each| all.union(each.needs))
}

fn compute(losses: &[WeightedLoss], features: &Features) -> Result<Vec<LossTerm>> {
    let compute =
        |each: &WeightedLoss| each.loss.compute(features).with_context(|| format!("loss `{}`", each.name));
    losses.iter().map(compute).collect()
}

/// Eq. 12.
fn weighted_sum(losses: &[WeightedLoss], terms: &[LossTerm]) -> Result<Tensor> {
    // Not `value * weight`: candle leaves what is multiplied by the number 0 out of the graph.
    let weigh = |(each, term): (&WeightedLoss, &LossTerm)| -> Result<Tensor> {
        let weight = Tensor::new(each.weight as f32, term.value.device())?;
        Ok(term.value.broadcast_mul(&weight)?)
    };
    let mut weighted = losses.iter().zip(terms).map(weigh);
    let first = weighted.next().context("a step needs at least one loss")??;
    weighted.try_fold(first, |sum, term| Ok((sum + term?)?))
}

impl StepReport {
    /// Adds one of `passes` forward passes.
    fn add(&mut self, losses: &[WeightedLoss], terms: &[LossTerm], pass: usize, passes: usize) -> Result<()> {
        let share = 1.0 / passes as f32;
        for (each, term) in losses.iter().zip(terms) {
            let value = term.value.to_scalar::<f32>()?;
            if !value.is_finite() {
                return Err(NotFinite { term: each.name.clone(), value, pass }.into());
            }
            self.total += value * each.weight as f32 * share;
            *self.terms.entry(each.name.clone()).or_default() += value * share;
            for (name, number) in &term.diagnostics {
                *self.terms.entry(format!("{}/{name}", each.name)).or_default() += number * share;
            }
        }
        Ok(())
    }
}
