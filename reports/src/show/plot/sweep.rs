//! A sweep: lines with intervals along one axis, a heat map of two.

use super::axis::Axis;
use super::panel::levels;
use super::svg::{Anchor, Font, INK, PALETTE, QUIET, Stroke, Svg};
use crate::compare::section::Section;
use crate::compare::statistics::Summary;
use crate::compare::sweep::row_at;
use crate::show::page::heading;
use crate::show::text::clip;

const WIDTH: f64 = 960.0;
const TOP: f64 = 96.0;
const COLOUR: &str = PALETTE[1];

/// The picture of a sweep over one key or two; none of another table, of a longer grid, and where nothing is measured yet.
pub fn sweep(section: &Section<'_>) -> Option<String> {
    let measured = |index: &usize| section.rows.iter().any(|row| row.cells[*index].summary.is_some());
    let columns: Vec<usize> = (0..section.columns.len()).filter(measured).take(4).collect();
    match (section.plan.axes.len(), columns.is_empty()) {
        (1, false) => Some(lines(section, &columns)),
        (2, false) => Some(heat_maps(section, &columns)),
        _ => None,
    }
}

/// A picture with its head; `height` is that of its panels.
fn framed(section: &Section<'_>, height: f64, subtitle: &str) -> (Svg, String) {
    let title = heading(&section.plan.table, &section.plan.caption);
    let mut svg = Svg::new(WIDTH, TOP + height);
    svg.text((24.0, 34.0), font(17.0, Anchor::Start, INK, true), &title);
    svg.text((24.0, 55.0), font(12.0, Anchor::Start, QUIET, false), subtitle);
    (svg, title)
}

/// The place of a panel, from left to right.
fn panels(count: usize, margin: f64) -> impl Iterator<Item = (f64, f64)> {
    let width = (WIDTH - 36.0) / count as f64;
    (0..count)
        .map(move |index| (24.0 + margin + width * index as f64, 24.0 + width * (index as f64 + 1.0) - 24.0))
}

fn lines(section: &Section<'_>, columns: &[usize]) -> String {
    const HEIGHT: f64 = 260.0;
    let subtitle = "Means with their 95% intervals by Student's t, where there are several seeds; dashed: untrained backbone.";
    let (mut svg, title) = framed(section, HEIGHT + 60.0, subtitle);
    for (&column, x) in columns.iter().zip(panels(columns.len(), 44.0)) {
        line(&mut svg, section, column, x, (TOP, TOP + HEIGHT));
    }
    svg.finish(&title)
}

/// A panel: the values of the axis from left to right, evenly spaced, the column's means upwards.
fn line(svg: &mut Svg, section: &Section<'_>, column: usize, x: (f64, f64), y: (f64, f64)) {
    let swept = &section.plan.axes[0];
    let of = |at: usize| row_at(section, &[at]).map(|row| &row.cells[column]);
    let untrained = section.rows.iter().find(|row| row.random);
    let untrained = untrained.and_then(|row| row.cells[column].summary).map(|summary| summary.mean);
    let ends = |summary: &Summary| summary.interval().unwrap_or([summary.mean; 2]);
    let cells = || (0..swept.values.len()).filter_map(|at| Some((at, of(at)?)));
    let summaries: Vec<(usize, Summary)> =
        cells().filter_map(|(at, cell)| Some((at, cell.summary?))).collect();
    let values = summaries.iter().flat_map(|(_, summary)| ends(summary)).chain(untrained);
    svg.text((x.0, y.0 - 14.0), font(13.0, Anchor::Start, INK, true), &section.columns[column].head);
    let Some(up) = Axis::around(values, y.1, y.0) else { return };
    levels(svg, &up, x);
    let step = (x.1 - x.0) / swept.values.len() as f64;
    let across = |at: usize| x.0 + step * (at as f64 + 0.5);
    let letters = (step / 7.0).max(3.0) as usize;
    for (at, value) in swept.values.iter().enumerate() {
        svg.text((across(at), y.1 + 18.0), font(11.0, Anchor::Middle, QUIET, false), &clip(value, letters));
    }
    svg.line((x.0, y.1), (x.1, y.1), QUIET, 1.0, "none");
    svg.text(((x.0 + x.1) / 2.0, y.1 + 38.0), font(12.0, Anchor::Middle, QUIET, false), &swept.key);
    if let Some(mean) = untrained {
        svg.line((x.0, up.at(mean)), (x.1, up.at(mean)), QUIET, 1.3, "4 3");
    }
    let path: Vec<(f64, f64)> =
        summaries.iter().map(|(at, summary)| (across(*at), up.at(summary.mean))).collect();
    svg.path(&path, Stroke { colour: COLOUR, width: 1.6, opacity: 0.6, dash: "none" });
    for ((at, summary), point) in summaries.iter().zip(path) {
        let [low, high] = ends(summary);
        svg.line((across(*at), up.at(low)), (across(*at), up.at(high)), COLOUR, 2.0, "none");
        svg.dot(point, 4.5, COLOUR, true);
    }
}

