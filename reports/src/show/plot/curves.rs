//! Training: the loss and the effective rank by step.

use super::axis::Axis;
use super::dots::{colour, dash};
use super::svg::{Anchor, Font, GRID, INK, QUIET, Stroke, Svg};
use crate::compare::section::{RowResult, Section};
use crate::read::run::Run;
use crate::show::page::heading;
use std::collections::BTreeMap;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 270.0;
/// The loss of a step is noisy: it is averaged within this many equal parts of the training.
const PARTS: u64 = 120;

type Line = Vec<(f64, f64)>;
type Curve<'a> = &'a dyn Fn(&Run) -> Line;

/// A panel of losses and one of effective ranks; none if no run of the table has trained.
pub fn curves(section: &Section<'_>) -> Option<String> {
    let rows: Vec<(usize, &RowResult<'_>)> =
        section.rows.iter().filter(|row| !row.random).enumerate().collect();
    let trained = |run: &&Run| !run.training.loss.is_empty();
    let last = |run: &Run| {
        run.training
            .steps
            .into_iter()
            .chain(run.training.loss.keys().map(|step| step.saturating_add(1)))
            .max()
    };
    let runs = || rows.iter().flat_map(|(_, row)| row.runs.iter().map(|seen| seen.run)).filter(trained);
    let steps = runs().filter_map(last).max()?;

    let title = heading(&section.plan.table, "training");
    let legend = legend(&rows);
    let top = 106.0 + 20.0 * legend.len() as f64;
    let mut svg = Svg::new(WIDTH, top + HEIGHT + 58.0);
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
    let panels: [(f64, &str, Curve<'_>); 2] =
        [(64.0, "Total loss", &|run| loss(run, steps)), (128.0 + half, "Effective rank", &rank)];
    for (left, head, curve) in panels {
        let lines: Vec<(usize, Vec<Line>)> = rows
            .iter()
            .map(|(index, row)| {
                (
                    *index,
                    row.runs.iter().map(|seen| curve(seen.run)).filter(|line| !line.is_empty()).collect(),
                )
            })
            .collect();
        let place = Panel { x: (left, left + half), y: (top, top + HEIGHT), head };
        panel(&mut svg, &place, steps, &lines);
    }
    Some(svg.finish(&title))
}

/// A panel: its place from left to right and from top to bottom, and its head.
struct Panel<'a> {
    x: (f64, f64),
    y: (f64, f64),
    head: &'a str,
}

fn panel(svg: &mut Svg, Panel { x, y, head }: &Panel<'_>, steps: u64, lines: &[(usize, Vec<Line>)]) {
    let (x, y) = (*x, *y);
    svg.text((x.0, y.0 - 12.0), Font { size: 13.0, anchor: Anchor::Start, colour: INK, bold: true }, head);
    let across = Axis::exact(0.0, steps as f64, x.0, x.1);
    let values = lines.iter().flat_map(|(_, lines)| lines.iter().flatten().map(|(_, value)| *value));
    let Some(up) = Axis::around(values, y.1, y.0) else {
        let middle = ((x.0 + x.1) / 2.0, (y.0 + y.1) / 2.0);
        return svg.text(
            middle,
            Font { size: 12.0, anchor: Anchor::Middle, colour: QUIET, bold: false },
            "nothing recorded",
        );
    };
    for (tick, label) in up.ticks(5) {
        svg.line((x.0, up.at(tick)), (x.1, up.at(tick)), GRID, 1.0, "none");
        svg.text(
            (x.0 - 8.0, up.at(tick) + 4.0),
            Font { size: 11.0, anchor: Anchor::End, colour: QUIET, bold: false },
            &label,
        );
    }
    for (tick, label) in across.ticks(5) {
        svg.text(
            (across.at(tick), y.1 + 20.0),
            Font { size: 11.0, anchor: Anchor::Middle, colour: QUIET, bold: false },
            &label,
        );
    }
    svg.line((x.0, y.1), (x.1, y.1), QUIET, 1.0, "none");
    svg.text(
        ((x.0 + x.1) / 2.0, y.1 + 40.0),
        Font { size: 12.0, anchor: Anchor::Middle, colour: QUIET, bold: false },
        "step",
    );
    let place = |line: &Line| line.iter().map(|&(x, y)| (across.at(x), up.at(y))).collect::<Vec<_>>();
    let stroke = |index, width, opacity| Stroke { colour: colour(index), width, opacity, dash: dash(index) };
    for (index, lines) in lines.iter().filter(|(_, lines)| lines.len() > 1) {
        for line in lines {
            svg.path(&place(line), stroke(*index, 0.9, 0.35));
        }
    }
    for (index, lines) in lines {
        let mean = mean(lines);
        svg.path(&place(&mean), stroke(*index, 2.2, 1.0));
        if let Some(&end) = place(&mean).last() {
            svg.dot(end, 3.5, colour(*index), true);
        }
    }
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

fn rank(run: &Run) -> Line {
    let ends = run.training.rank.values();
    ends.filter_map(|end| Some((end.step as f64 + 1.0, end.effective_rank?))).collect()
}

/// The mean where every line has a point: seeds do not end together while they run.
fn mean(lines: &[Line]) -> Line {
    let mut points = BTreeMap::<u64, (f64, f64, usize)>::new();
    for (x, y) in lines.iter().flatten() {
        let point = points.entry(x.to_bits()).or_insert((*x, 0.0, 0));
        *point = (*x, point.1 + y, point.2 + 1);
    }
    let whole = points.into_values().filter(|(_, _, count)| *count == lines.len());
    whole.map(|(x, sum, count)| (x, sum / count as f64)).collect()
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
