//! The order of layers, and the origin of each value.

use crate::folder::{Folder, flag, over_base};
use univip_core::recipe::Sources;

#[test]
fn each_layer_wins_over_the_one_before() {
    let folder = Folder::new(&[
        ("recipes/grand.toml", &over_base("[train]\nepochs = 10\nbatch = 10\nkeep = 10\naccumulate = 10")),
        ("recipes/parent.toml", "inherit = [\"grand.toml\"]\n[train]\nbatch = 20\nkeep = 20"),
        ("recipes/other.toml", "[train]\nkeep = 30"),
        ("recipes/row.toml", "inherit = [\"parent.toml\", \"other.toml\"]\n[optimizer]\nlr = 0.4"),
        (
            "scales/tiny.toml",
            "[target]\nmomentum = 0.5\n[optimizer]\nlr = 0.5\nmomentum = 0.5\nweight_decay = 0.5\ntrust = 0.5",
        ),
    ]);
    let mut sources = folder.sources("recipes/row.toml");
    let settings = |sources: &Sources| folder.load_with(sources.clone()).settings;

    let train = settings(&sources).train;
    assert_eq!((train.epochs, train.batch, train.keep, train.accumulate), (10, 20, 30, 10));
    assert_eq!(settings(&sources).optimizer.lr, 0.4);

    sources.scale = Some("tiny".into());
    sources.overlays = vec![flag("optimizer.momentum", "0.6", "--data")];
    sources.environment = vec![("UNIVIP_OPTIMIZER__WEIGHT_DECAY".into(), "0.7".into())];
    sources.sets = vec!["optimizer.trust=0.8".into()];
    assert_eq!(settings(&sources).target.momentum, 0.5, "over the file that inherits nothing");
    let optimizer = settings(&sources).optimizer;
    let all = (optimizer.lr, optimizer.momentum, optimizer.weight_decay, optimizer.trust);
    assert_eq!(all, (0.4, 0.6, 0.7, 0.8), "the recipe's own difference holds at every scale");

    for (position, expected) in [(0, 0.9), (1, 0.8), (2, 0.7), (3, 0.4)] {
        let mut sources = sources.clone();
        sources.sets = vec!["optimizer.lr=0.9".into()];
        sources.environment = vec![("UNIVIP_OPTIMIZER__LR".into(), "0.8".into())];
        sources.overlays = vec![flag("optimizer.lr", "0.7", "--data")];
        if position > 0 {
            sources.sets.clear();
        }
        if position > 1 {
            sources.environment.clear();
        }
        if position > 2 {
            sources.overlays.clear();
        }
        assert_eq!(settings(&sources).optimizer.lr, expected, "without the last {position} layers");
    }
}

#[test]
fn what_a_recipe_says_at_a_scale_holds_there_and_at_scales_that_inherit_it() {
    let at = "[optimizer]\nlr = 0.1\n[at.tiny.optimizer]\nlr = 0.2\n[at.tiny.train]\nepochs = 7\n[at.long.optimizer]\nlr = 0.3";
    let folder = Folder::new(&[
        ("recipes/row.toml", &over_base(at)),
        ("recipes/heir.toml", "inherit = [\"row.toml\"]\n[train]\nepochs = 9"),
        ("scales/tiny.toml", "[optimizer]\nlr = 0.5\n[train]\nepochs = 5"),
        ("scales/long.toml", "inherit = [\"tiny.toml\"]\n[train]\nepochs = 6"),
    ]);
    let of = |recipe: &str, scale: Option<&str>| {
        let scale = scale.map(String::from);
        folder.load_with(Sources { scale, ..folder.sources(recipe) })
    };
    let used = |recipe: &str, scale| {
        let settings = of(recipe, scale).settings;
        (settings.optimizer.lr, settings.train.epochs)
    };
    assert_eq!(used("recipes/row.toml", Some("tiny")), (0.2, 7));
    assert_eq!(used("recipes/row.toml", Some("long")), (0.3, 7), "each over the scale that it inherits");
    assert_eq!(used("recipes/row.toml", Some("small")).0, 0.1, "and at no other scale");
    assert_eq!(used("recipes/row.toml", None).0, 0.1);
    assert_eq!(used("recipes/heir.toml", Some("tiny")), (0.2, 9), "a file that inherits it wins");
    assert_eq!(of("recipes/row.toml", Some("tiny")).origin("optimizer.lr"), "recipes/row.toml");
}

#[test]
fn every_value_remembers_its_layer() {
    let folder = Folder::new(&[
        ("recipes/table/row.toml", "inherit = [\"../base.toml\"]\n[loss.pull]\nepsilon = 0.3"),
        ("scales/tiny.toml", "[train]\nepochs = 5"),
    ]);
    let recipe = folder.load_with(Sources {
        scale: Some("tiny".into()),
        overlays: vec![flag("dataset.meadow.root", "/elsewhere", "--data")],
        environment: vec![("UNIVIP_LOSS__PULL__ROUNDS".into(), "7".into())],
        sets: vec!["target.momentum=0.5".into()],
        ..folder.sources("recipes/table/row.toml")
    });
    for (key, origin) in [
        ("views.use", "recipes/base.toml"),
        ("losses.use", "recipes/base.toml"),
        ("loss.pull.epsilon", "recipes/table/row.toml"),
        ("train.epochs", "scales/tiny.toml"),
        ("dataset.meadow.root", "--data"),
        ("loss.pull.rounds", "UNIVIP_LOSS__PULL__ROUNDS"),
        ("target.momentum", "--set"),
        ("train.batch", "default"),
        ("loss.pull.form", "default"),
    ] {
        assert_eq!(recipe.origin(key), origin, "{key}");
    }
}

