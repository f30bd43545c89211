//! The measured tables and pictures of `docs/`: made by `univip-reports` from the results files in `docs/results/`.
//!
//! A page has a results file's table between two comments, of which the first names the file:
//!
//! ```text
//! <!-- report: results/table7-small.parquet -->
//! <!-- end of report -->
//! ```
//!
//! Its pictures are files beside the results file.

use crate::spawn;
use crate::usage::Usage;
use anyhow::{Context, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const BEGIN: &str = "<!-- report: ";
const END: &str = "<!-- end of report -->";

/// The files below `docs` that differ from what results files make of them, with their new contents.
///
/// # Errors
/// When a file cannot be read, a comment names no results file or has no end, or a results file is on no page.
pub fn outdated(docs: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut made: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    let mut tables = BTreeMap::new();
    for path in files(&docs.join("results"), "parquet")? {
        let name = format!("results/{}", file_name(&path));
        let Shown { text, pictures } = shown(&path).with_context(|| format!("the report of docs/{name}"))?;
        tables.insert(name, text);
        made.extend(pictures.into_iter().map(|(name, svg)| (docs.join("results").join(name), svg)));
    }
    let mut used = BTreeSet::new();
    for path in files(docs, "md")? {
        let page = read(&path)?;
        let filled = filled(&page, |name| {
            used.insert(name.to_string());
            tables.get(name).map(String::as_str)
        });
        made.insert(path.clone(), filled.with_context(|| path.display().to_string())?.into_bytes());
    }
    if let Some(name) = tables.keys().find(|name| !used.contains(*name)) {
        bail!(Usage(format!("docs/{name} is on no page: a page says `{BEGIN}{name} -->` and `{END}`")));
    }
    made.retain(|path, bytes| fs::read(path).ok().as_ref() != Some(bytes));
    Ok(made)
}

/// A results file as a page shows it.
struct Shown {
    text: String,
    /// By their file names.
    pictures: Vec<(String, Vec<u8>)>,
}

/// Has `univip-reports` make the report of a results file.
fn shown(results: &Path) -> Result<Shown> {
    let out = tempfile::tempdir()?;
    let output = Command::new(spawn::beside("univip-reports")?)
        .arg("--out")
        .arg(out.path())
        .arg(results)
        .output()
        .context("starting univip-reports")?;
    ensure!(output.status.success(), "univip-reports: {}", String::from_utf8_lossy(&output.stderr));
    let pages = files(out.path(), "md")?;
    let [page] = &pages[..] else { bail!("it has {} tables; a results file of docs has one", pages.len()) };
    let table = page.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stem = results.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut text = within(&read(page)?);
    let mut pictures = Vec::new();
    for path in files(out.path(), "svg")? {
        let old = file_name(&path);
        let new = old.replacen(&table, &stem, 1);
        text = text.replace(&format!("]({old})"), &format!("](results/{new})"));
        pictures.push((new, fs::read(&path)?));
    }
    Ok(Shown { text, pictures })
}

/// A report within a page: without its title, headings one level lower.
fn within(report: &str) -> String {
    let mut text = String::new();
    for line in report.lines().filter(|line| !line.starts_with("# ")) {
        let lower = if line.starts_with("##") { "#" } else { "" };
        text += &format!("{lower}{line}\n");
    }
    text.trim().to_string()
}

/// The page with the report of each results file that it names.
fn filled<'a>(page: &str, mut report: impl FnMut(&str) -> Option<&'a str>) -> Result<String> {
    let mut text = String::new();
    let mut lines = page.split_inclusive('\n');
    while let Some(line) = lines.next() {
        text += line;
        let Some(name) = line.strip_prefix(BEGIN) else { continue };
        let name = name.trim_end().trim_end_matches("-->").trim_end();
        let found = report(name).with_context(|| format!("`{BEGIN}{name} -->`: there is no docs/{name}"))?;
        let ended = lines.any(|line| line.trim_end() == END);
        ensure!(ended, "`{BEGIN}{name} -->` has no `{END}` after it");
        text += &format!("\n{found}\n\n{END}\n");
    }
    Ok(text)
}

/// The files of a directory that end so, sorted; none where it is not there.
fn files(directory: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let listing = || format!("listing {}", directory.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).with_context(listing)? {
        let path = entry.with_context(listing)?.path();
        if path.extension().is_some_and(|extension| extension == ending) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_gets_the_reports_that_it_names() {
        let page = "a\n<!-- report: results/x.parquet -->\nold\n<!-- end of report -->\nb\n";
        let known = |name: &str| (name == "results/x.parquet").then_some("new");
        let expected = "a\n<!-- report: results/x.parquet -->\n\nnew\n\n<!-- end of report -->\nb\n";
        let once = filled(page, known).unwrap();
        assert_eq!(once, expected);
        assert_eq!(filled(&once, known).unwrap(), expected, "filling a page again changes nothing");
        let error = filled(&page.replace("x.par", "y.par"), known).unwrap_err().to_string();
        assert!(error.contains("there is no docs/results/y.parquet"), "{error}");
        let error = filled("<!-- report: results/x.parquet -->\n", known).unwrap_err().to_string();
        assert!(error.contains("has no `<!-- end of report -->` after it"), "{error}");
        let quoted = "say `<!-- report: results/x.parquet -->`\n";
        assert_eq!(filled(quoted, known).unwrap(), quoted, "within a sentence it is no comment");
    }

    #[test]
    fn a_report_stands_below_the_headings_of_its_page() {
        let report = "# Table 7\n\n## scale small\n\ntext # 1\n\n### Main effects\n";
        assert_eq!(within(report), "### scale small\n\ntext # 1\n\n#### Main effects");
    }
}
