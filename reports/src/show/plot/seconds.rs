//! A bench's times: ours and the peer's, on a logarithmic axis.

use super::svg::{Anchor, Font, GRID, INK, PALETTE, QUIET, Svg};
use crate::compare::bench_case::{Case, ratio};

const WIDTH: f64 = 760.0;
const NAMES: f64 = 240.0;
const LINE: f64 = 34.0;
const TOP: f64 = 84.0;

/// A row for each case: a dot for our seconds, another for the peer's, and their ratio at the right.
pub fn seconds(name: &str, cases: &[Case]) -> String {
    let bottom = TOP + LINE * cases.len() as f64;
    let title = format!("Bench {name}: seconds, less is better");
    let mut svg = Svg::new(WIDTH, bottom + 44.0);
    svg.text((24.0, 34.0), Font { size: 17.0, anchor: Anchor::Start, colour: INK, bold: true }, &title);
    svg.dot((NAMES, 56.0), 5.5, PALETTE[1], true);
    svg.text(
        (NAMES + 10.0, 60.0),
        Font { size: 12.0, anchor: Anchor::Start, colour: INK, bold: false },
        "ours",
    );
    svg.dot((NAMES + 70.0, 56.0), 5.5, PALETTE[2], true);
    svg.text(
        (NAMES + 80.0, 60.0),
        Font { size: 12.0, anchor: Anchor::Start, colour: INK, bold: false },
        "peer",
    );
    svg.text(
        (WIDTH - 24.0, 60.0),
        Font { size: 12.0, anchor: Anchor::End, colour: INK, bold: false },
        "ours / peer",
    );
    let times = || cases.iter().flat_map(|case| [Some(case.ours.0), case.peer.map(|peer| peer.0)]).flatten();
    let low = times().fold(f64::INFINITY, f64::min).max(1e-9).log10().floor();
    let high = times().fold(0.0, f64::max).max(1e-9).log10().ceil().max(low + 1.0);
    let right = WIDTH - 110.0;
    let at = |seconds: f64| NAMES + (seconds.max(1e-9).log10() - low) / (high - low) * (right - NAMES);
    for power in low as i32..=high as i32 {
        let tick = 10f64.powi(power);
        svg.line((at(tick), TOP), (at(tick), bottom), GRID, 1.0, "none");
        svg.text(
            (at(tick), bottom + 20.0),
            Font { size: 11.0, anchor: Anchor::Middle, colour: QUIET, bold: false },
            &tick.to_string(),
        );
    }
    for (index, case) in cases.iter().enumerate() {
        let y = TOP + LINE * (index as f64 + 0.5);
        svg.text(
            (NAMES - 16.0, y + 4.5),
            Font { size: 13.0, anchor: Anchor::End, colour: INK, bold: false },
            &case.name,
        );
        svg.line((NAMES, y), (right, y), GRID, 1.0, "none");
        if let (Some((peer, _)), Some(shown)) = (case.peer, case.ratio) {
            svg.line((at(case.ours.0), y), (at(peer), y), QUIET, 1.3, "none");
            svg.dot((at(peer), y), 5.5, PALETTE[2], true);
            svg.text(
                (WIDTH - 24.0, y + 4.5),
                Font { size: 13.0, anchor: Anchor::End, colour: INK, bold: true },
                &ratio(shown),
            );
        }
        svg.dot((at(case.ours.0), y), 5.5, PALETTE[1], true);
    }
    svg.finish(&title)
}
