//! Mask R-CNN on a feature pyramid (He et al. 2017, Lin et al. 2017); without its mask head, Faster R-CNN.

use crate::anchors::{Anchors, RATIOS};
use crate::backbone::of_four_stages;
use crate::box_head::{self, BoxHead, BoxHeadKind, BoxHeadShape};
use crate::boxes::Corners;
use crate::design::{Design, named};
use crate::detections::{Detection, detections};
use crate::detector::{Detector, Images, Losses};
use crate::mask_head::{self, MaskHead, MaskHeadShape, Taught};
use crate::objects::{Object, corners};
use crate::pooling::pool;
use crate::proposals::{ProposalNetwork, Seen};
use crate::pyramid::Pyramid;
use crate::regions::of_images;
use crate::roi_align::Region;
use crate::sampling::Draws;
use anyhow::Result;
use candle_core::Tensor;
use univip_core::nn::{Backbone, Mode, Scope};

/// Anchors of one map have this side, and those of the next twice it, in pixels (Lin et al. 2017).
const SMALLEST_ANCHOR: f32 = 32.0;

/// The size of the pyramid and of the box head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neck {
    /// Channels of the pyramid's maps.
    pub channels: usize,
    /// The layers between a region's features and its predictions.
    pub head: BoxHeadKind,
    /// Units of the box head's linear layers.
    pub hidden: usize,
}

/// The detector.
pub struct MaskRcnn {
    body: Box<dyn Backbone>,
    pyramid: Pyramid,
    proposals: ProposalNetwork,
    boxes: BoxHead,
    masks: Option<MaskHead>,
    design: Design,
}

impl MaskRcnn {
    /// Around a backbone, whose parameters may be trained with the rest. Its own parameters are made in `scope`, named
    /// as torchvision's `MaskRCNN` names them: `fpn`, `rpn.head` and `roi_heads`.
    pub fn new(body: Box<dyn Backbone>, neck: Neck, design: Design, scope: &Scope) -> Result<Self> {
        let (Neck { channels, head, hidden }, &Design { classes, norm, convention, .. }) = (neck, &design);
        let inputs = of_four_stages(&*body)?;
        let sizes: Vec<Vec<f32>> = (0..5).map(|map| vec![SMALLEST_ANCHOR * (1 << map) as f32]).collect();
        let anchors = Anchors::new(&sizes, &RATIOS, convention.whole_anchors());
        let heads = scope.enter("roi_heads");
        let mask_head = |inner| {
            let layers = MaskHeadShape {
                inputs: channels,
                channels: inner,
                convolutions: 4,
                norm,
                classes,
                convention,
            };
            MaskHead::new(layers, &heads)
        };
        Ok(Self {
            pyramid: Pyramid::new(&inputs, channels, norm, &scope.enter("fpn"))?,
            proposals: ProposalNetwork::new(
                channels,
                anchors,
                design.sampled_anchors,
                convention.box_loss_beta(),
                &scope.enter("rpn").enter("head"),
            )?,
            boxes: BoxHead::new(BoxHeadShape { kind: head, channels, hidden, classes, norm }, &heads)?,
            masks: design.masks.map(mask_head).transpose()?,
            body,
            design,
        })
    }

    /// The maps of a batch to learn from, and what the proposal network says of them.
    pub fn look(&self, images: &Images) -> Result<Seen> {
        let mode = Mode::Train { groups: 1 };
        let maps = self.maps(images, mode)?;
        let anchors = self.proposals.predict(&maps, images.input()?, mode)?;
        Ok(Seen { maps, anchors })
    }

    /// The training losses, with the heads trained on `proposals`, the boxes to look at in each image. An object without a
    /// mask is not among what the mask head learns.
    ///
    /// # Errors
    /// When the batch is too small for batch norm.
    pub fn losses_on(
        &self,
        seen: &Seen,
        proposals: Vec<Vec<Corners>>,
        images: &Images,
        objects: &[Vec<Object>],
        draws: &Draws,
    ) -> Result<Losses> {
        let (mode, Seen { maps, anchors }) = (Mode::Train { groups: 1 }, seen);
        let of_anchors = self.proposals.losses(anchors, &corners(objects), draws)?;
        let drawn = self.design.draw(proposals, objects, draws);
        let features = self.regions(maps, &drawn.regions, box_head::SIDE)?;
        let convention = self.design.convention;
        let of_regions =
            self.boxes.predict(&features, mode)?.losses(&drawn, objects, convention.box_loss_beta())?;
        let mask_loss = |head: &MaskHead| {
            let taught = Taught::new(&drawn, objects, &images.sizes, convention)?;
            let regions: Vec<Region> = taught.regions.iter().map(|taught| taught.region).collect();
            head.loss(&self.regions(maps, &regions, mask_head::SIDE)?, &taught, mode)
        };
        Ok(named(of_anchors, of_regions, self.masks.as_ref().map(mask_loss).transpose()?))
    }

    /// The regions that it proposes in each image, best first, with running statistics.
    pub fn proposals(&self, images: &Images) -> Result<Vec<Vec<Corners>>> {
        self.propose(&self.maps(images, Mode::Eval)?, images)
    }

    fn maps(&self, images: &Images, mode: Mode) -> Result<Vec<Tensor>> {
        self.pyramid.forward(&self.body.maps(&images.pixels, self.design.body_mode(mode))?, mode)
    }

    fn propose(&self, maps: &[Tensor], images: &Images) -> Result<Vec<Vec<Corners>>> {
        let predictions = self.proposals.predict(maps, images.input()?, Mode::Eval)?;
        predictions.proposals(&images.sizes, self.design.proposals[1])
    }

    /// The coarsest map is for proposals alone.
    fn regions(&self, maps: &[Tensor], regions: &[Region], side: usize) -> Result<Tensor> {
        pool(&maps[..maps.len() - 1], regions, side, self.design.convention.sampling())
    }
}

impl Detector for MaskRcnn {
    fn losses(&self, images: &Images, objects: &[Vec<Object>], draws: &Draws) -> Result<Losses> {
        let seen = self.look(images)?;
        let proposals = seen.anchors.proposals(&images.sizes, self.design.proposals[0])?;
        self.losses_on(&seen, proposals, images, objects, draws)
    }

    fn detect(&self, images: &Images) -> Result<Vec<Vec<Detection>>> {
        let maps = self.maps(images, Mode::Eval)?;
        let proposals = self.propose(&maps, images)?;
        let regions = of_images(&proposals);
        if regions.is_empty() {
            return Ok(vec![Vec::new(); images.sizes.len()]);
        }
        let features = self.regions(&maps, &regions, box_head::SIDE)?;
        let predictions = self.boxes.predict(&features, Mode::Eval)?;
        let mut found = detections(&predictions, &regions, &images.sizes)?;
        if let Some(head) = &self.masks {
            head.add_masks(&mut found, |regions| self.regions(&maps, regions, mask_head::SIDE))?;
        }
        Ok(found)
    }
}
