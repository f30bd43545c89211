//! One pre-training, many measurements: what is measured in another way trains nothing anew, and each row has its own numbers.

mod common;

use anyhow::{Context, Result, ensure};
use common::{evaluations, last_checkpoint, output, run_directory, stdout, univip};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A row that is measured in moments.
const QUICK: [&str; 8] =
    ["ablate", "table7", "--row", "b", "--scale", "smoke", "--set", "evaluators.use=[\"knn\"]"];

fn quick<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = QUICK.to_vec();
    for set in more {
        arguments.extend(["--set", set]);
    }
    arguments
}

fn json(path: &Path) -> Result<Value> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn lines(run: &Path) -> Result<Vec<Value>> {
    evaluations(run)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// The starts and the steps of a run's training.
fn trained(run: &Path) -> Result<[usize; 2]> {
    let text = fs::read_to_string(run.join("metrics.jsonl"))?;
    Ok(["start", "step"].map(|event| text.matches(&format!("\"event\":\"{event}\"")).count()))
}

/// The protocols of a run's lines, and the number of their digests.
fn measured(run: &Path) -> Result<(Vec<String>, usize)> {
    let lines = lines(run)?;
    let text = |value: &Value| value.as_str().map(String::from);
    let mut protocols: Vec<String> =
        lines.iter().filter_map(|line| text(&line["metric"]["protocol"])).collect();
    protocols.dedup();
    let digests: BTreeSet<String> = lines.iter().filter_map(|line| text(&line["digest"])).collect();
    ensure!(digests.iter().all(|digest| digest.len() == 12), "{digests:?}");
    Ok((protocols, digests.len()))
}

/// Runs row b: the directory of its run, and the starts and steps of the training.
fn made(row: &[&str], runs: &Path) -> Result<(PathBuf, [usize; 2])> {
    stdout(row, runs)?;
    let run = run_directory(runs, "table7-b")?;
    let before = trained(&run)?;
    Ok((run, before))
}

/// The directories of the runs in `runs` that are row b's.
fn directories(runs: &Path) -> Result<usize> {
    let names = fs::read_dir(runs)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter(|name| name.starts_with("table7-b-")).count())
}

#[test]
fn another_setting_of_a_measurement_trains_nothing_anew() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let (run, before) = made(&quick(&[]), runs.path())?;
    let (checkpoint, recipe) = (last_checkpoint(&run)?, fs::read(run.join("recipe.toml"))?);
    ensure!(measured(&run)? == (vec!["knn-20".to_string()], 1), "{:?}", measured(&run)?);
    let first = lines(&run)?;

    let other = quick(&["evaluator.knn.k=3"]);
    let plan = stdout(&[&other[..], &["--dry-run"]].concat(), runs.path())?;
    ensure!(plan.contains("pre-trained, about") && !plan.contains("guessed"), "{plan}");
    // The untrained backbone is measured in that way, too.
    ensure!(plan.ends_with("1 row, 1 pre-training, 2 measurements\n"), "{plan}");
    stdout(&other, runs.path())?;
    ensure!(directories(runs.path())? == 1 && trained(&run)? == before, "it was trained again");
    ensure!(last_checkpoint(&run)? == checkpoint);
    ensure!(fs::read(run.join("recipe.toml"))? == recipe, "the training is what it was");
    ensure!(measured(&run)? == (vec!["knn-20".to_string(), "knn-3".into()], 2), "{:?}", measured(&run)?);
    ensure!(lines(&run)?[..first.len()] == first[..], "earlier lines stay");

    // Both are there now: neither is measured again, nor by `univip evaluate`.
    let text = evaluations(&run)?;
    for row in [quick(&[]), other] {
        stdout(&row, runs.path())?;
        ensure!(stdout(&[&row[..], &["--dry-run"]].concat(), runs.path())?.contains("nothing is left to do"));
    }
    let place = run.display().to_string();
    let said = stdout(&["evaluate", &place], runs.path())?;
    ensure!(said.contains("already measured: knn") && evaluations(&run)? == text, "{said}");
    // A measurement by hand is the row's that asks for it.
    stdout(&["evaluate", &place, "--with", "knn", "--set", "evaluator.knn.k=5"], runs.path())?;
    let text = evaluations(&run)?;
    ensure!(text.contains("knn-5"), "{text}");
    stdout(&quick(&["evaluator.knn.k=5"]), runs.path())?;
    ensure!(evaluations(&run)? == text, "it was measured twice");
    let record = json(&run.join("run.json"))?;
    ensure!(record["status"] == "finished" && record["trained"] == true, "{record}");
    ensure!(record["measurements"].as_object().is_some_and(|all| all.len() == 3), "{record}");
    Ok(())
}

