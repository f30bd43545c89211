//! The online and the target network, and what they compute for one batch.

use super::features::{Features, Needs};
use super::{InstanceBatchNorm, NetworkSettings, target};
use crate::loader::Batch;
use crate::nn::{Backbone, FrozenBackbone, Mlp, Mode, Parameters, Scope};
use anyhow::Result;
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;

/// The two networks: the online one learns, the target one follows it (Eq. 1).
pub struct Networks {
    online: Encoder,
    predictor: Mlp,
    target: Encoder,
    online_parameters: Parameters,
    target_parameters: Parameters,
    settings: NetworkSettings,
}

impl Networks {
    /// Both networks; the target starts as a copy of the online one.
    ///
    /// Parameters are called `backbone.*`, `projector.*` and, online only, `predictor.*`.
    pub fn new(settings: &NetworkSettings, seed: u64, device: &Device) -> Result<Self> {
        Self::in_parameters(settings, [(); 2].map(|()| Parameters::new(seed, device)))
    }

    /// As [`new`](Self::new), in the empty parameters of the online and of the target network: whoever trains on several devices
    /// gives [`synchronised`](Parameters::synchronised) ones.
    pub fn in_parameters(
        settings: &NetworkSettings,
        [online_parameters, target_parameters]: [Parameters; 2],
    ) -> Result<Self> {
        let online_scope = online_parameters.trainable();
        let online = Encoder::new(settings, &online_scope)?;
        let NetworkSettings { hidden, output, .. } = *settings;
        let predictor = Mlp::new(output, hidden, output, &online_scope.enter("predictor"))?;
        let target = Encoder::new(settings, &target_parameters.frozen())?;
        target::copy_from(&target_parameters, &online_parameters)?;
        Ok(Self {
            online,
            predictor,
            target,
            online_parameters,
            target_parameters,
            settings: settings.clone(),
        })
    }

    /// The parameters of the online network; losses make theirs here too, under `loss.`.
    pub fn online(&self) -> &Parameters {
        &self.online_parameters
    }

    /// The parameters of the target network.
    pub fn target(&self) -> &Parameters {
        &self.target_parameters
    }

    /// Runs both networks on the scene views, and on what else `needs` asks for. Each view is normalised by its own statistics.
    pub fn features(&self, batch: &Batch, needs: Needs) -> Result<Features> {
        let scenes = Mode::Train { groups: 2 };
        let instances = Mode::Train {
            groups: match self.settings.instance_batch_norm {
                InstanceBatchNorm::Each => batch.instances,
                InstanceBatchNorm::Together => 1,
            },
        };
        let online =
            |images: &Tensor, mode| self.predictor.forward(&self.online.forward(images, mode)?, mode);
        let target =
            |images: &Tensor, mode| -> Result<Tensor> { Ok(self.target.forward(images, mode)?.detach()) };
        let by_image = |features: Tensor| -> Result<Tensor> {
            let size = features.dim(1)?;
            Ok(features.reshape((batch.instances, batch.len(), size))?.transpose(0, 1)?.contiguous()?)
        };
        // The target first: what it needs in passing is free again before the online network keeps its maps.
        let target_scenes = split_views(&target(&batch.scenes, scenes)?)?;
        let target_instances = match (&batch.target_instances, needs.target_instances) {
            (Some(images), true) => Some(by_image(target(images, instances)?)?),
            _ => None,
        };
        let online_scenes = split_views(&online(&batch.scenes, scenes)?)?;
        let online_instances = match (&batch.online_instances, needs.online_instances) {
            (Some(images), true) => Some(by_image(online(images, instances)?)?),
            _ => None,
        };
        Ok(Features { online_scenes, target_scenes, online_instances, target_instances })
    }

    /// The online backbone's parameters and running statistics, by their names in the backbone.
    pub fn backbone_tensors(&self) -> BTreeMap<String, Tensor> {
        self.online_parameters.frozen().enter("backbone").tensors()
    }

    /// The online backbone, frozen, with its running statistics. It follows later changes of the values.
    pub fn frozen_backbone(&self) -> Result<FrozenBackbone> {
        FrozenBackbone::new(&self.settings, &self.online_parameters.frozen().enter("backbone"))
    }
}

/// Backbone and projector.
struct Encoder {
    backbone: Backbone,
    projector: Mlp,
}

impl Encoder {
    fn new(settings: &NetworkSettings, scope: &Scope) -> Result<Self> {
        let backbone = Backbone::new(settings, &scope.enter("backbone"))?;
        let NetworkSettings { hidden, output, .. } = *settings;
        let projector = Mlp::new(backbone.feature_size(), hidden, output, &scope.enter("projector"))?;
        Ok(Self { backbone, projector })
    }

    fn forward(&self, images: &Tensor, mode: Mode) -> Result<Tensor> {
        self.projector.forward(&self.backbone.forward(images, mode)?, mode)
    }
}

/// `[2B, D]` to two `[B, D]`.
fn split_views(features: &Tensor) -> Result<[Tensor; 2]> {
    let batch = features.dim(0)? / 2;
    Ok([features.narrow(0, 0, batch)?.contiguous()?, features.narrow(0, batch, batch)?.contiguous()?])
}
