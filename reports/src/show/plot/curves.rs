//! Training: the loss, the effective rank and what was measured by step, and the spectrum at the end.

use super::dots::{colour, dash};
use super::panel::{Across, Chart, Line, Place, panel};
use super::svg::{Anchor, Font, INK, QUIET, Svg};
use crate::compare::section::{RowResult, Section};
use crate::read::run::Run;
use crate::show::page::heading;
use std::collections::BTreeMap;

const WIDTH: f64 = 960.0;
/// Of a panel, and with what stands above and below it.
const HEIGHT: f64 = 270.0;
const WHOLE_HEIGHT: f64 = 352.0;
/// The loss of a step is noisy: it is averaged within this many equal parts of the training.
const PARTS: u64 = 120;

/// A panel of losses, one of effective ranks, one for each evaluator that measured during the training, and one of spectra at its end
/// where they are known; none if no run of the table has trained.
pub fn curves(section: &Section<'_>) -> Option<String> {
    let rows: Vec<(usize, &RowResult<'_>)> =
        section.rows.iter().filter(|row| !row.random).enumerate().collect();
    let steps = trained(&rows).filter_map(last_step).max()?;
    let charts = charts(section, &rows, steps);

    let title = heading(&section.plan.table, "training");
    let legend = legend(&rows);
    let top = 106.0 + 20.0 * legend.len() as f64;
    let mut svg = Svg::new(WIDTH, top + WHOLE_HEIGHT * charts.len().div_ceil(2) as f64 - 24.0);
    svg.text((24.0, 34.0), Font { size: 17.0, anchor: Anchor::Start, colour: INK, bold: true }, &title);
    let subtitle =
        "thin: each seed; thick: their mean. Rows sum different losses: compare the shape, not the height.";
    svg.text((24.0, 55.0), Font { size: 12.0, anchor: Anchor::Start, colour: QUIET, bold: false }, subtitle);
    for (line, entries) in legend.iter().enumerate() {
        for (x, index, name) in entries {
            let y = 78.0 + 20.0 * line as f64;
            svg.line((*x, y - 4.0), (x + 18.0, y - 4.0), colour(*index), 3.0, dash(*index));
            svg.text(
                (x + 24.0, y),
                Font { size: 12.0, anchor: Anchor::Start, colour: INK, bold: false },
                name,
            );
        }
    }
    let half = (WIDTH - 64.0 - 64.0 - 32.0) / 2.0;
    for (number, chart) in charts.iter().enumerate() {
        let left = if number % 2 == 0 { 64.0 } else { 128.0 + half };
        let top = top + WHOLE_HEIGHT * (number / 2) as f64;
        panel(&mut svg, &Place { x: (left, left + half), y: (top, top + HEIGHT) }, chart);
    }
    Some(svg.finish(&title))
}

fn trained<'a>(rows: &'a [(usize, &RowResult<'_>)]) -> impl Iterator<Item = &'a Run> {
    let runs = rows.iter().flat_map(|(_, row)| row.runs.iter().map(|seen| seen.run));
    runs.filter(|run| !run.training.loss.is_empty())
}

fn last_step(run: &Run) -> Option<u64> {
    let seen = run.training.loss.keys().map(|step| step.saturating_add(1));
    run.training.steps.into_iter().chain(seen).max()
}

fn charts(section: &Section<'_>, rows: &[(usize, &RowResult<'_>)], steps: u64) -> Vec<Chart> {
    let chart = |head: &str, across, curve: &dyn Fn(&Run) -> Line| {
        let lines = |row: &RowResult<'_>| {
            row.runs.iter().map(|seen| curve(seen.run)).filter(|line| !line.is_empty()).collect()
        };
        let lines = rows.iter().map(|(index, row)| (*index, lines(row))).collect();
        Chart { head: head.into(), across, lines }
    };
    let mut charts = vec![
        chart("Total loss", Across::Steps(steps), &|run| loss(run, steps)),
        chart("Effective rank", Across::Steps(steps), &rank),
    ];
    for (head, key) in measured(section, rows) {
        charts.push(chart(&head, Across::Steps(steps), &|run| {
            let values = run.training.measured.get(&key).into_iter().flatten();
            values.map(|(&step, &value)| (step as f64 + 1.0, value)).collect()
        }));
    }
    if let Some(most) = trained(rows).map(|run| spectrum(run).len()).max().filter(|&most| most > 1) {
        let head = "Variance in the first directions at the end, percent";
        charts.push(chart(head, Across::Doublings(most - 1), &spectrum));
    }
    charts
}

/// For each evaluator that measured during the training a heading and the number to show: that of the table's column, or else its first.
fn measured(section: &Section<'_>, rows: &[(usize, &RowResult<'_>)]) -> Vec<(String, (String, String))> {
    let mut chosen = BTreeMap::<&String, (String, (String, String))>::new();
    for key in trained(rows).flat_map(|run| run.training.measured.keys()) {
        let (evaluator, metric) = key;
        let columns = &section.plan.columns;
        let column = columns.iter().find(|column| (&column.evaluator, &column.metric) == (evaluator, metric));
        let head = column.map_or_else(|| format!("{evaluator} {metric}"), |column| column.head.clone());
        if column.is_some() || !chosen.contains_key(evaluator) {
            chosen.insert(evaluator, (format!("{head} during training"), key.clone()));
        }
    }
    chosen.into_values().collect()
}

/// The mean loss of each part of the training, where it was finite.
fn loss(run: &Run, steps: u64) -> Line {
    let size = steps.div_ceil(PARTS).max(1);
    let mut parts = BTreeMap::<u64, (f64, f64)>::new();
    for (step, value) in &run.training.loss {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            let part = parts.entry(step / size).or_default();
            *part = (part.0 + value, part.1 + 1.0);
        }
    }
    let middle = |part: u64| ((part as f64 + 0.5) * size as f64).min(steps as f64);
    parts.into_iter().map(|(part, (sum, count))| (middle(part), sum / count)).collect()
}

/// The spectrum after the last epoch: the share of the variance by the logarithm of the number of directions.
fn spectrum(run: &Run) -> Line {
    let end = run.training.rank.last_key_value().map(|(_, end)| &end.explained_variance);
    let shares = end.into_iter().flatten().enumerate();
    shares.map(|(doublings, &share)| (doublings as f64, 100.0 * f64::from(share))).collect()
}

fn rank(run: &Run) -> Line {
    let ends = run.training.rank.values();
    ends.filter_map(|end| Some((end.step as f64 + 1.0, end.effective_rank?))).collect()
}

/// Names with their place, broken into lines.
fn legend(rows: &[(usize, &RowResult<'_>)]) -> Vec<Vec<(f64, usize, String)>> {
    let mut lines = vec![Vec::new()];
    let mut x = 24.0;
    for (index, row) in rows {
        let name = row.heading();
        let width = 48.0 + 7.2 * name.chars().count() as f64;
        if x + width > WIDTH && x > 24.0 {
            lines.push(Vec::new());
            x = 24.0;
        }
        if let Some(line) = lines.last_mut() {
            line.push((x, *index, name));
        }
        x += width;
    }
    lines
}
