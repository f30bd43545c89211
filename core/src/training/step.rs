//! One training step: the method on one screen (Eq. 12).

use crate::loss::{Loss, LossTerm, Step};
use crate::networks::target;
use crate::networks::{Needs, Networks};
use crate::nn::optim::{Gradients, Optimizer};
use crate::pool::in_pool;
use crate::views::Batch;
use anyhow::{Context, Result, anyhow};
use candle_core::Tensor;
use std::collections::BTreeMap;

/// Networks, losses and optimiser: all that a step changes.
pub struct Method {
    /// The online and the target network.
    pub networks: Networks,
    /// The losses; their parameters are among the online network's.
    pub losses: Vec<WeightedLoss>,
    /// Moves every parameter of the online network and of the losses.
    pub optimizer: Optimizer,
}

/// A loss of the recipe, with its name and weight.
pub struct WeightedLoss {
    /// The name in the recipe.
    pub name: String,
    /// Its weight in the sum.
    pub weight: f64,
    /// The outputs that it reads.
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

/// The numbers of a step that are worth logging.
#[derive(Debug, Clone, Default)]
pub struct StepReport {
    /// The weighted sum, averaged over the forward passes.
    pub total: f32,
    /// Each loss before its weight, its diagnostics as `loss/diagnostic`, and the plans' as `views/diagnostic`.
    pub terms: BTreeMap<String, f32>,
}

/// The reason why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A loss term is NaN or infinite. The step has changed no parameter, though batch norm's running statistics have
    /// seen the batch.
    #[error("loss `{term}` is {value}")]
    NotFinite {
        /// The loss.
        term: String,
        /// NaN, inf or -inf.
        value: f32,
        /// The number of the forward pass within the step.
        pass: usize,
    },
    /// A network, a loss or the optimiser failed.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl From<candle_core::Error> for StepError {
    fn from(error: candle_core::Error) -> Self {
        Self::Other(error.into())
    }
}

/// One optimiser step over the forward passes of `batches` (more than one accumulates gradients).
///
/// # Errors
/// [`StepError::NotFinite`] before any parameter is changed; any failure of a plugin, named.
pub fn step(
    method: &mut Method,
    batches: &[Batch],
    now: Step,
    rates: Rates,
) -> Result<StepReport, StepError> {
    if batches.is_empty() {
        return Err(anyhow!("a step needs at least one batch").into());
    }
    let Method { networks, losses, optimizer } = method;
    let (mut gradients, mut report, mut passes) = (Gradients::default(), StepReport::default(), Vec::new());
    each(losses, "before the step", |loss| loss.before_step(&now))?;
    for (pass, batch) in batches.iter().enumerate() {
        let features = in_pool(|| networks.features(batch))?;
        let terms = each(losses, "", |loss| loss.compute(&features, &Step { pass, ..now }))?;
        report.add(losses, &terms, pass, batches.len())?;
        report.add_plans(batch, batches.len());
        let total = (weighted_sum(losses, &terms)? / batches.len() as f64)?;
        gradients.add(Gradients::of(&mut in_pool(|| total.backward())?, networks.online()))?;
        passes.push(features.detached()?);
    }
    in_pool(|| -> Result<()> {
        optimizer.step(&gradients, rates.lr)?;
        target::update(networks.target(), networks.online(), rates.momentum)
    })?;
    each(losses, "after the step", |loss| loss.after_step(&passes, &now))?;
    Ok(report)
}

/// Calls each loss, whose name an error begins with.
fn each<T>(losses: &[WeightedLoss], when: &str, call: impl Fn(&dyn Loss) -> Result<T>) -> Result<Vec<T>> {
    let call = |each: &WeightedLoss| {
        call(&*each.loss).with_context(|| format!("loss `{}` {when}", each.name).trim_end().to_string())
    };
    losses.iter().map(call).collect()
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
    fn add(
        &mut self,
        losses: &[WeightedLoss],
        terms: &[LossTerm],
        pass: usize,
        passes: usize,
    ) -> Result<(), StepError> {
        let share = 1.0 / passes as f32;
        for (each, term) in losses.iter().zip(terms) {
            let value = term.value.to_scalar::<f32>()?;
            if !value.is_finite() {
                return Err(StepError::NotFinite { term: each.name.clone(), value, pass });
            }
            self.total += value * each.weight as f32 * share;
            *self.terms.entry(each.name.clone()).or_default() += value * share;
            for (name, number) in &term.diagnostics {
                *self.terms.entry(format!("{}/{name}", each.name)).or_default() += number * share;
            }
        }
        Ok(())
    }

    /// Adds the means of the plans' diagnostics over the images of one of `passes` batches.
    fn add_plans(&mut self, batch: &Batch, passes: usize) {
        let share = 1.0 / (passes * batch.len().max(1)) as f32;
        for (name, number) in batch.facts.plans.iter().flat_map(|plan| &plan.diagnostics) {
            *self.terms.entry(format!("views/{name}")).or_default() += number * share;
        }
    }
}
