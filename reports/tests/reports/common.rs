//! A directory of runs, made up.

use polars::prelude::{CsvReadOptions, DataFrame, SerReader};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use univip_reports::show::text::Width;

/// A directory of runs that goes away with it.
pub struct Runs(TempDir);

/// A run to write. [`run`] makes a finished one of 4 steps in 2 epochs.
pub struct Made {
    pub name: &'static str,
    pub fingerprint: &'static str,
    pub seed: u64,
    pub record: Value,
    pub events: Vec<Value>,
    pub evaluations: Vec<Value>,
}

pub fn run(name: &'static str, fingerprint: &'static str, seed: u64, top1: f64) -> Made {
    let record = json!({
        "status": "finished", "error": null, "name": name, "seed": seed, "fingerprint": fingerprint,
        "scale": "small", "data": "scenes", "data_digest": "d0d1d2d3d4d5", "probe_data": "icons",
        "version": "0.1.0", "machine": {"cpu": "any", "threads": 2}, "started": "2026-11-22T20:00:00Z",
        "seconds": {"proposals": 10.0, "train": 100.0, "evaluate": 10.0}, "peak_memory_bytes": 500_000_000,
        "steps": 4, "parameters": 1000
    });
    let mut events = vec![json!({"event": "start", "step": 0, "steps": 4, "steps_per_epoch": 2, "batch": 8})];
    for number in 0..4 {
        events.push(step(number, -1.0 - number as f64));
        if number % 2 == 1 {
            events.push(epoch(number / 2, 10.0 + number as f64));
        }
    }
    let evaluations =
        vec![measured("linear-probe", "linear-v1", Some(top1)), measured("knn", "knn-20", Some(top1 - 5.0))];
    Made { name, fingerprint, seed, record, events, evaluations }
}

pub fn step(step: u64, total: f64) -> Value {
    json!({"event": "step", "step": step, "epoch": step / 2, "total": total, "terms": {"scene": total},
           "lr": 0.1, "momentum": 0.99, "seconds": 0.5, "waited": 0.1})
}

pub fn epoch(epoch: u64, rank: f64) -> Value {
    json!({"event": "epoch", "epoch": epoch, "effective_rank": rank, "total": -1.0, "skipped": 0})
}

pub fn measured(evaluator: &str, protocol: &str, value: Option<f64>) -> Value {
    json!({"evaluator": evaluator, "metric":
        {"name": "top1", "value": value, "protocol": protocol, "split": "aaaa-bbbb", "images": 2000}})
}

/// [`measured`] of the evaluator of detection.
pub fn detected(name: &str, protocol: &str, value: f64) -> Value {
    let mut line = measured("detection", protocol, Some(value));
    line["metric"]["name"] = json!(name);
    line
}

impl Made {
    /// With average precisions of boxes and masks.
    pub fn detecting(mut self, protocol: &str, boxes: f64, masks: f64) -> Self {
        self.evaluations.push(detected("bbox_ap", protocol, boxes));
        self.evaluations.push(detected("mask_ap", protocol, masks));
        self
    }

    pub fn status(mut self, status: &str, error: Option<&str>) -> Self {
        self.record["status"] = json!(status);
        self.record["error"] = json!(error);
        self.evaluations.clear();
        self
    }

    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.record[key] = json!(value);
        self
    }
}

impl Runs {
    pub fn new() -> Self {
        let runs = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(runs.path().join("plans")).unwrap();
        runs
    }