#[test]
fn a_changed_detection_trains_no_backbone() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let row = |steps: &'static str| quick(&["evaluators.use=[\"detection\"]", steps]);
    let (run, before) = made(&row("evaluator.detection.steps=2"), runs.path())?;
    stdout(&row("evaluator.detection.steps=3"), runs.path())?;
    ensure!(directories(runs.path())? == 1 && trained(&run)? == before, "it was trained again");
    ensure!(measured(&run)?.1 == 2, "{:?}", measured(&run)?);
    Ok(())
}

/// Rows of one table whose measurements differ, one of them named.
fn table(root: &Path) -> Result<String> {
    let table = root.join("ways");
    fs::create_dir(&table)?;
    let column = "[[columns]]\nhead = \"top-1\"\nevaluator = \"near\"\nmetric = \"top1\"\n";
    fs::write(table.join("table.toml"), format!("rows = [\"few\", \"many\"]\n{column}"))?;
    for (row, k) in [("few", 3), ("many", 30)] {
        let measured = format!("[evaluators]\nuse = [\"near\"]\n[evaluator.near]\nuse = \"knn\"\nk = {k}\n");
        let text = format!("inherit = [\"univip:/recipes/table7/b.toml\"]\n{measured}");
        fs::write(table.join(format!("{row}.toml")), text)?;
    }
    Ok(table.display().to_string())
}

#[test]
fn two_rows_of_one_pre_training_have_each_their_own_numbers() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (table, runs) = (table(root.path())?, root.path().join("runs"));
    let row = ["ablate", &table, "--scale", "smoke"];
    let plan = stdout(&[&row[..], &["--dry-run"]].concat(), &runs)?;
    ensure!(plan.contains("the pre-training of ways/few, about"), "{plan}");
    // The untrained backbone is measured as the first row is.
    ensure!(plan.ends_with("2 rows, 1 pre-training, 3 measurements\n"), "{plan}");
    stdout(&row, &runs)?;
    let run = run_directory(&runs, "ways-few")?;
    ensure!(run_directory(&runs, "ways-many").is_err() && trained(&run)?[0] == 1, "it was trained twice");
    ensure!(measured(&run)? == (vec!["knn-3".to_string(), "knn-30".into()], 2), "{:?}", measured(&run)?);
    let plans: Vec<_> = fs::read_dir(runs.join("plans"))?.collect::<Result<_, _>>()?;
    let plan = json(&plans.first().context("no plan")?.path())?;
    for (row, protocol) in [(0, "knn-3"), (1, "knn-30")] {
        let digest = &plan["rows"][row]["measurements"]["near"];
        let of_row =
            lines(&run)?.into_iter().filter(|line| line["digest"] == *digest && line["evaluator"] == "near");
        let protocols: Vec<_> = of_row.map(|line| line["metric"]["protocol"].clone()).collect();
        ensure!(!protocols.is_empty() && protocols.iter().all(|each| each == protocol), "{protocols:?}");
    }
    Ok(())
}

#[test]
fn a_killed_measuring_goes_on_with_what_is_missing() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let row = quick(&["evaluators.use=[\"linear-probe\", \"knn\"]"]);
    let (run, before) = made(&row, runs.path())?;
    let (whole, record) = (evaluations(&run)?, run.join("run.json"));
    let running = fs::read_to_string(&record)?.replace("\"finished\"", "\"running\"");
    // Killed before kNN, within the line of kNN, and after the last number.
    let first: String =
        whole.lines().filter(|line| line.contains("linear-probe")).map(|line| format!("{line}\n")).collect();
    for left in [first.clone(), format!("{first}{{\"evaluator\":\"kn"), whole.clone()] {
        fs::write(&record, &running)?;
        fs::write(run.join("evaluations.jsonl"), &left)?;
        stdout(&row, runs.path())?;
        ensure!(evaluations(&run)? == whole, "after {left:?}");
        ensure!(trained(&run)? == before, "it was trained again");
        ensure!(json(&record)?["status"] == "finished");
    }
    Ok(())
}

