//! The rows of an ablation, the pre-trainings that they share, and the measurements that they ask of these.

use super::library::{Library, RANDOM, recipes_in};
use super::table::{FILE, TableFile, refused};
use crate::runs::{Asked, Job};
use crate::usage::usage;
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::Path;
use univip_core::error::suggest;
use univip_core::recipe::{Measurement, Recipe, Row};
use univip_core::registry::{Kind, Registry};
use univip_run_format::{Axis, Column, SINGLE_RECIPES, can_name_table};

/// The plan of an ablation.
pub struct Plan {
    /// The tables, in order.
    pub(super) tables: Vec<PlannedTable>,
    /// All rows of the tables, in order.
    pub(super) rows: Vec<PlannedRow>,
    /// The distinct pre-trainings, in the order of their first row.
    pub(super) trainings: Vec<PlannedRun>,
    /// The untrained backbone.
    pub(super) random: PlannedRun,
    /// The seeds of each run.
    pub seeds: Vec<u64>,
    /// The scale's name.
    pub scale: String,
    /// The settings laid over the recipes, as `key=value`.
    pub(super) overrides: Vec<String>,
    pub(super) registry: Registry,
}

/// A table without its rows.
#[derive(Default)]
pub(super) struct PlannedTable {
    /// `table7`.
    pub(super) name: String,
    /// One sentence about it.
    pub(super) caption: String,
    /// The numbers that it shows; empty for all.
    pub(super) columns: Vec<Column>,
    /// The rows that what is laid over the recipes cannot be said of, a sentence each.
    pub(super) left_out: Vec<String>,
    /// The place, among those of the untrained backbone, of the recipe that measures it as the table's rows are.
    pub(super) random: usize,
    /// The rows whose method is not there yet, in order.
    pub(super) missing: Vec<MissingRow>,
    /// The axes of a sweep's grid.
    pub(super) axes: Vec<Axis>,
}

/// A row that stands in its table with the paper's numbers alone.
pub(super) struct MissingRow {
    /// `orl-coco`.
    pub(super) name: String,
    /// Its label, title and numbers.
    pub(super) row: Row,
    /// The title of its group of rows.
    pub(super) group: String,
    /// The number of planned rows of its table that stand before it.
    pub(super) after: usize,
}

/// A row of a table.
pub struct PlannedRow {
    /// `table7/d`.
    pub name: String,
    /// `[row]`.
    pub row: Row,
    /// Its table, by its place in the plan.
    pub(super) table: usize,
    /// The title of its group of rows.
    pub(super) group: String,
    /// True for the row that the others are compared with.
    pub(super) baseline: bool,
    /// The place of its value on each axis of a sweep.
    pub(super) cell: Vec<usize>,
    /// The index of the plan's training that makes its backbone.
    pub(super) run: usize,
    /// The place of its recipe among those that measure this backbone.
    pub(super) asked: usize,
    /// True when it is asked for; the other rows only stand in the report.
    pub(super) wanted: bool,
}

/// The rows of a table that are asked for.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    /// One alone.
    row: Option<&'a str>,
    /// Its library, where it has another than the other rows.
    library: Option<&'a Library>,
}

/// A pre-training that is run once for each seed, for one row or several.
pub struct PlannedRun {
    /// `table7-e`, after the first row that needs it.
    pub name: String,
    /// The recipes of its rows, as far as they ask for different measurements.
    pub asked: Vec<Asked>,
    fingerprint: String,
}

impl PlannedRun {
    fn new(name: String, asked: Asked) -> Self {
        let fingerprint = asked.recipe.fingerprint();
        Self { name, asked: vec![asked], fingerprint }
    }

    /// The fingerprint of its recipes.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The place of a recipe of this pre-training, which is added where none asks for these measurements.
    fn add(&mut self, asked: Asked) -> usize {
        let same = |other: &Asked| {
            other.digests() == asked.digests()
                && other.recipe.settings.probe_data.name == asked.recipe.settings.probe_data.name
        };
        self.asked.iter().position(same).unwrap_or_else(|| {
            self.asked.push(asked);
            self.asked.len() - 1
        })
    }
}