    /// Three rows over three seeds, the second without its middle seed, the third failed, and the random one.
    pub fn table7() -> Self {
        let runs = Self::new();
        runs.plan(
            "table7",
            json!([
                baseline(row("(a)", "BYOL", &["byol"], [57.3, 39.5], "aaaaaaaaaaaa")),
                row("(b)", "scene", &["scene"], [57.7, 39.6], "bbbbbbbbbbbb"),
                row("(e)", "UniVIP", &["scene", "instance"], [60.2, 40.8], "eeeeeeeeeeee"),
            ]),
        );
        for (seed, top1) in [(0, 50.0), (1, 51.0), (2, 52.0)] {
            runs.add(run("table7-a", "aaaaaaaaaaaa", seed, top1));
        }
        runs.add(run("table7-b", "bbbbbbbbbbbb", 0, 51.0));
        runs.add(run("table7-b", "bbbbbbbbbbbb", 2, 55.0));
        runs.add(run("table7-e", "eeeeeeeeeeee", 0, 58.0));
        runs.add(run("table7-e", "eeeeeeeeeeee", 1, 0.0).status("failed", Some("the loss is not finite")));
        runs.add(run("table7-e", "eeeeeeeeeeee", 2, 0.0).status("running", None));
        let mut random = run("random", "ffffffffffff", 0, 42.0);
        random.events.clear();
        runs.add(random);
        runs
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn roots(&self) -> Vec<PathBuf> {
        vec![self.path().to_path_buf()]
    }

    pub fn out(&self, file: &str) -> PathBuf {
        self.path().join("out").join(file)
    }

    pub fn plan(&self, table: &str, rows: Value) {
        let plan = json!({
            "table": table, "scale": "small", "data": "scenes", "seeds": [0, 1, 2], "rows": rows,
            "random": {"fingerprint": "ffffffffffff", "paper": {"top1": 13.7}}, "caption": "what each level adds",
            "columns": columns()
        });
        fs::write(self.path().join(format!("plans/{table}-small.json")), plan.to_string()).unwrap();
    }

    pub fn add(&self, made: Made) -> PathBuf {
        let path = self.path().join(format!("{}-{}-s{}", made.name, made.fingerprint, made.seed));
        fs::create_dir_all(&path).unwrap();
        let lines = |values: &[Value]| values.iter().map(|value| format!("{value}\n")).collect::<String>();
        fs::write(path.join("run.json"), made.record.to_string()).unwrap();
        fs::write(path.join("metrics.jsonl"), lines(&made.events)).unwrap();
        fs::write(path.join("evaluations.jsonl"), lines(&made.evaluations)).unwrap();
        fs::write(path.join("recipe.toml"), format!("[train]\nseed = {}\nepochs = 2\n", made.seed)).unwrap();
        path
    }

    pub fn report(&self, width: usize) -> anyhow::Result<String> {
        univip_reports::report(&self.roots(), None, &self.path().join("out"), Width::of_terminal(width))
            .map(|report| report.text)
    }

    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.out(file)).unwrap()
    }
}

/// The columns of the paper's tables.
pub fn columns() -> Value {
    json!([
        {"head": "top-1", "about": "linear classification", "evaluator": "linear-probe", "metric": "top1", "paper": "top1",
         "difference": true},
        {"head": "k-NN", "evaluator": "knn", "metric": "top1"},
        {"head": "AP^bb", "about": "detection", "evaluator": "detection", "metric": "bbox_ap", "paper": "map",
         "paper_head": "paper mAP"},
        {"head": "AP^mk", "evaluator": "detection", "metric": "mask_ap"},
    ])
}

/// A row with the paper's top-1 and mAP.
pub fn row(label: &str, title: &str, components: &[&str], [top1, map]: [f64; 2], fingerprint: &str) -> Value {
    json!({"label": label, "title": title, "components": components, "paper": {"top1": top1, "map": map},
           "fingerprint": fingerprint, "baseline": false})
}

/// The row, as the one that the others are compared with.
pub fn baseline(mut row: Value) -> Value {
    row["baseline"] = json!(true);
    row
}

/// A CSV file of a report.
pub fn csv(runs: &Runs, file: &str) -> DataFrame {
    let reader = CsvReadOptions::default().try_into_reader_with_file_path(Some(runs.out(file))).unwrap();
    reader.finish().unwrap()
}

/// The cells of a column of a table: a line for each row.
pub fn of(frame: &DataFrame, head: &str) -> DataFrame {
    let heads = frame.column("column").unwrap().str().unwrap();
    frame.filter(&heads.iter().map(|each| Some(each == Some(head))).collect()).unwrap()
}

/// A number of a frame; none where it is null.
pub fn number(frame: &DataFrame, name: &str, row: usize) -> Option<f64> {
    frame.column(name).unwrap().get(row).unwrap().try_extract::<f64>().ok()
}

/// A column of text.
pub fn texts(frame: &DataFrame, name: &str) -> Vec<String> {
    let column = frame.column(name).unwrap().str().unwrap();
    column.iter().map(|text| text.unwrap_or_default().to_string()).collect()
}

pub fn close(value: Option<f64>, expected: f64) {
    assert!(value.is_some_and(|value| (value - expected).abs() < 1e-9), "{value:?}, expected {expected}");
}
