//! Runs that start from a file of weights.

mod common;

use anyhow::{Context, Result, ensure};
use common::{evaluations, output, run_directory, stdout};
use std::fs;
use std::path::{Path, PathBuf};

const MEASURED: &str = "evaluators.use=[\"knn\"]";

/// Row (b) from the weights in `file`, measured by k-NN.
fn row<'a>(init: &'a str, sets: &[&'a str]) -> Vec<&'a str> {
    let row = ["ablate", "table7", "--row", "b", "--scale", "smoke", "--set", MEASURED, "--set", init];
    [&row[..], sets].concat()
}

/// The directories of runs of row (b), sorted.
fn directories(runs: &Path) -> Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(runs)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    found.retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("table7-b-")));
    found.sort();
    Ok(found)
}

/// A run without training ends in the weights that it starts from; one that trains moves away from them, and is another run with
/// another file, which no run goes on with.
#[test]
fn a_run_starts_from_the_file_and_belongs_to_it() -> Result<()> {
    let runs = tempfile::tempdir()?;
    // Weights to start from: those of a trained run of seed 0.
    stdout(&["ablate", "table7", "--row", "b", "--scale", "smoke", "--set", MEASURED], runs.path())?;
    let trained = run_directory(runs.path(), "table7-b")?;
    let weights = runs.path().join("weights.safetensors");
    fs::copy(trained.join("backbone.safetensors"), &weights)?;
    let init = format!("network.init={}", weights.display());

    let untrained = ["run", "random", "--scale", "smoke", "--set", MEASURED, "--set", &init];
    let elsewhere = tempfile::tempdir()?;
    stdout(&untrained, elsewhere.path())?;
    let run = run_directory(elsewhere.path(), "random")?;
    ensure!(
        fs::read(run.join("backbone.safetensors"))? == fs::read(&weights)?,
        "not the weights of the file"
    );
    let value = |run: &Path| -> Result<f64> {
        let line: serde_json::Value =
            serde_json::from_str(evaluations(run)?.lines().next().context("a line")?)?;
        line["metric"]["value"].as_f64().context("a number")
    };
    ensure!(value(&run)? == value(&trained)?, "k-NN of the same weights");

    let started = tempfile::tempdir()?;
    stdout(&row(&init, &[]), started.path())?;
    let first = directories(started.path())?;
    ensure!(first.len() == 1);
    let bytes = fs::read(first[0].join("backbone.safetensors"))?;
    ensure!(bytes != fs::read(&weights)?, "nothing was learned");
    // The untrained backbone beside the row is none of the file.
    let beside = run_directory(started.path(), "random")?;
    ensure!(fs::read(beside.join("backbone.safetensors"))? != fs::read(&weights)?);

    // Moved, it is the same run, which is finished.
    let moved = started.path().join("moved.safetensors");
    fs::copy(&weights, &moved)?;
    stdout(&row(&format!("network.init={}", moved.display()), &[]), started.path())?;
    ensure!(directories(started.path())? == first, "a moved file made another run");

    // Changed, it is another; the run's own recipe refuses it.
    fs::copy(beside.join("backbone.safetensors"), &weights)?;
    fs::copy(&weights, &moved)?;
    let recipe = first[0].join("recipe.toml").display().to_string();
    let refused = output(&["run", &recipe], started.path())?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(refused.status.code() == Some(2) && said.contains("`network.init`"), "{said}");
    ensure!(said.contains("another file than this run started from"), "{said}");
    stdout(&row(&init, &[]), started.path())?;
    ensure!(directories(started.path())?.len() == 2, "a changed file went on with the old run");
    ensure!(fs::read(first[0].join("backbone.safetensors"))? == bytes, "the old run was touched");
    // A finished run can be measured without the file.
    fs::remove_file(&weights)?;
    fs::remove_file(&moved)?;
    let name = first[0].display().to_string();
    stdout(&["evaluate", &name, "--with", "knn"], started.path())?;
    Ok(())
}

/// `--init`: a row of weights from elsewhere, which is measured as it is.
#[test]
fn a_row_can_be_weights_from_elsewhere() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let smoke = ["--scale", "smoke", "--set", MEASURED];
    stdout(&[&["run", "random", "--seeds", "5"][..], &smoke].concat(), runs.path())?;
    let weights = runs.path().join("weights.safetensors");
    fs::copy(run_directory(runs.path(), "random")?.join("backbone.safetensors"), &weights)?;
    let file = weights.display().to_string();

    let row = ["ablate", "table1", "--row", "supervised", "--init", &file];
    let elsewhere = tempfile::tempdir()?;
    stdout(&[&row[..], &smoke].concat(), elsewhere.path())?;
    let run = run_directory(elsewhere.path(), "table1-supervised")?;
    ensure!(fs::read(run.join("backbone.safetensors"))? == fs::read(&weights)?, "it was trained");
    let measured = evaluations(&run)?;
    ensure!(measured.contains("\"knn\""), "{measured}");
    // The same recipe by itself is the same run.
    let single = ["run", "table1/supervised", "--init", &file];
    stdout(&[&single[..], &smoke].concat(), elsewhere.path())?;
    ensure!(evaluations(&run)? == measured, "it was measured again");

    let alone = output(&["ablate", "table1", "--init", &file], elsewhere.path())?;
    let said = String::from_utf8_lossy(&alone.stderr);
    ensure!(alone.status.code() == Some(2) && said.contains("--row"), "{said}");
    let gone = ["ablate", "table1", "--row", "supervised", "--init", "gone.pth", "--scale", "smoke"];
    let gone = output(&gone, elsewhere.path())?;
    let said = String::from_utf8_lossy(&gone.stderr);
    ensure!(gone.status.code() == Some(2) && said.contains("--init: `network.init`: gone.pth: "), "{said}");
    Ok(())
}