impl Plan {
    /// The plan of `table` (see `univip ablate --help`), or of one of its rows.
    ///
    /// # Errors
    /// A [`UsageError`](crate::usage::UsageError) for an unknown table or row, and for any recipe that cannot be used. A row that
    /// only what is laid over its recipe makes impossible is left out where there are others.
    pub fn new(library: &Library, table: &str, row: Option<&str>, seeds: &[u64]) -> Result<Self> {
        Self::of_table(library, table, Wanted { row, library: None }, seeds)
    }

    /// The plan of a row that starts from the weights of a file and is not trained, among the others of its table.
    ///
    /// # Errors
    /// As [`Plan::new`], and when there is no such file.
    pub fn started(library: &Library, table: &str, row: &str, weights: &Path, seeds: &[u64]) -> Result<Self> {
        let started = library.started_from(weights);
        let asked = Wanted { row: Some(row), library: Some(&started) };
        let mut plan = Self::of_table(library, table, asked, seeds)?;
        plan.overrides.push(format!("{row}: --init {}", weights.display()));
        Ok(plan)
    }

    fn of_table(library: &Library, table: &str, asked: Wanted<'_>, seeds: &[u64]) -> Result<Self> {
        let mut plan = Self::empty(library, library.load_random()?, seeds)?;
        let directory = library.table_directory(table)?;
        let file = library.table_file(&directory)?;
        if file.tables.is_empty() {
            plan.add_table(library, &directory, &file, asked)?;
        }
        for name in &file.tables {
            let part = library.table_directory(name)?;
            let of_part = library.table_file(&part)?;
            if !of_part.tables.is_empty() {
                let problem = format!("`{name}` stands for other tables itself: state those");
                return Err(refused(&directory.join(FILE), "tables", problem).into());
            }
            plan.add_table(library, &part, &of_part, asked)?;
        }
        if let (Some(row), true) = (asked.row, plan.wanted().next().is_none()) {
            let known: Vec<&str> = plan.rows.iter().map(|row| end(&row.name)).collect();
            return Err(usage("--row", format!("{table} has no row `{row}`; {}", suggest(row, &known))));
        }
        Ok(plan)
    }

    /// The plan of one recipe of the user's: a table of its own, whatever table the recipe is a row of.
    pub fn of_recipe(library: &Library, asked: &str, seeds: &[u64]) -> Result<Self> {
        let recipe = library.load(asked)?;
        let name = recipe_name(asked);
        let untrained = recipe.settings.losses.names.is_empty();
        let random = if untrained { recipe.clone() } else { library.load_untrained(&recipe)? };
        let mut plan = Self::empty(library, random, seeds)?;
        let mut row = Row { label: name.clone(), ..library.row(asked, &recipe).unwrap_or_default() };
        if row.title.is_empty() {
            row.title = format!("recipe {}", recipe.fingerprint());
        }
        plan.tables.push(PlannedTable { name: SINGLE_RECIPES.into(), ..PlannedTable::default() });
        plan.add(name, row, recipe, true)?;
        Ok(plan)
    }

