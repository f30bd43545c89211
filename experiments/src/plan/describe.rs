//! A plan for people: what is finished, and how long the rest takes.

use super::ablation::{Plan, PlannedRun};
use super::estimate::Estimate;
use crate::figures;
use crate::runs::finished;
use anyhow::Result;
use std::path::Path;
use std::time::Duration;
use univip_core::printable::{message, printable};
use univip_core::recipe::Recipe;

impl Plan {
    /// The plan for people, closing with its counts; with `force` nothing counts as finished. `images` tells how many
    /// images a recipe learns from.
    pub fn describe(
        &self,
        runs: &Path,
        force: bool,
        images: &dyn Fn(&Recipe) -> Result<usize>,
    ) -> Result<String> {
        let estimate = Estimate::new(runs)?;
        let mut text = String::new();
        let mut left = Duration::ZERO;
        for (place, row) in self.wanted().enumerate() {
            let planned = &self.trainings[row.run];
            let shared = self.wanted().take(place).find(|earlier| earlier.run == row.run);
            let state = match shared {
                Some(earlier) => format!("the run of {}", earlier.name),
                None => {
                    let time = estimate.run(&planned.recipe, &self.scale, images(&planned.recipe)?);
                    let (done, state) = if force { (0, each(time)) } else { self.state(planned, runs, time) };
                    left += time * (self.seeds.len() - done) as u32;
                    state
                }
            };
            let fingerprint = planned.recipe.fingerprint();
            let [name, title, state] = [&row.name, &row.row.title, &state].map(|text| printable(text));
            text += &format!("{name:<24} {title:<36} {fingerprint}  {state}\n");
        }
        for table in self.tables.iter() {
            for missing in &table.missing {
                let name = printable(&format!("{}/{}", table.name, missing.name));
                let title = printable(&missing.row.title);
                text += &format!("{name:<24} {title:<36} its method is not there yet\n");
            }
        }
        for why in self.left_out() {
            text += &format!("{}\n", message(why));
        }
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        let left = match left {
            Duration::ZERO => "no training is left".into(),
            left => format!("about {} left on this machine, {}", figures::time(left), estimate.origin(runs)),
        };
        let (scale, seeds) = (&self.scale, seeds.join(", "));
        let beside = if self.is_random_run() { "The untrained backbone is run as well. " } else { "" };
        text += &format!("{beside}Scale {scale}, seeds {seeds}; {left}\n");
        let count =
            |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        text +=
            &format!("{}, {}\n", count(self.wanted().count(), "row"), count(self.needed().count(), "run"));
        Ok(text)
    }

    /// The number of finished seeds of a run, and its state in words. A damaged directory is not finished.
    fn state(&self, planned: &PlannedRun, runs: &Path, time: Duration) -> (usize, String) {
        let fingerprint = planned.recipe.fingerprint();
        let (mut done, mut problems) = (0, String::new());
        for seed in &self.seeds {
            match finished(runs, &planned.name, &fingerprint, *seed) {
                Ok(finished) => done += usize::from(finished),
                Err(error) => problems += &format!("; seed {seed}: {error:#}"),
            }
        }
        let state = match done {
            0 => each(time),
            done if done == self.seeds.len() => "finished".into(),
            done => format!("{done} of {} seeds finished, {}", self.seeds.len(), each(time)),
        };
        (done, state + &problems)
    }
}

fn each(time: Duration) -> String {
    format!("about {} per seed", figures::time(time))
}
