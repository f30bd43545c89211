//! Tables of text: for a terminal, as Markdown, as HTML.

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
    /// Whether it holds numbers, which stand at the right.
    pub number: bool,
    /// How well it can be spared where there is no room; 0 always stays.
    pub spare: u8,
}

impl TextTable {
    /// At most `width` characters wide: columns are taken as long as they fit, the least to be spared
    /// first; those left out are named below.
    pub fn terminal(&self, width: usize) -> String {
        let mut order: Vec<usize> = (0..self.columns.len()).collect();
        order.sort_by_key(|&index| self.columns[index].spare);
        let mut chosen = vec![false; self.columns.len()];
        let pick = |chosen: &[bool], wanted: bool| -> Vec<&TextColumn> {
            let picked = self.columns.iter().zip(chosen).filter(|(_, chosen)| **chosen == wanted);
            picked.map(|(column, _)| column).collect()
        };
        for index in order {
            chosen[index] = true;
            chosen[index] = self.columns[index].spare == 0 || total(&pick(&chosen, true)) <= width;
        }
        let (shown, left_out) = (pick(&chosen, true), pick(&chosen, false));
        let heads: Vec<&str> = shown.iter().map(|column| column.head.as_str()).collect();
        let mut text = line(&shown, &heads);
        text += &format!("{}\n", "─".repeat(total(&shown)));
        for row in 0..self.height() {
            let cells: Vec<&str> = shown.iter().map(|column| column.cells[row].as_str()).collect();
            text += &line(&shown, &cells);
        }
        if !left_out.is_empty() {
            let heads: Vec<&str> = left_out.iter().map(|column| column.head.as_str()).collect();
            text +=
                &format!("{}\n", wrap(&format!("Not shown for want of width: {}.", heads.join(", ")), width));
        }
        text
    }

    /// Every column.
    pub fn markdown(&self) -> String {
        let escape = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        let row = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = row(self.columns.iter().map(|column| escape(&column.head)).collect());
        let rule = |column: &TextColumn| if column.number { "---:" } else { "---" }.to_string();
        text += &row(self.columns.iter().map(rule).collect());
        for index in 0..self.height() {
            text += &row(self.columns.iter().map(|column| escape(&column.cells[index])).collect());
        }
        text
    }

    /// Every column; the row at `emphasis` is the one others are compared with.
    pub fn html(&self, emphasis: Option<usize>) -> String {
        let cell = |tag: &str, column: &TextColumn, text: &str| {
            let class = if column.number { " class=\"number\"" } else { "" };
            format!("<{tag}{class}>{}</{tag}>", escape(text))
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

    fn height(&self) -> usize {
        self.columns.first().map_or(0, |column| column.cells.len())
    }
}

/// Text as XML and HTML can hold it.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text broken into lines of at most `width` characters, later lines indented.
pub fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].trim().is_empty() && lines[last].chars().count() + 1 + word.chars().count() > width {
            lines.push(format!("  {word}"));
        } else {
            let gap = if lines[last].is_empty() { "" } else { " " };
            lines[last] += &format!("{gap}{word}");
        }
    }
    lines.join("\n")
}

fn line(columns: &[&TextColumn], cells: &[&str]) -> String {
    let pad = |(column, cell): (&&TextColumn, &&str)| {
        let room = width(column) - cell.chars().count();
        let gap = " ".repeat(room);
        if column.number { format!("{gap}{cell}") } else { format!("{cell}{gap}") }
    };
    let text: Vec<String> = columns.iter().zip(cells).map(pad).collect();
    format!("{}\n", text.join("  ").trim_end())
}

fn width(column: &TextColumn) -> usize {
    column.cells.iter().chain([&column.head]).map(|cell| cell.chars().count()).max().unwrap_or(0)
}

fn total(columns: &[&TextColumn]) -> usize {
    columns.iter().map(|column| width(column)).sum::<usize>() + 2 * columns.len().saturating_sub(1)
}