    /// Adds the rows of a table's directory.
    fn add_table(
        &mut self,
        library: &Library,
        directory: &Path,
        file: &TableFile,
        Wanted { row, library: of_row }: Wanted<'_>,
    ) -> Result<()> {
        let (name, path, place) = (table_name(directory)?, directory.join(FILE), self.tables.len());
        let of_directory = PlannedTable {
            name: name.clone(),
            caption: file.caption.clone(),
            columns: file.columns.clone(),
            ..PlannedTable::default()
        };
        self.tables.push(of_directory);
        let listed = file.rows(&path, &recipes_in(directory))?;
        let asked_for = listed.iter().map(|(_, stem)| stem).filter(|stem| row.is_none_or(|row| row == *stem));
        refuse_one_data(library, directory, &name, asked_for)?;
        let (mut misfit, mut used) = (None, 0);
        for (group, stem) in listed {
            if let Some(missing) = file.missing.get(&stem) {
                if row == Some(&stem) {
                    let problem = format!("`{stem}` of {name} is of a method that is not there yet");
                    return Err(usage("--row", problem));
                }
                let row = named(missing.clone(), &stem);
                self.tables[place].missing.push(MissingRow { name: stem, row, group, after: used });
                continue;
            }
            let recipe_file = directory.join(format!("{stem}.toml")).display().to_string();
            let (short, wanted) = (format!("{name}/{stem}"), row.is_none_or(|row| row == stem));
            let library = of_row.filter(|_| wanted).unwrap_or(library);
            let recipe = match library.load(&recipe_file) {
                Ok(recipe) => recipe,
                Err(error) if (wanted && row.is_some()) || !library.loads_alone(&recipe_file) => {
                    return Err(error);
                }
                Err(error) => {
                    self.tables[place].left_out.push(format!("{short} is left out: {error:#}"));
                    misfit.get_or_insert(error);
                    continue;
                }
            };
            refuse_sweep(&recipe)?;
            used += 1;
            let described = named(library.row(&recipe_file, &recipe).unwrap_or_default(), &stem);
            let added = self.add(short, described, recipe, wanted)?;
            (added.group, added.baseline) = (group, file.baseline.as_ref() == Some(&stem));
        }
        // A setting that fits no row is a mistake.
        if let (Some(misfit), 0) = (misfit, used) {
            return Err(misfit);
        }
        self.check_columns(place, &path)?;
        if self.has_untrained_row(place) { Ok(()) } else { self.add_random(library, place) }
    }

    /// Has the untrained backbone measured as the table's rows are: as its baseline, or else its first row.
    fn add_random(&mut self, library: &Library, table: usize) -> Result<()> {
        let mut rows = self.rows.iter().filter(|row| row.table == table);
        let first = rows.clone().next();
        let Some(row) = rows.find(|row| row.baseline).or(first) else { return Ok(()) };
        let recipe = library.load_random_as(&self.trainings[row.run].asked[row.asked].recipe)?;
        let asked = Asked::of(recipe, &self.registry)?;
        self.tables[table].random = self.random.add(asked);
        Ok(())
    }

    /// Refuses columns of a table's measurements that there are not: neither an evaluator nor a row's measurement is called so.
    fn check_columns(&self, table: usize, path: &Path) -> Result<()> {
        let evaluators = self.registry.names(Kind::Evaluator).into_iter();
        let rows = self.rows.iter().filter(|row| row.table == table);
        let named = rows.flat_map(|row| &self.trainings[row.run].asked[row.asked].measurements);
        let named = named.map(|measurement| &measurement.name);
        let known: BTreeSet<&str> = evaluators.chain(named.map(String::as_str)).collect();
        let known: Vec<&str> = known.into_iter().collect();
        let unknown = |column: &&Column| !known.contains(&column.evaluator.as_str());
        let Some(Column { evaluator, .. }) = self.tables[table].columns.iter().find(unknown) else {
            return Ok(());
        };
        let problem = format!("unknown evaluator `{evaluator}`; {}", suggest(evaluator, &known));
        Err(refused(path, "columns.evaluator", problem).into())
    }

    pub(super) fn empty(library: &Library, random: Recipe, seeds: &[u64]) -> Result<Self> {
        let registry = Registry::linked()?;
        Ok(Self {
            tables: Vec::new(),
            rows: Vec::new(),
            trainings: Vec::new(),
            random: PlannedRun::new(RANDOM.into(), Asked::of(random, &registry)?),
            // A seed given twice is one run.
            seeds: distinct(seeds.iter().copied()),
            scale: library.scale.clone(),
            overrides: library.overrides(),
            registry,
        })
    }

