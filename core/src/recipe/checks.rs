//! What a recipe may say: ranges, and settings that must agree with each other.

use super::schema::*;
use super::table::{Config, Invalid, Table};
use anyhow::Result;
use std::collections::BTreeSet;

/// The backbones' output is this much smaller than their input.
const STRIDE: u32 = 32;

impl Settings {
    /// Reads each section, then checks what several must agree on.
    pub(super) fn read(section: impl Fn(&str) -> Table) -> Result<Self> {
        let settings = Self {
            data: section("data").read()?,
            probe_data: section("probe_data").read()?,
            loader: section("loader").read()?,
            proposals: section("proposals").read()?,
            views: section("views").read()?,
            augment: section("augment").read()?,
            network: section("network").read()?,
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
            "losses",
            "optimizer",
            "schedule",
            "target",
            "train",
            "evaluators",
        ]
    }
}

fn require(holds: bool, key: &'static str, problem: impl FnOnce() -> String) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid { key, problem: problem() }) }
}

/// `value` is within `from..=to`; NaN is not.
fn within(key: &'static str, value: f64, from: f64, to: f64) -> Result<(), Invalid> {
    require((from..=to).contains(&value), key, || format!("expected {from} to {to}, found {value}"))
}

fn positive(key: &'static str, value: f64) -> Result<(), Invalid> {
    require(value > 0.0 && value.is_finite(), key, || format!("expected a number above 0, found {value}"))
}

fn not_negative(key: &'static str, value: f64) -> Result<(), Invalid> {
    require(value >= 0.0 && value.is_finite(), key, || format!("expected a number from 0 up, found {value}"))
}

/// No more than anybody means: beyond, memory or time would run out without a word.
fn at_most(key: &'static str, value: u64, most: u64) -> Result<(), Invalid> {
    require(value <= most, key, || format!("expected at most {most}, found {value}"))
}

fn at_least(key: &'static str, value: u64, least: u64) -> Result<(), Invalid> {
    require(value >= least, key, || format!("expected at least {least}, found {value}"))
}

fn ordered(key: &'static str, [from, to]: [f64; 2]) -> Result<(), Invalid> {
    positive(key, from)?;
    positive(key, to)?;
    require(from <= to, key, || format!("expected [from, to] in order, found [{from}, {to}]"))
}

fn image_side(key: &'static str, side: u32) -> Result<(), Invalid> {
    require(side >= STRIDE, key, || {
        format!("expected at least {STRIDE} pixels, the backbone's stride, found {side}")
    })?;
    at_most(key, side.into(), 4096)
}

