//! The loss `byol`.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::features::{Features, Needs};
use univip_core::loss::{Loss, LossContext, LossTerm};
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::similarity::SimilarityForm;

register_loss!("byol", Byol, "Similarity of two random views, each predicting the other (Eq. 2; Table 7 a)");

/// L(x1, x2) + L(x2, x1) of two views of the image.
///
/// Eq. 3 is the same sum; the two losses have names of their own because they stand for two methods, whose
/// views are made differently.
pub struct Byol(Config);

/// `[loss.byol]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// -cos as Eq. 2, or BYOL's own 2 - 2 cos.
    pub form: SimilarityForm,
}

impl univip_core::recipe::Config for Config {}

impl LossPlugin for Byol {
    type Config = Config;

    fn needs(_: &Config) -> Needs {
        Needs::default()
    }

    fn build(config: Config, _context: LossContext) -> Result<Self> {
        Ok(Self(config))
    }
}

impl Loss for Byol {
    fn compute(&self, features: &Features) -> Result<LossTerm> {
        Ok(self.0.form.symmetric(features)?.into())
    }
}
