//! A section as a table of text: its columns and digits. `–` is what does not exist.

use crate::compare::cell::Cell;
use crate::compare::section::{RowResult, Section};
use crate::compare::seen::Seen;
use crate::compare::statistics::Summary;
use crate::show::text::{TextColumn, TextTable};
use univip_run_format::Column;

/// The word in a column that no run of a table fills.
const NOT_RUN: &str = "not run";

/// The columns of a section: rows, the paper's numbers beside ours, differences, the facts of the runs.
pub fn table(section: &Section<'_>) -> TextTable {
    let mut columns = vec![column("row", false, 0, cells_of(section, |row| row.label.clone()))];
    if section.rows.iter().any(|row| !row.group.is_empty()) {
        columns.push(column("group", false, 1, cells_of(section, |row| row.group.clone())));
    }
    columns.push(column("what", false, 1, cells_of(section, |row| row.title.clone())));
    columns.push(column("components", false, 6, cells_of(section, |row| row.components.join(" + "))));
    for index in 0..section.columns.len() {
        columns.extend(of_column(section, index));
    }
    let fact = |number: fn(&Seen<'_>) -> Option<f64>, show: fn(f64) -> String| {
        cells_of(section, |row| plain(Summary::of(row.finished(number)).map(|of| of.mean), show))
    };
    let ranks =
        cells_of(section, |row| spread(Summary::of(row.finished(|seen| seen.run.training.last_rank())), one));
    let memory = cells_of(section, |row| {
        plain(
            row.finished(|seen| seen.run.record.as_ref()?.peak_memory_bytes)
                .into_iter()
                .max()
                .map(|most| most as f64),
            bytes,
        )
    });
    columns.extend([
        column("rank", true, 5, ranks),
        column("time", true, 8, fact(|seen| seen.seconds(), duration)),
        column("memory", true, 9, memory),
        column("finished", true, 7, cells_of(section, |row| row.state.clone())),
    ]);
    TextTable { columns }
}

/// A column of a plan: the paper's numbers, ours, and the differences.
fn of_column(section: &Section<'_>, index: usize) -> Vec<TextColumn> {
    let asked = &section.columns[index];
    let rank = match (index, &asked.paper) {
        (0, _) => 0,
        (_, Some(_)) => 2,
        (later, None) => 4u8.saturating_add(u8::try_from(later).unwrap_or(u8::MAX)),
    };
    let cell = |show: &dyn Fn(&Cell) -> String| cells_of(section, |row| show(&row.cells[index]));
    let mut columns = Vec::new();
    if asked.paper.is_some() {
        columns.push(column(
            &heading_of_paper(asked),
            true,
            rank,
            cells_of(section, |row| plain(section.paper(row, index), one)),
        ));
    }
    let ours = cell(&|cell| spread(cell.summary, one));
    let ours = if ours.iter().all(|cell| cell == NONE) { vec![NOT_RUN.into(); ours.len()] } else { ours };
    columns.push(column(&asked.head, true, rank, ours));
    if index == 0 {
        columns.push(column("n", true, rank, cell(&|cell| cell.values.len().to_string())));
    }
    if !asked.difference {
        return columns;
    }
    if asked.paper.is_some() {
        let theirs = cells_of(section, |row| plain(section.paper_difference(row, index), signed));
        columns.push(column("paper Δ", true, 3, theirs));
    }
    columns.push(column("Δ", true, 3, cell(&difference)));
    let tested = section.rows.iter().any(|row| row.cells[index].p.is_some());
    if tested {
        columns.push(column(
            "p (Holm)",
            true,
            7,
            cell(&|cell| plain(cell.p.map(|[_, held]| held), probability)),
        ));
    }
    if tested && asked.paper.is_some() {
        let seeds = cells_of(section, |row| match section.seeds_to_see(row, index) {
            Some(seeds) => seeds.to_string(),
            None => NONE.into(),
        });
        columns.push(column("n for paper Δ", true, 9, seeds));
    }
    columns
}

