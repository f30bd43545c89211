//! Rows of one run that are measured in different ways: each shows its own numbers.

use crate::common::{Made, Runs, baseline, close, columns, csv, measured, number, of, row, run, texts};
use serde_json::{Value, json};
use std::fs;

/// The line of a measurement with a digest.
fn by(name: &str, digest: &str, protocol: &str, value: f64) -> Value {
    let mut line = measured(name, protocol, Some(value));
    line["digest"] = json!(digest);
    line["probe_data"] = json!("icons");
    line
}

/// A row that asks for measurements.
fn asking(label: &str, measurements: Value) -> Value {
    let mut row = row(label, "", &[], [0.0; 2], "aaaaaaaaaaaa");
    row["measurements"] = measurements;
    row["probe_data"] = json!("icons");
    row
}

/// A trained run with these lines, whose measurements took 20 seconds each.
fn made(seed: u64, lines: &[Value]) -> Made {
    let mut made = run("mine", "aaaaaaaaaaaa", seed, 0.0);
    made.evaluations = lines.to_vec();
    made.record["trained"] = json!(true);
    let taken = lines.iter().filter_map(|line| Some((line["digest"].as_str()?, line["evaluator"].clone())));
    let taken = taken.map(|(digest, name)| (digest.to_string(), json!({"name": name, "seconds": 20.0})));
    made.record["measurements"] = Value::Object(taken.collect());
    made
}

/// Columns of the measurements `near` and `far`.
fn near_and_far() -> Value {
    json!([{"head": "near", "evaluator": "near", "metric": "top1", "difference": true},
           {"head": "far", "evaluator": "far", "metric": "top1"}])
}

/// Plans a table without an untrained backbone.
fn plan(runs: &Runs, table: &str, rows: Value, columns: Value) {
    runs.plan(table, rows);
    let file = runs.path().join(format!("plans/{table}-small.json"));
    let mut plan: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    (plan["columns"], plan["random"], plan["seeds"]) = (columns, Value::Null, json!([0, 1]));
    fs::write(&file, plan.to_string()).unwrap();
}

#[test]
fn rows_and_tables_of_one_run_have_each_their_own_numbers() {
    let runs = Runs::new();
    plan(
        &runs,
        "table1",
        json!([
            baseline(asking("a", json!({"near": "000000000001"}))),
            // The same run, measured in another way under the same name.
            asking("b", json!({"near": "000000000002", "far": "000000000003"})),
        ]),
        near_and_far(),
    );
    // Calls by another name what the first table calls near.
    let far_alone = json!([near_and_far()[1]]);
    plan(&runs, "table2", json!([asking("c", json!({"far": "000000000001"}))]), far_alone);
    for seed in [0, 1] {
        let add = seed as f64;
        runs.add(made(
            seed,
            &[
                by("near", "000000000001", "knn-20", 10.0 + add),
                by("near", "000000000002", "knn-20", 30.0 + 3.0 * add),
                by("far", "000000000003", "knn-20", 50.0),
                // Nobody asks for it.
                by("near", "000000000004", "knn-20", 99.0),
                // Measured on other images.
                measured("near", "knn-20", Some(98.0)),
            ],
        ));
    }
    runs.report(200).unwrap();
    let frame = csv(&runs, "table1.csv");
    let (near, far) = (of(&frame, "near"), of(&frame, "far"));
    assert_eq!(texts(&near, "row"), ["a", "b"], "one table");
    close(number(&near, "mean", 0), 10.5);
    close(number(&near, "mean", 1), 31.5);
    // 20 and 22 over the seeds.
    close(number(&near, "difference", 1), 21.0);
    assert_eq!(number(&far, "mean", 0), None);
    close(number(&far, "mean", 1), 50.0);
    assert_eq!(texts(&near, "finished"), ["2/2", "2/2"]);
    close(number(&of(&csv(&runs, "table2.csv"), "far"), "mean", 0), 10.5);
    let all = csv(&runs, "measurements.csv");
    assert!(texts(&all, "digest").contains(&"000000000004".to_string()), "frames leave nothing out");
}

#[test]
fn a_row_is_finished_when_its_own_measurements_are_there() {
    let runs = Runs::new();
    plan(
        &runs,
        "table1",
        json!([
            asking("a", json!({"near": "000000000001"})),
            asking("b", json!({"near": "000000000001", "far": "000000000002"})),
            asking("c", json!({"near": "000000000001", "far": "000000000003"})),
        ]),
        near_and_far(),
    );
    let mut failed = made(0, &[by("near", "000000000001", "knn-20", 10.0)]);
    (failed.record["status"], failed.record["error"]) =
        (json!("failed"), json!("evaluator `far`: no space left"));
    // Had nothing to measure.
    failed.record["measurements"]["000000000003"] =
        json!({"name": "far", "seconds": 1.0, "not_applicable": "no labels"});
    runs.add(failed);
    let text = runs.report(200).unwrap();
    let near = of(&csv(&runs, "table1.csv"), "near");
    assert_eq!(texts(&near, "finished"), ["1/2", "0/2", "1/2"]);
    assert_eq!([0, 1, 2].map(|row| number(&near, "mean", row)), [Some(10.0); 3]);
    let said = "b seed 0: failed after 4 of 4 steps: evaluator `far`: no space left.";
    assert!(text.contains(said) && text.matches("seed 0: failed").count() == 1, "{text}");
    // The time of each is that of the training and of its own measurements.
    let page = runs.read("table1.md");
    let times: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| a ") || line.starts_with("| c ")).collect();
    assert!(times[0].contains("130 s") || times[0].contains("2 min"), "{page}");
}

#[test]
fn another_plan_of_the_same_runs_with_other_measurements_is_another_table() {
    let runs = Runs::new();
    for (table, digest) in [("table1", "000000000001"), ("table2", "000000000002")] {
        plan(&runs, table, json!([asking("a", json!({"near": digest}))]), near_and_far());
    }
    // The second is of the same table, with something set.
    let file = runs.path().join("plans/table2-small.json");
    let mut plan: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    (plan["table"], plan["overrides"]) = (json!("table1"), json!(["evaluator.near.k=3"]));
    fs::write(&file, plan.to_string()).unwrap();
    runs.add(made(
        0,
        &[by("near", "000000000001", "knn-20", 10.0), by("near", "000000000002", "knn-3", 30.0)],
    ));
    runs.report(200).unwrap();
    let near = of(&csv(&runs, "table1.csv"), "near");
    let shown = (texts(&near, "overrides"), [0, 1].map(|row| number(&near, "mean", row)));
    assert_eq!(shown, (vec![String::new(), "evaluator.near.k=3".into()], [Some(10.0), Some(30.0)]));
}

/// A table that states no columns shows all that its rows ask for, and nothing else.
#[test]
fn without_columns_all_that_the_rows_ask_for_is_shown() {
    let runs = Runs::new();
    plan(&runs, "table1", json!([asking("a", json!({"far": "000000000001"}))]), json!([]));
    runs.add(made(
        0,
        &[by("near", "000000000001", "knn-20", 10.0), by("near", "000000000002", "knn-3", 30.0)],
    ));
    let text = runs.report(200).unwrap();
    assert!(text.contains("far top1") && !text.contains("near top1") && !text.contains("30.0"), "{text}");
    // A plan of an earlier version shows the lines that its run's recipe asked for, as ever.
    let old = Runs::table7();
    old.report(100).unwrap();
    assert_eq!(columns().as_array().unwrap().len(), 4);
    close(number(&of(&csv(&old, "table7.csv"), "top-1"), "mean", 0), 51.0);
}
