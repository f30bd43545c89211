//! A plan for people: what is finished, and how long the rest takes.

use super::ablation::{Plan, distinct};
use super::estimate::Estimate;
use super::planned::{NeededRun, PlannedRow};
use crate::figures;
use crate::runs::{Asked, Done};
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use univip_core::counted::counted;
use univip_core::printable::{message, printable};
use univip_core::recipe::Recipe;

/// A run of the plan: what is done of it, and what the rest takes.
struct RunState<'a> {
    needed: NeededRun<'a>,
    /// The time of its pre-training.
    training: Duration,
    /// The time of each measurement, by its digest; none where nothing like it was measured here.
    measuring: BTreeMap<&'a str, Option<Duration>>,
    /// The part that is done of each seed; nothing of a damaged directory.
    done: Vec<Done>,
    /// The damaged directories.
    problems: String,
}

/// The rows that were described.
#[derive(Default)]
struct Described<'a> {
    /// The first row of each pre-training, by its fingerprint.
    first: BTreeMap<&'a str, &'a str>,
    /// The measurements: fingerprint and digest.
    measured: BTreeSet<(&'a str, &'a str)>,
}

impl Plan {
    /// The plan for people, closing with its counts; with `force` nothing counts as finished. So many runs are made `at_once`; `images`
    /// tells how many images a recipe learns from.
    pub fn describe(
        &self,
        runs: &Path,
        force: bool,
        at_once: usize,
        images: &dyn Fn(&Recipe) -> Result<usize>,
    ) -> Result<String> {
        let estimate = Estimate::new(runs)?;
        let mut states = Vec::new();
        for needed in self.runs() {
            states.push(self.run_state(needed, &estimate, (runs, force), images)?);
        }
        let (mut text, mut described) = (String::new(), Described::default());
        for row in self.wanted() {
            let fingerprint = self.trainings[row.run].fingerprint();
            let Some(state) = states.iter().find(|state| state.needed.run.fingerprint() == fingerprint)
            else {
                continue;
            };
            let said = self.row_state(row, state, &mut described);
            let [name, title, said] = [&row.name, &row.row.title, &said].map(|text| printable(text));
            text += &format!("{name:<24} {title:<36} {fingerprint}  {said}\n");
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
        let (scale, seeds, left) =
            (&self.scale, seeds.join(", "), left(&states, at_once, &estimate.origin(runs)));
        let beside = if self.has_random() { "The untrained backbone is measured as well. " } else { "" };
        text += &format!("{beside}Scale {scale}, seeds {seeds}; {left}\n");
        Ok(text + &self.counts(&states))
    }

    /// `5 rows, 5 pre-trainings, 18 measurements`, those of the untrained backbone included.
    fn counts(&self, states: &[RunState<'_>]) -> String {
        let trained = distinct(self.wanted().map(|row| row.run)).len();
        let measurements: usize = states.iter().map(|state| state.measuring.len()).sum();
        let each = if self.seeds.len() > 1 { ", of each seed" } else { "" };
        format!(
            "{}, {}, {}{each}\n",
            counted(self.wanted().count(), "row[|s]"),
            counted(trained, "pre-training[|s]"),
            counted(measurements, "measurement[|s]")
        )
    }

    fn run_state<'a>(
        &self,
        needed: NeededRun<'a>,
        estimate: &Estimate,
        (runs, force): (&Path, bool),
        images: &dyn Fn(&Recipe) -> Result<usize>,
    ) -> Result<RunState<'a>> {
        let mut training = Duration::ZERO;
        if let Some(Asked { recipe, .. }) = needed.asked.first() {
            training = estimate.training(recipe, &self.scale, images(recipe)?);
        }
        let measured = |(recipe, each)| estimate.measurement(recipe, each, &self.scale);
        let measurements = needed.measurements();
        let measuring =
            measurements.into_iter().map(|each| (each.1.digest.as_str(), measured(each))).collect();
        let (mut done, mut problems) = (Vec::new(), String::new());
        for seed in &self.seeds {
            let found = match force {
                true => Ok(Done::default()),
                false => Done::find(runs, &needed.run.name, needed.run.fingerprint(), *seed),
            };
            done.push(found.unwrap_or_else(|error| {
                problems += &format!("; seed {seed}: {error:#}");
                Done::default()
            }));
        }
        Ok(RunState { needed, training, measuring, done, problems })
    }

