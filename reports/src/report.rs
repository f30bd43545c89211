//! From run directories to tables and pages.

use crate::compare::frame;
use crate::compare::section::{Section, sections};
use crate::read::plan::read_plans;
use crate::read::run::read_runs;
use crate::show::text::Width;
use crate::show::{csv, files, page, plot, text, view};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use univip_run_format::Plan;

/// The text and the files of a report.
#[derive(Debug)]
pub struct Report {
    /// The tables, for a terminal.
    pub text: String,
    /// The files written.
    pub paths: Vec<PathBuf>,
}

/// Reports every table that has a plan under the `roots`, or only `table`, into the directory `out`.
/// The text is at most `width` wide.
///
/// # Errors
/// When there is no plan, a file is malformed, or `out` cannot be written.
pub fn report(roots: &[PathBuf], table: Option<&str>, out: &Path, width: Width) -> Result<Report> {
    let plans = read_plans(roots, table)?;
    let fingerprints: BTreeSet<&str> = plans.iter().flat_map(Plan::fingerprints).collect();
    let runs = read_runs(roots, &fingerprints)?;
    fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
    let mut report = Report { text: String::new(), paths: Vec::new() };
    for plans in plans.chunk_by(|a, b| a.table == b.table) {
        let sections: Vec<Section<'_>> = plans.iter().flat_map(|plan| sections(plan, &runs)).collect();
        report.add(&plans[0].table, &sections, out, width)?;
    }
    Ok(report)
}

impl Report {
    fn add(&mut self, name: &str, sections: &[Section<'_>], out: &Path, width: Width) -> Result<()> {
        let frames = sections.iter().map(frame::rows).collect::<Result<Vec<_>>>()?;
        let runs = sections.iter().map(frame::runs).collect::<Result<Vec<_>>>()?;
        let tables = frames.iter().map(view::table).collect::<Result<Vec<_>>>()?;
        for (section, table) in sections.iter().zip(&tables) {
            self.text += &terminal(section, table, width);
        }
        let mut pictures = Vec::new();
        for (index, section) in sections.iter().enumerate() {
            let number = if index == 0 { String::new() } else { format!("-{}", index + 1) };
            let dots = (format!("{name}{number}.svg"), plot::dots(section));
            let curves = plot::curves(section).map(|svg| (format!("{name}{number}-curves.svg"), svg));
            pictures.push([Some(dots), curves].into_iter().flatten().collect::<Vec<_>>());
        }
        let parts: Vec<page::Part<'_>> = (sections.iter().zip(&tables).zip(&pictures))
            .map(|((section, table), pictures)| page::Part { section, table, pictures })
            .collect();
        self.write(out.join(format!("{name}.md")), &page::markdown(name, &parts))?;
        for (file, svg) in pictures.iter().flatten() {
            self.write(out.join(file), svg)?;
        }
        self.write(out.join(format!("{name}.html")), &page::html(name, &parts))?;
        for (file, frames) in [(format!("{name}.csv"), frames), (format!("{name}-runs.csv"), runs)] {
            let path = out.join(file);
            csv::write_frames(&path, &frames)?;
            self.paths.push(path);
        }
        Ok(())
    }

    fn write(&mut self, path: PathBuf, text: &str) -> Result<()> {
        files::write(&path, text.as_bytes())?;
        self.paths.push(path);
        Ok(())
    }
}

fn terminal(section: &Section<'_>, table: &text::TextTable, width: Width) -> String {
    let heading = page::heading(&section.plan.table, &section.plan.caption);
    let mut lines = vec![heading, section.setting.describe()];
    lines.extend(section.setting.warning());
    let lines: Vec<String> = lines.iter().map(|line| text::wrap(line, width.words)).collect();
    let mut text = format!("{}\n\n{}", lines.join("\n"), table.terminal(width.table));
    for note in section.notes.iter().map(String::as_str).chain([view::LEGEND, view::DETECTION]) {
        text += &format!("{}\n", text::wrap(note, width.words));
    }
    text + "\n"
}
