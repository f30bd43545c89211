//! The dataset `fashion-scenes`.

use crate::data::CLASSES;
use crate::kept::Kept;
use crate::layout::{Layout, SceneType};
use crate::pool::{Pool, check_held_out};
use crate::texture::texture;
use anyhow::{Context, Result};
use image::{GrayImage, RgbImage};
use serde::{Deserialize, Serialize};
use univip_core::dataset::{Annotation, Dataset, Split};
use univip_core::error::ImageError;
use univip_core::geometry::{BoundingBox, Size};
use univip_core::metrics::rle::Rle;
use univip_core::recipe::{Config, Invalid};
use univip_core::registry::DatasetPlugin;
use univip_core::seed::{Stream, stream};

/// `[dataset.fashion-scenes]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScenesConfig {
    /// Pixels along a side of a scene, 32 to 1024. Items are 1/4 to 11/20 of it.
    pub size: u32,
    /// Scenes of the training split.
    pub train: usize,
    /// Further scenes of the training split, behind the others, without annotations: for pre-training, as COCO's `unlabeled2017` is;
    /// none where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlabelled: Option<usize>,
    /// Scenes of the validation split; their items are in no training scene.
    pub val: usize,
    /// Items of each class that no scene of the training split shows, and of which those of the validation split are made, to
    /// choose settings on; none where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out: Option<usize>,
}

impl Default for ScenesConfig {
    fn default() -> Self {
        Self { size: 128, train: 8000, unlabelled: None, val: 1000, held_out: None }
    }
}

impl Config for ScenesConfig {
    fn check(&self) -> Result<(), Invalid> {
        check_size(self.size)?;
        check_held_out(self.held_out.unwrap_or_default())?;
        for (key, count) in [("train", self.train), ("val", self.val)] {
            if count == 0 {
                return Err(Invalid { key, problem: "0 scenes; expected at least 1".into() });
            }
        }
        Ok(())
    }
}

/// Refuses sizes at which items cannot be told apart or sums overflow.
pub fn check_size(size: u32) -> Result<(), Invalid> {
    if (32..=1024).contains(&size) {
        return Ok(());
    }
    Err(Invalid { key: "size", problem: format!("{size} pixels; expected 32 to 1024") })
}

/// One split of the composed scenes. A scene depends on the split, the index, `size` and `held_out` alone; a split
/// of more scenes starts with the same ones.
pub struct FashionScenes {
    config: ScenesConfig,
    split: Split,
    /// With those that are not annotated.
    len: usize,
    /// Of those that are annotated, which are the first.
    annotated: usize,
    pool: Pool,
    classes: Vec<String>,
    /// The grey values of scenes.
    greys: Kept<Vec<u8>>,
    /// Their annotations.
    contents: Kept<Contents>,
}

/// The annotations of a scene.
struct Contents {
    /// The class of each item.
    classes: Vec<usize>,
    boxes: Vec<BoundingBox>,
    /// For each pixel the number of its item, counted from 1, or 0.
    owners: Vec<u8>,
}

impl FashionScenes {
    /// The hidden type of a scene, for analysis: training must not see it.
    pub fn scene_type(&self, index: usize) -> &'static SceneType {
        self.layout(index).scene_type
    }

    /// The masks of all annotations in one image: each pixel holds the number, counted from 1, of the annotation it belongs to,
    /// or 0.
    ///
    /// # Errors
    /// Never for a scene that was made.
    pub fn owners(&self, index: usize) -> Result<GrayImage> {
        GrayImage::from_raw(self.config.size, self.config.size, self.layout(index).owners)
            .context("a mask for each pixel")
    }

    fn contents<R>(&self, index: usize, read: impl FnOnce(&Contents) -> R) -> R {
        let draw = || {
            let layout = self.layout(index);
            let classes = layout.items.iter().map(|item| item.class).collect();
            Contents { classes, boxes: layout.boxes(), owners: layout.owners }
        };
        self.contents.read(index, draw, read)
    }

    fn layout(&self, index: usize) -> Layout {
        Layout::draw(self.config.size as usize, &self.pool, self.stream("layout", index))
    }

    fn stream(&self, of: &str, index: usize) -> Stream {
        stream(0, &format!("fashion-scenes {of}"), &[self.pool.key(), index as u64])
    }
}

impl Dataset for FashionScenes {
    fn len(&self) -> usize {
        self.len
    }

    fn id(&self, index: usize) -> String {
        format!("scene-{}-{index:05}", self.pool.name())
    }

    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        let draw = || {
            let texture = texture(self.config.size as usize, self.stream("texture", index));
            self.layout(index).on(&texture)
        };
        Ok(self.greys.read(index, draw, |grey| grey_image(self.config.size, grey))?)
    }

    fn size(&self, _index: usize) -> Result<Size, ImageError> {
        Ok(Size { width: self.config.size, height: self.config.size })
    }

    fn annotations(&self, index: usize) -> Result<Vec<Annotation>> {
        if index >= self.annotated {
            return Ok(Vec::new());
        }
        Ok(self.contents(index, |Contents { classes, boxes, .. }| {
            let items = classes.iter().zip(boxes);
            items.map(|(&class, &bounding_box)| Annotation { bounding_box, class, crowd: false }).collect()
        }))
    }

    fn masks(&self, index: usize) -> Result<Vec<Option<Rle>>> {
        if index >= self.annotated {
            return Ok(Vec::new());
        }
        let size = self.size(index)?;
        self.contents(index, |Contents { boxes, owners, .. }| {
            let mask = |(number, bounds): (usize, &BoundingBox)| {
                let owned = |x: u32, y: u32| usize::from(owners[(y * size.width + x) as usize]) == number + 1;
                Rle::draw(size, *bounds, owned).map(Some)
            };
            boxes.iter().enumerate().map(mask).collect()
        })
    }

    fn annotated_part(&self) -> Result<Option<Box<dyn Dataset>>> {
        if self.annotated == self.len {
            return Ok(None);
        }
        let config = ScenesConfig { unlabelled: None, ..self.config.clone() };
        Ok(Some(Box::new(Self::build(config, self.split)?)))
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn digest(&self) -> String {
        let all = self.pool.digest("fashion-scenes 2", self.config.size, self.annotated);
        match self.len - self.annotated {
            0 => all,
            more => self.pool.digest(&format!("{all} and unlabelled"), self.config.size, more),
        }
    }
}

impl DatasetPlugin for FashionScenes {
    type Config = ScenesConfig;

    fn build(config: ScenesConfig, split: Split) -> Result<Self> {
        let (annotated, unlabelled) = match split {
            Split::Train => (config.train, config.unlabelled.unwrap_or_default()),
            Split::Val => (config.val, 0),
        };
        let pool = Pool::of(split, config.held_out.unwrap_or_default())?;
        let classes = CLASSES.map(String::from).to_vec();
        let (len, pixels) = (annotated + unlabelled, (config.size * config.size) as usize);
        let (greys, contents) = (Kept::of(len, pixels), Kept::of(annotated, pixels));
        Ok(Self { split, len, annotated, pool, classes, greys, contents, config })
    }
}

/// A square image with three times the same channel.
pub fn grey_image(side: u32, grey: &[u8]) -> Result<RgbImage> {
    let pixels = grey.iter().flat_map(|&grey| [grey; 3]).collect();
    RgbImage::from_raw(side, side, pixels).context("a grey value for each pixel")
}
