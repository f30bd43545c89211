//! The pages of a table: Markdown, and HTML that needs no other file.

use crate::compare::section::Section;
use crate::show::below::{Below, below};
use crate::show::escape;
use crate::show::text::TextTable;
use crate::show::{runs, sweep, view};

/// A section with what shows it.
pub struct Part<'a> {
    /// The section.
    pub section: &'a Section<'a>,
    /// Its numbers.
    pub table: &'a TextTable,
    /// Its pictures: file name and SVG.
    pub pictures: &'a [(String, String)],
}

/// `Table 7: caption` of `table7`; of a sweep the caption alone, which names it.
pub fn heading(table: &str, caption: &str) -> String {
    if table.starts_with("sweep-") && !caption.is_empty() {
        return caption.replacen("sweep", "Sweep", 1);
    }
    let name = table.strip_prefix("table").map_or(table.to_string(), |number| format!("Table {number}"));
    if caption.is_empty() { name } else { format!("{name}: {caption}") }
}

/// The page in Markdown, its pictures in files beside it.
pub fn markdown(table: &str, parts: &[Part<'_>]) -> String {
    let mut text = format!("# {}\n", escape::markdown(&heading(table, caption(parts))));
    for Part { section, table, pictures } in parts {
        text += &format!("\n## {}\n\n", escape::markdown(&section.setting.describe(&section.columns)));
        if let Some(warning) = section.setting.warning() {
            text += &format!("**{}**\n\n", escape::markdown(&warning));
        }
        text += &format!("{}\n", table.markdown());
        for Below { title, table, about } in below(section) {
            text += &format!("### {title}\n\n{}\n{about}\n\n", table.markdown());
        }
        for sentence in sweep::best(section) {
            text += &format!("{}\n\n", escape::markdown(&sentence));
        }
        for note in &section.notes {
            text += &format!("- {}\n", escape::markdown(note));
        }
        if !section.notes.is_empty() {
            text.push('\n');
        }
        text += &format!("{}\n", view::legend(section).join("\n\n"));
        if let Some(runs) = runs::table(section) {
            text += &format!("\n<details>\n<summary>Runs</summary>\n\n{}\n</details>\n", runs.markdown());
        }
        for (file, _) in *pictures {
            text += &format!("\n![{}]({file})\n", picture_name(file));
        }
    }
    text
}

/// The page in HTML, its pictures inside it.
pub fn html(table: &str, parts: &[Part<'_>]) -> String {
    let title = escape::xml(&heading(table, caption(parts)));
    let mut body = format!("<h1>{title}</h1>\n");
    for Part { section, table, pictures } in parts {
        body +=
            &format!("<section>\n<h2>{}</h2>\n", escape::xml(&section.setting.describe(&section.columns)));
        if let Some(warning) = section.setting.warning() {
            body += &format!("<p class=\"warning\">{}</p>\n", escape::xml(&warning));
        }
        let baseline = section.rows.iter().position(|row| row.baseline);
        body += &format!("<div class=\"wide\">\n{}</div>\n", table.html(baseline));
        for below in below(section) {
            body += &titled(&below);
        }
        for sentence in sweep::best(section) {
            body += &format!("<p>{}</p>\n", escape::xml(&sentence));
        }
        if !section.notes.is_empty() {
            let notes: String =
                section.notes.iter().map(|note| format!("<li>{}</li>\n", escape::xml(note))).collect();
            body += &format!("<ul>\n{notes}</ul>\n");
        }
        for paragraph in view::legend(section) {
            body += &format!("<p class=\"legend\">{}</p>\n", escape::xml(&paragraph));
        }
        if let Some(runs) = runs::table(section) {
            let table = runs.html(None);
            body += &format!(
                "<details>\n<summary>Runs</summary>\n<div class=\"wide\">\n{table}</div>\n</details>\n"
            );
        }
        for (_, svg) in *pictures {
            body += &format!("<figure>\n{svg}</figure>\n");
        }
        body += "</section>\n";
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )
}

/// A smaller table in HTML.
fn titled(Below { title, table, about }: &Below) -> String {
    let (title, about) = (escape::xml(title), escape::xml(about));
    format!(
        "<h3>{title}</h3>\n<div class=\"wide\">\n{}</div>\n<p class=\"legend\">{about}</p>\n",
        table.html(None)
    )
}

fn picture_name(file: &str) -> &'static str {
    match file {
        curves if curves.ends_with("-curves.svg") => "Training",
        sweep if sweep.ends_with("-sweep.svg") => "Sweep",
        _ => "Results",
    }
}

fn caption<'a>(parts: &'a [Part<'_>]) -> &'a str {
    parts.first().map_or("", |part| &part.section.plan.caption)
}

const STYLE: &str = "\
:root { color-scheme: light; }
body { max-width: 78rem; margin: 2.5rem auto; padding: 0 1.25rem; color: #1f2933; background: #fff;
       font: 15px/1.5 system-ui, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 1.5rem; }
h2 { font-size: .95rem; font-weight: 500; color: #52606d; margin: 0 0 .75rem; overflow-wrap: anywhere; }
section + section { margin-top: 3rem; padding-top: 2rem; border-top: 1px solid #d9dee4; }
.warning { background: #fff6e0; border-left: 4px solid #e0a100; padding: .55rem .9rem; margin: 0 0 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .75rem; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; border-bottom: 2px solid #1f2933; vertical-align: bottom; }
th, td { padding: .4rem .35rem; }
td { border-bottom: 1px solid #e4e8ec; }
td:nth-child(2), td:nth-child(3) { min-width: 6.5rem; overflow-wrap: anywhere; }
tbody tr.baseline td { background: #f3f6f9; }
.number { text-align: right; }
ul { font-size: .85rem; padding-left: 1.2rem; }
.legend { font-size: .8rem; color: #52606d; }
details { font-size: .85rem; }
figure { margin: 1.75rem 0 0; max-width: 60rem; }
figure svg { width: 100%; height: auto; display: block; }
";
