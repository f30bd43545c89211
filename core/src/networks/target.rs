//! The target network's values: a copy of the online network's at first, then their moving average.

use crate::nn::Parameters;
use crate::nn::ops::ema_step;
use anyhow::{Context, Result};
use candle_core::{Tensor, Var};
use std::collections::BTreeMap;

/// xi = m xi + (1 - m) theta for every parameter of the target (Eq. 1).
///
/// Parameters that the target does not have (the predictor's, the losses' own) are skipped. Buffers stay:
/// the target normalises with statistics of its own.
///
/// # Errors
/// When the online network lacks one of the target's parameters or has it in another shape.
pub fn update(target: &Parameters, online: &Parameters, momentum: f64) -> Result<()> {
    for_each(&target.parameters(), &online.parameters(), |target, online| ema_step(target, online, momentum))
}

/// Sets every parameter and buffer of the target to the online network's.
///
/// # Errors
/// When the online network lacks one of them or has it in another shape.
pub fn copy_from(target: &Parameters, online: &Parameters) -> Result<()> {
    // Copied first: the two may share storage, which `set` refuses.
    let set = |target: &Var, online: &Tensor| target.set(&online.copy()?);
    for_each(&target.parameters(), &online.parameters(), set)?;
    for_each(&target.buffers(), &online.buffers(), set)
}

fn for_each(
    target: &BTreeMap<String, Var>,
    online: &BTreeMap<String, Var>,
    change: impl Fn(&Var, &Tensor) -> candle_core::Result<()>,
) -> Result<()> {
    for (name, value) in target {
        let source = online.get(name).with_context(|| {
            format!("the target network has {name}, the online network does not: build both from one recipe")
        })?;
        change(value, &source.as_detached_tensor())
            .with_context(|| format!("the target network's {name} and the online network's"))?;
    }
    Ok(())
}
