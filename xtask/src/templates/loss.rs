//! Loss `my-plugin`: the squared distance between the normalised views, a place to start from.

use anyhow::Result;
use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::networks::{Features, Needs, Output, PREDICTOR, PROJECTOR};
use univip_core::recipe::{Config, Invalid};
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::views::SCENE;

register_loss!("my-plugin", MyPlugin, "describe it in one line");

/// The loss.
pub struct MyPlugin {
    config: Settings,
}

/// `[loss.my-plugin]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The factor of the distance.
    pub factor: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { factor: 1.0 }
    }
}

impl Config for Settings {
    fn check(&self) -> Result<(), Invalid> {
        if self.factor > 0.0 {
            return Ok(());
        }
        Err(Invalid { key: "factor", problem: format!("{} is not above 0", self.factor) })
    }
}

impl LossPlugin for MyPlugin {
    type Config = Settings;

    fn needs(_: &Settings) -> Needs {
        Needs::from([predictions(), targets()])
    }

    fn build(config: Settings, _context: LossContext) -> Result<Self> {
        Ok(Self { config })
    }
}

impl Loss for MyPlugin {
    fn compute(&self, features: &Features, _step: &Step) -> Result<LossTerm> {
        let (online, target) = (features.pair(&predictions())?, features.pair(&targets())?);
        let one = distance(online[0], target[1])?;
        let other = distance(online[1], target[0])?;
        Ok(((one + other)? * self.config.factor)?.into())
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

/// The mean over the batch of |x / |x| - y / |y||^2.
fn distance(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    Ok((normalise(x)? - normalise(y)?)?.sqr()?.sum(D::Minus1)?.mean_all()?)
}

fn normalise(x: &Tensor) -> Result<Tensor> {
    // The small number keeps the gradient finite at the zero vector.
    let norm = (x.sqr()?.sum_keepdim(D::Minus1)? + 1e-12)?.sqrt()?;
    Ok(x.broadcast_div(&norm)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn equal_directions_have_distance_0_and_opposite_ones_4() -> Result<()> {
        let x = Tensor::new(&[[1f32, 2.0], [-3.0, 1.0]], &Device::Cpu)?;
        for (scale, expected) in [(2.0, 0.0), (-2.0, 4.0)] {
            let found = distance(&x, &(&x * scale)?)?.to_scalar::<f32>()?;
            assert!((found - expected).abs() < 1e-5, "{found}");
        }
        Ok(())
    }
}
