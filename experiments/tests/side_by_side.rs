//! Runs at the same time, each in a process of its own, end as runs one after another do.

mod common;

use anyhow::{Context, Result, ensure};
#[cfg(unix)]
use common::{LATE, send, univip, wait_for_steps};
use common::{output, run_directory};
use std::fs;
use std::path::Path;

/// Two rows in a moment.
fn table(place: &Path, change: &str) -> Result<()> {
    fs::create_dir_all(place)?;
    fs::write(place.join("table.toml"), "caption = \"two rows\"\nbaseline = \"a\"\nrows = [\"a\", \"b\"]\n")?;
    for row in ["a", "b"] {
        let recipe = format!(
            "inherit = [\"univip:/recipes/table7/{row}.toml\"]\n[evaluators]\nuse = [\"knn\"]\n{change}"
        );
        fs::write(place.join(row).with_extension("toml"), recipe)?;
    }
    Ok(())
}

fn ablate<'a>(table: &'a str, jobs: &'a str) -> [&'a str; 6] {
    ["ablate", table, "--scale", "smoke", "--jobs", jobs]
}

fn said(arguments: &[&str], runs: &Path) -> Result<String> {
    let output = output(arguments, runs)?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "{said}");
    Ok(said)
}

#[test]
fn runs_side_by_side_have_the_bits_of_runs_one_after_another() -> Result<()> {
    let place = tempfile::tempdir()?;
    let [one, two] = ["one", "two"].map(|name| place.path().join(name));
    said(&ablate("table7", "1"), &one)?;
    let said = said(&ablate("table7", "2"), &two)?;
    for row in ["random", "table7-a", "table7-b", "table7-c", "table7-d", "table7-e"] {
        let [one, two] = [run_directory(&one, row)?, run_directory(&two, row)?];
        for file in ["backbone.safetensors", "evaluations.jsonl", "recipe.toml"] {
            ensure!(fs::read(one.join(file))? == fs::read(two.join(file))?, "{row}: {file}");
        }
        for words in ["begins", "finished, in "] {
            let line = format!("{row} seed 0: {words}");
            ensure!(said.lines().filter(|said| said.starts_with(&line)).count() == 1, "{line}:\n{said}");
        }
        // The command is the user's, by which the run goes on.
        let record = fs::read_to_string(two.join("run.json"))?;
        ensure!(!record.contains("only-run") && record.contains("\"--jobs\""), "{record}");
    }
    let last = said.lines().last().unwrap_or_default();
    ensure!(last.starts_with("table7: 6 of 6 runs finished, after "), "{last}");
    Ok(())
}

#[test]
fn a_failed_run_costs_no_other_and_finished_runs_are_reused() -> Result<()> {
    let place = tempfile::tempdir()?;
    let (recipes, runs) = (place.path().join("mine"), place.path().join("runs"));
    table(&recipes, "")?;
    let mine = recipes.to_str().context("a name in UTF-8")?;
    // There is a file where the run's directory would be.
    said(&ablate(mine, "2"), &place.path().join("before"))?;
    let blocked = run_directory(&place.path().join("before"), "mine-a")?;
    fs::create_dir(&runs)?;
    fs::write(runs.join(blocked.file_name().context("a name")?), "")?;
    let output = output(&ablate(mine, "2"), &runs)?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1), "{said}");
    ensure!(said.lines().any(|line| line.starts_with("mine-a seed 0: failed: ")), "{said}");
    ensure!(said.contains("mine: 2 of 3 runs finished, 1 failed"), "{said}");
    fs::remove_file(runs.join(blocked.file_name().context("a name")?))?;
    let again = self::said(&ablate(mine, "2"), &runs)?;
    ensure!(again.matches(": training: ").count() == 1, "{again}");
    ensure!(again.contains("mine: 3 of 3 runs finished"), "{again}");
    Ok(())
}

/// A process finds its run by its fingerprint, and not by its place in a table that may have changed.
#[test]
fn a_recipe_that_changed_meanwhile_is_refused() -> Result<()> {
    let place = tempfile::tempdir()?;
    let recipes = place.path().join("mine");
    table(&recipes, "")?;
    let mine = recipes.to_str().context("a name in UTF-8")?;
    said(&ablate(mine, "2"), &place.path().join("runs"))?;
    let directory = run_directory(&place.path().join("runs"), "mine-a")?;
    let name = directory.file_name().context("a name")?.to_string_lossy().into_owned();
    let only = format!("--only-run={}", name.trim_start_matches("mine-a-"));
    table(&recipes, "[optimizer]\nlr = 0.3\n")?;
    let arguments = [&ablate(mine, "2")[..], &[only.as_str()]].concat();
    let output = output(&arguments, &place.path().join("runs"))?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(
        output.status.code() == Some(1) && said.contains("a recipe has changed since the command began"),
        "{said}"
    );
    Ok(())
}

#[cfg(unix)]
#[test]
fn all_stop_when_the_command_is_asked_to_and_go_on_to_the_same_bits() -> Result<()> {
    const ROWS: [&str; 2] = ["table7-a", "table7-b"];
    let place = tempfile::tempdir()?;
    let [whole, runs] = ["whole", "runs"].map(|name| place.path().join(name));
    let arguments = [&ablate("table7", "2")[..], &LATE].concat();
    said(&arguments, &whole)?;
    for (signal, code) in [(libc::SIGTERM, Some(143)), (libc::SIGKILL, None)] {
        let mut child = univip(&arguments, &runs).stderr(std::process::Stdio::piped()).spawn()?;
        wait_for_steps(&runs, &ROWS, &mut child)?;
        send(signal, &child)?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == code, "{}: {said}", output.status);
        ensure!(code.is_none() || said.contains("a checkpoint is written"), "{said}");
        ensure!(said.matches("stopping after this step").count() == usize::from(code.is_some()), "{said}");
    }
    said(&arguments, &runs)?;
    for row in ROWS {
        let [whole, runs] = [run_directory(&whole, row)?, run_directory(&runs, row)?];
        let file = "backbone.safetensors";
        ensure!(fs::read(whole.join(file))? == fs::read(runs.join(file))?, "{row}: other bits");
    }
    Ok(())
}
