//! Loss scene: similarity of scene and scene. Eq. 3.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::features::{Features, Needs};
use univip_core::loss::{Loss, LossContext, LossTerm};
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::similarity::SimilarityForm;

register_loss!("scene", Scene, "Similarity of two scene views that share their instances (Eq. 3)");

/// L(s1, s2) + L(s2, s1) of the scene views.
pub struct Scene(Config);

/// `[loss.scene]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// -cos as Eq. 2, or BYOL's 2 - 2 cos.
    pub form: SimilarityForm,
}

impl univip_core::recipe::Config for Config {}

impl LossPlugin for Scene {
    type Config = Config;

    fn needs(_: &Config) -> Needs {
        Needs::default()
    }

    fn build(config: Config, _context: LossContext) -> Result<Self> {
        Ok(Self(config))
    }
}

impl Loss for Scene {
    fn compute(&self, features: &Features) -> Result<LossTerm> {
        Ok(self.0.form.symmetric(features)?.into())
    }
}
