//! Resolved values, the fingerprint, and how recipes are shown.

use crate::folder::{BASE, Folder, over_base};
use proptest::prelude::*;
use univip_core::recipe::{Config, Settings, Sources, Table, diff};
use univip_core::registry::Kind;

use crate::plugins::{Form, PullConfig};

#[test]
fn the_fingerprint_is_of_the_values_and_not_of_the_files() {
    let folder = Folder::new(&[
        ("recipes/same.toml", &over_base("[row]\nlabel = \"a\"")),
        ("recipes/default.toml", &over_base("[loss.pull]\nepsilon = 0.1\n[train]\nepochs = 800")),
        (
            "recipes/whole.toml",
            &over_base("[optimizer]\nlr = 0.2\nmomentum = 9e-1\n[schedule]\nwarmup_epochs = 4"),
        ),
        ("recipes/unused.toml", &over_base("[loss.push-away]")),
        ("recipes/loader.toml", &over_base("[loader]\nworkers = 7\nahead = 9")),
        ("recipes/saving.toml", &over_base("[train]\ncheckpoint_every = 5\nkeep = 9")),
        ("recipes/during.toml", &over_base("[evaluators]\nduring = [\"ruler\"]\nevery = 3")),
        ("recipes/measured.toml", &over_base("[evaluators]\nuse = [\"ruler\"]\n[probe_data]\nval_limit = 5")),
        ("recipes/flat.toml", BASE),
        ("recipes/rules.toml", &over_base("[optimizer]\nnesterov = false\nrules = []")),
    ]);
    let base = folder.load("recipes/base.toml").fingerprint();
    assert!(base.len() == 12 && base.chars().all(|digit| digit.is_ascii_hexdigit()), "{base}");
    for same in
        ["same", "default", "whole", "unused", "loader", "saving", "during", "measured", "flat", "rules"]
    {
        assert_eq!(folder.load(&format!("recipes/{same}.toml")).fingerprint(), base, "{same}");
    }
    let small = Sources { scale: Some("small".into()), ..folder.sources("recipes/base.toml") };
    assert_eq!(folder.load_with(small).fingerprint(), base, "an empty scale");

    let mut seen = vec![base];
    for set in [
        "loss.pull.epsilon=0.2",
        "loss.pull.note=x",
        "train.epochs=801",
        "loader.broken=fail",
        "dataset.meadow.root=/data/meadow/",
        "losses.weights.pull=1",
        "losses.use=[\"pull\", \"push-away\"]",
        "losses.use=[\"push-away\", \"pull\"]",
        "augment.mean=[0.485, 0.456, 0.407]",
        "optimizer.nesterov=true",
        "optimizer.use=adamw",
        "optimizer.rules=[{prefix = \"a\", lr = \"constant\"}]",
        "optimizer.rules=[{prefix = \"a\", frozen_until = 3}]",
        "optimizer.rules=[{prefix = \"a\", weight_decay = false}]",
    ] {
        let sources = Sources { sets: vec![set.into()], ..folder.sources("recipes/base.toml") };
        let fingerprint = folder.load_with(sources).fingerprint();
        assert!(!seen.contains(&fingerprint), "{set} changes nothing");
        seen.push(fingerprint);
    }
}

/// A changed fingerprint makes every finished run on disk a run of another recipe: change this line knowingly.
#[test]
fn the_fingerprint_of_one_recipe_is_pinned() {
    assert_eq!(Folder::new(&[]).load("recipes/base.toml").fingerprint(), "d9b3f675a6e2");
}

