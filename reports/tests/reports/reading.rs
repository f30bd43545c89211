//! Run directories as a killed, resumed or damaged run leaves them.

use crate::common::{Runs, epoch, measured, row, run, step};
use serde_json::json;
use std::fs;
use univip_reports::run::Run;
use univip_reports::statistics::Summary;

fn one_row() -> Runs {
    let runs = Runs::new();
    runs.plan("table9", json!([row("20", "", &[], 60.2, 40.8, "eeeeeeeeeeee", false)]));
    runs
}

#[test]
fn a_last_line_cut_short_is_tolerated_and_said() {
    let runs = one_row();
    let path = runs.add(run("table9-20", "eeeeeeeeeeee", 0, 58.0)).join("metrics.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}{{\"event\":\"step\",\"st")).unwrap();
    let text = runs.report(100).unwrap();
    assert!(text.contains("20 seed 0: the last line of metrics.jsonl is cut short and left out."), "{text}");
    assert!(text.contains("58.0"), "{text}");
}

#[test]
fn a_last_line_without_its_line_break_counts() {
    let runs = one_row();
    let path = runs.add(run("table9-20", "eeeeeeeeeeee", 0, 58.0));
    let file = path.join("evaluations.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.trim_end()).unwrap();
    let read = Run::read(&path).unwrap().unwrap();
    assert_eq!((read.measurements.len(), read.notes.len()), (2, 0));
}

#[test]
fn a_malformed_line_is_an_error_with_file_and_line() {
    for file in ["metrics.jsonl", "evaluations.jsonl"] {
        let runs = one_row();
        let path = runs.add(run("table9-20", "eeeeeeeeeeee", 0, 58.0)).join(file);
        let text = fs::read_to_string(&path).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        fs::write(&path, format!("{first}\nnonsense\n{rest}")).unwrap();
        let error = format!("{:#}", runs.report(100).unwrap_err());
        assert!(error.contains(&format!("{} line 2", path.display())), "{error}");
    }
}

#[test]
fn a_malformed_record_or_plan_is_an_error_with_its_file() {
    let runs = one_row();
    let path = runs.add(run("table9-20", "eeeeeeeeeeee", 0, 58.0).set("status", "sleeping"));
    let error = format!("{:#}", runs.report(100).unwrap_err());
    assert!(error.contains("run.json") && error.contains("sleeping"), "{error}");
    fs::remove_dir_all(path).unwrap();
    fs::write(runs.path().join("plans/table9-small.json"), "{}").unwrap();
    let error = format!("{:#}", runs.report(100).unwrap_err());
    assert!(error.contains("table9-small.json"), "{error}");
}

#[test]
fn missing_files_are_said() {
    for (file, said) in [
        ("run.json", "20 seed 0: run.json is missing."),
        ("metrics.jsonl", "20 seed 0: metrics.jsonl is missing."),
        ("evaluations.jsonl", "evaluations.jsonl has no linear-probe top1; evaluations.jsonl is missing."),
    ] {
        let runs = one_row();
        let path = runs.add(run("table9-20", "eeeeeeeeeeee", 0, 58.0));
        fs::remove_file(path.join(file)).unwrap();
        let text = runs.report(120).unwrap();
        assert!(text.contains(said), "{file}: {text}");
    }
}

#[test]
fn a_step_repeated_after_a_resume_counts_as_the_later_time() {
    let runs = one_row();
    let mut made = run("table9-20", "eeeeeeeeeeee", 0, 58.0);
    made.events = vec![
        json!({"event": "start", "step": 0, "steps": 4}),
        step(0, -1.0),
        step(1, -2.0),
        epoch(0, 11.0),
        step(2, -3.0),
        step(3, -9.0),
        epoch(1, 99.0),
        json!({"event": "checkpoint", "step": 2}),
        json!({"event": "start", "step": 2, "steps": 4}),
        step(2, -3.5),
        json!({"event": "step", "step": 3, "total": null}),
        epoch(1, 12.0),
    ];
    let training = Run::read(&runs.add(made)).unwrap().unwrap().training;
    let loss: Vec<_> = training.loss.into_iter().collect();
    assert_eq!(loss, [(0, Some(-1.0)), (1, Some(-2.0)), (2, Some(-3.5)), (3, None)]);
    assert_eq!(
        training.rank.values().map(|end| end.effective_rank).collect::<Vec<_>>(),
        [Some(11.0), Some(12.0)]
    );
}

#[test]
fn what_a_resume_has_not_reached_again_is_gone() {
    let runs = one_row();
    let mut made = run("table9-20", "eeeeeeeeeeee", 0, 58.0);
    made.events.push(json!({"event": "start", "step": 2, "steps": 4}));
    let training = Run::read(&runs.add(made)).unwrap().unwrap().training;
    assert_eq!((training.loss.len(), training.rank.len()), (2, 1));
}

#[test]
fn a_number_measured_again_counts_as_the_later_time() {
    let runs = one_row();
    let mut made = run("table9-20", "eeeeeeeeeeee", 0, 58.0);
    made.evaluations.push(measured("linear-probe", "linear-v1", Some(59.0)));
    let read = Run::read(&runs.add(made)).unwrap().unwrap();
    let values: Vec<_> = read.measurements.iter().map(|m| m.metric.value).collect();
    assert_eq!(values, [Some(53.0), Some(59.0)]);
}

#[test]
fn a_number_measured_otherwise_does_not_replace_the_recipes_own() {
    let runs = one_row();
    let mut made = run("table9-20", "eeeeeeeeeeee", 0, 58.0);
    let mut otherwise = measured("linear-probe", "linear-v1", Some(59.0));
    otherwise["set"] = json!(["probe_data.train_limit=10"]);
    made.evaluations.push(otherwise);
    let path = runs.add(made);
    assert_eq!(Run::read(&path).unwrap().unwrap().measurements.len(), 3);
    let text = univip_reports::compare::compare(&[path], 120).unwrap();
    let lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "linear-probe top1 (linear-v1, aaaa-bbbb) 58.00",
        "linear-probe top1 (linear-v1, aaaa-bbbb, probe_data.train_limit=10) 59.00",
    ] {
        assert!(lines.iter().any(|found| found == line), "{text}");
    }
}

