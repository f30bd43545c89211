//! One plugin of each kind, so that recipes can name some: they are never built.

use anyhow::{Result, bail};
use image::RgbImage;
use serde::{Deserialize, Serialize};
use univip_core::dataset::{Dataset, Split};
use univip_core::evaluate::{EvaluationContext, Evaluator, Metric};
use univip_core::features::{Features, Needs};
use univip_core::geometry::{BoundingBox, Size};
use univip_core::loss::{Loss, LossContext, LossTerm};
use univip_core::proposals::ProposalSource;
use univip_core::recipe::{Config, Invalid};
use univip_core::registry::{DatasetPlugin, EvaluatorPlugin, LossPlugin, ProposalPlugin, ViewPlugin};
use univip_core::seed::Stream;
use univip_core::views::{ViewContext, ViewPlan, ViewSampler};
use univip_core::{register_dataset, register_evaluator, register_loss, register_proposals, register_views};

register_dataset!("meadow", Meadow, "a dataset that must be told its folder");
register_evaluator!("ruler", Plain, "an evaluator");
register_loss!("pull", Pull, "a loss with settings");
register_loss!("push-away", Plain, "a loss without settings");
register_proposals!("grid", Plain, "a proposal source");
register_views!("pair", Plain, "a view sampler");

/// Settings of every type that a recipe can hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PullConfig {
    pub epsilon: f32,
    pub rounds: u32,
    pub form: Form,
    pub bias: bool,
    pub note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    NegCos,
    Byol,
}

impl Default for PullConfig {
    fn default() -> Self {
        Self { epsilon: 0.1, rounds: 50, form: Form::NegCos, bias: true, note: None }
    }
}

impl Config for PullConfig {
    fn check(&self) -> Result<(), Invalid> {
        match self.epsilon > 0.0 {
            true => Ok(()),
            false => {
                Err(Invalid { key: "epsilon", problem: format!("expected above 0, found {}", self.epsilon) })
            }
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeadowConfig {
    pub root: String,
}
impl Config for MeadowConfig {}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoConfig {}
impl Config for NoConfig {}

struct Meadow;
struct Pull;
struct Plain;

impl DatasetPlugin for Meadow {
    type Config = MeadowConfig;
    fn build(_: MeadowConfig, _: Split) -> Result<Self> {
        Ok(Self)
    }
}
impl LossPlugin for Pull {
    type Config = PullConfig;
    fn needs(_: &PullConfig) -> Needs {
        Needs::default()
    }
    fn build(_: PullConfig, _: LossContext) -> Result<Self> {
        Ok(Self)
    }
}
impl LossPlugin for Plain {
    type Config = NoConfig;
    fn needs(_: &NoConfig) -> Needs {
        Needs::default()
    }
    fn build(_: NoConfig, _: LossContext) -> Result<Self> {
        Ok(Self)
    }
}
impl EvaluatorPlugin for Plain {
    type Config = NoConfig;
    fn build(_: NoConfig) -> Result<Self> {
        Ok(Self)
    }
}
impl ProposalPlugin for Plain {
    type Config = NoConfig;
    fn build(_: NoConfig) -> Result<Self> {
        Ok(Self)
    }
}
impl ViewPlugin for Plain {
    type Config = NoConfig;
    fn build(_: NoConfig, _: ViewContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Dataset for Meadow {
    fn len(&self) -> usize {
        0
    }
    fn id(&self, index: usize) -> String {
        index.to_string()
    }
    fn image(&self, _: usize) -> Result<RgbImage> {
        bail!("no image")
    }
    fn digest(&self) -> String {
        String::new()
    }
}
macro_rules! idle_loss {
    ($type:ty) => {
        impl Loss for $type {
            fn compute(&self, _: &Features) -> Result<LossTerm> {
                bail!("nothing to compute")
            }
        }
    };
}
idle_loss!(Pull);
idle_loss!(Plain);
impl Evaluator for Plain {
    fn evaluate(&self, _: EvaluationContext<'_>) -> Result<Vec<Metric>> {
        Ok(Vec::new())
    }
}
impl ProposalSource for Plain {
    fn propose(&self, _: &dyn Dataset, _: usize) -> Result<Vec<BoundingBox>> {
        Ok(Vec::new())
    }
}
impl ViewSampler for Plain {
    fn sample(&self, _: Size, _: &[BoundingBox], _: &mut Stream) -> Result<ViewPlan> {
        bail!("no view")
    }
}
