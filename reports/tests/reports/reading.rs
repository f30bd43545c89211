//! Run directories as a killed, resumed or damaged run leaves them.

use crate::common::{Runs, epoch, measured, row, run, step};
use serde_json::{Value, json};
use std::fs;
use univip_reports::compare::statistics::Summary;
use univip_reports::read::folder::Folder;
use univip_reports::read::plan::read_plans;
use univip_reports::read::run::Run;
use univip_reports::show::text::Width;

fn one_row() -> Runs {
    let runs = Runs::new();
    runs.plan("table9", json!([row("20", "", &[], [60.2, 40.8], "eeeeeeeeeeee")]));
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
    let read = Run::read(&path).unwrap();
    assert_eq!((read.measurements.len(), read.notes.len()), (2, 0));
}

/// Damage in one run costs the others nothing.
#[test]
fn damaged_files_are_notes_of_their_run() {
    for (file, damage, said) in [
        ("run.json", "{\"status\": \"sleep", "(b) seed 0: run.json is damaged: "),
        ("metrics.jsonl", "{}\nnonsense\n{}\n", "line 1: not a line that univip writes"),
        ("evaluations.jsonl", "nonsense\n", "line 1: not a line that univip writes"),
    ] {
        let runs = Runs::table7();
        let path = runs.add(run("table7-b", "bbbbbbbbbbbb", 0, 51.0));
        fs::write(path.join(file), damage).unwrap();
        // Not asked for, whatever is in it.
        let other = runs.add(run("table7-c", "cccccccccccc", 0, 51.0));
        fs::write(other.join(file), damage).unwrap();
        runs.report(100).unwrap();
        let page = runs.read("table7.md");
        assert!(page.contains(said), "{file}: {page}");
        assert!(page.contains("| 51.0 ± 1.0 |") && page.contains("58.0"), "{file}: {page}");
        assert!(!page.contains("cccccccccccc"), "{file}: {page}");
    }
}

#[test]
fn a_step_that_the_run_has_not_is_said_and_left_out() {
    let runs = one_row();
    let path = runs.add(run("table9-20", "eeeeeeeeeeee", 0, 58.0)).join("metrics.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let damaged = json!({ "event": "step", "step": u64::MAX, "total": -0.8 });
    fs::write(&path, format!("{text}{damaged}\n")).unwrap();
    let text = runs.report(100).unwrap();
    let said = "metrics.jsonl has a step 18446744073709551615 of ";
    assert!(text.contains(said) && text.contains("58.0"), "{text}");
    // Without a line that says how many steps there are, it is the last one.
    fs::write(&path, format!("{damaged}\n")).unwrap();
    runs.report(100).unwrap();
}

#[test]
fn a_malformed_plan_is_an_error_with_its_file() {
    let runs = one_row();
    fs::write(runs.path().join("plans/table9-small.json"), "{}").unwrap();
    let error = format!("{:#}", runs.report(100).unwrap_err());
    assert!(error.contains("table9-small.json"), "{error}");
}

fn written(runs: &Runs, file: &str, fingerprint: &str, more: Value) {
    let mut plan = json!({
        "table": "table9", "scale": "small", "data": "scenes", "seeds": [0],
        "rows": [row("20", "", &[], [60.2, 40.8], fingerprint)], "random": null
    });
    if let (Some(plan), Some(more)) = (plan.as_object_mut(), more.as_object()) {
        plan.extend(more.clone());
    }
    fs::write(runs.path().join(format!("plans/{file}.json")), plan.to_string()).unwrap();
}

#[test]
fn of_the_plans_of_a_setting_the_newest_counts() {
    let (one, two) = ("aaaaaaaaaaaa", "bbbbbbbbbbbb");
    let said = |overrides: &[&str], written: &str| json!({"overrides": overrides, "written": written});
    let run = |written: &str| json!({"table": "run", "overrides": [], "written": written});
    let cases = [
        (
            "the same runs",
            (one, json!({"seeds": [0, 1, 1]})),
            (one, said(&[], "2026")),
            vec![(one, vec![0, 1])],
        ),
        ("changed recipes", (one, said(&[], "2027")), (two, said(&[], "2026")), vec![(one, vec![0])]),
        (
            "other overrides",
            (one, said(&["a.b=1"], "2027")),
            (two, said(&[], "2026")),
            vec![(one, vec![0]), (two, vec![0])],
        ),
        ("an old plan", (one, json!({})), (two, said(&[], "2026")), vec![(one, vec![0]), (two, vec![0])]),
        (
            "recipes by themselves",
            (one, run("2026")),
            (two, run("2027")),
            vec![(one, vec![0]), (two, vec![0])],
        ),
    ];
    for (what, a, b, expected) in cases {
        let runs = Runs::new();
        written(&runs, "a", a.0, a.1);
        written(&runs, "b", b.0, b.1);
        let plans = read_plans(&Folder::roots(&runs.roots()).unwrap(), None).unwrap();
        let mut found: Vec<_> =
            plans.iter().map(|plan| (plan.rows[0].fingerprint.as_str(), plan.seeds.clone())).collect();
        found.sort();
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn images_that_could_not_be_read_are_said() {
    let runs = one_row();
    let mut made = run("table9-20", "eeeeeeeeeeee", 0, 58.0);
    for line in &mut made.evaluations {
        line["metric"]["skipped"] = json!(3);
    }
    runs.add(made);
    runs.report(100).unwrap();
    let page = runs.read("table9.md");
    let note =
        "20 seed 0: measured without the images that cannot be read: knn without 3, linear-probe without 3.";
    assert!(page.contains(note), "{page}");
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
    let training = Run::read(&runs.add(made)).unwrap().training;
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
    let training = Run::read(&runs.add(made)).unwrap().training;
    assert_eq!((training.loss.len(), training.rank.len()), (2, 1));
}

#[test]
fn a_number_measured_again_counts_as_the_later_time() {
    let runs = one_row();
    let mut made = run("table9-20", "eeeeeeeeeeee", 0, 58.0);
    made.evaluations.push(measured("linear-probe", "linear-v1", Some(59.0)));
    let read = Run::read(&runs.add(made)).unwrap();
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
    assert_eq!(Run::read(&path).unwrap().measurements.len(), 3);
    let text = univip_reports::show::differences::compare(&[path], Width::of_terminal(120)).unwrap();
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
    assert_eq!(Run::read(&runs.add(made)).unwrap().seconds(), Some(120.0));
}

#[test]
fn the_same_recipe_and_seed_in_two_places_is_refused() {
    let (runs, more) = (one_row(), one_row());
    runs.add(run("table9-20", "eeeeeeeeeeee", 0, 58.0));
    more.add(run("table7-e", "eeeeeeeeeeee", 0, 59.0));
    let roots = [runs.roots(), more.roots()].concat();
    let error = univip_reports::report(&roots, None, &runs.path().join("out"), Width::of_terminal(100))
        .unwrap_err()
        .to_string();
    assert!(error.contains("the same recipe and seed"), "{error}");
}

#[test]
fn other_directories_are_no_runs() {
    let runs = one_row();
    for name in ["notes", "table9-20-eeeeeeeeeeee", "x-eeeeeeeeeee-s0", "x-eeeeeeeeeeee-0"] {
        fs::create_dir(runs.path().join(name)).unwrap();
        assert!(Run::read(&runs.path().join(name)).is_none(), "{name}");
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
    insta::assert_snapshot!(
        "compare",
        univip_reports::show::differences::compare(&paths, Width::of_terminal(100)).unwrap()
    );
}
