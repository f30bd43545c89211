//! The batch norm layer.

use super::ops::{BatchStatistics, Fused, Map, Normalisation};
use super::{Init, Mode, Scope, Synchroniser, ops};
use anyhow::{Result, bail};
use candle_core::{DType, Tensor, Var};

/// Added to the variance.
const EPSILON: f64 = 1e-5;
/// The weight of a batch in the running statistics.
pub const MOMENTUM: f64 = 0.1;

/// Batch norm (Ioffe and Szegedy 2015), with the parameters `weight` and `bias` and the buffers
/// `running_mean` and `running_var`.
///
/// As in PyTorch, outputs are normalised by the biased variance and running statistics take the unbiased one.
///
/// If its parameters are [`synchronised`](super::Parameters::synchronised), both are those of the whole batch that all
/// participants have parts of (Peng et al. 2018), and the running statistics stay the same for all of them.
pub struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Var,
    running_var: Var,
    synchroniser: Option<Synchroniser>,
}

impl BatchNorm {
    /// Starts as the identity.
    pub fn new(channels: usize, scope: &Scope) -> Result<Self> {
        Self::with_weight(channels, 1.0, scope)
    }

    /// Starts with all weights at `weight`: 0 makes a residual block start as the identity.
    pub fn with_weight(channels: usize, weight: f32, scope: &Scope) -> Result<Self> {
        let weight = scope.norm("weight", channels, Init::Constant(weight))?;
        let bias = scope.norm("bias", channels, Init::Constant(0.0))?;
        Self::of(weight, bias, channels, scope)
    }

    /// Without the parameter `bias`: outputs have mean 0.
    pub fn without_bias(channels: usize, scope: &Scope) -> Result<Self> {
        let weight = scope.norm("weight", channels, Init::Constant(1.0))?;
        Self::of(weight, Tensor::zeros(channels, DType::F32, scope.device())?, channels, scope)
    }

    /// Without parameters: outputs have mean 0 and variance 1.
    pub fn plain(channels: usize, scope: &Scope) -> Result<Self> {
        let weight = Tensor::ones(channels, DType::F32, scope.device())?;
        Self::of(weight, Tensor::zeros(channels, DType::F32, scope.device())?, channels, scope)
    }

    fn of(weight: Tensor, bias: Tensor, channels: usize, scope: &Scope) -> Result<Self> {
        Ok(Self {
            weight,
            bias,
            running_mean: scope.buffer("running_mean", channels, 0.0)?,
            running_var: scope.buffer("running_var", channels, 1.0)?,
            synchroniser: scope.synchroniser(),
        })
    }

    /// Normalises `[B, H, W, C]` or `[B, C]`.
    pub fn forward(&self, x: &Map, mode: Mode) -> Result<Map> {
        self.fused(x, Fused::default(), mode)
    }

    /// Normalises and rectifies.
    pub fn relu(&self, x: &Map, mode: Mode) -> Result<Map> {
        self.fused(x, Fused { residual: None, relu: true }, mode)
    }

    /// Normalises, adds the residual and rectifies: the end of a residual block.
    pub fn add_relu(&self, x: &Map, residual: &Map, mode: Mode) -> Result<Map> {
        self.fused(x, Fused { residual: Some(residual), relu: true }, mode)
    }

    fn fused(&self, x: &Map, fused: Fused<'_>, mode: Mode) -> Result<Map> {
        match mode {
            Mode::Train { groups } => {
                let (y, statistics) = self.normalise(x, fused, groups)?;
                self.follow(&statistics, groups)?;
                Ok(y)
            }
            Mode::Aside { groups } => Ok(self.normalise(x, fused, groups)?.0),
            Mode::Eval => {
                let deviation = (self.running_var.as_detached_tensor() + EPSILON)?.sqrt()?;
                let scale = (&self.weight / deviation)?;
                let shift = (&self.bias - (self.running_mean.as_detached_tensor() * &scale)?)?;
                Ok(ops::scale_shift(x, [&scale, &shift], fused)?)
            }
        }
    }

    /// Normalises by the batch's own statistics.
    fn normalise(&self, x: &Map, fused: Fused<'_>, groups: usize) -> Result<(Map, BatchStatistics)> {
        let parameters = [&self.weight, &self.bias];
        let settings = Normalisation { groups, epsilon: EPSILON };
        match &self.synchroniser {
            None => {
                let own = x.dims().iter().product::<usize>() / self.weight.elem_count() / groups.max(1);
                enough(own, x, groups, "")?;
                Ok(ops::batch_norm(x, parameters, fused, settings)?)
            }
            Some(synchroniser) => {
                let (y, statistics) =
                    ops::synchronised_batch_norm(x, parameters, fused, settings, synchroniser)?;
                // Only now is it known how many there are, and all participants refuse together.
                enough(statistics.count, x, groups, " in the whole batch, the parts of all participants")?;
                Ok((y, statistics))
            }
        }
    }

    /// Moves the running statistics towards those of a batch, view by view.
    fn follow(&self, statistics: &BatchStatistics, groups: usize) -> Result<()> {
        let count = statistics.count;
        let unbiased = (&statistics.variance * (count as f64 / (count - 1) as f64))?;
        for group in 0..groups {
            follow(&self.running_mean, &statistics.mean.get(group)?)?;
            follow(&self.running_var, &unbiased.get(group)?)?;
        }
        Ok(())
    }
}

/// Refuses a variance of one value.
fn enough(count: usize, x: &Map, groups: usize, of_what: &str) -> Result<()> {
    if count < 2 {
        bail!(
            "batch norm cannot train on {:?} in {groups} groups: each channel needs at least two values{of_what}; \
             use a larger batch",
            x.dims()
        );
    }
    Ok(())
}

fn follow(running: &Var, batch: &Tensor) -> Result<()> {
    Ok(ops::ema_step(running, batch, 1.0 - MOMENTUM)?)
}
