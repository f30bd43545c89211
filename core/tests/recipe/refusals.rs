//! Every mistake is refused, with the file, the key and what to write instead.

use crate::folder::{Folder, flag, over_base};
use univip_core::recipe::Sources;

const SECTIONS: &str = "data, probe_data, loader, proposals, views, augment, network, heads, losses, optimizer, schedule, \
                        target, train, evaluators, backbone, dataset, evaluator, head, loss, proposal, view";

#[test]
fn an_infinite_number_is_refused_where_no_range_says_so() {
    let folder = Folder::new(&[("recipes/bad.toml", &over_base("[loss.pull]\nepsilon = inf"))]);
    let expected = "recipes/bad.toml: `loss.pull.epsilon`: expected a finite number";
    assert_eq!(folder.refusal(&folder.sources("recipes/bad.toml")), expected);
}

#[test]
fn a_scale_inherits_nothing_of_the_recipe() {
    let folder = Folder::new(&[("scales/odd.toml", "inherit = [\"../recipes/base.toml\"]")]);
    let sources = Sources { scale: Some("odd".into()), ..folder.sources("recipes/base.toml") };
    let expected = "scales/odd.toml: `inherit`: the recipe is made of recipes/base.toml already; a scale states only its own values";
    assert_eq!(folder.refusal(&sources), expected);
}