    /// Adds a row of the last table.
    pub(super) fn add(
        &mut self,
        name: String,
        row: Row,
        recipe: Recipe,
        wanted: bool,
    ) -> Result<&mut PlannedRow> {
        let fingerprint = recipe.fingerprint();
        let asked = Asked::of(recipe, &self.registry)?;
        let (run, asked) = match self.trainings.iter().position(|run| run.fingerprint == fingerprint) {
            Some(run) => (run, self.trainings[run].add(asked)),
            None => {
                self.trainings.push(PlannedRun::new(name.replace('/', "-"), asked));
                (self.trainings.len() - 1, 0)
            }
        };
        let (table, place) = (self.tables.len().saturating_sub(1), self.rows.len());
        let (group, baseline) = (String::new(), false);
        self.rows.push(PlannedRow {
            name,
            row,
            table,
            group,
            baseline,
            cell: Vec::new(),
            run,
            asked,
            wanted,
        });
        Ok(&mut self.rows[place])
    }

    /// The recipe of a row, and its measurements.
    pub(super) fn asked(&self, row: &PlannedRow) -> &Asked {
        &self.trainings[row.run].asked[row.asked]
    }

    /// The rows that cannot be run with what is laid over the recipes, a sentence each.
    pub fn left_out(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().flat_map(|table| table.left_out.iter().map(String::as_str))
    }

    /// The rows that are asked for.
    pub(super) fn wanted(&self) -> impl Iterator<Item = &PlannedRow> {
        self.rows.iter().filter(|row| row.wanted)
    }

    /// The runs of the rows that are asked for, each once, with the recipes that measure it; the untrained backbone first: it takes
    /// seconds, and shows at once that evaluation works. It is not run where each table has an untrained row of its own.
    pub(super) fn runs(&self) -> Vec<NeededRun<'_>> {
        let beside = (0..self.tables.len()).filter(|table| !self.has_untrained_row(*table));
        let of_tables = distinct(beside.map(|table| self.tables[table].random));
        let random = of_tables.into_iter().map(|place| &self.random.asked[place]).collect();
        let mut runs = vec![NeededRun { run: &self.random, asked: random }];
        for (place, run) in self.trainings.iter().enumerate() {
            let rows = self.wanted().filter(|row| row.run == place);
            let asked = distinct(rows.map(|row| row.asked)).into_iter().map(|place| &run.asked[place]);
            if run.fingerprint == self.random.fingerprint {
                runs[0].asked.extend(asked);
            } else if asked.len() > 0 {
                runs.push(NeededRun { run, asked: asked.collect() });
            }
        }
        runs.retain(|needed| !needed.asked.is_empty());
        runs
    }

    /// True if the untrained backbone stands beside a table.
    pub(super) fn has_random(&self) -> bool {
        (0..self.tables.len()).any(|table| !self.has_untrained_row(table))
    }

    /// True if a row of the table is an untrained backbone, as in the paper's Table 1: no other one stands beside it.
    pub(super) fn has_untrained_row(&self, table: usize) -> bool {
        let untrained = |row: &PlannedRow| self.asked(row).recipe.settings.losses.names.is_empty();
        self.rows.iter().filter(|row| row.table == table).any(untrained)
    }

    /// The runs of the plan, seed by seed, so that a table is complete as early as possible.
    pub fn jobs<'a>(&'a self, runs: &'a Path, force: bool) -> Vec<Job<'a>> {
        let of_seed = |seed: u64| {
            self.runs().into_iter().filter_map(move |needed| {
                let (recipe, name) = (&needed.asked.first()?.recipe, &needed.run.name);
                Some(Job { recipe, asked: needed.asked, name, scale: &self.scale, seed, runs, force })
            })
        };
        self.seeds.iter().flat_map(|seed| of_seed(*seed)).collect()
    }
}

