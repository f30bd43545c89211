//! What an ablation will run: its rows, the runs they share, what is finished, and how long the rest takes.

use crate::estimate::{Estimate, human};
use crate::evaluate::flatten;
use crate::run;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use univip_core::error::{RecipeError, suggest};
use univip_core::files::write_atomic;
use univip_core::recipe::{Override, Recipe, Row, Sources};

/// What `ablate` takes, and the directories of recipes it stands for, in the paper's order.
const TABLES: [(&str, &[&str]); 7] = [
    ("table7", &["table7"]),
    ("table8a", &["table8a"]),
    ("table8b", &["table8b"]),
    ("table8c", &["table8c"]),
    ("table8", &["table8a", "table8b", "table8c"]),
    ("table9", &["table9"]),
    ("all", &["table7", "table8a", "table8b", "table8c", "table9"]),
];

/// The recipe of the untrained backbone that stands beside every table, as in the paper's Table 1.
const RANDOM: &str = "random";

/// What makes an untrained backbone and its numbers; all else of a recipe is about training.
const OF_BACKBONE: [&str; 8] =
    ["network", "data", "probe_data", "dataset", "loader", "augment", "evaluators", "evaluator"];

/// The table of recipes that are run by themselves.
const RUN: &str = "run";

/// What an ablation will run.
pub struct Plan {
    /// All rows of the tables, in the paper's order.
    rows: Vec<PlannedRow>,
    /// The distinct trainings, in the order of their first row.
    trainings: Vec<PlannedRun>,
    /// The untrained backbone.
    random: PlannedRun,
    /// The seeds of each run.
    pub seeds: Vec<u64>,
    /// The scale's name.
    pub scale: String,
    /// What was laid over the recipes, as `key=value`.
    overrides: Vec<String>,
}

/// A row of a table of the paper.
pub struct PlannedRow {
    /// Its recipe's name: `table7/d`.
    pub name: String,
    /// `[row]`.
    pub row: Row,
    /// Which of the plan's trainings makes its number.
    run: usize,
    /// Whether it is asked for; the other rows only stand in the report.
    wanted: bool,
}

/// A recipe that is run once for each seed, for one row or several.
pub struct PlannedRun {
    /// `table7-e`, after the first row that needs it.
    pub name: String,
    /// Its recipe.
    pub recipe: Recipe,
}

/// Where recipes are, and what is laid over each of them.
pub struct Library {
    /// The directory of `recipes/` and `scales/`.
    pub directory: PathBuf,
    /// The scale's name.
    pub scale: String,
    /// What flags such as `--data` stand for.
    pub overlays: Vec<Override>,
    /// `--set`.
    pub sets: Vec<String>,
}

impl Library {
    /// Loads a recipe: a file of the user's or, by its name (`table7/d`), one of the project's.
    pub fn load(&self, name: &str) -> Result<Recipe> {
        self.load_with(name, Sources::process_environment(), self.sets.clone())
    }

    /// The recipe of the untrained backbone: whatever is set for the losses of the others is not for it.
    fn load_random(&self) -> Result<Recipe> {
        let mut environment = Sources::process_environment();
        environment.retain(|(name, _)| !name.starts_with("UNIVIP_LOSSES__"));
        let mut sets = self.sets.clone();
        sets.retain(|set| !set.starts_with("losses."));
        self.load_with(RANDOM, environment, sets)
    }

    /// The untrained backbone of `recipe`: its network, measured as it says.
    fn load_untrained(&self, recipe: &Recipe) -> Result<Recipe> {
        let origin = recipe.path.display().to_string();
        let mut values = Vec::new();
        for section in OF_BACKBONE {
            flatten(section, &recipe.resolved()[section], &mut |key, value| {
                values.push((key, value.clone()))
            });
        }
        let overlay = |(key, value)| -> Result<Override> {
            let value = toml::Value::try_from::<serde_json::Value>(value)?.to_string();
            Ok(Override { key, value, origin: origin.clone() })
        };
        let overlays = values.into_iter().map(overlay).collect::<Result<_>>()?;
        self.load_over(RANDOM, overlays, Vec::new(), Vec::new())
    }

    /// What is laid over each recipe, as `key=value`.
    fn overrides(&self) -> Vec<String> {
        let flags = self.overlays.iter().map(|overlay| format!("{}={}", overlay.key, overlay.value));
        let environment = Sources::process_environment().into_iter();
        let environment = environment.map(|(name, value)| format!("{name}={value}"));
        flags.chain(environment).chain(self.sets.iter().map(|set| set.trim().to_string())).collect()
    }

