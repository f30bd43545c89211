//! The protocols that draw augmented images anew each epoch.

use crate::batch_norm::BatchNorm;
use crate::classifier::{Classifier, Training};
use crate::lighting::light;
use crate::pooling::pool;
use crate::recipe::Recipe;
use anyhow::Result;
use candle_core::{DType, Tensor};
use image::RgbImage;
use rand::seq::SliceRandom;
use univip_core::evaluate::{Accuracy, EvaluationContext, FrozenBackbone, Metric, enough, labels};
use univip_core::geometry::Size;
use univip_core::nn::cross_entropy::one_hot;
use univip_core::recipe::Augmentation;
use univip_core::seed::{Stream, stream};
use univip_core::views::CropLimits;
use univip_core::views::augment::{Renderer, ViewParameters};

/// Trains as `recipe` says and measures. Of several classifiers `top1` and `top5` are those of the best, as ORL reports
/// it, and `top1-stem`, `top1-res2`, ... those of each: the best is chosen on val, a single one (res5) is not.
///
/// # Errors
/// When an image has no class, or too few can be read.
pub fn evaluate(mut context: EvaluationContext<'_>, protocol: &str, recipe: &Recipe) -> Result<Vec<Metric>> {
    let labels = Labels::of(&context)?;
    let heads = train(&mut context, recipe, &labels)?;
    let accuracies = measure(&context, recipe, &labels, &heads)?;
    Ok(metrics(&accuracies, protocol, &context.split()))
}

/// The class of each image.
struct Labels {
    train: Vec<u32>,
    val: Vec<u32>,
    classes: usize,
}

impl Labels {
    fn of(context: &EvaluationContext<'_>) -> Result<Self> {
        let EvaluationContext { train, val, .. } = context;
        let classes = train.classes().len().max(val.classes().len());
        Ok(Self { train: labels(*train, "train")?, val: labels(*val, "val")?, classes })
    }
}

/// A classifier for each of the [`inputs`], trained on random crops.
fn train(context: &mut EvaluationContext<'_>, recipe: &Recipe, labels: &Labels) -> Result<Vec<Head>> {
    let (train, backbone, seed) = (context.train, context.backbone, context.seed);
    let batch = recipe.batch.min(train.len());
    let steps_per_epoch = train.len().div_ceil(batch) as u64;
    let crops = Crops { renderer: context.renderer, side: context.image_size, colours: recipe.colours };
    let steps = recipe.epochs * steps_per_epoch;
    let mut heads: Vec<Head> = Vec::new();
    let mut step = 0;
    let mut readable = Vec::new();
    for epoch in 0..recipe.epochs {
        let mut order: Vec<usize> = (0..train.len()).collect();
        order.shuffle(&mut stream(seed, "linear-probe order", &[epoch]));
        for chosen in order.chunks(batch) {
            let render = |image: &RgbImage, index: usize, out: &mut [f32]| {
                let mut stream = stream(seed, "linear-probe augment", &[epoch, index as u64]);
                crops.render(image, &mut stream, out)
            };
            let images = context.images(train, chosen, &render)?;
            let lr = recipe.lr(step, steps_per_epoch, batch);
            step += 1;
            (context.progress)(step, steps, "linear-probe: training");
            if images.indices.is_empty() {
                continue;
            }
            let inputs = inputs(backbone, &images.values, recipe.stages)?;
            if heads.is_empty() {
                heads = Head::for_each(&inputs, labels.classes, recipe, seed)?;
            }
            let truth = images.labels(&labels.train);
            let targets = one_hot(&truth, labels.classes, DType::F32, backbone.device())?;
            for (head, input) in heads.iter_mut().zip(&inputs) {
                head.step(input, &targets, lr)?;
            }
            if epoch == 0 {
                readable.extend(images.indices);
            }
        }
        if epoch == 0 {
            enough(train, &order, &readable)?;
        }
    }
    Ok(heads)
}

