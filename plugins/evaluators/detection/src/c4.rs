//! R-CNNs without a pyramid (He et al. 2016, 2017): proposals from the backbone's third stage, and its fourth as head.

use crate::anchors::{Anchors, RATIOS};
use crate::backbone::of_four_stages;
use crate::box_head::{BoxPredictor, RegionPredictions};
use crate::boxes::Corners;
use crate::design::{Design, named};
use crate::detections::{Detection, detections};
use crate::detector::{Detector, Images, Losses};
use crate::mask_head::{MaskHead, MaskHeadShape, Taught};
use crate::objects::{Object, corners};
use crate::proposals::{ProposalNetwork, Seen};
use crate::regions::of_images;
use crate::roi_align::{Region, Square, roi_align};
use crate::sampling::Draws;
use anyhow::Result;
use candle_core::Tensor;
use univip_core::nn::ops::{self, Map};
use univip_core::nn::{Backbone, BatchNorm, Mode, Scope};

/// The sides of the anchors at each position, in pixels.
const ANCHORS: [f32; 5] = [32.0, 64.0, 128.0, 256.0, 512.0];
/// Cells along a side of a region of the third stage's map, before the fourth stage halves it.
const SIDE: usize = 14;
/// Positions of the third stage's map a pixel.
const SCALE: f32 = 1.0 / 16.0;

/// Regions of a forward pass of the fourth stage in measurement: thousands at once would take gigabytes.
const REGIONS_AT_ONCE: usize = 256;

/// Faster R-CNN, or Mask R-CNN, without a pyramid.
pub struct C4 {
    body: Box<dyn Backbone>,
    /// Behind the fourth stage, as in MoCo's `Res5ROIHeadsExtraNorm`: what is trained from scratch behind a backbone that
    /// was not trained with it wants features of a known scale.
    norm: Option<BatchNorm>,
    proposals: ProposalNetwork,
    predictor: BoxPredictor,
    masks: Option<MaskHead>,
    design: Design,
}

impl C4 {
    /// Around a backbone, whose parameters may be trained with the rest. Its own parameters are called `rpn.head` and
    /// `roi_heads`, as in torchvision.
    pub fn new(body: Box<dyn Backbone>, design: Design, scope: &Scope) -> Result<Self> {
        let anchors = Anchors::new(&[ANCHORS.to_vec()], &RATIOS, design.convention.whole_anchors());
        let (rpn, heads) = (scope.enter("rpn").enter("head"), scope.enter("roi_heads"));
        let beta = design.convention.box_loss_beta();
        let [_, _, third, features] = of_four_stages(&*body)?;
        let norm = design.norm.then(|| BatchNorm::new(features, &heads.enter("norm"))).transpose()?;
        let &Design { classes, convention, .. } = &design;
        let mask_head = |channels| {
            let layers = MaskHeadShape {
                inputs: features,
                channels,
                convolutions: 0,
                norm: false,
                classes,
                convention,
            };
            MaskHead::new(layers, &heads)
        };
        Ok(Self {
            norm,
            proposals: ProposalNetwork::new(third, anchors, design.sampled_anchors, beta, &rpn)?,
            predictor: BoxPredictor::new(features, design.classes, &heads)?,
            masks: design.masks.map(mask_head).transpose()?,
            body,
            design,
        })
    }

    /// The third stage's map of a batch to learn from, and what the proposal network says of it.
    pub fn look(&self, images: &Images) -> Result<Seen> {
        self.look_in(images, Mode::Train { groups: 1 })
    }

    /// The training losses, with the heads trained on `proposals`, the boxes to look at in each image.
    ///
    /// # Errors
    /// When the batch is too small for batch norm.
    pub fn losses_on(
        &self,
        Seen { maps, anchors }: &Seen,
        proposals: Vec<Vec<Corners>>,
        images: &Images,
        objects: &[Vec<Object>],
        draws: &Draws,
    ) -> Result<Losses> {
        let (mode, convention) = (Mode::Train { groups: 1 }, self.design.convention);
        let of_anchors = self.proposals.losses(anchors, &corners(objects), draws)?;
        let drawn = self.design.draw(proposals, objects, draws);
        let features = self.features(&maps[0], &drawn.regions, mode)?;
        let of_regions = self.predict(&features)?.losses(&drawn, objects, convention.box_loss_beta())?;
        let mask_loss = |head: &MaskHead| {
            let taught = Taught::new(&drawn, objects, &images.sizes, convention)?;
            // The features are those that the classes and boxes are predicted from.
            let places: Vec<u32> = taught.regions.iter().map(|taught| taught.place as u32).collect();
            let features = features.index_select(&Tensor::new(places, features.device())?, 0)?;
            head.loss(&features, &taught, mode)
        };
        Ok(named(of_anchors, of_regions, self.masks.as_ref().map(mask_loss).transpose()?))
    }

    fn look_in(&self, images: &Images, mode: Mode) -> Result<Seen> {
        let body_mode = self.design.body_mode(mode);
        let mut map = self.body.stem(&images.pixels, body_mode)?;
        for stage in 0..3 {
            map = self.body.stage(stage, &map, body_mode)?;
        }
        let maps = vec![map.tensor()?];
        let anchors = self.proposals.predict(&maps, images.input()?, mode)?;
        Ok(Seen { maps, anchors })
    }

    /// The output of the fourth stage for regions: `[R, 7, 7, F]`.
    fn features(&self, map: &Tensor, regions: &[Region], mode: Mode) -> Result<Tensor> {
        let square = Square { side: SIDE, scale: SCALE, sampling: self.design.convention.sampling() };
        let squares = Map::of(&roi_align(map, regions, square)?)?;
        let features = self.body.stage(3, &squares, self.design.body_mode(mode))?;
        Ok(match &self.norm {
            Some(norm) => norm.forward(&features, mode)?.tensor()?,
            None => features.tensor()?,
        })
    }

    fn predict(&self, features: &Tensor) -> Result<RegionPredictions> {
        self.predictor.predict(&ops::mean_pool(&Map::of(features)?)?.tensor()?)
    }
}

impl Detector for C4 {
    fn losses(&self, images: &Images, objects: &[Vec<Object>], draws: &Draws) -> Result<Losses> {
        let seen = self.look(images)?;
        let proposals = seen.anchors.proposals(&images.sizes, self.design.proposals[0])?;
        self.losses_on(&seen, proposals, images, objects, draws)
    }

    fn detect(&self, images: &Images) -> Result<Vec<Vec<Detection>>> {
        let Seen { maps, anchors } = self.look_in(images, Mode::Eval)?;
        let regions = of_images(&anchors.proposals(&images.sizes, self.design.proposals[1])?);
        if regions.is_empty() {
            return Ok(vec![Vec::new(); images.sizes.len()]);
        }
        let features = |regions: &[Region]| self.features(&maps[0], regions, Mode::Eval);
        let parts = regions.chunks(REGIONS_AT_ONCE).map(|part| self.predict(&features(part)?));
        let predictions = RegionPredictions::joined(&parts.collect::<Result<Vec<_>>>()?)?;
        let mut found = detections(&predictions, &regions, &images.sizes)?;
        if let Some(head) = &self.masks {
            head.add_masks(&mut found, features)?;
        }
        Ok(found)
    }
}
