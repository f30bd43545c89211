//! Optimisers and schedules.

mod gradients;
mod lars;
mod schedule;
mod settings;

pub use gradients::Gradients;
pub use schedule::{Schedule, peak_lr, target_momentum};
pub use settings::{OptimizerKind, OptimizerSettings, ScheduleSemantics, ScheduleSettings};

use crate::Parameters;
use crate::ops::sgd_step;
use crate::store::fit;
use anyhow::{Context, Result, bail};
use candle_core::{Tensor, Var};
use std::collections::BTreeMap;

/// Which parameters decay. The others are not scaled by LARS either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decay {
    /// Every one.
    All,
    /// All but batch norm's (detectron2's `WEIGHT_DECAY_NORM` of 0).
    AllButNorm,
    /// All but batch norm's and biases (Grill et al. 2020).
    AllButNormAndBias,
}

/// Moves parameters against their gradients; keeps one momentum buffer a parameter.
pub struct Optimizer {
    settings: OptimizerSettings,
    slots: BTreeMap<String, Slot>,
}

/// A parameter and what the optimiser remembers of it.
struct Slot {
    parameter: Var,
    /// The momentum, of the parameter's shape; zero at first.
    buffer: Var,
    /// Neither decays nor is scaled by LARS.
    excluded: bool,
}

impl Optimizer {
    /// An optimiser of everything in `parameters`, which must be complete: a parameter made later would
    /// never be trained.
    ///
    /// # Errors
    /// When there are no parameters, or no memory for the buffers.
    pub fn new(settings: &OptimizerSettings, parameters: &Parameters) -> Result<Self> {
        let decay = if settings.decay_bias_and_norm { Decay::All } else { Decay::AllButNormAndBias };
        Self::with_decay(settings, decay, parameters)
    }

    /// [`Optimizer::new`] with another choice of what decays than the settings'.
    ///
    /// # Errors
    /// Those of [`Optimizer::new`].
    pub fn with_decay(settings: &OptimizerSettings, decay: Decay, parameters: &Parameters) -> Result<Self> {
        let slot = |name: &str, parameter: Var| -> Result<Slot> {
            let buffer = Var::from_tensor(&parameter.zeros_like()?)?;
            let excluded = match decay {
                Decay::All => false,
                Decay::AllButNorm => parameters.is_norm(name),
                Decay::AllButNormAndBias => parameter.rank() <= 1 || name.ends_with(".bias"),
            };
            Ok(Slot { parameter, buffer, excluded })
        };
        let slots = parameters.parameters().into_iter().map(|(name, parameter)| {
            let slot = slot(&name, parameter).with_context(|| format!("optimiser state of {name}"))?;
            Ok((name, slot))
        });
        let slots: BTreeMap<_, _> = slots.collect::<Result<_>>()?;
        if slots.is_empty() {
            bail!("no parameters to optimise: build the networks and the losses before the optimiser");
        }
        Ok(Self { settings: settings.clone(), slots })
    }

    /// One step at the learning rate `lr`.
    ///
    /// # Errors
    /// When a parameter has no gradient, before anything has moved: it would stay at its initial value
    /// unnoticed, which is how a projector made too late was never trained. A gradient of no parameter of
    /// this optimiser is refused for the same reason.
    pub fn step(&mut self, gradients: &Gradients, lr: f64) -> Result<()> {
        gradients.check_names(self.slots.keys())?;
        let OptimizerSettings { momentum, weight_decay, trust, .. } = self.settings;
        for (name, gradient) in gradients.iter() {
            let Some(Slot { parameter, buffer, excluded }) = self.slots.get(name) else { continue };
            let decay = if *excluded { 0.0 } else { weight_decay };
            let adapted = |factor| lars::adapt(parameter, gradient, decay, trust, *excluded, factor);
            match self.settings.kind {
                OptimizerKind::Sgd => sgd_step(parameter, gradient, buffer, lr, momentum, decay),
                OptimizerKind::Lars => {
                    adapted(1.0).and_then(|update| sgd_step(parameter, &update, buffer, lr, momentum, 0.0))
                }
                OptimizerKind::LarsLrInside => {
                    adapted(lr).and_then(|update| sgd_step(parameter, &update, buffer, 1.0, momentum, 0.0))
                }
            }
            .with_context(|| format!("optimiser step of {name}"))?;
        }
        Ok(())
    }

    /// The momentum buffers by parameter name, for a checkpoint. They share storage with the optimiser:
    /// write them before the next step.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        self.slots.iter().map(|(name, slot)| (name.clone(), slot.buffer.as_detached_tensor())).collect()
    }

    /// Sets every momentum buffer.
    ///
    /// # Errors
    /// When a name is missing or left over, or a shape differs: all of them are listed, and nothing is set.
    pub fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let expected = self.slots.iter().map(|(name, slot)| (name.as_str(), slot.buffer.dims()));
        let found = state.iter().map(|(name, buffer)| (name.as_str(), buffer.dims()));
        fit(expected, found).context("the optimiser state does not fit the parameters")?;
        for (name, slot) in &self.slots {
            slot.buffer.set(&state[name].to_device(slot.buffer.device())?.contiguous()?.copy()?)?;
        }
        Ok(())
    }
}
