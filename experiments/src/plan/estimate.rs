//! The time that a run will take: as finished runs of this machine took, or by the arithmetic of its networks.

use crate::runs::{read_record, recipe_of};
use crate::system::machine;
use anyhow::{Context, Result};
use candle_core::{Device, Tensor};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use univip_core::networks::{Output, Side};
use univip_core::recipe::Recipe;
use univip_core::registry::{Kind, Registry};
use univip_core::views::Group;
use univip_run_format::{Machine, RunRecord, Status, phase};

/// The share of the matrix product's speed that a whole training step reaches, measured at `small`.
const EFFICIENCY: f64 = 0.35;

/// The cost of runs on this machine.
pub struct Estimate {
    /// The finished runs.
    finished: Vec<Finished>,
    /// Floating-point operations per second of a training, where none was measured.
    guessed: f64,
    registry: Registry,
}

/// A finished run of this machine.
struct Finished {
    fingerprint: String,
    scale: String,
    evaluators: Vec<String>,
    /// Seconds of its training.
    training: f64,
    /// Seconds of its evaluators.
    evaluation: f64,
    /// Floating-point operations of its training.
    operations: f64,
}

impl Estimate {
    /// Looks at the finished runs below `runs`; where there is none, times a matrix product.
    ///
    /// # Errors
    /// When the directory cannot be listed. A run that cannot be read tells nothing, and is no error.
    pub fn new(runs: &Path) -> Result<Self> {
        let registry = Registry::linked()?;
        let finished = if runs.is_dir() { finished(runs, &registry)? } else { Vec::new() };
        let trained = finished.iter().any(|run| run.operations > 0.0);
        let guessed = if trained { f64::INFINITY } else { matrix_product_speed()? * EFFICIENCY };
        Ok(Self { finished, guessed, registry })
    }

    /// The time of a run that learns from `images` images.
    pub fn run(&self, recipe: &Recipe, scale: &str, images: usize) -> Duration {
        let fingerprint = recipe.fingerprint();
        let same = self.finished.iter().filter(|run| run.fingerprint == fingerprint);
        let same = median(same.map(|run| run.training + run.evaluation).collect());
        let seconds = same.unwrap_or_else(|| self.by_arithmetic(recipe, scale, images));
        Duration::from_secs_f64(seconds.clamp(0.0, 1e12))
    }

    /// The origin of the times, in words.
    pub fn origin(&self, runs: &Path) -> String {
        match self.finished.len() {
            0 => "guessed from the speed of a matrix product, without the time of the evaluators".into(),
            1 => format!("based on the finished run in {}", runs.display()),
            several => format!("based on {several} finished runs in {}", runs.display()),
        }
    }

    /// By the speed of trainings at this scale, or else at any.
    fn by_arithmetic(&self, recipe: &Recipe, scale: &str, images: usize) -> f64 {
        let settings = &recipe.settings;
        let speed = |of_scale: bool| {
            let trained = self.finished.iter().filter(|run| run.operations > 0.0 && run.training > 0.0);
            let trained = trained.filter(|run| !of_scale || run.scale == scale);
            median(trained.map(|run| run.operations / run.training).collect())
        };
        let speed = speed(true).or_else(|| speed(false)).unwrap_or(self.guessed);
        let evaluators = &settings.evaluators.names;
        let measured = self.finished.iter().filter(|run| run.scale == scale && run.evaluators == *evaluators);
        let evaluation = median(measured.map(|run| run.evaluation).collect());
        let trained = images as f64 * settings.train.epochs as f64;
        operations(recipe, &self.registry, trained).unwrap_or(0.0) / speed + evaluation.unwrap_or(0.0)
    }
}

/// The finished runs of a machine like this one.
fn finished(runs: &Path, registry: &Registry) -> Result<Vec<Finished>> {
    let listing = || format!("listing {}", runs.display());
    let here = machine::here();
    let mut found = Vec::new();
    for entry in fs::read_dir(runs).with_context(listing)? {
        let path = entry.with_context(listing)?.path();
        if let Ok(Some(record)) = read_record(&path) {
            found.extend(Finished::of(&path, record, &here, registry));
        }
    }
    Ok(found)
}