    fn load_with(&self, name: &str, environment: Vec<(String, String)>, sets: Vec<String>) -> Result<Recipe> {
        self.load_over(name, self.overlays.clone(), environment, sets)
    }

    fn load_over(
        &self,
        name: &str,
        overlays: Vec<Override>,
        environment: Vec<(String, String)>,
        sets: Vec<String>,
    ) -> Result<Recipe> {
        Recipe::load(&Sources {
            path: self.path(name)?,
            scale: Some(self.scale.clone()),
            scales: self.directory.join("scales"),
            overlays,
            environment,
            sets,
        })
    }

    /// The file of a recipe.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let own = self.directory.join("recipes").join(format!("{name}.toml"));
        if let Some(path) = [own, name.into()].into_iter().find(|path| path.exists()) {
            return Ok(path);
        }
        let known = self.known()?;
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let problem = format!("no file and no recipe is called `{name}`; {}", suggest(name, &known));
        Err(usage("recipe", problem))
    }

    /// The names of the project's recipes.
    fn known(&self) -> Result<Vec<String>> {
        let mut known: Vec<String> = self.names(".")?.iter().map(|name| name.replacen("./", "", 1)).collect();
        for (table, _) in TABLES.iter().filter(|(name, tables)| *tables == [*name]) {
            known.extend(self.names(table)?);
        }
        Ok(known)
    }

    /// The names of the recipes of a table's directory, sorted: which of several that cannot be used is named must
    /// not depend on the disk.
    fn names(&self, table: &str) -> Result<Vec<String>> {
        let directory = self.directory.join("recipes").join(table);
        let listing = || format!("listing the recipes of {table} in {}", directory.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(&directory).with_context(listing)? {
            let path = entry.with_context(listing)?.path();
            if let (Some(stem), true) = (path.file_stem(), path.extension().is_some_and(|end| end == "toml"))
            {
                names.push(format!("{table}/{}", stem.to_string_lossy()));
            }
        }
        names.sort();
        Ok(names)
    }
}

impl Plan {
    /// The plan of `table` (see `univip ablate --help`), or of one of its rows.
    ///
    /// # Errors
    /// A [`RecipeError`] for an unknown table or row, and for any recipe that cannot be used.
    pub fn new(library: &Library, table: &str, row: Option<&str>, seeds: &[u64]) -> Result<Self> {
        let known: Vec<&str> = TABLES.iter().map(|(name, _)| *name).collect();
        let Some((_, tables)) = TABLES.iter().find(|(name, _)| *name == table) else {
            return Err(usage("table", format!("unknown table `{table}`; {}", suggest(table, &known))));
        };
        let mut plan = Self::empty(library, library.load_random()?, seeds);
        for table in *tables {
            let mut found = Vec::new();
            for name in library.names(table)? {
                let recipe = library.load(&name)?;
                let Some(described) = recipe.row.clone() else {
                    return Err(recipe
                        .error("row", format!("{name} has no [row] and stands in no table"))
                        .into());
                };
                found.push((described.order, name, described, recipe));
            }
            found.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
            for (_, name, described, recipe) in found {
                let wanted = row.is_none_or(|row| row == end(&name));
                plan.add(name, described, recipe, wanted);
            }
        }
        if let (Some(row), true) = (row, plan.wanted().next().is_none()) {
            let known: Vec<&str> = plan.rows.iter().map(|row| end(&row.name)).collect();
            return Err(usage("--row", format!("{table} has no row `{row}`; {}", suggest(row, &known))));
        }
        Ok(plan)
    }

    /// The plan of one recipe of the user's: a table of its own, whatever table the recipe is a row of.
    pub fn of_recipe(library: &Library, name: &str, seeds: &[u64]) -> Result<Self> {
        let recipe = library.load(name)?;
        let stem = Path::new(name).with_extension("");
        let name = stem.to_string_lossy().trim_start_matches(['.', '/']).to_string();
        let untrained = recipe.settings.losses.names.is_empty();
        let random = if untrained { recipe.clone() } else { library.load_untrained(&recipe)? };
        let mut plan = Self::empty(library, random, seeds);
        let mut row =
            Row { table: RUN.into(), label: name.clone(), ..recipe.row.clone().unwrap_or_default() };
        if row.title.is_empty() {
            row.title = format!("recipe {}", recipe.fingerprint());
        }
        plan.add(name, row, recipe, true);
        Ok(plan)
    }

