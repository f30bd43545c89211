//! A parameter, the optimiser's memory of it, and its steps.

use super::lars::Scaling;
use super::rules::Exceptions;
use super::settings::{ADAMW, OptimizerKind, OptimizerSettings};
use crate::ops::{AdamWStep, SgdStep, adamw_step, sgd_step};
use candle_core::{Result, Tensor, Var};

/// A parameter and the optimiser's memory of it.
pub(super) struct Slot {
    parameter: Var,
    /// The momentum, of the parameter's shape, zero at first. AdamW: the mean gradient.
    pub momentum: Var,
    /// AdamW: the mean squared gradient, zero at first.
    pub square: Option<Var>,
    /// Neither decays nor is scaled by LARS.
    excluded: bool,
    pub exceptions: Exceptions,
}

/// The moment of a step.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// The learning rate of the schedule.
    pub lr: f64,
    /// The learning rate of the parameters that do not follow it.
    pub constant_lr: f64,
    /// The steps before this one.
    pub done: u64,
}

impl Slot {
    pub fn new(parameter: Var, kind: OptimizerKind, excluded: bool, exceptions: Exceptions) -> Result<Self> {
        let zeros = || Var::from_tensor(&parameter.zeros_like()?);
        let momentum = zeros()?;
        let square = (kind == OptimizerKind::AdamW).then(zeros).transpose()?;
        let excluded = exceptions.weight_decay.map_or(excluded, |decays| !decays);
        Ok(Self { parameter, momentum, square, excluded, exceptions })
    }

    /// Does not move yet.
    pub fn frozen(&self, done: u64) -> bool {
        done < self.exceptions.frozen_until
    }

    /// Moves the parameter.
    pub fn step(&self, gradient: &Tensor, settings: &OptimizerSettings, now: Moment) -> Result<()> {
        let lr = if self.exceptions.constant_lr { now.constant_lr } else { now.lr };
        let decay = if self.excluded { 0.0 } else { settings.weight_decay };
        let descend = |gradient: &Tensor, rate, decay| {
            let OptimizerSettings { momentum, nesterov, .. } = *settings;
            sgd_step(&self.parameter, gradient, &self.momentum, &SgdStep { rate, momentum, decay, nesterov })
        };
        let scaled = |factor| {
            let trust = (!self.excluded).then_some(settings.trust);
            Scaling { decay, trust, factor }.apply(&self.parameter, gradient)
        };
        match (settings.kind, &self.square) {
            (OptimizerKind::Lars, _) => descend(&scaled(1.0)?, lr, 0.0),
            (OptimizerKind::LarsLrInside, _) => descend(&scaled(lr)?, 1.0, 0.0),
            (OptimizerKind::AdamW, Some(square)) => {
                let step = AdamWStep {
                    rate: lr,
                    betas: [settings.momentum, settings.beta2.unwrap_or(ADAMW.0)],
                    epsilon: settings.epsilon.unwrap_or(ADAMW.1),
                    decay,
                    // A parameter that was frozen begins to count when it begins to move.
                    number: now.done + 1 - self.exceptions.frozen_until,
                };
                adamw_step(&self.parameter, gradient, [&self.momentum, square], &step)
            }
            (OptimizerKind::Sgd | OptimizerKind::AdamW, _) => descend(gradient, lr, decay),
        }
    }
}