fn distinct(key: &'static str, names: &[String]) -> Result<(), Invalid> {
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(Invalid { key, problem: format!("`{name}` is named twice") }),
        None => Ok(()),
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

impl Config for DataChoice {}
impl Config for LoaderSettings {
    fn check(&self) -> Result<(), Invalid> {
        at_most("workers", self.workers as u64, 1024)?;
        at_least("ahead", self.ahead as u64, 1)?;
        at_most("ahead", self.ahead as u64, 1024)?;
        at_least("max_pixels", self.max_pixels, 1)
    }
}

impl Config for ProbeDataChoice {
    fn check(&self) -> Result<(), Invalid> {
        image_side("image_size", self.image_size)
    }
}

impl Config for ProposalSettings {
    fn check(&self) -> Result<(), Invalid> {
        let limits = &self.limits;
        at_least("limits.min_side", limits.min_side.into(), 1)?;
        require(limits.max_aspect >= 1.0 && limits.max_aspect.is_finite(), "limits.max_aspect", || {
            format!("expected at least 1 (longest over shortest side), found {}", limits.max_aspect)
        })?;
        within("limits.max_iou", limits.max_iou.into(), 0.0, 1.0)
    }
}

impl Config for ViewSettings {
    fn check(&self) -> Result<(), Invalid> {
        image_side("scene_size", self.scene_size)?;
        image_side("instance_size", self.instance_size)?;
        ordered("crop.scale", self.crop.scale)?;
        require(self.crop.scale[1] <= 1.0, "crop.scale", || {
            format!("expected at most 1, the whole image, found {}", self.crop.scale[1])
        })?;
        ordered("crop.ratio", self.crop.ratio)
    }
}

impl Config for AugmentSettings {
    fn check(&self) -> Result<(), Invalid> {
        let finite = self.mean.iter().all(|mean| mean.is_finite());
        require(finite, "mean", || format!("expected numbers, found {:?}", self.mean))?;
        let usable = self.std.iter().all(|std| *std > 0.0 && std.is_finite());
        require(usable, "std", || format!("expected numbers above 0, found {:?}", self.std))?;
        macro_rules! check_view {
            ($view:ident) => {
                let Augmentation {
                    flip,
                    jitter,
                    brightness,
                    contrast,
                    saturation,
                    hue,
                    grey,
                    blur,
                    blur_sigma,
                    solarize,
                } = self.$view;
                within(concat!(stringify!($view), ".flip"), flip, 0.0, 1.0)?;
                within(concat!(stringify!($view), ".jitter"), jitter, 0.0, 1.0)?;
                not_negative(concat!(stringify!($view), ".brightness"), brightness)?;
                not_negative(concat!(stringify!($view), ".contrast"), contrast)?;
                not_negative(concat!(stringify!($view), ".saturation"), saturation)?;
                within(concat!(stringify!($view), ".hue"), hue, 0.0, 0.5)?;
                within(concat!(stringify!($view), ".grey"), grey, 0.0, 1.0)?;
                within(concat!(stringify!($view), ".blur"), blur, 0.0, 1.0)?;
                ordered(concat!(stringify!($view), ".blur_sigma"), blur_sigma)?;
                within(concat!(stringify!($view), ".blur_sigma"), blur_sigma[1], 0.0, 100.0)?;
                within(concat!(stringify!($view), ".solarize"), solarize, 0.0, 1.0)?;
            };
        }
        check_view!(view1);
        check_view!(view2);
        Ok(())
    }
}

impl Config for NetworkSettings {
    fn check(&self) -> Result<(), Invalid> {
        at_least("width", self.width as u64, 1)?;
        at_least("hidden", self.hidden as u64, 1)?;
        at_least("output", self.output as u64, 1)
    }
}

impl Config for LossSettings {
    fn check(&self) -> Result<(), Invalid> {
        distinct("use", &self.names)?;
        for (name, weight) in &self.weights {
            require(self.names.contains(name), "weights", || {
                format!("`{name}` has a weight but is not in losses.use: {:?}", self.names)
            })?;
            require(*weight >= 0.0 && weight.is_finite(), "weights", || {
                format!("expected `{name}` from 0 up, found {weight}")
            })?;
        }
        Ok(())
    }
}

impl Config for OptimizerSettings {
    fn check(&self) -> Result<(), Invalid> {
        positive("lr", self.lr)?;
        require((0.0..1.0).contains(&self.momentum), "momentum", || {
            format!("expected 0 to below 1, found {}", self.momentum)
        })?;
        not_negative("weight_decay", self.weight_decay)?;
        positive("trust", self.trust)
    }
}

impl Config for ScheduleSettings {
    fn check(&self) -> Result<(), Invalid> {
        not_negative("warmup_epochs", self.warmup_epochs)
    }
}

impl Config for TargetSettings {
    fn check(&self) -> Result<(), Invalid> {
        within("momentum", self.momentum, 0.0, 1.0)
    }
}

impl Config for TrainSettings {
    fn check(&self) -> Result<(), Invalid> {
        require(self.batch >= 2, "batch", || {
            format!("expected at least 2 images, for batch norm's statistics, found {}", self.batch)
        })?;
        at_least("accumulate", self.accumulate as u64, 1)?;
        at_most("batch", self.batch as u64, 1 << 20)?;
        at_most("accumulate", self.accumulate as u64, 1 << 20)?;
        at_most("epochs", self.epochs, 1 << 20)?;
        at_least("keep", self.keep as u64, 1)
    }
}

impl Config for EvaluatorSettings {
    fn check(&self) -> Result<(), Invalid> {
        distinct("use", &self.names)?;
        distinct("during", &self.during)?;
        require(self.online != 1, "online", || {
            "expected 0 or at least 2 images, for the statistics of their features, found 1".into()
        })?;
        require(self.during.is_empty() == (self.every == 0), "during", || {
            format!(
                "names {} evaluators to run every {} epochs: set evaluators.during and evaluators.every, or neither",
                self.during.len(),
                self.every
            )
        })
    }
}
