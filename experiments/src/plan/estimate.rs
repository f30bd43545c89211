//! The time that pre-trainings and measurements will take: as those of this machine took, or by the arithmetic of the networks.

use crate::runs::{read_record, recipe_of};
use crate::system::machine;
use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use univip_core::networks::{Output, Side};
use univip_core::recipe::{Measurement, Recipe};
use univip_core::registry::{Kind, Registry};
use univip_core::views::Group;
use univip_run_format::{Machine, RunRecord, Taken, phase};

/// The share of the matrix product's speed that a whole training step reaches, measured at `small`.
const EFFICIENCY: f64 = 0.35;

/// The cost of runs on this machine.
pub struct Estimate {
    /// The pre-trainings that have ended.
    trained: Vec<Trained>,
    /// The measurements.
    measured: Vec<Measured>,
    /// Floating-point operations per second of a training, where none was measured.
    guessed: f64,
    registry: Registry,
}

/// A pre-training on this machine that has ended.
struct Trained {
    fingerprint: String,
    scale: String,
    seconds: f64,
    /// Floating-point operations.
    operations: f64,
}

/// A measurement that was made on this machine.
struct Measured {
    name: String,
    digest: String,
    scale: String,
    /// The network that was measured.
    network: Value,
    seconds: f64,
}

impl Estimate {
    /// Looks at the runs below `runs`; where nothing was trained, times a matrix product.
    ///
    /// # Errors
    /// When the directory cannot be listed. A run that cannot be read tells nothing, and is no error.
    pub fn new(runs: &Path) -> Result<Self> {
        let mut found = Self {
            trained: Vec::new(),
            measured: Vec::new(),
            guessed: f64::INFINITY,
            registry: Registry::linked()?,
        };
        let here = machine::here();
        let listing = || format!("listing {}", runs.display());
        if runs.is_dir() {
            for entry in fs::read_dir(runs).with_context(listing)? {
                let path = entry.with_context(listing)?.path();
                if let Ok(Some(record)) = read_record(&path) {
                    found.add(&path, record, &here);
                }
            }
        }
        if !found.trained.iter().any(|run| run.operations > 0.0) {
            found.guessed = matrix_product_speed()? * EFFICIENCY;
        }
        Ok(found)
    }

    /// Nothing of a run that is not trained, is another machine's or cannot be read.
    fn add(&mut self, path: &Path, record: RunRecord, here: &Machine) -> Option<()> {
        if !record.is_trained() || record.machine.as_ref() != Some(here) {
            return None;
        }
        let recipe = recipe_of(path, Vec::new(), Vec::new()).ok()?;
        let images = record.steps as f64 * recipe.settings.train.batch as f64;
        let operations = operations(&recipe, &self.registry, images).ok()?;
        let taken = record.measurements.into_iter().filter(|(_, taken)| taken.not_applicable.is_none());
        self.measured.extend(taken.map(|(digest, Taken { name, seconds, .. })| Measured {
            name,
            digest,
            scale: record.scale.clone(),
            network: recipe.resolved()["network"].clone(),
            seconds,
        }));
        self.trained.push(Trained {
            seconds: record.seconds.get(phase::TRAIN).copied().unwrap_or(0.0),
            operations,
            fingerprint: record.fingerprint,
            scale: record.scale,
        });
        Some(())
    }

    /// The time of a pre-training that learns from `images` images: as it took, or by its arithmetic.
    pub fn training(&self, recipe: &Recipe, scale: &str, images: usize) -> Duration {
        let fingerprint = recipe.fingerprint();
        let same = self.trained.iter().filter(|run| run.fingerprint == fingerprint);
        let same = median(same.map(|run| run.seconds).collect());
        duration(same.unwrap_or_else(|| self.by_arithmetic(recipe, scale, images)))
    }

    /// The time of a measurement: as it took on such a network, or on any, or as one of that name took at this scale; none where there
    /// was no such measurement.
    pub fn measurement(&self, recipe: &Recipe, asked: &Measurement, scale: &str) -> Option<Duration> {
        let network = &recipe.resolved()["network"];
        let of = |same: &dyn Fn(&&Measured) -> bool| {
            median(self.measured.iter().filter(same).map(|each| each.seconds).collect())
        };
        let same = |each: &&Measured| each.digest == asked.digest;
        of(&|each| same(each) && each.network == *network)
            .or_else(|| of(&same))
            .or_else(|| of(&|each| each.name == asked.name && each.scale == scale))
            .map(duration)
    }

    /// The origin of the times, in words.
    pub fn origin(&self, runs: &Path) -> String {
        match self.trained.len() {
            0 => "guessed from the speed of a matrix product".into(),
            1 => format!("based on the run in {}", runs.display()),
            several => format!("based on {several} runs in {}", runs.display()),
        }
    }

    /// By the speed of trainings at this scale, or else at any.
    fn by_arithmetic(&self, recipe: &Recipe, scale: &str, images: usize) -> f64 {
        let speed = |of_scale: bool| {
            let trained = self.trained.iter().filter(|run| run.operations > 0.0 && run.seconds > 0.0);
            let trained = trained.filter(|run| !of_scale || run.scale == scale);
            median(trained.map(|run| run.operations / run.seconds).collect())
        };
        let speed = speed(true).or_else(|| speed(false)).unwrap_or(self.guessed);
        let images = images as f64 * recipe.settings.train.epochs as f64;
        operations(recipe, &self.registry, images).unwrap_or(0.0) / speed
    }
}

