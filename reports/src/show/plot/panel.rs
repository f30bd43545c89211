//! A panel of a picture: lines over one axis.

use super::axis::Axis;
use super::dots::{colour, dash};
use super::svg::{Anchor, Font, GRID, INK, QUIET, Stroke, Svg};
use std::collections::BTreeMap;

/// Points, from left to right.
pub type Line = Vec<(f64, f64)>;

/// The contents of a panel: the lines of each row, by the row's number, below a head.
pub struct Chart {
    pub head: String,
    pub across: Across,
    pub lines: Vec<(usize, Vec<Line>)>,
}

/// The axis from left to right.
pub enum Across {
    /// From step 0 to this one.
    Steps(u64),
    /// 1, 2, 4, ... directions, doubled so often.
    Doublings(usize),
}

impl Across {
    fn axis(&self, (from, to): (f64, f64)) -> Axis {
        match *self {
            Self::Steps(steps) => Axis::exact(0.0, steps as f64, from, to),
            Self::Doublings(most) => Axis::exact(0.0, most as f64, from, to),
        }
    }

    fn ticks(&self, axis: &Axis) -> Vec<(f64, String)> {
        match *self {
            Self::Steps(_) => axis.ticks(5),
            Self::Doublings(most) => {
                (0..=most).map(|power| (power as f64, 2f64.powi(power as i32).to_string())).collect()
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Steps(_) => "step",
            Self::Doublings(_) => "directions",
        }
    }
}

/// The place of a panel, from left to right and from top to bottom.
pub struct Place {
    pub x: (f64, f64),
    pub y: (f64, f64),
}

/// Draws `chart` at a place.
pub fn panel(svg: &mut Svg, &Place { x, y }: &Place, chart: &Chart) {
    let Chart { head, across: kind, lines } = chart;
    svg.text((x.0, y.0 - 12.0), Font { size: 13.0, anchor: Anchor::Start, colour: INK, bold: true }, head);
    let across = kind.axis(x);
    let values = lines.iter().flat_map(|(_, lines)| lines.iter().flatten().map(|(_, value)| *value));
    let Some(up) = Axis::around(values, y.1, y.0) else {
        let middle = ((x.0 + x.1) / 2.0, (y.0 + y.1) / 2.0);
        return svg.text(
            middle,
            Font { size: 12.0, anchor: Anchor::Middle, colour: QUIET, bold: false },
            "nothing recorded",
        );
    };
    levels(svg, &up, x);
    for (tick, label) in kind.ticks(&across) {
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
        kind.name(),
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

/// Draws lines from left to right at the ticks of the axis that runs upwards, each with its value.
pub fn levels(svg: &mut Svg, up: &Axis, (left, right): (f64, f64)) {
    for (tick, label) in up.ticks(5) {
        svg.line((left, up.at(tick)), (right, up.at(tick)), GRID, 1.0, "none");
        svg.text(
            (left - 8.0, up.at(tick) + 4.0),
            Font { size: 11.0, anchor: Anchor::End, colour: QUIET, bold: false },
            &label,
        );
    }
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
