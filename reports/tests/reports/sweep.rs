//! Reports of sweeps.

use crate::common::{Runs, baseline, row, run};
use roxmltree::Document;
use serde_json::{Value, json};
use std::fs;

const CELLS: [[&str; 2]; 2] = [["aaaaaaaaaaaa", "bbbbbbbbbbbb"], ["cccccccccccc", "dddddddddddd"]];

/// A cell of the grid of `epsilon` and `lr`.
fn cell(epsilon: usize, lr: usize) -> Value {
    let values = (["0.05", "0.1"][epsilon], ["0.2", "0.4"][lr]);
    let (label, title) =
        (format!("{} · {}", values.0, values.1), format!("epsilon={}, lr={}", values.0, values.1));
    let mut row = row(&label, &title, &["scene"], [0.0, 0.0], CELLS[epsilon][lr]);
    row["paper"] = json!({});
    row["cell"] = json!([epsilon, lr]);
    row
}

/// The plan of a sweep over the first `axes` of two axes, with top-1 of two seeds in each cell.
fn sweep(axes: usize) -> Runs {
    let runs = Runs::new();
    let both =
        json!([{"key": "epsilon", "values": ["0.05", "0.1"]}, {"key": "lr", "values": ["0.2", "0.4"]}]);
    let mut rows = vec![baseline(cell(0, 0)), cell(0, 1), cell(1, 0), cell(1, 1)];
    if axes == 1 {
        rows.retain(|row| row["cell"][1] == 0);
        rows.iter_mut().for_each(|row| row["cell"] = json!([row["cell"][0]]));
    }
    runs.plan("sweep-table7-e-epsilon-lr", json!(rows));
    let path = runs.path().join("plans/sweep-table7-e-epsilon-lr-small.json");
    let mut plan: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    plan["axes"] = json!(both.as_array().unwrap()[..axes]);
    plan["seeds"] = json!([0, 1]);
    fs::write(&path, plan.to_string()).unwrap();
    for (epsilon, lr, seed, top1) in [
        (0, 0, 0, 50.0),
        (0, 0, 1, 52.0),
        (0, 1, 0, 54.0),
        (0, 1, 1, 58.0),
        (1, 0, 0, 40.0),
        (1, 0, 1, 44.0),
        (1, 1, 0, 60.0),
    ] {
        runs.add(run("table7-e", CELLS[epsilon][lr], seed, top1));
    }
    let mut random = run("random", "ffffffffffff", 0, 42.0);
    random.events.clear();
    runs.add(random);
    runs
}

/// The rows of the first Markdown table behind a heading.
fn table<'a>(page: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let behind = page.split_once(heading).unwrap_or_else(|| panic!("no {heading} in\n{page}")).1;
    let lines =
        behind.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    lines.skip(2).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn main_effects_are_means_over_the_cells_of_seeds_that_all_have() {
    let runs = sweep(2);
    runs.report(200).unwrap();
    let page = runs.read("sweep-table7-e-epsilon-lr.md");
    let effects: Vec<Vec<&str>> =
        table(&page, "### Main effects").into_iter().map(|row| row[..3].to_vec()).collect();
    assert_eq!(
        effects,
        [
            // (50 + 54) / 2 and (52 + 58) / 2.
            ["epsilon", "0.05", "53.5 ± 2.1"],
            // Seed 1 lacks a cell.
            ["epsilon", "0.1", "50.0"],
            // (50 + 40) / 2 and (52 + 44) / 2.
            ["lr", "0.2", "46.5 ± 2.1"],
            ["lr", "0.4", "57.0"],
        ]
    );
    let best = "Highest top-1: epsilon=0.1, lr=0.4: 60.0 (1 seed); then epsilon=0.05, lr=0.4: 56.0 ± 2.8.";
    assert!(page.contains(best), "{page}");
    assert!(runs.read("sweep-table7-e-epsilon-lr.html").contains("<h3>Main effects</h3>"));
    assert!(runs.report(200).unwrap().contains(best));
}

#[test]
fn two_axes_are_a_heat_map_and_one_is_a_line() {
    let texts = |axes: usize| -> (Vec<String>, usize, usize) {
        let runs = sweep(axes);
        runs.report(100).unwrap();
        let svg = runs.read("sweep-table7-e-epsilon-lr-sweep.svg");
        let document = Document::parse(&svg).unwrap();
        let count = |name: &str| document.descendants().filter(|node| node.has_tag_name(name)).count();
        let said = document.descendants().filter(|node| node.has_tag_name("text"));
        let said = said.filter_map(|node| node.text().map(str::to_string)).collect();
        (said, count("rect"), count("circle"))
    };
    let has = |said: &[String], wanted: &[&str]| {
        wanted.iter().for_each(|text| assert!(said.iter().any(|said| said == text), "no {text} in {said:?}"));
    };
    let (said, fields, _) = texts(2);
    has(&said, &["51.0", "± 1.4", "56.0", "42.0", "60.0", "0.05", "0.1", "0.2", "0.4", "top-1", "k-NN"]);
    // Four cells in each of two panels, and the background.
    assert_eq!(fields, 9);
    let (said, _, dots) = texts(1);
    has(&said, &["0.05", "0.1", "epsilon", "top-1", "k-NN"]);
    assert_eq!(dots, 4);
}

#[test]
fn a_table_that_is_no_sweep_has_none_of_it() {
    let runs = Runs::table7();
    runs.report(100).unwrap();
    let page = runs.read("table7.md");
    assert!(!page.contains("Main effects") && !page.contains("Highest"), "{page}");
    assert!(!runs.out("table7-sweep.svg").exists());
}
