//! The order of runs that are made at the same time.

use super::job::Job;
use anyhow::Result;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use univip_core::recipe::Recipe;
use univip_core::registry::Registry;

/// Jobs that wait for a process.
pub struct Queue<'a, 'b> {
    jobs: Vec<&'b Job<'a>>,
    /// The boxes that a run may be making, by the run's name: see [`boxes`].
    making: BTreeMap<String, String>,
    made: BTreeSet<String>,
}

impl<'a, 'b> Queue<'a, 'b> {
    /// The jobs, seed by seed, those of a seed that train for longer before the others: the last ones, which leave threads idle, are short.
    pub fn new(jobs: &'b [Job<'a>], registry: &Registry) -> Self {
        let length = |job: &&Job<'_>| {
            // A recipe that names a plugin that is not linked is refused when its run is made.
            let pixels = pixels(job.recipe, registry).unwrap_or(0) as u64;
            Reverse(pixels * job.recipe.settings.train.epochs)
        };
        let mut ordered = Vec::new();
        for of_seed in jobs.chunk_by(|one, next| one.seed == next.seed) {
            let mut of_seed: Vec<&Job<'a>> = of_seed.iter().collect();
            of_seed.sort_by_key(length);
            ordered.extend(of_seed);
        }
        Self { jobs: ordered, making: BTreeMap::new(), made: BTreeSet::new() }
    }

    /// The next one: the first whose boxes none of those that are `running` may be making, or else the first. Two that begin together
    /// would both make them.
    pub fn next(&mut self, running: &[&str]) -> Option<&'b Job<'a>> {
        self.making.retain(|name, boxes| {
            let runs = running.contains(&name.as_str());
            self.made.extend((!runs).then(|| boxes.clone()));
            runs
        });
        let makes = |job: &Job<'_>| boxes(job.recipe).filter(|boxes| !self.made.contains(boxes));
        let apart = |job: &&Job<'_>| {
            makes(job).is_none_or(|boxes| !self.making.values().any(|making| *making == boxes))
        };
        let place = self.jobs.iter().position(apart).unwrap_or(0);
        let job = self.jobs.get(place).copied()?;
        let makes = makes(job);
        self.making.extend(makes.map(|boxes| (job.title(), boxes)));
        Some(self.jobs.remove(place))
    }
}

/// The source and the images of the boxes that a recipe needs; none where it has no instances.
fn boxes(recipe: &Recipe) -> Option<String> {
    let settings = &recipe.settings;
    let needed = settings.views.instances > 0 && settings.train.epochs > 0;
    needed.then(|| format!("{} of {}", settings.proposals.name, settings.data.name))
}

/// The pixels of all views of an image.
///
/// # Errors
/// When the recipe names plugins that are not linked.
pub fn pixels(recipe: &Recipe, registry: &Registry) -> Result<usize> {
    let groups = recipe.groups(registry)?;
    Ok(groups.iter().map(|group| group.views() * (group.size as usize).pow(2)).sum())
}
