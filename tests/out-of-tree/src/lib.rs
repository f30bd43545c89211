//! Loss `alignment`: the squared distance of normalised views, from a crate outside the workspace.

use anyhow::Result;
use candle_core::D;
use serde::{Deserialize, Serialize};
use univip_core::features::{Features, Needs};
use univip_core::loss::{Loss, LossContext, LossTerm};
use univip_core::recipe::Config;
use univip_core::register_loss;
use univip_core::registry::LossPlugin;

register_loss!("alignment", Alignment, "squared distance of normalised views");

/// The loss.
pub struct Alignment;

/// `[loss.alignment]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {}

impl Config for Settings {}

impl LossPlugin for Alignment {
    type Config = Settings;

    fn needs(_: &Settings) -> Needs {
        Needs::default()
    }

    fn build(_config: Settings, _context: LossContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Loss for Alignment {
    fn compute(&self, features: &Features) -> Result<LossTerm> {
        let normal = |x: &candle_core::Tensor| -> Result<candle_core::Tensor> {
            Ok(x.broadcast_div(&(x.sqr()?.sum_keepdim(D::Minus1)? + 1e-12)?.sqrt()?)?)
        };
        let difference = (normal(&features.online_scenes[0])? - normal(&features.target_scenes[1])?)?;
        Ok(difference.sqr()?.sum(D::Minus1)?.mean_all()?.into())
    }
}