    /// The state of a row in words. What an earlier row brings about takes no time again.
    fn row_state<'a>(
        &'a self,
        row: &'a PlannedRow,
        state: &RunState<'_>,
        described: &mut Described<'a>,
    ) -> String {
        let (fingerprint, asked) = (self.trainings[row.run].fingerprint(), self.asked(row));
        let first = *described.first.entry(fingerprint).or_insert(&row.name);
        let shared = first != row.name;
        let digests: Vec<&str> = asked.measurements.iter().map(|each| each.digest.as_str()).collect();
        let mut own = digests.clone();
        own.retain(|digest| described.measured.insert((fingerprint, *digest)));
        let finished = |done: &Done| done.trained && digests.iter().all(|each| done.measured.contains(*each));
        let unfinished: Vec<&Done> = state.done.iter().filter(|done| !finished(done)).collect();
        let trained = unfinished.iter().all(|done| done.trained);
        let said = if unfinished.is_empty() {
            "finished".to_string()
        } else if shared && own.is_empty() {
            format!("the run of {first}")
        } else {
            let time: Duration = unfinished.iter().map(|done| state.left(done, !shared, &own)).sum();
            let (seeds, time) = (state.done.len(), figures::time(time / unfinished.len() as u32));
            let some = match seeds - unfinished.len() {
                0 => String::new(),
                done => format!("{done} of {} finished, ", counted(seeds, "seed[|s]")),
            };
            let training = match (shared, trained) {
                (true, _) => format!("the pre-training of {first}, "),
                (false, true) => "pre-trained, ".to_string(),
                (false, false) => String::new(),
            };
            format!("{some}{training}about {time} per seed")
        };
        said + &state.problems
    }
}

impl RunState<'_> {
    /// The time of what is left of a seed: the training, where it is `counted`, and of the measurements `digests`.
    fn left(&self, done: &Done, counted: bool, digests: &[&str]) -> Duration {
        let training = if counted && !done.trained { self.training } else { Duration::ZERO };
        let missing = digests.iter().filter(|digest| !done.measured.contains(**digest));
        training + missing.filter_map(|digest| *self.measuring.get(digest)?).sum::<Duration>()
    }
}

/// The time of all that is left, in words.
fn left(states: &[RunState<'_>], at_once: usize, origin: &str) -> String {
    let (mut time, mut nothing, mut unknown) = (Duration::ZERO, true, BTreeSet::new());
    for state in states {
        let digests: Vec<&str> = state.measuring.keys().copied().collect();
        let measurements = state.needed.measurements();
        for done in &state.done {
            time += state.left(done, true, &digests);
            nothing &= done.trained;
            for (_, each) in &measurements {
                if !done.measured.contains(&each.digest) {
                    nothing = false;
                    let timed = state.measuring.get(each.digest.as_str()).is_some_and(Option::is_some);
                    unknown.extend((!timed).then_some(each.name.as_str()));
                }
            }
        }
    }
    if nothing {
        return "nothing is left to do".into();
    }
    let without = match unknown.is_empty() {
        true => String::new(),
        false => {
            let names: Vec<&str> = unknown.into_iter().collect();
            format!(", without the time of {}, which nothing here was measured by", names.join(", "))
        }
    };
    let (together, at_once) = match u32::try_from(at_once) {
        Ok(several @ 2..) => (format!("{several} runs at a time, "), several),
        _ => (String::new(), 1),
    };
    format!("about {} left on this machine, {together}{origin}{without}", figures::time(time / at_once))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Library;
    // The plugins that recipes name.
    use univip_plugins as _;

    #[test]
    fn only_what_is_not_done_takes_time() {
        let plan = Plan::new(&Library::at_smoke(&[]), "table7", Some("d"), &[0]).unwrap();
        let seconds = Duration::from_secs;
        let state = RunState {
            needed: plan.runs().pop().unwrap(),
            training: seconds(100),
            measuring: BTreeMap::from([("a", Some(seconds(20))), ("b", Some(seconds(3))), ("c", None)]),
            done: Vec::new(),
            problems: String::new(),
        };
        for (trained, measured, counted, expected) in [
            (false, &[][..], true, 123),
            (false, &[], false, 23),
            (true, &[], true, 23),
            (true, &["a"], true, 3),
            (true, &["a", "b", "c"], true, 0),
        ] {
            let mut done = Done::default();
            done.measured.extend(measured.iter().map(ToString::to_string));
            done.trained = trained;
            assert_eq!(state.left(&done, counted, &["a", "b", "c"]), seconds(expected), "{done:?}");
        }
    }
}
