//! Loss scene-instance: affinity of scene and instances. Eq. 4-6.

use anyhow::{Result, ensure};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::networks::{Features, Needs, Output, PREDICTOR, PROJECTOR};
use univip_core::nn::Init;
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::similarity::SimilarityForm;
use univip_core::views::{INSTANCE, SCENE};

register_loss!(
    "scene-instance",
    SceneInstance,
    "Affinity of a scene and all its instances together (Eq. 4-6)"
);

/// The similarity of both scenes' targets with one linear map of the image's K instances.
pub struct SceneInstance {
    form: SimilarityForm,
    /// `[D, K * D]`
    weight: Tensor,
    /// `[D]`
    bias: Option<Tensor>,
}

/// `[loss.scene-instance]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// -cos as Eq. 5, or BYOL's 2 - 2 cos.
    pub form: SimilarityForm,
    /// True if f_linear (Eq. 4) has a bias; the paper does not say.
    pub bias: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { form: SimilarityForm::default(), bias: true }
    }
}

impl univip_core::recipe::Config for Config {}

impl LossPlugin for SceneInstance {
    type Config = Config;

    fn needs(_: &Config) -> Needs {
        Needs::from([instances(), scenes()])
    }

    fn build(config: Config, context: LossContext) -> Result<Self> {
        let (feature_size, targets) = (context.size(&instances())?, context.size(&scenes())?);
        ensure!(
            feature_size == targets,
            "f_linear maps instances of {feature_size} channels to scenes, which have {targets}: give predictor and projector \
             one output size"
        );
        let inputs = context.views(INSTANCE)? * feature_size;
        // As PyTorch initialises a linear layer.
        let init = Init::Uniform { bound: 1.0 / (inputs as f32).sqrt() };
        let scope = context.parameters.enter("f_linear");
        let weight = scope.weight("weight", (feature_size, inputs), init)?;
        let bias = config.bias.then(|| scope.bias("bias", feature_size, init)).transpose()?;
        Ok(Self { form: config.form, weight, bias })
    }
}

impl Loss for SceneInstance {
    fn compute(&self, features: &Features, _step: &Step) -> Result<LossTerm> {
        let combined = self.combine(features.stacked(&instances())?)?;
        let [target1, target2] = features.pair(&scenes())?;
        let affinity = (self.form.loss(&combined, target1)? + self.form.loss(&combined, target2)?)?;
        Ok(affinity.into())
    }
}

impl SceneInstance {
    /// I of Eq. 4: o_1 to o_K side by side, mapped to the size of one. `[B, K, D]` to `[B, D]`.
    fn combine(&self, online: &Tensor) -> Result<Tensor> {
        let mapped = online.flatten_from(1)?.matmul(&self.weight.t()?)?;
        Ok(match &self.bias {
            Some(bias) => mapped.broadcast_add(bias)?,
            None => mapped,
        })
    }
}

/// o_k.
fn instances() -> Output {
    Output::online(INSTANCE, PREDICTOR)
}

/// f_t1 and f_t2.
fn scenes() -> Output {
    Output::target(SCENE, PROJECTOR)
}
