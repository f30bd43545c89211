//! The data of a command: each split is opened once, and is known to be what it was when it was first used.

use super::job::Asked;
use anyhow::{Result, anyhow, bail};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use univip_core::assemble::{Assembly, steps_per_epoch};
use univip_core::dataset::{Dataset, Limited, Split};
use univip_core::digest::of_value;
use univip_core::error::{Interrupted, NotApplicable};
use univip_core::event::{Event, Observer};
use univip_core::identity::{Checked, Manifest};
use univip_core::image_file;
use univip_core::recipe::Recipe;
use univip_core::registry::{Kind, Registration, Registry};
use univip_run_format::RunRecord;

/// The data of a command.
pub struct Data<'a> {
    registry: &'a Registry,
    /// Of the cache and the manifests.
    directory: PathBuf,
    opened: Mutex<Vec<Opened>>,
}

/// A split that is open: another one has another name, other settings, or lies elsewhere.
struct Opened {
    name: String,
    settings: serde_json::Value,
    split: Split,
    /// It is the annotated part alone.
    annotated: bool,
    dataset: Arc<Checked>,
}

/// The use that a run makes of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Pre-trains on it.
    Learning,
    /// Measures with its labels.
    Probing,
    /// Measures with its annotations, on the images that have them.
    Scenes,
}

/// A split, and the images of it that are used.
#[derive(Clone)]
pub struct Part {
    /// The split.
    pub whole: Arc<Checked>,
    /// The images.
    pub images: Arc<Limited>,
    usage: Use,
    split: Split,
    /// Its name in records.
    key: String,
}

impl Use {
    /// The dataset's name in a recipe, and the key that says it.
    fn dataset(self, recipe: &Recipe) -> Named<'_> {
        let settings = &recipe.settings;
        match self {
            Use::Learning => Named { name: &settings.data.name, key: "data.use" },
            Use::Scenes => {
                let (name, key) = settings.evaluators.scenes(&settings.data.name);
                Named { name, key }
            }
            Use::Probing => Named { name: &settings.probe_data.name, key: "probe_data.use" },
        }
    }
}

/// See [`Opened`].
#[derive(Clone, Copy)]
struct Opening<'a> {
    name: &'a str,
    settings: &'a serde_json::Value,
    split: Split,
    annotated: bool,
}

struct Named<'a> {
    name: &'a str,
    key: &'static str,
}

impl<'a> Data<'a> {
    /// Nothing is open yet. What is known of image files is kept below `runs`.
    pub fn new(registry: &'a Registry, runs: &Path) -> Self {
        Self { registry, directory: runs.join("data"), opened: Mutex::default() }
    }

