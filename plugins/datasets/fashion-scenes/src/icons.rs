//! The dataset `fashion-icons`.

use crate::data::{CLASSES, Items, digest};
use crate::layout::Layout;
use crate::scenes::{check_size, grey_image};
use crate::texture::texture;
use anyhow::Result;
use image::RgbImage;
use serde::{Deserialize, Serialize};
use univip_core::dataset::{Annotation, Dataset, Split};
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
    /// Images of the training split, up to 12000.
    pub train: usize,
    /// Images of the validation split, up to 2000; their items are in no training image or scene.
    pub val: usize,
}

impl Default for IconsConfig {
    fn default() -> Self {
        Self { size: 64, train: 12_000, val: 2000 }
    }
}

impl Config for IconsConfig {
    fn check(&self) -> Result<(), Invalid> {
        check_size(self.size)?;
        let all = Self::default();
        for (key, count, most) in [("train", self.train, all.train), ("val", self.val, all.val)] {
            if !(1..=most).contains(&count) {
                let problem = format!("{count} images; expected 1 to {most}, the number of items");
                return Err(Invalid { key, problem });
            }
        }
        Ok(())
    }
}

/// One split of the icons: each item once, on the texture of the scenes. Classes take turns, so that
/// any first part of a split has all of them alike.
pub struct FashionIcons {
    split: Split,
    size: u32,
    len: usize,
    items: &'static Items,
    classes: Vec<String>,
}

impl FashionIcons {
    fn layout(&self, index: usize) -> Layout {
        let random = stream(0, "fashion-icons layout", &[self.split as u64, index as u64]);
        let (class, number) = (index % CLASSES.len(), index / CLASSES.len());
        Layout::single(self.size as usize, class, number, self.items, random)
    }
}

impl Dataset for FashionIcons {
    fn len(&self) -> usize {
        self.len
    }

    fn id(&self, index: usize) -> String {
        format!("icon-{}-{index:05}", self.split.name())
    }

    fn image(&self, index: usize) -> Result<RgbImage> {
        let random = stream(0, "fashion-icons texture", &[self.split as u64, index as u64]);
        grey_image(self.size, &self.layout(index).on(&texture(self.size as usize, random)))
    }

    fn size(&self, _index: usize) -> Result<Size> {
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
        digest("fashion-icons 2", self.split, self.size, self.len)
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
        Ok(Self { split, size: config.size, len, items: Items::of(split)?, classes })
    }
}
