//! Measurements by name, and the digest of each.

use crate::folder::{Folder, over_base};
use anyhow::Result;
use univip_core::assemble::Assembly;
use univip_core::evaluate::{EvaluationContext, Evaluator, Metric};
use univip_core::recipe::{Measurement, Recipe, Sources};
use univip_core::registry::Registry;

/// Two measurements by one evaluator, and one that is called after its own.
const NAMED: &str = r#"
[data]
use = "garden"
[probe_data]
use = "meadow"
[evaluators]
use = ["ruler", "tape", "tape-2x"]
[evaluator.tape-2x]
use = "tape"
steps = 2
"#;

fn load(folder: &Folder, sets: &[&str]) -> Recipe {
    let sets = sets.iter().map(ToString::to_string).collect();
    folder.load_with(Sources { sets, ..folder.sources("recipes/named.toml") })
}

fn folder() -> Folder {
    Folder::new(&[("recipes/named.toml", &over_base(NAMED))])
}

fn measurements(recipe: &Recipe) -> Vec<Measurement> {
    let registry = Registry::linked().expect("plugins");
    let names = &recipe.settings.evaluators.names;
    Assembly::new(recipe, &registry).measurements(names).expect("measurements")
}

#[test]
fn a_table_states_its_evaluator_or_is_called_after_it() {
    let recipe = load(&folder(), &["evaluator.tape-2x.steps=5"]);
    let found: Vec<_> =
        measurements(&recipe).into_iter().map(|measured| (measured.name, measured.plugin)).collect();
    let expected = [("ruler", "ruler"), ("tape", "tape"), ("tape-2x", "tape")];
    assert_eq!(found, expected.map(|(name, plugin)| (name.to_string(), plugin)));
    assert_eq!(
        recipe.resolved()["evaluator"].to_string(),
        r#"{"ruler":{},"tape":{"cache":"","steps":0},"tape-2x":{"cache":"","steps":5,"use":"tape"}}"#
    );
    let shown = recipe.show();
    for line in ["[evaluator.tape-2x]", "use = \"tape\"  # recipes/named.toml", "steps = 5  # --set"] {
        assert!(shown.lines().any(|shown| shown == line), "no line {line:?} in\n{shown}");
    }
    let again = Folder::new(&[("recipes/shown.toml", &shown)]).load("recipes/shown.toml");
    assert_eq!(again.resolved(), recipe.resolved());
    assert_eq!(measurements(&again), measurements(&recipe));
}

/// The digests of ruler, tape and tape-2x with a setting; of each, true where it is another than without.
fn changes(set: &[&str]) -> [bool; 3] {
    let folder = folder();
    let [plain, changed] = [&[][..], set].map(|sets| measurements(&load(&folder, sets)));
    [0, 1, 2].map(|place| plain[place].digest != changed[place].digest)
}

#[test]
fn a_digest_covers_what_its_numbers_depend_on_and_nothing_else() {
    let (ruler, both_tapes) = ([true, false, false], [false, true, true]);
    let cases = [
        ("evaluator.tape.steps=1", [false, true, false]),
        ("evaluator.tape-2x.steps=1", [false, false, true]),
        // Places are no part of it.
        ("evaluator.tape.cache=/tmp", [false; 3]),
        ("dataset.garden.root=/elsewhere", [false; 3]),
        // The images that it measures on are.
        ("dataset.garden.beds=3", both_tapes),
        ("probe_data.val_limit=7", ruler),
        ("probe_data.image_size=64", ruler),
        ("dataset.meadow.root=/elsewhere", ruler),
        // Other measurements and the training are not.
        ("evaluators.online=8", [false; 3]),
        ("loader.workers=9", [false; 3]),
        ("train.epochs=9", [false; 3]),
        ("data.limit=9", [false; 3]),
    ];
    for (set, expected) in cases {
        assert_eq!(changes(&[set]), expected, "{set}");
    }
    // Equal settings are one measurement, whatever it is called.
    let same = measurements(&load(&folder(), &["evaluator.tape-2x.steps=0"]));
    assert_eq!(same[1].digest, same[2].digest);
    let all: Vec<_> = measurements(&load(&folder(), &[])).into_iter().map(|each| each.digest).collect();
    let hexadecimal = |digest: &String| digest.len() == 12 && digest.chars().all(|c| c.is_ascii_hexdigit());
    assert!(all.iter().all(hexadecimal) && all[0] != all[1] && all[1] != all[2], "{all:?}");
}

