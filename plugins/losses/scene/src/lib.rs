//! Losses scene and byol: the similarity of two views, each predicting the other. Eq. 3.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::networks::{Features, Needs, Output, PREDICTOR, PROJECTOR};
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::similarity::SimilarityForm;
use univip_core::views::SCENE;

// Two names for one sum, since they stand for two methods, whose views are made differently.
register_loss!(
    "byol",
    TwoViews,
    "Similarity of two random views, each predicting the other (Eq. 2; Table 7 a)"
);
register_loss!("scene", TwoViews, "Similarity of two scene views that share their instances (Eq. 3)");

/// L(x1, x2) + L(x2, x1) of the two views of an image.
pub struct TwoViews {
    form: SimilarityForm,
    online: Output,
    target: Output,
}

/// `[loss.byol]`, `[loss.scene]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// -cos as Eq. 2, or BYOL's own 2 - 2 cos.
    pub form: SimilarityForm,
    /// A group of two views.
    pub group: String,
    /// The online network's head.
    pub predictor: String,
    /// The target network's head.
    pub projector: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            form: SimilarityForm::default(),
            group: SCENE.into(),
            predictor: PREDICTOR.into(),
            projector: PROJECTOR.into(),
        }
    }
}

impl univip_core::recipe::Config for Config {}

impl Config {
    fn outputs(&self) -> [Output; 2] {
        let Self { group, predictor, projector, .. } = self;
        [Output::online(group, predictor), Output::target(group, projector)]
    }
}

impl LossPlugin for TwoViews {
    type Config = Config;

    fn needs(config: &Config) -> Needs {
        Needs::from(config.outputs())
    }

    fn build(config: Config, _context: LossContext) -> Result<Self> {
        let [online, target] = config.outputs();
        Ok(Self { form: config.form, online, target })
    }
}

impl Loss for TwoViews {
    fn compute(&self, features: &Features, _step: &Step) -> Result<LossTerm> {
        let (online, target) = (features.pair(&self.online)?, features.pair(&self.target)?);
        Ok(self.form.symmetric(online, target)?.into())
    }
}
