//! A run as a row of a table sees it: with the measurements that the row asks for, and no others.

use crate::read::run::Run;
use std::collections::BTreeMap;
use univip_run_format::{Evaluated, Random, Row, Taken, phase};

/// A run, seen from a row.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The run.
    pub run: &'a Run,
    /// The row's wishes.
    pub asked: Asked<'a>,
}

/// The pre-training and the measurements that a row asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The fingerprint of its recipe.
    pub fingerprint: &'a str,
    /// The digests of its measurements, by their names; none in a plan of an earlier version, whose rows ask for all that their run's
    /// recipe does.
    pub measurements: Option<&'a BTreeMap<String, String>>,
    /// The dataset of its probe data.
    pub probe_data: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// By a row.
    pub fn by(row: &'a Row) -> Self {
        let (measurements, probe_data) = (row.measurements.as_ref(), row.probe_data.as_deref());
        Self { fingerprint: &row.fingerprint, measurements, probe_data }
    }

    /// By the row of the untrained backbone.
    pub fn by_random(random: &'a Random) -> Self {
        let (measurements, probe_data) = (random.measurements.as_ref(), random.probe_data.as_deref());
        Self { fingerprint: &random.fingerprint, measurements, probe_data }
    }

    /// The digest of a measurement. The inner one is none in a plan of an earlier version, the outer one where the row does not
    /// ask for the measurement.
    pub(super) fn digest(&self, name: &str) -> Option<Option<&'a str>> {
        match self.measurements {
            Some(measurements) => measurements.get(name).map(|digest| Some(digest.as_str())),
            None => Some(None),
        }
    }
}

impl<'a> Seen<'a> {
    /// The numbers of a measurement.
    pub fn numbers(&self, name: &str) -> impl Iterator<Item = &'a Evaluated> {
        let (digest, name) = (self.asked.digest(name), name.to_string());
        let of_measurement = move |line: &&Evaluated| match digest {
            None => false,
            Some(Some(digest)) => line.digest.as_deref() == Some(digest),
            // As the run's recipe says.
            Some(None) => line.evaluator == name && line.set.is_empty(),
        };
        self.run.measurements.iter().filter(of_measurement)
    }

    /// The names of its measurements, in the order in which the run was first measured by them.
    pub fn names(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        let mut add = |name: &'a str| {
            if !names.contains(&name) {
                names.push(name);
            }
        };
        for line in &self.run.measurements {
            match self.asked.measurements {
                Some(asked) => {
                    let of_line = |(_, digest): &(&String, &String)| Some(*digest) == line.digest.as_ref();
                    asked.iter().filter(of_line).for_each(|(name, _)| add(name));
                }
                None if line.set.is_empty() => add(&line.evaluator),
                None => {}
            }
        }
        names
    }

    /// The measurements that are neither there nor known to have nothing to measure.
    pub fn missing(&self) -> Vec<&'a str> {
        let record = self.run.record.as_ref();
        let nothing = |digest: &String| record.is_some_and(|record| record.found_nothing(digest));
        let there =
            |digest: &String| self.run.measurements.iter().any(|line| line.digest.as_ref() == Some(digest));
        let asked = self.asked.measurements.into_iter().flatten();
        asked
            .filter(|(_, digest)| !there(digest) && !nothing(digest))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// True when nothing is left to do for the row, whatever other rows ask of the run.
    pub fn finished(&self) -> bool {
        match self.asked.measurements {
            Some(_) => {
                let trained = self.run.record.as_ref().is_some_and(|record| record.is_trained());
                trained && self.missing().is_empty()
            }
            None => self.run.finished(),
        }
    }

    /// The seconds of what the row asks for.
    pub fn seconds(&self) -> Option<f64> {
        let Some(asked) = self.asked.measurements else { return self.run.seconds() };
        let record = self.run.record.as_ref()?;
        let trained: Vec<f64> = [phase::PROPOSALS, phase::TRAIN]
            .iter()
            .filter_map(|phase| record.seconds.get(*phase).copied())
            .collect();
        let taken = asked.values().filter_map(|digest| record.measurements.get(digest));
        let measured: f64 = taken.map(|Taken { seconds, .. }| seconds).sum();
        (!trained.is_empty()).then(|| trained.iter().sum::<f64>() + measured)
    }

    /// The dataset of the row's probe data.
    pub fn probe_data(&self) -> String {
        let of_record = || self.run.record.as_ref().map(|record| record.probe_data.clone());
        self.asked.probe_data.map(String::from).or_else(of_record).unwrap_or_default()
    }
}
