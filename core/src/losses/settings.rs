//! `[losses]` of a recipe.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use univip_stdx::config::{Config, Invalid, distinct, require};

/// `[losses]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossSettings {
    /// The losses; their parameters are in `[loss.<name>]`.
    #[serde(rename = "use")]
    pub names: Vec<String>,
    /// The weight of a loss in the sum (Eq. 12); 1 where none is given.
    pub weights: BTreeMap<String, f64>,
}

impl Config for LossSettings {
    fn check(&self) -> Result<(), Invalid> {
        distinct("use", &self.names)?;
        for (name, weight) in &self.weights {
            require(self.names.contains(name), "weights", || {
                format!("`{name}` has a weight but is not in losses.use: {:?}", self.names)
            })?;
            require(*weight >= 0.0 && weight.is_finite(), "weights", || {
                format!("expected `{name}` from 0 up, found {weight}")
            })?;
        }
        Ok(())
    }
}
