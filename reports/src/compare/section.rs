//! Puts comparable runs together: a section is a table whose numbers are all of one kind.

use super::cell::Cell;
use super::seen::{Asked, Seen};
use crate::read::run::Run;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use univip_run_format::{Column, Evaluated, Plan, Status};
use univip_stdx::printable::message;
use univip_stdx::refusal::suggest;

/// One table: a plan's rows under one setting.
#[derive(Debug)]
pub struct Section<'a> {
    /// The table's plan.
    pub plan: &'a Plan,
    /// The setting that all its numbers share.
    pub setting: Setting,
    /// The numbers that it shows.
    pub columns: Vec<Column>,
    /// The plan's rows in order, then the random backbone.
    pub rows: Vec<RowResult<'a>>,
    /// Everything missing, unfinished or damaged, one sentence each.
    pub notes: Vec<String>,
}

/// The state of a row whose method is not there yet.
pub(crate) const MISSING: &str = "method not available";

/// The facts that two numbers must share to stand in one column. The protocol of the first column tells one table from another; of
/// the other columns a table shows the protocol that most of its rows have.
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
    /// True where rows learn from different images: then neither of the two tells one table from another.
    pub several_data: bool,
    /// The dataset measured on.
    pub probe_data: String,
    /// The protocol of each column; none while nothing is measured by it.
    pub protocols: Vec<Option<Protocol>>,
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

/// A row with the results of its runs.
#[derive(Debug)]
pub struct RowResult<'a> {
    /// `(a)`, or `random`.
    pub label: String,
    /// The title of its group of rows.
    pub group: String,
    /// `BYOL`.
    pub title: String,
    /// Its parts, such as its losses.
    pub components: Vec<String>,
    /// The recipe's fingerprint.
    pub fingerprint: String,
    /// The paper's numbers, by the names that columns call them by.
    pub paper: BTreeMap<String, f64>,
    /// True for the untrained backbone.
    pub random: bool,
    /// True for the row that the others are compared with.
    pub baseline: bool,
    /// Its numbers, column by column.
    pub cells: Vec<Cell>,
    /// Finished seeds, of those planned.
    pub state: String,
    /// The runs that belong here, unfinished ones too, and those without a record, of which nothing is known.
    pub runs: Vec<Seen<'a>>,
}

impl Setting {
    /// The warning that must stand over numbers that are not the paper's kind.
    pub fn warning(&self) -> Option<String> {
        let name = |data: &str| match data {
            "fashion-scenes" => "composed scenes".to_string(),
            "fashion-icons" => "composed icons".to_string(),
            other => format!("`{other}`"),
        };
        let data = self.data.split(", ").map(name).collect::<Vec<_>>().join(" and ");
        (self.scale != "paper")
            .then(|| format!("Small-scale numbers on {data}: not a reproduction of the paper's."))
    }

    /// One line that tells this setting from any other.
    pub fn describe(&self, columns: &[Column]) -> String {
        let mut parts = vec![format!("scale {}", self.scale)];
        if !self.overrides.is_empty() {
            parts.push(format!("with {}", self.overrides.join(", ")));
        }
        let digest = match self.data_digest.as_str() {
            "" => String::new(),
            digest => format!(" ({})", short(digest)),
        };
        parts.push(format!("data {}{digest}", self.data));
        if !self.probe_data.is_empty() {
            parts.push(format!("measured on {}", self.probe_data));
        }
        // Columns of one protocol are named together.
        let mut named: Vec<(&Protocol, Vec<&str>)> = Vec::new();
        for (column, protocol) in columns.iter().zip(&self.protocols) {
            let Some(protocol) = protocol else { continue };
            match named.iter_mut().find(|(other, _)| *other == protocol) {
                Some((_, heads)) => heads.push(&column.head),
                None => named.push((protocol, vec![&column.head])),
            }
        }
        parts.extend(named.iter().map(|(by, heads)| format!("{} by {}", heads.join(", "), by.describe())));
        if named.is_empty() {
            parts.push("nothing measured yet".into());
        }
        parts.join(" · ")
    }

