//! Loss vicreg: two views brought together, kept apart from other images by the statistics of the batch alone (VICReg; Bardes et al.
//! 2022).

use anyhow::{Result, ensure};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use univip_core::config::not_negative;
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::networks::{Features, Needs, Output, PROJECTOR};
use univip_core::recipe::{Config, Invalid};
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::views::SCENE;

register_loss!("vicreg", VicReg, "Variance, invariance and covariance of two views (VICReg)");

/// `invariance` times the mean squared difference of the views, plus `variance` times how far the channels' standard deviations are
/// below 1, plus `covariance` times the squared covariances of different channels (Bardes et al. 2022, Eq. 6). No target network and no
/// negatives.
///
/// Constants are those of the authors' code: the variance term is the mean of the two views, the covariance term their sum.
///
/// Diagnostics: the three terms before their weights.
pub struct VicReg {
    settings: Settings,
    accumulated: bool,
}

/// `[loss.vicreg]`. The defaults are the authors'.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The weight of the views' squared difference.
    pub invariance: f64,
    /// The weight of the standard deviations below 1.
    pub variance: f64,
    /// The weight of the covariances.
    pub covariance: f64,
    /// A group of two views.
    pub group: String,
    /// The online network's head.
    pub head: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            invariance: 25.0,
            variance: 25.0,
            covariance: 1.0,
            group: SCENE.into(),
            head: PROJECTOR.into(),
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Result<(), Invalid> {
        not_negative("invariance", self.invariance)?;
        not_negative("variance", self.variance)?;
        not_negative("covariance", self.covariance)
    }
}

impl Settings {
    fn output(&self) -> Output {
        Output::online(&self.group, &self.head)
    }
}

impl LossPlugin for VicReg {
    type Config = Settings;

    fn needs(settings: &Settings) -> Needs {
        Needs::from([settings.output()])
    }

    fn build(settings: Settings, context: LossContext) -> Result<Self> {
        ensure!(context.batch != 1, "a batch of 1 image has no variance: set train.batch to 2 or more");
        Ok(Self { settings, accumulated: context.passes > 1 })
    }
}

impl Loss for VicReg {
    fn compute(&self, features: &Features, _step: &Step) -> Result<LossTerm> {
        let [one, other] = features.pair(&self.settings.output())?;
        let invariance = (one - other)?.sqr()?.mean_all()?;
        let (one, other) = (centred(one)?, centred(other)?);
        let variance = ((below_one(&one)? + below_one(&other)?)? * 0.5)?;
        let covariance = (covariances(&one)? + covariances(&other)?)?;
        let weighted = [
            (&invariance, self.settings.invariance),
            (&variance, self.settings.variance),
            (&covariance, self.settings.covariance),
        ];
        let terms = weighted.map(|(term, weight)| term.affine(weight, 0.0));
        let [first, second, third] = terms;
        let value = ((first? + second?)? + third?)?;
        let diagnostics = vec![
            ("invariance", invariance.to_scalar()?),
            ("variance", variance.to_scalar()?),
            ("covariance", covariance.to_scalar()?),
        ];
        Ok(LossTerm { value, diagnostics })
    }

    fn remarks(&self) -> Vec<String> {
        let remark = "train.accumulate does not enlarge the batch whose variance and covariance it takes: that is train.batch";
        if self.accumulated { vec![remark.into()] } else { Vec::new() }
    }
}

/// Features `[B, D]` less their mean over the batch.
fn centred(features: &Tensor) -> Result<Tensor> {
    let batch = features.dim(0)?;
    ensure!(batch > 1, "a batch of {batch} image has no variance: set train.batch to 2 or more");
    Ok(features.broadcast_sub(&features.mean_keepdim(0)?)?)
}

/// The mean over all channels of how far their standard deviation is below 1.
fn below_one(centred: &Tensor) -> Result<Tensor> {
    let freedom = (centred.dim(0)? - 1) as f64;
    let variance = (centred.sqr()?.sum(0)? / freedom)?;
    // The authors' small number: the square root has no gradient at 0.
    let deviation = (variance + 1e-4)?.sqrt()?;
    Ok((1.0 - deviation)?.relu()?.mean_all()?)
}

/// The sum of the squared covariances of different channels, over the number of channels.
fn covariances(centred: &Tensor) -> Result<Tensor> {
    let (batch, channels) = centred.dims2()?;
    let covariance = (centred.t()?.contiguous()?.matmul(centred)? / (batch - 1) as f64)?;
    let others = (1.0 - Tensor::eye(channels, covariance.dtype(), covariance.device())?)?;
    Ok(((covariance * others)?.sqr()?.sum_all()? / channels as f64)?)
}
