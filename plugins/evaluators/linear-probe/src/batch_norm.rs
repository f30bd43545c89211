//! Batch norm without parameters, between frozen features and a classifier.

use anyhow::Result;
use candle_core::{D, Tensor};

/// Normalises channels by the batch in training, by running statistics in evaluation. The last axis is
/// the channels, as PyTorch's `BatchNorm2d(affine=False)` has the second.
#[derive(Default)]
pub struct BatchNorm {
    /// Mean and variance, `[C]`; before the first batch they are 0 and 1.
    running: Option<[Tensor; 2]>,
}

const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

impl BatchNorm {
    /// Normalises a batch `[B, ..., C]` by its own statistics and remembers them.
    pub fn train(&mut self, maps: &Tensor) -> Result<Tensor> {
        let channels = maps.dim(D::Minus1)?;
        let rows = maps.reshape(((), channels))?;
        let count = rows.dim(0)? as f64;
        let mean = rows.mean(0)?;
        let variance = rows.broadcast_sub(&mean)?.sqr()?.mean(0)?;
        let unbiased = (&variance * (count / (count - 1.0).max(1.0)))?;
        let [old_mean, old_variance] = match &self.running {
            Some(running) => running.clone(),
            None => [mean.zeros_like()?, mean.ones_like()?],
        };
        let mix = |old: &Tensor, new: &Tensor| (old * (1.0 - MOMENTUM))? + (new * MOMENTUM)?;
        self.running = Some([mix(&old_mean, &mean)?, mix(&old_variance, &unbiased)?]);
        normalise(maps, &mean, &variance)
    }

    /// Normalises by what was remembered.
    pub fn eval(&self, maps: &Tensor) -> Result<Tensor> {
        match &self.running {
            Some([mean, variance]) => normalise(maps, mean, variance),
            None => Ok(maps.clone()),
        }
    }
}

fn normalise(maps: &Tensor, mean: &Tensor, variance: &Tensor) -> Result<Tensor> {
    Ok(maps.broadcast_sub(mean)?.broadcast_div(&(variance + EPSILON)?.sqrt()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{close, fixture};
    use candle_core::Device;

    #[test]
    fn it_agrees_with_pytorch() -> Result<()> {
        let case = fixture().batch_norm;
        let maps = |values: &Vec<f32>| Tensor::from_slice(values, (4, 2, 2, 5), &Device::Cpu);
        let mut norm = BatchNorm::default();
        close(&norm.train(&maps(&case.inputs[0])?)?, &case.outputs[0], 1e-5);
        close(&norm.train(&maps(&case.inputs[1])?)?, &case.outputs[1], 1e-5);
        close(&norm.eval(&maps(&case.inputs[2])?)?, &case.outputs[2], 1e-5);
        Ok(())
    }
}