/// A run that rows need.
pub(super) struct NeededRun<'a> {
    pub(super) run: &'a PlannedRun,
    /// The recipes that ask for its measurements.
    pub(super) asked: Vec<&'a Asked>,
}

impl<'a> NeededRun<'a> {
    /// Its measurements, each once, with the recipe that asks for it.
    pub(super) fn measurements(&self) -> Vec<(&'a Recipe, &'a Measurement)> {
        let mut seen = BTreeSet::new();
        let each = |asked: &&'a Asked| {
            let asked: &'a Asked = asked;
            asked.measurements.iter().map(move |each| (&asked.recipe, each))
        };
        self.asked.iter().flat_map(each).filter(|(_, each)| seen.insert(each.digest.as_str())).collect()
    }
}

/// Refuses to learn from the images of `--data` in each row where rows differ by what they learn from.
fn refuse_one_data<'a>(
    library: &Library,
    directory: &Path,
    table: &str,
    rows: impl Iterator<Item = &'a String>,
) -> Result<()> {
    if !library.has_one_data() {
        return Ok(());
    }
    let mut stated = BTreeSet::new();
    for stem in rows {
        let recipe = directory.join(format!("{stem}.toml")).display().to_string();
        // A row without a recipe, or whose recipe cannot be used, is spoken of elsewhere.
        stated.extend(library.stated_data(&recipe));
    }
    if stated.len() < 2 {
        return Ok(());
    }
    let stated: Vec<String> = stated.into_iter().collect();
    let problem = format!(
        "the rows of {table} learn from several datasets, {}: say where each lies, as in --set dataset.coco.root=DIR, or ask for \
         one row",
        stated.join(" and ")
    );
    Err(usage("--data", problem))
}

