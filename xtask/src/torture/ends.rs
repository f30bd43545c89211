//! The results of a run, to the bit.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The results that must be the same however often a run was disturbed: by `<run>/<file>`, and stored boxes by their paths.
#[derive(PartialEq, Eq)]
pub struct Ends(BTreeMap<String, Vec<u8>>);

impl Ends {
    /// Reads the runs below a directory.
    ///
    /// # Errors
    /// When a file cannot be read, or there is no run.
    pub fn read(runs: &Path) -> Result<Self> {
        let mut ends = BTreeMap::new();
        for run in entries(runs)?.into_iter().filter(|path| path.join("run.json").exists()) {
            let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut keep = |file: &str, bytes| ends.insert(format!("{name}/{file}"), bytes);
            for file in ["backbone.safetensors", "evaluations.jsonl"] {
                keep(file, read(&run.join(file))?);
            }
            keep("metrics.jsonl", steps(&run.join("metrics.jsonl"))?);
            let record: Value = serde_json::from_slice(&read(&run.join("run.json"))?)?;
            keep("run.json's status", record["status"].to_string().into_bytes());
            if let Some(newest) = entries(&run.join("checkpoints"))?.pop() {
                keep("the last checkpoint", read(&newest)?);
            }
        }
        ensure!(!ends.is_empty(), "there is no run in {}", runs.display());
        let boxes = runs.join("proposals");
        for path in if boxes.exists() { files(&boxes)? } else { Vec::new() } {
            // A lock holds nothing.
            if !path.ends_with(".lock") {
                ends.insert(path.strip_prefix(runs).unwrap_or(&path).display().to_string(), read(&path)?);
            }
        }
        Ok(Self(ends))
    }

    /// The differences in `found`, a line each.
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let all = self.0.keys().chain(found.0.keys().filter(|name| !self.0.contains_key(*name)));
        let differs = |name: &&String| self.0.get(*name) != found.0.get(*name);
        all.filter(differs).map(|name| format!("{name} is not that of the undisturbed run")).collect()
    }
}

/// The temporary files below a directory.
///
/// # Errors
/// When it cannot be read.
pub fn left_over(directory: &Path) -> Result<impl Iterator<Item = PathBuf>> {
    Ok(files(directory)?.into_iter().filter(|path| path.extension().is_some_and(|end| end == "tmp")))
}

/// The files below a directory.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_path_buf()];
    while let Some(directory) = left.pop() {
        for path in entries(&directory)? {
            if path.is_dir() {
                left.push(path);
            } else {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// The training events, without how long they took.
fn steps(path: &Path) -> Result<Vec<u8>> {
    let text = String::from_utf8(read(path)?).with_context(|| format!("reading {}", path.display()))?;
    let mut kept = String::new();
    for (number, line) in text.lines().enumerate() {
        let mut event: Value = serde_json::from_str(line)
            .with_context(|| format!("{} line {} is not whole", path.display(), number + 1))?;
        // The numbers of starts and of checkpoints may differ, and so may warnings.
        if !["step", "epoch", "evaluation"].iter().any(|kind| event["event"] == *kind) {
            continue;
        }
        if let Some(event) = event.as_object_mut() {
            event.retain(|key, _| key != "seconds" && key != "waited");
        }
        kept += &format!("{event}\n");
    }
    Ok(kept.into_bytes())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

/// The paths in a directory, sorted.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let listing = || format!("listing {}", directory.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).with_context(listing)? {
        paths.push(entry.with_context(listing)?.path());
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(runs: &Path, backbone: &str, metrics: &str) -> Result<()> {
        let run = runs.join("table7-e-0123456789ab-s0");
        fs::create_dir_all(run.join("checkpoints"))?;
        for (name, text) in [
            ("run.json", "{\"status\": \"finished\"}"),
            ("backbone.safetensors", backbone),
            ("evaluations.jsonl", ""),
            ("metrics.jsonl", metrics),
            ("checkpoints/step-00000002.safetensors", "bytes"),
        ] {
            fs::write(run.join(name), text)?;
        }
        Ok(())
    }

    #[test]
    fn ends_are_the_same_but_for_time_and_warnings() -> Result<()> {
        let step = |total: f64, seconds: f64| {
            format!(
                "{{\"event\":\"step\",\"step\":0,\"total\":{total},\"seconds\":{seconds},\"waited\":0.0}}\n"
            )
        };
        let resumed = format!("{{\"event\":\"start\",\"step\":0}}\n{}", step(1.5, 2.0));
        let places = [tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?];
        run(places[0].path(), "a", &step(1.5, 0.1))?;
        run(places[1].path(), "a", &resumed)?;
        run(places[2].path(), "b", &step(1.6, 0.1))?;
        let [whole, same, other] = places.each_ref().map(|place| Ends::read(place.path()));
        let (whole, same, other) = (whole?, same?, other?);
        assert_eq!(whole.differences(&same), Vec::<String>::new());
        let said = whole.differences(&other).join("; ");
        assert!(
            said.contains("backbone.safetensors is not") && said.contains("metrics.jsonl is not"),
            "{said}"
        );
        fs::write(places[0].path().join("table7-e-0123456789ab-s0/checkpoints/.x.tmp"), "")?;
        assert_eq!(left_over(places[0].path())?.count(), 1);
        Ok(())
    }
}
