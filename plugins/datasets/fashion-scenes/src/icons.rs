//! The dataset `fashion-icons`.

use crate::data::CLASSES;
use crate::layout::Layout;
use crate::pool::{self, Pool, check_held_out};
use crate::scenes::{check_size, grey_image};
use crate::texture::texture;
use anyhow::Result;
use image::RgbImage;
use serde::{Deserialize, Serialize};
use univip_core::dataset::{Annotation, Dataset, Split};
use univip_core::error::ImageError;
use univip_core::geometry::Size;
use univip_core::recipe::{Config, Invalid};
use univip_core::registry::DatasetPlugin;
use univip_core::seed::stream;

/// `[dataset.fashion-icons]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IconsConfig {
    /// Pixels along a side of an image, 32 to 1024.
    pub size: u32,
    /// Images of the training split, up to 12000 less those held out.
    pub train: usize,
    /// Images of the validation split, up to 2000, or as many as are held out; their items are in no training image or scene.
    pub val: usize,
    /// Items of each class that are held out of the training split, for a validation split to choose settings on; none
    /// where it is not given. Scenes must hold out as many, or they show them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out: Option<usize>,
}

impl Default for IconsConfig {
    fn default() -> Self {
        Self { size: 64, train: 12_000, val: 2000, held_out: None }
    }
}

impl Config for IconsConfig {
    fn check(&self) -> Result<(), Invalid> {
        check_size(self.size)?;
        let held_out = self.held_out.unwrap_or_default();
        check_held_out(held_out)?;
        for (key, split, count) in [("train", Split::Train, self.train), ("val", Split::Val, self.val)] {
            let most = pool::items(split, held_out);
            if !(1..=most).contains(&count) {
                let problem =
                    format!("{count} images; expected 1 to {most}, the number of items of the split");
                return Err(Invalid { key, problem });
            }
        }
        Ok(())
    }
}

/// One split of the icons: each item once, on the texture of the scenes. Classes take turns, so that
/// any first part of a split has all of them alike.
pub struct FashionIcons {
    size: u32,
    len: usize,
    pool: Pool,
    classes: Vec<String>,
}

impl FashionIcons {
    fn layout(&self, index: usize) -> Layout {
        let random = stream(0, "fashion-icons layout", &[self.pool.key(), index as u64]);
        let (class, number) = (index % CLASSES.len(), index / CLASSES.len());
        Layout::single(self.size as usize, class, number, &self.pool, random)
    }
}

impl Dataset for FashionIcons {
    fn len(&self) -> usize {
        self.len
    }

    fn id(&self, index: usize) -> String {
        format!("icon-{}-{index:05}", self.pool.name())
    }

    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        let random = stream(0, "fashion-icons texture", &[self.pool.key(), index as u64]);
        Ok(grey_image(self.size, &self.layout(index).on(&texture(self.size as usize, random)))?)
    }

    fn size(&self, _index: usize) -> Result<Size, ImageError> {
        Ok(Size { width: self.size, height: self.size })
    }

    fn annotations(&self, index: usize) -> Result<Vec<Annotation>> {
        let class = index % CLASSES.len();
        let boxes = self.layout(index).boxes();
        Ok(boxes.into_iter().map(|bounding_box| Annotation { bounding_box, class, crowd: false }).collect())
    }

    fn label(&self, index: usize) -> Option<usize> {
        Some(index % CLASSES.len())
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn digest(&self) -> String {
        self.pool.digest("fashion-icons 2", self.size, self.len)
    }
}

impl DatasetPlugin for FashionIcons {
    type Config = IconsConfig;

    fn build(config: IconsConfig, split: Split) -> Result<Self> {
        let len = match split {
            Split::Train => config.train,
            Split::Val => config.val,
        };
        let classes = CLASSES.map(String::from).to_vec();
        Ok(Self {
            size: config.size,
            len,
            pool: Pool::of(split, config.held_out.unwrap_or_default())?,
            classes,
        })
    }
}
