//! The sections of a recipe. What each may say, and its defaults, stands beside what it sets.

use super::{Config, Invalid, Table};
use crate::data::DataChoice;
use crate::evaluation::{EvaluatorSettings, ProbeDataChoice};
use crate::losses::LossSettings;
use crate::networks::{HeadSettings, NetworkSettings, TargetSettings};
use crate::nn::optim::{OptimizerSettings, ScheduleSettings};
use crate::proposals::ProposalSettings;
use crate::training::TrainSettings;
use crate::views::augment::AugmentSettings;
use crate::views::{LoaderSettings, ViewSettings};
use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_stdx::config::require;

/// A whole recipe but `[row]` and the plugins' own tables. Defaults are the paper's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The images to learn from.
    pub data: DataChoice,
    /// The labelled images to measure on.
    pub probe_data: ProbeDataChoice,
    /// The reading of images.
    pub loader: LoaderSettings,
    /// The source of candidate instances, and the limits on them.
    pub proposals: ProposalSettings,
    /// The parts of an image that the networks see.
    pub views: ViewSettings,
    /// The augmentation of each kind of view.
    pub augment: AugmentSettings,
    /// The backbone's shape, and what networks have in common.
    pub network: NetworkSettings,
    /// The heads behind the backbone.
    pub heads: HeadSettings,
    /// The losses and their weights.
    pub losses: LossSettings,
    /// The optimiser.
    pub optimizer: OptimizerSettings,
    /// The schedule of the learning rate.
    pub schedule: ScheduleSettings,
    /// The momentum of the target network (Eq. 1).
    pub target: TargetSettings,
    /// Epochs, batches and checkpoints.
    pub train: TrainSettings,
    /// The measurements of the backbone.
    pub evaluators: EvaluatorSettings,
}

impl Settings {
    /// Reads each section, then checks what several must agree on.
    pub(super) fn read(section: impl Fn(&str) -> Table) -> Result<Self> {
        let settings = Self {
            data: section("data").read()?,
            probe_data: section("probe_data").read()?,
            loader: section("loader").read()?,
            proposals: section("proposals").read()?,
            views: section("views").read()?,
            augment: AugmentSettings::read(&section("augment"))?,
            network: section("network").read()?,
            heads: section("heads").read()?,
            losses: section("losses").read()?,
            optimizer: section("optimizer").read()?,
            schedule: section("schedule").read()?,
            target: section("target").read()?,
            train: section("train").read()?,
            evaluators: section("evaluators").read()?,
        };
        settings.check().map_err(|invalid| section("").error(invalid.key, invalid.problem))?;
        Ok(settings)
    }

    /// The names of the sections.
    pub(super) fn sections() -> Vec<&'static str> {
        vec![
            "data",
            "probe_data",
            "loader",
            "proposals",
            "views",
            "augment",
            "network",
            "heads",
            "losses",
            "optimizer",
            "schedule",
            "target",
            "train",
            "evaluators",
        ]
    }
}

impl Config for Settings {
    fn check(&self) -> Result<(), Invalid> {
        let Self { schedule, train, .. } = self;
        require(
            train.epochs == 0 || schedule.warmup_epochs <= train.epochs as f64,
            "schedule.warmup_epochs",
            || {
                format!(
                    "the warm-up of {} epochs is longer than the run of {}",
                    schedule.warmup_epochs, train.epochs
                )
            },
        )
    }
}
