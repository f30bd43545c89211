//! The recipes and scales that the project ships, and the 18 rows of the paper's Tables 7 to 9; the other tables are in
//! `paper_tables.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use univip_core::recipe::{Recipe, Settings, Sources, diff};
use univip_plugins as _;

const SCALES: [&str; 6] = ["smoke", "selection", "small", "sitting", "proxy", "paper"];

/// Rows that are one run, by the files that say so: where the paper repeats a number.
const RUNS: [&[&str]; 12] = [
    &["table7/a"],
    &["table7/b", "table8b/none", "table8c/0"],
    &["table7/c"],
    &["table7/d"],
    &["table7/e", "table8a/yes", "table8b/selective-search", "table8c/4", "table9/20"],
    &["table8a/no"],
    &["table8b/ground-truth"],
    &["table8b/naive"],
    &["table8c/2"],
    &["table8c/8"],
    &["table9/10"],
    &["table9/30"],
];

fn experiments() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments")
}

fn sources(name: &str, scale: Option<&str>) -> Sources {
    Sources {
        path: experiments().join(format!("recipes/{name}.toml")),
        scale: scale.map(String::from),
        scales: experiments().join("scales"),
        ..Sources::default()
    }
}

fn load(name: &str, scale: Option<&str>) -> Recipe {
    Recipe::load(&sources(name, scale)).unwrap_or_else(|error| panic!("{name} at {scale:?}: {error}"))
}

/// Every file of the recipes folder, as `table7/d`.
fn names() -> Vec<String> {
    fn visit(folder: &Path, prefix: &str, names: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).expect("the recipes folder") {
            let path = entry.expect("an entry").path();
            let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
            match path.is_dir() {
                // Inherited by recipes, and none themselves.
                true if ["data", "epochs", "measured"].contains(&stem.as_str()) => {}
                true => visit(&path, &format!("{prefix}{stem}/"), names),
                // Of tables, and no recipes.
                false if ["table", "columns"].contains(&stem.as_str()) => {}
                false => names.push(format!("{prefix}{stem}")),
            }
        }
    }
    let mut names = Vec::new();
    visit(&experiments().join("recipes"), "", &mut names);
    names.sort();
    names
}

fn rows() -> Vec<String> {
    let of_univip =
        |name: &String| ["table7/", "table8", "table9/"].iter().any(|table| name.starts_with(table));
    names().into_iter().filter(of_univip).collect()
}

#[test]
fn eighteen_rows_are_twelve_runs_at_every_scale() {
    assert_eq!(rows().len(), 18);
    for scale in SCALES.map(Some).into_iter().chain([None]) {
        let mut runs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in rows() {
            runs.entry(load(&row, scale).fingerprint()).or_default().push(row);
        }
        let found: BTreeSet<Vec<String>> = runs.into_values().collect();
        let expected = RUNS.map(|run| run.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(found, BTreeSet::from(expected), "{scale:?}");
    }
}

#[test]
fn every_recipe_at_every_scale_shows_as_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in names() {
        for scale in SCALES.map(Some).into_iter().chain([None]) {
            let recipe = load(&name, scale);
            let path = folder.path().join("shown.toml");
            std::fs::write(&path, recipe.show()).expect("a file");
            let shown =
                Recipe::load(&Sources { path, ..Sources::default() }).expect("what is shown can be loaded");
            assert_eq!(diff(&recipe, &shown), "", "{name} at {scale:?}");
            assert_eq!(shown.fingerprint(), recipe.fingerprint(), "{name} at {scale:?}");
        }
    }
}

#[test]
fn scales_differ() {
    let fingerprints: BTreeSet<_> = SCALES.map(|scale| load("table7/e", Some(scale)).fingerprint()).into();
    assert_eq!(fingerprints.len(), SCALES.len());
}

#[test]
fn a_row_differs_from_the_published_method_by_what_it_is_about() {
    for (row, expected) in [
        ("table7/a", vec!["losses.use", "views.instances", "views.use"]),
        ("table7/b", vec!["losses.use", "views.instances"]),
        ("table7/c", vec!["losses.use"]),
        ("table7/d", vec!["losses.use"]),
        ("table7/e", vec![]),
        ("table8a/no", vec!["views.use"]),
        ("table8b/ground-truth", vec!["proposals.use"]),
        ("table8b/naive", vec!["proposals.use"]),
        ("table8c/2", vec!["views.instances"]),
        ("table8c/8", vec!["views.instances"]),
        ("table9/10", vec!["view.overlap.iterations"]),
        ("table9/30", vec!["view.overlap.iterations"]),
    ] {
        for scale in SCALES {
            let difference = diff(&load("base", Some(scale)), &load(row, Some(scale)));
            // A plugin that is not in use takes its whole table along: that is no difference of its own.
            let changed = difference.lines().filter(|line| !line.contains("absent"));
            let keys: Vec<_> = changed.filter_map(|line| line.split(": ").next()).collect();
            assert_eq!(keys, expected, "{row} at {scale}:\n{difference}");
        }
    }
}

