//! The statistics of batch norm, computed anew when training is over (Wu and Johnson 2021, Section 3).

use crate::batches::Batches;
use crate::detector::Detector;
use crate::sampling::Draws;
use anyhow::Result;
use candle_core::{Device, Tensor, Var};
use univip_core::nn::Parameters;
use univip_core::nn::batch_norm::MOMENTUM;
use univip_core::pool::in_pool;

/// The batches that statistics are taken over, and how the detector sees them.
pub struct PreciseNorm<'a> {
    /// The detector; all of its batch norm must take the batch's statistics in training.
    pub detector: &'a dyn Detector,
    /// The parameters whose running statistics are set.
    pub parameters: &'a [&'a Parameters],
    /// Draws regions.
    pub seed: u64,
    /// The number of the first batch among those the detector saw: regions are drawn by it.
    pub first: u64,
    /// The batches.
    pub count: u64,
}

impl PreciseNorm<'_> {
    /// Sets all running statistics to their means over the batches. While it learns a network changes, so that what
    /// follows the batches then lags behind it.
    ///
    /// As in fvcore's `update_bn_stats` (detectron2's `PRECISE_BN`), variances too are means over batches.
    /// `progress` hears of each batch.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn measure(
        &self,
        batches: &mut Batches<'_>,
        device: &Device,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let Self { detector, parameters, seed, first, count } = *self;
        let statistics: Vec<Var> = parameters.iter().flat_map(|part| part.buffers().into_values()).collect();
        let mut sums: Vec<Tensor> =
            statistics.iter().map(|running| running.zeros_like()).collect::<candle_core::Result<_>>()?;
        batches.each(count, device, |place, images, objects| {
            in_pool(|| -> Result<()> {
                // From 0, a batch's statistics are followed by the same part each time.
                for running in &statistics {
                    running.set(&running.zeros_like()?)?;
                }
                detector.losses(images, objects, &Draws { seed, step: first + place })?;
                for (sum, running) in sums.iter_mut().zip(&statistics) {
                    *sum = (&*sum + running.as_detached_tensor())?;
                }
                Ok(())
            })?;
            progress(place + 1);
            Ok(())
        })?;
        for (sum, running) in sums.into_iter().zip(&statistics) {
            running.set(&(sum / (MOMENTUM * count as f64))?)?;
        }
        Ok(())
    }
}
