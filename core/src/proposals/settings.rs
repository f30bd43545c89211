//! `[proposals]` of a recipe.

use super::BoxLimits;
use serde::{Deserialize, Serialize};
use univip_stdx::config::{Config, Invalid, at_least, require, within};

/// `[proposals]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProposalSettings {
    /// A proposal source; its parameters are in `[proposal.<name>]`.
    #[serde(rename = "use")]
    pub name: String,
    /// Limits on the boxes that are kept when they are read (A.3); naive boxes obey them too.
    pub limits: BoxLimits,
}

impl Default for ProposalSettings {
    fn default() -> Self {
        Self { name: "selective-search".into(), limits: BoxLimits::default() }
    }
}

impl Config for ProposalSettings {
    fn check(&self) -> Result<(), Invalid> {
        let limits = &self.limits;
        at_least("limits.min_side", limits.min_side.into(), 1)?;
        require(limits.max_aspect >= 1.0 && limits.max_aspect.is_finite(), "limits.max_aspect", || {
            format!("expected at least 1 (longest over shortest side), found {}", limits.max_aspect)
        })?;
        within("limits.max_iou", limits.max_iou.into(), 0.0, 1.0)
    }
}
