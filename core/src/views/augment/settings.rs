//! `[augment]` of a recipe.

use serde::{Deserialize, Serialize};
use univip_stdx::config::{Config, Invalid, not_negative, ordered, require, within};

/// `[augment]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentSettings {
    /// How crops are resized.
    pub interpolation: Interpolation,
    /// Subtracted from each channel of an image in 0..=1.
    pub mean: [f32; 3],
    /// What each channel is then divided by.
    pub std: [f32; 3],
    /// What view the `blur_sigma` of both views are pixels of.
    pub blur_scale: BlurScale,
    /// View 1 (and o_k).
    pub view1: Augmentation,
    /// View 2 (and t_k).
    pub view2: Augmentation,
}

impl Default for AugmentSettings {
    fn default() -> Self {
        Self {
            interpolation: Interpolation::Bilinear,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            blur_scale: BlurScale::View,
            view1: Augmentation::default(),
            view2: Augmentation { blur: 0.1, solarize: 0.2, ..Augmentation::default() },
        }
    }
}

impl Config for AugmentSettings {
    fn check(&self) -> Result<(), Invalid> {
        let finite = self.mean.iter().all(|mean| mean.is_finite());
        require(finite, "mean", || format!("expected numbers, found {:?}", self.mean))?;
        let usable = self.std.iter().all(|std| *std > 0.0 && std.is_finite());
        require(usable, "std", || format!("expected numbers above 0, found {:?}", self.std))?;
        macro_rules! check_view {
            ($view:ident) => {
                let Augmentation {
                    flip,
                    jitter,
                    brightness,
                    contrast,
                    saturation,
                    hue,
                    grey,
                    blur,
                    blur_sigma,
                    solarize,
                } = self.$view;
                within(concat!(stringify!($view), ".flip"), flip, 0.0, 1.0)?;
                within(concat!(stringify!($view), ".jitter"), jitter, 0.0, 1.0)?;
                not_negative(concat!(stringify!($view), ".brightness"), brightness)?;
                not_negative(concat!(stringify!($view), ".contrast"), contrast)?;
                not_negative(concat!(stringify!($view), ".saturation"), saturation)?;
                within(concat!(stringify!($view), ".hue"), hue, 0.0, 0.5)?;
                within(concat!(stringify!($view), ".grey"), grey, 0.0, 1.0)?;
                within(concat!(stringify!($view), ".blur"), blur, 0.0, 1.0)?;
                ordered(concat!(stringify!($view), ".blur_sigma"), blur_sigma)?;
                within(concat!(stringify!($view), ".blur_sigma"), blur_sigma[1], 0.0, 100.0)?;
                within(concat!(stringify!($view), ".solarize"), solarize, 0.0, 1.0)?;
            };
        }
        check_view!(view1);
        check_view!(view2);
        Ok(())
    }
}

/// `[augment.view1]`, `[augment.view2]`: probabilities and strengths, applied in this order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augmentation {
    /// Probability of a horizontal flip.
    pub flip: f64,
    /// Probability of colour jitter.
    pub jitter: f64,
    /// Largest relative change of brightness.
    pub brightness: f64,
    /// Largest relative change of contrast.
    pub contrast: f64,
    /// Largest relative change of saturation.
    pub saturation: f64,
    /// Largest shift of hue, in turns, at most 0.5.
    pub hue: f64,
    /// Probability of becoming grey.
    pub grey: f64,
    /// Probability of a Gaussian blur.
    pub blur: f64,
    /// The blur's standard deviation, from and to, in pixels of what `augment.blur_scale` says.
    pub blur_sigma: [f64; 2],
    /// Probability of solarisation.
    pub solarize: f64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self {
            flip: 0.5,
            jitter: 0.8,
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.2,
            hue: 0.1,
            grey: 0.2,
            blur: 1.0,
            blur_sigma: [0.1, 2.0],
            solarize: 0.0,
        }
    }
}

/// How crops are resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// ORL's.
    Bilinear,
    /// BYOL's own code.
    Bicubic,
}

/// What the standard deviation of a blur is stated in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlurScale {
    /// Pixels of a view of 224: smaller views are blurred in proportion to their side.
    View,
    /// Pixels of the view itself, whatever its side, as ORL's: smaller views are blurred more.
    Absolute,
}
