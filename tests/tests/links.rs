//! Every relative link of a Markdown page leads to a file, and to a heading of it where it names one.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use univip_tests::workspace;

/// Folders of the workspace whose pages are others' or made by a build.
const FOREIGN: [&str; 4] = ["target", "runs", "out", "vendor"];

#[test]
fn links_lead_somewhere() -> Result<()> {
    let root = workspace().canonicalize()?;
    let pages = pages(&root)?;
    ensure!(pages.iter().any(|page| page.ends_with("docs/README.md")), "the pages are not found");
    let (mut links, mut broken) = (0, Vec::new());
    for page in &pages {
        for target in targets(&fs::read_to_string(page)?) {
            links += 1;
            if let Err(problem) = follow(page, &target) {
                broken.push(format!("{}: {target}: {problem}", page.strip_prefix(&root)?.display()));
            }
        }
    }
    ensure!(broken.is_empty(), "{broken:#?}");
    ensure!(links > 30, "only {links} links are found");
    Ok(())
}

#[test]
fn the_index_of_documents_lists_every_page() -> Result<()> {
    let docs = workspace().join("docs");
    let listed = targets(&fs::read_to_string(docs.join("README.md"))?);
    for page in pages(&docs)? {
        let name = page.file_name().context("a page without a name")?.to_string_lossy().into_owned();
        ensure!(name == "README.md" || listed.contains(&name), "docs/README.md does not list {name}");
    }
    Ok(())
}

/// The Markdown files below a folder.
fn pages(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_symlink() || name.starts_with('.') || FOREIGN.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            pages.extend(self::pages(&path)?);
        } else if name.ends_with(".md") {
            pages.push(path);
        }
    }
    Ok(pages)
}

/// The targets of a page's links and pictures, but for those of the web.
fn targets(page: &str) -> Vec<String> {
    let text = without_code(page);
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    links.map(|(target, _)| target.to_string()).filter(|target| !target.contains("://")).collect()
}

/// A page without its blocks and spans of code.
fn without_code(page: &str) -> String {
    let (mut text, mut in_block) = (String::new(), false);
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            text.extend(line.split('`').step_by(2));
            text.push('\n');
        }
    }
    text
}

fn follow(page: &Path, target: &str) -> Result<()> {
    let (file, heading) = target.split_once('#').map_or((target, None), |(file, name)| (file, Some(name)));
    let file = match file {
        "" => page.to_path_buf(),
        file => page.parent().context("a page without a folder")?.join(file),
    };
    ensure!(file.exists(), "there is no such file");
    if let Some(heading) = heading {
        let text = fs::read_to_string(&file)?;
        let mut headings = text.lines().filter(|line| line.starts_with('#')).map(anchor);
        ensure!(headings.any(|known| known == heading), "the page has no such heading");
    }
    Ok(())
}

/// The name that GitHub gives a heading.
fn anchor(line: &str) -> String {
    let title = line.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|sign| sign.is_alphanumeric() || matches!(sign, ' ' | '-' | '_'));
    kept.map(|sign| if sign == ' ' { '-' } else { sign }).collect()
}

#[test]
fn links_are_read_off_text_and_not_off_code() {
    let page = "# A page: its `name`\n[a](b.md#c), ![d](e.svg)\n[web](https://example.org)\n\
                a `[no](link)`\n```\n[none](here)\n```\n[f](g.md)";
    assert_eq!(targets(page), ["b.md#c", "e.svg", "g.md"]);
    assert_eq!(anchor("# A page: its `name`"), "a-page-its-name");
}
