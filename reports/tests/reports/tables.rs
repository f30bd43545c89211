//! From made-up runs to tables: what stands together, and what does not.

use crate::common::{Made, Runs, baseline, measured, row, run};
use polars::prelude::{CsvReadOptions, DataFrame, ParquetReader, SerReader};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::process::{Command, Stdio};
use unicode_width::UnicodeWidthStr;
use univip_reports::show::text::Width;

fn csv(runs: &Runs, file: &str) -> DataFrame {
    let reader = CsvReadOptions::default().try_into_reader_with_file_path(Some(runs.out(file))).unwrap();
    reader.finish().unwrap()
}

/// The cells of a column of a table: a line a row.
fn of(frame: &DataFrame, head: &str) -> DataFrame {
    let heads = frame.column("column").unwrap().str().unwrap();
    frame.filter(&heads.iter().map(|each| Some(each == Some(head))).collect()).unwrap()
}

fn number(frame: &DataFrame, name: &str, row: usize) -> Option<f64> {
    frame.column(name).unwrap().get(row).unwrap().try_extract::<f64>().ok()
}

fn texts(frame: &DataFrame, name: &str) -> Vec<String> {
    let column = frame.column(name).unwrap().str().unwrap();
    column.iter().map(|text| text.unwrap_or_default().to_string()).collect()
}

fn close(value: Option<f64>, expected: f64) {
    assert!(value.is_some_and(|value| (value - expected).abs() < 1e-9), "{value:?}, expected {expected}");
}

#[test]
fn a_table_in_a_terminal() {
    let runs = Runs::table7();
    insta::assert_snapshot!("terminal-100", runs.report(100).unwrap());
    insta::assert_snapshot!("terminal-80", runs.report(80).unwrap());
}

#[test]
fn every_terminal_line_fits() {
    let runs = Runs::table7();
    for width in [80, 100, 120] {
        for line in runs.report(width).unwrap().lines() {
            assert!(line.chars().count() <= width, "more than {width}: {line}");
        }
    }
}

#[test]
fn a_table_in_markdown_has_every_column() {
    let runs = Runs::table7();
    runs.report(100).unwrap();
    insta::assert_snapshot!("markdown", runs.read("table7.md"));
}

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
fn the_frames_have_every_run_and_every_number() {
    let runs = Runs::table7();
    runs.report(100).unwrap();
    let frame = csv(&runs, "runs.csv");
    assert_eq!(frame.height(), 9);
    assert_eq!(texts(&frame, "status")[5..8], ["finished", "failed", "running"]);
    let numbers = csv(&runs, "measurements.csv");
    // Of seven finished runs top-1, k-NN, seconds and memory, and of the six that were trained the effective rank.
    assert_eq!(numbers.height(), 7 * 4 + 6);
    let of_run = texts(&numbers, "run").iter().filter(|run| *run == "table7-b-bbbbbbbbbbbb-s2").count();
    assert_eq!(of_run, 5);
    let parquet = |name: &str| ParquetReader::new(File::open(runs.out(name)).unwrap()).finish().unwrap();
    assert!(parquet("measurements.parquet").equals_missing(&frame_of(&runs)), "Parquet and the frame differ");
    let training = parquet("training.parquet");
    // Eight runs of four steps.
    assert_eq!((training.height(), number(&training, "effective_rank", 3)), (32, Some(13.0)));
    assert_eq!(texts(&parquet("recipes.parquet"), "key")[..2], ["train.epochs", "train.seed"]);
}

/// The frame that the report's Parquet file should hold.
fn frame_of(runs: &Runs) -> DataFrame {
    let all = ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "eeeeeeeeeeee", "ffffffffffff"].into();
    univip_reports::frame::measurements(&univip_reports::read::run::read_runs(&runs.roots(), &all).unwrap())
        .unwrap()
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