/// The accuracy of each classifier on the centres of val's images.
fn measure(
    context: &EvaluationContext<'_>,
    recipe: &Recipe,
    labels: &Labels,
    heads: &[Head],
) -> Result<Vec<Accuracy>> {
    let (val, renderer, side) = (context.val, context.renderer, context.image_size);
    let mut accuracies = vec![Accuracy::new(labels.classes); heads.len()];
    let indices: Vec<usize> = (0..val.len()).collect();
    let mut readable = Vec::new();
    for chosen in indices.chunks(recipe.batch) {
        let render = |image: &RgbImage, _, out: &mut [f32]| renderer.plain(image, side, out);
        let images = context.images(val, chosen, &render)?;
        if images.indices.is_empty() {
            continue;
        }
        let inputs = inputs(context.backbone, &images.values, recipe.stages)?;
        for ((head, input), accuracy) in heads.iter().zip(&inputs).zip(&mut accuracies) {
            let scores: Vec<Vec<f32>> = head.scores(input)?.to_vec2()?;
            let truth = images.labels(&labels.val);
            scores.iter().zip(truth).for_each(|(scores, label)| accuracy.count(scores, label));
        }
        readable.extend(images.indices);
    }
    enough(val, &indices, &readable)?;
    Ok(accuracies)
}

/// Random resized crops, flipped half of the time.
struct Crops<'a> {
    renderer: &'a Renderer,
    /// In pixels.
    side: u32,
    /// With ORL's colours.
    colours: bool,
}

impl Crops<'_> {
    fn render(&self, image: &RgbImage, stream: &mut Stream, out: &mut [f32]) -> Result<()> {
        let Self { renderer, side, colours } = *self;
        if !colours {
            return renderer.random_crop_flip(image, side, stream, out);
        }
        const COLOURS: Augmentation = Augmentation {
            flip: 0.5,
            jitter: 1.0,
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.4,
            hue: 0.0,
            grey: 0.0,
            grey_first: false,
            blur: 0.0,
            blur_sigma: [0.1, 2.0],
            solarize: 0.0,
        };
        let (width, height) = image.dimensions();
        let crop = CropLimits::default().sample(Size { width, height }, stream);
        renderer.render(image, &crop, side, &ViewParameters::draw(&COLOURS, stream), out)?;
        light(out, &renderer.settings().std, stream);
        Ok(())
    }
}

/// The inputs of the classifiers: the last features `[B, F]`, or the pooled maps `[B, P, P, C]` of the stem and each stage.
fn inputs(backbone: &FrozenBackbone, images: &Tensor, stages: bool) -> Result<Vec<Tensor>> {
    if !stages {
        return Ok(vec![backbone.features(images)?]);
    }
    backbone.stem_and_maps(images)?.iter().enumerate().map(|(stage, maps)| pool(maps, stage)).collect()
}

/// A classifier, behind a batch norm where it sees maps.
struct Head {
    norm: Option<BatchNorm>,
    training: Training,
}

impl Head {
    /// A classifier for each input.
    fn for_each(inputs: &[Tensor], classes: usize, recipe: &Recipe, seed: u64) -> Result<Vec<Self>> {
        let one = |(place, input): (usize, &Tensor)| {
            let mut stream = stream(seed, "linear-probe classifier", &[place as u64]);
            Self::new(input, classes, recipe, &mut stream)
        };
        inputs.iter().enumerate().map(one).collect()
    }

    fn new(input: &Tensor, classes: usize, recipe: &Recipe, stream: &mut Stream) -> Result<Self> {
        let features = input.dims()[1..].iter().product();
        let classifier = Classifier::drawn(features, classes, recipe.initial, stream, input.device())?;
        Ok(Self {
            norm: recipe.stages.then(BatchNorm::default),
            training: Training::new(classifier, recipe.sgd),
        })
    }

    fn step(&mut self, input: &Tensor, targets: &Tensor, lr: f64) -> Result<f64> {
        let input = match &mut self.norm {
            Some(norm) => norm.train(input)?,
            None => input.clone(),
        };
        self.training.step(&input.flatten_from(1)?, targets, lr)
    }

    fn scores(&self, input: &Tensor) -> Result<Tensor> {
        let input = match &self.norm {
            Some(norm) => norm.eval(input)?,
            None => input.clone(),
        };
        self.training.classifier.scores(&input.flatten_from(1)?)
    }
}

/// The places that have a classifier each where a recipe has several.
pub const STAGES: [&str; 5] = ["stem", "res2", "res3", "res4", "res5"];

/// The name of the top-1 of a stage's own classifier.
pub fn top1_of(stage: &str) -> String {
    format!("top1-{stage}")
}

