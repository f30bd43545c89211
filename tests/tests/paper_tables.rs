//! The paper's Tables 1 to 6 and 10 to 13, as recipes: every row with every number, at every scale.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use univip_core::recipe::{Recipe, Row, Sources};
use univip_plugins as _;
use univip_tests::workspace;

const SCALES: [&str; 6] = ["smoke", "selection", "small", "sitting", "proxy", "paper"];

/// Counted and added up in the paper itself, table by table: rows, those of methods that are not there yet, numbers, and the sum of
/// the numbers.
const PAPER: [(&str, usize, usize, usize, f64); 10] = [
    ("table1", 21, 4, 21, 1300.1),
    ("table2", 17, 3, 34, 1260.5),
    ("table3", 10, 0, 20, 783.9),
    ("table4", 17, 8, 33, 1263.3),
    ("table5", 4, 0, 12, 488.0),
    ("table6", 12, 2, 48, 2674.5),
    ("table10", 9, 1, 54, 2296.3),
    ("table11", 7, 1, 42, 1893.1),
    ("table12", 13, 3, 39, 2533.4),
    ("table13", 12, 2, 36, 1542.4),
];

fn recipes() -> PathBuf {
    workspace().join("experiments/recipes")
}

fn load(name: &str, scale: &str) -> Result<Recipe> {
    let experiments = workspace().join("experiments");
    let path = experiments.join("recipes").join(format!("{name}.toml"));
    let (scale, scales) = (Some(scale.into()), experiments.join("scales"));
    Recipe::load(&Sources { path, scale, scales, ..Sources::default() }).with_context(|| name.to_string())
}

/// A table's file, and the names of its rows in order.
struct Table {
    name: &'static str,
    file: toml::Table,
    rows: Vec<String>,
}

impl Table {
    fn read(name: &'static str) -> Result<Self> {
        let path = recipes().join(name).join("table.toml");
        let file: toml::Table = toml::from_str(&fs::read_to_string(&path)?)?;
        let groups = file.get("groups").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        let listed = groups.iter().filter_map(|group| group.get("rows")).chain(file.get("rows"));
        let rows = listed.filter_map(toml::Value::as_array).flatten();
        let rows = rows.filter_map(|row| Some(row.as_str()?.to_string())).collect();
        Ok(Self { name, file, rows })
    }

    fn missing(&self, row: &str) -> Option<Row> {
        self.file.get("missing")?.get(row)?.clone().try_into().ok()
    }

    /// Those that have a recipe.
    fn recipes(&self) -> impl Iterator<Item = String> {
        let there = self.rows.iter().filter(|row| self.missing(row).is_none());
        there.map(|row| format!("{}/{row}", self.name))
    }
}

fn tables() -> Result<Vec<Table>> {
    PAPER.iter().map(|(name, ..)| Table::read(name)).collect()
}

#[test]
fn every_row_of_the_paper_is_there_with_every_number() -> Result<()> {
    ensure!(PAPER.iter().map(|(_, rows, ..)| rows).sum::<usize>() == 122);
    ensure!(PAPER.iter().map(|(_, _, _, numbers, _)| numbers).sum::<usize>() == 339);
    for (table, (name, rows, missing, numbers, sum)) in tables()?.iter().zip(PAPER) {
        ensure!(table.rows.len() == rows, "{name} has {} rows", table.rows.len());
        let (mut labels, mut papers) = (BTreeSet::new(), Vec::new());
        for row in &table.rows {
            let described = match table.missing(row) {
                Some(described) => described,
                None => load(&format!("{name}/{row}"), "small")?.row.context("no [row]")?,
            };
            ensure!(labels.insert(described.label.clone()), "{name} repeats the label {}", described.label);
            ensure!(!described.title.is_empty(), "{name}/{row} has no title");
            papers.push(described.paper);
        }
        ensure!(rows - table.recipes().count() == missing, "{name}: {missing} rows should have no method");
        let found: Vec<f64> = papers.iter().flat_map(|paper| paper.values().copied()).collect();
        ensure!(found.len() == numbers, "{name} has {} numbers", found.len());
        let total: f64 = found.iter().sum();
        ensure!((total - sum).abs() < 1e-6, "{name}: its numbers add up to {total}");
        // Each column has the paper's number that it is beside, and each number a column.
        let below = Table::read("table2")?.file;
        let columns = table.file.get("columns").or_else(|| below.get("columns")).context("no columns")?;
        let columns = columns.as_array().context("a list of columns")?;
        let keys = |key: &str| -> BTreeSet<&str> {
            columns.iter().filter_map(|column| column.get(key)?.as_str()).collect()
        };
        let stated: BTreeSet<&str> =
            papers.iter().flat_map(|paper| paper.keys().map(String::as_str)).collect();
        ensure!(keys("paper") == stated, "{name}: {:?} and {stated:?}", keys("paper"));
    }
    Ok(())
}

#[test]
fn all_stands_for_the_thirteen_tables() -> Result<()> {
    let all: toml::Table = toml::from_str(&fs::read_to_string(recipes().join("all/table.toml"))?)?;
    let listed: BTreeSet<String> = all["tables"].clone().try_into::<Vec<String>>()?.into_iter().collect();
    let of_univip = ["table7", "table8a", "table8b", "table8c", "table9"];
    let expected = PAPER.iter().map(|(name, ..)| *name).chain(of_univip).map(String::from).collect();
    ensure!(listed == expected, "{listed:?}");
    Ok(())
}