/// Each number once, in order.
pub(super) fn distinct<T: Ord>(numbers: impl IntoIterator<Item = T>) -> Vec<T> {
    numbers.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

/// A row, called after its recipe's file where it says no other label.
fn named(row: Row, stem: &str) -> Row {
    if row.label.is_empty() { Row { label: stem.into(), ..row } } else { row }
}

/// `d` of `table7/d`.
fn end(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn refuse_sweep(recipe: &Recipe) -> Result<()> {
    if recipe.sweep.0.is_empty() {
        return Ok(());
    }
    let path = recipe.path.display();
    let problem =
        format!("a row of a table is one recipe: take [sweep] out, or run it by itself: univip run {path}");
    Err(refused(&recipe.path, "sweep", problem).into())
}

/// The name of a recipe's runs: `my/recipe` of `./my/recipe.toml`.
pub(super) fn recipe_name(asked: &str) -> String {
    let stem = Path::new(asked).with_extension("");
    stem.to_string_lossy().trim_start_matches(['.', '/']).to_string()
}

/// The name of a table's directory, which its runs and pages are called after.
pub(super) fn table_name(directory: &Path) -> Result<String> {
    let whole = directory.canonicalize().unwrap_or_else(|_| directory.into());
    let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if can_name_table(&name) {
        return Ok(name);
    }
    let problem = format!(
        "a table's pages are called after its directory: rename `{name}` to letters, digits, - and _"
    );
    Err(usage("table", problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;
    use univip_core::recipe::Override;
    use univip_core::registry::Registry;
    use univip_run_format::Status;
    // The plugins that recipes name.
    use univip_plugins as _;

    fn library(sets: &[&str]) -> Library {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let sets = sets.iter().map(ToString::to_string).collect();
        Library { directory, scale: "smoke".into(), overlays: Vec::new(), sets }
    }

    #[test]
    fn every_run_is_there_once_and_the_untrained_backbone_beside_all() {
        let library = library(&[]);
        let runs = |plan: Plan| plan.runs().iter().map(|each| each.run.name.clone()).collect::<Vec<_>>();
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
            ("evaluator.knn.k=7", true),
        ] {
            for name in ["table7/d", "table7/e"] {
                let plan = Plan::of_recipe(&library(&[set]), name, &[0]).unwrap();
                assert_eq!(plan.random.fingerprint() == random, same, "{name} with {set}");
                let [untrained, trained] = [&plan.random, &plan.trainings[0]].map(|run| &run.asked[0]);
                assert_eq!(untrained.recipe.settings.train.epochs, 0);
                let network = &trained.recipe.settings.network;
                assert_eq!(&untrained.recipe.settings.network, network, "{name} with {set}");
                assert_eq!(untrained.digests(), trained.digests(), "{name} with {set}");
            }
        }
    }

    /// The losses of the paper's row (e) are those of no other, and what is set for all changes only the rows it is new to.
    #[test]
    fn a_row_whose_method_is_changed_has_neither_the_papers_title_nor_its_numbers() {
        let of = |sets: &[&str], name: &str| {
            let plan = Plan::new(&library(sets), "table7", None, &[0]).unwrap();
            let row = plan.rows.iter().find(|row| row.name == name).unwrap().row.clone();
            (row.title, row.paper.get("top1").copied())
        };
        let titled = |title: &str, top1| (title.to_string(), top1);
        let scene = r#"losses.use=["scene"]"#;
        assert_eq!(of(&[scene], "table7/e"), titled(r#"changed: losses.use=["scene"]"#, None));
        assert_eq!(of(&[scene], "table7/b"), titled("scene", Some(57.7)));
        let own = "scene + scene-instance + instance: UniVIP";
        assert_eq!(of(&["views.instances=2"], "table7/e"), titled("changed: views.instances=2", None));
        for set in ["optimizer.lr=0.1", "train.epochs=3", "loss.instance.epsilon=0.1", "evaluator.knn.k=7"] {
            assert_eq!(of(&[set], "table7/e"), titled(own, Some(60.2)), "{set}");
        }
        let by_itself = Plan::of_recipe(&library(&[scene]), "table7/e", &[0]).unwrap();
        let row = &by_itself.rows[0].row;
        assert!(row.title.starts_with("changed: ") && row.paper.is_empty(), "{row:?}");
    }

    /// Values that are lists of tables survive the way, too.
    #[test]
    fn the_untrained_backbone_is_measured_on_the_recipes_data() {
        for data in ["coco", "voc", "image-folder"] {
            let library = library(&[&format!("data.use={data}"), &format!("dataset.{data}.root=here")]);
            let plan = Plan::of_recipe(&library, "table7/d", &[0]).unwrap();
            let dataset = |recipe: &Recipe| recipe.resolved()["dataset"][data].clone();
            let untrained = dataset(&plan.random.asked[0].recipe);
            assert!(
                untrained["root"] == "here" && untrained == dataset(&plan.trainings[0].asked[0].recipe),
                "{untrained}"
            );
        }
    }

    #[test]
    fn rows_of_several_datasets_are_not_all_given_one() {
        let with_data = |row: Option<&str>| {
            let data =
                Override { key: "data.use".into(), value: "fashion-scenes".into(), origin: "--data".into() };
            let library = Library { overlays: vec![data], ..library(&[]) };
            Plan::new(&library, "table1", row, &[0])
        };
        let refused = with_data(None).err().unwrap().to_string();
        assert!(refused.contains("fashion-icons and fashion-scenes"), "{refused}");
        assert_eq!(with_data(Some("byol-scenes")).unwrap().wanted().count(), 1);
    }

    #[test]
    fn rows_without_a_method_and_the_untrained_row_stand_in_their_table() {
        let runs = tempfile::tempdir().unwrap();
        let plan = Plan::new(&library(&[]), "table1", None, &[0]).unwrap();
        assert!(!plan.has_random(), "the table has an untrained row of its own");
        let described = plan.describe(runs.path(), false, &|_| Ok(48)).unwrap();
        assert!(
            described.contains("table1/orl-scenes") && described.contains("17 rows, 17 pre-trainings"),
            "{described}"
        );
        plan.write(runs.path()).unwrap();
        let file = fs::read_dir(runs.path().join("plans")).unwrap().next().unwrap().unwrap().path();
        let written: univip_run_format::Plan = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!((written.rows.len(), written.random.is_none()), (21, true));
        assert!(written.several_data && written.data == "fashion-icons, fashion-scenes", "{}", written.data);
        let labels: Vec<&str> = written.rows.iter().map(|row| row.label.as_str()).collect();
        assert_eq!(labels[4..8], ["BYOL scenes", "ORL scenes", "UniVIP scenes", "BYOL scenes+"]);
        let missing: Vec<usize> = (0..21).filter(|place| written.rows[*place].missing).collect();
        assert_eq!(missing, [5, 8, 12, 17]);
        assert_eq!(written.fingerprints().count(), 17);
        let refused = Plan::new(&library(&[]), "table1", Some("orl-scenes"), &[0]).err().unwrap().to_string();
        assert!(refused.contains("a method that is not there yet"), "{refused}");
    }

    #[test]
    fn a_row_that_starts_from_weights_is_not_trained_and_the_others_are() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("weights.safetensors");
        fs::write(&weights, "weights").unwrap();
        let plain = Plan::new(&library(&[]), "table1", None, &[0]).unwrap();
        let plan = Plan::started(&library(&[]), "table1", "supervised", &weights, &[0]).unwrap();
        for (before, after) in plain.rows.iter().zip(&plan.rows) {
            let [before, recipe] = [&plain.asked(before).recipe, &plan.asked(after).recipe];
            let of_row = after.name == "table1/supervised";
            assert_eq!(before.fingerprint() != recipe.fingerprint(), of_row, "{}", after.name);
            assert_eq!(!recipe.settings.network.init.is_empty(), of_row, "{}", after.name);
            if of_row {
                assert_eq!((recipe.settings.train.epochs, after.row.paper["top1"]), (0, 75.9));
            }
        }
        let missing = folder.path().join("missing.pth");
        let refused = Plan::started(&library(&[]), "table1", "supervised", &missing, &[0]).err().unwrap();
        assert!(refused.to_string().contains("--init: `network.init`: "), "{refused}");
    }

    #[test]
    fn where_data_lies_is_no_part_of_a_run() {
        for data in ["coco", "voc", "image-folder", "images"] {
            let fingerprint = |root: &str, more: &str| {
                let root = format!("dataset.{data}.root={root}");
                let library = library(&[&format!("data.use={data}"), &root, more]);
                let recipe = library.load("table7/d").unwrap();
                assert!(recipe.show().contains("\nroot = "), "it is shown");
                recipe.fingerprint()
            };
            assert_eq!(fingerprint("here", "data.limit=9"), fingerprint("/else/where", "data.limit=9"));
            assert_ne!(fingerprint("here", "data.limit=9"), fingerprint("here", "data.limit=8"));
        }
    }

    #[test]
    fn a_plan_says_what_is_finished_and_what_is_damaged() {
        let runs = tempfile::tempdir().unwrap();
        let plan = Plan::new(&library(&[]), "table7", Some("d"), &[0, 1]).unwrap();
        let (jobs, registry) = (plan.jobs(runs.path(), false), Registry::linked().unwrap());
        let job = jobs.iter().find(|job| job.name == "table7-d").unwrap();
        let fingerprint = job.recipe.fingerprint();
        let mut record = crate::runs::begin(job, &fingerprint, &registry).unwrap();
        record.status = Status::Finished;
        for (seed, record) in [(0, serde_json::to_string(&record).unwrap()), (1, "{".into())] {
            let directory = runs.path().join(format!("table7-d-{fingerprint}-s{seed}"));
            fs::create_dir(&directory).unwrap();
            fs::write(directory.join("run.json"), record).unwrap();
            let lines = job.asked[0].measurements.iter().map(|each| {
                format!(
                    r#"{{"evaluator":"{}","digest":"{}","metric":{{"name":"x","value":1,"protocol":"","split":"","images":1}}}}"#,
                    each.name, each.digest
                )
            });
            fs::write(directory.join("evaluations.jsonl"), lines.collect::<Vec<_>>().join("\n")).unwrap();
        }
        let said = |force| plan.describe(runs.path(), force, &|_| Ok(48)).unwrap();
        let plain = said(false);
        assert!(plain.contains("1 of 2 seeds finished, about"), "{plain}");
        assert!(plain.contains("is not a run record"), "{plain}");
        let forced = said(true);
        assert!(forced.contains(" per seed") && !forced.contains("finished"), "{forced}");
    }

    #[test]
    fn a_recipe_without_losses_is_its_own_untrained_backbone() {
        let plan = Plan::of_recipe(&library(&["optimizer.lr=0.3"]), "random", &[0]).unwrap();
        assert_eq!(plan.runs().len(), 1);
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

    /// A table whose rows differ in what measures them.
    fn two_ways(directory: &Path) {
        let detection = |steps: u32| {
            format!("[evaluator.detection-2x]\nuse = \"detection\"\nval_limit = 8\nsteps = {steps}\n")
        };
        let of = |names: &str, more: &str| {
            format!("inherit = [\"univip:/recipes/table7/b.toml\"]\n[evaluators]\nuse = [{names}]\n{more}")
        };
        for (file, text) in [
            ("table.toml", "rows = [\"a\", \"b\", \"c\"]\n[[columns]]\nhead = \"AP\"\nevaluator = \"detection-2x\"\nmetric = \"bbox_ap\"\n".to_string()),
            ("a.toml", of("\"knn\", \"detection-2x\"", &detection(4))),
            ("b.toml", of("\"detection-2x\"", &detection(6))),
            ("c.toml", of("\"knn\", \"detection-2x\"", &detection(4))),
        ] {
            fs::write(directory.join(file), text).unwrap();
        }
    }

    #[test]
    fn rows_that_differ_in_what_measures_them_share_a_pre_training() {
        let root = tempfile::tempdir().unwrap();
        let table = root.path().join("ways");
        fs::create_dir(&table).unwrap();
        two_ways(&table);
        let table = table.display().to_string();
        let measured = |row| {
            let plan = Plan::new(&library(&[]), &table, row, &[0]).unwrap();
            let names = |run: &NeededRun<'_>| {
                let measurements = run.measurements();
                measurements.iter().map(|(_, each)| each.name.clone()).collect::<Vec<_>>()
            };
            plan.runs().iter().map(names).collect::<Vec<_>>()
        };
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let first = names(&["knn", "detection-2x"]);
        assert_eq!(measured(None), [first.clone(), names(&["knn", "detection-2x", "detection-2x"])]);
        assert_eq!(measured(Some("b")), [first.clone(), names(&["detection-2x"])]);
        // A setting for all of them makes one measurement.
        let plan = Plan::new(&library(&["evaluator.detection-2x.steps=5"]), &table, None, &[0]).unwrap();
        assert_eq!(plan.runs()[1].measurements().len(), 2);
        plan.write(root.path()).unwrap();
        let file = fs::read_dir(root.path().join("plans")).unwrap().next().unwrap().unwrap();
        let written: univip_run_format::Plan =
            serde_json::from_slice(&fs::read(file.path()).unwrap()).unwrap();
        let digests = |row: usize| written.rows[row].measurements.clone().unwrap();
        assert_eq!(digests(0), digests(2));
        assert_eq!(digests(0)["detection-2x"], digests(1)["detection-2x"]);
        assert_eq!(written.random.unwrap().measurements.unwrap(), digests(0));
    }
}
