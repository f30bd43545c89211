//! Puts comparable runs together: a section is a table whose numbers are all of one kind.

use super::statistics::{Summary, paired};
use crate::read::run::Run;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use univip_run_format::{Evaluated, Plan, RunRecord, Status};
use univip_stdx::printable::message;

/// The evaluator and the metric that the tables are about.
const LINEAR: (&str, &str) = ("linear-probe", "top1");
const KNN: (&str, &str) = ("knn", "top1");
const BOXES: (&str, &str) = ("detection", "bbox_ap");
const MASKS: (&str, &str) = ("detection", "mask_ap");

/// One table: a plan's rows under one setting.
#[derive(Debug)]
pub struct Section<'a> {
    /// The table's plan.
    pub plan: &'a Plan,
    /// The setting that all its numbers share.
    pub setting: Setting,
    /// The plan's rows in order, then the random backbone.
    pub rows: Vec<RowResult<'a>>,
    /// Everything missing, unfinished or damaged, one sentence each.
    pub notes: Vec<String>,
}

/// The facts that two numbers must share to stand in one column. All but the protocols of k-NN and detection tell one table from
/// another; of these a table shows the one that most of its rows have.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Setting {
    /// The scale's name.
    pub scale: String,
    /// The settings laid over the recipes, as `key=value`.
    pub overrides: Vec<String>,
    /// The dataset learned from.
    pub data: String,
    /// The digest of its images.
    pub data_digest: String,
    /// The dataset measured on.
    pub probe_data: String,
    /// The protocol of top-1; none while nothing is measured.
    pub linear: Option<Protocol>,
    /// The protocol of the k-NN numbers that are shown, if there are any.
    pub knn: Option<Protocol>,
    /// The protocol of the detection numbers that are shown, if there are any.
    pub detection: Option<Protocol>,
}

/// The procedure behind a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Protocol {
    /// The procedure's name.
    pub name: String,
    /// The digests of the images.
    pub split: String,
    /// Their number.
    pub images: u64,
}

/// The results of a row's runs.
#[derive(Debug)]
pub struct RowResult<'a> {
    /// `(a)`, or `random`.
    pub label: String,
    /// `BYOL`.
    pub title: String,
    /// Its parts, such as its losses.
    pub components: Vec<String>,
    /// The recipe's fingerprint.
    pub fingerprint: String,
    /// The paper's numbers.
    pub paper: Paper,
    /// True for the untrained backbone.
    pub random: bool,
    /// True for the row that the others are compared with.
    pub baseline: bool,
    /// Linear top-1 of each seed.
    pub top1: BTreeMap<u64, f64>,
    /// Nearest-neighbour top-1 of each seed.
    pub knn: BTreeMap<u64, f64>,
    /// COCO's average precision of boxes (AP^bb) of each seed.
    pub boxes: BTreeMap<u64, f64>,
    /// And of masks (AP^mk).
    pub masks: BTreeMap<u64, f64>,
    /// Top-1 minus the baseline's of the same seed.
    pub difference: Option<Summary>,
    /// The same in the paper.
    pub paper_difference: Option<f64>,
    /// Finished seeds, of those planned.
    pub state: String,
    /// The runs that belong here, unfinished ones too.
    pub runs: Vec<&'a Run>,
}

/// The paper's numbers of a row.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Paper {
    /// Linear evaluation on ImageNet, top-1 in percent.
    pub top1: Option<f64>,
    /// Detection on COCO, mAP.
    pub map: Option<f64>,
}

impl Paper {
    fn of(numbers: &BTreeMap<String, f64>) -> Self {
        let number = |name: &str| numbers.get(name).copied();
        Self { top1: number("top1"), map: number("map") }
    }
}

impl Setting {
    /// The warning that must stand over numbers that are not the paper's kind.
    pub fn warning(&self) -> Option<String> {
        let data = match self.data.as_str() {
            "fashion-scenes" => "composed scenes".to_string(),
            other => format!("`{other}`"),
        };
        (self.scale != "paper")
            .then(|| format!("Small-scale numbers on {data}: not a reproduction of the paper's."))
    }