#[test]
fn what_a_script_gets_as_exit_code() {
    let runs = Runs::table7();
    let status = |table: &str, out: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_univip-reports"));
        command.args(["--table", table, "--out"]).arg(runs.path().join("out")).arg(runs.path());
        command.stdout(out).stderr(Stdio::null()).status().unwrap().code()
    };
    assert_eq!(status("table7", Stdio::null()), Some(0));
    assert_eq!(status("tabel7", Stdio::null()), Some(2));
    // A device that is always full; not every system has it.
    if let Ok(full) = File::options().write(true).open("/dev/full") {
        assert_eq!(status("table7", full.into()), Some(1));
    }
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

#[test]
fn the_warning_stands_over_all_but_the_papers_scale() {
    const WARNING: &str = "not a reproduction of the paper's";
    let runs = Runs::new();
    runs.plan("table9", json!([row("20", "", &[], [60.2, 40.8], "eeeeeeeeeeee")]));
    let path = runs.add(run("table9-20", "eeeeeeeeeeee", 0, 58.0));
    assert!(runs.report(100).unwrap().contains(WARNING));
    for page in ["table9.md", "table9.html", "table9.svg"] {
        assert!(runs.read(page).replace("&#39;", "'").contains(WARNING), "{page}");
    }
    fs::remove_dir_all(path).unwrap();
    runs.add(run("table9-20", "eeeeeeeeeeee", 0, 58.0).set("scale", "paper"));
    assert!(!runs.report(100).unwrap().contains(WARNING));
}

#[test]
fn the_page_needs_no_other_file_and_escapes_text() {
    let runs = Runs::new();
    runs.plan("table9", json!([row("<20>", "a & b | c", &[], [60.2, 40.8], "eeeeeeeeeeee")]));
    runs.add(run("table9-20", "eeeeeeeeeeee", 0, 58.0));
    runs.report(100).unwrap();
    let html = runs.read("table9.html");
    assert_eq!(html.matches("<svg ").count(), 2);
    assert!(!html.contains("src=") && !html.contains("href="));
    assert!(html.contains("&lt;20&gt;") && !html.contains("<20>"));
    assert!(runs.read("table9.md").contains("a & b \\| c"));
}

/// A program that reads on gets every column; a terminal of any width gets no line that is wider.
#[test]
fn columns_are_dropped_only_where_there_is_no_room() {
    let runs = Runs::table7();
    let shown = |width| {
        let out = runs.path().join("out");
        univip_reports::report(&runs.roots(), None, &out, width).unwrap().text
    };
    let piped = shown(Width::PIPED);
    assert!(!piped.contains("Not shown"), "{piped}");
    for head in ["components", "paper Δ", "k-NN", "AP^mk", "memory", "finished"] {
        assert!(piped.contains(head), "{head} is missing: {piped}");
    }
    let lines = |width: usize| shown(Width::of_terminal(width));
    assert!(!lines(240).contains("Not shown"));
    for width in [60, 80, 120] {
        let text = lines(width);
        assert!(text.lines().all(|line| line.width() <= width), "{width}: {text}");
        let named = text.lines().find(|line| line.starts_with("row ")).unwrap();
        assert!(named.contains("paper top-1") && named.contains(" n"), "{width}: {text}");
    }
}

const HOSTILE: &str = "=1+1 \u{1b}]0;owned\u{7}\u{1b}[2J<b>犬|\nerror: all is well";