    fn empty(library: &Library, random: Recipe, seeds: &[u64]) -> Self {
        Self {
            rows: Vec::new(),
            trainings: Vec::new(),
            random: PlannedRun { name: RANDOM.into(), recipe: random },
            // A seed given twice is one run.
            seeds: distinct(seeds.iter().copied()),
            scale: library.scale.clone(),
            overrides: library.overrides(),
        }
    }

    fn add(&mut self, name: String, row: Row, recipe: Recipe, wanted: bool) {
        let fingerprint = recipe.fingerprint();
        let same = |run: &PlannedRun| run.recipe.fingerprint() == fingerprint;
        let run = self.trainings.iter().position(same).unwrap_or_else(|| {
            self.trainings.push(PlannedRun { name: name.replace('/', "-"), recipe });
            self.trainings.len() - 1
        });
        self.rows.push(PlannedRow { name, row, run, wanted });
    }

    /// The rows that are asked for.
    fn wanted(&self) -> impl Iterator<Item = &PlannedRow> {
        self.rows.iter().filter(|row| row.wanted)
    }

    /// The trainings that they need.
    fn needed(&self) -> impl Iterator<Item = &PlannedRun> {
        let needed = |run: usize| self.wanted().any(|row| row.run == run);
        self.trainings.iter().enumerate().filter(move |(run, _)| needed(*run)).map(|(_, planned)| planned)
    }

    /// Every run once, the untrained backbone first: it takes seconds, and shows at once that evaluation works.
    pub fn runs(&self) -> impl Iterator<Item = &PlannedRun> {
        let random = self.random.recipe.fingerprint();
        let trainings = self.needed().filter(move |run| run.recipe.fingerprint() != random);
        std::iter::once(&self.random).chain(trainings)
    }

    /// The plan for people, closing with its counts; with `force` nothing counts as finished. `images` tells how many
    /// images a recipe learns from.
    pub fn describe(
        &self,
        runs: &Path,
        force: bool,
        images: &dyn Fn(&Recipe) -> Result<usize>,
    ) -> Result<String> {
        let estimate = Estimate::new()?;
        let mut text = String::new();
        let mut left = Duration::ZERO;
        for (place, row) in self.wanted().enumerate() {
            let planned = &self.trainings[row.run];
            let shared = self.wanted().take(place).find(|earlier| earlier.run == row.run);
            let state = match shared {
                Some(earlier) => format!("the run of {}", earlier.name),
                None => {
                    let time = estimate.training(&planned.recipe.settings, images(&planned.recipe)?);
                    let (done, state) = if force { (0, each(time)) } else { self.state(planned, runs, time) };
                    left += time * (self.seeds.len() - done) as u32;
                    state
                }
            };
            let fingerprint = planned.recipe.fingerprint();
            text += &format!("{:<24} {:<36} {fingerprint}  {state}\n", row.name, row.row.title);
        }
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        text += &format!(
            "and the untrained backbone beside them. Scale {}, seeds {}; about {} of training left on this machine, \
             and what the evaluators take\n",
            self.scale,
            seeds.join(", "),
            human(left)
        );
        let count =
            |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        text +=
            &format!("{}, {}\n", count(self.wanted().count(), "row"), count(self.needed().count(), "run"));
        Ok(text)
    }

    /// How many seeds of a run are finished, and that in words. A damaged directory is one that is not.
    fn state(&self, planned: &PlannedRun, runs: &Path, time: Duration) -> (usize, String) {
        let fingerprint = planned.recipe.fingerprint();
        let (mut done, mut problems) = (0, String::new());
        for seed in &self.seeds {
            match run::finished(runs, &planned.name, &fingerprint, *seed) {
                Ok(finished) => done += usize::from(finished),
                Err(error) => problems += &format!("; seed {seed}: {error:#}"),
            }
        }
        let state = match done {
            0 => each(time),
            done if done == self.seeds.len() => "finished".into(),
            done => format!("{done} of {} seeds finished", self.seeds.len()),
        };
        (done, state + &problems)
    }

