//! The evaluator as a whole, on drawn rectangles.

mod learning;
mod precise_norm;
mod rectangles;

use anyhow::{Result, bail};
use candle_core::{Device, Tensor};
use rectangles::Rectangles;
use std::collections::BTreeMap;
use std::sync::Arc;
use univip_core::dataset::{Dataset, Split};
use univip_core::error::NotApplicable;
use univip_core::evaluate::{EvaluationContext, Evaluator, FrozenBackbone, KnownFeatures, Metric};
use univip_core::nn::Parameters;
use univip_core::recipe::{AugmentSettings, BrokenImage, Table};
use univip_core::registry::EvaluatorPlugin;
use univip_core::skipped::Skipped;
use univip_core::views::augment::Renderer;
use univip_detection::DetectionEvaluator;

/// A narrow backbone and its tensors.
fn backbone() -> Result<(FrozenBackbone, Parameters)> {
    let parameters = Parameters::new(3, &Device::Cpu);
    Ok((FrozenBackbone::new(&univip_resnet::plan(18, 8), &parameters.frozen())?, parameters))
}

fn evaluate(settings: &str, change: impl Fn(&mut Rectangles)) -> Result<(Vec<Metric>, Vec<String>)> {
    let (backbone, _) = backbone()?;
    evaluate_from(&backbone, settings, change)
}

fn evaluate_from(
    backbone: &FrozenBackbone,
    settings: &str,
    change: impl Fn(&mut Rectangles),
) -> Result<(Vec<Metric>, Vec<String>)> {
    let mut tasks = Vec::new();
    let metrics = evaluate_told(backbone, settings, change, &mut tasks)?;
    Ok((metrics, tasks))
}

/// `tasks` hears of the progress, also where it ends with an error.
fn evaluate_told(
    backbone: &FrozenBackbone,
    settings: &str,
    change: impl Fn(&mut Rectangles),
    tasks: &mut Vec<String>,
) -> Result<Vec<Metric>> {
    let evaluator = DetectionEvaluator::build(Table::of(settings).read()?)?;
    let renderer = Renderer::new(&AugmentSettings::default());
    let scenes = |split| -> Result<Arc<dyn Dataset>> {
        let mut dataset = Rectangles::new(split, if split == Split::Train { 64 } else { 10 });
        change(&mut dataset);
        Ok(Arc::new(dataset))
    };
    let probe = Rectangles::new(Split::Val, 0);
    let mut progress = |done: u64, total: u64, task: &str| tasks.push(format!("{task} {done}/{total}"));
    let context = EvaluationContext {
        backbone,
        train: &probe,
        val: &probe,
        scenes: &scenes,
        renderer: &renderer,
        known: &KnownFeatures::default(),
        skipped: &Skipped::new(BrokenImage::Skip),
        seed: 1,
        image_size: 64,
        progress: &mut progress,
    };
    evaluator.evaluate(context)
}

fn value(metrics: &[Metric], name: &str) -> f64 {
    metrics
        .iter()
        .find(|metric| metric.name == name)
        .map(|metric| metric.value)
        .unwrap_or_else(|| panic!("{name}"))
}

const QUICK: &str = "steps = 2\nbatch = 2\nsides = [64]\n";

#[test]
fn the_backbone_is_the_same_to_the_bit_afterwards() -> Result<()> {
    let (backbone, parameters) = backbone()?;
    let bits = |parameters: &Parameters| -> Result<BTreeMap<String, Vec<u32>>> {
        let bits = |(name, tensor): (String, Tensor)| -> Result<_> {
            let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
            Ok((name, values.into_iter().map(f32::to_bits).collect()))
        };
        parameters.tensors().into_iter().map(bits).collect()
    };
    let before = bits(&parameters)?;
    evaluate_from(&backbone, QUICK, |_| {})?;
    assert!(before == bits(&parameters)?);
    Ok(())
}

#[test]
fn numbers_say_how_and_on_what_they_were_measured() -> Result<()> {
    let (metrics, tasks) = evaluate(QUICK, |_| {})?;
    for name in ["bbox_ap", "bbox_ap50", "bbox_ap75", "mask_ap", "mask_ap50", "mask_ap75"] {
        assert!((0.0..=100.0).contains(&value(&metrics, name)), "{name}");
    }
    assert!(metrics.iter().all(|metric| metric.split == "train-val" && metric.images == 10));
    assert!(
        metrics.iter().all(|metric| metric.protocol == "mask-rcnn small, batch = 2, sides = [64], steps = 2")
    );
    assert_eq!(tasks[..2], ["detection: train 1/2", "detection: train 2/2"]);
    assert_eq!(tasks.last().map(String::as_str), Some("detection: val 10/10"));
    Ok(())
}

#[test]
fn images_that_cannot_be_read_are_skipped_and_no_number_is_of_them() -> Result<()> {
    let (metrics, _) = evaluate(QUICK, |rectangles| rectangles.damaged = |index| index % 4 == 3)?;
    assert!(metrics.iter().all(|metric| metric.images == 8), "{metrics:?}");
    let error = evaluate(QUICK, |rectangles| rectangles.damaged = |_| true).unwrap_err().to_string();
    assert!(error.contains("not one of 64 images can be learnt from"), "{error}");
    let only_val = |rectangles: &mut Rectangles| {
        if rectangles.split == Split::Val {
            rectangles.damaged = |_| true;
        }
    };
    let error = evaluate(QUICK, only_val).unwrap_err().to_string();
    assert!(error.contains("not one of 10 images to measure detection on can be read"), "{error}");
    Ok(())
}

