//! Loss `alignment`: the squared distance of normalised views, from a crate outside the workspace.

use anyhow::Result;
use candle_core::D;
use serde::{Deserialize, Serialize};
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::networks::{Features, Needs, Output, PREDICTOR, PROJECTOR};
use univip_core::recipe::Config;
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::views::SCENE;

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
        Needs::from([predictions(), targets()])
    }

    fn build(_config: Settings, _context: LossContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Loss for Alignment {
    fn compute(&self, features: &Features, _step: &Step) -> Result<LossTerm> {
        let (online, target) = (features.pair(&predictions())?, features.pair(&targets())?);
        let normal = |x: &candle_core::Tensor| -> Result<candle_core::Tensor> {
            Ok(x.broadcast_div(&(x.sqr()?.sum_keepdim(D::Minus1)? + 1e-12)?.sqrt()?)?)
        };
        let difference = (normal(online[0])? - normal(target[1])?)?;
        Ok(difference.sqr()?.sum(D::Minus1)?.mean_all()?.into())
    }
}

/// The online predictions of both scene views.
fn predictions() -> Output {
    Output::online(SCENE, PREDICTOR)
}

/// The target projections of both scene views.
fn targets() -> Output {
    Output::target(SCENE, PROJECTOR)
}
