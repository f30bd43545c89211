//! Loss simsiam: two views, each predicting the other's projection, which is held fixed (SimSiam; Chen and He 2021).

use anyhow::Result;
use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::networks::{Features, Needs, Output, PREDICTOR, PROJECTOR};
use univip_core::recipe::Invalid;
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::similarity::{SimilarityForm, unit};
use univip_core::views::SCENE;

register_loss!(
    "simsiam",
    SimSiam,
    "Two views, each predicting the other, without a target network (SimSiam)"
);

/// -(cos(p1, sg z2) + cos(p2, sg z1)) / 2 (Chen and He 2021, Eq. 4), with z the online network's projections: no target network.
///
/// sg, the stopped gradient, is all that keeps it from collapse, and not always: the diagnostic `spread` is the standard deviation
/// of unit projections over the batch, times the root of their channels. It is about 1 where projections fill the sphere, and 0
/// where all are equal.
pub struct SimSiam {
    predictions: Output,
    projections: Output,
}

/// `[loss.simsiam]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// A group of two views.
    pub group: String,
    /// The online network's head that predicts.
    pub predictor: String,
    /// The online network's head that is predicted.
    pub projector: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { group: SCENE.into(), predictor: PREDICTOR.into(), projector: PROJECTOR.into() }
    }
}

impl univip_core::recipe::Config for Config {
    fn check(&self) -> Result<(), Invalid> {
        if self.predictor == self.projector {
            let problem = format!(
                "`{}` is the projector too: each view would be compared with itself as it is",
                self.predictor
            );
            return Err(Invalid { key: "predictor", problem });
        }
        Ok(())
    }
}

impl Config {
    fn outputs(&self) -> [Output; 2] {
        let Self { group, predictor, projector } = self;
        [Output::online(group, predictor), Output::online(group, projector)]
    }
}

impl LossPlugin for SimSiam {
    type Config = Config;

    fn needs(config: &Config) -> Needs {
        Needs::from(config.outputs())
    }

    fn build(config: Config, _context: LossContext) -> Result<Self> {
        let [predictions, projections] = config.outputs();
        Ok(Self { predictions, projections })
    }
}

impl Loss for SimSiam {
    fn compute(&self, features: &Features, _step: &Step) -> Result<LossTerm> {
        let predictions = features.pair(&self.predictions)?;
        let projections = features.pair(&self.projections)?.map(Tensor::detach);
        let sum = SimilarityForm::NegCos.symmetric(predictions, projections.each_ref())?;
        Ok(LossTerm { value: (sum * 0.5)?, diagnostics: vec![("spread", spread(&projections)?)] })
    }
}

/// The mean over both views and all channels of the standard deviation of unit vectors `[B, D]`, times the root of D.
fn spread(views: &[Tensor; 2]) -> Result<f32> {
    let of = |view: &Tensor| -> Result<f32> {
        let vectors = unit(view)?;
        let variance = vectors.broadcast_sub(&vectors.mean_keepdim(0)?)?.sqr()?.mean(0)?;
        let root = (vectors.dim(D::Minus1)? as f64).sqrt();
        Ok((variance.sqrt()?.mean_all()? * root)?.to_scalar()?)
    };
    Ok((of(&views[0])? + of(&views[1])?) / 2.0)
}
