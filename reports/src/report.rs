//! From run directories to tables and pages.

use crate::compare::section::Section;
use crate::compare::tables;
use crate::frame;
use crate::read::folder::Folder;
use crate::read::plan::read_plans;
use crate::read::run::read_runs;
use crate::show::below::{Below, below};
use crate::show::text::{TextTable, Width};
use crate::show::{files, frames, latex, page, plot, sweep, text, view};
use anyhow::{Context, Result};
use polars::prelude::DataFrame;
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

/// Reports every table that has a plan under the `roots` (directories of runs or results files), or only `table`, into the directory `out`, and beside them the tidy
/// frames of all their runs. The text is at most `width` wide.
///
/// # Errors
/// When there is no plan, a file is malformed, or `out` cannot be written.
pub fn report(roots: &[PathBuf], table: Option<&str>, out: &Path, width: Width) -> Result<Report> {
    let roots = Folder::roots(roots)?;
    let plans = read_plans(&roots, table)?;
    let runs = read_runs(&roots, &plans.iter().flat_map(Plan::fingerprints).collect())?;
    let measurements = frame::measurements(&runs)?;
    fs::create_dir_all(out).with_context(|| format!("making {}", out.display()))?;
    let mut report = Report { text: String::new(), paths: Vec::new() };
    for plans in plans.chunk_by(|a, b| a.table == b.table) {
        let mut all: Vec<Section<'_>> = Vec::new();
        for plan in plans {
            all.extend(tables(plan, &runs, &measurements)?);
        }
        report.add(&plans[0].table, &all, out, width)?;
    }
    report.add_frame("measurements", &measurements, out)?;
    report.add_frame("runs", &frame::runs(&runs)?, out)?;
    report.add_frame("recipes", &frame::recipes(&runs)?, out)?;
    // A line for each step: nobody opens that in a spreadsheet.
    report.add_parquet("training", &frame::training(&runs)?, out)?;
    Ok(report)
}

impl Report {
    fn add(&mut self, name: &str, sections: &[Section<'_>], out: &Path, width: Width) -> Result<()> {
        let tables: Vec<TextTable> = sections.iter().map(view::table).collect();
        for (section, table) in sections.iter().zip(&tables) {
            self.text += &terminal(section, table, width);
        }
        let mut pictures = Vec::new();
        for (index, section) in sections.iter().enumerate() {
            let number = if index == 0 { String::new() } else { format!("-{}", index + 1) };
            let dots = (format!("{name}{number}.svg"), plot::dots(section));
            let curves = plot::curves(section).map(|svg| (format!("{name}{number}-curves.svg"), svg));
            let sweep = plot::sweep(section).map(|svg| (format!("{name}{number}-sweep.svg"), svg));
            pictures.push([sweep, Some(dots), curves].into_iter().flatten().collect::<Vec<_>>());
            let caption = page::heading(&section.plan.table, &section.plan.caption);
            let warning = section.setting.warning().map(|warning| format!(" {warning}")).unwrap_or_default();
            let caption = format!("{caption}.{warning} {}", section.setting.describe(&section.columns));
            let label = format!("{name}{number}");
            self.write(out.join(format!("{label}.tex")), &latex::latex(&tables[index], &caption, &label))?;
        }
        let parts: Vec<page::Part<'_>> = (sections.iter().zip(&tables).zip(&pictures))
            .map(|((section, table), pictures)| page::Part { section, table, pictures })
            .collect();
        self.write(out.join(format!("{name}.md")), &page::markdown(name, &parts))?;
        for (file, svg) in pictures.iter().flatten() {
            self.write(out.join(file), svg)?;
        }
        self.write(out.join(format!("{name}.html")), &page::html(name, &parts))?;
        let path = out.join(format!("{name}.csv"));
        frames::write_csv(&path, &frames::cells(sections)?)?;
        self.paths.push(path);
        Ok(())
    }

    fn add_frame(&mut self, name: &str, frame: &DataFrame, out: &Path) -> Result<()> {
        let path = out.join(format!("{name}.csv"));
        frames::write_csv(&path, frame)?;
        self.paths.push(path);
        self.add_parquet(name, frame, out)
    }

    fn add_parquet(&mut self, name: &str, frame: &DataFrame, out: &Path) -> Result<()> {
        let path = out.join(format!("{name}.parquet"));
        frames::write_parquet(&path, frame)?;
        self.paths.push(path);
        Ok(())
    }

    fn write(&mut self, path: PathBuf, text: &str) -> Result<()> {
        files::write(&path, text.as_bytes())?;
        self.paths.push(path);
        Ok(())
    }
}

fn terminal(section: &Section<'_>, table: &TextTable, width: Width) -> String {
    let heading = page::heading(&section.plan.table, &section.plan.caption);
    let mut lines = vec![heading, section.setting.describe(&section.columns)];
    lines.extend(section.setting.warning());
    let lines: Vec<String> = lines.iter().map(|line| text::wrap(line, width.words)).collect();
    let mut text = format!("{}\n\n{}", lines.join("\n"), table.terminal(width.table));
    for Below { table, about, .. } in below(section) {
        text += &format!("\n{}\n{}\n", table.terminal(width.table), text::wrap(about, width.words));
    }
    for note in
        sweep::best(section).into_iter().chain(section.notes.iter().cloned()).chain(view::legend(section))
    {
        text += &format!("{}\n", text::wrap(&note, width.words));
    }
    text + "\n"
}
