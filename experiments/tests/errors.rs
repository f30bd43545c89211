//! The messages that a user reads when something is wrong, and the exit codes for scripts.

mod common;

use anyhow::{Result, ensure};
use common::{ROW, output, run_directory, stdout, univip};
use std::process::Stdio;

/// The exit code and standard error of a command.
fn said(arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let runs = tempfile::tempdir()?;
    let output = output(arguments, runs.path())?;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

#[test]
fn a_command_that_cannot_be_used_names_the_key_and_what_may_have_been_meant() -> Result<()> {
    let with = |set: &'static str| [&ROW[..], &["--set", set]].concat();
    let cases: [(Vec<&str>, &[&str]); 16] = [
        (vec!["ablate", "tabel7"], &["unknown table `tabel7`", "did you mean `table7`?"]),
        (vec!["ablate", "table7", "--row", "f"], &["table7 has no row `f`", "a, b, c, d, e"]),
        (vec!["ablate", "table7", "--scale", "smal"], &["smal", "did you mean `small`?"]),
        (with("optimizer.lrr=1"), &["--set", "`optimizer.lrr`", "did you mean `lr`?"]),
        (with("optimizer.lr=fast"), &["--set", "`optimizer.lr`", "fast"]),
        (with("losses.use=[\"instanse\"]"), &["`losses.use`", "did you mean `instance`?"]),
        (with("views.instance_size=16"), &["--set", "`views.instance_size`", "32"]),
        (with("losses.weights.scene=-1"), &["--set", "`losses.weights`", "`scene`"]),
        (with("loss.instance.epsilon=0"), &["--set", "`loss.instance.epsilon`"]),
        (with("views.instances=0"), &["--set", "`views.instances`", "K = 0", "the loss `scene-instance`"]),
        ([&with("views.instances=0")[..], &["--dry-run"]].concat(), &["`views.instances`", "K = 0"]),
        (vec!["recipe", "show", "table7/d.typo"], &["`table7/d.typo`", "base, random", "table9/30"]),
        (vec!["recipe", "diff", "table7/d", "tabel7/e"], &["`tabel7/e`", "did you mean `table7/e`?"]),
        (vec!["run", "no-recipe.toml"], &["`no-recipe.toml`", "base, random"]),
        ([&ROW[..], &["--data", "coco=/nonexist"]].concat(), &["--data", "dataset `coco`", "/nonexist"]),
        (vec!["ablate", "table7", "--probe-data", "image-folder=/nonexist"], &["--probe-data", "/nonexist"]),
    ];
    for (arguments, expected) in cases {
        let (code, text) = said(&arguments)?;
        ensure!(code == Some(2), "{arguments:?} gave {code:?}: {text}");
        for part in expected {
            ensure!(text.contains(part), "{arguments:?} said {text:?}, expected {part:?}");
        }
        ensure!(text.trim_end().lines().count() == 1, "more than one line: {text}");
    }
    Ok(())
}

#[test]
fn what_steers_a_terminal_is_escaped_in_what_is_said_of_arguments() -> Result<()> {
    let steering = "\u{1b}[2J\nerror: all is well";
    for arguments in [
        vec!["ablate", "table7", "--seeds", steering],
        vec!["ablate", "table7", steering],
        vec![steering],
        vec!["ablate", steering],
        vec!["evaluate", "--runs", steering, steering],
    ] {
        let (code, text) = said(&arguments)?;
        ensure!(code == Some(2), "{arguments:?} gave {code:?}: {text}");
        let escaped = r"\u{1b}[2J\nerror: all is well";
        ensure!(text.contains(escaped), "{arguments:?} said {text:?}");
        ensure!(!text.contains(steering) && !text.contains('\u{1b}'), "{arguments:?} said {text:?}");
    }
    Ok(())
}

/// Commands that only print.
const PRINTING: [&[&str]; 4] = [
    &["recipe", "show", "table7/d"],
    &["recipe", "diff", "table7/d", "table7/e"],
    &["plugins"],
    &["ablate", "all", "--scale", "smoke", "--dry-run"],
];

#[test]
fn a_reader_that_has_left_is_no_failure() -> Result<()> {
    let runs = tempfile::tempdir()?;
    for arguments in PRINTING {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let output = univip(arguments, runs.path()).stdout(writer).stderr(Stdio::piped()).output()?;
        let text = String::from_utf8(output.stderr)?;
        ensure!(output.status.success() && text.is_empty(), "{arguments:?} gave {}: {text}", output.status);
    }
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn what_could_not_be_printed_is_a_failure() -> Result<()> {
    let runs = tempfile::tempdir()?;
    for arguments in PRINTING {
        let full = std::fs::File::options().write(true).open("/dev/full")?;
        let output = univip(arguments, runs.path()).stdout(full).stderr(Stdio::piped()).output()?;
        let text = String::from_utf8(output.stderr)?;
        let code = output.status.code();
        ensure!(code == Some(1) && text.contains("writing to standard output"), "{arguments:?}: {text}");
    }
    Ok(())
}

#[test]
fn a_row_that_fails_is_named_with_the_reason() -> Result<()> {
    let with = |set: &'static str| [&ROW[..], &["--set", set]].concat();
    let cases: [(&str, i32, &[&str]); 2] = [
        // Known before anything runs.
        ("train.batch=64", 2, &["`train.batch`", "64 images", "only 48", "--set train.batch=48"]),
        (
            "optimizer.lr=1e30",
            1,
            &["table7-e seed 0: failed", "step ", "is NaN", "scene-train-", "the batch is saved in"],
        ),
    ];
    for (set, expected_code, expected) in cases {
        let (code, text) = said(&with(set))?;
        ensure!(code == Some(expected_code), "{set} gave {code:?}: {text}");
        for part in expected {
            ensure!(text.contains(part), "{set} said {text:?}, expected {part:?}");
        }
    }
    Ok(())
}

#[test]
fn a_run_that_met_nan_keeps_the_batch_and_says_so_in_its_record() -> Result<()> {
    let runs = tempfile::tempdir()?;
    output(&[&ROW[..], &["--set", "optimizer.lr=1e30"]].concat(), runs.path())?;
    let run = run_directory(runs.path(), "table7-e")?;
    let record = std::fs::read_to_string(run.join("run.json"))?;
    ensure!(record.contains("\"failed\"") && record.contains("NaN"), "{record}");
    let saved = std::fs::read_dir(run.join("checkpoints"))?
        .filter_map(|entry| entry.ok())
        .any(|entry| entry.file_name().to_string_lossy().starts_with("not-finite-step-"));
    ensure!(saved, "no batch was saved");
    Ok(())
}

#[test]
fn a_finished_run_is_reused_and_the_plan_says_so() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&ROW, runs.path())?;
    let run = run_directory(runs.path(), "table7-e")?;
    let before = std::fs::metadata(run.join("evaluations.jsonl"))?.modified()?;
    let plan = stdout(&[&ROW[..], &["--dry-run"]].concat(), runs.path())?;
    ensure!(plan.contains("finished") && plan.ends_with("1 row, 1 pre-training, 6 measurements\n"), "{plan}");
    stdout(&ROW, runs.path())?;
    ensure!(std::fs::metadata(run.join("evaluations.jsonl"))?.modified()? == before, "it was run again");
    Ok(())
}

