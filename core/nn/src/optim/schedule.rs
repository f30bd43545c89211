//! The learning rate and the target's momentum over a run.

use super::settings::DROP_FACTOR;
use super::{ScheduleSemantics, ScheduleSettings};
use std::f64::consts::PI;

/// The learning rate of each optimiser step: a linear warm-up to a peak, and a cosine to 0 or drops at some epochs.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    semantics: ScheduleSemantics,
    peak: f64,
    epochs: u64,
    steps_per_epoch: u64,
    /// The warm-up in steps.
    warmup: u64,
    /// The epochs at which the rate drops.
    drops: Vec<u64>,
    drop_factor: f64,
}

impl Schedule {
    /// The schedule of a run of `epochs * steps_per_epoch` optimiser steps whose largest learning rate is
    /// `peak`; the warm-up is rounded to whole steps.
    pub fn new(settings: &ScheduleSettings, peak: f64, epochs: u64, steps_per_epoch: u64) -> Self {
        let warmup = (settings.warmup_epochs * steps_per_epoch as f64).round() as u64;
        let drops = settings.drops.iter().map(|share| (share * epochs as f64).round() as u64).collect();
        let drop_factor = settings.drop_factor.unwrap_or(DROP_FACTOR);
        Self { semantics: settings.semantics, peak, epochs, steps_per_epoch, warmup, drops, drop_factor }
    }

    /// The learning rate of a step, counted from 0.
    pub fn lr(&self, step: u64) -> f64 {
        let Self { peak, epochs, steps_per_epoch, warmup, .. } = *self;
        let warm = step as f64 / warmup as f64;
        let epoch = step / steps_per_epoch.max(1);
        let ramp = if step < warmup { 1.0 - (1.0 - warm) * (1.0 - MMCV_WARMUP_RATIO) } else { 1.0 };
        match self.semantics {
            ScheduleSemantics::Mmcv => peak * cosine(epoch, epochs) * ramp,
            ScheduleSemantics::Step => {
                let dropped = self.drops.iter().filter(|drop| **drop <= epoch).count();
                peak * self.drop_factor.powi(dropped as i32) * ramp
            }
            ScheduleSemantics::Byol if step < warmup => peak * warm,
            ScheduleSemantics::Byol => {
                peak * cosine(step - warmup, (epochs * steps_per_epoch).saturating_sub(warmup))
            }
        }
    }
}

/// The start of mmcv's warm-up, relative to the learning rate; ORL's configuration sets it.
const MMCV_WARMUP_RATIO: f64 = 1e-4;

/// The peak learning rate of steps over `images`, from the one for 256 (the linear scaling rule).
pub fn peak_lr(base: f64, images: usize) -> f64 {
    base * images as f64 / 256.0
}

/// m of the optimiser step `step` of `steps` (Eq. 1): from `initial` along a cosine to 1.
pub fn target_momentum(initial: f64, step: u64, steps: u64) -> f64 {
    1.0 - (1.0 - initial) * cosine(step, steps)
}

/// From 1 at 0 to 0 at `end` along half a period; 0 after it.
fn cosine(at: u64, end: u64) -> f64 {
    if at >= end { 0.0 } else { ((PI * at as f64 / end as f64).cos() + 1.0) / 2.0 }
}