    /// The plugins.
    pub fn registry(&self) -> &'a Registry {
        self.registry
    }

    /// A split of a recipe's data, and the images of it that the recipe asks for.
    ///
    /// # Errors
    /// [`NotApplicable`] where the dataset has no such split; otherwise a [`RecipeError`](univip_core::error::RecipeError): what is named cannot be used.
    pub fn part(&self, recipe: &Recipe, usage: Use, split: Split) -> Result<Part> {
        let Named { name, key } = usage.dataset(recipe);
        image_file::limit_pixels(recipe.settings.loader.max_pixels);
        let (_, settings) = self.settings(recipe, usage)?;
        let open = || Assembly::new(recipe, self.registry).dataset(key, name, split).map(Some);
        let asked = Opening { name, settings: &settings, split, annotated: false };
        let mut whole = self.opened(asked, &open)?;
        if let (Use::Scenes, Some(all)) = (usage, &whole) {
            let part = self.opened(Opening { annotated: true, ..asked }, &|| all.annotated_part())?;
            whole = part.or(whole);
        }
        let whole = whole.ok_or_else(|| anyhow!("the dataset `{name}` is not open"))?;
        let (probe, all): (_, Arc<dyn Dataset>) = (&recipe.settings.probe_data, whole.clone());
        let images = match (usage, split) {
            (Use::Learning, _) => Limited::first(all, recipe.settings.data.limit),
            (Use::Scenes, _) => Limited::first(all, 0),
            (Use::Probing, Split::Train) => Limited::drawn(all, probe.train_limit),
            (Use::Probing, Split::Val) => Limited::drawn(all, probe.val_limit),
        };
        let key = self.key(recipe, usage, split)?;
        Ok(Part { whole, images: Arc::new(images), usage, split, key })
    }

    /// The plugin of the dataset, and all values of its table.
    fn settings(&self, recipe: &Recipe, usage: Use) -> Result<(&'static Registration, serde_json::Value)> {
        let Named { name, key } = usage.dataset(recipe);
        let plugin = self.registry.get(Kind::Dataset, name, &recipe.origin(key), key)?;
        Ok((plugin, (plugin.resolve)(&recipe.table(Kind::Dataset, name))?))
    }

    /// The name of a part in records: a run is measured on parts of several datasets, or on several parts of one.
    fn key(&self, recipe: &Recipe, usage: Use, split: Split) -> Result<String> {
        let part = name(usage, split);
        if part == LEARNED {
            return Ok(part);
        }
        let Named { name, .. } = usage.dataset(recipe);
        let (plugin, mut settings) = self.settings(recipe, usage)?;
        if let Some(settings) = settings.as_object_mut() {
            settings.retain(|key, _| !plugin.places.contains(&key.as_str()));
        }
        let probe = &recipe.settings.probe_data;
        let limit = match (usage, split) {
            (Use::Probing, Split::Train) => probe.train_limit,
            (Use::Probing, Split::Val) => probe.val_limit,
            (Use::Scenes | Use::Learning, _) => 0,
        };
        Ok(format!("{part} {name} {}", of_value(&serde_json::json!([settings, limit]))))
    }

    /// A split as it is asked for, opened by `open` if it is not open yet; none where that finds none.
    fn opened(
        &self,
        asked: Opening<'_>,
        open: &dyn Fn() -> Result<Option<Box<dyn Dataset>>>,
    ) -> Result<Option<Arc<Checked>>> {
        let Opening { name, settings, split, annotated } = asked;
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |one: &&Opened| {
            one.name == name && one.split == split && one.annotated == annotated && one.settings == *settings
        };
        if let Some(opened) = opened.iter().find(same) {
            return Ok(Some(opened.dataset.clone()));
        }
        let Some(dataset) = open()? else { return Ok(None) };
        let dataset = Arc::new(Checked::new(dataset, &self.directory));
        let (name, settings) = (name.into(), settings.clone());
        opened.push(Opened { name, settings, split, annotated, dataset: dataset.clone() });
        Ok(Some(dataset))
    }

    /// Opens all that a run of the recipe begins with.
    ///
    /// # Errors
    /// As [`Data::part`].
    pub fn open_all(&self, recipe: &Recipe) -> Result<()> {
        let learnt = self.part(recipe, Use::Learning, Split::Train)?;
        steps_per_epoch(recipe, learnt.images.len())?;
        if recipe.settings.evaluators.any() {
            for split in [Split::Train, Split::Val] {
                match self.part(recipe, Use::Probing, split) {
                    // The evaluators that need it say so.
                    Err(error) if error.is::<NotApplicable>() => {}
                    opened => drop(opened?),
                }
            }
        }
        Ok(())
    }

    /// Makes the images of a part known, as [`Checked::look`] does.
    ///
    /// # Errors
    /// [`Interrupted`] when `stop` is set.
    pub fn look(&self, part: &Part, observer: &mut dyn Observer, stop: &AtomicBool) -> Result<()> {
        part.whole.look(&part.images.places(), &mut |done, total| {
            if stop.load(Ordering::Relaxed) {
                return Err(Interrupted::Elsewhere.into());
            }
            observer.observe(&Event::Progress { task: "look at images".into(), done, total })
        })
    }
}

impl Part {
    /// The split.
    pub fn split(&self) -> Split {
        self.split
    }

    fn name(&self) -> String {
        name(self.usage, self.split)
    }
}

/// As messages name a part: `probe_data val`.
fn name(usage: Use, split: Split) -> String {
    let usage = match usage {
        Use::Learning => "data",
        Use::Probing => "probe_data",
        Use::Scenes => "scenes",
    };
    format!("{usage} {}", split.name())
}