#[test]
fn the_whole_ablation_trains_each_backbone_once() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let plan = stdout(&["ablate", "all", "--scale", "smoke", "--dry-run"], runs.path())?;
    ensure!(plan.ends_with("116 rows, 32 pre-trainings, 128 measurements\n"), "{plan}");
    ensure!(!runs.path().join("plans").exists(), "a dry run wrote something");
    Ok(())
}

#[test]
fn changed_images_are_refused_on_resume() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&ROW, runs.path())?;
    let record = run_directory(runs.path(), "table7-e")?.join("run.json");
    let text = std::fs::read_to_string(&record)?;
    let digest =
        text.split("\"data_digest\": \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    let changed = text.replace("\"finished\"", "\"interrupted\"").replace(digest, "0123456789abcdef");
    std::fs::write(&record, changed)?;
    let output = output(&ROW, runs.path())?;
    let text = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1) && text.contains("are not those of this run"), "{text}");
    Ok(())
}

#[test]
fn evaluators_without_labels_are_left_out_and_cost_neither_the_training_nor_the_others() -> Result<()> {
    let runs = tempfile::tempdir()?;
    // The composed scenes have no label: an evaluator that needs one says so.
    let row = [&ROW[..], &["--set", "probe_data.use=fashion-scenes"]].concat();
    let output = output(&row, runs.path())?;
    let text = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(0), "{text}");
    for evaluator in ["linear-probe", "knn"] {
        ensure!(
            text.contains(&format!("table7-e seed 0: evaluator `{evaluator}` measured nothing")),
            "{text}"
        );
    }
    let run = run_directory(runs.path(), "table7-e")?;
    ensure!(run.join("backbone.safetensors").exists());
    let measured = std::fs::read_to_string(run.join("evaluations.jsonl"))?;
    ensure!(measured.contains("bbox_ap"), "{measured}");
    Ok(())
}

/// A machine would be busy for minutes with starting them.
#[test]
fn more_threads_than_a_machine_has_use_for_are_refused() -> Result<()> {
    let many = ["proposals", "build", "--data", "fashion-scenes", "--jobs", "1000000000"];
    let (code, text) = said(&many)?;
    ensure!(code == Some(2) && text.contains("--jobs"), "{code:?}: {text}");
    let runs = tempfile::tempdir()?;
    for variable in ["RAYON_NUM_THREADS", "RAYON_RS_NUM_CPUS"] {
        let output = common::univip(&ROW, runs.path()).env(variable, "1000000").output()?;
        let text = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(1), "{}: {text}", output.status);
        ensure!(text.starts_with(&format!("error: {variable} is 1000000; expected at most 1024")), "{text}");
    }
    Ok(())
}
