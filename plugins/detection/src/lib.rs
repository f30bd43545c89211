//! Evaluator detection: Mask R-CNN, fine-tuned from the backbone and measured by COCO's average precision.
//!
//! Everything behind the backbone is here, a file each concept, and agrees with torchvision's detectors
//! (`tests/parity`). Boxes that no gradient flows through are plain numbers; what is learnt is tensors. Batch norm shares
//! its statistics with other devices (SyncBN) where the parameters have a hook to do so: `FrozenBackbone::copy_into` takes such
//! ones, and `univip_core::nn::Synchronise` says what a hook must do. On one device both are the same.

pub mod anchors;
pub mod box_coding;
pub mod box_head;
pub mod boxes;
pub mod detections;
pub mod detector;
pub mod faster_rcnn_c4;
pub mod inputs;
pub mod layers;
pub mod losses;
pub mod mask_head;
pub mod mask_rcnn;
pub mod matching;
pub mod measuring;
pub mod nms;
pub mod objects;
pub mod pooling;
pub mod proposals;
pub mod protocol;
pub mod pyramid;
pub mod regions;
pub mod retinanet;
pub mod roi_align;
pub mod sampling;
pub mod settings;
pub mod training;

use anyhow::Result;
use detector::Detector;
use faster_rcnn_c4::{Counts, FasterRcnnC4};
use inputs::Inputs;
use mask_rcnn::MaskRcnn;
use measuring::Number;
use protocol::Protocol;
use retinanet::RetinaNet;
use settings::{Architecture, Config};
use univip_core::dataset::{Dataset, Limited, Split};
use univip_core::error::NotApplicable;
use univip_core::evaluate::{EvaluationContext, Evaluator, Metric};
use univip_core::nn::{Backbone, Scope};
use univip_core::registry::EvaluatorPlugin;

univip_core::register_evaluator!(
    "detection",
    DetectionEvaluator,
    "COCO AP of Mask R-CNN, fine-tuned from the backbone on the images that were learned from"
);

/// COCO's average precision of a detector that starts from the backbone. The backbone itself is never changed.
pub struct DetectionEvaluator {
    config: Config,
}

impl EvaluatorPlugin for DetectionEvaluator {
    type Config = Config;

    fn build(config: Config) -> Result<Self> {
        Ok(Self { config })
    }
}

impl DetectionEvaluator {
    /// The detector of the recipe around a backbone.
    fn detector(&self, body: Backbone, classes: usize, scope: &Scope) -> Result<Box<dyn Detector>> {
        let protocol = self.config.protocol();
        Ok(match self.config.architecture {
            Architecture::MaskRcnn => Box::new(MaskRcnn::new(body, protocol.design(classes, true), scope)?),
            Architecture::FasterRcnn => {
                Box::new(MaskRcnn::new(body, protocol.design(classes, false), scope)?)
            }
            Architecture::FasterRcnnC4 => {
                let Protocol { proposals, sampled, objects, .. } = protocol;
                let counts = Counts { classes, proposals, sampled, objects };
                Box::new(FasterRcnnC4::new(body, counts, true, scope)?)
            }
            Architecture::Retinanet => {
                let [channels, ..] = protocol.channels;
                Box::new(RetinaNet::new(body, classes, channels, true, scope)?)
            }
        })
    }
}

impl Evaluator for DetectionEvaluator {
    fn evaluate(&self, context: EvaluationContext<'_>) -> Result<Vec<Metric>> {
        let protocol = self.config.protocol();
        let masks = self.config.architecture == Architecture::MaskRcnn;
        let train = (context.scenes)(Split::Train)?;
        let val = Limited::drawn((context.scenes)(Split::Val)?, protocol.val_limit);
        let classes = train.classes();
        if classes.is_empty() || classes != val.classes() {
            let problem = format!(
                "detection needs train and val splits of the same classes, found {} and {}: set data.use to a dataset \
                 with annotations, or leave `detection` out of evaluators.use",
                classes.len(),
                val.classes().len()
            );
            return Err(NotApplicable(problem).into());
        }
        let inputs =
            |dataset| Inputs { dataset, renderer: context.renderer, longest: protocol.longest, masks };
        training::applicable(&inputs(&*train))?;
        measuring::applicable(&inputs(&val))?;
        let device = context.backbone.device();
        let (parameters, body) = context.backbone.copy(context.seed)?;
        let detector = self.detector(body, classes.len(), &parameters.trainable())?;

        let progress = context.progress;
        let mut report = |done| progress(done, protocol.steps, "detection: train");
        training::train(
            &*detector,
            &parameters,
            &protocol,
            &inputs(&*train),
            context.seed,
            device,
            &mut report,
        )?;

        let total = val.len() as u64;
        let mut report = |done| progress(done, total, "detection: val");
        let measured = measuring::measure(&*detector, &inputs(&val), &protocol, device, &mut report)?;
        let split = format!("{}-{}", train.digest(), val.digest());
        let metric = |(name, value): Number| Metric {
            name,
            value,
            protocol: self.config.name(),
            split: split.clone(),
            images: val.len(),
        };
        Ok(measured.into_iter().map(metric).collect())
    }
}
