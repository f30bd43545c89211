//! Bar charts as SVG.

use std::fmt::Write;

/// A chart: its title, and each bar's label and value.
pub struct Panel {
    pub title: String,
    pub bars: Vec<(String, f64)>,
}

impl Panel {
    /// The number of images by their number of boxes, in at most a dozen bars of one round width.
    pub fn histogram(title: &str, counts: &[usize]) -> Self {
        let most = counts.iter().max().copied().unwrap_or(0);
        let mut widths = (0..).flat_map(|power| [1, 2, 5].map(|digit| digit * 10usize.pow(power)));
        let width = widths.find(|width| most / width < 12).unwrap_or(1);
        let mut images = vec![0usize; most / width + 1];
        counts.iter().for_each(|count| images[count / width] += 1);
        let label = |bar: usize| {
            let (low, high) = (bar * width, (bar + 1) * width - 1);
            if width == 1 { low.to_string() } else { format!("{low}–{high}") }
        };
        let bars = images.iter().enumerate().map(|(bar, &images)| (label(bar), images as f64)).collect();
        Self { title: title.into(), bars }
    }
}

const WIDTH: f64 = 720.0;
const LINE: f64 = 22.0;
const LABELS: f64 = 150.0;

/// The charts below each other.
pub fn picture(title: &str, panels: &[Panel]) -> String {
    let mut body = String::new();
    text(&mut body, (20.0, 32.0), "start", 17, title);
    let mut y = 60.0;
    for panel in panels {
        text(&mut body, (20.0, y + 12.0), "start", 13, &panel.title);
        y += 26.0;
        let most = panel.bars.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
        for (label, value) in &panel.bars {
            let length = (WIDTH - LABELS - 90.0) * value / most;
            text(&mut body, (LABELS - 10.0, y + 14.0), "end", 11, label);
            // Writing into a string cannot fail.
            let _ = writeln!(
                body,
                r##"<rect x="{LABELS}" y="{:.1}" width="{length:.1}" height="{}" fill="#0072b2"/>"##,
                y + 3.0,
                LINE - 6.0
            );
            let value = if value.fract() == 0.0 { format!("{value}") } else { format!("{value:.1}") };
            text(&mut body, (LABELS + length + 6.0, y + 14.0), "start", 11, &value);
            y += LINE;
        }
        y += 16.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y:.0}\" width=\"{WIDTH}\" \
         height=\"{y:.0}\" role=\"img\" font-family=\"system-ui, sans-serif\">\n\
         <rect width=\"{WIDTH}\" height=\"{y:.0}\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

fn text(body: &mut String, (x, y): (f64, f64), anchor: &str, size: u32, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        body,
        r##"<text x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}" fill="#1f2933">{text}</text>"##
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_have_one_round_width_and_count_every_image() {
        let cases: [(&[usize], usize, &str); 4] =
            [(&[0, 1, 1, 3], 4, "0"), (&[2279, 40, 1000], 12, "0–199"), (&[0], 1, "0"), (&[25], 6, "0–4")];
        for (counts, bars, first) in cases {
            let panel = Panel::histogram("", counts);
            assert_eq!((panel.bars.len(), panel.bars[0].0.as_str()), (bars, first));
            assert_eq!(panel.bars.iter().map(|(_, images)| images).sum::<f64>(), counts.len() as f64);
        }
    }
}
