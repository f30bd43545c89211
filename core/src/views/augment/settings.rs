//! `[augment]` of a recipe.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use univip_stdx::config::{Config, Invalid, Table, not_negative, ordered, require, within};

/// `[augment]`: how views are resized and normalised, and by name how their colours change.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AugmentSettings {
    /// The interpolation of crops that are resized.
    pub interpolation: Interpolation,
    /// Subtracted from each channel of an image in 0..=1.
    pub mean: [f32; 3],
    /// The divisor of each channel, after `mean` is subtracted.
    pub std: [f32; 3],
    /// The view that `blur_sigma` is stated in pixels of.
    pub blur_scale: BlurScale,
    /// `[augment.<name>]`, which groups of views name. `view1` and `view2` are always there.
    #[serde(flatten)]
    pub views: BTreeMap<String, Augmentation>,
}

impl Default for AugmentSettings {
    fn default() -> Self {
        let view1 = Augmentation::default();
        let view2 = Augmentation { blur: 0.1, solarize: 0.2, ..view1.clone() };
        Self {
            interpolation: Interpolation::Bilinear,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            blur_scale: BlurScale::View,
            views: BTreeMap::from([("view1".to_string(), view1), ("view2".to_string(), view2)]),
        }
    }
}

impl AugmentSettings {
    /// The keys that are no augmentations.
    const KEYS: [&'static str; 4] = ["interpolation", "mean", "std", "blur_scale"];

    /// Reads `[augment]`, each augmentation as a table of its own, so that an error names its key.
    ///
    /// # Errors
    /// [`RecipeError`](univip_stdx::config::RecipeError), naming the file and the key.
    pub fn read(table: &Table) -> anyhow::Result<Self> {
        for name in table.keys()?.iter().filter(|name| !Self::KEYS.contains(&name.as_str())) {
            table.inside(name).read::<Augmentation>()?;
        }
        table.read()
    }
}

/// By hand, since serde's `flatten` forgets which key an error is about.
impl<'de> Deserialize<'de> for AugmentSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = AugmentSettings;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a table")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<AugmentSettings, M::Error> {
                let mut settings = AugmentSettings::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "interpolation" => settings.interpolation = map.next_value()?,
                        "mean" => settings.mean = map.next_value()?,
                        "std" => settings.std = map.next_value()?,
                        "blur_scale" => settings.blur_scale = map.next_value()?,
                        _ => {
                            settings.views.insert(key, map.next_value()?);
                        }
                    }
                }
                Ok(settings)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

impl Config for AugmentSettings {
    fn check(&self) -> Result<(), Invalid> {
        let finite = self.mean.iter().all(|mean| mean.is_finite());
        require(finite, "mean", || format!("expected numbers, found {:?}", self.mean))?;
        let usable = self.std.iter().all(|std| *std > 0.0 && std.is_finite());
        require(usable, "std", || format!("expected numbers above 0, found {:?}", self.std))
    }
}

/// `[augment.<name>]`: probabilities and strengths, applied in this order but for `grey_first`.
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
    /// Views become grey before their colours are jittered (MoCo v1, InstDis): hue and saturation then do nothing to grey ones.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub grey_first: bool,
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
            grey_first: false,
            blur: 1.0,
            blur_sigma: [0.1, 2.0],
            solarize: 0.0,
        }
    }
}

impl Config for Augmentation {
    fn check(&self) -> Result<(), Invalid> {
        within("flip", self.flip, 0.0, 1.0)?;
        within("jitter", self.jitter, 0.0, 1.0)?;
        not_negative("brightness", self.brightness)?;
        not_negative("contrast", self.contrast)?;
        not_negative("saturation", self.saturation)?;
        within("hue", self.hue, 0.0, 0.5)?;
        within("grey", self.grey, 0.0, 1.0)?;
        within("blur", self.blur, 0.0, 1.0)?;
        ordered("blur_sigma", self.blur_sigma)?;
        within("blur_sigma", self.blur_sigma[1], 0.0, 100.0)?;
        within("solarize", self.solarize, 0.0, 1.0)
    }
}

/// The interpolation of crops that are resized.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// ORL's.
    Bilinear,
    /// BYOL's own code.
    Bicubic,
}

/// The unit of a blur's standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlurScale {
    /// Pixels of a view of 224: smaller views are blurred in proportion to their side.
    View,
    /// Pixels of the view itself, whatever its side, as ORL's: smaller views are blurred more.
    Absolute,
}
