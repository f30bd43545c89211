//! Results files: what a report shows, in one file.

use crate::common::{Runs, baseline, csv, epoch, number, row, run, step};
use polars::prelude::{ParquetReader, SerReader};
use serde_json::json;
use std::fs;
use std::slice::from_ref;
use univip_reports::pack;
use univip_reports::show::text::Width;

fn failed(result: anyhow::Result<String>) -> String {
    format!("{:#}", result.unwrap_err())
}

#[test]
fn a_results_file_gives_the_report_of_its_runs() {
    let runs = Runs::table7();
    for file in ["evaluations.jsonl", "metrics.jsonl"] {
        let damaged = runs.path().join("table7-b-bbbbbbbbbbbb-s2").join(file);
        let text = fs::read_to_string(&damaged).unwrap();
        fs::write(&damaged, &text[..text.len() - 9]).unwrap();
    }
    fs::remove_file(runs.path().join("table7-e-eeeeeeeeeeee-s1/metrics.jsonl")).unwrap();
    let text = runs.report(200).unwrap();
    assert!(
        text.contains("metrics.jsonl is cut short") && text.contains("metrics.jsonl is missing"),
        "{text}"
    );
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("table7.parquet");
    let said = pack(&runs.roots(), Some("table7"), &file).unwrap();
    assert!(said.contains("table7.parquet: 9 runs of table7, "), "{said}");
    let out = elsewhere.path().join("out");
    let report = univip_reports::report(from_ref(&file), None, &out, Width::of_terminal(200)).unwrap();
    assert_eq!(report.text, text);
    let files =
        ["md", "html", "tex", "csv", "svg"].map(|ending| format!("table7.{ending}")).into_iter().chain(
            ["table7-curves.svg", "measurements.csv", "recipes.csv", "training.parquet"].map(String::from),
        );
    for name in files {
        assert_eq!(fs::read(out.join(&name)).unwrap(), fs::read(runs.out(&name)).unwrap(), "{name}");
    }
    let again = elsewhere.path().join("again.parquet");
    pack(from_ref(&file), None, &again).unwrap();
    assert_eq!(fs::read(&again).unwrap(), fs::read(&file).unwrap(), "of a results file, and the same bytes");
}

#[test]
fn plans_of_two_directories_with_files_of_one_name_are_all_packed() {
    let both = [("20", "table9-20", "eeeeeeeeeeee"), ("30", "table9-30", "bbbbbbbbbbbb")].map(
        |(row_name, name, fingerprint)| {
            let runs = Runs::new();
            runs.plan("table9", json!([row(row_name, "", &[], [60.2, 40.8], fingerprint)]));
            runs.add(run(name, fingerprint, 0, 58.0));
            runs
        },
    );
    let roots = [both[0].roots(), both[1].roots()].concat();
    let report = |roots: &[std::path::PathBuf]| {
        let out = both[0].path().join("out");
        univip_reports::report(roots, None, &out, Width::of_terminal(200)).unwrap().text
    };
    let expected = report(&roots);
    let file = both[0].path().join("table9.parquet");
    pack(&roots, None, &file).unwrap();
    assert_eq!(report(from_ref(&file)), expected);
    assert_eq!(expected.matches("Table 9: ").count(), 2, "{expected}");
}

#[test]
fn a_long_training_keeps_its_curve_and_each_epochs_end() {
    let runs = Runs::new();
    runs.plan("table9", json!([baseline(row("20", "", &[], [60.2, 40.8], "eeeeeeeeeeee"))]));
    let mut long = run("table9-20", "eeeeeeeeeeee", 0, 58.0);
    long.events =
        vec![json!({"event": "start", "step": 0, "steps": 1000, "steps_per_epoch": 333, "batch": 8})];
    for number in 0..1000 {
        long.events.push(step(number, -1.0 - number as f64));
        if number % 333 == 332 {
            long.events.push(epoch(number / 333, number as f64));
        }
    }
    runs.add(long);
    let file = runs.path().join("table9.parquet");
    pack(&runs.roots(), None, &file).unwrap();
    let out = runs.path().join("out");
    univip_reports::report(&[file], None, &out, Width::of_terminal(100)).unwrap();
    let bytes = fs::File::open(out.join("training.parquet")).unwrap();
    let training = ParquetReader::new(bytes).finish().unwrap();
    let steps: Vec<f64> = (0..training.height()).filter_map(|line| number(&training, "step", line)).collect();
    assert_eq!(steps.len(), 203, "every fifth, and two ends of epochs and the last besides");
    assert!([0.0, 5.0, 332.0, 665.0, 998.0, 999.0].iter().all(|step| steps.contains(step)), "{steps:?}");
    let line = steps.iter().position(|&step| step == 665.0).unwrap();
    assert_eq!(number(&training, "effective_rank", line), Some(665.0));
    assert_eq!(number(&training, "loss", line), Some(-666.0));
    let ranks = csv(&runs, "measurements.csv");
    let last =
        (0..ranks.height()).filter_map(|line| number(&ranks, "value", line)).any(|value| value == 998.0);
    assert!(last, "the rank of the run is that of its last epoch");
}

#[test]
fn nothing_to_pack_and_what_is_no_results_file_are_named() {
    let file = tempfile::tempdir().unwrap().path().join("results.parquet");
    let error = failed(pack(&Runs::new().roots(), None, &file));
    assert!(error.contains("no plan in"), "{error}");
    let empty = Runs::new();
    empty.plan("table9", json!([row("20", "", &[], [60.2, 40.8], "eeeeeeeeeeee")]));
    let error = failed(pack(&empty.roots(), None, &file));
    assert!(error.contains("none of the planned runs is there"), "{error}");

    let other = Runs::table7();
    other.report(100).unwrap();
    let report = |path| {
        failed(
            univip_reports::report(&[path], None, &other.out("again"), Width::PIPED).map(|_| String::new()),
        )
    };
    let error = report(other.out("runs.parquet"));
    assert!(
        error.contains("runs.parquet is no results file") && error.contains("its columns are run, fing"),
        "{error}"
    );
    let error = report(other.out("table7.md"));
    assert!(error.contains("table7.md is no results file: name a directory of runs"), "{error}");
}