/// Each mistake over the base recipe is refused with its words; all that are not are told.
fn refused<const N: usize>(mistakes: [(&str, String); N]) {
    let wrong = |(difference, expected): (&str, String)| {
        let folder = Folder::new(&[("recipes/bad.toml", &over_base(difference))]);
        let found = folder.refusal(&folder.sources("recipes/bad.toml"));
        let expected = format!("recipes/bad.toml: {expected}");
        (found != expected).then(|| format!("{difference}\n  expected {expected}\n  found    {found}"))
    };
    let wrong: Vec<String> = mistakes.into_iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{} of {N} mistakes:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_said_at_no_scale_is_refused() {
    for (text, expected) in [
        ("[at.smal.train]\nepochs = 1", "`at.smal`: no such scale; did you mean `small`? Known: small"),
        ("[at]\nsmall = 3", "`at.small`: expected a table, such as [at.small.optimizer]"),
        ("at = 3", "`at`: expected a table, such as [at.small.optimizer]"),
        ("[at.small.trian]\nepochs = 1", "`trian`: unknown section; did you mean `train`? Known:"),
    ] {
        let folder = Folder::new(&[("recipes/bad.toml", &over_base(text))]);
        let sources = Sources { scale: Some("small".into()), ..folder.sources("recipes/bad.toml") };
        let found = folder.refusal(&sources);
        assert!(found.starts_with(&format!("recipes/bad.toml: {expected}")), "{found}");
    }
}

#[test]
fn unknown_names_in_a_file() {
    let sections = |problem: &str| format!("{problem} {SECTIONS}");
    refused([
        ("[optimiser]\nlr = 1", sections("`optimiser`: unknown section; did you mean `optimizer`? Known:")),
        ("[zebra]\nx = 1", sections("`zebra`: unknown section; known:")),
        (
            "[train]\nepoch = 3",
            "`train.epoch`: unknown key; did you mean `epochs`? Known: epochs, batch, accumulate, checkpoint_every, \
             keep"
                .into(),
        ),
        (
            "[views.crop]\nscales = [0.1, 1.0]",
            "`views.crop.scales`: unknown key; did you mean `scale`? Known: scale, ratio".into(),
        ),
        (
            "[augment.view2]\nsolarise = 0.2",
            "`augment.view2.solarise`: unknown key; did you mean `solarize`? Known: flip, jitter, brightness, \
             contrast, saturation, hue, grey, grey_first, blur, blur_sigma, solarize"
                .into(),
        ),
        (
            "[losses]\nuse = [\"pul\"]",
            "`losses.use`: unknown loss `pul`; did you mean `pull`? Known: pull, push-away".into(),
        ),
        ("[views]\nuse = \"zebra\"", "`views.use`: unknown view `zebra`; known: pair".into()),
        (
            "[loss.push-awy]\n",
            "`loss.push-awy`: unknown loss `push-awy`; did you mean `push-away`? Known: pull, push-away".into(),
        ),
        (
            "[network]\nbackbone = \"resnet19\"",
            "`network.backbone`: unknown backbone `resnet19`; did you mean `resnet18`? Known: resnet18, resnet50".into(),
        ),
    ]);
}

#[test]
fn mistakes_in_a_plugins_table_in_use_or_not() {
    refused([
        (
            "[loss.pull]\nepsilom = 0.1",
            "`loss.pull.epsilom`: unknown key; did you mean `epsilon`? Known: epsilon, rounds, form, bias, note".into(),
        ),
        ("[loss.pull]\nepsilon = \"x\"", "`loss.pull.epsilon`: expected a number, found the string \"x\"".into()),
        ("[loss.pull]\nepsilon = 0", "`loss.pull.epsilon`: expected above 0, found 0".into()),
        (
            "[loss.pull]\nform = \"negcos\"",
            "`loss.pull.form`: unknown value `negcos`; did you mean `neg-cos`? Known: neg-cos, byol".into(),
        ),
        ("[loss.push-away]\nx = 1", "`loss.push-away.x`: unknown key `x`; no key is known here".into()),
        ("[loss]\npull = 3", "`loss.pull`: expected a table, found `3`".into()),
        ("loss = true", "`loss`: expected a table, found `true`".into()),
        ("train = [1]", "`train`: expected a table, found a list".into()),
    ]);
}

#[test]
fn values_of_the_wrong_type() {
    refused([
        ("[train]\nbatch = 1.5", "`train.batch`: expected a whole number from 0 up, found `1.5`".into()),
        ("[train]\nbatch = -8", "`train.batch`: expected a whole number from 0 up, found `-8`".into()),
        ("[train]\nbatch = [8]", "`train.batch`: expected a whole number from 0 up, found a list".into()),
        ("[losses]\nuse = \"pull\"", "`losses.use`: expected a list, found the string \"pull\"".into()),
        (
            "[network]\nzero_init_residual = 1",
            "`network.zero_init_residual`: expected `true` or `false`, found `1`".into(),
        ),
        (
            "[views.crop]\nscale = [0.1]",
            "`views.crop.scale`: expected a list of length 2, found 1 values".into(),
        ),
        ("[views.crop]\nscale = [0.1, 0.5, 1.0]", "`views.crop.scale`: expected 2 values, found 3".into()),
        (
            "[views.crop]\nscale = [0.1, \"x\"]",
            "`views.crop.scale.1`: expected a number, found the string \"x\"".into(),
        ),
        (
            "[losses]\nweights = { pull = \"x\" }",
            "`losses.weights.pull`: expected a number, found the string \"x\"".into(),
        ),
    ]);
}

#[test]
fn values_out_of_range() {
    refused([
        (
            "[views]\nscene_size = 31",
            "`views.scene_size`: expected at least 32 pixels, the backbone's stride, found 31".into(),
        ),
        (
            "[views]\ninstance_size = 0",
            "`views.instance_size`: expected at least 32 pixels, the backbone's stride, found 0".into(),
        ),
        (
            "[probe_data]\nimage_size = 16",
            "`probe_data.image_size`: expected at least 32 pixels, the backbone's stride, found 16".into(),
        ),
        (
            "[views.crop]\nscale = [0.5, 0.1]",
            "`views.crop.scale`: expected [from, to] in order, found [0.5, 0.1]".into(),
        ),
        (
            "[views.crop]\nscale = [0.5, 1.5]",
            "`views.crop.scale`: expected at most 1, the whole image, found 1.5".into(),
        ),
        ("[views.crop]\nratio = [0.0, 1.0]", "`views.crop.ratio`: expected a number above 0, found 0".into()),
        ("[augment.view1]\nflip = 1.01", "`augment.view1.flip`: expected 0 to 1, found 1.01".into()),
        ("[augment.view2]\nhue = 0.6", "`augment.view2.hue`: expected 0 to 0.5, found 0.6".into()),
        (
            "[augment.view1]\ncontrast = -0.1",
            "`augment.view1.contrast`: expected a number from 0 up, found -0.1".into(),
        ),
        (
            "[augment]\nstd = [1.0, 0.0, 1.0]",
            "`augment.std`: expected numbers above 0, found [1.0, 0.0, 1.0]".into(),
        ),
        ("[augment.view1]\nblur = nan", "`augment.view1.blur`: expected 0 to 1, found NaN".into()),
        (
            "[train]\nbatch = 1",
            "`train.batch`: expected at least 2 images, for batch norm's statistics, found 1".into(),
        ),
        ("[train]\naccumulate = 0", "`train.accumulate`: expected at least 1, found 0".into()),
        ("[train]\nkeep = 0", "`train.keep`: expected at least 1, found 0".into()),
        ("[loader]\nahead = 0", "`loader.ahead`: expected at least 1, found 0".into()),
        ("[network]\nwidth = 0", "`network.width`: expected at least 1, found 0".into()),
        ("[optimizer]\nlr = 0", "`optimizer.lr`: expected a number above 0, found 0".into()),
        ("[optimizer]\nlr = inf", "`optimizer.lr`: expected a number above 0, found inf".into()),
        ("[optimizer]\nmomentum = 1", "`optimizer.momentum`: expected 0 to below 1, found 1".into()),
        ("[target]\nmomentum = 1.1", "`target.momentum`: expected 0 to 1, found 1.1".into()),
        (
            "[proposals.limits]\nmax_aspect = 0.5",
            "`proposals.limits.max_aspect`: expected at least 1 (longest over shortest side), found 0.5"
                .into(),
        ),
        (
            "[proposals.limits]\nmax_iou = 1.5",
            "`proposals.limits.max_iou`: expected 0 to 1, found 1.5".into(),
        ),
    ]);
}

#[test]
fn mistakes_in_the_optimiser() {
    refused([
        (
            "[optimizer]\nuse = \"lars\"\nnesterov = true",
            "`optimizer.nesterov`: expected `false` unless optimizer.use is \"sgd\" and optimizer.momentum above 0".into(),
        ),
        (
            "[optimizer]\nbeta2 = 0.9",
            "`optimizer.beta2`: only AdamW has it: set optimizer.use to \"adamw\", or leave it out".into(),
        ),
        ("[optimizer]\nuse = \"adamw\"\nbeta2 = 1", "`optimizer.beta2`: expected 0 to below 1, found 1".into()),
        (
            "[optimizer]\nuse = \"adamw\"\nepsilon = 0",
            "`optimizer.epsilon`: expected a number above 0, found 0".into(),
        ),
        ("[optimizer]\nrules = 3", "`optimizer.rules`: expected a list, found `3`".into()),
        ("[[optimizer.rules]]\nlr = \"constant\"", "`optimizer.rules.0`: `prefix` is missing and has no default".into()),
        (
            "[[optimizer.rules]]\nprefix = \"head\"\nlr = \"fixed\"",
            "`optimizer.rules.0.lr`: unknown value `fixed`; known: constant".into(),
        ),
        (
            "[[optimizer.rules]]\nprefix = \"head\"\nfrozen = 3",
            "`optimizer.rules.0.frozen`: unknown key; known: prefix, lr, frozen_until, weight_decay".into(),
        ),
        (
            "[[optimizer.rules]]\nprefix = \"head\"",
            "`optimizer.rules`: the rule of `head` says nothing: set lr, frozen_until or weight_decay".into(),
        ),
        (
            "[[optimizer.rules]]\nprefix = \"\"\nweight_decay = false",
            "`optimizer.rules`: a rule has an empty prefix: give the first parts of the parameters' names".into(),
        ),
    ]);
}

#[test]
fn settings_that_contradict_each_other() {
    refused([
        ("[losses]\nuse = [\"pull\", \"pull\"]", "`losses.use`: `pull` is named twice".into()),
        ("[losses]\nweights = { pull = -1 }", "`losses.weights`: expected `pull` from 0 up, found -1".into()),
        (
            "[losses]\nweights = { push-away = 1 }",
            "`losses.weights`: `push-away` has a weight but is not in losses.use: [\"pull\"]".into(),
        ),
        (
            "[evaluators]\nevery = 2",
            "`evaluators.during`: names 0 evaluators to run every 2 epochs: set evaluators.during and evaluators.every, \
             or neither"
                .into(),
        ),
        (
            "[evaluators]\nonline = 1",
            "`evaluators.online`: expected 0 or at least 2 images, for the statistics of their features, found 1".into(),
        ),
        (
            "[schedule]\ndrops = [0.5]",
            "`schedule.drops`: expected none unless schedule.semantics is \"step\"".into(),
        ),
        (
            "[schedule]\ndrop_factor = 0.5",
            "`schedule.drop_factor`: only steps have it: set schedule.semantics to \"step\", or leave it out".into(),
        ),
        (
            "[schedule]\nsemantics = \"step\"\ndrops = [0.8, 0.6]",
            "`schedule.drops`: expected rising shares of the run between 0 and 1, such as [0.6, 0.8], found [0.8, 0.6]"
                .into(),
        ),
        (
            "[schedule]\nsemantics = \"step\"\ndrops = [60.0]",
            "`schedule.drops`: expected rising shares of the run between 0 and 1, such as [0.6, 0.8], found [60.0]".into(),
        ),
        (
            "[schedule]\nsemantics = \"step\"",
            "`schedule.drops`: expected rising shares of the run between 0 and 1, such as [0.6, 0.8], found []".into(),
        ),
        (
            "[train]\nepochs = 2\n[schedule]\nwarmup_epochs = 3",
            "`schedule.warmup_epochs`: the warm-up of 3 epochs is longer than the run of 2".into(),
        ),
    ]);
}

#[test]
fn mistakes_in_the_row() {
    refused([
        ("[row]\nlabel = 7", "`row.label`: expected a string, found `7`".into()),
        (
            "[row]\nlabel = \"a\"\npapre = {}",
            "`row.papre`: unknown key; did you mean `paper`? Known: label, title, paper".into(),
        ),
    ]);
}

#[test]
fn the_file_named_is_the_one_that_says_it() {
    let folder = Folder::new(&[
        ("recipes/parent.toml", &over_base("[train]\nbatch = \"many\"")),
        ("recipes/child.toml", "inherit = [\"parent.toml\"]"),
        ("recipes/mended.toml", "inherit = [\"parent.toml\"]\n[train]\nbatch = 8"),
        ("scales/odd.toml", "[target]\nmomentum = 2"),
        ("scales/row.toml", "[row]\nlabel = \"x\""),
    ]);
    let child = folder.sources("recipes/child.toml");
    let expected =
        "recipes/parent.toml: `train.batch`: expected a whole number from 0 up, found the string \"many\"";
    assert_eq!(folder.refusal(&child), expected);
    folder.load("recipes/mended.toml");

    let scaled = |scale: &str| Sources { scale: Some(scale.into()), ..folder.sources("recipes/base.toml") };
    let expected = "scales/odd.toml: `target.momentum`: expected 0 to 1, found 2";
    assert_eq!(folder.refusal(&scaled("odd")), expected);
    let expected = format!("scales/row.toml: `row`: unknown section; known: {SECTIONS}");
    assert_eq!(folder.refusal(&scaled("row")), expected);
    let expected = "--scale: `smal`: no such scale in scales; did you mean `small`? Known: odd, row, small";
    assert_eq!(folder.refusal(&scaled("smal")), expected);
}

#[test]
fn mistakes_outside_files() {
    let folder = Folder::new(&[]);
    let sources = || folder.sources("recipes/base.toml");
    let set = |text: &str| Sources { sets: vec![text.into()], ..sources() };
    let variable =
        |name: &str, value: &str| Sources { environment: vec![(name.into(), value.into())], ..sources() };
    let overlay =
        |key: &str, value: &str| Sources { overlays: vec![flag(key, value, "--data")], ..sources() };
    let rows = [
        (set("optimizer.lr=fast"), "--set: `optimizer.lr`: expected a number, found the string \"fast\""),
        (set("optimizer.lr"), "--set: `optimizer.lr`: expected key=value, such as optimizer.lr=0.1"),
        (set("=3"), "--set: ``: expected section.key, such as optimizer.lr"),
        (set("optimizer..lr=3"), "--set: `optimizer..lr`: expected section.key, such as optimizer.lr"),
        (
            set("optimizer.rl=3"),
            "--set: `optimizer.rl`: unknown key; did you mean `lr`? Known: use, lr, momentum, weight_decay, \
             decay_bias_and_norm, trust, nesterov, beta2, epsilon, rules",
        ),
        (set("loss=3"), "--set: `loss`: expected a table, found `3`"),
        (
            variable("UNIVIP_TRAIN__BATCH", "x"),
            "UNIVIP_TRAIN__BATCH: `train.batch`: expected a whole number from 0 up, found the string \"x\"",
        ),
        (
            variable("UNIVIP_TRAIN__BACH", "8"),
            "UNIVIP_TRAIN__BACH: `train.bach`: unknown key; did you mean `batch`? Known: epochs, batch, accumulate, \
             checkpoint_every, keep",
        ),
        (
            variable("UNIVIP_BATCH", "8"),
            "environment: `UNIVIP_BATCH`: expected UNIVIP_SECTION__KEY, such as UNIVIP_OPTIMIZER__LR",
        ),
        (
            overlay("data.use", "medow"),
            "--data: `data.use`: unknown dataset `medow`; did you mean `meadow`? Known: garden, meadow",
        ),
        (
            overlay("dataset.medow.root", "/x"),
            "--data: `dataset.medow`: unknown dataset `medow`; did you mean `meadow`? Known: garden, meadow",
        ),
    ];
    let found = rows.map(|(sources, expected)| (folder.refusal(&sources), expected));
    let wrong: Vec<_> = found.iter().filter(|(found, expected)| found != expected).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_that_cannot_be_inherited() {
    let rows = [
        (
            vec![("recipes/a.toml", "inherit = [\"b.toml\"]"), ("recipes/b.toml", "inherit = [\"a.toml\"]")],
            "recipes/b.toml: `inherit`: a cycle: recipes/a.toml -> recipes/b.toml -> recipes/a.toml; remove one of them",
        ),
        (
            vec![("recipes/a.toml", "inherit = [\"a.toml\"]")],
            "recipes/a.toml: `inherit`: a cycle: recipes/a.toml -> recipes/a.toml; remove one of them",
        ),
        (
            vec![
                ("recipes/a.toml", "inherit = [\"b.toml\", \"sub/c.toml\"]"),
                ("recipes/b.toml", "inherit = [\"base.toml\"]"),
                ("recipes/sub/c.toml", "inherit = [\"../base.toml\"]"),
            ],
            "recipes/sub/c.toml: `inherit`: `../base.toml` (recipes/base.toml) is already inherited by \
             recipes/b.toml; inherit it in one place",
        ),
        (
            vec![("recipes/a.toml", "inherit = [\"base.toml\", \"./base.toml\"]")],
            "recipes/a.toml: `inherit`: `./base.toml` (recipes/base.toml) is already inherited by recipes/a.toml; \
             inherit it in one place",
        ),
        (
            vec![("recipes/a.toml", "inherit = [\"bse.toml\"]")],
            "recipes/a.toml: `inherit`: `bse.toml` (recipes/bse.toml): no such file; did you mean `base.toml`? \
             Known: a.toml, base.toml",
        ),
        (
            vec![("recipes/a.toml", "inherit = \"base.toml\"")],
            "recipes/a.toml: `inherit`: expected a list of files, such as [\"../base.toml\"]",
        ),
        (
            vec![("recipes/a.toml", "inherit = [\"b.toml\"]"), ("recipes/b.toml", "[train]\n\nbatch = \n")],
            "recipes/b.toml:3: `batch =`: not TOML: string values must be quoted, expected literal string",
        ),
        (vec![], "recipe: `recipes/a.toml`: no such file; did you mean `base.toml`? Known: base.toml"),
    ];
    let wrong = |(files, expected): (Vec<(&str, &str)>, &str)| {
        let folder = Folder::new(&files);
        let found = folder.refusal(&folder.sources("recipes/a.toml"));
        (found != expected).then(|| format!("{found}, expected {expected}"))
    };
    let wrong: Vec<_> = rows.into_iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_recipe_that_says_nothing_of_losses_is_a_mistake() {
    let folder = Folder::new(&[("recipes/empty.toml", "")]);
    let expected = "recipes/empty.toml: `losses.use`: missing: name at least one loss, or write `use = []` to leave \
                    the backbone untrained";
    assert_eq!(folder.refusal(&folder.sources("recipes/empty.toml")), expected);
}

#[test]
fn a_plugins_required_key_is_asked_for_in_the_recipe() {
    let folder = Folder::new(&[("recipes/a.toml", "[losses]\nuse = [\"pull\"]\n[data]\nuse = \"meadow\"")]);
    let expected = "recipes/a.toml: `dataset.meadow`: `root` is missing and has no default";
    assert_eq!(folder.refusal(&folder.sources("recipes/a.toml")), expected);
}

/// The parser, and whatever walks a table, calls itself at each level.
#[test]
fn what_is_nested_without_an_end_is_refused() {
    let folder = Folder::new(&[("recipes/deep.toml", &"={[]".repeat(50_000))]);
    let refusal = folder.refusal(&folder.sources("recipes/deep.toml"));
    assert!(refusal.contains("recipes/deep.toml:1: "), "{}", &refusal[..200]);
    assert!(refusal.contains("line 1 has brackets nested more than 128 deep; is one never closed?"));
    let set = |text: String| Sources { sets: vec![text], ..folder.sources("recipes/base.toml") };
    let refusal = folder.refusal(&set(format!("{}lr=1", "optimizer.".repeat(20_000))));
    assert!(refusal.ends_with(": a key has at most 128 parts"), "{}", &refusal[..200]);
    let refusal = folder.refusal(&set(format!("optimizer.lr={}", "[".repeat(50_000))));
    assert!(
        refusal.starts_with("--set: `optimizer.lr`: expected a number, found the string"),
        "{}",
        &refusal[..200]
    );
}
