//! Runs evaluators on a backbone, each of them whatever becomes of the others.

use anyhow::{Result, anyhow};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use univip_core::assemble::{Assembly, Data};
use univip_core::augment::Renderer;
use univip_core::dataset::{Dataset, Limited, Split};
use univip_core::error::NotApplicable;
use univip_core::evaluate::{EvaluationContext, FrozenBackbone, Metric};
use univip_core::event::{Event, Observer};
use univip_core::recipe::ProbeDataChoice;

/// The evaluators of a recipe, and the images that they measure on.
pub struct Probe<'a> {
    parts: Assembly<'a>,
    seed: u64,
    /// Train and val, opened when they are first needed.
    data: Option<[Arc<Limited>; 2]>,
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
    /// The evaluators of a recipe with the random numbers of `seed`.
    pub fn new(parts: Assembly<'a>, seed: u64) -> Self {
        Self { parts, seed, data: None }
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
        let Self { parts, seed, .. } = *self;
        let settings = &parts.recipe.settings;
        let [train, val] = self.data(observer)?;
        let renderer = Renderer::new(&settings.augment);
        let scenes_name = &settings.data.name;
        let opened: RefCell<Vec<(Split, Arc<dyn Dataset>)>> = RefCell::default();
        let scenes = |split| -> Result<Arc<dyn Dataset>> {
            let dataset: Arc<dyn Dataset> = parts.dataset(Data::Scenes, split)?.into();
            opened.borrow_mut().push((split, dataset.clone()));
            Ok(dataset)
        };
        for name in names {
            if stop.load(Ordering::Relaxed) {
                measured.stopped = true;
                break;
            }
            let evaluator = parts.evaluator(name)?;
            let mut progress = |done, total, task: &str| {
                // Drawing a bar cannot fail; the observers that write ignore progress.
                let _ = observer.observe(&Event::Progress { task: task.into(), done, total });
            };
            let context = EvaluationContext {
                backbone,
                train: &**train,
                val: &**val,
                scenes: &scenes,
                seed,
                image_size: settings.probe_data.image_size,
                renderer: &renderer,
                progress: &mut progress,
            };
            let outcome = catch_unwind(AssertUnwindSafe(|| evaluator.evaluate(context)))
                .unwrap_or_else(|_| Err(anyhow!("it panicked (its message is above)")));
            // What of the scenes was passed over is known when they have been read.
            for (split, dataset) in opened.take() {
                warn_of(&format!("{name}: {scenes_name}, split {}", split.name()), &*dataset, observer)?;
            }
            match outcome {
                Ok(metrics) => keep(name, metrics, observer)?,
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
    /// When the probe data cannot be opened.
    pub fn labelled(&mut self, observer: &mut dyn Observer) -> Result<Arc<Limited>> {
        let [train, _] = self.data(observer)?;
        Ok(train.clone())
    }

    /// Train and val; what of them cannot be used is said when they are opened.
    fn data(&mut self, observer: &mut dyn Observer) -> Result<&[Arc<Limited>; 2]> {
        if self.data.is_none() {
            let ProbeDataChoice { name, train_limit, val_limit, .. } = &self.parts.recipe.settings.probe_data;
            let split = |split, limit: usize| -> Result<Arc<Limited>> {
                Ok(Arc::new(Limited::drawn(self.parts.dataset(Data::Probe, split)?, limit)))
            };
            let data = [split(Split::Train, *train_limit)?, split(Split::Val, *val_limit)?];
            data.iter().try_for_each(|dataset| warn_of(name, &**dataset, observer))?;
            self.data = Some(data);
        }
        self.data.as_ref().ok_or_else(|| anyhow!("the probe data is not open"))
    }
}

/// Says what of a dataset could not be used.
pub fn warn_of(name: &str, dataset: &dyn Dataset, observer: &mut dyn Observer) -> Result<()> {
    for line in dataset.passed_over().lines() {
        observer.observe(&Event::Warning { message: format!("{name}: {line}") })?;
    }
    Ok(())
}
