//! Runs evaluators on a backbone, each of them whatever becomes of the others.

use crate::run;
use anyhow::{Result, anyhow};
use image::RgbImage;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use univip_core::augment::Renderer;
use univip_core::dataset::{Dataset, Limited, Split};
use univip_core::error::NotApplicable;
use univip_core::evaluate::{EvaluationContext, FrozenBackbone, Metric, labels};
use univip_core::event::{Event, Observer};
use univip_core::recipe::{ProbeDataChoice, Recipe};
use univip_core::registry::{Kind, Registry};
use univip_core::tally::Tally;
use univip_core::unread::Unread;

/// The evaluators of a recipe, and the images that they measure on.
pub struct Probe<'a> {
    recipe: &'a Recipe,
    registry: &'a Registry,
    seed: u64,
    /// Opened when it is first needed.
    data: Option<ProbeData>,
}

/// The images that classifiers learn from and are measured on.
enum ProbeData {
    /// Train and val.
    Open([Arc<Limited>; 2]),
    /// There are none, for this reason.
    Missing(String),
}

/// What became of the evaluators.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// One sentence for each that failed, with its name and the reason.
    pub failures: Vec<String>,
    /// One sentence for each that found nothing to measure in the data.
    pub not_applicable: Vec<String>,
    /// Whether the user stopped it before all had run.
    pub stopped: bool,
}

/// Takes what an evaluator measured: its name and the numbers.
pub type Keep<'a> = dyn FnMut(&str, Vec<Metric>, &mut dyn Observer) -> Result<()> + 'a;

impl<'a> Probe<'a> {
    /// The evaluators of `recipe` with the random numbers of `seed`.
    pub fn new(recipe: &'a Recipe, registry: &'a Registry, seed: u64) -> Self {
        Self { recipe, registry, seed, data: None }
    }

    /// Runs the evaluators `names`; what one has measured is kept before the next begins.
    ///
    /// # Errors
    /// When the probe data cannot be opened, an evaluator is not known, or `keep` fails. An evaluator that fails or
    /// panics is none: it is in [`Measured`].
    pub fn measure(
        &mut self,
        names: &[String],
        backbone: &FrozenBackbone,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
        keep: &mut Keep<'_>,
    ) -> Result<Measured> {
        let mut measured = Measured::default();
        if names.is_empty() {
            return Ok(measured);
        }
        let Self { recipe, registry, seed, .. } = *self;
        let probe_data = self.data(observer)?;
        let renderer = Renderer::new(&recipe.settings.augment);
        let scenes_name = &recipe.settings.data.name;
        let opened: RefCell<Vec<(Split, Arc<dyn Dataset>)>> = RefCell::default();
        let scenes = |split| -> Result<Arc<dyn Dataset>> {
            let dataset: Arc<dyn Dataset> =
                run::open(recipe, registry, "data.use", scenes_name, split)?.into();
            opened.borrow_mut().push((split, dataset.clone()));
            Ok(dataset)
        };
        for name in names {
            if stop.load(Ordering::Relaxed) {
                measured.stopped = true;
                break;
            }
            let plugin =
                registry.get(Kind::Evaluator, name, &recipe.origin("evaluators.use"), "evaluators.use")?;
            let evaluator = plugin.evaluator(&recipe.table(Kind::Evaluator, name))?;
            let (train, val): (&dyn Dataset, &dyn Dataset) = match probe_data {
                ProbeData::Open([train, val]) => (&**train, &**val),
                ProbeData::Missing(why) if evaluator.uses_probe_data() => {
                    measured.not_applicable.push(format!("evaluator `{name}` measured nothing: {why}"));
                    continue;
                }
                ProbeData::Missing(_) => (&NoImages, &NoImages),
            };
            let unread = Unread::new(recipe.settings.loader.broken);
            let mut progress = |done, total, task: &str| {
                // Drawing a bar cannot fail; the observers that write ignore progress.
                let _ = observer.observe(&Event::Progress { task: task.into(), done, total });
            };
            let context = EvaluationContext {
                backbone,
                train,
                val,
                scenes: &scenes,
                unread: &unread,
                seed,
                image_size: recipe.settings.probe_data.image_size,
                renderer: &renderer,
                progress: &mut progress,
            };
            let outcome = catch_unwind(AssertUnwindSafe(|| evaluator.evaluate(context)))
                .unwrap_or_else(|_| Err(anyhow!("it panicked (its message is above)")));
            // What of the scenes was passed over is known when they have been read.
            for (split, dataset) in opened.take() {
                run::warn_of(&format!("{name}: {scenes_name}, split {}", split.name()), &*dataset, observer)?;
            }
            if let Some(line) = unread.line() {
                observer.observe(&Event::Warning { message: format!("{name}: {line}") })?;
            }
            match outcome {
                Ok(mut metrics) => {
                    metrics.iter_mut().for_each(|metric| metric.passed_over = unread.count());
                    keep(name, metrics, observer)?;
                }
                Err(error) if error.is::<NotApplicable>() => {
                    measured.not_applicable.push(format!("evaluator `{name}` measured nothing: {error:#}"));
                }
                Err(error) => measured.failures.push(format!("evaluator `{name}`: {error:#}")),
            }
        }
        Ok(measured)
    }

