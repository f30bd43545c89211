//! Mask R-CNN on a feature pyramid (He et al. 2017, Lin et al. 2017); without its mask head, Faster R-CNN.

use crate::anchors::Anchors;
use crate::box_head::{self, BoxHead, BoxHeadKind};
use crate::boxes::Corners;
use crate::detections::{Detection, detections};
use crate::detector::{Detector, Images, Losses};
use crate::losses::nothing;
use crate::mask_head::{self, MASK_SIDE, MaskHead, mask_loss};
use crate::objects::Object;
use crate::pooling::pool;
use crate::proposals::{AnchorPredictions, ProposalLimits, ProposalNetwork};
use crate::pyramid::Pyramid;
use crate::regions::{TrainingRegions, of_images};
use crate::roi_align::Region;
use crate::sampling::{Draws, Sampler};
use anyhow::{Result, ensure};
use candle_core::Tensor;
use rayon::prelude::*;
use univip_core::nn::{Backbone, Mode, Scope};

/// Anchors of one map have this side, and those of the next twice it, in pixels (Lin et al. 2017).
const SMALLEST_ANCHOR: f32 = 32.0;
/// Their heights over their widths.
pub const RATIOS: [f32; 3] = [0.5, 1.0, 2.0];

/// Regions of a forward pass of the mask head in measurement: few enough to stay in the processor's caches.
const MASKS_AT_ONCE: usize = 64;

/// The size of everything behind the backbone.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// Classes, without the background.
    pub classes: usize,
    /// Channels of the pyramid's maps.
    pub channels: usize,
    /// What is between a region's features and its predictions.
    pub head: BoxHeadKind,
    /// Units of the box head's linear layers.
    pub hidden: usize,
    /// Channels of the mask head; none without one.
    pub masks: Option<usize>,
    /// Whether batch norm takes the batch's statistics in the backbone, and stands behind the convolutions of the
    /// pyramid and of the heads. Without it the backbone keeps its running statistics.
    pub norm: bool,
    /// Proposals in training and in measurement.
    pub proposals: [ProposalLimits; 2],
    /// Anchors an image that the proposal network is trained on.
    pub sampled_anchors: usize,
    /// Regions an image that the heads are trained on.
    pub sampled_regions: usize,
    /// The largest share of objects among them; a quarter as published.
    pub objects: f32,
}

/// What the detector's body makes of a batch.
pub struct Seen {
    /// The pyramid's maps, finest first.
    pub maps: Vec<Tensor>,
    /// What the proposal network says of each anchor.
    pub anchors: AnchorPredictions,
}

/// The detector.
pub struct MaskRcnn {
    body: Backbone,
    pyramid: Pyramid,
    proposals: ProposalNetwork,
    boxes: BoxHead,
    masks: Option<MaskHead>,
    design: Design,
}

