//! A backbone that is measured and never changed.

use super::{Backbone, BackboneShape, Mode, Parameters, Scope};
use anyhow::Result;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;

/// A backbone in evaluation mode whose parameters nobody can reach: running statistics, no graph.
pub struct FrozenBackbone {
    network: Backbone,
    shape: BackboneShape,
    scope: Scope,
}

impl FrozenBackbone {
    /// A backbone of that shape with the parameters of `scope`, which must be one of
    /// [`Parameters::frozen`]. It follows later changes of their values.
    pub fn new(shape: impl Into<BackboneShape>, scope: &Scope) -> Result<Self> {
        let shape = shape.into();
        let network = Backbone::new(shape, scope)?;
        Ok(Self { network, shape, scope: scope.clone() })
    }

    /// A copy to fine-tune, in parameters of its own called `backbone.*`; this one never changes with it.
    /// Whatever is made in the same parameters starts from `seed`.
    pub fn copy(&self, seed: u64) -> Result<(Parameters, Backbone)> {
        let parameters = Parameters::new(seed, self.device());
        let network = self.copy_into(&parameters)?;
        Ok((parameters, network))
    }

    /// A copy as [`copy`](Self::copy) makes it, in parameters that are empty: whoever trains on several devices gives
    /// [`synchronised`](Parameters::synchronised) ones.
    pub fn copy_into(&self, parameters: &Parameters) -> Result<Backbone> {
        let network = Backbone::new(self.shape, &parameters.trainable().enter("backbone"))?;
        let values = self.tensors().into_iter().map(|(name, value)| (format!("backbone.{name}"), value));
        parameters.load(&values.collect())?;
        Ok(network)
    }

    /// Parameters and running statistics, by their names in the backbone.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.scope.tensors()
    }

    /// The shape that it was built to.
    pub fn settings(&self) -> &BackboneShape {
        &self.shape
    }

    /// Global-average-pooled features. Images `[B, H, W, 3]`, normalised; features `[B, F]`.
    pub fn features(&self, images: &Tensor) -> Result<Tensor> {
        Ok(self.network.forward(images, Mode::Eval)?.detach())
    }

    /// The maps after the stem (before its pooling) and after each of the four stages, `[B, H_i, W_i, C_i]`.
    pub fn stem_and_stages(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        let maps = self.network.stem_and_stages(images, Mode::Eval)?;
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
