//! Runs evaluators on a backbone, each of them whatever becomes of the others.

use super::data::{Data, Ledger, Part, Use, warn_of};
use anyhow::{Context, Result, anyhow, bail};
use image::RgbImage;
use std::cell::{Ref, RefCell};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use univip_core::assemble::Assembly;
use univip_core::dataset::{Dataset, Limited, Split, class_difference};
use univip_core::error::{ImageError, Interrupted, NotApplicable};
use univip_core::evaluate::{EvaluationContext, Evaluator, FrozenBackbone, KnownFeatures, Metric, labels};
use univip_core::event::{Event, Observer};
use univip_core::recipe::Recipe;
use univip_core::skipped::Skipped;
use univip_core::tally::Tally;
use univip_core::views::augment::Renderer;

/// The evaluators of a recipe, and the images that they measure on.
pub struct Probe<'a> {
    recipe: &'a Recipe,
    data: &'a Data<'a>,
    seed: u64,
    ledger: RefCell<Ledger>,
    /// Opened when it is first needed.
    labelled: Option<ProbeData>,
    /// Its parts.
    parts: Vec<Part>,
}

/// The images that classifiers learn from and are measured on.
#[derive(Clone)]
enum ProbeData {
    /// Train and val.
    Open([Arc<Limited>; 2]),
    /// There are none, for this reason.
    Missing(String),
}

/// Train and val.
type Images = [Arc<dyn Dataset>; 2];

/// A backbone, and the features that evaluators have computed of it.
struct Subject<'b> {
    backbone: &'b FrozenBackbone,
    known: KnownFeatures,
}

/// The outcome of the evaluators.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// One sentence for each that failed, with its name and the reason.
    pub failures: Vec<String>,
    /// Those that found nothing to measure in the data.
    pub not_applicable: Vec<NothingToMeasure>,
    /// True when the user stopped it before all had run.
    pub stopped: bool,
}

/// A measurement that found nothing to measure.
#[derive(Debug, PartialEq, Eq)]
pub struct NothingToMeasure {
    /// Its name.
    pub name: String,
    /// One sentence, with the reason.
    pub message: String,
}

/// Takes what an evaluator measured: its name and the numbers.
pub type Keep<'a> = dyn FnMut(&str, Vec<Metric>, &mut dyn Observer) -> Result<()> + 'a;

impl<'a> Probe<'a> {
    /// The evaluators of `recipe` with the random numbers of `seed`. All that they measure on must be what the ledger says,
    /// where it says anything.
    pub fn new(recipe: &'a Recipe, data: &'a Data<'a>, seed: u64, ledger: Ledger) -> Self {
        Self { recipe, data, seed, ledger: RefCell::new(ledger), labelled: None, parts: Vec::new() }
    }