fn heat_maps(section: &Section<'_>, columns: &[usize]) -> String {
    const ROW: f64 = 44.0;
    let [down, along] = [&section.plan.axes[0], &section.plan.axes[1]];
    let subtitle =
        format!("{} downwards, {} to the right; means, ± standard deviation.", down.key, along.key);
    let height = ROW * down.values.len() as f64 + 40.0;
    // Two panels side by side, further ones below.
    let lines = columns.len().div_ceil(2) as f64;
    let (mut svg, title) = framed(section, lines * (height + 36.0), &subtitle);
    let wide = columns.len().min(2);
    for (index, &column) in columns.iter().enumerate() {
        let Some(x) = panels(wide, 96.0).nth(index % 2) else { continue };
        let top = TOP + (index / 2) as f64 * (height + 36.0);
        heat_map(&mut svg, section, column, x, (top, top + height - 40.0));
    }
    svg.finish(&title)
}

/// A panel: a field for each cell of the grid, the darker the higher.
fn heat_map(svg: &mut Svg, section: &Section<'_>, column: usize, x: (f64, f64), y: (f64, f64)) {
    let [down, along] = [&section.plan.axes[0], &section.plan.axes[1]];
    let of = |cell: &[usize]| row_at(section, cell).and_then(|row| row.cells[column].summary);
    let grid = |row: usize| (0..along.values.len()).map(move |at| [row, at]);
    let means =
        (0..down.values.len()).flat_map(grid).filter_map(|cell| of(&cell)).map(|summary| summary.mean);
    let range = means.fold(None, |range: Option<(f64, f64)>, mean| {
        Some(range.map_or((mean, mean), |(low, high)| (low.min(mean), high.max(mean))))
    });
    let (low, high) = range.unwrap_or_default();
    let shade = Axis::exact(low, high, 0.08, 1.0);
    svg.text((x.0, y.0 - 14.0), font(13.0, Anchor::Start, INK, true), &section.columns[column].head);
    let [width, height] = [(x.1 - x.0) / along.values.len() as f64, (y.1 - y.0) / down.values.len() as f64];
    for (row, value) in down.values.iter().enumerate() {
        let top = y.0 + height * row as f64;
        svg.text(
            (x.0 - 8.0, top + height / 2.0 + 4.0),
            font(11.0, Anchor::End, QUIET, false),
            &clip(value, 12),
        );
        for cell in grid(row) {
            let left = x.0 + width * cell[1] as f64;
            let middle = left + width / 2.0;
            let Some(summary) = of(&cell) else {
                svg.text((middle, top + height / 2.0 + 4.0), font(11.0, Anchor::Middle, QUIET, false), "–");
                continue;
            };
            let opacity = if high > low { shade.at(summary.mean) } else { 0.3 };
            svg.field([left + 1.0, top + 1.0, width - 2.0, height - 2.0], COLOUR, opacity);
            let colour = if opacity > 0.7 { "#fff" } else { INK };
            let baseline = top + height / 2.0 + if summary.deviation.is_some() { -1.0 } else { 5.0 };
            svg.plain_text(
                (middle, baseline),
                font(13.0, Anchor::Middle, colour, true),
                &format!("{:.1}", summary.mean),
            );
            if let Some(deviation) = summary.deviation {
                let text = format!("± {deviation:.1}");
                svg.plain_text((middle, baseline + 14.0), font(10.0, Anchor::Middle, colour, false), &text);
            }
        }
    }
    let letters = (width / 7.0).max(3.0) as usize;
    for (at, value) in along.values.iter().enumerate() {
        let middle = x.0 + width * (at as f64 + 0.5);
        svg.text((middle, y.1 + 18.0), font(11.0, Anchor::Middle, QUIET, false), &clip(value, letters));
    }
}

fn font(size: f64, anchor: Anchor, colour: &str, bold: bool) -> Font<'_> {
    Font { size, anchor, colour, bold }
}
