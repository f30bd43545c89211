//! Ours beside the paper's: each row's mean, deviation and seeds.

use super::axis::Axis;
use super::svg::{Anchor, GRID, INK, PALETTE, QUIET, Svg};
use crate::page::heading;
use crate::section::{RowResult, Section};
use crate::statistics::Summary;
use crate::text::wrap;

const WIDTH: f64 = 960.0;
/// Room for names: [`NAME`] characters of 13 pixels, bold, in the widest of the fonts (0.7 of their size).
const NAMES: f64 = 340.0;
const NAME: usize = 34;
const GAP: f64 = 64.0;
const LINE: f64 = 36.0;

/// A panel of our linear top-1 and one of the paper's. They have axes of their own: their numbers are not
/// of one kind.
pub fn dots(section: &Section<'_>) -> String {
    let rows: Vec<&RowResult<'_>> = section.rows.iter().filter(|row| !row.random).collect();
    let random = section.rows.iter().find(|row| row.random);
    let title = heading(&section.plan.table, &section.plan.caption);
    let subtitle = wrap(&section.setting.describe(), 150);
    let mut heads: Vec<String> = subtitle.lines().map(|line| line.trim().to_string()).collect();
    heads.extend(section.setting.warning());
    let top = 64.0 + 17.0 * heads.len() as f64 + 26.0;
    let bottom = top + LINE * rows.len() as f64;
    let mut svg = Svg::new(WIDTH, bottom + 62.0);
    svg.text((24.0, 34.0), 17.0, Anchor::Start, INK, true, &title);
    for (index, line) in heads.iter().enumerate() {
        svg.text((24.0, 56.0 + 17.0 * index as f64), 12.0, Anchor::Start, QUIET, false, line);
    }

    let half = (WIDTH - NAMES - GAP - 36.0) / 2.0;
    let ours = (NAMES, NAMES + half);
    let paper = (NAMES + half + GAP, WIDTH - 36.0);
    for (index, row) in rows.iter().enumerate() {
        let y = top + LINE * (index as f64 + 0.5);
        if row.baseline {
            svg.text((NAMES - 24.0, y + 17.0), 10.0, Anchor::End, QUIET, false, "baseline");
        }
        let name = clip(&row.heading(), NAME);
        svg.text((NAMES - 24.0, y + 4.5), 13.0, Anchor::End, INK, row.baseline, &name);
        svg.line((ours.0, y), (ours.1, y), GRID, 1.0, "none");
        svg.line((paper.0, y), (paper.1, y), GRID, 1.0, "none");
    }

    let chance = random.and_then(|row| Summary::of(row.top1.values().copied())).map(|summary| summary.mean);
    let spread = |row: &&RowResult<'_>| {
        let summary = Summary::of(row.top1.values().copied());
        let ends =
            summary.map(|s| [s.mean - s.deviation.unwrap_or(0.0), s.mean + s.deviation.unwrap_or(0.0)]);
        row.top1.values().copied().chain(ends.into_iter().flatten()).collect::<Vec<_>>()
    };
    let head = "Ours: linear top-1, %";
    match Axis::around(rows.iter().flat_map(spread).chain(chance), ours.0, ours.1) {
        Some(axis) => {
            frame(&mut svg, &axis, ours, (top, bottom), head);
            if let Some(chance) = chance {
                let x = axis.at(chance);
                svg.line((x, top), (x, bottom), QUIET, 1.3, "4 3");
                let label = format!("random {chance:.1}");
                svg.text((x, bottom + 40.0), 11.0, Anchor::Middle, QUIET, false, &label);
            }
            for (index, row) in rows.iter().enumerate() {
                our_row(&mut svg, &axis, row, top + LINE * (index as f64 + 0.5), index);
            }
        }
        None => empty(&mut svg, ours, (top, bottom), head, "nothing measured yet"),
    }

    let head = "Paper: top-1 on ImageNet, %";
    match Axis::around(rows.iter().filter_map(|row| row.paper.top1), paper.0, paper.1) {
        Some(axis) => {
            frame(&mut svg, &axis, paper, (top, bottom), head);
            for (index, row) in rows.iter().enumerate() {
                let Some(value) = row.paper.top1 else { continue };
                let y = top + LINE * (index as f64 + 0.5);
                svg.dot((axis.at(value), y), 5.5, colour(index), true);
                svg.text((axis.at(value), y - 9.0), 11.0, Anchor::Middle, INK, false, &format!("{value:.1}"));
            }
            // The paper's untrained backbone is so far away that it would flatten all else.
            if let Some(value) = random.and_then(|row| row.paper.top1) {
                let label = format!("← random {value:.1} (Table 1)");
                svg.text((paper.0, bottom + 40.0), 11.0, Anchor::Start, QUIET, false, &label);
            }
        }
        None => empty(&mut svg, paper, (top, bottom), head, "no number in the paper"),
    }
    svg.finish(&title)
}

fn our_row(svg: &mut Svg, axis: &Axis, row: &RowResult<'_>, y: f64, index: usize) {
    let Some(Summary { mean, deviation, n }) = Summary::of(row.top1.values().copied()) else {
        let x = (axis.ends().0 + axis.ends().1) / 2.0;
        svg.text((x, y + 4.0), 11.0, Anchor::Middle, QUIET, false, &format!("{} finished", row.state));
        return;
    };
    if let Some(deviation) = deviation {
        svg.line((axis.at(mean - deviation), y), (axis.at(mean + deviation), y), colour(index), 2.5, "none");
    }
    if n > 1 {
        for &value in row.top1.values() {
            svg.dot((axis.at(value), y), 3.2, colour(index), false);
        }
    }
    svg.dot((axis.at(mean), y), 5.5, colour(index), true);
    let label = deviation.map_or(format!("{mean:.1}"), |deviation| format!("{mean:.1} ± {deviation:.1}"));
    svg.text((axis.at(mean), y - 9.0), 11.0, Anchor::Middle, INK, false, &label);
}

fn frame(svg: &mut Svg, axis: &Axis, (left, right): (f64, f64), (top, bottom): (f64, f64), head: &str) {
    svg.text((left, top - 12.0), 13.0, Anchor::Start, INK, true, head);
    for (tick, label) in axis.ticks(5) {
        let x = axis.at(tick);
        svg.line((x, top), (x, bottom), GRID, 1.0, "none");
        svg.text((x, bottom + 20.0), 11.0, Anchor::Middle, QUIET, false, &label);
    }
    svg.line((left, bottom), (right, bottom), QUIET, 1.0, "none");
}

fn empty(svg: &mut Svg, (left, right): (f64, f64), (top, bottom): (f64, f64), head: &str, why: &str) {
    svg.text((left, top - 12.0), 13.0, Anchor::Start, INK, true, head);
    svg.text(((left + right) / 2.0, (top + bottom) / 2.0), 12.0, Anchor::Middle, QUIET, false, why);
}

/// The colour of the row at `index`, the same in every picture.
pub fn colour(index: usize) -> &'static str {
    PALETTE[index % PALETTE.len()]
}

fn clip(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.into();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}