    /// The data that was used so far.
    pub fn ledger(&self) -> Ref<'_, Ledger> {
        self.ledger.borrow()
    }

    /// Refuses what the evaluators of the recipe could not measure on, before a training whose end it would be found out at.
    ///
    /// # Errors
    /// When data cannot be opened, has changed, or an evaluator refuses it. That there is nothing to measure is none.
    pub fn check(&mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<()> {
        let settings = &self.recipe.settings.evaluators;
        if !settings.any() {
            return Ok(());
        }
        self.probe_data(observer, stop)?;
        let (observer, opened) = (RefCell::new(observer), RefCell::default());
        let scenes = self.scenes(&observer, stop, &opened);
        for name in settings.names.iter().chain(&settings.during) {
            let checked = self.evaluator(name)?.check(&scenes);
            let notes = match checked {
                Err(error) if error.is::<NotApplicable>() => continue,
                checked => checked.with_context(|| format!("evaluator `{name}`"))?,
            };
            for note in notes {
                observer.borrow_mut().observe(&Event::Warning { message: format!("{name}: {note}") })?;
            }
        }
        Ok(())
    }

    fn evaluator(&self, name: &str) -> Result<Box<dyn Evaluator>> {
        Assembly::new(self.recipe, self.data.registry()).evaluator(name)
    }

    /// Opens the annotated scenes, known and with annotations of these very images, and puts them into `opened`.
    fn scenes<'s>(
        &'s self,
        observer: &'s RefCell<&mut dyn Observer>,
        stop: &'s AtomicBool,
        opened: &'s RefCell<Vec<Part>>,
    ) -> impl Fn(Split) -> Result<Arc<dyn Dataset>> + 's {
        move |split| {
            let part = self.data.part(self.recipe, Use::Scenes, split)?;
            self.data.look(&part, &mut **observer.borrow_mut(), stop)?;
            part.whole.check_sizes(&part.images.places())?;
            self.ledger.borrow().check(&part)?;
            opened.borrow_mut().push(part.clone());
            Ok(part.whole)
        }
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
        let probe_data = self.probe_data(observer, stop)?.clone();
        let subject = Subject { backbone, known: KnownFeatures::default() };
        for name in names {
            if stop.load(Ordering::Relaxed) {
                measured.stopped = true;
                break;
            }
            let found = match self.images_for(name, &probe_data)? {
                Ok(images) => self.evaluate(name, &images, &subject, observer, stop)?,
                Err(why) => Err(NotApplicable(why).into()),
            };
            match found {
                Ok(metrics) => keep(name, metrics, observer)?,
                Err(error) if error.is::<Interrupted>() => {
                    measured.stopped = true;
                    break;
                }
                Err(error) if error.is::<NotApplicable>() => {
                    let message = format!("evaluator `{name}` measured nothing: {error:#}");
                    measured.not_applicable.push(NothingToMeasure { name: name.clone(), message });
                }
                Err(error) => measured.failures.push(format!("evaluator `{name}`: {error:#}")),
            }
        }
        Ok(measured)
    }

    /// Train and val for an evaluator, or why there are none.
    fn images_for(&self, name: &str, probe_data: &ProbeData) -> Result<Result<Images, String>> {
        Ok(match probe_data {
            ProbeData::Open([train, val]) => Ok([train.clone(), val.clone()]),
            ProbeData::Missing(why) if self.evaluator(name)?.uses_probe_data() => Err(why.clone()),
            ProbeData::Missing(_) => Ok([Arc::new(NoImages), Arc::new(NoImages)]),
        })
    }

    /// Runs one evaluator: the numbers, or the error that it ended with.
    ///
    /// # Errors
    /// When the evaluator is not known or the observer fails.
    fn evaluate(
        &self,
        name: &str,
        [train, val]: &Images,
        subject: &Subject<'_>,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<Result<Vec<Metric>>> {
        let (settings, evaluator) = (&self.recipe.settings, self.evaluator(name)?);
        let (observer, opened) = (RefCell::new(observer), RefCell::default());
        let scenes = self.scenes(&observer, stop, &opened);
        let renderer = Renderer::new(&settings.augment);
        let skipped = Skipped::new(settings.loader.broken);
        let mut progress = |done, total, task: &str| {
            // Drawing a bar cannot fail; the observers that write ignore progress.
            let _ = observer.borrow_mut().observe(&Event::Progress { task: task.into(), done, total });
        };
        let context = EvaluationContext {
            backbone: subject.backbone,
            train: &**train,
            val: &**val,
            scenes: &scenes,
            known: &subject.known,
            skipped: &skipped,
            seed: self.seed,
            image_size: settings.probe_data.image_size,
            renderer: &renderer,
            progress: &mut progress,
        };
        let mut outcome = catch_unwind(AssertUnwindSafe(|| evaluator.evaluate(context)))
            .unwrap_or_else(|_| Err(anyhow!("it panicked (its message is above)")))
            .and_then(|metrics| listed(metrics, &evaluator.metrics()));
        // The scenes that were skipped are known when all have been read.
        let mut observer = observer.borrow_mut();
        let scenes_used = opened.take();
        for part in &scenes_used {
            let (dataset, _) = settings.evaluators.scenes(&settings.data.name);
            let of = format!("{name}: {dataset}, split {}", part.split().name());
            warn_of(&of, &*part.whole, &mut **observer)?;
        }
        if let Some(line) = skipped.line() {
            observer.observe(&Event::Warning { message: format!("{name}: {line}") })?;
        }
        if outcome.is_ok() {
            let labelled = self.parts.iter().filter(|_| evaluator.uses_probe_data());
            let mut ledger = self.ledger.borrow_mut();
            scenes_used.iter().chain(labelled).try_for_each(|part| ledger.note(part))?;
        }
        for metric in outcome.iter_mut().flatten() {
            metric.skipped = skipped.count();
        }
        Ok(outcome)
    }

    /// Opens the labelled images; that there are none is no error.
    ///
    /// # Errors
    /// When they cannot be opened, or have changed.
    pub fn open(&mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<()> {
        self.probe_data(observer, stop).map(drop)
    }

    /// Notes the labelled images that are open as the run's: it has numbers of them before it ends.
    ///
    /// # Errors
    /// When a manifest cannot be written.
    pub fn note_probe_data(&mut self) -> Result<()> {
        let ledger = self.ledger.get_mut();
        self.parts.iter().try_for_each(|part| ledger.note(part))
    }

    /// The images that classifiers learn from.
    ///
    /// # Errors
    /// When the probe data cannot be opened; [`NotApplicable`] when there is none, or it has no labels.
    pub fn labelled(&mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<Arc<Limited>> {
        match self.probe_data(observer, stop)? {
            ProbeData::Open([train, _]) => {
                labels(&**train, Split::Train.name())?;
                Ok(train.clone())
            }
            ProbeData::Missing(why) => Err(NotApplicable(why.clone()).into()),
        }
    }

    /// Train and val; what of them cannot be used is said when they are opened.
    fn probe_data(&mut self, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<&ProbeData> {
        if self.labelled.is_none() {
            self.labelled = Some(match self.open_probe_data(observer, stop) {
                Ok(splits) => ProbeData::Open(splits),
                Err(error) if error.is::<NotApplicable>() => ProbeData::Missing(format!("{error:#}")),
                Err(error) => return Err(error),
            });
        }
        self.labelled.as_ref().ok_or_else(|| anyhow!("the probe data is not open"))
    }

    fn open_probe_data(
        &mut self,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<[Arc<Limited>; 2]> {
        let name = &self.recipe.settings.probe_data.name;
        let parts = [Split::Train, Split::Val].map(|split| self.data.part(self.recipe, Use::Probing, split));
        let [train, val] = parts;
        let parts = [train?, val?];
        for part in &parts {
            self.data.look(part, observer, stop)?;
            self.ledger.borrow().check(part)?;
            warn_of(name, &*part.images, observer)?;
        }
        let both = parts.each_ref().map(|part| part.images.clone());
        self.parts = parts.into();
        if let Some(difference) = class_difference(both[0].classes(), both[1].classes()) {
            bail!("the probe data `{name}`: {difference}; both splits must number their classes alike");
        }
        warn_of_unlearnt(name, &both, observer)?;
        Ok(both)
    }
}

/// The metrics of an evaluator, if it lists all of them as those it may return.
fn listed(metrics: Vec<Metric>, names: &[String]) -> Result<Vec<Metric>> {
    if let Some(odd) = metrics.iter().find(|metric| !names.contains(&metric.name)) {
        bail!(
            "it returned the metric `{}`, which its `Evaluator::metrics` does not list ({})",
            odd.name,
            names.join(", ")
        );
    }
    Ok(metrics)
}

/// Names the classes of val that no train image teaches: each of their images counts as wrong.
fn warn_of_unlearnt(name: &str, [train, val]: &[Arc<Limited>; 2], observer: &mut dyn Observer) -> Result<()> {
    let classes = |dataset: &Limited| -> BTreeSet<usize> {
        (0..dataset.len()).filter_map(|index| dataset.label(index)).collect()
    };
    let (taught, asked) = (classes(train), classes(val));
    let mut unlearnt = Tally::default();
    for class in asked.difference(&taught) {
        let kind = "class[ has|es have] images in val and none in train (of probe_data.train_limit), and [counts|count] as wrong";
        unlearnt.add(kind, || val.classes().get(*class).cloned().unwrap_or_default());
    }
    unlearnt
        .lines()
        .into_iter()
        .try_for_each(|line| observer.observe(&Event::Warning { message: format!("{name}: {line}") }))
}

/// The images of an evaluator that measures on others.
struct NoImages;

impl Dataset for NoImages {
    fn len(&self) -> usize {
        0
    }

    fn id(&self, index: usize) -> String {
        index.to_string()
    }

    fn image(&self, _index: usize) -> Result<RgbImage, ImageError> {
        Err(anyhow!("there is no probe data").into())
    }

    fn digest(&self) -> String {
        String::new()
    }
}