#[test]
fn a_row_says_which_it_is_and_quotes_the_paper() {
    let mut labels = BTreeSet::new();
    for name in rows() {
        let recipe = load(&name, None);
        let row = recipe.row.unwrap_or_else(|| panic!("{name} has no [row]"));
        let (table, stem) = name.split_once('/').expect("table/row");
        assert_eq!(row.label.trim_matches(['(', ')']).replace(' ', "-"), stem, "{name}");
        assert!(labels.insert((table.to_string(), row.label.clone())), "{name} repeats a label");
        let (top1, map) = (row.paper["top1"], row.paper["map"]);
        for part in [
            format!("cargo xtask ablate {table} --row {stem}"),
            format!("Paper: {top1:.1} top-1, {map:.1} mAP"),
            "Time at small: ".to_string(),
        ] {
            assert!(recipe.description.contains(&part), "{name}: no {part:?} in\n{}", recipe.description);
        }
    }
}

/// Rows that are one run have one number in the paper; that is why they are read as one.
#[test]
fn shared_runs_share_the_papers_numbers() {
    for run in RUNS {
        let numbers = run.iter().map(|name| load(name, None).row.expect("a row").paper);
        let numbers: Vec<_> = numbers.collect();
        assert!(numbers.windows(2).all(|pair| pair[0] == pair[1]), "{run:?}: {numbers:?}");
    }
}

/// The base recipe spells out the method, each value with its source beside it: what it leaves to a default is
/// about the machine, the data or a rule that it does not use.
#[test]
fn the_base_recipe_states_the_whole_method() {
    let base = load("base", None);
    let mut unstated = leaves("", base.resolved());
    unstated.retain(|key| base.origin(key) == "default");
    unstated.retain(|key| !key.starts_with("dataset.") && !key.starts_with("evaluator."));
    let expected = [
        "data.limit",
        "loader.ahead",
        "loader.workers",
        "optimizer.trust",
        "probe_data.train_limit",
        "probe_data.val_limit",
        "train.keep",
    ];
    assert_eq!(unstated, expected);
}

#[test]
fn the_engines_defaults_are_the_base_recipe() {
    let base = load("base", None).settings;
    let defaults =
        Settings { losses: base.losses.clone(), evaluators: base.evaluators.clone(), ..Settings::default() };
    assert_eq!(base, defaults);
}

/// The keys of all values that are no tables, sorted.
fn leaves(path: &str, value: &serde_json::Value) -> Vec<String> {
    let Some(table) = value.as_object() else { return vec![path.to_string()] };
    let key = |name: &String| if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
    table.iter().flat_map(|(name, value)| leaves(&key(name), value)).collect()
}

#[test]
fn the_paper_scale_is_the_papers_protocol() {
    let recipe = load("table7/e", Some("paper"));
    let Settings { train, optimizer, schedule, views, target, network, data, .. } = &recipe.settings;
    let used = optimizer.lr * (train.batch * train.accumulate) as f64 / 256.0;
    assert_eq!(used, 0.4, "ORL's learning rate");
    assert_eq!((train.epochs, train.batch), (800, 512));
    assert_eq!((optimizer.momentum, optimizer.weight_decay, target.momentum), (0.9, 1e-4, 0.99));
    assert_eq!(schedule.warmup_epochs, 4.0);
    assert_eq!((views.scene_size, views.instance_size, views.instances), (224, 96, 4));
    assert_eq!((network.width, network.hidden, network.output), (64, 4096, 256));
    assert_eq!((data.name.as_str(), data.limit), ("coco", 0));
    let evaluator = &recipe.resolved()["evaluator"];
    assert_eq!(evaluator["linear-probe"]["protocol"], "orl-linear-28ep");
    assert_eq!(recipe.settings.evaluators.names, ["linear-probe", "detection"]);
    assert_eq!(evaluator["detection"]["architecture"], "mask-rcnn");
    assert_eq!(evaluator["detection"]["protocol"], "coco-1x");
}

#[test]
fn a_small_run_has_the_steps_that_its_scale_promises() {
    for (scale, steps) in
        [("smoke", 12), ("selection", 1000), ("small", 1000), ("sitting", 2500), ("proxy", 2500)]
    {
        let Settings { train, data, optimizer, schedule, .. } = load("table7/e", Some(scale)).settings;
        assert_eq!((data.limit / train.batch) as u64 * train.epochs, steps, "{scale}");
        if scale != "smoke" {
            assert_eq!(optimizer.lr, 0.4, "{scale}");
            let warmup = schedule.warmup_epochs / train.epochs as f64;
            assert!((warmup - 0.05).abs() < 1e-9, "{scale}: a warm-up of {warmup} of the run");
        }
    }
}

/// The other methods, which stand beside the paper's tables.
fn methods() -> Vec<String> {
    names().into_iter().filter(|name| name.starts_with("methods/")).collect()
}

