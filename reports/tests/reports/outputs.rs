//! The outputs of a report: terminal, pages, LaTeX, frames.

use crate::common::{Runs, csv, number, row, run, texts};
use polars::prelude::{DataFrame, ParquetReader, SerReader};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::process::{Command, Stdio};
use unicode_width::UnicodeWidthStr;
use univip_reports::show::text::Width;

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
fn the_frames_have_every_run_and_every_number() {
    let runs = Runs::table7();
    let mut watched = run("table7-b", "bbbbbbbbbbbb", 0, 51.0);
    let metric = json!({"name": "top1", "value": 40.5, "protocol": "p", "split": "s", "images": 9});
    watched.events.push(json!({"event": "evaluation", "epoch": 1, "evaluator": "knn", "metric": metric}));
    runs.add(watched);
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
    assert_eq!(training.column("knn/top1").unwrap().null_count(), 31, "it was measured once");
    // Eight runs of four steps.
    assert_eq!((training.height(), number(&training, "effective_rank", 3)), (32, Some(13.0)));
    assert_eq!(texts(&parquet("recipes.parquet"), "key")[..2], ["train.epochs", "train.seed"]);
}

/// The frame that the report's Parquet file should hold.
fn frame_of(runs: &Runs) -> DataFrame {
    let all = ["aaaaaaaaaaaa", "bbbbbbbbbbbb", "eeeeeeeeeeee", "ffffffffffff"].into();
    let roots = univip_reports::read::folder::Folder::roots(&runs.roots()).unwrap();
    univip_reports::frame::measurements(&univip_reports::read::run::read_runs(&roots, &all).unwrap()).unwrap()
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

/// A machine would be busy for minutes with starting them.
#[test]
fn more_threads_than_a_machine_has_use_for_are_refused() {
    let runs = Runs::table7();
    for variable in ["RAYON_NUM_THREADS", "POLARS_MAX_THREADS"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_univip-reports"));
        command.arg("--out").arg(runs.path().join("out")).arg(runs.path()).env(variable, "1000000");
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with(&format!("error: {variable} is 1000000; expected at most 1024")), "{said}");
    }
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

#[test]
fn a_paper_gets_its_table_in_latex() {
    let runs = Runs::table7();
    runs.report(100).unwrap();
    insta::assert_snapshot!("latex", runs.read("table7.tex"));
}
