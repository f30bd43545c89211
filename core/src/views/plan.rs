//! The geometry of an image's views: pure numbers, without a pixel or a network.

use crate::geometry::{BoundingBox, Size};
use crate::seed::Stream;
use crate::views::Group;
use anyhow::Result;
use std::collections::BTreeMap;

/// The views of one image, by the name of their group.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ViewPlan {
    /// For each of the sampler's groups, a view for each entry of [`Group::augment`].
    pub groups: BTreeMap<String, Vec<View>>,
    /// Numbers to log, as the share of instances that are no proposals. A step logs the mean over its images as
    /// `views/<name>`.
    pub diagnostics: Vec<(&'static str, f32)>,
}

impl ViewPlan {
    /// The views of a group; none where the plan lacks it.
    pub fn views(&self, group: &str) -> &[View] {
        self.groups.get(group).map_or(&[], Vec::as_slice)
    }

    /// The crops of a group's views, where each view is one crop of the image.
    pub fn crops(&self, group: &str) -> Vec<BoundingBox> {
        self.views(group).iter().filter_map(View::as_crop).collect()
    }
}

/// One view: layers painted on a square canvas, in pixels of which regions and tiles are stated.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    /// Painted in order. One that fills the canvas is a plain crop.
    pub layers: Vec<Layer>,
    /// True if left and right are exchanged. None leaves it to the augmentation, and the batch's facts have the outcome.
    pub flip: Option<bool>,
    /// Parts of the canvas that are inputs of their own; none makes the canvas the one input.
    pub tiles: Vec<BoundingBox>,
    /// Boxes `[x0, y0, x1, y1]` on the canvas before the flip; region r means the same place of the scene in each view of
    /// the group, and is absent where a view does not show it.
    pub regions: Vec<Option<[f32; 4]>>,
}

impl View {
    /// A view that is one crop of the image.
    pub fn crop(source: BoundingBox) -> Self {
        Self { layers: vec![Layer { source: Source::Own(source), at: None }], ..Self::default() }
    }

    /// The crop, where the view is nothing else.
    pub fn as_crop(&self) -> Option<BoundingBox> {
        match self.layers[..] {
            [Layer { source: Source::Own(crop), at: None }] if self.tiles.is_empty() => Some(crop),
            _ => None,
        }
    }
}

/// A part of an image, painted at a place of the canvas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layer {
    /// The pixels that are painted.
    pub source: Source,
    /// Its place on the canvas, in pixels; none is the whole canvas.
    pub at: Option<BoundingBox>,
}

/// The source of a layer's pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Source {
    /// A part of the image itself, in its unflipped pixels.
    Own(BoundingBox),
    /// A part of another image of the dataset, by its index.
    Other(usize, BoundingBox),
    /// Nothing: zeros after normalisation.
    Blank,
}

/// The facts of an image that a view sampler is given.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The image's index in the dataset.
    pub index: usize,
    /// Its size in pixels.
    pub size: Size,
    /// Its filtered proposals, best first; none where `views.instances` is 0.
    pub boxes: &'a [BoundingBox],
}

/// Chooses the views of an image.
pub trait ViewSampler: Send + Sync {
    /// The groups of views that each plan has, in the order in which the networks see them.
    fn groups(&self) -> Vec<Group>;

    /// Plans the views of an image.
    ///
    /// Always ends, whatever the size; every crop lies inside its image.
    fn sample(&self, subject: &Subject<'_>, stream: &mut Stream) -> Result<ViewPlan>;
}
