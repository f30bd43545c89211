//! Loss scene-instance: affinity of scene and instances. Eq. 4-6.

use anyhow::{Context, Result, ensure};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use univip_core::features::{Features, Needs};
use univip_core::loss::{Loss, LossContext, LossTerm};
use univip_core::nn::Init;
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::similarity::SimilarityForm;

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
    /// Whether f_linear (Eq. 4) has a bias; the paper does not say.
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
        Needs { online_instances: true, ..Needs::default() }
    }

    fn build(config: Config, context: LossContext) -> Result<Self> {
        let LossContext { parameters, feature_size, instances } = context;
        ensure!(
            instances > 0,
            "the loss scene-instance maps an image's instances, and views.instances is 0: \
             set it to 1 or more, or take the loss out of losses.use"
        );
        let inputs = instances * feature_size;
        // As PyTorch initialises a linear layer.
        let init = Init::Uniform { bound: 1.0 / (inputs as f32).sqrt() };
        let scope = parameters.enter("f_linear");
        let weight = scope.weight("weight", (feature_size, inputs), init)?;
        let bias = config.bias.then(|| scope.bias("bias", feature_size, init)).transpose()?;
        Ok(Self { form: config.form, weight, bias })
    }
}

impl Loss for SceneInstance {
    fn compute(&self, features: &Features) -> Result<LossTerm> {
        let online = features.online_instances.as_ref().context("the loss scene-instance needs o_k")?;
        let combined = self.combine(online)?;
        let [target1, target2] = &features.target_scenes;
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
