//! One plugin of each kind, so that recipes can name some: they are never built.

use anyhow::{Result, anyhow, bail};
use candle_core::{Device, Tensor};
use image::RgbImage;
use serde::{Deserialize, Serialize};
use univip_core::dataset::{Dataset, Split};
use univip_core::error::ImageError;
use univip_core::evaluate::{EvaluationContext, Evaluator, Metric};
use univip_core::geometry::BoundingBox;
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::networks::{
    BackboneContext, BackboneFacts, Features, Head, HeadContext, HeadInput, Needs, Output,
};
use univip_core::nn::backbone::Stage;
use univip_core::nn::ops::Map;
use univip_core::nn::{Backbone, Mode};
use univip_core::proposals::ProposalSource;
use univip_core::recipe::{Config, Invalid};
use univip_core::registry::{
    BackbonePlugin, DatasetPlugin, EvaluatorPlugin, HeadPlugin, LossPlugin, ProposalPlugin, ViewPlugin,
};
use univip_core::seed::Stream;
use univip_core::views::{Group, Subject, ViewContext, ViewPlan, ViewSampler};
use univip_core::{
    register_backbone, register_dataset, register_evaluator, register_head, register_loss,
    register_proposals, register_views,
};

register_backbone!("resnet18", Plain, "a backbone");
register_backbone!("resnet50", Plain, "a backbone");
register_dataset!("meadow", Meadow, "a dataset that must be told its folder");
register_head!("mlp", Plain, "a head");
register_dataset!("garden", Garden, "a dataset whose folder is a place");
register_evaluator!("ruler", Plain, "an evaluator");
register_evaluator!("tape", Tape, "an evaluator with settings, of what was learned from");
register_loss!("pull", Pull, "a loss with settings");
register_loss!("push-away", Plain, "a loss without settings");
register_proposals!("grid", Plain, "a proposal source");
register_views!("pair", Pair, "a view sampler");

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
pub struct GardenConfig {
    pub root: String,
    pub beds: u32,
}
impl Config for GardenConfig {
    const PLACES: &'static [&'static str] = &["root"];
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TapeConfig {
    pub steps: u32,
    pub cache: String,
}
impl Config for TapeConfig {
    const PLACES: &'static [&'static str] = &["cache"];
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoConfig {}
impl Config for NoConfig {}

struct Meadow;
struct Garden;
struct Pull;
pub struct Tape;
struct Plain;

impl BackbonePlugin for Plain {
    type Config = NoConfig;
    const FACTS: BackboneFacts = BackboneFacts { multiply_adds: 1.0, residual_layers: None };
    fn build(_: NoConfig, _: BackboneContext) -> Result<Self> {
        Ok(Self)
    }
}
impl DatasetPlugin for Meadow {
    type Config = MeadowConfig;
    fn build(_: MeadowConfig, _: Split) -> Result<Self> {
        Ok(Self)
    }
}
impl DatasetPlugin for Garden {
    type Config = GardenConfig;
    fn build(_: GardenConfig, _: Split) -> Result<Self> {
        Ok(Self)
    }
}
impl EvaluatorPlugin for Tape {
    type Config = TapeConfig;
    fn build(_: TapeConfig) -> Result<Self> {
        Ok(Self)
    }
}
impl LossPlugin for Pull {
    type Config = PullConfig;
    fn needs(_: &PullConfig) -> Needs {
        Needs::from([Output::online("scene", "predictor"), Output::target("scene", "projector")])
    }
    fn build(_: PullConfig, _: LossContext) -> Result<Self> {
        Ok(Self)
    }
}
impl LossPlugin for Plain {
    type Config = NoConfig;
    fn needs(_: &NoConfig) -> Needs {
        Needs::from([Output::online("scene", "predictor"), Output::target("scene", "projector")])
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
impl ViewPlugin for Pair {
    type Config = NoConfig;
    fn build(_: NoConfig, context: ViewContext) -> Result<Self> {
        Ok(Self(context))
    }
}
impl HeadPlugin for Plain {
    type Config = NoConfig;
    fn build(_: NoConfig, _: HeadContext) -> Result<Self> {
        Ok(Self)
    }
}

impl Backbone for Plain {
    fn stages(&self) -> &[Stage] {
        &[]
    }
    fn stem(&self, _: &Tensor, _: Mode) -> Result<Map> {
        bail!("no map")
    }
    fn stage(&self, _: usize, _: &Map, _: Mode) -> Result<Map> {
        bail!("no map")
    }
    fn device(&self) -> &Device {
        &Device::Cpu
    }
}
macro_rules! no_images {
    ($type:ty) => {
        impl Dataset for $type {
            fn len(&self) -> usize {
                0
            }
            fn id(&self, index: usize) -> String {
                index.to_string()
            }
            fn image(&self, _: usize) -> Result<RgbImage, ImageError> {
                Err(anyhow!("no image").into())
            }
            fn digest(&self) -> String {
                String::new()
            }
        }
    };
}
no_images!(Meadow);
no_images!(Garden);
macro_rules! idle_loss {
    ($type:ty) => {
        impl Loss for $type {
            fn compute(&self, _: &Features, _: &Step) -> Result<LossTerm> {
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
    fn metrics(&self) -> Vec<String> {
        Vec::new()
    }
}
impl Evaluator for Tape {
    fn evaluate(&self, _: EvaluationContext<'_>) -> Result<Vec<Metric>> {
        Ok(Vec::new())
    }
    fn metrics(&self) -> Vec<String> {
        Vec::new()
    }
    fn uses_probe_data(&self) -> bool {
        false
    }
}
impl ProposalSource for Plain {
    fn propose(&self, _: &dyn Dataset, _: usize) -> Result<Vec<BoundingBox>, ImageError> {
        Ok(Vec::new())
    }
}
impl Head for Plain {
    fn size(&self) -> usize {
        0
    }
    fn forward(&self, _: &HeadInput<'_>, _: Mode) -> Result<Tensor> {
        bail!("no output")
    }
}
/// The groups of its context.
struct Pair(ViewContext);
impl ViewSampler for Pair {
    fn groups(&self) -> Vec<Group> {
        self.0.scenes_and_instances()
    }
    fn sample(&self, _: &Subject<'_>, _: &mut Stream) -> Result<ViewPlan> {
        bail!("no view")
    }
}