#[test]
fn a_measurement_that_failed_is_tried_again_and_costs_other_rows_nothing() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let (run, before) = made(&quick(&[]), runs.path())?;
    // 1% of 100 images are too few for 10 classes.
    let few =
        ["evaluators.use=[\"semi-supervised\"]", "evaluator.semi-supervised.protocols=[\"semi-1pct-small\"]"];
    for _ in 0..2 {
        let failed = output(&quick(&few), runs.path())?;
        let said = String::from_utf8(failed.stderr)?;
        ensure!(failed.status.code() == Some(1) && said.contains("1% of 100 labelled images"), "{said}");
        ensure!(json(&run.join("run.json"))?["status"] == "failed");
    }
    // The row that is measured by kNN is finished all the same.
    let text = evaluations(&run)?;
    ensure!(
        stdout(&[&quick(&[])[..], &["--dry-run"]].concat(), runs.path())?.contains("nothing is left to do")
    );
    stdout(&quick(&[]), runs.path())?;
    ensure!(json(&run.join("run.json"))?["status"] == "finished");
    ensure!(evaluations(&run)? == text && trained(&run)? == before);
    Ok(())
}

#[test]
fn a_backbone_that_is_gone_is_made_anew_only_if_that_is_asked_for() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let (run, _) = made(&quick(&[]), runs.path())?;
    fs::remove_file(run.join("backbone.safetensors"))?;
    stdout(&quick(&[]), runs.path())?;
    let other = quick(&["evaluator.knn.k=3"]);
    let refused = output(&other, runs.path())?;
    let said = String::from_utf8(refused.stderr)?;
    ensure!(refused.status.code() == Some(1) && said.contains("backbone.safetensors is missing"), "{said}");
    ensure!(said.contains("--force") && json(&run.join("run.json"))?["status"] == "finished", "{said}");
    stdout(&[&other[..], &["--force"]].concat(), runs.path())?;
    ensure!(measured(&run)? == (vec!["knn-3".to_string()], 1), "all else is discarded");
    Ok(())
}

#[test]
fn processes_that_measure_one_run_take_turns() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let (run, before) = made(&quick(&[]), runs.path())?;
    let rows = ["evaluator.knn.k=3", "evaluator.knn.k=3", "evaluator.knn.k=5"].map(|set| quick(&[set]));
    let start = |row: &Vec<&str>| univip(row, runs.path()).stderr(Stdio::piped()).spawn();
    let children = rows.iter().map(start).collect::<Result<Vec<_>, _>>()?;
    for child in children {
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let (mut protocols, digests) = measured(&run)?;
    protocols.sort();
    ensure!(digests == 3 && protocols == ["knn-20", "knn-3", "knn-5"], "each once: {protocols:?}");
    ensure!(trained(&run)? == before, "it was trained again");
    Ok(())
}

#[test]
fn lines_of_an_earlier_version_are_those_of_the_runs_own_recipe() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&quick(&[]), runs.path())?;
    let run = run_directory(runs.path(), "table7-b")?;
    let without = |line: Value| -> Result<String> {
        let mut line = line;
        let fields = line.as_object_mut().context("no object")?;
        fields.remove("digest");
        fields.remove("probe_data");
        Ok(format!("{line}\n"))
    };
    let old = lines(&run)?.into_iter().map(without).collect::<Result<String>>()?;
    fs::write(run.join("evaluations.jsonl"), &old)?;
    let place = run.display().to_string();
    let said = stdout(&["evaluate", &place], runs.path())?;
    ensure!(said.contains("already measured: knn") && evaluations(&run)? == old, "{said}");
    let said = stdout(&["evaluate", &place, "--set", "evaluator.knn.k=3"], runs.path())?;
    ensure!(said.contains("knn-3"), "with other settings it is another measurement: {said}");
    Ok(())
}
