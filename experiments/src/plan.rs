//! What an ablation will run: its rows, the runs they share, what is finished, and how long the rest takes.

use crate::estimate::{Estimate, human};
use crate::run;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
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

    fn load_with(&self, name: &str, environment: Vec<(String, String)>, sets: Vec<String>) -> Result<Recipe> {
        Recipe::load(&Sources {
            path: self.path(name)?,
            scale: Some(self.scale.clone()),
            scales: self.directory.join("scales"),
            overlays: self.overlays.clone(),
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
        let mut plan = Self {
            rows: Vec::new(),
            trainings: Vec::new(),
            random: PlannedRun { name: RANDOM.into(), recipe: library.load_random()? },
            seeds: seeds.to_vec(),
            scale: library.scale.clone(),
        };
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

    /// The plan of one recipe of the user's.
    pub fn of_recipe(library: &Library, name: &str, seeds: &[u64]) -> Result<Self> {
        let recipe = library.load(name)?;
        let stem = Path::new(name).with_extension("");
        let name = stem.to_string_lossy().trim_start_matches(['.', '/']).to_string();
        let random = PlannedRun { name: RANDOM.into(), recipe: library.load_random()? };
        let scale = library.scale.clone();
        let mut plan = Self { rows: Vec::new(), trainings: Vec::new(), random, seeds: seeds.to_vec(), scale };
        let row = Row { table: "run".into(), label: name.clone(), ..Row::default() };
        plan.add(name, recipe.row.clone().unwrap_or(row), recipe, true);
        Ok(plan)
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

    /// The plan for people, closing with its counts. `images` tells how many images a recipe learns from.
    pub fn describe(&self, runs: &Path, images: &dyn Fn(&Recipe) -> Result<usize>) -> Result<String> {
        let estimate = Estimate::new()?;
        let mut text = String::new();
        let mut left = Duration::ZERO;
        for (place, row) in self.wanted().enumerate() {
            let planned = &self.trainings[row.run];
            let shared = self.wanted().take(place).find(|earlier| earlier.run == row.run);
            let state = match shared {
                Some(earlier) => format!("the run of {}", earlier.name),
                None => {
                    let done = self.finished(planned, runs)?;
                    let time = estimate.training(&planned.recipe.settings, images(&planned.recipe)?);
                    left += time * (self.seeds.len() - done) as u32;
                    match done {
                        0 => format!("about {} a seed", human(time)),
                        done if done == self.seeds.len() => "finished".into(),
                        done => format!("{done} of {} seeds finished", self.seeds.len()),
                    }
                }
            };
            let fingerprint = planned.recipe.fingerprint();
            text += &format!("{:<24} {:<36} {fingerprint}  {state}\n", row.name, row.row.title);
        }
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        text += &format!(
            "and the untrained backbone beside them. Scale {}, seeds {}; about {} of training left on this machine\n",
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

    fn finished(&self, planned: &PlannedRun, runs: &Path) -> Result<usize> {
        let fingerprint = planned.recipe.fingerprint();
        let mut done = 0;
        for seed in &self.seeds {
            done += usize::from(run::finished(runs, &planned.name, &fingerprint, *seed)?);
        }
        Ok(done)
    }

    /// Writes what reports need to know of the tables: `<runs>/plans/table7-small-....json`.
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
            let entry = PlanEntry {
                table: table.into(),
                scale: self.scale.clone(),
                data: settings.data.name.clone(),
                seeds: self.seeds.clone(),
                rows: rows.iter().map(|each| row(each)).collect(),
                random: RandomEntry {
                    fingerprint: self.random.recipe.fingerprint(),
                    paper: self.random.recipe.row.clone().unwrap_or_default().paper,
                },
            };
            let name = format!("{table}-{}-{}.json", self.scale, self.random.recipe.fingerprint());
            write_atomic(&directory.join(name), serde_json::to_string_pretty(&entry)?.as_bytes())?;
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct PlanEntry {
    table: String,
    scale: String,
    data: String,
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
    // What recipes name.
    use univip_plugins as _;

    #[test]
    fn every_run_is_there_once_and_the_untrained_backbone_beside_all() {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let (overlays, sets) = (Vec::new(), Vec::new());
        let library = Library { directory, scale: "smoke".into(), overlays, sets };
        let runs = |plan: Plan| plan.runs().map(|run| run.name.clone()).collect::<Vec<_>>();
        let of_recipe = |name| runs(Plan::of_recipe(&library, name, &[0]).unwrap());
        assert_eq!(of_recipe("table7/d"), ["random", "table7-d"]);
        assert_eq!(of_recipe("random"), ["random"]);
        let file = format!("{}/recipes/random.toml", env!("CARGO_MANIFEST_DIR"));
        assert_eq!(of_recipe(&file), ["random"]);
        assert_eq!(runs(Plan::new(&library, "table7", Some("d"), &[0]).unwrap()), ["random", "table7-d"]);
    }
}