    /// Writes what reports need to know of the tables: `<runs>/plans/table7-small-....json`. A plan takes the place of an
    /// earlier one of the same runs only, and keeps its seeds.
    pub fn write(&self, runs: &Path) -> Result<()> {
        let directory = runs.join("plans");
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        let mut tables: BTreeMap<&str, Vec<&PlannedRow>> = BTreeMap::new();
        for row in &self.rows {
            tables.entry(&row.row.table).or_default().push(row);
        }
        for (table, rows) in tables {
            let settings = &self.random.recipe.settings;
            let row = |row: &PlannedRow| RowEntry {
                label: row.row.label.clone(),
                title: row.row.title.clone(),
                components: self.trainings[row.run].recipe.settings.losses.names.clone(),
                paper: row.row.paper.clone(),
                fingerprint: self.trainings[row.run].recipe.fingerprint(),
                baseline: row.name == rows[0].name,
            };
            let path = directory.join(self.file_name(table, &rows));
            let seeds = self.seeds.iter().copied().chain(seeds_of(&path));
            let entry = PlanEntry {
                table: table.into(),
                scale: self.scale.clone(),
                data: settings.data.name.clone(),
                overrides: self.overrides.clone(),
                written: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
                seeds: distinct(seeds),
                rows: rows.iter().map(|each| row(each)).collect(),
                random: RandomEntry {
                    fingerprint: self.random.recipe.fingerprint(),
                    paper: self.random.recipe.row.clone().unwrap_or_default().paper,
                },
            };
            write_atomic(&path, serde_json::to_string_pretty(&entry)?.as_bytes())?;
        }
        Ok(())
    }

    /// A name that tells all runs of a table from any others; a recipe by itself is named.
    fn file_name(&self, table: &str, rows: &[&PlannedRow]) -> String {
        let fingerprint = |row: &PlannedRow| self.trainings[row.run].recipe.fingerprint();
        let mut digest = Sha256::new();
        rows.iter().for_each(|row| digest.update(fingerprint(row)));
        digest.update(self.random.recipe.fingerprint());
        let digest: String = digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let name = match rows {
            [row] if table == RUN => format!("-{}-{}", plain(&row.name), fingerprint(row)),
            _ => String::new(),
        };
        format!("{table}-{}{name}-{digest}.json", self.scale)
    }
}

fn each(time: Duration) -> String {
    format!("about {} a seed", human(time))
}

/// Each number once, in order.
fn distinct(seeds: impl IntoIterator<Item = u64>) -> Vec<u64> {
    seeds.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

/// The seeds of a plan that is there; one that cannot be read is written anew.
fn seeds_of(path: &Path) -> Vec<u64> {
    #[derive(Deserialize)]
    struct Written {
        seeds: Vec<u64>,
    }
    let written = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Written>(&bytes).ok());
    written.map(|written| written.seeds).unwrap_or_default()
}

/// What of a name can be in a file's.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
}

#[derive(Serialize)]
struct PlanEntry {
    table: String,
    scale: String,
    data: String,
    overrides: Vec<String>,
    /// When, RFC 3339.
    written: String,
    seeds: Vec<u64>,
    rows: Vec<RowEntry>,
    random: RandomEntry,
}

#[derive(Serialize)]
struct RowEntry {
    label: String,
    title: String,
    components: Vec<String>,
    paper: BTreeMap<String, f64>,
    fingerprint: String,
    baseline: bool,
}

#[derive(Serialize)]
struct RandomEntry {
    fingerprint: String,
    paper: BTreeMap<String, f64>,
}