impl MaskRcnn {
    /// Around a backbone whose parameters are trained with the rest. Its own parameters are made in `scope`, named
    /// as torchvision's `MaskRCNN` names them: `fpn`, `rpn.head` and `roi_heads`.
    pub fn new(body: Backbone, design: Design, scope: &Scope) -> Result<Self> {
        let Design { classes, channels, norm, .. } = design;
        let inputs = [3, 2, 1, 0].map(|before_last| body.feature_size() >> before_last);
        let sizes: Vec<Vec<f32>> = (0..5).map(|map| vec![SMALLEST_ANCHOR * (1 << map) as f32]).collect();
        let anchors = Anchors::new(&sizes, &RATIOS);
        let heads = scope.enter("roi_heads");
        let mask_head = |inner| MaskHead::new(channels, inner, classes, norm, &heads);
        Ok(Self {
            pyramid: Pyramid::new(&inputs, channels, norm, &scope.enter("fpn"))?,
            proposals: ProposalNetwork::new(
                channels,
                anchors,
                design.sampled_anchors,
                &scope.enter("rpn").enter("head"),
            )?,
            boxes: BoxHead::new(design.head, channels, design.hidden, classes, norm, &heads)?,
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
        let corners: Vec<Vec<Corners>> =
            objects.iter().map(|all| all.iter().map(|object| object.corners).collect()).collect();
        let [holds, fits] = self.proposals.losses(anchors, &corners, draws)?;
        let sampler = Sampler { count: self.design.sampled_regions, objects: self.design.objects };
        let drawn = TrainingRegions::draw(proposals, objects, sampler, draws);
        let regions = self.regions(maps, &drawn.regions, box_head::SIDE)?;
        let [shows, lies] = self.boxes.predict(&regions, mode)?.losses(&drawn, objects)?;
        let mut losses = vec![
            ("loss_objectness", holds),
            ("loss_rpn_box_reg", fits),
            ("loss_classifier", shows),
            ("loss_box_reg", lies),
        ];
        if let Some(head) = &self.masks {
            losses.push(("loss_mask", self.mask_loss(head, maps, images, &drawn, objects, mode)?));
        }
        Ok(losses)
    }

    /// Where it looks for objects in each image, best first, with running statistics.
    pub fn proposals(&self, images: &Images) -> Result<Vec<Vec<Corners>>> {
        self.propose(&self.maps(images, Mode::Eval)?, images)
    }

    fn maps(&self, images: &Images, mode: Mode) -> Result<Vec<Tensor>> {
        let body_mode = if self.design.norm { mode } else { Mode::Eval };
        self.pyramid.forward(&self.body.stages(&images.pixels, body_mode)?, mode)
    }

    fn propose(&self, maps: &[Tensor], images: &Images) -> Result<Vec<Vec<Corners>>> {
        let predictions = self.proposals.predict(maps, images.input()?, Mode::Eval)?;
        predictions.proposals(&images.sizes, self.design.proposals[1])
    }

    /// The coarsest map is for proposals alone.
    fn regions(&self, maps: &[Tensor], regions: &[Region], side: usize) -> Result<Tensor> {
        pool(&maps[..maps.len() - 1], regions, side)
    }

    fn mask_loss(
        &self,
        head: &MaskHead,
        maps: &[Tensor],
        images: &Images,
        drawn: &TrainingRegions,
        objects: &[Vec<Object>],
        mode: Mode,
    ) -> Result<Tensor> {
        let positives: Vec<(usize, &Object)> = drawn.positives(objects).collect();
        ensure!(!positives.is_empty(), "a batch without objects has no masks to learn from");
        let masked: Vec<(usize, &Object)> =
            positives.iter().copied().filter(|(_, object)| object.mask.is_some()).collect();
        // Without a mask the head looks at the others, so that all of its parameters have a gradient.
        let looked_at = if masked.is_empty() { &positives } else { &masked };
        let regions: Vec<Region> = looked_at.iter().map(|(place, _)| drawn.regions[*place]).collect();
        let classes: Vec<usize> = looked_at.iter().map(|(_, object)| object.class).collect();
        let features = self.regions(maps, &regions, mask_head::SIDE)?;
        let logits = head.predict(&features, &classes, mode)?;
        if masked.is_empty() {
            return nothing(&logits);
        }
        let project = |(place, object): &(usize, &Object)| {
            let region = drawn.regions[*place];
            Some(object.mask.as_ref()?.project(region.corners, images.sizes[region.image], MASK_SIDE))
        };
        let wanted: Vec<Vec<f32>> = masked.par_iter().filter_map(project).collect();
        mask_loss(&logits, wanted.concat())
    }

    fn add_masks(&self, head: &MaskHead, maps: &[Tensor], found: &mut [Vec<Detection>]) -> Result<()> {
        let all =
            || found.iter().enumerate().flat_map(|(image, all)| all.iter().map(move |one| (image, one)));
        let regions: Vec<Region> = all().map(|(image, one)| Region { image, corners: one.corners }).collect();
        let classes: Vec<usize> = all().map(|(_, one)| one.class).collect();
        if regions.is_empty() {
            return Ok(());
        }
        let mut masks = Vec::with_capacity(regions.len());
        for (regions, classes) in regions.chunks(MASKS_AT_ONCE).zip(classes.chunks(MASKS_AT_ONCE)) {
            let features = self.regions(maps, regions, mask_head::SIDE)?;
            let logits = head.predict(&features, classes, Mode::Eval)?;
            masks.extend(candle_nn::ops::sigmoid(&logits)?.flatten_from(1)?.to_vec2::<f32>()?);
        }
        for (detection, mask) in found.iter_mut().flatten().zip(masks) {
            detection.mask = Some(mask);
        }
        Ok(())
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
            self.add_masks(head, &maps, &mut found)?;
        }
        Ok(found)
    }
}
