//! Dataset `my-plugin`: images of coloured noise, a place to start from.

use anyhow::Result;
use image::{Rgb, RgbImage};
use rand::Rng;
use serde::{Deserialize, Serialize};
use univip_core::dataset::{Dataset, Split};
use univip_core::error::ImageError;
use univip_core::recipe::{Config, Invalid};
use univip_core::register_dataset;
use univip_core::registry::DatasetPlugin;
use univip_core::seed::stream;

register_dataset!("my-plugin", MyPlugin, "describe it in one line");

/// One split.
pub struct MyPlugin {
    config: Settings,
    split: Split,
}

/// `[dataset.my-plugin]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Images a split.
    pub images: usize,
    /// Their side in pixels.
    pub side: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { images: 1000, side: 128 }
    }
}

impl Config for Settings {
    fn check(&self) -> Result<(), Invalid> {
        if self.side >= 1 {
            return Ok(());
        }
        Err(Invalid { key: "side", problem: "an image needs at least 1 pixel".into() })
    }
}

impl DatasetPlugin for MyPlugin {
    type Config = Settings;

    fn build(config: Settings, split: Split) -> Result<Self> {
        Ok(Self { config, split })
    }
}

impl Dataset for MyPlugin {
    fn len(&self) -> usize {
        self.config.images
    }

    fn id(&self, index: usize) -> String {
        format!("my-plugin {} {index}", self.split.name())
    }

    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        let mut stream = stream(index as u64, &self.id(index), &[]);
        let side = self.config.side;
        Ok(RgbImage::from_fn(side, side, |_, _| Rgb(stream.random())))
    }

    fn digest(&self) -> String {
        format!("{:08x}{:08x}", self.config.images, self.config.side)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_depends_on_split_and_index_alone() -> Result<()> {
        let open = |split| MyPlugin::build(Settings::default(), split);
        let (train, val) = (open(Split::Train)?, open(Split::Val)?);
        assert_eq!(train.image(3)?, open(Split::Train)?.image(3)?);
        assert_ne!(train.image(3)?, train.image(4)?);
        assert_ne!(train.image(3)?, val.image(3)?);
        Ok(())
    }
}
