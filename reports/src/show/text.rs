//! Tables of text: for a terminal, as Markdown, as HTML.

use crate::show::escape;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The largest width of text, in columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    /// The largest width of a table.
    pub table: usize,
    /// The largest width of a line of words.
    pub words: usize,
}

impl Width {
    /// For a program that reads on: a table has all its columns.
    pub const PIPED: Self = Self { table: usize::MAX, words: 100 };

    /// For a terminal of so many columns, within what can be read.
    pub fn of_terminal(columns: usize) -> Self {
        let table = columns.max(40);
        Self { table, words: table.min(120) }
    }
}

/// A table, column by column.
#[derive(Debug, Clone, PartialEq)]
pub struct TextTable {
    /// From left to right.
    pub columns: Vec<TextColumn>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct TextColumn {
    /// Its head.
    pub head: String,
    /// Its cells, from top to bottom.
    pub cells: Vec<String>,
    /// True for numbers, which stand at the right.
    pub number: bool,
    /// The rank in which it is left out for want of room, the largest first; 0 always stays.
    pub spare: u8,
}

impl TextTable {
    /// At most `width` columns of a terminal wide: columns are taken as long as they fit, the least to be spared
    /// first; those left out are named below. A column of words that can be spared is cut short rather than left out.
    pub fn terminal(&self, width: usize) -> String {
        let mut order: Vec<usize> = (0..self.columns.len()).collect();
        order.sort_by_key(|&index| self.columns[index].spare);
        let mut widths: Vec<Option<usize>> = vec![None; self.columns.len()];
        let total = |widths: &[Option<usize>]| {
            (widths.iter().flatten().map(|width| width + 2).sum::<usize>()).saturating_sub(2)
        };
        for &index in &order {
            let column = &self.columns[index];
            widths[index] = Some(column.least_width());
            if column.spare > 0 && total(&widths) > width {
                widths[index] = None;
            }
        }
        for &index in &order {
            let left = width.saturating_sub(total(&widths));
            let full = self.columns[index].width();
            widths[index] = widths[index].map(|least| full.min(least + left));
        }
        let shown: Vec<(&TextColumn, usize)> = self
            .columns
            .iter()
            .zip(&widths)
            .filter_map(|(column, width)| Some((column, (*width)?)))
            .collect();
        let mut text = line(&shown, |column| &column.head);
        text += &format!("{}\n", "─".repeat(total(&widths)));
        for row in 0..self.height() {
            text += &line(&shown, |column| &column.cells[row]);
        }
        let left_out: Vec<&str> = self
            .columns
            .iter()
            .zip(&widths)
            .filter(|(_, width)| width.is_none())
            .map(|(column, _)| column.head.as_str())
            .collect();
        if !left_out.is_empty() {
            text += &format!(
                "{}\n",
                wrap(&format!("Not shown for want of width: {}.", left_out.join(", ")), width)
            );
        }
        text
    }

    /// Every column.
    pub fn markdown(&self) -> String {
        let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = row(self.columns.iter().map(|column| escape::markdown(&column.head)).collect());
        let rule = |column: &TextColumn| if column.number { "---:" } else { "---" }.to_string();
        text += &row(self.columns.iter().map(rule).collect());
        for index in 0..self.height() {
            text += &row(self.columns.iter().map(|column| escape::markdown(&column.cells[index])).collect());
        }
        text
    }

    /// Every column; the row at `emphasis` is the one others are compared with.
    pub fn html(&self, emphasis: Option<usize>) -> String {
        let cell = |tag: &str, column: &TextColumn, text: &str| {
            let class = if column.number { " class=\"number\"" } else { "" };
            let mut text = escape::xml(text);
            if tag == "td" && column.number {
                // A number stays beside its deviation and its unit; what is in brackets may stand below.
                text = text.replace(' ', "\u{a0}").replace("\u{a0}(", " (").replace("\u{a0}[", " [");
            }
            format!("<{tag}{class}>{text}</{tag}>")
        };
        let head: String = self.columns.iter().map(|column| cell("th", column, &column.head)).collect();
        let mut text = format!("<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n");
        for index in 0..self.height() {
            let cells: String =
                self.columns.iter().map(|column| cell("td", column, &column.cells[index])).collect();
            let class = if emphasis == Some(index) { " class=\"baseline\"" } else { "" };
            text += &format!("<tr{class}>{cells}</tr>\n");
        }
        text + "</tbody>\n</table>\n"
    }

    /// The number of rows.
    pub fn height(&self) -> usize {
        self.columns.first().map_or(0, |column| column.cells.len())
    }
}

/// Text broken into lines of at most `width` columns, later lines indented. Its own line breaks are escaped.
pub fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in escape::printable(text).split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].trim().is_empty() && lines[last].width() + 1 + word.width() > width {
            lines.push(format!("  {word}"));
        } else {
            let gap = if lines[last].is_empty() { "" } else { " " };
            lines[last] += &format!("{gap}{word}");
        }
    }
    lines.join("\n")
}

/// The text, or its beginning and `…`, in at most `room` columns.
pub fn clip(text: &str, room: usize) -> String {
    if text.width() <= room {
        return text.into();
    }
    let mut used = 1;
    let fits = |letter: &char| {
        used += letter.width().unwrap_or(0);
        used <= room
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Words of fewer characters than this say nothing.
const LEAST_WORDS: usize = 24;

impl TextColumn {
    fn width(&self) -> usize {
        let cells = self.cells.iter().chain([&self.head]);
        cells.map(|cell| escape::printable(cell).width()).max().unwrap_or(0)
    }

    fn least_width(&self) -> usize {
        let may_be_cut = !self.number && self.spare > 0;
        if may_be_cut { self.width().min(LEAST_WORDS) } else { self.width() }
    }
}

fn line<'a>(columns: &[(&'a TextColumn, usize)], cell: impl Fn(&'a TextColumn) -> &'a str) -> String {
    let pad = |&(column, width): &(&'a TextColumn, usize)| {
        let cell = clip(&escape::printable(cell(column)), width);
        let gap = " ".repeat(width.saturating_sub(cell.width()));
        if column.number { format!("{gap}{cell}") } else { format!("{cell}{gap}") }
    };
    let text: Vec<String> = columns.iter().map(pad).collect();
    format!("{}\n", text.join("  ").trim_end())
}