#[test]
fn rows_of_the_same_pretraining_are_one_at_every_scale() -> Result<()> {
    for scale in SCALES {
        // Rows are called after what they are trained by.
        let mut runs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for table in tables()? {
            for name in table.recipes() {
                let recipe = load(&name, scale)?;
                let stem = name.split('/').next_back().unwrap_or_default().to_string();
                // The paper's number of Table 1 is that of two views alone.
                let stem = if name == "table1/swav-iconic" && scale == "paper" { name } else { stem };
                runs.entry(recipe.fingerprint()).or_default().insert(stem);
            }
        }
        let shared: Vec<_> = runs.values().filter(|stems| stems.len() > 1).collect();
        ensure!(shared.is_empty(), "{scale}: {shared:?} are one pre-training");
        let expected = if scale == "paper" { 23 } else { 22 };
        ensure!(runs.len() == expected, "{scale}: {} pre-trainings", runs.len());
        for (row, of_univip) in [("table1/byol-scenes", "table7/a"), ("table2/univip-scenes", "table7/e")] {
            let [row, of_univip] = [load(row, scale)?, load(of_univip, scale)?];
            ensure!(row.fingerprint() == of_univip.fingerprint(), "{scale}: {:?}", row.path);
        }
    }
    Ok(())
}

#[test]
fn rows_train_for_the_same_number_of_steps_at_small_scales() -> Result<()> {
    for scale in SCALES.into_iter().filter(|scale| *scale != "paper") {
        let steps = |name: &str| -> Result<f64> {
            let settings = load(name, scale)?.settings;
            let images = settings.data.limit as f64;
            Ok(images * settings.train.epochs as f64 / settings.train.batch as f64)
        };
        let expected = steps("table7/e")?;
        for table in tables()? {
            for name in table.recipes().filter(|name| !name.ends_with("random")) {
                let longer = match name.rsplit('-').next() {
                    Some("300") => 1.5,
                    Some("800") => 4.0,
                    _ => 1.0,
                };
                let found = steps(&name)?;
                ensure!(found == longer * expected, "{name} at {scale}: {found} steps, not {expected}");
            }
        }
    }
    Ok(())
}

#[test]
fn detectors_of_a_table_learn_from_the_same_scenes() -> Result<()> {
    for scale in SCALES {
        for table in tables()? {
            let mut scenes = BTreeSet::new();
            for name in table.recipes() {
                let settings = load(&name, scale)?.settings;
                scenes.insert(settings.evaluators.scenes(&settings.data.name).0.to_string());
            }
            let expected = match (scale, table.name) {
                ("paper", "table12") => "voc",
                ("paper", _) => "coco",
                _ => "fashion-scenes",
            };
            ensure!(scenes == BTreeSet::from([expected.into()]), "{} at {scale}: {scenes:?}", table.name);
        }
    }
    Ok(())
}

#[test]
fn the_paper_scale_has_the_papers_data_and_epochs() -> Result<()> {
    for (name, data, epochs, batch) in [
        ("table1/supervised", "image-folder", 90, 256),
        ("table1/simclr-scenes", "coco", 800, 512),
        ("table1/byol-scenes-plus", "coco", 800, 512),
        ("table1/inst-dis-iconic", "image-folder", 200, 256),
        ("table1/moco-v1-iconic", "image-folder", 200, 256),
        ("table1/simclr-iconic", "image-folder", 200, 4096),
        ("table1/moco-v2-iconic", "image-folder", 200, 256),
        ("table1/swav-iconic", "image-folder", 200, 4096),
        ("table1/simsiam-iconic", "image-folder", 200, 256),
        ("table1/byol-iconic", "image-folder", 200, 4096),
        ("table1/univip-iconic", "image-folder", 200, 4096),
        ("table1/univip-iconic-300", "image-folder", 300, 4096),
        ("table12/swav-iconic-800", "image-folder", 800, 4096),
        ("table12/moco-v2-iconic-800", "image-folder", 800, 256),
    ] {
        let settings = load(name, "paper")?.settings;
        let found = (settings.data.name.as_str(), settings.train.epochs, settings.train.batch);
        ensure!(found == (data, epochs, batch), "{name}: {found:?}");
    }
    let number = |name: &str, pointer: &str| -> Result<f64> {
        load(name, "paper")?.resolved().pointer(pointer).and_then(Value::as_f64).context(pointer.to_string())
    };
    for (name, pointer, expected) in [
        ("table1/univip-iconic", "/optimizer/lr", 0.3),
        ("table1/univip-iconic", "/schedule/warmup_epochs", 10.0),
        ("table1/moco-v2-iconic", "/optimizer/lr", 0.03),
        ("table2/moco-v2-scenes", "/optimizer/lr", 0.3),
        ("table1/swav-iconic", "/view/multi-crop/locals", 0.0),
        ("table2/swav-iconic", "/view/multi-crop/locals", 6.0),
    ] {
        let found = number(name, pointer)?;
        ensure!(found == expected, "{name} {pointer}: {found}");
    }
    let plus = load("table1/univip-scenes-plus", "paper")?;
    let train = plus.resolved()["dataset"]["coco"]["train"].to_string();
    ensure!(train.contains("train2017") && train.contains("unlabeled2017"), "{train}");
    Ok(())
}