    /// One line that tells this setting from any other.
    pub fn describe(&self) -> String {
        let mut parts = vec![format!("scale {}", self.scale)];
        if !self.overrides.is_empty() {
            parts.push(format!("with {}", self.overrides.join(", ")));
        }
        parts.push(format!("data {}", self.data));
        if !self.data_digest.is_empty() {
            parts
                .last_mut()
                .into_iter()
                .for_each(|last| *last += &format!(" ({})", short(&self.data_digest)));
        }
        if !self.probe_data.is_empty() {
            parts.push(format!("measured on {}", self.probe_data));
        }
        match &self.linear {
            Some(protocol) => parts.push(format!("top-1 by {}", protocol.describe())),
            None => parts.push("nothing measured yet".into()),
        }
        if let Some(protocol) = &self.knn {
            parts.push(format!("k-NN by {}", protocol.describe()));
        }
        if let Some(protocol) = &self.detection {
            parts.push(format!("detection by {}", protocol.describe()));
        }
        parts.join(" · ")
    }

    /// The setting of a run that is not measured yet.
    fn of(record: &RunRecord) -> Self {
        Self {
            scale: record.scale.clone(),
            data: record.data.clone(),
            data_digest: record.data_digest.clone(),
            probe_data: record.probe_data.clone(),
            ..Self::default()
        }
    }

    fn place(&self) -> (&str, &str, &str) {
        (&self.scale, &self.data, &self.probe_data)
    }

    /// True when the top-1 of a run belongs here.
    fn holds(&self, run: &Run) -> bool {
        let key = Self { overrides: Vec::new(), knn: None, detection: None, ..self.clone() };
        measured_in(run).contains(&key)
    }
}

impl Protocol {
    fn describe(&self) -> String {
        format!("{} (split {}, {} images)", self.name, short(&self.split), self.images)
    }

    fn of(measurement: &Evaluated) -> Self {
        let metric = &measurement.metric;
        Self { name: metric.protocol.clone(), split: metric.split.clone(), images: metric.images }
    }
}

/// The tables of a plan, one for each setting that its runs were measured in.
pub fn sections<'a>(plan: &'a Plan, runs: &'a [Run]) -> Vec<Section<'a>> {
    let fingerprints: BTreeSet<&str> = plan.fingerprints().collect();
    let planned =
        |run: &&Run| fingerprints.contains(run.fingerprint.as_str()) && plan.seeds.contains(&run.seed);
    let runs: Vec<&Run> = runs.iter().filter(planned).collect();
    let mut settings: BTreeSet<Setting> = runs.iter().flat_map(|run| measured_in(run)).collect();
    for run in &runs {
        let Some(place) = unmeasured(run) else { continue };
        if !settings.iter().any(|setting| setting.place() == place.place()) {
            settings.insert(place);
        }
    }
    if settings.is_empty() {
        let (scale, data) = (plan.scale.clone(), plan.data.clone());
        settings.insert(Setting { scale, data, ..Setting::default() });
    }
    settings.into_iter().map(|setting| section(plan, setting, &runs)).collect()
}