/// Names and errors that would steer a terminal, break a line, begin a tag or be a formula.
#[test]
fn hostile_names_are_escaped_in_every_output() {
    let runs = Runs::new();
    runs.plan("table9", json!([row(HOSTILE, HOSTILE, &[HOSTILE], [60.2, 40.8], "eeeeeeeeeeee")]));
    let long = format!("{HOSTILE} {}", "x".repeat(60_000));
    let mut failed = run("table9-20", "eeeeeeeeeeee", 1, 50.0);
    (failed.record["status"], failed.record["error"]) = (json!("failed"), json!(long));
    runs.add(failed);
    runs.add(run("table9-20", "eeeeeeeeeeee", 0, 58.0).set("data", HOSTILE));
    runs.add(run("random", "ffffffffffff", 0, 42.0));
    let text = runs.report(160).unwrap();
    let (shown, in_xml) = (r"\u{1b}]0;owned\u{7}\u{1b}[2J", r"\u{1b}]0;owned\u{7}\u{1b}[2J&lt;b&gt;");
    let mut outputs = vec![("terminal".to_string(), text)];
    for file in [
        "table9.md",
        "table9.html",
        "table9.svg",
        "table9-curves.svg",
        "table9.csv",
        "measurements.csv",
        "table9.tex",
    ] {
        outputs.push((file.into(), runs.read(file)));
    }
    for (name, text) in &outputs {
        let control = |letter: char| letter.is_control() && letter != '\n';
        assert!(!text.contains(control), "{name} has control characters: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("error: all is well")), "{name}: {text}");
        let expected = match name.rsplit('.').next() {
            Some("html" | "svg") => in_xml,
            Some("tex") => r"\textbackslash{}u\{1b\}]0;owned",
            _ => shown,
        };
        assert!(text.contains(expected), "{name}: {text}");
        assert!(name.ends_with("csv") || name == "terminal" || !text.contains("<b>"), "{name}: {text}");
    }
    for file in ["table9.svg", "table9-curves.svg"] {
        roxmltree::Document::parse(&runs.read(file)).unwrap();
    }
    let frame = csv(&runs, "table9.csv");
    assert!(texts(&frame, "row")[0].starts_with("'=1+1"), "{:?}", texts(&frame, "row"));
    assert!(
        texts(&frame, "title")[0].starts_with("'=1+1") && texts(&frame, "components")[0].starts_with("'=1+1")
    );
    let note =
        runs.read("table9.md").lines().find(|line| line.contains("seed 1: failed")).map(str::to_string);
    assert!(
        note.as_ref().is_some_and(|note| note.chars().count() < 520 && note.contains(" characters ...]")),
        "{note:?}"
    );
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

#[test]
fn a_page_says_where_the_numbers_of_each_run_come_from() {
    let runs = Runs::new();
    runs.plan("table9", json!([row("20", "", &[], [60.2, 40.8], "eeeeeeeeeeee")]));
    let mut made = run("table9-20", "eeeeeeeeeeee", 0, 58.0);
    let sitting = |host: &str, ended: Value, dirty: bool| {
        json!({
            "started": "2026-11-22T20:00:00Z", "ended": ended, "host": host, "command": ["univip", "ablate", "<b>|"],
            "build": {"version": "0.2.0", "commit": "e351a1108c6f0000", "dirty": dirty}
        })
    };
    made.record["sittings"] = json!([
        sitting("one", Value::Null, true),
        sitting("two", json!("2026-11-22T22:00:00Z"), false),
        sitting("two", json!("2026-11-23T22:00:00Z"), false),
    ]);
    let path = runs.add(made);
    runs.report(100).unwrap();
    let builds = "0.2.0 (e351a1108c6f, modified), 0.2.0 (e351a1108c6f)";
    let page = runs.read("table9.md");
    let expected = format!(
        "| 20 seed 0 | finished | {builds} | one, two | 2026-11-22T20:00:00Z | 2026-11-23T22:00:00Z | 3 | univip ablate &lt;b>\\| |"
    );
    assert!(page.contains(&expected), "{page}");
    assert!(runs.read("table9.html").contains("<summary>Runs</summary>"));
    let frame = csv(&runs, "runs.csv");
    assert_eq!(texts(&frame, "builds"), [builds]);
    assert_eq!(texts(&frame, "hosts"), ["one, two"]);
    let text = univip_reports::show::differences::compare(&[path], Width::of_terminal(120)).unwrap();
    assert!(text.contains(&format!("(finished; univip {builds} on one, two, 3 sittings)")), "{text}");
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
fn a_paper_gets_its_table_in_latex() {
    let runs = Runs::table7();
    runs.report(100).unwrap();
    insta::assert_snapshot!("latex", runs.read("table7.tex"));
}