fn metrics(accuracies: &[Accuracy], protocol: &str, split: &str) -> Vec<Metric> {
    // The last of equals: the deepest.
    let best = accuracies.iter().max_by(|one, other| one.top1().total_cmp(&other.top1()));
    let mut metrics = best.map(|best| best.metrics(protocol, split)).unwrap_or_default();
    if accuracies.len() > 1 {
        for (accuracy, stage) in accuracies.iter().zip(STAGES) {
            let top1 = accuracy.metrics(protocol, split).into_iter().take(1);
            metrics.extend(top1.map(|metric| Metric { name: top1_of(stage), ..metric }));
        }
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{BYOL, MOCO, ORL};
    use candle_core::Device;
    use rand::Rng;
    use univip_core::recipe::AugmentSettings;

    /// Maps of two channels whose first is bright for class 1.
    fn maps(count: usize, seed: u64) -> Result<(Tensor, Vec<u32>)> {
        let mut stream = stream(seed, "maps", &[]);
        let labels: Vec<u32> = (0..count as u32).map(|row| row % 2).collect();
        let values: Vec<f32> = (0..count * 8)
            .map(|at| stream.random::<f32>() + if at % 2 == 0 { labels[at / 8] as f32 } else { 0.0 })
            .collect();
        Ok((Tensor::from_vec(values, (count, 2, 2, 2), &Device::Cpu)?, labels))
    }

    #[test]
    fn each_recipe_learns_to_tell_two_kinds_of_maps_apart() -> Result<()> {
        let (train, train_labels) = maps(256, 1)?;
        let (val, val_labels) = maps(200, 2)?;
        for recipe in [&ORL, &MOCO, &BYOL] {
            let mut head = Head::new(&train, 2, recipe, &mut stream(0, "classifier", &[]))?;
            let targets = one_hot(&train_labels, 2, DType::F32, &Device::Cpu)?;
            for step in 0..recipe.epochs * 4 {
                head.step(&train, &targets, recipe.lr(step, 4, 256))?;
            }
            let mut accuracy = Accuracy::new(2);
            let scores: Vec<Vec<f32>> = head.scores(&val)?.to_vec2()?;
            scores.iter().zip(&val_labels).for_each(|(scores, label)| accuracy.count(scores, *label));
            assert!(accuracy.top1() > 97.0, "{recipe:?}: {}", accuracy.top1());
        }
        Ok(())
    }

    #[test]
    fn the_best_classifier_is_the_result_and_each_is_named() {
        let count = |right: bool| {
            let mut accuracy = Accuracy::new(2);
            accuracy.count(&[1.0, 0.0], u32::from(!right));
            accuracy
        };
        let named = |found: &[Metric]| -> Vec<(String, f64)> {
            found.iter().map(|metric| (metric.name.clone(), metric.value)).collect()
        };
        let five = [false, false, true, false, false].map(count);
        let expected = [
            ("top1", 100.0),
            ("top1-stem", 0.0),
            ("top1-res2", 0.0),
            ("top1-res3", 100.0),
            ("top1-res4", 0.0),
            ("top1-res5", 0.0),
        ];
        assert_eq!(
            named(&metrics(&five, "orl-linear-28ep", "a-b")),
            expected.map(|(name, value)| (name.to_string(), value))
        );
        assert_eq!(named(&metrics(&[count(true)], "moco", "a-b")), [("top1".to_string(), 100.0)]);
    }

    #[test]
    fn colours_change_only_where_the_protocol_says_so() -> Result<()> {
        let renderer = Renderer::new(&AugmentSettings::default());
        let image = RgbImage::from_pixel(40, 30, image::Rgb([200, 100, 50]));
        let draw = |colours, seed| -> Result<Vec<f32>> {
            let mut out = vec![0f32; 8 * 8 * 3];
            let crops = Crops { renderer: &renderer, side: 8, colours };
            crops.render(&image, &mut stream(seed, "draw", &[]), &mut out)?;
            Ok(out)
        };
        assert_eq!(draw(false, 1)?, draw(false, 2)?, "crops and flips of one colour are alike");
        assert_ne!(draw(true, 1)?, draw(true, 2)?);
        assert_eq!(draw(true, 1)?, draw(true, 1)?);
        Ok(())
    }
}
