//! A copy of the backbone with a classifier behind it, both trained.

use anyhow::Result;
use candle_core::Tensor;
use univip_core::evaluate::FrozenBackbone;
use univip_core::nn::cross_entropy::cross_entropy;
use univip_core::nn::ops::Map;
use univip_core::nn::optim::{Gradients, Optimizer};
use univip_core::nn::{Backbone, Init, Linear, Mode, Parameters};
use univip_core::recipe::{OptimizerKind, OptimizerSettings};

/// Backbone and classifier with an optimiser each, since they learn at different rates.
pub struct Network {
    backbone: Box<dyn Backbone>,
    head: Linear,
    /// Of the backbone, and of the classifier.
    parts: [(Parameters, Optimizer); 2],
}

impl Network {
    /// The backbone's values and a new classifier (OpenSelfSup's: weights from N(0, 0.01), biases 0).
    pub fn new(frozen: &FrozenBackbone, classes: usize, weight_decay: f64, seed: u64) -> Result<Self> {
        let (of_backbone, backbone) = frozen.copy(seed)?;
        let of_head = Parameters::new(seed, frozen.device());
        let scope = of_head.trainable().enter("head");
        scope.weight("weight", (classes, frozen.feature_size()), Init::Normal { std: 0.01 })?;
        scope.bias("bias", classes, Init::Constant(0.0))?;
        let head = Linear::new(frozen.feature_size(), classes, &scope)?;
        let settings = OptimizerSettings {
            kind: OptimizerKind::Sgd,
            momentum: 0.9,
            weight_decay,
            decay_bias_and_norm: true,
            ..OptimizerSettings::default()
        };
        let optimised = |parameters: Parameters| -> Result<(Parameters, Optimizer)> {
            let optimizer = Optimizer::new(&settings, &parameters)?;
            Ok((parameters, optimizer))
        };
        Ok(Self { backbone, head, parts: [optimised(of_backbone)?, optimised(of_head)?] })
    }

    /// One step: the backbone's parameters at `lr`, the classifier's at `lr * head_multiplier`. Images `[B, S, S, 3]`.
    /// Returns the loss before it; where that is no finite number nothing is changed.
    pub fn step(&mut self, images: &Tensor, labels: &[u32], lr: f64, head_multiplier: f64) -> Result<f32> {
        let features = self.backbone.forward(images, Mode::Train { groups: 1 })?;
        let loss = cross_entropy(&self.classify(&features)?, labels)?;
        let value = loss.to_scalar::<f32>()?;
        if value.is_finite() {
            let mut gradients = loss.backward()?;
            for ((parameters, optimizer), rate) in self.parts.iter_mut().zip([lr, lr * head_multiplier]) {
                optimizer.step(&Gradients::of(&mut gradients, parameters), rate)?;
            }
        }
        Ok(value)
    }

    /// The classes' scores, by running statistics. Images `[B, S, S, 3]`, scores `[B, C]`.
    pub fn scores(&self, images: &Tensor) -> Result<Tensor> {
        Ok(self.classify(&self.backbone.forward(images, Mode::Eval)?)?.detach())
    }

    fn classify(&self, features: &Tensor) -> Result<Tensor> {
        Ok(self.head.forward(&Map::of(features)?)?.tensor()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::FineTuning;
    use candle_core::{DType, Device};
    use std::collections::BTreeMap;
    use univip_core::nn::layout::from_torchvision;

    type Tensors = BTreeMap<String, Tensor>;

    /// The tensors of `part` (`initial.backbone.`), by their names in it behind `named`.
    fn part(all: &Tensors, part: &str, named: &str) -> Result<Tensors> {
        let inside = all.iter().filter_map(|(name, value)| Some((name.strip_prefix(part)?, value)));
        from_torchvision(&inside.map(|(name, value)| (format!("{named}{name}"), value.clone())).collect())
    }

    fn narrow() -> Result<(Parameters, FrozenBackbone)> {
        let parameters = Parameters::new(0, &Device::Cpu);
        let frozen = FrozenBackbone::new(&univip_resnet::plan(18, 2), &parameters.frozen())?;
        Ok((parameters, frozen))
    }

    /// `tests/fixtures/make.py` trained the same with PyTorch.
    #[test]
    fn fine_tuning_with_multiplier_and_drops_agrees_with_pytorch() -> Result<()> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/fine_tuning.safetensors");
        let fixture: Tensors = candle_core::safetensors::load(path, &Device::Cpu)?.into_iter().collect();
        let (pretrained, frozen) = narrow()?;
        pretrained.load(&part(&fixture, "initial.backbone.", "")?)?;
        let mut network = Network::new(&frozen, 3, 5e-4, 0)?;
        let [(of_backbone, _), (of_head, _)] = &network.parts;
        let (of_backbone, of_head) = (of_backbone.clone(), of_head.clone());
        of_head.load(&part(&fixture, "initial.head.", "head.")?)?;
        let images = ((fixture["pixels"].to_dtype(DType::F32)? / 127.5)? - 1.0)?;
        let labels: Vec<u32> = fixture["labels"].to_dtype(DType::U32)?.to_vec1()?;
        let expected: Vec<f32> = fixture["losses"].to_dtype(DType::F32)?.to_vec1()?;
        let fine_tuning =
            FineTuning { epochs: 4, drops: &[1, 3], ..crate::protocol::Protocol::OnePercent.fine_tuning() };
        for (step, expected) in expected.iter().enumerate() {
            let (epoch, first) = (step as u64 / 2, step % 2 * 6);
            let lr = fine_tuning.lr(0.01, epoch);
            let loss = network.step(&images.narrow(0, first, 6)?, &labels[first..first + 6], lr, 10.0)?;
            assert!((loss - expected).abs() < 1e-4, "step {step}: {loss}, PyTorch {expected}");
        }
        let mut found = of_backbone.tensors();
        found.extend(of_head.tensors());
        let mut theirs = part(&fixture, "final.backbone.", "backbone.")?;
        theirs.extend(part(&fixture, "final.head.", "head.")?);
        assert_eq!(found.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
        for (name, expected) in theirs {
            let largest = |tensor: Tensor| tensor.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>();
            let difference = largest((&found[&name] - &expected)?)?;
            assert!(difference < 1e-4 * largest(expected)?.max(1.0), "{name} differs by {difference}");
        }
        Ok(())
    }

    #[test]
    fn a_loss_that_is_no_number_changes_nothing() -> Result<()> {
        let (_, frozen) = narrow()?;
        let mut network = Network::new(&frozen, 2, 0.0, 0)?;
        let images = (Tensor::ones((2, 32, 32, 3), DType::F32, &Device::Cpu)? * f64::NAN)?;
        let weight = |network: &Network| -> Result<Vec<f32>> {
            Ok(network.parts[1].0.tensors()["head.weight"].flatten_all()?.to_vec1()?)
        };
        let before = weight(&network)?;
        assert!(network.step(&images, &[0, 1], 0.1, 1.0)?.is_nan());
        assert_eq!(weight(&network)?, before);
        Ok(())
    }
}