#[test]
fn a_method_says_which_it_is_and_is_a_run_of_its_own() {
    let (mut labels, mut runs) = (BTreeSet::new(), BTreeSet::new());
    for name in methods() {
        let recipe = load(&name, None);
        runs.insert(recipe.fingerprint());
        let row = recipe.row.unwrap_or_else(|| panic!("{name} has no [row]"));
        let (_, stem) = name.split_once('/').expect("methods/row");
        assert!(labels.insert(row.label), "{name} repeats a label");
        let command = format!("cargo xtask ablate methods --row {stem}");
        assert!(recipe.description.contains(&command), "{name}: no {command:?} in\n{}", recipe.description);
    }
    assert_eq!(runs.len(), methods().len(), "each is another method");
    assert_eq!(load("methods/byol", None).fingerprint(), load("table7/a", None).fingerprint());
}

/// Values that depend on the scale's data and batch fit them.
#[test]
fn a_methods_sizes_fit_each_scale() {
    for scale in SCALES {
        for name in methods() {
            let recipe = load(&name, Some(scale));
            let Settings { train, data, network, .. } = &recipe.settings;
            let part = network.batch_norm_images;
            assert!(part == 0 || train.batch.is_multiple_of(part) && part < train.batch, "{name} at {scale}");
            let Some(queue) = recipe.resolved()["loss"]["moco"]["queue"].as_u64() else { continue };
            let queue = usize::try_from(queue).expect("a length");
            assert!(queue.is_multiple_of(train.batch), "{name} at {scale}: {queue} keys");
            assert!(data.limit == 0 || queue <= data.limit, "{name} at {scale}: {queue} keys");
        }
        let simsiam = load("methods/simsiam", Some(scale));
        let hidden = simsiam.resolved()["head"]["predictor"]["hidden"].as_u64();
        let network = &simsiam.settings.network;
        let features = network.width as u64 * if scale == "paper" { 32 } else { 8 };
        assert_eq!(hidden, Some(features / 4), "SimSiam's predictor at {scale}");
    }
}

#[test]
fn the_paper_scale_has_each_methods_published_values() {
    let of = |name: &str| load(&format!("methods/{name}"), Some("paper"));
    let number =
        |recipe: &Recipe, pointer: &str| recipe.resolved().pointer(pointer).and_then(|value| value.as_f64());
    for (name, values) in [
        (
            "simclr",
            vec![
                ("/optimizer/lr", 0.3),
                ("/optimizer/weight_decay", 1e-6),
                ("/schedule/warmup_epochs", 10.0),
                ("/loss/nt-xent/temperature", 0.1),
                ("/augment/view1/blur", 0.5),
            ],
        ),
        (
            "moco-v1",
            vec![
                ("/loss/moco/temperature", 0.07),
                ("/loss/moco/queue", 65536.0),
                ("/augment/view1/blur", 0.0),
                ("/schedule/drops/0", 0.6),
                ("/schedule/drops/1", 0.8),
                ("/schedule/drop_factor", 0.1),
            ],
        ),
        (
            "moco-v2",
            vec![
                ("/loss/moco/temperature", 0.2),
                ("/loss/moco/queue", 65536.0),
                ("/optimizer/lr", 0.3),
                ("/schedule/warmup_epochs", 0.0),
                ("/target/momentum", 0.999),
                ("/network/batch_norm_images", 32.0),
            ],
        ),
        (
            "simsiam",
            vec![
                ("/optimizer/lr", 0.05),
                ("/schedule/warmup_epochs", 0.0),
                ("/head/predictor/hidden", 512.0),
            ],
        ),
    ] {
        let recipe = of(name);
        for (pointer, expected) in values {
            assert_eq!(number(&recipe, pointer), Some(expected), "{name} {pointer}");
        }
    }
}

/// MoCo v1 and InstDis make views grey first and drop their rate; what inherits MoCo v1 has its own.
#[test]
fn steps_and_grey_first_are_of_the_methods_whose_code_has_them() {
    use univip_core::recipe::ScheduleSemantics::{Byol, Mmcv, Step};
    for scale in ["paper", "small", "sitting", "smoke"] {
        for (name, own) in [("moco-v1", true), ("inst-dis", true), ("moco-v2", false), ("dense-cl", false)] {
            let settings = load(&format!("methods/{name}"), Some(scale)).settings;
            assert_eq!(settings.augment.views["view1"].grey_first, own, "{name} at {scale}");
            let cosine = if ["small", "sitting"].contains(&scale) { Byol } else { Mmcv };
            assert_eq!(settings.schedule.semantics, if own { Step } else { cosine }, "{name} at {scale}");
        }
    }
}

#[test]
fn the_untrained_backbone_is_not_trained_at_any_scale() {
    for scale in SCALES {
        assert_eq!(load("random", Some(scale)).settings.train.epochs, 0, "{scale}");
    }
}