    /// The setting of a run of a plan that is not measured yet; none of one without a record.
    fn of(seen: &Seen<'_>, plan: &Plan) -> Option<Self> {
        let record = seen.run.record.as_ref()?;
        let (data, data_digest) = match plan.several_data {
            true => (plan.data.clone(), String::new()),
            false => (record.data.clone(), record.data_digest.clone()),
        };
        let (scale, probe_data) = (record.scale.clone(), seen.probe_data());
        let several_data = plan.several_data;
        Some(Self { scale, data, data_digest, several_data, probe_data, ..Self::default() })
    }

    fn place(&self) -> (&str, &str, &str) {
        (&self.scale, &self.data, &self.probe_data)
    }

    /// True when a run's number of the `first` column belongs here, or it has none and is of this scale and data.
    fn holds(&self, seen: &Seen<'_>, first: &Column, plan: &Plan) -> bool {
        let own = measured_in(seen, first, plan);
        if own.is_empty() {
            return Self::of(seen, plan).is_some_and(|place| place.place() == self.place());
        }
        let protocols = self.protocols.iter().take(1).cloned().collect();
        own.contains(&Self { overrides: Vec::new(), protocols, ..self.clone() })
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

/// The tables of a plan, one for each setting that its runs were measured in, their cells still empty.
pub(super) fn sections<'a>(plan: &'a Plan, runs: &'a [Run]) -> Vec<Section<'a>> {
    let asked = plan.rows.iter().map(Asked::by).chain(plan.random.iter().map(Asked::by_random));
    let seen: Vec<Seen<'a>> = asked.flat_map(|asked| seen_by(asked, &plan.seeds, runs)).collect();
    let columns = if plan.columns.is_empty() { all_columns(&seen) } else { plan.columns.clone() };
    let first = columns.first().cloned().unwrap_or_default();
    let mut settings: BTreeSet<Setting> =
        seen.iter().flat_map(|seen| measured_in(seen, &first, plan)).collect();
    for seen in &seen {
        let Some(place) = unmeasured(seen, &first, plan) else { continue };
        if !settings.iter().any(|setting| setting.place() == place.place()) {
            settings.insert(place);
        }
    }
    if settings.is_empty() {
        let (scale, data, several_data) = (plan.scale.clone(), plan.data.clone(), plan.several_data);
        settings.insert(Setting { scale, data, several_data, ..Setting::default() });
    }
    let source = |setting| section(plan, &columns, setting, (&seen[..], runs));
    settings.into_iter().map(source).collect()
}

/// The runs of a row.
fn seen_by<'a>(asked: Asked<'a>, seeds: &[u64], runs: &'a [Run]) -> Vec<Seen<'a>> {
    let planned = |run: &&Run| run.fingerprint == asked.fingerprint && seeds.contains(&run.seed);
    runs.iter().filter(planned).map(|run| Seen { run, asked }).collect()
}

/// Every number that runs were measured by, in the order in which the first that has it was: a table without columns shows all.
fn all_columns(seen: &[Seen<'_>]) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for seen in seen {
        for name in seen.names() {
            for line in seen.numbers(name) {
                let (evaluator, metric) = (name.to_string(), line.metric.name.clone());
                if !columns.iter().any(|column| column.evaluator == evaluator && column.metric == metric) {
                    let head = format!("{evaluator} {metric}");
                    columns.push(Column { head, evaluator, metric, difference: true, ..Column::default() });
                }
            }
        }
    }
    columns
}

fn section<'a>(
    plan: &'a Plan,
    columns: &[Column],
    mut setting: Setting,
    (seen, runs): (&[Seen<'a>], &'a [Run]),
) -> Section<'a> {
    let first = columns.first().cloned().unwrap_or_default();
    let holds = |seen: &Seen<'_>| setting.holds(seen, &first, plan);
    let here: Vec<Seen<'_>> = seen.iter().copied().filter(holds).collect();
    let others = columns.iter().skip(1).map(|column| prevailing(&here, column));
    setting.protocols = std::iter::once(setting.protocols.first().cloned().flatten()).chain(others).collect();
    setting.protocols.truncate(columns.len());
    setting.overrides = plan.overrides.clone().unwrap_or_default();
    let source = Source { plan, setting: &setting, columns, runs };
    let mut notes = plan.left_out.clone();
    let mut rows: Vec<RowResult<'a>> = Vec::new();
    for row in &plan.rows {
        let mut result = match row.missing {
            true => RowResult { state: MISSING.into(), ..RowResult::named(&row.label) },
            false => collect(&source, Asked::by(row), &row.label, &mut notes),
        };
        result.title.clone_from(&row.title);
        result.group.clone_from(&row.group);
        result.components.clone_from(&row.components);
        (result.paper, result.baseline) = (row.paper.clone(), row.baseline);
        rows.push(result);
    }
    if let Some(random) = &plan.random {
        let mut result = collect(&source, Asked::by_random(random), "random", &mut notes);
        result.title = "untrained backbone".into();
        (result.paper, result.random) = (random.paper.clone(), true);
        rows.push(result);
    }
    notes.extend(columns.iter().filter_map(|column| unknown_metric(column, seen)));
    let notes = notes.iter().map(|note| message(note)).collect();
    Section { plan, setting, columns: columns.to_vec(), rows, notes }
}

/// The material of a section's rows.
struct Source<'s, 'a> {
    plan: &'s Plan,
    setting: &'s Setting,
    columns: &'s [Column],
    runs: &'a [Run],
}

fn collect<'a>(
    Source { plan, setting, columns, runs }: &Source<'_, 'a>,
    asked: Asked<'a>,
    label: &str,
    notes: &mut Vec<String>,
) -> RowResult<'a> {
    let first = columns.first().cloned().unwrap_or_default();
    let (mut here, mut absent, mut finished) = (Vec::new(), Vec::new(), 0);
    for &seed in &plan.seeds {
        let of_seed = |run: &&Run| run.fingerprint == asked.fingerprint && run.seed == seed;
        let Some(run) = runs.iter().find(of_seed) else {
            absent.push(seed.to_string());
            continue;
        };
        let seen = Seen { run, asked };
        let holds = setting.holds(&seen, &first, plan);
        if holds {
            finished += usize::from(seen.finished());
            let others = not_shown(&seen, setting, columns);
            notes.extend(others.map(|note| format!("{label} seed {seed}: {note}.")));
        }
        let unplaced = run.record.is_none();
        if holds || unplaced {
            notes.extend(note(&seen, &first, plan).map(|note| format!("{label} seed {seed}: {note}.")));
            here.push(seen);
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
    notes.extend(other_images(label, &here).filter(|_| plan.several_data));
    let state = format!("{finished}/{}", plan.seeds.len());
    RowResult { fingerprint: asked.fingerprint.into(), state, runs: here, ..RowResult::named(label) }
}

/// Runs of one row that learned from different images, where the table does not tell them apart.
fn other_images(label: &str, runs: &[Seen<'_>]) -> Option<String> {
    let digests: BTreeSet<&str> =
        runs.iter().filter_map(|run| Some(run.run.record.as_ref()?.data_digest.as_str())).collect();
    (digests.len() > 1).then(|| {
        let digests: Vec<String> = digests.into_iter().map(short).collect();
        format!("{label}: its runs learned from different images ({}).", digests.join(", "))
    })
}

impl Section<'_> {
    /// The paper's number of a row in a column.
    pub fn paper(&self, row: &RowResult<'_>, column: usize) -> Option<f64> {
        row.paper.get(self.columns[column].paper.as_ref()?).copied()
    }

    /// The seeds with which the paper's difference of a row would be seen, at the deviation that ours has.
    pub fn seeds_to_see(&self, row: &RowResult<'_>, column: usize) -> Option<usize> {
        row.cells[column].difference?.seeds_to_see(self.paper_difference(row, column)?)
    }

    /// The paper's difference of a row to the baseline.
    pub fn paper_difference(&self, row: &RowResult<'_>, column: usize) -> Option<f64> {
        let baseline = self.rows.iter().find(|row| row.baseline).filter(|_| !row.random && !row.baseline)?;
        self.paper_between([row, baseline], column)
    }

    /// The paper's number of a row minus that of another.
    pub fn paper_between(&self, [row, other]: [&RowResult<'_>; 2], column: usize) -> Option<f64> {
        Some(self.paper(row, column)? - self.paper(other, column)?)
    }
}

impl RowResult<'_> {
    /// A row without a run.
    fn named(label: &str) -> Self {
        Self {
            label: label.into(),
            group: String::new(),
            title: String::new(),
            components: Vec::new(),
            fingerprint: String::new(),
            paper: BTreeMap::new(),
            random: false,
            baseline: false,
            cells: Vec::new(),
            state: String::new(),
            runs: Vec::new(),
        }
    }

    /// A number of each run that is finished.
    pub fn finished<T>(&self, number: impl Fn(&Seen<'_>) -> Option<T>) -> Vec<T> {
        self.runs.iter().filter(|seen| seen.finished()).filter_map(number).collect()
    }

    /// Its name with what it is, which may begin with the name: `SimCLR`, and no `SimCLR SimCLR`.
    pub fn heading(&self) -> String {
        if self.title.to_lowercase().starts_with(&self.label.to_lowercase()) {
            return self.title.clone();
        }
        format!("{} {}", self.label, self.title).trim().to_string()
    }
}

/// The numbers of a column that were measured as the row asks; others stand in no table.
fn measurements_of<'a>(seen: &Seen<'a>, column: &Column) -> impl Iterator<Item = &'a Evaluated> {
    let Column { metric, protocol, .. } = column.clone();
    let asked = move |line: &&Evaluated| {
        let of_protocol = protocol.as_ref().is_none_or(|protocol| *protocol == line.metric.protocol);
        line.metric.name == metric && of_protocol
    };
    seen.numbers(&column.evaluator).filter(asked)
}