fn duration(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, 1e12))
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Floating-point operations per second of a matrix product here.
fn matrix_product_speed() -> Result<f64> {
    const SIDE: usize = 768;
    let matrix = Tensor::ones((SIDE, SIDE), candle_core::DType::F32, &Device::Cpu)?;
    let mut best = Duration::MAX;
    for _ in 0..4 {
        let begin = Instant::now();
        matrix.matmul(&matrix)?;
        best = best.min(begin.elapsed());
    }
    Ok(2.0 * (SIDE as f64).powi(3) / best.as_secs_f64().max(1e-9))
}

/// Floating-point operations of a training that sees `images` images.
///
/// # Errors
/// When the recipe names plugins that are not linked.
fn operations(recipe: &Recipe, registry: &Registry, images: f64) -> Result<f64> {
    let name = &recipe.settings.network.backbone;
    let key = "network.backbone";
    let facts = registry.get(Kind::Backbone, name, &recipe.origin(key), key)?.backbone_facts()?;
    let width = recipe.settings.network.width as f64 / 64.0;
    // Width and side both enter squared.
    let forward = |side: u32| 2.0 * facts.multiply_adds * (width * f64::from(side) / 224.0).powi(2);
    let needs: Vec<Output> = recipe.needs(registry)?.into_iter().flat_map(|(_, needs)| needs).collect();
    let group = |group: &Group| {
        let asked = |side| needs.iter().any(|output| output.group == group.name && output.side == side);
        // The online network goes forward and twice as much backward, the target network forward.
        let online = if asked(Side::Online) { 3.0 } else { 0.0 };
        let target = if asked(Side::Target) { 1.0 } else { 0.0 };
        (online + target) * group.views() as f64 * forward(group.size)
    };
    Ok(recipe.groups(registry)?.iter().map(group).sum::<f64>() * images)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Library;
    use crate::runs::{Asked, Job, begin};
    use std::path::PathBuf;
    use univip_run_format::Status;
    // The plugins that recipes name.
    use univip_plugins as _;

    fn recipe(name: &str, sets: &[&str]) -> Recipe {
        let sets = sets.iter().map(ToString::to_string).collect();
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let library = Library { directory, scale: "smoke".into(), overlays: Vec::new(), sets };
        library.load(name).unwrap()
    }

    /// A finished run of 12 steps of 8 images, measured by all that its recipe asks for, each in 20 seconds.
    fn write(runs: &Path, recipe: &Recipe, seed: u64, change: impl Fn(&mut RunRecord)) {
        let (fingerprint, asked) = (recipe.fingerprint(), asked(recipe));
        let (name, scale) = ("table7-e", "smoke");
        let job = Job { recipe, asked: vec![&asked], name, scale, seed, runs, force: false };
        let mut record = begin(&job, &fingerprint, &Registry::linked().unwrap()).unwrap();
        (record.status, record.steps) = (Status::Finished, 12);
        let seconds = [("proposals", 7.0), ("train", 100.0), ("evaluate", 60.0)];
        record.seconds = seconds.map(|(phase, seconds)| (phase.to_string(), seconds)).into();
        for (name, digest) in asked.digests() {
            record.measurements.insert(digest, Taken { name, seconds: 20.0, not_applicable: None });
        }
        change(&mut record);
        let directory = runs.join(format!("table7-e-{fingerprint}-s{seed}"));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("run.json"), serde_json::to_string(&record).unwrap()).unwrap();
        fs::write(directory.join("recipe.toml"), recipe.show()).unwrap();
    }

    fn asked(recipe: &Recipe) -> Asked {
        Asked::of(recipe.clone(), &Registry::linked().unwrap()).unwrap()
    }

    #[test]
    fn times_are_those_of_runs_of_this_machine() {
        let runs = tempfile::tempdir().unwrap();
        let measured = recipe("table7/e", &[]);
        write(runs.path(), &measured, 0, |_| ());
        write(runs.path(), &measured, 1, |record| {
            record.machine = Some(Machine { cpu: "another".into(), threads: 2 })
        });
        write(runs.path(), &measured, 2, |record| record.status = Status::Interrupted);
        let estimate = Estimate::new(runs.path()).unwrap();
        assert!(estimate.origin(runs.path()).contains("the run in"));
        let training = |recipe: &Recipe| estimate.training(recipe, "smoke", 48);
        assert_eq!(training(&measured), Duration::from_secs(100));
        assert_eq!(estimate.training(&measured, "smoke", 7), Duration::from_secs(100), "no arithmetic");
        // Twice the epochs over the same images train for twice as long, and are measured as before.
        let longer = recipe("table7/e", &["train.epochs=4"]);
        assert_eq!(training(&longer), Duration::from_secs(200));
        let time = |recipe: &Recipe, place: usize, scale: &str| {
            estimate.measurement(recipe, &asked(recipe).measurements[place], scale)
        };
        assert_eq!([0, 1, 2].map(|place| time(&longer, place, "smoke")), [Some(Duration::from_secs(20)); 3]);
        // One of that name and scale is near enough; another was never made.
        let other =
            recipe("table7/e", &["evaluator.knn.k=3", "evaluators.use=[\"knn\", \"semi-supervised\"]"]);
        assert_eq!(time(&other, 0, "smoke"), Some(Duration::from_secs(20)));
        assert_eq!((time(&other, 0, "small"), time(&other, 1, "smoke")), (None, None));
    }

    #[test]
    fn without_a_run_a_matrix_product_has_to_do() {
        let runs = tempfile::tempdir().unwrap();
        for place in [runs.path().to_path_buf(), runs.path().join("none")] {
            let estimate = Estimate::new(&place).unwrap();
            assert!(estimate.origin(&place).contains("guessed"));
            let time = estimate.training(&recipe("table7/e", &[]), "smoke", 48);
            assert!(time > Duration::ZERO && time < Duration::from_secs(3600), "{time:?}");
        }
    }
}
