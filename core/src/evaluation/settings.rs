//! `[probe_data]` and `[evaluators]` of a recipe.

use crate::nn::backbone::image_side;
use serde::{Deserialize, Serialize};
use univip_stdx::config::{Config, Invalid, distinct, is_plain, require};

/// `[probe_data]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbeDataChoice {
    /// A dataset with labels; its parameters are in `[dataset.<name>]`.
    #[serde(rename = "use")]
    pub name: String,
    /// Only so many train images, drawn from the whole split; 0 is all of them.
    pub train_limit: usize,
    /// Only so many val images, drawn from the whole split; 0 is all of them.
    pub val_limit: usize,
    /// The side of the images that evaluators show the backbone, in pixels.
    pub image_size: u32,
}

impl Default for ProbeDataChoice {
    fn default() -> Self {
        Self { name: "fashion-icons".into(), train_limit: 0, val_limit: 0, image_size: 224 }
    }
}

impl Config for ProbeDataChoice {
    fn check(&self) -> Result<(), Invalid> {
        image_side("image_size", self.image_size)
    }
}

/// `[evaluators]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvaluatorSettings {
    /// The measurements, each by the name of its evaluator or, for several by one evaluator, by a name of its own, whose table says
    /// `use = "EVALUATOR"`. Their parameters are in `[evaluator.<name>]`.
    #[serde(rename = "use")]
    pub names: Vec<String>,
    /// The dataset whose annotated scenes detectors learn from and are measured on; empty: `data.use`. Rows that were pre-trained on
    /// other images are measured alike by it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scenes: String,
    /// The measurements that are also made during training. They change no bit of it.
    pub during: Vec<String>,
    /// Epochs between two runs of those; 0 is never.
    pub every: u64,
    /// Images of the probe data that a linear classifier learns from at each step, beside the training, of which it
    /// changes no bit either; 0 is no such classifier.
    pub online: usize,
}

impl Config for EvaluatorSettings {
    fn check(&self) -> Result<(), Invalid> {
        distinct("use", &self.names)?;
        distinct("during", &self.during)?;
        plain_names("use", &self.names)?;
        plain_names("during", &self.during)?;
        require(self.online != 1, "online", || {
            "expected 0 or at least 2 images, for the statistics of their features, found 1".into()
        })?;
        require(self.during.is_empty() == (self.every == 0), "during", || {
            format!(
                "names {} evaluators to run every {} epochs: set evaluators.during and evaluators.every, or neither",
                self.during.len(),
                self.every
            )
        })
    }
}

impl EvaluatorSettings {
    /// The key of `[evaluator.<name>]` that names the plugin, where the measurement is not called after it.
    pub const PLUGIN: &'static str = "use";

    /// The engine's own keys of `[evaluator.<name>]`, which the plugins' settings do not have.
    pub const KEYS: &'static [&'static str] = &[Self::PLUGIN];

    /// The dataset of [`EvaluatorSettings::scenes`], and the key that names it, where `data` is learned from.
    pub fn scenes<'a>(&'a self, data: &'a str) -> (&'a str, &'static str) {
        match self.scenes.as_str() {
            "" => (data, "data.use"),
            scenes => (scenes, "evaluators.scenes"),
        }
    }

    /// True if anything is measured, so that the probe data are needed.
    pub fn any(&self) -> bool {
        !self.names.is_empty() || !self.during.is_empty() || self.online > 0
    }
}

fn plain_names(key: &'static str, names: &[String]) -> Result<(), Invalid> {
    let Some(odd) = names.iter().find(|name| !is_plain(name)) else { return Ok(()) };
    let problem = format!("a measurement cannot be called `{odd}`: expected letters, digits, - and _");
    Err(Invalid { key, problem })
}
