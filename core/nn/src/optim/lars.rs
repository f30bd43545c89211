//! Layer-wise adaptive rate scaling (You, Gitman and Ginsburg 2017).

use candle_core::{Result, Tensor, Var};

/// The scaling of one parameter's gradient.
pub(super) struct Scaling {
    /// The weight decay.
    pub decay: f64,
    /// The trust coefficient; none leaves the length of the update as it is.
    pub trust: Option<f64>,
    /// Multiplies the result. Two variants are in use: BYOL's puts the learning rate behind the momentum, SimCLR's in
    /// front of it, as this factor. They differ when the learning rate changes.
    pub factor: f64,
}

impl Scaling {
    /// The decayed gradient times the trust ratio `trust |p| / |gradient + decay p|` and the factor. The ratio is 1
    /// where either length is 0.
    pub fn apply(&self, parameter: &Var, gradient: &Tensor) -> Result<Tensor> {
        let values = parameter.as_detached_tensor();
        let update = if self.decay == 0.0 { gradient.clone() } else { (gradient + (&values * self.decay)?)? };
        let ratio = match (self.trust, length(&values)?, length(&update)?) {
            (Some(trust), parameter, update) if parameter > 0.0 && update > 0.0 => trust * parameter / update,
            _ => 1.0,
        };
        update * (ratio * self.factor)
    }
}

fn length(tensor: &Tensor) -> Result<f64> {
    Ok(f64::from(tensor.sqr()?.sum_all()?.to_scalar::<f32>()?.sqrt()))
}
