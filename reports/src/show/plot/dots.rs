//! Ours beside the paper's: each row's mean, deviation and seeds.

use super::axis::Axis;
use super::svg::{Anchor, Font, GRID, INK, PALETTE, QUIET, Svg};
use crate::compare::cell::Cell;
use crate::compare::section::{MISSING, RowResult, Section};
use crate::compare::statistics::Summary;
use crate::show::page::heading;
use crate::show::text::{clip, wrap};

const WIDTH: f64 = 960.0;
/// Room for names: [`NAME`] characters of 13 pixels, bold, in the widest of the fonts (0.7 of their size).
const NAMES: f64 = 340.0;
const NAME: usize = 34;
const GAP: f64 = 64.0;
const MARGIN: f64 = 36.0;
const LINE: f64 = 36.0;
/// Between the rows of one band and those of the next: ticks, a word on the untrained backbone, heads.
const BETWEEN: f64 = 88.0;

/// One of a table's numbers.
struct Quantity<'a> {
    section: &'a Section<'a>,
    /// Its column.
    index: usize,
}

impl Quantity<'_> {
    fn ours(&self) -> String {
        format!("Ours: {}", self.section.columns[self.index].head)
    }

    /// None of a number that the paper has not.
    fn papers(&self) -> Option<String> {
        let column = &self.section.columns[self.index];
        column.paper.as_ref()?;
        let head = column.paper_head.as_deref().unwrap_or(&column.head);
        Some(format!("Paper: {}", head.trim_start_matches("paper ")))
    }

    fn measured<'a>(&self, row: &'a RowResult<'_>) -> &'a Cell {
        &row.cells[self.index]
    }

    fn stated(&self, row: &RowResult<'_>) -> Option<f64> {
        self.section.paper(row, self.index)
    }
}

/// A band of the table's first column, and one of each other that the paper has numbers of and that was measured. In each, a panel of
/// ours and one of the paper's, with axes of their own: their numbers are not of one kind.
pub fn dots(section: &Section<'_>) -> String {
    let rows: Vec<&RowResult<'_>> = section.rows.iter().filter(|row| !row.random).collect();
    let random = section.rows.iter().find(|row| row.random);
    let measured = |index: usize| section.rows.iter().any(|row| !row.cells[index].values.is_empty());
    let shown = |index: &usize| *index == 0 || (section.columns[*index].paper.is_some() && measured(*index));
    let quantities: Vec<Quantity<'_>> =
        (0..section.columns.len()).filter(shown).map(|index| Quantity { section, index }).collect();

    let title = heading(&section.plan.table, &section.plan.caption);
    let subtitle = wrap(&section.setting.describe(&section.columns), 150);
    let mut heads: Vec<String> = subtitle.lines().map(|line| line.trim().to_string()).collect();
    heads.extend(section.setting.warning());
    let first = 64.0 + 17.0 * heads.len() as f64 + 26.0;
    let height = LINE * rows.len() as f64;
    let bands = quantities.len().max(1) as f64;
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
    quantity: &Quantity<'_>,
    rows: &[&RowResult<'_>],
    random: Option<&RowResult<'_>>,
    top: f64,
) {
    let bottom = top + LINE * rows.len() as f64;
    let half = (WIDTH - NAMES - GAP - MARGIN) / 2.0;
    let papers = quantity.papers();
    let right = if papers.is_some() { NAMES + half } else { WIDTH - MARGIN };
    let ours = Panel { left: NAMES, right, top, bottom };
    let paper =
        papers.as_ref().map(|_| Panel { left: NAMES + half + GAP, right: WIDTH - MARGIN, top, bottom });
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
        for panel in std::iter::once(&ours).chain(&paper) {
            svg.line((panel.left, y), (panel.right, y), GRID, 1.0, "none");
        }
    }
    measured(svg, quantity, rows, random, &ours);
    if let (Some(head), Some(panel)) = (papers, paper) {
        stated(svg, quantity, rows, random, (&panel, &head));
    }
}

fn measured(
    svg: &mut Svg,
    quantity: &Quantity<'_>,
    rows: &[&RowResult<'_>],
    random: Option<&RowResult<'_>>,
    panel: &Panel,
) {
    let cells: Vec<&Cell> = rows.iter().map(|row| quantity.measured(row)).collect();
    let untrained = random.and_then(|row| quantity.measured(row).summary).map(|summary| summary.mean);
    let ends = |summary: Summary| {
        let deviation = summary.deviation.unwrap_or(0.0);
        [summary.mean - deviation, summary.mean + deviation]
    };
    let spread = |cell: &&Cell| {
        let ends = cell.summary.map(ends);
        cell.values.values().copied().chain(ends.into_iter().flatten()).collect::<Vec<_>>()
    };
    let Some(axis) = Axis::around(cells.iter().flat_map(spread).chain(untrained), panel.left, panel.right)
    else {
        return panel.empty(svg, &quantity.ours(), "nothing measured yet");
    };
    panel.frame(svg, &axis, &quantity.ours());
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
    for (index, (row, cell)) in rows.iter().zip(cells).enumerate() {
        let y = panel.top + LINE * (index as f64 + 0.5);
        match cell.summary {
            Some(summary) => seeds(svg, &axis, (cell, summary), y, colour(index)),
            None => {
                let middle = ((panel.left + panel.right) / 2.0, y + 4.0);
                let state = match row.state.as_str() {
                    MISSING => MISSING.into(),
                    seeds => format!("{seeds} finished"),
                };
                svg.text(
                    middle,
                    Font { size: 11.0, anchor: Anchor::Middle, colour: QUIET, bold: false },
                    &state,
                );
            }
        }
    }
}

/// The mean of a row, its deviation, and each seed if there are several.
fn seeds(svg: &mut Svg, axis: &Axis, (cell, summary): (&Cell, Summary), y: f64, colour: &str) {
    let Summary { mean, deviation, n } = summary;
    if let Some(deviation) = deviation {
        svg.line((axis.at(mean - deviation), y), (axis.at(mean + deviation), y), colour, 2.5, "none");
    }
    if n > 1 {
        for &value in cell.values.values() {
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
    quantity: &Quantity<'_>,
    rows: &[&RowResult<'_>],
    random: Option<&RowResult<'_>>,
    (panel, head): (&Panel, &str),
) {
    let values: Vec<Option<f64>> = rows.iter().map(|row| quantity.stated(row)).collect();
    let Some(axis) = Axis::around(values.iter().copied().flatten(), panel.left, panel.right) else {
        return panel.empty(svg, head, "no number in the paper");
    };
    panel.frame(svg, &axis, head);
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
    if let Some(value) = random.and_then(|row| quantity.stated(row)) {
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

/// The dashes of the row's lines: rows of one colour have others.
pub fn dash(index: usize) -> &'static str {
    const DASHES: [&str; 3] = ["none", "7 3", "2 2"];
    DASHES[index / PALETTE.len() % DASHES.len()]
}

/// A name on at most two lines.
fn name_lines(name: &str) -> Vec<String> {
    let wrapped = wrap(name, NAME);
    let mut lines = wrapped.lines().map(str::trim);
    let first = lines.next().map(|line| clip(line, NAME));
    let rest = lines.collect::<Vec<_>>().join(" ");
    first.into_iter().chain((!rest.is_empty()).then(|| clip(&rest, NAME))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn lines_of_many_rows_are_told_apart() {
        let looks: BTreeSet<_> = (0..3 * PALETTE.len()).map(|index| (colour(index), dash(index))).collect();
        assert_eq!(looks.len(), 3 * PALETTE.len());
    }
}