#[test]
fn a_list_is_replaced_and_a_table_is_merged() {
    let folder = Folder::new(&[
        (
            "recipes/a.toml",
            &over_base("[losses]\nuse = [\"pull\", \"push-away\"]\nweights.pull = 2\nweights.push-away = 3"),
        ),
        ("recipes/b.toml", "inherit = [\"a.toml\"]\n[losses]\nweights.pull = 5"),
        ("recipes/c.toml", "inherit = [\"base.toml\"]\n[losses]\nuse = [\"push-away\"]"),
    ]);
    let weights = folder.load("recipes/b.toml").settings.losses.weights;
    assert_eq!(weights.into_iter().collect::<Vec<_>>(), [("pull".into(), 5.0), ("push-away".into(), 3.0)]);
    assert_eq!(folder.load("recipes/c.toml").settings.losses.names, ["push-away"]);
}

#[test]
fn values_of_flags_and_variables_are_toml_or_else_text() {
    let folder = Folder::new(&[]);
    for (key, value, expected) in [
        ("loss.pull.epsilon", "1", "1.0"),
        ("loss.pull.epsilon", "2.5e-3", "0.0025"),
        ("loss.pull.rounds", " 12 ", "12"),
        ("loss.pull.bias", "false", "false"),
        ("loss.pull.form", "byol", "\"byol\""),
        ("loss.pull.form", "\"byol\"", "\"byol\""),
        ("loss.pull.note", "a = b\nc = 1", "\"a = b\\nc = 1\""),
        ("loss.pull.note", "2026-01-01", "\"2026-01-01\""),
        ("loss.pull.note", "", "\"\""),
        ("losses.use", "[\"push-away\", \"pull\"]", "[\"push-away\",\"pull\"]"),
        ("views.crop.scale", "[0.2, 1]", "[0.2,1.0]"),
    ] {
        let pointer = format!("/{}", key.replace('.', "/"));
        let set = Sources { sets: vec![format!("{key}={value}")], ..folder.sources("recipes/base.toml") };
        let name = format!("UNIVIP_{}", key.replace('.', "__").to_uppercase());
        let variable =
            Sources { environment: vec![(name, value.trim().into())], ..folder.sources("recipes/base.toml") };
        for sources in [set, variable] {
            let recipe = folder.load_with(sources);
            let found = recipe.resolved().pointer(&pointer).map(ToString::to_string);
            assert_eq!(found.as_deref(), Some(expected), "{key}={value}");
        }
    }
}

#[test]
fn underscores_of_a_variable_are_dashes_in_a_plugins_name() {
    let folder = Folder::new(&[("recipes/two.toml", &over_base("[losses]\nuse = [\"push-away\"]"))]);
    let environment =
        vec![("UNIVIP_LOSSES__WEIGHTS__PUSH_AWAY".into(), "0.5".into()), ("PATH".into(), "/bin".into())];
    let recipe = folder.load_with(Sources { environment, ..folder.sources("recipes/two.toml") });
    assert_eq!(recipe.settings.losses.weights["push-away"], 0.5);
}

#[test]
fn a_row_and_its_comment_belong_to_their_own_file() {
    let folder = Folder::new(&[
        (
            "recipes/row.toml",
            "# Table 7 (d): without one loss.\n# About a minute.\ninherit = [\"base.toml\"]\n\
             [row]\nlabel = \"(d)\"\npaper = { top1 = 59.6, map = 40.5 }\n# not this",
        ),
        ("recipes/mine.toml", "inherit = [\"row.toml\"]"),
    ]);
    let row = folder.load("recipes/row.toml");
    assert_eq!(row.description, "Table 7 (d): without one loss.\nAbout a minute.");
    let mine = folder.load("recipes/mine.toml");
    assert_eq!((mine.row, mine.description.as_str()), (None, ""));
    let row = row.row.expect("a row");
    assert_eq!((row.label.as_str(), row.title.as_str()), ("(d)", ""));
    assert_eq!(row.paper["top1"], 59.6);
}

#[test]
fn no_losses_means_no_training_whatever_the_scale_says() {
    let folder = Folder::new(&[
        ("recipes/random.toml", &over_base("[losses]\nuse = []")),
        ("scales/tiny.toml", "[train]\nepochs = 5"),
    ]);
    let recipe =
        folder.load_with(Sources { scale: Some("tiny".into()), ..folder.sources("recipes/random.toml") });
    assert_eq!(recipe.settings.train.epochs, 0);
    assert_eq!(recipe.origin("train.epochs"), "losses.use is empty");
}