#[test]
fn resolved_values_are_the_settings_and_the_tables_in_use() {
    let folder =
        Folder::new(&[("recipes/a.toml", &over_base("[loss.push-away]\n[evaluators]\nuse = [\"ruler\"]"))]);
    let recipe = folder.load("recipes/a.toml");
    let resolved = recipe.resolved();
    assert_eq!(
        resolved["loss"].to_string(),
        r#"{"pull":{"bias":true,"epsilon":0.1,"form":"neg-cos","rounds":50}}"#
    );
    assert_eq!(resolved["evaluator"].to_string(), r#"{"ruler":{}}"#);
    assert_eq!(resolved["augment"]["mean"].to_string(), "[0.485,0.456,0.406]");
    assert_eq!(resolved["train"]["batch"], 512);
    assert_eq!(resolved.get("row"), None);
}

#[test]
fn the_optimisers_values_are_those_of_its_rule() {
    let folder = Folder::new(&[
        ("recipes/adamw.toml", &over_base("[optimizer]\nuse = \"adamw\"\nbeta2 = 0.99")),
        (
            "recipes/rules.toml",
            &over_base(
                "[[optimizer.rules]]\nprefix = \"head\"\nlr = \"constant\"\n\
                        [[optimizer.rules]]\nprefix = \"head.bias\"\nfrozen_until = 9\nweight_decay = false",
            ),
        ),
    ]);
    let sgd = folder.load("recipes/base.toml");
    let keys: Vec<_> = sgd.resolved()["optimizer"].as_object().expect("a table").keys().cloned().collect();
    assert_eq!(keys, ["decay_bias_and_norm", "lr", "momentum", "trust", "use", "weight_decay"]);
    let adamw = folder.load("recipes/adamw.toml");
    let values = &adamw.resolved()["optimizer"];
    assert_eq!((values["beta2"].to_string(), values["epsilon"].to_string()), ("0.99".into(), "1e-8".into()));
    let shown = folder.load("recipes/rules.toml").show();
    let expected = "\nrules = [{ lr = \"constant\", prefix = \"head\" }, \
                    { frozen_until = 9, prefix = \"head.bias\", weight_decay = false }]  # recipes/rules.toml\n";
    assert!(shown.contains(expected), "{shown}");
}

#[test]
fn a_plugin_reads_its_own_table() {
    let folder =
        Folder::new(&[("recipes/a.toml", &over_base("[loss.pull]\nepsilon = 0.5\nform = \"byol\""))]);
    let config: PullConfig = folder.load("recipes/a.toml").table(Kind::Loss, "pull").read().expect("valid");
    assert_eq!(config, PullConfig { epsilon: 0.5, form: Form::Byol, ..PullConfig::default() });
    let absent: PullConfig =
        folder.load("recipes/base.toml").table(Kind::Loss, "pull").read().expect("valid");
    assert_eq!(absent, PullConfig::default());
}

#[test]
fn a_table_for_tests_reads_and_refuses_as_a_recipe_does() {
    let config: PullConfig = Table::of("epsilon = 2\nbias = false").read().expect("valid");
    assert_eq!((config.epsilon, config.bias, config.rounds), (2.0, false, 50));
    assert!(PullConfig::default().check().is_ok());
    for (text, expected) in [
        ("epsilon = -1", "`table.epsilon`: expected above 0, found -1"),
        (
            "round = 1",
            "`table.round`: unknown key; did you mean `rounds`? Known: epsilon, rounds, form, bias, note",
        ),
    ] {
        let error = Table::of(text).read::<PullConfig>().expect_err("invalid").to_string();
        assert!(error.ends_with(expected), "{error}");
    }
}

#[test]
fn show_is_a_recipe_with_the_same_fingerprint() {
    let folder = Folder::new(&[
        (
            "recipes/a.toml",
            &over_base("[losses]\nweights.pull = 1e-7\n[loss.pull]\nnote = \"a \\\"b\\\" # c\""),
        ),
        ("scales/tiny.toml", "[train]\nepochs = 5"),
    ]);
    let sources = Sources { scale: Some("tiny".into()), ..folder.sources("recipes/a.toml") };
    let recipe = folder.load_with(sources);
    let shown = recipe.show();
    for line in [
        &format!("# recipes/a.toml at scale tiny, fingerprint {}", recipe.fingerprint()),
        "epochs = 5  # scales/tiny.toml",
        "batch = 512  # default",
        "use = [\"pull\"]  # recipes/base.toml",
        "pull = 1e-7  # recipes/a.toml",
        "root = \"/data/meadow\"  # recipes/base.toml",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "no line {line:?} in\n{shown}");
    }
    let again = Folder::new(&[("recipes/shown.toml", &shown)]).load("recipes/shown.toml");
    assert_eq!(diff(&recipe, &again), "");
    assert_eq!(again.fingerprint(), recipe.fingerprint());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_number_and_any_text_survive_being_shown(
        lr in 1e-12f64..1e6, epsilon in 1e-12f32..1e6, mean in any::<[i16; 3]>(), note in ".*", root in ".*",
    ) {
        let mean: Vec<String> = mean.iter().map(|mean| format!("{:?}", f32::from(*mean) / 3.0)).collect();
        let difference = format!(
            "[optimizer]\nlr = {lr:?}\n[augment]\nmean = [{}]\n[loss.pull]\nepsilon = {epsilon:?}\nnote = {}\n\
             [dataset.meadow]\nroot = {}",
            mean.join(", "), toml::Value::from(note.as_str()), toml::Value::from(root.as_str()),
        );
        let folder = Folder::new(&[("recipes/a.toml", &over_base(&difference))]);
        let recipe = folder.load("recipes/a.toml");
        let again = Folder::new(&[("recipes/a.toml", &recipe.show())]).load("recipes/a.toml");
        prop_assert_eq!(&again.settings, &recipe.settings);
        prop_assert_eq!(again.resolved(), recipe.resolved());
    }
}

/// The sections are listed by hand beside the struct.
#[test]
fn every_section_of_the_settings_can_be_written() {
    let settings = serde_json::to_value(Settings::default()).expect("settings");
    let headers: Vec<_> =
        settings.as_object().expect("an object").keys().map(|key| format!("[{key}]\n")).collect();
    let folder = Folder::new(&[("recipes/all.toml", &over_base(&headers.concat()))]);
    assert_eq!(folder.load("recipes/all.toml").fingerprint(), folder.load("recipes/base.toml").fingerprint());
}

#[test]
fn diff_names_what_differs_and_where_it_came_from() {
    let folder = Folder::new(&[(
        "recipes/b.toml",
        &over_base("[train]\nbatch = 64\n[losses]\nuse = [\"push-away\"]\n[optimizer]\nlr = 0.2"),
    )]);
    let (a, b) = (folder.load("recipes/base.toml"), folder.load("recipes/b.toml"));
    assert_eq!(
        diff(&a, &b),
        "loss.pull.bias: true (default) -> absent\n\
         loss.pull.epsilon: 0.1 (default) -> absent\n\
         loss.pull.form: \"neg-cos\" (default) -> absent\n\
         loss.pull.rounds: 50 (default) -> absent\n\
         losses.use: [\"pull\"] (recipes/base.toml) -> [\"push-away\"] (recipes/b.toml)\n\
         train.batch: 512 (default) -> 64 (recipes/b.toml)\n"
    );
    assert_eq!(diff(&a, &a), "");
}

#[test]
fn plugins_are_listed_with_the_key_that_names_them() {
    let recipe = Folder::new(&[]).load("recipes/base.toml");
    let expected = [
        (Kind::Backbone, "resnet50", "network.backbone"),
        (Kind::Dataset, "meadow", "data.use"),
        (Kind::Dataset, "meadow", "probe_data.use"),
        (Kind::Proposals, "grid", "proposals.use"),
        (Kind::Views, "pair", "views.use"),
        (Kind::Loss, "pull", "losses.use"),
    ];
    assert_eq!(recipe.plugins(), expected);
}
