//! A backbone that is measured and never changed.

use super::{Backbone, BackbonePlan, Mode, Parameters, Scope, backbone::Stage};
use anyhow::Result;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;

/// A backbone in evaluation mode whose parameters nobody can reach: running statistics, no graph.
pub struct FrozenBackbone {
    network: Box<dyn Backbone>,
    plan: BackbonePlan,
    scope: Scope,
}

impl FrozenBackbone {
    /// The backbone of a plan with the parameters of `scope`, which must be one of
    /// [`Parameters::frozen`]. It follows later changes of their values.
    ///
    /// # Errors
    /// As [`BackbonePlan::build`].
    pub fn new(plan: &BackbonePlan, scope: &Scope) -> Result<Self> {
        Ok(Self { network: plan.build(scope)?, plan: plan.clone(), scope: scope.clone() })
    }

    /// A copy to fine-tune, in parameters of its own called `backbone.*`; this one never changes with it.
    /// Whatever is made in the same parameters starts from `seed`.
    pub fn copy(&self, seed: u64) -> Result<(Parameters, Box<dyn Backbone>)> {
        let parameters = Parameters::new(seed, self.device());
        let network = self.copy_into(&parameters)?;
        Ok((parameters, network))
    }

    /// A copy as [`copy`](Self::copy) makes it, in parameters that are empty: whoever trains on several devices gives
    /// [`synchronised`](Parameters::synchronised) ones.
    pub fn copy_into(&self, parameters: &Parameters) -> Result<Box<dyn Backbone>> {
        let network = self.plan.build(&parameters.trainable().enter("backbone"))?;
        let values = self.tensors().into_iter().map(|(name, value)| (format!("backbone.{name}"), value));
        parameters.load(&values.collect())?;
        Ok(network)
    }

    /// Parameters and running statistics, by their names in the backbone.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.scope.tensors()
    }

    /// The plan that it was made by.
    pub fn plan(&self) -> &BackbonePlan {
        &self.plan
    }

    /// The maps of its stages, finest first.
    pub fn stages(&self) -> &[Stage] {
        self.network.stages()
    }

    /// Pooled features. Images `[B, H, W, 3]`, normalised; features `[B, F]`.
    pub fn features(&self, images: &Tensor) -> Result<Tensor> {
        Ok(self.network.forward(images, Mode::Eval)?.detach())
    }

    /// The maps before the first stage and after each one, `[B, H_i, W_i, C_i]`.
    pub fn stem_and_maps(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        let maps = self.network.stem_and_maps(images, Mode::Eval)?;
        Ok(maps.into_iter().map(|map| map.detach()).collect())
    }

    /// F, the size of [`FrozenBackbone::features`].
    pub fn feature_size(&self) -> usize {
        self.network.feature_size()
    }

    /// The device that images must be on.
    pub fn device(&self) -> &Device {
        self.network.device()
    }
}