/// The knowledge of a part that a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It has not been used.
    Unused,
    /// It is what it was.
    Same,
    /// It has other images than it had.
    Changed,
}

/// The digests of a run's data when each part was first used.
pub struct Ledger {
    directory: PathBuf,
    /// [`Dataset::identity`] of each part.
    digests: BTreeMap<String, String>,
}

impl Ledger {
    /// Of a run.
    pub fn of(record: &RunRecord, data: &Data<'_>) -> Self {
        let mut digests = record.digests.clone();
        if !record.data_digest.is_empty() {
            digests.insert(LEARNED.into(), record.data_digest.clone());
        }
        Self { directory: data.directory.clone(), digests }
    }

    /// Of no run: nothing has been used.
    pub fn empty(data: &Data<'_>) -> Self {
        Self { directory: data.directory.clone(), digests: BTreeMap::new() }
    }

    /// The parts of a recipe's data that have been used.
    fn parts(&self, recipe: &Recipe, data: &Data<'_>) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        for usage in [Use::Learning, Use::Probing, Use::Scenes] {
            for split in [Split::Train, Split::Val] {
                let key = data.key(recipe, usage, split)?;
                if self.digest(&key, &name(usage, split)).is_some() {
                    parts.push(data.part(recipe, usage, split)?);
                }
            }
        }
        Ok(parts)
    }

    /// Writes it into the record.
    pub fn record(&self, record: &mut RunRecord) {
        record.digests = self.digests.clone();
        record.data_digest = record.digests.remove(LEARNED).unwrap_or_default();
    }

    /// Refuses any part of the recipes' data that has been used and is not what it was.
    ///
    /// # Errors
    /// As [`Ledger::check`]; [`Interrupted`] when `stop` is set.
    pub fn check_all(
        &self,
        asked: &[&Asked],
        data: &Data<'_>,
        observer: &mut dyn Observer,
        stop: &AtomicBool,
    ) -> Result<()> {
        for asked in asked {
            for part in self.parts(&asked.recipe, data)? {
                data.look(&part, observer, stop)?;
                self.check(&part)?;
            }
        }
        Ok(())
    }

    /// The digest of a part. Earlier versions named it by its usage and split alone.
    fn digest(&self, key: &str, name: &str) -> Option<&String> {
        self.digests.get(key).or_else(|| self.digests.get(name))
    }

    /// The knowledge of a part that has been looked at.
    pub fn known(&self, part: &Part) -> Known {
        match self.digest(&part.key, &part.name()) {
            None => Known::Unused,
            Some(then) if *then == part.images.identity() => Known::Same,
            Some(_) => Known::Changed,
        }
    }

    /// Refuses a part that is not what it was when the run first used it.
    ///
    /// # Errors
    /// Naming the first image that has changed.
    pub fn check(&self, part: &Part) -> Result<()> {
        let Some(then) = self.digest(&part.key, &part.name()) else { return Ok(()) };
        if *then == part.images.identity() {
            return Ok(());
        }
        let now = Manifest::of(&*part.images);
        bail!(
            "the images of {} are not those of this run: {} (digest {then} then, {} now); if they were changed, restore them, \
             or start anew with --force; if they are another dataset, keep its runs apart with --runs DIR",
            part.name(),
            now.changes_since(&self.directory, then),
            now.digest()
        )
    }

    /// Notes what a part is that the run has learned from or has numbers of. What only failed on it is no use: what is
    /// mended after that is no change.
    ///
    /// # Errors
    /// When its manifest cannot be written.
    pub fn note(&mut self, part: &Part) -> Result<()> {
        if self.digest(&part.key, &part.name()).is_none() {
            let now = Manifest::of(&*part.images);
            now.keep(&self.directory)?;
            self.digests.insert(part.key.clone(), now.digest().into());
        }
        Ok(())
    }
}

/// The part that is pre-trained on, by its name.
const LEARNED: &str = "data train";

/// Warns of what a dataset could not use.
pub fn warn_of(name: &str, dataset: &dyn Dataset, observer: &mut dyn Observer) -> Result<()> {
    for line in dataset.skipped().lines() {
        observer.observe(&Event::Warning { message: format!("{name}: {line}") })?;
    }
    Ok(())
}
