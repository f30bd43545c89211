//! `run.json`: the facts of a run.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The progress of the run: of its training and of the measurements that were asked of it last. Those of other rows, which measure
    /// the same training, may be missing whatever it is.
    pub status: Status,
    /// The reason of a failure.
    #[serde(default)]
    pub error: Option<String>,
    /// The row that it was first run for.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// The recipe's fingerprint.
    pub fingerprint: String,
    /// The scale's name.
    pub scale: String,
    /// The dataset learned from.
    pub data: String,
    /// The digest of the training images' contents; empty until they are known.
    #[serde(default)]
    pub data_digest: String,
    /// True when the pre-training has ended: all that is left to do is to measure. Earlier versions did not say.
    #[serde(default)]
    pub trained: bool,
    /// The measurements that were made of it, by their digests.
    #[serde(default)]
    pub measurements: BTreeMap<String, Taken>,
    /// The digests of all other images that were used, each by the part, the dataset's name and a digest of its settings:
    /// `probe_data val icons 0123456789ab`. Earlier versions wrote the part alone.
    #[serde(default)]
    pub digests: BTreeMap<String, String>,
    /// The probe data's dataset of the row that it was begun for.
    pub probe_data: String,
    /// The version of univip that began the run.
    pub version: String,
    /// The machine that began the run.
    #[serde(default)]
    pub machine: Option<Machine>,
    /// The time of the first start, RFC 3339.
    pub started: String,
    /// The seconds of each [`phase`], over all sittings.
    #[serde(default)]
    pub seconds: BTreeMap<String, f64>,
    /// The largest amount of memory that a process of the run held.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
    /// Optimiser steps of the whole training.
    #[serde(default)]
    pub steps: u64,
    /// Parameters of the backbone.
    #[serde(default)]
    pub parameters: u64,
    /// The crate and version of each plugin that the recipe uses: `loss instance` is `univip-instance 0.1.0`.
    #[serde(default)]
    pub plugins: BTreeMap<String, String>,
    /// The processes that worked on the run, in order. Earlier versions noted none.
    #[serde(default)]
    pub sittings: Vec<Sitting>,
}

/// A measurement of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// Its name in the recipe that asked for it.
    pub name: String,
    /// The seconds that it took the last time.
    #[serde(default)]
    pub seconds: f64,
    /// The reason why there was nothing to measure; none where there are numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_applicable: Option<String>,
}

/// The progress of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Trained and evaluated.
    Finished,
    /// A process works on it, or was killed while it did.
    Running,
    /// Stopped by its user; can be resumed.
    Interrupted,
    /// Stopped by an error.
    Failed,
}

impl RunRecord {
    /// True when a measurement, by its digest, found nothing to measure in the data.
    pub fn found_nothing(&self, digest: &str) -> bool {
        self.measurements.get(digest).is_some_and(|taken| taken.not_applicable.is_some())
    }

    /// True when the pre-training has ended.
    pub fn is_trained(&self) -> bool {
        self.trained || self.status == Status::Finished
    }
}

impl Status {
    /// The word in `run.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }
}

/// A machine, as far as it decides how fast a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name; empty in a record that does not say.
    #[serde(default)]
    pub cpu: String,
    /// The threads that run at once; 0 in a record that does not say.
    #[serde(default)]
    pub threads: usize,
}

/// One process that worked on a run: the first, one that resumed it, or one that evaluated it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sitting {
    /// The time of its start, RFC 3339.
    pub started: String,
    /// The time of its end; none while it goes on, or when it was killed.
    #[serde(default)]
    pub ended: Option<String>,
    /// The name of the computer.
    pub host: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The program's source.
    pub build: Build,
}

/// The source that a program was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The version of univip.
    pub version: String,
    /// The git commit; none where it was built outside of a git checkout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// True when the sources differed from the commit; none where there is no commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
}

impl Build {
    /// `0.1.0 (e351a1108c6f, modified)`.
    pub fn describe(&self) -> String {
        let Some(commit) = &self.commit else { return self.version.clone() };
        let short: String = commit.chars().take(12).collect();
        let modified = if self.dirty == Some(true) { ", modified" } else { "" };
        format!("{} ({short}{modified})", self.version)
    }
}

/// The keys of [`RunRecord::seconds`].
pub mod phase {
    /// Looking at the images, whose contents are digested once and then cached: no cost of the recipe.
    pub const LOOK: &str = "look";
    /// Computing proposals.
    pub const PROPOSALS: &str = "proposals";
    /// Training.
    pub const TRAIN: &str = "train";
    /// Evaluating as the recipe says.
    pub const EVALUATE: &str = "evaluate";
    /// Evaluating with other settings than the recipe's.
    pub const EVALUATE_OTHERWISE: &str = "evaluate-otherwise";

    /// The phases that the recipe asks for.
    pub const OF_RECIPE: [&str; 3] = [PROPOSALS, TRAIN, EVALUATE];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As version 0.1.0 wrote it, before sittings were noted.
    const OLD: &str = r#"{"status": "finished", "error": null, "name": "table7-e", "seed": 0, "fingerprint": "0123456789ab",
        "scale": "small", "data": "fashion-scenes", "data_digest": "d0d1", "probe_data": "fashion-items",
        "version": "0.1.0", "machine": {"cpu": "any", "threads": 2}, "started": "2026-11-22T20:00:00Z",
        "seconds": {"train": 100.0}, "peak_memory_bytes": 5, "steps": 12, "parameters": 1000}"#;

    #[test]
    fn a_record_of_an_earlier_version_is_read() {
        let record: RunRecord = serde_json::from_str(OLD).unwrap();
        assert!(!record.trained && record.is_trained() && record.measurements.is_empty());
        assert_eq!(record.steps, 12);
        assert!(record.sittings.is_empty() && record.plugins.is_empty() && record.digests.is_empty());
        assert_eq!(record.machine.unwrap().threads, 2);
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut record: RunRecord = serde_json::from_str(OLD).unwrap();
        let build =
            Build { version: "0.2.0".into(), commit: Some("e351a1108c6f00".into()), dirty: Some(true) };
        assert_eq!(build.describe(), "0.2.0 (e351a1108c6f, modified)");
        let command = vec!["univip".to_string(), "ablate".into(), "table 7".into()];
        record.sittings.push(Sitting {
            started: "2026-11-22T20:00:00Z".into(),
            ended: None,
            host: "one".into(),
            command,
            build,
        });
        record.status = Status::Interrupted;
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<RunRecord>(&text).unwrap(), record);
    }
}