/// The protocol that the most recipes were measured by; of as many, the first by name.
fn prevailing(seen: &[Seen<'_>], column: &Column) -> Option<Protocol> {
    let mut recipes: BTreeMap<Protocol, BTreeSet<&str>> = BTreeMap::new();
    for seen in seen {
        for measurement in measurements_of(seen, column) {
            recipes.entry(Protocol::of(measurement)).or_default().insert(&seen.run.fingerprint);
        }
    }
    let most = |(protocol, recipes): &(Protocol, BTreeSet<&str>)| (Reverse(recipes.len()), protocol.clone());
    recipes.into_iter().min_by_key(most).map(|(protocol, _)| protocol)
}

/// The numbers of a run that were measured by another protocol than their column's.
fn not_shown(seen: &Seen<'_>, setting: &Setting, columns: &[Column]) -> Option<String> {
    let mut said: Vec<(String, String)> = Vec::new();
    for (column, shown) in columns.iter().zip(&setting.protocols).skip(1) {
        let protocols: Vec<Protocol> = measurements_of(seen, column).map(Protocol::of).collect();
        let Some(last) = protocols.last() else { continue };
        if protocols.iter().any(|own| Some(own) == shown.as_ref()) {
            continue;
        }
        match said.iter_mut().find(|(_, by)| *by == last.describe()) {
            Some((heads, _)) => *heads += &format!(" and {}", column.head),
            None => said.push((column.head.clone(), last.describe())),
        }
    }
    let others: Vec<String> = said
        .into_iter()
        .map(|(heads, by)| {
            let were = if heads.contains(" and ") { "were" } else { "was" };
            format!("{heads} {were} measured by {by}, which is not the column's")
        })
        .collect();
    (!others.is_empty()).then(|| others.join("; "))
}

/// A column's metric that its evaluator never gave, though it measured runs.
fn unknown_metric(column: &Column, seen: &[Seen<'_>]) -> Option<String> {
    let lines = seen.iter().flat_map(|seen| seen.numbers(&column.evaluator));
    let known: BTreeSet<&str> = lines.map(|line| line.metric.name.as_str()).collect();
    (!known.is_empty() && !known.contains(column.metric.as_str())).then(|| {
        let known: Vec<&str> = known.into_iter().collect();
        format!(
            "column `{}`: {} measured no `{}`; {}.",
            column.head,
            column.evaluator,
            column.metric,
            suggest(&column.metric, &known)
        )
    })
}

/// The settings in which a run was measured: one for each way its number of the first column was. A run that failed later, in
/// another evaluator, keeps the numbers it has; its note says what became of it.
fn measured_in(seen: &Seen<'_>, first: &Column, plan: &Plan) -> Vec<Setting> {
    let Some(place) = Setting::of(seen, plan) else { return Vec::new() };
    let setting = |line| Setting { protocols: vec![Some(Protocol::of(line))], ..place.clone() };
    measurements_of(seen, first).map(setting).collect()
}

/// The place of a run that is not measured: in every table of its scale and data.
fn unmeasured(seen: &Seen<'_>, first: &Column, plan: &Plan) -> Option<Setting> {
    Setting::of(seen, plan).filter(|_| measured_in(seen, first, plan).is_empty())
}

/// The state of a run that a reader should know beside its numbers.
fn note(seen: &Seen<'_>, first: &Column, plan: &Plan) -> Option<String> {
    let mut parts = Vec::from_iter(state(seen, first, plan));
    parts.extend(skipped(seen));
    parts.extend(seen.run.notes.iter().cloned());
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The part of a row's run that is missing; what other rows still ask of it is none of its.
fn state(seen: &Seen<'_>, first: &Column, plan: &Plan) -> Option<String> {
    let run = seen.run;
    let record = run.record.as_ref()?;
    if !seen.finished() && record.status != Status::Finished {
        let done = run.training.loss.last_key_value().map_or(0, |(step, _)| step + 1);
        let steps = run.training.steps.or(Some(record.steps)).filter(|&steps| steps > 0);
        let far = steps.map(|steps| format!(" after {done} of {steps} steps")).unwrap_or_default();
        let error = record.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        return Some(format!("{}{far}{error}", record.status.name()));
    }
    let missing = seen.missing();
    if !missing.is_empty() {
        return Some(format!("trained, and not measured by {} yet", missing.join(", ")));
    }
    let Column { evaluator, metric, .. } = first;
    let of = format!("{evaluator} {metric}");
    let what = if of.trim().is_empty() { "number" } else { &of };
    // A row that does not ask for it has no such number.
    let lacking = seen.asked.digest(evaluator).is_some() && measured_in(seen, first, plan).is_empty();
    lacking.then(|| format!("finished, but evaluations.jsonl has no {what}"))
}

/// The numbers of a run that were measured without some images, as these could not be read.
fn skipped(seen: &Seen<'_>) -> Option<String> {
    let mut most: BTreeMap<&str, u64> = BTreeMap::new();
    for name in seen.names() {
        let without = seen.numbers(name).map(|line| line.metric.skipped).max().filter(|count| *count > 0);
        most.extend(without.map(|count| (name, count)));
    }
    let one = |(evaluator, count): (&&str, &u64)| format!("{evaluator} without {count}");
    let all: Vec<String> = most.iter().map(one).collect();
    (!all.is_empty()).then(|| format!("measured without the images that cannot be read: {}", all.join(", ")))
}

fn short(digests: &str) -> String {
    let head = |digest: &str| digest.chars().take(8).collect::<String>();
    digests.split('-').map(head).collect::<Vec<_>>().join("-")
}
