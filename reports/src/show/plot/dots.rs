//! Ours beside the paper's: each row's mean, deviation and seeds.

use super::axis::Axis;
use super::svg::{Anchor, Font, GRID, INK, PALETTE, QUIET, Svg};
use crate::compare::section::Paper;
use crate::compare::section::{RowResult, Section};
use crate::compare::statistics::Summary;
use crate::show::page::heading;
use crate::show::text::{clip, wrap};
use std::collections::BTreeMap;

const WIDTH: f64 = 960.0;
/// Room for names: [`NAME`] characters of 13 pixels, bold, in the widest of the fonts (0.7 of their size).
const NAMES: f64 = 340.0;
const NAME: usize = 34;
const GAP: f64 = 64.0;
const MARGIN: f64 = 36.0;
const LINE: f64 = 36.0;
/// Between the rows of one band and those of the next: ticks, a word on the untrained backbone, heads.
const BETWEEN: f64 = 88.0;

/// One of a table's two numbers.
struct Quantity {
    ours: &'static str,
    paper: &'static str,
    measured: fn(&RowResult<'_>) -> BTreeMap<u64, f64>,
    stated: fn(&Paper) -> Option<f64>,
}

const TOP1: Quantity = Quantity {
    ours: "Ours: linear top-1, %",
    paper: "Paper: top-1 on ImageNet, %",
    measured: |row| row.top1.clone(),
    stated: |paper| paper.top1,
};

const BOXES: Quantity = Quantity {
    ours: "Ours: detection, AP of boxes, %",
    paper: "Paper: mAP on COCO, %",
    measured: |row| row.boxes.clone(),
    stated: |paper| paper.map,
};

/// A band of linear top-1, and one of detection where it was measured. In each, a panel of ours and one of the paper's, with
/// axes of their own: their numbers are not of one kind.
pub fn dots(section: &Section<'_>) -> String {
    let rows: Vec<&RowResult<'_>> = section.rows.iter().filter(|row| !row.random).collect();
    let random = section.rows.iter().find(|row| row.random);
    let detection = section.rows.iter().any(|row| !row.boxes.is_empty());
    let quantities = if detection { vec![TOP1, BOXES] } else { vec![TOP1] };

    let title = heading(&section.plan.table, &section.plan.caption);
    let subtitle = wrap(&section.setting.describe(), 150);
    let mut heads: Vec<String> = subtitle.lines().map(|line| line.trim().to_string()).collect();
    heads.extend(section.setting.warning());
    let first = 64.0 + 17.0 * heads.len() as f64 + 26.0;
    let height = LINE * rows.len() as f64;
    let bands = quantities.len() as f64;
    let mut svg = Svg::new(WIDTH, first + bands * height + (bands - 1.0) * BETWEEN + 62.0);
    svg.text((24.0, 34.0), Font { size: 17.0, anchor: Anchor::Start, colour: INK, bold: true }, &title);
    for (index, line) in heads.iter().enumerate() {
        svg.text(
            (24.0, 56.0 + 17.0 * index as f64),
            Font { size: 12.0, anchor: Anchor::Start, colour: QUIET, bold: false },
            line,
        );
    }
    for (index, quantity) in quantities.iter().enumerate() {
        band(&mut svg, quantity, &rows, random, first + index as f64 * (height + BETWEEN));
    }
    svg.finish(&title)
}

/// The names of the rows at the left, then ours, then the paper's.
fn band(
    svg: &mut Svg,
    quantity: &Quantity,
    rows: &[&RowResult<'_>],
    random: Option<&RowResult<'_>>,
    top: f64,
) {
    let bottom = top + LINE * rows.len() as f64;
    let half = (WIDTH - NAMES - GAP - MARGIN) / 2.0;
    let ours = Panel { left: NAMES, right: NAMES + half, top, bottom };
    let paper = Panel { left: NAMES + half + GAP, right: WIDTH - MARGIN, top, bottom };
    for (index, row) in rows.iter().enumerate() {
        let y = top + LINE * (index as f64 + 0.5);
        let name = row.heading() + if row.baseline { " (baseline)" } else { "" };
        let lines = name_lines(&name);
        let middle = (lines.len() as f64 - 1.0) / 2.0;
        for (line, text) in lines.iter().enumerate() {
            let base = y + 4.5 + 15.0 * (line as f64 - middle);
            svg.text(
                (NAMES - 24.0, base),
                Font { size: 13.0, anchor: Anchor::End, colour: INK, bold: row.baseline },
                text,
            );
        }
        for panel in [&ours, &paper] {
            svg.line((panel.left, y), (panel.right, y), GRID, 1.0, "none");
        }
    }
    measured(svg, quantity, rows, random, &ours);
    stated(svg, quantity, rows, random, &paper);
}

fn measured(
    svg: &mut Svg,
    quantity: &Quantity,
    rows: &[&RowResult<'_>],
    random: Option<&RowResult<'_>>,
    panel: &Panel,
) {
    let values: Vec<BTreeMap<u64, f64>> = rows.iter().map(|row| (quantity.measured)(row)).collect();
    let untrained =
        random.and_then(|row| Summary::of((quantity.measured)(row).into_values())).map(|s| s.mean);
    let ends = |summary: Summary| {
        let deviation = summary.deviation.unwrap_or(0.0);
        [summary.mean - deviation, summary.mean + deviation]
    };
    let spread = |values: &BTreeMap<u64, f64>| {
        let ends = Summary::of(values.values().copied()).map(ends);
        values.values().copied().chain(ends.into_iter().flatten()).collect::<Vec<_>>()
    };
    let Some(axis) = Axis::around(values.iter().flat_map(spread).chain(untrained), panel.left, panel.right)
    else {
        return panel.empty(svg, quantity.ours, "nothing measured yet");
    };
    panel.frame(svg, &axis, quantity.ours);
    if let Some(untrained) = untrained {
        let x = axis.at(untrained);
        svg.line((x, panel.top), (x, panel.bottom), QUIET, 1.3, "4 3");
        let label = format!("random {untrained:.1}");
        svg.text(
            (x, panel.bottom + 40.0),
            Font { size: 11.0, anchor: Anchor::Middle, colour: QUIET, bold: false },
            &label,
        );
    }
    for (index, (row, values)) in rows.iter().zip(&values).enumerate() {
        let y = panel.top + LINE * (index as f64 + 0.5);
        match values.is_empty() {
            false => seeds(svg, &axis, values, y, colour(index)),
            true => {
                let middle = ((panel.left + panel.right) / 2.0, y + 4.0);
                svg.text(
                    middle,
                    Font { size: 11.0, anchor: Anchor::Middle, colour: QUIET, bold: false },
                    &format!("{} finished", row.state),
                );
            }
        }
    }
}

/// The mean of a row, its deviation, and each seed if there are several.
fn seeds(svg: &mut Svg, axis: &Axis, values: &BTreeMap<u64, f64>, y: f64, colour: &str) {
    let Some(Summary { mean, deviation, n }) = Summary::of(values.values().copied()) else { return };
    if let Some(deviation) = deviation {
        svg.line((axis.at(mean - deviation), y), (axis.at(mean + deviation), y), colour, 2.5, "none");
    }
    if n > 1 {
        for &value in values.values() {
            svg.dot((axis.at(value), y), 3.2, colour, false);
        }
    }
    svg.dot((axis.at(mean), y), 5.5, colour, true);
    let label = deviation.map_or(format!("{mean:.1}"), |deviation| format!("{mean:.1} ± {deviation:.1}"));
    svg.text(
        (axis.at(mean), y - 9.0),
        Font { size: 11.0, anchor: Anchor::Middle, colour: INK, bold: false },
        &label,
    );
}

fn stated(
    svg: &mut Svg,
    quantity: &Quantity,
    rows: &[&RowResult<'_>],
    random: Option<&RowResult<'_>>,
    panel: &Panel,
) {
    let values: Vec<Option<f64>> = rows.iter().map(|row| (quantity.stated)(&row.paper)).collect();
    let Some(axis) = Axis::around(values.iter().copied().flatten(), panel.left, panel.right) else {
        return panel.empty(svg, quantity.paper, "no number in the paper");
    };
    panel.frame(svg, &axis, quantity.paper);
    for (index, value) in values.iter().enumerate() {
        let Some(value) = *value else { continue };
        let y = panel.top + LINE * (index as f64 + 0.5);
        svg.dot((axis.at(value), y), 5.5, colour(index), true);
        svg.text(
            (axis.at(value), y - 9.0),
            Font { size: 11.0, anchor: Anchor::Middle, colour: INK, bold: false },
            &format!("{value:.1}"),
        );
    }
    // The paper's untrained backbone is so far away that it would flatten all else.
    if let Some(value) = random.and_then(|row| (quantity.stated)(&row.paper)) {
        let label = format!("← random {value:.1} (Table 1)");
        svg.text(
            (panel.left, panel.bottom + 40.0),
            Font { size: 11.0, anchor: Anchor::Start, colour: QUIET, bold: false },
            &label,
        );
    }
}

/// One side of a band.
struct Panel {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Panel {
    fn frame(&self, svg: &mut Svg, axis: &Axis, head: &str) {
        self.head(svg, head);
        for (tick, label) in axis.ticks(5) {
            let x = axis.at(tick);
            svg.line((x, self.top), (x, self.bottom), GRID, 1.0, "none");
            svg.text(
                (x, self.bottom + 20.0),
                Font { size: 11.0, anchor: Anchor::Middle, colour: QUIET, bold: false },
                &label,
            );
        }
        svg.line((self.left, self.bottom), (self.right, self.bottom), QUIET, 1.0, "none");
    }

    fn empty(&self, svg: &mut Svg, head: &str, why: &str) {
        self.head(svg, head);
        let middle = ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0);
        svg.text(middle, Font { size: 12.0, anchor: Anchor::Middle, colour: QUIET, bold: false }, why);
    }

    fn head(&self, svg: &mut Svg, head: &str) {
        svg.text(
            (self.left, self.top - 12.0),
            Font { size: 13.0, anchor: Anchor::Start, colour: INK, bold: true },
            head,
        );
    }
}

/// The colour of the row at `index`, the same in every picture.
pub fn colour(index: usize) -> &'static str {
    PALETTE[index % PALETTE.len()]
}

/// A name on at most two lines.
fn name_lines(name: &str) -> Vec<String> {
    let wrapped = wrap(name, NAME);
    let mut lines = wrapped.lines().map(str::trim);
    let first = lines.next().map(|line| clip(line, NAME));
    let rest = lines.collect::<Vec<_>>().join(" ");
    first.into_iter().chain((!rest.is_empty()).then(|| clip(&rest, NAME))).collect()
}