/// `d` of `table7/d`.
fn end(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// A command that cannot be used as it is given.
pub(crate) fn usage(key: &str, problem: String) -> anyhow::Error {
    RecipeError { origin: "command line".into(), key: key.into(), problem }.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_directory::{RunRecord, Status};
    // What recipes name.
    use univip_plugins as _;

    fn library(sets: &[&str]) -> Library {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let sets = sets.iter().map(ToString::to_string).collect();
        Library { directory, scale: "smoke".into(), overlays: Vec::new(), sets }
    }

    #[test]
    fn every_run_is_there_once_and_the_untrained_backbone_beside_all() {
        let library = library(&[]);
        let runs = |plan: Plan| plan.runs().map(|run| run.name.clone()).collect::<Vec<_>>();
        let of_recipe = |name| runs(Plan::of_recipe(&library, name, &[0]).unwrap());
        assert_eq!(of_recipe("table7/d"), ["random", "table7-d"]);
        assert_eq!(of_recipe("random"), ["random"]);
        let file = format!("{}/recipes/random.toml", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(of_recipe(&file), ["random"]);
        assert_eq!(runs(Plan::new(&library, "table7", Some("d"), &[0]).unwrap()), ["random", "table7-d"]);
    }

    #[test]
    fn the_untrained_backbone_of_a_recipe_has_its_network() {
        let random = library(&[]).load_random().unwrap().fingerprint();
        for (set, same) in [
            ("views.instances=2", true),
            ("losses.weights.scene=2", true),
            ("network.zero_init_residual=true", false),
            ("evaluator.knn.k=7", false),
        ] {
            for name in ["table7/d", "table7/e"] {
                let plan = Plan::of_recipe(&library(&[set]), name, &[0]).unwrap();
                assert_eq!(plan.random.recipe.fingerprint() == random, same, "{name} with {set}");
                assert_eq!(plan.random.recipe.settings.train.epochs, 0);
                let network = &plan.trainings[0].recipe.settings.network;
                assert_eq!(&plan.random.recipe.settings.network, network, "{name} with {set}");
            }
        }
    }

    /// Values that are lists of tables survive the way, too.
    #[test]
    fn the_untrained_backbone_is_measured_on_the_recipes_data() {
        for data in ["coco", "voc", "image-folder"] {
            let library = library(&[&format!("data.use={data}"), &format!("dataset.{data}.root=here")]);
            let plan = Plan::of_recipe(&library, "table7/d", &[0]).unwrap();
            let dataset = |recipe: &Recipe| recipe.resolved()["dataset"][data].clone();
            let untrained = dataset(&plan.random.recipe);
            assert!(
                untrained["root"] == "here" && untrained == dataset(&plan.trainings[0].recipe),
                "{untrained}"
            );
        }
    }

    #[test]
    fn a_plan_says_what_is_finished_and_what_is_damaged() {
        let runs = tempfile::tempdir().unwrap();
        let plan = Plan::new(&library(&[]), "table7", Some("d"), &[0, 1]).unwrap();
        let fingerprint = plan.needed().next().unwrap().recipe.fingerprint();
        let mut record = RunRecord::begin("table7-d", 0, &fingerprint, "smoke", "any", "any").unwrap();
        record.status = Status::Finished;
        for (seed, record) in [(0, serde_json::to_string(&record).unwrap()), (1, "{".into())] {
            let directory = runs.path().join(format!("table7-d-{fingerprint}-s{seed}"));
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("run.json"), record).unwrap();
        }
        let said = |force| plan.describe(runs.path(), force, &|_| Ok(48)).unwrap();
        let plain = said(false);
        assert!(plain.contains("1 of 2 seeds finished; seed 1: "), "{plain}");
        assert!(plain.contains("is not a run record"), "{plain}");
        let forced = said(true);
        assert!(forced.contains(" a seed") && !forced.contains("finished"), "{forced}");
    }

    #[test]
    fn a_recipe_without_losses_is_its_own_untrained_backbone() {
        let plan = Plan::of_recipe(&library(&["optimizer.lr=0.3"]), "random", &[0]).unwrap();
        assert_eq!(plan.runs().count(), 1);
    }

    #[test]
    fn a_plan_takes_the_place_of_the_same_runs_only_and_keeps_their_seeds() {
        let runs = tempfile::tempdir().unwrap();
        let epsilon = ["loss.instance.epsilon=0.2"];
        let of_table = |sets: &[&str], row, seeds: &[u64]| {
            Plan::new(&library(sets), "table7", row, seeds).unwrap().write(runs.path()).unwrap();
        };
        of_table(&[], None, &[1, 0, 1]);
        of_table(&[], Some("d"), &[2]);
        of_table(&epsilon, None, &[0]);
        for name in ["table7/d", "table7/e"] {
            Plan::of_recipe(&library(&[]), name, &[0, 0]).unwrap().write(runs.path()).unwrap();
        }
        let mut plans = Vec::new();
        for entry in fs::read_dir(runs.path().join("plans")).unwrap() {
            let plan: serde_json::Value =
                serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
            let rows = plan["rows"].as_array().unwrap().len();
            plans.push(format!("{} of {rows}, {}, {}", plan["table"], plan["seeds"], plan["overrides"]));
        }
        plans.sort();
        assert_eq!(
            plans,
            [
                "\"run\" of 1, [0], []",
                "\"run\" of 1, [0], []",
                "\"table7\" of 5, [0,1,2], []",
                "\"table7\" of 5, [0], [\"loss.instance.epsilon=0.2\"]",
            ]
        );
    }
}
