//! The parameters of selective search, and OpenCV's two presets of them.

use crate::colour::ColourSpace;
use crate::similarity::Measure;
use serde::{Deserialize, Serialize};
use univip_core::recipe::{Config, Invalid};

/// Parameters of selective search. Every colour space is segmented at every scale, and the regions are grouped
/// by every strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// Standard deviation of the smoothing before segmentation, in pixels.
    pub sigma: f32,
    /// The scales `k` of the segmentation: larger ones make larger regions.
    pub scales: Vec<f32>,
    /// The fewest pixels of a region, unless the image is smaller.
    pub min_size: u32,
    /// The colour spaces.
    pub spaces: Vec<ColourSpace>,
    /// The measures of similarity that are averaged, for each strategy.
    pub strategies: Vec<Vec<Measure>>,
    /// `None` ranks boxes by their level in the hierarchy, highest first. A seed ranks them as OpenCV does, by
    /// level times a random number, lowest first.
    pub seed: Option<u64>,
}

impl Parameters {
    /// OpenCV's `switchToSelectiveSearchFast`: 2 colour spaces, 3 scales, 2 strategies.
    pub fn fast() -> Self {
        Settings { mode: Mode::Fast, ..Settings::default() }.parameters()
    }

    /// OpenCV's `switchToSelectiveSearchQuality`: 5 colour spaces, 5 scales, 4 strategies.
    ///
    /// One of the spaces is the blue channel. OpenCV means it to be the hue, as the paper has it, but writes the
    /// blue channel into the same memory before the search begins. Set `spaces` for the hue.
    pub fn quality() -> Self {
        Settings { mode: Mode::Quality, ..Settings::default() }.parameters()
    }
}

/// A preset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// OpenCV's fast mode.
    Fast,
    /// OpenCV's quality mode.
    Quality,
}

/// The table `[proposal.selective-search]` of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The preset, for what is not set below.
    pub mode: Mode,
    /// The smallest scale `k`.
    pub base_k: f32,
    /// From one scale to the next.
    pub increment: f32,
    /// The number of scales; fast: 3, quality: 5.
    pub scales: Option<usize>,
    /// See [`Parameters::sigma`].
    pub sigma: f32,
    /// See [`Parameters::min_size`].
    pub min_size: u32,
    /// See [`Parameters::spaces`].
    pub spaces: Option<Vec<ColourSpace>>,
    /// See [`Parameters::strategies`].
    pub strategies: Option<Vec<Vec<Measure>>>,
    /// See [`Parameters::seed`].
    pub seed: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Fast,
            base_k: 150.0,
            increment: 150.0,
            scales: None,
            sigma: 0.8,
            min_size: 100,
            spaces: None,
            strategies: None,
            seed: None,
        }
    }
}

impl Settings {
    /// The resulting parameters.
    pub fn parameters(&self) -> Parameters {
        use ColourSpace::{Blue, Grey, Hsv, Lab, Rgi};
        use Measure::{Colour, Fill, Size, Texture};
        let (scales, spaces, strategies) = match self.mode {
            Mode::Fast => {
                (3, vec![Hsv, Lab], vec![vec![Colour, Fill, Texture, Size], vec![Fill, Texture, Size]])
            }
            Mode::Quality => (
                5,
                vec![Hsv, Lab, Grey, Blue, Rgi],
                vec![vec![Colour, Fill, Texture, Size], vec![Fill, Texture, Size], vec![Fill], vec![Size]],
            ),
        };
        let scale = |index: usize| self.base_k + index as f32 * self.increment;
        Parameters {
            sigma: self.sigma,
            scales: (0..self.scales.unwrap_or(scales)).map(scale).collect(),
            min_size: self.min_size,
            spaces: self.spaces.clone().unwrap_or(spaces),
            strategies: self.strategies.clone().unwrap_or(strategies),
            seed: self.seed,
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Result<(), Invalid> {
        let refuse = |key, problem: String| Err(Invalid { key, problem });
        if !(self.base_k >= 0.0 && self.base_k.is_finite()) {
            return refuse("base_k", format!("{} is not a scale: expected 0 or more", self.base_k));
        }
        if !(self.increment >= 0.0 && self.increment.is_finite()) {
            return refuse("increment", format!("{} is not a step: expected 0 or more", self.increment));
        }
        if !(self.sigma > 0.0 && self.sigma <= 100.0) {
            return refuse("sigma", format!("{} pixels: expected more than 0 and at most 100", self.sigma));
        }
        if self.min_size == 0 {
            return refuse("min_size", "0 pixels: expected at least 1".into());
        }
        if self.scales == Some(0) {
            return refuse("scales", "0 scales find nothing: expected at least 1".into());
        }
        if self.spaces.as_ref().is_some_and(Vec::is_empty) {
            return refuse("spaces", "empty: expected at least one of hsv, lab, grey, hue, blue, rgi".into());
        }
        if self.strategies.as_ref().is_some_and(|all| all.is_empty() || all.iter().any(Vec::is_empty)) {
            let problem = "empty: expected lists of colour, texture, size, fill, each of at least one";
            return refuse("strategies", problem.into());
        }
        Ok(())
    }
}
