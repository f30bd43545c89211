//! Writes SVG.

use crate::show::escape::xml;
use std::fmt::Write;

/// The colour of text and lines that matter.
pub const INK: &str = "#1f2933";
/// The colour of what only helps to read.
pub const QUIET: &str = "#616e7c";
/// The colour of grid lines.
pub const GRID: &str = "#e4e8ec";

/// Drawn below the letters, whose shape it leaves alone.
const RIM: &str = r##"paint-order="stroke" stroke="#fff" stroke-width="4" stroke-linejoin="round""##;

/// Colours that people with any colour vision can tell apart (Okabe and Ito), without the yellow.
pub const PALETTE: [&str; 7] = ["#616e7c", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// A picture that is being drawn, later shapes over earlier ones.
pub struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// The part of a text that stands at its point.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// Its beginning.
    Start,
    /// Its middle.
    Middle,
    /// Its end.
    End,
}

/// The looks of a text.
#[derive(Clone, Copy)]
pub struct Font<'a> {
    /// The height in pixels.
    pub size: f64,
    /// The part of the text at its point.
    pub anchor: Anchor,
    /// The colour.
    pub colour: &'a str,
    /// True for a heading.
    pub bold: bool,
}

/// The look of a line through points.
#[derive(Clone, Copy)]
pub struct Stroke<'a> {
    pub colour: &'a str,
    pub width: f64,
    pub opacity: f64,
    /// SVG's `stroke-dasharray`.
    pub dash: &'a str,
}

impl Svg {
    /// An empty picture.
    pub fn new(width: f64, height: f64) -> Self {
        Self { width, height, body: String::new() }
    }

    /// A straight line; `dash` as in `stroke-dasharray`, `none` for a whole one.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64, dash: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.push(format!(
            r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dash}"/>"#
        ));
    }

    /// A line through points.
    pub fn path(&mut self, points: &[(f64, f64)], stroke: Stroke<'_>) {
        let Stroke { colour, width, opacity, dash } = stroke;
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.push(format!(
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-opacity="{opacity}" stroke-dasharray="{dash}" stroke-linejoin="round"/>"#,
            points.join(" ")
        ));
    }

    /// A disc with a white rim, or a ring.
    pub fn dot(&mut self, (x, y): (f64, f64), radius: f64, colour: &str, filled: bool) {
        let (fill, stroke) = if filled { (colour, "#fff") } else { ("#fff", colour) };
        self.push(format!(
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" fill="{fill}" stroke="{stroke}" stroke-width="1.3"/>"#
        ));
    }

    /// A text, its base line at the point. Its white rim interrupts the lines that were drawn before.
    pub fn text(&mut self, place: (f64, f64), font: Font<'_>, text: &str) {
        self.letters(place, font, RIM, text);
    }

    /// A text without a rim, on a coloured field.
    pub fn plain_text(&mut self, place: (f64, f64), font: Font<'_>, text: &str) {
        self.letters(place, font, "", text);
    }

    /// A filled rectangle: left, top, width and height.
    pub fn field(&mut self, [x, y, width, height]: [f64; 4], colour: &str, opacity: f64) {
        self.push(format!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}" fill-opacity="{opacity:.2}"/>"#
        ));
    }

    fn letters(
        &mut self,
        (x, y): (f64, f64),
        Font { size, anchor, colour, bold }: Font<'_>,
        rim: &str,
        text: &str,
    ) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if bold { 600 } else { 400 };
        self.push(format!(
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}" {rim}>{}</text>"#,
            xml(text)
        ));
    }

    /// The file.
    pub fn finish(self, title: &str) -> String {
        let Self { width, height, body } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" font-family=\"system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', \
             sans-serif\">\n<title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
             {body}</svg>\n",
            xml(title)
        )
    }

    fn push(&mut self, element: String) {
        let _ = writeln!(self.body, "{element}");
    }
}
