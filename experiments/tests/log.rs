//! The log of a job: the lines of a run, and hostile names in them.

mod common;

use anyhow::{Result, ensure};
use common::{ROW, output, run_directory, univip};
use std::fs;

#[test]
fn a_log_has_a_line_per_phase_the_last_epoch_and_where_the_results_are() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let output = output(&[&ROW[..], &["--set", "evaluators.use=[\"knn\"]"]].concat(), runs.path())?;
    let said = String::from_utf8(output.stderr)?;
    let mut lines = said.lines();
    for expected in [
        "random seed 0: begins, run 1 of 2",
        "random seed 0: finished, in ",
        "table7-e seed 0: begins, run 2 of 2",
        "table7-e seed 0: proposals: ",
        "table7-e seed 0: training: 12 steps, 6 per epoch, 8 images per step",
        "table7-e seed 0: epoch 2 of 2, step 12 of 12, mean loss ",
        "table7-e seed 0: finished, in ",
        "table7: 2 of 2 runs finished, after ",
    ] {
        ensure!(
            lines.any(|line| line.starts_with(expected)),
            "{expected:?} is missing or out of order:\n{said}"
        );
    }
    ensure!(lines.next().is_none(), "something follows the closing line:\n{said}");
    let epoch = said.lines().find(|line| line.contains("step 12 of 12")).unwrap_or_default();
    ensure!(epoch.contains(" images/s") && epoch.ends_with(" left"), "{epoch}");
    let run = run_directory(runs.path(), "table7-e")?;
    ensure!(said.contains(&run.display().to_string()), "the run's directory is not named:\n{said}");
    Ok(())
}

/// A name that steers a terminal is shown, and steers nothing.
#[test]
fn a_hostile_file_name_is_escaped_and_its_message_is_one_line() -> Result<()> {
    let place = tempfile::tempdir()?;
    let annotations = place.path().join("annotations");
    fs::create_dir(&annotations)?;
    let long = "x".repeat(2000);
    for (name, shown) in [
        (
            "\\u001b]0;owned\\u0007\\u001b[2J a.jpg\\nerror: all is well",
            "\\u{1b}]0;owned\\u{7}\\u{1b}[2J a.jpg\\nerror: all is well",
        ),
        (long.as_str(), "xxx"),
    ] {
        let json = format!(
            r#"{{"images": [{{"id": 1, "file_name": "{name}", "width": 80, "height": 60}}],
                "categories": [{{"id": 1, "name": "c"}}], "annotations": []}}"#
        );
        for split in ["train2017", "val2017"] {
            fs::create_dir_all(place.path().join(split))?;
            fs::write(annotations.join(format!("instances_{split}.json")), &json)?;
        }
        let data = format!("coco={}", place.path().display());
        let arguments = ["proposals", "build", "--data", &data, "--runs"];
        let output = univip(&arguments, place.path()).arg(place.path().join("runs")).output()?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(!output.status.success(), "{said}");
        ensure!(said.contains(shown), "{said}");
        for line in said.lines() {
            ensure!(line.chars().count() < 500, "a long line: {line}");
            ensure!(!line.chars().any(char::is_control), "{line:?}");
            ensure!(!line.starts_with("error: all is well"), "{said}");
        }
    }
    Ok(())
}

#[test]
fn a_recipe_whose_name_breaks_the_line_is_shown_in_one() -> Result<()> {
    let place = tempfile::tempdir()?;
    let file = place.path().join("a\nmethod = 1 #.toml");
    fs::write(&file, format!("inherit = [\"{}/recipes/table7/e.toml\"]\n", env!("CARGO_MANIFEST_DIR")))?;
    let shown = univip(&["recipe", "show"], place.path()).arg(&file).output()?;
    let text = String::from_utf8(shown.stdout)?;
    ensure!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let first = text.lines().next().unwrap_or_default();
    ensure!(first.contains(r"a\nmethod = 1 #.toml") && !text.contains("\nmethod"), "{first}");
    Ok(())
}

#[test]
fn a_row_whose_title_breaks_the_line_is_planned_in_one() -> Result<()> {
    let place = tempfile::tempdir()?;
    let table = place.path().join("mine");
    fs::create_dir(&table)?;
    fs::write(table.join("table.toml"), "rows = [\"a\"]\n")?;
    let row = "inherit = [\"univip:/recipes/table7/b.toml\"]\n[row]\nlabel = \"a\"\ntitle = \"one\\nerror: all is well\"\n";
    fs::write(table.join("a.toml"), row)?;
    let table = table.display().to_string();
    let planned = output(&["ablate", &table, "--scale", "smoke", "--dry-run"], place.path())?;
    let text = String::from_utf8(planned.stdout)?;
    ensure!(planned.status.success(), "{}", String::from_utf8_lossy(&planned.stderr));
    ensure!(text.contains(r"one\nerror: all is well") && !text.contains("\nerror"), "{text}");
    Ok(())
}
