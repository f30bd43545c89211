//! From made-up runs to tables: what stands together, and what does not.

use crate::common::{Made, Runs, baseline, close, csv, measured, number, of, row, run, texts};
use serde_json::{Value, json};
use std::fs;
use univip_reports::show::text::Width;

#[test]
fn differences_are_paired_by_seed() {
    let runs = Runs::table7();
    runs.report(100).unwrap();
    let frame = of(&csv(&runs, "table7.csv"), "top-1");
    assert_eq!(texts(&frame, "row"), ["(a)", "(b)", "(e)", "random"]);
    // (a): 50, 51, 52.
    close(number(&frame, "mean", 0), 51.0);
    close(number(&frame, "sd", 0), 1.0);
    assert_eq!(number(&frame, "difference", 0), None);
    // (b) lacks seed 1: 51 - 50 = 1 and 55 - 52 = 3, not mean(b) - mean(a) = 2 over other seeds.
    close(number(&frame, "mean", 1), 53.0);
    close(number(&frame, "difference", 1), 2.0);
    close(number(&frame, "difference_sd", 1), 2f64.sqrt());
    // The quantile of Student's t at 0.975 with one degree of freedom is 12.706204736174694.
    close(number(&frame, "difference_low", 1), 2.0 - 12.706204736174694);
    close(number(&frame, "difference_high", 1), 2.0 + 12.706204736174694);
    // scipy.stats.ttest_1samp([1, 3], 0); the only row that is tested, since (e) has one pair.
    close(number(&frame, "p", 1), 0.2951672353008665);
    close(number(&frame, "p_holm", 1), 0.2951672353008665);
    close(number(&frame, "difference_n", 1), 2.0);
    close(number(&frame, "paper_difference", 1), 57.7 - 57.3);
    // (e) has seed 0 alone: 58 - 50 although the mean of (a) is 51; one number has no deviation.
    close(number(&frame, "difference", 2), 8.0);
    assert_eq!((number(&frame, "sd", 2), number(&frame, "p", 2)), (None, None));
    close(number(&frame, "mean", 3), 42.0);
}

