//! How long a run will take, from the arithmetic of its networks and the speed of this machine now.

use anyhow::Result;
use candle_core::{Device, Tensor};
use std::time::{Duration, Instant};
use univip_core::recipe::{BackboneKind, Settings};

/// The share of the matrix product's speed that a whole training step reaches, measured at `small`.
const EFFICIENCY: f64 = 0.35;

/// What a training step costs.
pub struct Estimate {
    /// Floating-point operations a second of a matrix product here.
    speed: f64,
}

impl Estimate {
    /// Times a matrix product.
    pub fn new() -> Result<Self> {
        const SIDE: usize = 768;
        let matrix = Tensor::ones((SIDE, SIDE), candle_core::DType::F32, &Device::Cpu)?;
        let mut best = Duration::MAX;
        for _ in 0..4 {
            let begin = Instant::now();
            matrix.matmul(&matrix)?;
            best = best.min(begin.elapsed());
        }
        Ok(Self { speed: 2.0 * (SIDE as f64).powi(3) / best.as_secs_f64().max(1e-9) })
    }

    /// The training time of a recipe over `images` images, roughly.
    pub fn training(&self, settings: &Settings, images: usize) -> Duration {
        let views = &settings.views;
        // Online: forward and twice as much backward; target: forward.
        let passes = 4.0;
        let scenes = 2.0 * forward(settings, views.scene_size);
        let instances = views.instances as f64 * forward(settings, views.instance_size);
        let total = passes * (scenes + instances) * images as f64 * settings.train.epochs as f64;
        Duration::from_secs_f64((total / (self.speed * EFFICIENCY)).min(1e12))
    }
}

/// Floating-point operations of a backbone's forward pass for one image of that side.
fn forward(settings: &Settings, side: u32) -> f64 {
    // Multiply-adds of the published networks (width 64) for 224 pixels; both factors enter squared.
    let published = match settings.network.backbone {
        BackboneKind::ResNet18 => 1.82e9,
        BackboneKind::ResNet50 => 4.11e9,
    };
    let width = settings.network.width as f64 / 64.0;
    let side = f64::from(side) / 224.0;
    2.0 * published * width * width * side * side
}

/// `45 s`, `12 min`, `3.5 h`, `11 days`.
pub fn human(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 90.0 * 60.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s if s < 700.0 * 86400.0 => format!("{:.0} days", s / 86400.0),
        s => format!("{:.0} years", s / (365.25 * 86400.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_the_unit_a_person_would_use() {
        let cases = [(5, "5 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h"), (864_000, "10 days")];
        for (seconds, said) in cases {
            assert_eq!(human(Duration::from_secs(seconds)), said);
        }
    }
}