fn section<'a>(plan: &'a Plan, mut setting: Setting, runs: &[&'a Run]) -> Section<'a> {
    let here: Vec<&Run> = runs.iter().copied().filter(|run| setting.holds(run)).collect();
    (setting.knn, setting.detection) = (prevailing(&here, KNN), prevailing(&here, BOXES));
    setting.overrides = plan.overrides.clone().unwrap_or_default();
    let source = Source { setting: &setting, seeds: &plan.seeds, runs };
    let mut notes = Vec::new();
    let mut rows: Vec<RowResult<'a>> = Vec::new();
    for row in &plan.rows {
        let mut result = collect(&source, &row.fingerprint, &row.label, &mut notes);
        result.title.clone_from(&row.title);
        result.components.clone_from(&row.components);
        (result.paper, result.baseline) = (Paper::of(&row.paper), row.baseline);
        rows.push(result);
    }
    if let Some(random) = &plan.random {
        let mut result = collect(&source, &random.fingerprint, "random", &mut notes);
        result.title = "untrained backbone".into();
        (result.paper, result.random) = (Paper::of(&random.paper), true);
        rows.push(result);
    }
    if let Some(baseline) = rows.iter().find(|row| row.baseline) {
        let (theirs, paper) = (baseline.top1.clone(), baseline.paper.top1);
        for row in rows.iter_mut().filter(|row| !row.baseline) {
            row.difference = paired(&row.top1, &theirs);
            row.paper_difference = row.paper.top1.zip(paper).map(|(a, b)| a - b).filter(|_| !row.random);
        }
    }
    let notes = notes.iter().map(|note| message(note)).collect();
    Section { plan, setting, rows, notes }
}

/// The material of a section's rows.
struct Source<'s, 'a> {
    setting: &'s Setting,
    seeds: &'s [u64],
    runs: &'s [&'a Run],
}

fn collect<'a>(
    Source { setting, seeds, runs }: &Source<'_, 'a>,
    fingerprint: &str,
    label: &str,
    notes: &mut Vec<String>,
) -> RowResult<'a> {
    let (mut top1, mut knn, mut here) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    let (mut boxes, mut masks) = (BTreeMap::new(), BTreeMap::new());
    let mut absent = Vec::new();
    let mut finished = 0;
    for &seed in *seeds {
        let of_seed = |run: &&&Run| run.fingerprint == fingerprint && run.seed == seed;
        let Some(&run) = runs.iter().find(of_seed) else {
            absent.push(seed.to_string());
            continue;
        };
        let place = unmeasured(run);
        let measured = setting.holds(run);
        if measured {
            finished += usize::from(run.finished());
            top1.extend(value(run, LINEAR, setting.linear.as_ref()).map(|value| (seed, value)));
            knn.extend(value(run, KNN, setting.knn.as_ref()).map(|value| (seed, value)));
            boxes.extend(value(run, BOXES, setting.detection.as_ref()).map(|value| (seed, value)));
            masks.extend(value(run, MASKS, setting.detection.as_ref()).map(|value| (seed, value)));
            notes.extend(not_shown(run, setting).map(|note| format!("{label} seed {seed}: {note}.")));
        }
        let unplaced = run.record.is_none();
        if measured || unplaced || place.is_some_and(|place| place.place() == setting.place()) {
            notes.extend(note(run).map(|note| format!("{label} seed {seed}: {note}.")));
            here.push(run);
        } else {
            notes.push(format!(
                "{label} seed {seed}: other data, scale or protocol, so in a table of its own."
            ));
        }
    }
    if !absent.is_empty() {
        let of = if absent.len() == 1 { "seed" } else { "seeds" };
        notes.push(format!("{label}: no run of {of} {}.", absent.join(", ")));
    }
    RowResult {
        label: label.into(),
        title: String::new(),
        components: Vec::new(),
        fingerprint: fingerprint.into(),
        paper: Paper::default(),
        random: false,
        baseline: false,
        top1,
        knn,
        boxes,
        masks,
        difference: None,
        paper_difference: None,
        state: format!("{finished}/{}", seeds.len()),
        runs: here,
    }
}

impl RowResult<'_> {
    /// A number of each run that is finished.
    pub fn finished<T>(&self, number: impl Fn(&Run) -> Option<T>) -> Vec<T> {
        self.runs.iter().filter(|run| run.finished()).filter_map(|run| number(run)).collect()
    }

    /// Its name with what it is.
    pub fn heading(&self) -> String {
        format!("{} {}", self.label, self.title).trim().to_string()
    }
}

/// The numbers measured as the run's recipe says; others stand in no table.
fn measurements<'a>(run: &'a Run, what: (&'static str, &'static str)) -> impl Iterator<Item = &'a Evaluated> {
    let asked = move |m: &&Evaluated| m.evaluator == what.0 && m.metric.name == what.1;
    run.measurements.iter().filter(|m| m.set.is_empty()).filter(asked)
}