#[test]
fn gains_over_the_untrained_backbone_are_paired_by_seed() {
    let runs = Runs::table7();
    for (seed, top1) in [(1, 43.0), (2, 47.0)] {
        runs.add(run("random", "ffffffffffff", seed, top1));
    }
    let text = runs.report(200).unwrap();
    let frame = of(&csv(&runs, "table7.csv"), "top-1");
    // (a): 50 - 42, 51 - 43, 52 - 47; the quantile of Student's t at 0.975 with two degrees of freedom is 4.302652729911275.
    close(number(&frame, "gain", 0), 7.0);
    close(number(&frame, "gain_low", 0), 7.0 - 4.302652729911275);
    close(number(&frame, "gain_high", 0), 7.0 + 4.302652729911275);
    // (b) lacks seed 1, (e) has seed 0 alone.
    close(number(&frame, "gain", 1), 8.5);
    close(number(&frame, "gain", 2), 16.0);
    assert_eq!((number(&frame, "gain_low", 2), number(&frame, "gain", 3)), (None, None));
    for line in ["(a)  +7.0 [+2.7, +11.3]", "(b)  +8.5 [+2.1, +14.9]", "(e)               +16.0"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn a_table_shows_the_differences_between_rows_that_it_names() {
    let runs = Runs::table7();
    // (e) - (b): 58 - 51 of seed 0, 57 - 50 of seed 1, 62 - 55 + 0.5 of seed 2.
    runs.add(run("table7-b", "bbbbbbbbbbbb", 1, 50.0));
    runs.add(run("table7-e", "eeeeeeeeeeee", 1, 57.0));
    runs.add(run("table7-e", "eeeeeeeeeeee", 2, 62.5));
    let difference =
        |about: &str, row: &str, minus: &str| json!({"about": about, "row": row, "minus": minus});
    let path = runs.path().join("plans/table7-small.json");
    let mut plan: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    plan["differences"] = json!([
        difference("instances help", "(e)", "(b)"),
        difference("scenes help", "(b)", "(a)"),
        difference("of a row that is not here", "(d)", "(a)"),
    ]);
    fs::write(&path, plan.to_string()).unwrap();
    let text = runs.report(250).unwrap();
    let page = runs.read("table7.md");
    // 4.302652729911275 sqrt(1/12) / sqrt(3) around 7 + 1/6; the paper's are 60.2 - 57.7 and 57.7 - 57.3.
    for line in [
        "| instances help | (e) − (b) | +2.5 | +7.2 [+6.4, +7.9] | shown | 3 | +7.2 [+6.4, +7.9] |",
        "| scenes help | (b) − (a) | +0.4 | +1.0 [-4.0, +6.0] | not shown | 199 | +1.0 [-4.0, +6.0] |",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    assert!(!page.contains("not here"), "{page}");
    assert!(
        text.contains("(e) − (b)") && runs.read("table7.html").contains("<h3>Differences between rows</h3>")
    );
    fs::remove_dir_all(runs.path().join("table7-b-bbbbbbbbbbbb-s1")).unwrap();
    runs.report(250).unwrap();
    assert!(runs.read("table7.md").contains(" (n = 2) | "), "{}", runs.read("table7.md"));
    fs::remove_dir_all(runs.path().join("table7-b-bbbbbbbbbbbb-s2")).unwrap();
    runs.report(250).unwrap();
    let page = runs.read("table7.md");
    assert!(
        page.contains("| difference | rows | paper top-1 | top-1 | k-NN |"),
        "one seed has no verdict: {page}"
    );
}

#[test]
fn without_an_untrained_backbone_no_gain_is_shown() {
    let runs = Runs::table7();
    fs::remove_dir_all(runs.path().join("random-ffffffffffff-s0")).unwrap();
    let text = runs.report(200).unwrap();
    assert!(!text.contains("Gain over") && !runs.read("table7.html").contains("Gain over"), "{text}");
}

#[test]
fn numbers_of_different_kinds_are_never_in_one_table() {
    type Change = fn(Made) -> Made;
    let changes: [(&str, Change); 6] = [
        ("scale", |made| made.set("scale", "smoke")),
        ("data", |made| made.set("data", "coco")),
        ("images", |made| made.set("data_digest", "999999999999")),
        ("probe data", |made| made.set("probe_data", "imagenet")),
        ("protocol", |mut made| {
            made.evaluations[0] = measured("linear-probe", "linear-v2", Some(99.0));
            made
        }),
        ("split", |mut made| {
            made.evaluations[0]["metric"]["split"] = json!("aaaa-cccc");
            made
        }),
    ];
    for (what, change) in changes {
        let runs = Runs::table7();
        runs.add(change(run("table7-b", "bbbbbbbbbbbb", 1, 99.0)));
        let text = runs.report(100).unwrap();
        let frame = of(&csv(&runs, "table7.csv"), "top-1");
        assert_eq!(frame.height(), 8, "{what}: two tables of four rows");
        let means: Vec<f64> = (0..8)
            .filter(|&i| texts(&frame, "row")[i] == "(b)")
            .filter_map(|i| number(&frame, "mean", i))
            .collect();
        assert!(means.contains(&53.0) && means.contains(&99.0), "{what}: {means:?}");
        assert!(text.contains("(b) seed 1: other data, scale or protocol"), "{what}: {text}");
        assert!(runs.out("table7-2.svg").exists());
    }
}

#[test]
fn detection_has_columns_of_its_own() {
    let runs = Runs::new();
    runs.plan("table7", json!([baseline(row("(a)", "BYOL", &["byol"], [57.3, 39.5], "aaaaaaaaaaaa"))]));
    for (seed, boxes, masks) in [(0, 20.0, 10.0), (1, 24.0, 12.0)] {
        runs.add(run("table7-a", "aaaaaaaaaaaa", seed, 50.0).detecting("mask-rcnn small", boxes, masks));
    }
    let text = runs.report(120).unwrap();
    let frame = csv(&runs, "table7.csv");
    let boxes = of(&frame, "AP^bb");
    close(number(&boxes, "mean", 0), 22.0);
    close(number(&boxes, "sd", 0), 8f64.sqrt());
    close(number(&of(&frame, "AP^mk"), "mean", 0), 11.0);
    // The row and the untrained backbone's, which stands in every table.
    assert_eq!(texts(&boxes, "protocol"), ["mask-rcnn small"; 2]);
    assert!(text.contains("AP^bb, AP^mk by mask-rcnn small (split aaaa-bbbb, 2000 images)"), "{text}");
    let page = runs.read("table7.md");
    assert!(page.contains("| 39.5 | 22.0 ± 2.8 | 11.0 ± 1.4 |"), "{page}");
    assert!(!page.contains("not run"), "{page}");
}

#[test]
fn a_run_that_failed_in_a_later_evaluator_keeps_its_numbers_and_says_so() {
    let runs = Runs::new();
    runs.plan("table7", json!([baseline(row("(a)", "BYOL", &["byol"], [57.3, 39.5], "aaaaaaaaaaaa"))]));
    let mut failed = run("table7-a", "aaaaaaaaaaaa", 0, 50.0);
    (failed.record["status"], failed.record["error"]) = (json!("failed"), json!("detection: no space left"));
    runs.add(failed);
    let text = runs.report(120).unwrap();
    let frame = of(&csv(&runs, "table7.csv"), "top-1");
    close(number(&frame, "mean", 0), 50.0);
    assert_eq!(texts(&frame, "finished")[0], "0/3");
    assert!(text.contains("(a) seed 0: failed after 4 of 4 steps: detection: no space left."), "{text}");
}

#[test]
fn a_row_without_a_number_of_the_first_column_shows_its_others() {
    let runs = Runs::table7();
    let mut made = run("table7-b", "bbbbbbbbbbbb", 1, 50.0);
    made.evaluations.remove(0);
    runs.add(made);
    let text = runs.report(120).unwrap();
    let frame = csv(&runs, "table7.csv");
    let of_b = |column| number(&of(&frame, column), "mean", 1).unwrap();
    // The seeds 0, 1 and 2 have 46, 45 and 50 by k-NN; the first and the last have 51 and 55 by the probe.
    assert!((of_b("k-NN") - 47.0).abs() < 1e-9 && (of_b("top-1") - 53.0).abs() < 1e-9, "{text}");
    assert!(text.contains("(b) seed 1: finished, but evaluations.jsonl has no linear-probe top1"), "{text}");
}

/// A row's number by another protocol than most rows' costs the row nothing but that number.
#[test]
fn a_column_shows_the_protocol_that_most_rows_have() {
    let knn = |made: Made, protocol: &str| {
        let mut made = made;
        made.evaluations[1] = measured("knn", protocol, Some(99.0));
        made
    };
    let none = |mut made: Made| {
        made.evaluations.truncate(1);
        made
    };
    type Change<'a> = Box<dyn Fn(Made) -> Made + 'a>;
    let cases: [(&str, Change<'_>, Option<&str>); 3] = [
        ("k-NN", Box::new(|made| knn(made, "knn-200")), Some("k-NN was measured by knn-200")),
        (
            "AP^bb",
            Box::new(|made| made.detecting("mask-rcnn coco-1x", 99.0, 99.0)),
            Some("AP^bb and AP^mk were measured by mask-rcnn coco-1x"),
        ),
        ("k-NN", Box::new(none), None),
    ];
    for (column, change, note) in cases {
        let runs = Runs::table7();
        for (name, fingerprint) in [("table7-a", "aaaaaaaaaaaa"), ("table7-b", "bbbbbbbbbbbb")] {
            runs.add(run(name, fingerprint, 0, 50.0).detecting("mask-rcnn small", 20.0, 10.0));
        }
        runs.add(change(run("table7-e", "eeeeeeeeeeee", 0, 58.0)));
        let text = runs.report(120).unwrap();
        let frame = csv(&runs, "table7.csv");
        let [top1, asked] = ["top-1", column].map(|head| of(&frame, head));
        assert_eq!(texts(&top1, "row"), ["(a)", "(b)", "(e)", "random"], "{column}: one table");
        close(number(&top1, "mean", 2), 58.0);
        assert_eq!(number(&asked, "mean", 2), None, "{column}");
        assert!(number(&asked, "mean", 0).is_some_and(|value| value < 99.0), "{column}");
        assert_eq!(texts(&of(&frame, "k-NN"), "protocol"), ["knn-20"; 4]);
        assert_eq!(texts(&of(&frame, "AP^bb"), "protocol"), ["mask-rcnn small"; 4]);
        assert!(
            note.is_none_or(|note| runs.read("table7.md").contains(&format!("(e) seed 0: {note}"))),
            "{text}"
        );
    }
}

#[test]
fn of_two_protocols_that_as_many_rows_have_the_first_by_name_is_shown() {
    for protocols in [["knn-20", "knn-5"], ["knn-5", "knn-20"]] {
        let runs = Runs::new();
        let fingerprints = ["aaaaaaaaaaaa", "bbbbbbbbbbbb"];
        runs.plan("table7", fingerprints.map(|each| row(each, "", &[], [57.0, 39.0], each)).into());
        for (fingerprint, protocol) in fingerprints.into_iter().zip(protocols) {
            let mut made = run("table7", fingerprint, 0, 50.0);
            made.evaluations[1] = measured("knn", protocol, Some(40.0));
            runs.add(made);
        }
        runs.report(100).unwrap();
        assert_eq!(texts(&of(&csv(&runs, "table7.csv"), "k-NN"), "protocol"), ["knn-20"; 3]);
    }
}

#[test]
fn what_was_measured_with_other_settings_stands_in_no_table() {
    let runs = Runs::table7();
    let mut made = run("table7-e", "eeeeeeeeeeee", 0, 58.0);
    for (evaluator, protocol) in
        [("linear-probe", "linear-v1"), ("linear-probe", "linear-v2"), ("knn", "knn-20")]
    {
        let mut otherwise = measured(evaluator, protocol, Some(99.0));
        otherwise["set"] = json!(["probe_data.train_limit=10"]);
        made.evaluations.push(otherwise);
    }
    runs.add(made);
    let text = runs.report(100).unwrap();
    let frame = csv(&runs, "table7.csv");
    assert_eq!(of(&frame, "top-1").height(), 4, "one table: {text}");
    close(number(&of(&frame, "top-1"), "mean", 2), 58.0);
    close(number(&of(&frame, "k-NN"), "mean", 2), 53.0);
}

#[test]
fn a_shared_run_is_in_both_rows() {
    let runs = Runs::new();
    runs.plan(
        "table8b",
        json!([
            baseline(row("none", "", &[], [57.7, 39.6], "bbbbbbbbbbbb")),
            row("same", "", &[], [57.7, 39.6], "bbbbbbbbbbbb"),
        ]),
    );
    // Lies under the name of a row of another table.
    runs.add(run("table7-b", "bbbbbbbbbbbb", 0, 51.5));
    runs.report(100).unwrap();
    let frame = of(&csv(&runs, "table8b.csv"), "top-1");
    close(number(&frame, "mean", 0), 51.5);
    close(number(&frame, "mean", 1), 51.5);
    close(number(&frame, "difference", 1), 0.0);
}

#[test]
fn a_plan_without_runs_is_shown_as_such() {
    let runs = Runs::new();
    runs.plan("table9", json!([row("20", "", &[], [60.2, 40.8], "eeeeeeeeeeee")]));
    let text = runs.report(100).unwrap();
    assert!(text.contains("nothing measured yet"), "{text}");
    assert!(text.contains("20: no run of seeds 0, 1, 2."), "{text}");
    assert!(!runs.out("table9-curves.svg").exists());
}

#[test]
fn only_the_table_asked_for() {
    let runs = Runs::table7();
    runs.plan("table9", json!([]));
    let out = runs.path().join("out");
    let report =
        univip_reports::report(&runs.roots(), Some("table9"), &out, Width::of_terminal(100)).unwrap();
    assert!(!report.text.contains("Table 7") && report.text.contains("Table 9"));
    let error = univip_reports::report(&runs.roots(), Some("tabel7"), &out, Width::of_terminal(100))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`tabel7`") && error.contains("did you mean `table7`? Known: table7, table9"),
        "{error}"
    );
}

/// Two ablations of a table that differ by what was set are told apart.
#[test]
fn what_was_laid_over_the_recipes_is_said() {
    let runs = Runs::table7();
    let file = runs.path().join("plans/table7-small.json");
    let plan = fs::read_to_string(&file).unwrap();
    let mut other: Value = serde_json::from_str(&plan).unwrap();
    other["rows"][2]["fingerprint"] = json!("dddddddddddd");
    other["overrides"] = json!(["loss.instance.epsilon=0.2", "data.use=scenes"]);
    fs::write(runs.path().join("plans/table7-small-2.json"), other.to_string()).unwrap();
    runs.add(run("table7-e", "dddddddddddd", 0, 57.0));
    let text = runs.report(200).unwrap();
    assert_eq!(text.matches("with loss.instance.epsilon=0.2, data.use=scenes").count(), 1, "{text}");
    let frame = of(&csv(&runs, "table7.csv"), "top-1");
    let said = "loss.instance.epsilon=0.2 data.use=scenes";
    assert_eq!(texts(&frame, "overrides"), [[""; 4], [said; 4]].concat());
    let top1 = |row| number(&frame, "mean", row);
    assert_eq!((top1(2), top1(6)), (Some(58.0), Some(57.0)));
}

/// A row whose method was changed, as `univip ablate` writes it, has no number of the paper in any output.
#[test]
fn a_changed_row_says_so_and_has_no_number_of_the_paper() {
    let runs = Runs::table7();
    let file = runs.path().join("plans/table7-small.json");
    let mut plan: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let changed = "changed: losses.use=[\"byol\"]";
    plan["rows"][2]["title"] = json!(changed);
    plan["rows"][2]["paper"] = json!({});
    plan["overrides"] = json!(["losses.use=[\"byol\"]"]);
    fs::write(&file, plan.to_string()).unwrap();
    let text = runs.report(200).unwrap();
    let in_xml = "changed: losses.use=[&quot;byol&quot;]";
    let outputs = [
        (text, changed),
        (runs.read("table7.md"), changed),
        (runs.read("table7.html"), in_xml),
        (runs.read("table7.svg").replace("</text>\n", ""), "losses.use=[&quot;byol&quot;]"),
    ];
    for (output, expected) in &outputs {
        assert!(output.contains(expected), "{expected}: {output}");
        assert!(
            !output.contains("60.2") && !output.contains("40.8") && !output.contains("UniVIP"),
            "{output}"
        );
        assert!(output.contains("57.3"), "the others keep theirs: {output}");
    }
    let frame = csv(&runs, "table7.csv");
    for head in ["top-1", "AP^bb"] {
        let cells = of(&frame, head);
        assert_eq!(texts(&cells, "title")[2], changed);
        assert_eq!(
            (number(&cells, "paper", 2), number(&cells, "paper_difference", 2)),
            (None, None),
            "{head}"
        );
    }
}

/// A table of one's own: its columns are an evaluator's that this project does not know.
#[test]
fn a_table_shows_the_columns_that_its_plan_names_and_else_all_that_was_measured() {
    let runs = Runs::new();
    let rows = || {
        json!([
            baseline(row("(a)", "", &[], [57.3, 39.5], "aaaaaaaaaaaa")),
            row("(b)", "", &[], [0.0; 2], "bbbbbbbbbbbb")
        ])
    };
    runs.plan("mine", rows());
    for (fingerprint, add) in [("aaaaaaaaaaaa", 0.0), ("bbbbbbbbbbbb", 2.0)] {
        for seed in 0..3 {
            let mut made = run("mine", fingerprint, seed, 50.0);
            made.evaluations = vec![measured("depth", "depth-v1", Some(10.0 + add + seed as f64))];
            runs.add(made);
        }
    }
    let file = runs.path().join("plans/mine-small.json");
    let plan = fs::read_to_string(&file).unwrap();
    let with = |columns: Value| {
        let mut plan: Value = serde_json::from_str(&plan).unwrap();
        plan["columns"] = columns;
        fs::write(&file, plan.to_string()).unwrap();
        runs.report(200).unwrap()
    };
    let named = with(json!([{"head": "error", "evaluator": "depth", "metric": "top1", "difference": true}]));
    assert!(named.contains("error by depth-v1") && named.contains("+2.0 [+2.0, +2.0]"), "{named}");
    let all = with(json!([]));
    assert!(all.contains("depth top1") && all.contains("11.0 ± 1.0") && all.contains("13.0 ± 1.0"), "{all}");
    let other = with(json!([{"head": "error", "evaluator": "depth", "metric": "top2"}]));
    assert!(other.contains("column `error`: depth measured no `top2`; did you mean `top1`?"), "{other}");
}

#[test]
fn rows_that_were_left_out_and_groups_are_shown() {
    let runs = Runs::table7();
    let file = runs.path().join("plans/table7-small.json");
    let mut plan: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    plan["left_out"] = json!(["table7/c is left out: --set: `losses.weights.x`: unknown"]);
    for (row, group) in [(0, "on scenes"), (1, "on scenes"), (2, "on objects")] {
        plan["rows"][row]["group"] = json!(group);
    }
    fs::write(&file, plan.to_string()).unwrap();
    runs.report(200).unwrap();
    let page = runs.read("table7.md");
    assert!(page.contains("- table7/c is left out: --set: `losses.weights.x`: unknown"), "{page}");
    assert!(
        page.contains("| row | group | what |") && page.contains("| (e) | on objects | UniVIP |"),
        "{page}"
    );
}

#[test]
fn rows_of_several_datasets_are_one_table_and_a_row_without_a_method_has_the_papers_number() {
    let runs = Runs::table7();
    runs.add(run("table7-b", "bbbbbbbbbbbb", 1, 56.0).set("data", "coco").set("data_digest", "999999999999"));
    let path = runs.path().join("plans/table7-small.json");
    let mut plan: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    (plan["several_data"], plan["data"], plan["random"]) = (json!(true), json!("coco, scenes"), Value::Null);
    let missing = json!({"label": "ORL", "fingerprint": "", "paper": {"top1": 59.0}, "missing": true});
    plan["rows"].as_array_mut().unwrap().insert(2, missing);
    fs::write(&path, plan.to_string()).unwrap();
    let text = runs.report(200).unwrap();
    let frame = of(&csv(&runs, "table7.csv"), "top-1");
    assert_eq!(texts(&frame, "row"), ["(a)", "(b)", "ORL", "(e)"], "one table, without another random row");
    close(number(&frame, "mean", 1), 54.0);
    close(number(&frame, "difference", 1), 3.0);
    close(number(&frame, "paper", 2), 59.0);
    assert_eq!(
        (number(&frame, "mean", 2), texts(&frame, "finished")[2].as_str()),
        (None, "method not available")
    );
    let picture = runs.read("table7.svg");
    assert!(picture.contains(">method not available</text>"), "{picture}");
    assert!(text.contains("Small-scale numbers on `coco` and `scenes`:"), "{text}");
    assert!(text.contains("data coco, scenes · ") && !text.contains("ORL: no run"), "{text}");
    assert!(text.contains("(b): its runs learned from different images (99999999, d0d1d2d3)."), "{text}");
}