/// The heading of the paper's numbers.
pub(super) fn heading_of_paper(column: &Column) -> String {
    column.paper_head.clone().unwrap_or_else(|| format!("paper {}", column.head))
}

/// The explanation of a section's columns, in paragraphs.
pub fn legend(section: &Section<'_>) -> Vec<String> {
    let about = section.columns.iter().filter(|column| !column.about.is_empty());
    let mut lines: Vec<String> = Vec::new();
    let columns: Vec<String> = about.map(|column| format!("{}: {}.", column.head, column.about)).collect();
    if !columns.is_empty() {
        lines.push(columns.join(" "));
    }
    let differs = section.columns.iter().any(|column| column.difference);
    let baseline = section.rows.iter().find(|row| row.baseline);
    let mut ours = String::from("Ours: mean ± sample standard deviation over n seeds.");
    if let (true, Some(baseline)) = (differs, baseline) {
        let several = |cell: &Cell| cell.difference.is_some_and(|difference| difference.n > 1);
        let interval = match section.rows.iter().any(|row| row.cells.iter().any(several)) {
            true => ", with its 95% interval by Student's t",
            false => "",
        };
        ours += &format!(" Δ: difference to {}, paired by seed{interval}.", baseline.label);
    }
    if section.rows.iter().any(|row| row.cells.iter().any(|cell| cell.p.is_some())) {
        ours += " p: paired t test, two-sided, after Holm over the rows of the table.";
        if section.columns.iter().any(|column| column.difference && column.paper.is_some()) {
            ours += " n for paper Δ: the seeds with which that test at 5% sees the paper's difference with a power of 80%, at the \
                     deviation that the differences have here.";
        }
    }
    ours += " rank: effective rank of the backbone's features after the last epoch. time: mean of a run's; memory: the most of any.";
    lines.push(ours);
    lines
}

/// Seconds, as a person would say them.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 99.5 => format!("{s:.0} s"),
        s if s < 99.5 * 60.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

fn bytes(bytes: f64) -> String {
    match bytes / 1e6 {
        mb if mb < 1000.0 => format!("{mb:.0} MB"),
        mb => format!("{:.1} GB", mb / 1000.0),
    }
}

const NONE: &str = "–";

fn column(head: &str, number: bool, spare: u8, cells: Vec<String>) -> TextColumn {
    TextColumn { head: head.into(), cells, number, spare }
}

fn cells_of<'a>(section: &'a Section<'a>, cell: impl Fn(&'a RowResult<'a>) -> String) -> Vec<String> {
    section.rows.iter().map(cell).collect()
}

fn plain(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or(NONE.into(), show)
}

/// A number with one digit.
pub fn one(value: f64) -> String {
    format!("{value:.1}")
}

/// Never `-0.0`.
fn signed(value: f64) -> String {
    format!("{:+.1}", if value.abs() < 0.05 { 0.0 } else { value })
}

fn probability(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}

/// A mean with its deviation.
pub fn spread(summary: Option<Summary>, show: impl Fn(f64) -> String) -> String {
    match summary {
        None => NONE.into(),
        Some(Summary { mean, deviation: None, .. }) => show(mean),
        Some(Summary { mean, deviation: Some(deviation), .. }) => format!("{} ± {deviation:.1}", show(mean)),
    }
}

fn difference(cell: &Cell) -> String {
    paired(cell.difference, cell.values.len())
}

/// A difference with its interval, and the number of pairs where it is not that of `seeds`.
pub(super) fn paired(difference: Option<Summary>, seeds: usize) -> String {
    let Some(summary) = difference else { return NONE.into() };
    let interval = summary
        .interval()
        .map_or(String::new(), |[low, high]| format!(" [{}, {}]", signed(low), signed(high)));
    let pairs = match summary.n == seeds {
        true => String::new(),
        false => format!(" (n = {})", summary.n),
    };
    format!("{}{interval}{pairs}", signed(summary.mean))
}

/// A number with its sign.
pub(super) fn signed_or_none(value: Option<f64>) -> String {
    plain(value, signed)
}
