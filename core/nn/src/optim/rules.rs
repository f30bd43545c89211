//! `[[optimizer.rules]]` of a recipe: parameters that do not move as the others do.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use univip_stdx::config::{Invalid, require};
use univip_stdx::refusal::suggest;

/// An exception for the parameters below a prefix of their names. Where several rules say the same of a parameter, the
/// last one holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterRule {
    /// The first parts of the parameters' names: `predictor` stands for `predictor.0.weight`, and not for `predictor2.0.weight`.
    pub prefix: String,
    /// Their learning rate, where it does not follow the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<RuleLr>,
    /// The first optimiser step that moves them, counted from 0. Before it they need no gradient, gather no momentum and
    /// do not decay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_until: Option<u64>,
    /// They decay, or do not, whatever `decay_bias_and_norm` says. LARS scales only what decays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<bool>,
}

/// The learning rates of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleLr {
    /// The schedule's peak at every step: no warm-up, no decay.
    Constant,
}

impl ParameterRule {
    pub(super) fn check(&self) -> Result<(), Invalid> {
        require(!self.prefix.is_empty(), "rules", || {
            "a rule has an empty prefix: give the first parts of the parameters' names".into()
        })?;
        let says_something = self.lr.is_some() || self.frozen_until.is_some() || self.weight_decay.is_some();
        require(says_something, "rules", || {
            format!("the rule of `{}` says nothing: set lr, frozen_until or weight_decay", self.prefix)
        })
    }

    fn fits(&self, name: &str) -> bool {
        let rest = name.strip_prefix(&*self.prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || self.prefix.ends_with('.'))
    }
}

/// The rules of one parameter, put together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Exceptions {
    pub constant_lr: bool,
    pub frozen_until: u64,
    pub weight_decay: Option<bool>,
}

impl Exceptions {
    /// Those of the parameter `name`.
    pub fn of(name: &str, rules: &[ParameterRule]) -> Self {
        let mut all = Self::default();
        for rule in rules.iter().filter(|rule| rule.fits(name)) {
            all.constant_lr |= rule.lr == Some(RuleLr::Constant);
            all.frozen_until = rule.frozen_until.unwrap_or(all.frozen_until);
            all.weight_decay = rule.weight_decay.or(all.weight_decay);
        }
        all
    }
}

/// Refuses a rule of no parameter among `names`.
///
/// # Errors
/// Names the prefix, and the first parts of the names that there are.
pub(super) fn refuse_idle<'a>(
    rules: &[ParameterRule],
    names: impl Iterator<Item = &'a String> + Clone,
) -> Result<()> {
    for rule in rules {
        if !names.clone().any(|name| rule.fits(name)) {
            let parts: BTreeSet<&str> = names.map(|name| name.split('.').next().unwrap_or(name)).collect();
            let known: Vec<&str> = parts.into_iter().collect();
            bail!(
                "optimizer.rules: no parameter is below `{}`; {}",
                rule.prefix,
                suggest(&rule.prefix, &known)
            );
        }
    }
    Ok(())
}