impl Finished {
    /// None of a run that is not finished, is another machine's or cannot be read.
    fn of(path: &Path, record: RunRecord, here: &Machine, registry: &Registry) -> Option<Self> {
        if record.status != Status::Finished || record.machine.as_ref() != Some(here) {
            return None;
        }
        let recipe = recipe_of(path, Vec::new(), Vec::new()).ok()?;
        let settings = &recipe.settings;
        let seconds = |phase| record.seconds.get(phase).copied().unwrap_or(0.0);
        let trained = record.steps as f64 * settings.train.batch as f64;
        Some(Self {
            training: seconds(phase::TRAIN),
            evaluation: seconds(phase::EVALUATE),
            operations: operations(&recipe, registry, trained).ok()?,
            evaluators: settings.evaluators.names.clone(),
            fingerprint: record.fingerprint,
            scale: record.scale,
        })
    }
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
    use crate::runs::{Job, begin};
    use std::path::PathBuf;
    use univip_core::registry::Registry;
    // The plugins that recipes name.
    use univip_plugins as _;

    fn recipe(name: &str, sets: &[&str]) -> Recipe {
        let sets = sets.iter().map(ToString::to_string).collect();
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let library = Library { directory, scale: "smoke".into(), overlays: Vec::new(), sets };
        library.load(name).unwrap()
    }

    /// A finished run of 12 steps of 8 images.
    fn write(runs: &Path, recipe: &Recipe, seed: u64, change: impl Fn(&mut RunRecord)) {
        let fingerprint = recipe.fingerprint();
        let job = Job { recipe, name: "table7-e", scale: "smoke", seed, runs, force: false };
        let mut record = begin(&job, &fingerprint, &Registry::linked().unwrap()).unwrap();
        (record.status, record.steps) = (Status::Finished, 12);
        let seconds = [("proposals", 7.0), ("train", 100.0), ("evaluate", 20.0)];
        record.seconds = seconds.map(|(phase, seconds)| (phase.to_string(), seconds)).into();
        change(&mut record);
        let directory = runs.join(format!("table7-e-{fingerprint}-s{seed}"));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("run.json"), serde_json::to_string(&record).unwrap()).unwrap();
        fs::write(directory.join("recipe.toml"), recipe.show()).unwrap();
    }

    #[test]
    fn times_are_those_of_finished_runs_of_this_machine() {
        let runs = tempfile::tempdir().unwrap();
        let measured = recipe("table7/e", &[]);
        write(runs.path(), &measured, 0, |_| ());
        write(runs.path(), &measured, 1, |record| {
            record.machine = Some(Machine { cpu: "another".into(), threads: 2 })
        });
        write(runs.path(), &measured, 2, |record| record.status = Status::Interrupted);
        let estimate = Estimate::new(runs.path()).unwrap();
        assert!(estimate.origin(runs.path()).contains("the finished run"));
        assert_eq!(estimate.run(&measured, "smoke", 48), Duration::from_secs(120));
        // Twice the epochs over the same images train for twice as long, and are measured as before.
        let longer = recipe("table7/e", &["train.epochs=4"]);
        assert_eq!(estimate.run(&longer, "smoke", 48), Duration::from_secs(220));
        // Other evaluators were never measured.
        let other = recipe("table7/e", &["train.epochs=4", "evaluators.use=[\"knn\"]"]);
        assert_eq!(estimate.run(&other, "smoke", 48), Duration::from_secs(200));
    }

    #[test]
    fn without_a_finished_run_a_matrix_product_has_to_do() {
        let runs = tempfile::tempdir().unwrap();
        for place in [runs.path().to_path_buf(), runs.path().join("none")] {
            let estimate = Estimate::new(&place).unwrap();
            assert!(estimate.origin(&place).contains("guessed"));
            let time = estimate.run(&recipe("table7/e", &[]), "smoke", 48);
            assert!(time > Duration::ZERO && time < Duration::from_secs(3600), "{time:?}");
        }
    }
}