#[test]
fn measuring_otherwise_takes_no_time_of_the_run() {
    let runs = one_row();
    let mut made = run("table9-20", "eeeeeeeeeeee", 0, 58.0);
    made.record["seconds"]["evaluate-otherwise"] = json!(1000.0);
    assert_eq!(Run::read(&runs.add(made)).unwrap().unwrap().seconds(), Some(120.0));
}

#[test]
fn the_same_recipe_and_seed_in_two_places_is_refused() {
    let (runs, more) = (one_row(), one_row());
    runs.add(run("table9-20", "eeeeeeeeeeee", 0, 58.0));
    more.add(run("table7-e", "eeeeeeeeeeee", 0, 59.0));
    let roots = [runs.roots(), more.roots()].concat();
    let error = univip_reports::report(&roots, None, &runs.path().join("out"), 100).unwrap_err().to_string();
    assert!(error.contains("the same recipe and seed"), "{error}");
}

#[test]
fn other_directories_are_no_runs() {
    let runs = one_row();
    for name in ["notes", "table9-20-eeeeeeeeeeee", "x-eeeeeeeeeee-s0", "x-eeeeeeeeeeee-0"] {
        fs::create_dir(runs.path().join(name)).unwrap();
        assert!(Run::read(&runs.path().join(name)).unwrap().is_none(), "{name}");
    }
}

#[test]
fn statistics_by_hand() {
    assert_eq!(Summary::of([]), None);
    assert_eq!(Summary::of([3.0]), Some(Summary { n: 1, mean: 3.0, deviation: None }));
    // Squares about the mean 4: 4 + 0 + 4; over n - 1 = 2.
    assert_eq!(Summary::of([2.0, 4.0, 6.0]), Some(Summary { n: 3, mean: 4.0, deviation: Some(2.0) }));
}

#[test]
fn runs_are_compared_by_recipe_and_numbers() {
    let runs = one_row();
    let paths = [0, 1].map(|seed| runs.add(run("table9-20", "eeeeeeeeeeee", seed, 58.0 + seed as f64)));
    insta::assert_snapshot!("compare", univip_reports::compare::compare(&paths, 100).unwrap());
}
