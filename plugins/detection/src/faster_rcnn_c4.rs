//! Faster R-CNN without a pyramid (He et al. 2016): proposals from the backbone's third stage, and its fourth as head.

use crate::anchors::Anchors;
use crate::box_head::{BoxPredictor, RegionPredictions};
use crate::boxes::Corners;
use crate::detections::{Detection, detections};
use crate::detector::{Detector, Images, Losses};
use crate::mask_rcnn::RATIOS;
use crate::objects::Object;
use crate::proposals::{ProposalLimits, ProposalNetwork};
use crate::regions::{TrainingRegions, of_images};
use crate::roi_align::{Region, Square, roi_align};
use crate::sampling::{Draws, Sampler};
use anyhow::Result;
use candle_core::Tensor;
use univip_core::nn::ops::{self, Map};
use univip_core::nn::{Backbone, Mode, Scope};

/// The sides of the anchors at each position, in pixels.
const ANCHORS: [f32; 5] = [32.0, 64.0, 128.0, 256.0, 512.0];
/// A region of the third stage's map, before the fourth stage halves it.
const SQUARE: Square = Square { side: 14, scale: 1.0 / 16.0, points: 2 };

/// Regions of a forward pass of the fourth stage in measurement: thousands at once would take gigabytes.
const REGIONS_AT_ONCE: usize = 256;

/// How many of what, as in [`crate::mask_rcnn::Design`].
#[derive(Debug, Clone, PartialEq)]
pub struct Counts {
    /// Classes, without the background.
    pub classes: usize,
    /// Proposals in training and in measurement.
    pub proposals: [ProposalLimits; 2],
    /// Anchors and regions an image that are trained on.
    pub sampled: [usize; 2],
    /// The largest share of objects among the regions.
    pub objects: f32,
}

/// The detector.
pub struct FasterRcnnC4 {
    body: Backbone,
    proposals: ProposalNetwork,
    predictor: BoxPredictor,
    counts: Counts,
    norm: bool,
}

impl FasterRcnnC4 {
    /// Around a backbone whose parameters are trained with the rest; with `norm` its batch norm takes the batch's
    /// statistics. Its own parameters are called `rpn.head` and `roi_heads`, as in torchvision.
    pub fn new(body: Backbone, counts: Counts, norm: bool, scope: &Scope) -> Result<Self> {
        let anchors = Anchors::new(&[ANCHORS.to_vec()], &RATIOS);
        let rpn = scope.enter("rpn").enter("head");
        Ok(Self {
            proposals: ProposalNetwork::new(body.feature_size() / 2, anchors, counts.sampled[0], &rpn)?,
            predictor: BoxPredictor::new(body.feature_size(), counts.classes, &scope.enter("roi_heads"))?,
            body,
            counts,
            norm,
        })
    }

    fn body_mode(&self, mode: Mode) -> Mode {
        if self.norm { mode } else { Mode::Eval }
    }

    /// The third stage's map.
    fn map(&self, images: &Images, mode: Mode) -> Result<Tensor> {
        let mode = self.body_mode(mode);
        let mut map = self.body.stem(&images.pixels, mode)?;
        for stage in 0..3 {
            map = self.body.stage(stage, &map, mode)?;
        }
        Ok(map.tensor()?)
    }

    fn regions(&self, map: &Tensor, regions: &[Region], mode: Mode) -> Result<RegionPredictions> {
        let squares = roi_align(map, regions, SQUARE)?;
        let features = self.body.stage(3, &Map::of(&squares)?, self.body_mode(mode))?;
        self.predictor.predict(&ops::mean_pool(&features)?.tensor()?)
    }
}

impl Detector for FasterRcnnC4 {
    fn losses(&self, images: &Images, objects: &[Vec<Object>], draws: &Draws) -> Result<Losses> {
        let mode = Mode::Train { groups: 1 };
        let map = self.map(images, mode)?;
        let predictions = self.proposals.predict(std::slice::from_ref(&map), images.input()?, mode)?;
        let corners: Vec<Vec<Corners>> =
            objects.iter().map(|all| all.iter().map(|object| object.corners).collect()).collect();
        let [holds, fits] = self.proposals.losses(&predictions, &corners, draws)?;
        let proposals = predictions.proposals(&images.sizes, self.counts.proposals[0])?;
        let sampler = Sampler { count: self.counts.sampled[1], objects: self.counts.objects };
        let drawn = TrainingRegions::draw(proposals, objects, sampler, draws);
        let [shows, lies] = self.regions(&map, &drawn.regions, mode)?.losses(&drawn, objects)?;
        Ok(vec![
            ("loss_objectness", holds),
            ("loss_rpn_box_reg", fits),
            ("loss_classifier", shows),
            ("loss_box_reg", lies),
        ])
    }

    fn detect(&self, images: &Images) -> Result<Vec<Vec<Detection>>> {
        let map = self.map(images, Mode::Eval)?;
        let predictions = self.proposals.predict(std::slice::from_ref(&map), images.input()?, Mode::Eval)?;
        let regions = of_images(&predictions.proposals(&images.sizes, self.counts.proposals[1])?);
        if regions.is_empty() {
            return Ok(vec![Vec::new(); images.sizes.len()]);
        }
        let parts = regions.chunks(REGIONS_AT_ONCE).map(|part| self.regions(&map, part, Mode::Eval));
        let predictions = RegionPredictions::joined(&parts.collect::<Result<Vec<_>>>()?)?;
        detections(&predictions, &regions, &images.sizes)
    }
}