fn value(run: &Run, what: (&'static str, &'static str), protocol: Option<&Protocol>) -> Option<f64> {
    measurements(run, what).filter(|m| Some(&Protocol::of(m)) == protocol).last()?.metric.value
}

/// The protocol that the most recipes were measured by; of as many, the first by name.
fn prevailing(runs: &[&Run], what: (&'static str, &'static str)) -> Option<Protocol> {
    let mut recipes: BTreeMap<Protocol, BTreeSet<&str>> = BTreeMap::new();
    for run in runs {
        for measurement in measurements(run, what) {
            recipes.entry(Protocol::of(measurement)).or_default().insert(&run.fingerprint);
        }
    }
    let most = |(protocol, recipes): &(Protocol, BTreeSet<&str>)| (Reverse(recipes.len()), protocol.clone());
    recipes.into_iter().min_by_key(most).map(|(protocol, _)| protocol)
}

/// The numbers of a run that were measured by another protocol than their column's.
fn not_shown(run: &Run, setting: &Setting) -> Option<String> {
    let columns = [("k-NN", KNN, &setting.knn), ("detection", BOXES, &setting.detection)];
    let others = columns.into_iter().filter_map(|(name, what, shown)| {
        let protocols: Vec<Protocol> = measurements(run, what).map(Protocol::of).collect();
        let last = protocols.last().filter(|_| !protocols.iter().any(|own| Some(own) == shown.as_ref()))?;
        Some(format!("{name} was measured by {}, which is not the column's", last.describe()))
    });
    let others: Vec<String> = others.collect();
    (!others.is_empty()).then(|| others.join("; "))
}

/// The settings in which a run was measured: one for each way its top-1 was. A run that failed later, in another
/// evaluator, keeps the numbers it has; its note says what became of it.
fn measured_in(run: &Run) -> Vec<Setting> {
    let Some(record) = &run.record else { return Vec::new() };
    let setting = |linear| Setting { linear: Some(Protocol::of(linear)), ..Setting::of(record) };
    measurements(run, LINEAR).map(setting).collect()
}

/// The place of a run that is not measured: in every table of its scale and data.
fn unmeasured(run: &Run) -> Option<Setting> {
    run.record.as_ref().filter(|_| measured_in(run).is_empty()).map(Setting::of)
}

/// The state of a run that a reader should know beside its numbers.
fn note(run: &Run) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(record) = &run.record {
        if record.status != Status::Finished {
            let done = run.training.loss.last_key_value().map_or(0, |(step, _)| step + 1);
            let steps = run.training.steps.or(Some(record.steps)).filter(|&steps| steps > 0);
            let far = steps.map(|steps| format!(" after {done} of {steps} steps")).unwrap_or_default();
            let error = record.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            parts.push(format!("{}{far}{error}", record.status.name()));
        } else if measured_in(run).is_empty() {
            parts.push("finished, but evaluations.jsonl has no linear-probe top1".into());
        }
    }
    parts.extend(skipped(run));
    parts.extend(run.notes.iter().cloned());
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The numbers of a run that were measured without some images, as these could not be read.
fn skipped(run: &Run) -> Option<String> {
    let mut most: BTreeMap<&str, u64> = BTreeMap::new();
    for measurement in run.measurements.iter().filter(|m| m.set.is_empty() && m.metric.skipped > 0) {
        let count = most.entry(&measurement.evaluator).or_default();
        *count = measurement.metric.skipped.max(*count);
    }
    let one = |(evaluator, count): (&&str, &u64)| format!("{evaluator} without {count}");
    let all: Vec<String> = most.iter().map(one).collect();
    (!all.is_empty()).then(|| format!("measured without the images that cannot be read: {}", all.join(", ")))
}

fn short(digests: &str) -> String {
    let head = |digest: &str| digest.chars().take(8).collect::<String>();
    digests.split('-').map(head).collect::<Vec<_>>().join("-")
}