/// An evaluator whose code has changed.
struct Changed(u32);

impl Evaluator for Changed {
    fn evaluate(&self, _: EvaluationContext<'_>) -> Result<Vec<Metric>> {
        Ok(Vec::new())
    }
    fn metrics(&self) -> Vec<String> {
        Vec::new()
    }
    fn version(&self) -> u32 {
        self.0
    }
}

#[test]
fn a_digest_covers_the_version_of_the_protocols_code() {
    let (recipe, registry) = (load(&folder(), &[]), Registry::linked().expect("plugins"));
    let digest =
        |version| recipe.measurement("ruler", &registry, &Changed(version)).expect("a measurement").digest;
    assert_eq!(digest(1), measurements(&recipe)[0].digest);
    assert_ne!(digest(1), digest(2));
}

#[test]
fn the_fingerprint_covers_no_measurement() {
    let folder = folder();
    let fingerprint = |set: &str| load(&folder, &[set]).fingerprint();
    let plain = load(&folder, &[]).fingerprint();
    for set in [
        "evaluators.use=[]",
        "evaluators.online=8",
        "evaluator.tape.steps=1",
        "evaluator.tape-2x.steps=1",
        "probe_data.val_limit=7",
        "probe_data.use=garden",
        "dataset.meadow.root=/elsewhere",
        "dataset.garden.root=/elsewhere",
    ] {
        assert_eq!(fingerprint(set), plain, "{set}");
    }
    for set in ["data.limit=9", "dataset.garden.beds=3", "data.use=meadow"] {
        assert_ne!(fingerprint(set), plain, "{set}");
    }
}

#[test]
fn a_measurement_without_a_known_evaluator_is_refused() {
    let refusal = |difference: &str| {
        let folder = Folder::new(&[("recipes/bad.toml", &over_base(difference))]);
        folder.refusal(&folder.sources("recipes/bad.toml"))
    };
    for (difference, expected) in [
        (
            "[evaluators]\nuse = [\"tape-3x\"]\n[evaluator.tape-2x]\nuse = \"tape\"",
            "recipes/bad.toml: `evaluators.use`: unknown evaluator `tape-3x`; did you mean `tape-2x`? Known: ruler, tape, tape-2x; a \
             measurement with a name of its own states its evaluator, as in [evaluator.tape-3x] use = \"ruler\"",
        ),
        (
            "[evaluator.tape-2x]\nsteps = 2",
            "recipes/bad.toml: `evaluator.tape-2x`: unknown evaluator `tape-2x`; known: ruler, tape; a measurement with a name of its \
             own states its evaluator, as in [evaluator.tape-2x] use = \"ruler\"",
        ),
        (
            "[evaluator.tape-2x]\nuse = \"taep\"",
            "recipes/bad.toml: `evaluator.tape-2x.use`: unknown evaluator `taep`; did you mean `tape`? Known: ruler, tape",
        ),
        (
            "[evaluator.tape-2x]\nuse = 3",
            "recipes/bad.toml: `evaluator.tape-2x.use`: expected the name of an evaluator; known: ruler, tape",
        ),
        (
            "[evaluator.tape-2x]\nuse = \"tape\"\nstep = 3",
            "recipes/bad.toml: `evaluator.tape-2x.step`: unknown key; did you mean `steps`? Known: steps, cache",
        ),
        (
            "[evaluators]\nuse = [\"tape 2\"]",
            "recipes/bad.toml: `evaluators.use`: a measurement cannot be called `tape 2`: expected letters, digits, - and _",
        ),
    ] {
        assert_eq!(refusal(difference), expected, "{difference}");
    }
    // A table that no measurement uses is checked, and may be there: `--with` may ask for it.
    Folder::new(&[("recipes/unused.toml", &over_base("[evaluator.tape-2x]\nuse = \"tape\""))])
        .load("recipes/unused.toml");
}
