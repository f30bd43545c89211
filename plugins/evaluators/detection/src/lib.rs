//! Evaluator detection: Mask R-CNN and its relatives, fine-tuned from the backbone and measured by COCO's or VOC's average
//! precision.
//!
//! Everything behind the backbone is here, a file each concept, and agrees with torchvision's detectors
//! (`tests/parity`). Boxes that no gradient flows through are plain numbers; what is learnt is tensors. Batch norm shares
//! its statistics with other devices (SyncBN) where the parameters have a hook to do so: `FrozenBackbone::copy_into` takes such
//! ones, and `univip_core::nn::Synchronise` says what a hook must do. On one device both are the same.

pub mod anchors;
pub mod backbone;
pub mod batches;
pub mod box_coding;
pub mod box_head;
pub mod c4;
pub mod convention;
pub mod design;
pub mod detections;
pub mod detector;
pub mod inputs;
pub mod losses;
pub mod mask_head;
pub mod mask_rcnn;
pub mod matching;
pub mod measuring;
pub mod nms;
pub mod objects;
pub mod pasting;
pub mod pooling;
pub mod precise_norm;
pub mod proposals;
pub mod protocol;
pub mod regions;
pub mod retinanet;
pub mod sampling;
pub mod settings;
pub mod splits;
pub mod training;
pub mod trials;

pub use univip_core::corners as boxes;
pub use univip_core::nn::{convolution as layers, pyramid, roi_align};

use anyhow::Result;
use c4::C4;
use detector::Detector;
use inputs::Inputs;
use mask_rcnn::MaskRcnn;
use measuring::Number;
use retinanet::RetinaNet;
use settings::{Architecture, Config};
use splits::Splits;
use training::Training;
use trials::{deviation_of, mean_of_trials, seed_of_trial};
use univip_core::dataset::{Dataset, Limited};
use univip_core::evaluate::{EvaluationContext, Evaluator, Metric, Scenes};
use univip_core::nn::{Backbone, Parameters, Scope};
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
    fn detector(&self, body: Box<dyn Backbone>, classes: usize, scope: &Scope) -> Result<Box<dyn Detector>> {
        let (protocol, architecture) = (self.config.protocol(), self.config.architecture);
        let design = protocol.design(classes, architecture.masks());
        Ok(match architecture {
            Architecture::MaskRcnn | Architecture::FasterRcnn => {
                Box::new(MaskRcnn::new(body, protocol.neck(), design, scope)?)
            }
            Architecture::MaskRcnnC4 | Architecture::FasterRcnnC4 => Box::new(C4::new(body, design, scope)?),
            Architecture::Retinanet => {
                Box::new(RetinaNet::new(body, protocol.neck().channels, design, scope)?)
            }
        })
    }
}

impl Evaluator for DetectionEvaluator {
    fn evaluate(&self, context: EvaluationContext<'_>) -> Result<Vec<Metric>> {
        let protocol = self.config.protocol();
        let masks = self.config.architecture.masks();
        let Splits { train, val, .. } = Splits::open(context.scenes)?;
        let train = Limited::nested(train, protocol.train_limit);
        let val = Limited::drawn(val, protocol.val_limit);
        let classes = train.classes();
        let (renderer, skipped, longest) = (context.renderer, context.skipped, protocol.longest);
        let inputs = |dataset| Inputs { dataset, renderer, longest, masks, skipped };
        training::applicable(&inputs(&train))?;
        measuring::applicable(&inputs(&val))?;
        let device = context.backbone.device();
        let progress = context.progress;
        let mut images = 0;
        let trial = |trial: u64, named: &str| -> Result<Vec<Number>> {
            let seed = seed_of_trial(context.seed, trial);
            let (backbone, body) = backbone::body(context.backbone, protocol.frozen, seed)?;
            let heads = Parameters::new(seed, device);
            let detector = self.detector(body, classes.len(), &heads.trainable())?;
            let mut report = |done, total| progress(done, total, &format!("detection{named}: train"));
            let (backbone, heads, detector, protocol) = (&backbone, &heads, &*detector, &protocol);
            let training = Training { detector, backbone, heads, protocol, seed };
            training.run(&inputs(&train), device, &mut report)?;
            let total = val.len() as u64;
            let mut report = |done| progress(done, total, &format!("detection{named}: val"));
            let measured = measuring::measure(detector, &inputs(&val), protocol, device, &mut report)?;
            images = measured.images;
            Ok(measured.numbers)
        };
        let measured = mean_of_trials(protocol.trials, trial)?;
        let split = format!("{}-{}", train.identity(), val.identity());
        let metric = |(name, value): Number| Metric {
            name,
            value,
            protocol: self.config.name(),
            split: split.clone(),
            images,
            skipped: 0,
        };
        Ok(measured.into_iter().map(metric).collect())
    }

    fn metrics(&self) -> Vec<String> {
        measuring::names().into_iter().flat_map(|name| [deviation_of(&name), name]).collect()
    }

    fn check(&self, scenes: &Scenes<'_>) -> Result<Vec<String>> {
        Ok(Splits::open(scenes)?.note.into_iter().collect())
    }

    fn uses_probe_data(&self) -> bool {
        false
    }
}
