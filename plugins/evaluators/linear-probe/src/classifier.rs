//! Softmax regression: its loss, its gradient and SGD, without a graph.

use anyhow::Result;
use candle_core::{D, DType, Device, Tensor};
use univip_core::evaluate::Accuracy;
use univip_core::seed::{Stream, standard_normal};

/// A linear classifier: scores = features * weight + bias.
#[derive(Debug, Clone)]
pub struct Classifier {
    /// `[F, C]`.
    pub weight: Tensor,
    /// `[C]`.
    pub bias: Tensor,
}

/// The mean cross entropy of a batch and its gradient.
pub struct Gradient {
    pub loss: f64,
    /// `[F, C]`.
    pub weight: Tensor,
    /// `[C]`.
    pub bias: Tensor,
}

impl Classifier {
    /// All zeros: the problem is convex, so that where it starts decides little.
    pub fn new(features: usize, classes: usize, dtype: DType, device: &Device) -> Result<Self> {
        let weight = Tensor::zeros((features, classes), dtype, device)?;
        Ok(Self { weight, bias: Tensor::zeros(classes, dtype, device)? })
    }

    /// Weights from N(0, `deviation`), biases 0: as ORL's and MoCo's code begin.
    pub fn drawn(
        features: usize,
        classes: usize,
        deviation: f32,
        stream: &mut Stream,
        device: &Device,
    ) -> Result<Self> {
        let weight: Vec<f32> = (0..features * classes).map(|_| deviation * standard_normal(stream)).collect();
        let weight = Tensor::from_vec(weight, (features, classes), device)?;
        Ok(Self { weight, bias: Tensor::zeros(classes, DType::F32, device)? })
    }

    /// The classes' scores. Features `[B, F]`, scores `[B, C]`.
    pub fn scores(&self, features: &Tensor) -> Result<Tensor> {
        Ok(features.matmul(&self.weight)?.broadcast_add(&self.bias)?)
    }

    /// The accuracy on features `[N, F]`, a label for each.
    pub fn accuracy(&self, features: &Tensor, labels: &[u32]) -> Result<Accuracy> {
        let scores: Vec<Vec<f32>> = self.scores(features)?.to_dtype(DType::F32)?.to_vec2()?;
        let mut accuracy = Accuracy::new(self.bias.dim(0)?);
        scores.iter().zip(labels).for_each(|(scores, label)| accuracy.count(scores, *label));
        Ok(accuracy)
    }

    /// Mean cross entropy and its gradient. `targets` is one-hot, `[B, C]`.
    pub fn gradient(&self, features: &Tensor, targets: &Tensor) -> Result<Gradient> {
        let scores = self.scores(features)?;
        let shifted = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?;
        let exponentials = shifted.exp()?;
        let sums = exponentials.sum_keepdim(D::Minus1)?;
        let log_likelihood = (shifted.broadcast_sub(&sums.log()?)? * targets)?.sum_all()?;
        let count = features.dim(0)? as f64;
        let error = ((exponentials.broadcast_div(&sums)? - targets)? / count)?;
        Ok(Gradient {
            loss: -log_likelihood.to_dtype(DType::F64)?.to_scalar::<f64>()? / count,
            weight: features.t()?.matmul(&error)?,
            bias: error.sum(0)?,
        })
    }
}

/// Gradient descent with momentum, as PyTorch's SGD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sgd {
    pub momentum: f64,
    pub nesterov: bool,
    /// Of weight and bias both.
    pub weight_decay: f64,
}

/// A classifier in training.
pub struct Training {
    pub classifier: Classifier,
    sgd: Sgd,
    /// Momentum buffers of weight and bias.
    velocity: Option<[Tensor; 2]>,
}

impl Training {
    pub fn new(classifier: Classifier, sgd: Sgd) -> Self {
        Self { classifier, sgd, velocity: None }
    }

    /// One step; returns the loss before it.
    pub fn step(&mut self, features: &Tensor, targets: &Tensor, lr: f64) -> Result<f64> {
        let Gradient { loss, weight, bias } = self.classifier.gradient(features, targets)?;
        let Sgd { momentum, nesterov, weight_decay } = self.sgd;
        let parameters = [&self.classifier.weight, &self.classifier.bias];
        let mut moved = Vec::new();
        let mut velocities = Vec::new();
        for (place, (parameter, gradient)) in parameters.into_iter().zip([weight, bias]).enumerate() {
            let gradient = (gradient + (parameter * weight_decay)?)?;
            let velocity = match &self.velocity {
                Some(velocity) => ((&velocity[place] * momentum)? + &gradient)?,
                None => gradient.clone(),
            };
            let direction = if nesterov { (gradient + (&velocity * momentum)?)? } else { velocity.clone() };
            moved.push((parameter - (direction * lr)?)?);
            velocities.push(velocity);
        }
        if let (Ok([weight, bias]), Ok(velocity)) = (<[Tensor; 2]>::try_from(moved), velocities.try_into()) {
            self.classifier = Classifier { weight, bias };
            self.velocity = Some(velocity);
        }
        Ok(loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{close, fixture};
    use univip_core::nn::cross_entropy::one_hot;

    #[test]
    fn ten_steps_of_sgd_agree_with_pytorch() -> Result<()> {
        let fixture = fixture();
        let features = fixture.features(DType::F32)?;
        let targets = one_hot(&fixture.labels, 3, DType::F32, &Device::Cpu)?;
        for case in &fixture.sgd {
            let sgd =
                Sgd { momentum: case.momentum, nesterov: case.nesterov, weight_decay: case.weight_decay };
            let mut training = Training::new(Classifier::new(5, 3, DType::F32, &Device::Cpu)?, sgd);
            for (step, expected) in case.losses.iter().enumerate() {
                let start = 8 * (step % 3);
                let loss =
                    training.step(&features.narrow(0, start, 8)?, &targets.narrow(0, start, 8)?, case.lr)?;
                assert!((loss - expected).abs() < 1e-5, "{sgd:?}, step {step}: {loss}, PyTorch {expected}");
            }
            close(&training.classifier.weight, &case.weight.concat(), 1e-5);
            close(&training.classifier.bias, &case.bias, 1e-5);
        }
        Ok(())
    }

    #[test]
    fn large_scores_overflow_nothing() -> Result<()> {
        let classifier = Classifier {
            weight: Tensor::new(&[[1e4f32, -1e4]], &Device::Cpu)?,
            bias: Tensor::zeros(2, DType::F32, &Device::Cpu)?,
        };
        let targets = one_hot(&[1], 2, DType::F32, &Device::Cpu)?;
        let gradient = classifier.gradient(&Tensor::new(&[[1f32]], &Device::Cpu)?, &targets)?;
        assert_eq!(gradient.loss, 2e4);
        close(&gradient.weight, &[1.0, -1.0], 1e-6);
        Ok(())
    }
}
