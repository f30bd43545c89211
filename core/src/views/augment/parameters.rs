//! The random choices of a view, made before a pixel is touched.

use super::Augmentation;
use crate::seed::Stream;
use rand::Rng;
use rand::seq::SliceRandom;

/// The random parameters of one view's augmentation.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ViewParameters {
    /// True if left and right are exchanged.
    pub flip: bool,
    /// The change of colours.
    pub jitter: Option<Jitter>,
    /// True if the view becomes grey.
    pub grey: bool,
    /// True if it becomes so before its colours change.
    pub grey_first: bool,
    /// The blur's standard deviation as the recipe states it, in pixels of what `augment.blur_scale` says.
    pub blur: Option<f64>,
    /// True if light pixels are inverted.
    pub solarize: bool,
}

/// A drawn colour jitter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter {
    /// The order of the four adjustments.
    pub order: [Adjustment; 4],
    /// Factor of the brightness; 1 changes nothing.
    pub brightness: f32,
    /// Factor of the contrast; 1 changes nothing.
    pub contrast: f32,
    /// Factor of the saturation; 1 changes nothing.
    pub saturation: f32,
    /// Shift of the hue in turns; 0 changes nothing.
    pub hue: f32,
}

/// One part of a colour jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Adjustment {
    /// Blend with black.
    Brightness,
    /// Blend with the view's mean grey.
    Contrast,
    /// Blend with each pixel's grey.
    Saturation,
    /// Turn the hue.
    Hue,
}

impl ViewParameters {
    /// Draws the choices of one view.
    ///
    /// Every number is drawn whether it is used or not, so that another probability of one transformation
    /// leaves the strengths of the others as they were.
    pub fn draw(settings: &Augmentation, stream: &mut Stream) -> Self {
        let mut happens = |probability: f64| stream.random::<f64>() < probability;
        let flip = happens(settings.flip);
        let jittered = happens(settings.jitter);
        let grey = happens(settings.grey);
        let blurred = happens(settings.blur);
        let solarize = happens(settings.solarize);
        let jitter = Jitter::draw(settings, stream);
        let [least, most] = settings.blur_sigma;
        let sigma = least + (most - least) * stream.random::<f64>();
        Self {
            flip,
            jitter: jittered.then_some(jitter),
            grey,
            grey_first: grey && settings.grey_first,
            blur: blurred.then_some(sigma),
            solarize,
        }
    }

    /// True if nothing but the flip happens.
    pub(super) fn leaves_colours(&self) -> bool {
        *self == Self { flip: self.flip, ..Self::default() }
    }
}

impl Jitter {
    fn draw(settings: &Augmentation, stream: &mut Stream) -> Self {
        let mut factor = |change: f64| {
            let least = (1.0 - change).max(0.0);
            (least + (1.0 + change - least) * stream.random::<f64>()) as f32
        };
        let brightness = factor(settings.brightness);
        let contrast = factor(settings.contrast);
        let saturation = factor(settings.saturation);
        let hue = (settings.hue * (2.0 * stream.random::<f64>() - 1.0)) as f32;
        let mut order =
            [Adjustment::Brightness, Adjustment::Contrast, Adjustment::Saturation, Adjustment::Hue];
        order.shuffle(stream);
        Self { order, brightness, contrast, saturation, hue }
    }
}
