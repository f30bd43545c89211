//! Optimisers and schedules.

mod gradients;
mod lars;
mod rules;
mod schedule;
mod settings;
mod slot;

pub use gradients::Gradients;
pub use rules::{ParameterRule, RuleLr};
pub use schedule::{Schedule, peak_lr, target_momentum};
pub use settings::{OptimizerKind, OptimizerSettings, ScheduleSemantics, ScheduleSettings};

use crate::store::fit;
use crate::{Parameters, Role};
use anyhow::{Context, Result, bail};
use candle_core::{Tensor, Var};
use rules::{Exceptions, refuse_idle};
use slot::{Moment, Slot};
use std::collections::BTreeMap;

/// The parameters that decay. The others are not scaled by LARS either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decay {
    /// Every one.
    All,
    /// All but those of normalisation layers (detectron2's `WEIGHT_DECAY_NORM` of 0).
    AllButNorm,
    /// All but those of normalisation layers and biases (Grill et al. 2020).
    AllButNormAndBias,
}

impl Decay {
    fn leaves_out(self, role: Role) -> bool {
        match self {
            Self::All => false,
            Self::AllButNorm => role == Role::Norm,
            Self::AllButNormAndBias => role != Role::Weight,
        }
    }
}

/// Moves parameters against their gradients; keeps one momentum buffer per parameter, and for AdamW a second one.
pub struct Optimizer {
    settings: OptimizerSettings,
    constant_lr: f64,
    slots: BTreeMap<String, Slot>,
    /// The steps done, a single u32. There where one step differs from another: AdamW, and parameters frozen at first.
    done: Option<Var>,
}

/// The names of the optimiser's own values in its state. No parameter has a `#` in its name.
const DONE: &str = "#done";
const SQUARE: &str = "#square";

impl Optimizer {
    /// An optimiser of everything in `parameters`, which must be complete: a parameter made later would
    /// never be trained.
    ///
    /// # Errors
    /// When there are no parameters, no memory for the buffers, or a rule of the settings fits no parameter.
    pub fn new(settings: &OptimizerSettings, parameters: &Parameters) -> Result<Self> {
        let decay = if settings.decay_bias_and_norm { Decay::All } else { Decay::AllButNormAndBias };
        Self::with_decay(settings, decay, parameters)
    }

    /// [`Optimizer::new`] with another choice of what decays than the settings'.
    ///
    /// # Errors
    /// Those of [`Optimizer::new`].
    pub fn with_decay(settings: &OptimizerSettings, decay: Decay, parameters: &Parameters) -> Result<Self> {
        let (roles, rules) = (parameters.roles(), &settings.rules);
        refuse_idle(rules, roles.keys())?;
        let slots = parameters.parameters().into_iter().map(|(name, parameter)| {
            let excluded = decay.leaves_out(roles[&name]);
            let slot = Slot::new(parameter, settings.kind, excluded, Exceptions::of(&name, rules));
            let slot = slot.with_context(|| format!("optimiser state of {name}"))?;
            Ok((name, slot))
        });
        let slots: BTreeMap<_, _> = slots.collect::<Result<_>>()?;
        let Some(any) = slots.values().next() else {
            bail!("no parameters to optimise: build the networks and the losses before the optimiser");
        };
        let counts = settings.kind == OptimizerKind::AdamW
            || slots.values().any(|slot| slot.exceptions.frozen_until > 0);
        let zero = || Var::from_tensor(&Tensor::new(0u32, any.momentum.device())?);
        let done = counts.then(zero).transpose()?;
        Ok(Self { settings: settings.clone(), constant_lr: settings.lr, slots, done })
    }

    /// Sets the learning rate of the parameters that do not follow the schedule: its peak ([`peak_lr`]). Without it
    /// they move at `optimizer.lr`, whatever the size of the batch.
    #[must_use]
    pub fn with_constant_lr(self, lr: f64) -> Self {
        Self { constant_lr: lr, ..self }
    }

    /// One step at the learning rate `lr`.
    ///
    /// # Errors
    /// When a parameter that is not frozen has no gradient, before anything has moved: it would stay at its initial
    /// value unnoticed, which is how a projector made too late was never trained. A gradient of no parameter of
    /// this optimiser is refused for the same reason.
    pub fn step(&mut self, gradients: &Gradients, lr: f64) -> Result<()> {
        let now = Moment { lr, constant_lr: self.constant_lr, done: self.done()? };
        let needed = |name: &String| self.slots.get(name).is_some_and(|slot| !slot.frozen(now.done));
        gradients.check_names(self.slots.keys(), needed)?;
        for (name, slot) in self.slots.iter().filter(|(_, slot)| !slot.frozen(now.done)) {
            let Some(gradient) = gradients.get(name) else { continue };
            slot.step(gradient, &self.settings, now).with_context(|| format!("optimiser step of {name}"))?;
        }
        match &self.done {
            Some(done) => Ok(done.set(&Tensor::new(now.done as u32 + 1, done.device())?)?),
            None => Ok(()),
        }
    }

    /// The buffers for a checkpoint: the momentum by the parameter's name, AdamW's second buffer by the name and
    /// `#square`, the steps done as `#done` where a step depends on them. They share storage with the optimiser:
    /// write them before the next step.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        self.buffers().into_iter().map(|(name, buffer)| (name, buffer.as_detached_tensor())).collect()
    }

    /// Sets every buffer.
    ///
    /// # Errors
    /// When a name is missing or left over, or a shape differs: all of them are listed, and nothing is set.
    pub fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let buffers = self.buffers();
        let expected = buffers.iter().map(|(name, buffer)| (name.as_str(), buffer.dims()));
        let found = state.iter().map(|(name, buffer)| (name.as_str(), buffer.dims()));
        fit(expected, found).context("the optimiser state does not fit the parameters")?;
        for (name, buffer) in &buffers {
            let value = state[name].to_device(buffer.device())?.to_dtype(buffer.dtype())?;
            buffer.set(&value.contiguous()?.copy()?)?;
        }
        Ok(())
    }

    fn buffers(&self) -> BTreeMap<String, &Var> {
        let done = self.done.iter().map(|done| (DONE.to_string(), done));
        let squares = self.slots.iter().filter_map(|(name, slot)| {
            let square = slot.square.as_ref()?;
            Some((format!("{name}{SQUARE}"), square))
        });
        let momenta = self.slots.iter().map(|(name, slot)| (name.clone(), &slot.momentum));
        momenta.chain(squares).chain(done).collect()
    }

    fn done(&self) -> Result<u64> {
        let done = self.done.as_ref().map(|done| done.to_scalar::<u32>()).transpose()?;
        Ok(done.map_or(0, u64::from))
    }
}