    /// The images that classifiers learn from.
    ///
    /// # Errors
    /// When the probe data cannot be opened; [`NotApplicable`] when there is none, or it has no labels.
    pub fn labelled(&mut self, observer: &mut dyn Observer) -> Result<Arc<Limited>> {
        match self.data(observer)? {
            ProbeData::Open([train, _]) => {
                labels(&**train, Split::Train.name())?;
                Ok(train.clone())
            }
            ProbeData::Missing(why) => Err(NotApplicable(why.clone()).into()),
        }
    }

    /// Train and val; what of them cannot be used is said when they are opened.
    fn data(&mut self, observer: &mut dyn Observer) -> Result<&ProbeData> {
        if self.data.is_none() {
            let ProbeDataChoice { name, train_limit, val_limit, .. } = &self.recipe.settings.probe_data;
            let split = |split, limit: usize| -> Result<Arc<Limited>> {
                let whole = run::open(self.recipe, self.registry, "probe_data.use", name, split)?;
                Ok(Arc::new(Limited::drawn(whole, limit)))
            };
            let opened = split(Split::Train, *train_limit)
                .and_then(|train| Ok([train, split(Split::Val, *val_limit)?]));
            self.data = Some(match opened {
                Ok(splits) => {
                    splits.iter().try_for_each(|dataset| run::warn_of(name, &**dataset, observer))?;
                    warn_of_unlearnt(name, &splits, observer)?;
                    ProbeData::Open(splits)
                }
                Err(error) if error.is::<NotApplicable>() => ProbeData::Missing(format!("{error:#}")),
                Err(error) => return Err(error),
            });
        }
        self.data.as_ref().ok_or_else(|| anyhow!("the probe data is not open"))
    }
}

/// Names the classes of val that no train image teaches: each of their images counts as wrong.
fn warn_of_unlearnt(name: &str, [train, val]: &[Arc<Limited>; 2], observer: &mut dyn Observer) -> Result<()> {
    let classes = |dataset: &Limited| -> BTreeSet<usize> {
        (0..dataset.len()).filter_map(|index| dataset.label(index)).collect()
    };
    let (taught, asked) = (classes(train), classes(val));
    let mut unlearnt = Tally::default();
    for class in asked.difference(&taught) {
        let kind =
            "classes have images in val and none in train (of probe_data.train_limit), and count as wrong";
        unlearnt.add(kind, || val.classes().get(*class).cloned().unwrap_or_default());
    }
    unlearnt
        .lines()
        .into_iter()
        .try_for_each(|line| observer.observe(&Event::Warning { message: format!("{name}: {line}") }))
}

/// What an evaluator is given that measures on other images.
struct NoImages;

impl Dataset for NoImages {
    fn len(&self) -> usize {
        0
    }

    fn id(&self, index: usize) -> String {
        index.to_string()
    }

    fn image(&self, _index: usize) -> Result<RgbImage> {
        Err(anyhow!("there is no probe data"))
    }

    fn digest(&self) -> String {
        String::new()
    }
}