#[test]
fn fewer_labelled_images_are_another_split_and_protocol() -> Result<()> {
    let (metrics, _) = evaluate(&format!("train_limit = 3\nfrozen = true\n{QUICK}"), |_| {})?;
    let named = "mask-rcnn small, batch = 2, frozen = true, sides = [64], steps = 2, train_limit = 3";
    assert!(metrics.iter().all(|metric| metric.protocol == named && metric.split != "train-val"));
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_bits() -> Result<()> {
    let once = || evaluate("steps = 6\nbatch = 2\nsides = [64]\n", |_| {});
    assert_eq!(once()?.0, once()?.0);
    Ok(())
}

#[test]
fn a_detector_learns_to_find_rectangles() -> Result<()> {
    for (settings, numbers) in [
        ("sides = [64]\nsteps = 80\nlr = 0.02\n", &["bbox_ap50", "mask_ap50"][..]),
        ("sides = [64]\narchitecture = \"retinanet\"\n", &["bbox_ap50"]),
    ] {
        let (metrics, _) = evaluate(settings, |_| {})?;
        for name in numbers {
            let found = value(&metrics, name);
            assert!(found > 50.0, "{name} with {settings}: {found}");
        }
    }
    Ok(())
}

#[test]
fn every_architecture_trains_and_measures() -> Result<()> {
    for (architecture, masks) in [
        ("mask-rcnn", true),
        ("faster-rcnn", false),
        ("mask-rcnn-c4", true),
        ("faster-rcnn-c4", false),
        ("retinanet", false),
    ] {
        let (metrics, _) = evaluate(&format!("architecture = \"{architecture}\"\n{QUICK}"), |_| {})?;
        assert!(metrics.iter().all(|metric| metric.protocol.starts_with(architecture)));
        assert!(metrics.iter().any(|metric| metric.name == "bbox_ap"), "{architecture}");
        assert_eq!(metrics.iter().any(|metric| metric.name == "mask_ap"), masks, "{architecture}");
    }
    Ok(())
}

#[test]
fn masks_are_measured_where_they_are_known() -> Result<()> {
    let (metrics, _) = evaluate(QUICK, |data| data.masked = |index| index != 3)?;
    assert_eq!(value(&metrics, "mask_images"), 9.0);
    assert!((0.0..=100.0).contains(&value(&metrics, "mask_ap")));
    assert!(metrics.iter().all(|metric| metric.images == 10));

    let (metrics, _) = evaluate(QUICK, |data| {
        // Of the images to learn from one has a mask, of those to measure on none.
        data.masked = if data.split == Split::Train { |index| index == 5 } else { |_| false };
    })?;
    assert_eq!(value(&metrics, "mask_images"), 0.0);
    assert!((0.0..=100.0).contains(&value(&metrics, "bbox_ap")));
    assert!(metrics.iter().all(|metric| metric.name != "mask_ap"));
    Ok(())
}

#[test]
fn an_image_of_another_size_than_its_annotations_is_named() -> Result<()> {
    let Err(error) = evaluate(QUICK, |data| data.resized = true) else { bail!("expected an error") };
    let said = format!("{error:#}");
    assert!(said.contains("image rectangle-") && said.contains("its annotations are of 97 x 64"), "{said}");
    Ok(())
}

#[test]
fn voc_is_measured_by_its_own_average_precision_as_the_mean_of_trials() -> Result<()> {
    let voc = |trials: u64| {
        let protocol = "protocol = \"voc-07+12\"\narchitecture = \"faster-rcnn-c4\"\nprecise_norm = 1";
        evaluate(&format!("{protocol}\ntrials = {trials}\n{QUICK}"), |_| {})
    };
    let (metrics, tasks) = voc(2)?;
    let names: Vec<&str> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    let three = ["bbox_ap", "bbox_ap50", "bbox_ap75"];
    assert_eq!(names, ["bbox_ap", "bbox_ap_std", "bbox_ap50", "bbox_ap50_std", "bbox_ap75", "bbox_ap75_std"]);
    assert!(metrics.iter().all(|metric| metric.protocol.starts_with("faster-rcnn-c4 voc-07+12, ")));
    // Two steps of training and a batch for batch norm.
    for task in ["detection 1 of 2: train 3/3", "detection 2 of 2: train 3/3", "detection 2 of 2: val 10/10"]
    {
        assert!(tasks.iter().any(|told| told == task), "{task}: {tasks:?}");
    }
    let (alone, _) = voc(1)?;
    let names: Vec<&str> = alone.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, three);
    // The first trial is the one that would be made alone: the mean is no further from it than the deviation says.
    for name in three {
        let [mean, deviation] = [name.to_string(), format!("{name}_std")].map(|name| value(&metrics, &name));
        let apart = (value(&alone, name) - mean).abs();
        assert!((apart - deviation / 2f64.sqrt()).abs() < 1e-9, "{name}: {apart} {deviation}");
    }
    Ok(())
}

#[test]
fn data_that_cannot_be_learnt_from_is_refused() -> Result<()> {
    let (backbone, _) = backbone()?;
    let refused = |change: fn(&mut Rectangles), problem: &str| -> Result<()> {
        let mut tasks = Vec::new();
        let Err(error) = evaluate_told(&backbone, QUICK, change, &mut tasks) else {
            bail!("expected: {problem}")
        };
        assert!(error.is::<NotApplicable>() && format!("{error:#}").contains(problem), "{error:#}");
        assert!(tasks.is_empty(), "it is known before a detector is trained: {tasks:?}");
        Ok(())
    };
    refused(|data| data.classes.clear(), "train has no classes: set data.use to such a dataset")?;
    refused(
        |data| data.annotated = false,
        "none of the 64 images to learn detection from has an annotated object",
    )?;
    refused(|data| data.masked = |_| false, "an annotated object with a mask: set data.use")?;
    refused(
        |data| data.annotated = data.split == Split::Train,
        "none of the 10 images to measure detection on has an annotated object",
    )
}
