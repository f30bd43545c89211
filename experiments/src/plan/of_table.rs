//! The plan of a table: its directory's rows, as its `table.toml` lists them.

use super::ablation::Plan;
use super::library::{Library, recipes_in};
use super::planned::{MissingRow, PlannedTable};
use super::table::{FILE, TableFile, refused};
use crate::runs::Asked;
use crate::usage::usage;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use univip_core::error::suggest;
use univip_core::recipe::{Measurement, Recipe, Row};
use univip_core::registry::Kind;
use univip_run_format::{Column, Difference, can_name_table};

/// The rows of a table that are asked for.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    /// One alone.
    row: Option<&'a str>,
    /// Its library, where it has another than the other rows.
    library: Option<&'a Library>,
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
        let (mut misfit, mut used, mut labels) = (None, 0, BTreeMap::new());
        for (group, stem) in listed {
            if let Some(missing) = file.missing.get(&stem) {
                if row == Some(&stem) {
                    let problem = format!("`{stem}` of {name} is of a method that is not there yet");
                    return Err(usage("--row", problem));
                }
                let row = named(missing.clone(), &stem);
                labels.insert(stem.clone(), row.label.clone());
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
            labels.insert(stem.clone(), described.label.clone());
            let added = self.add(short, described, recipe, wanted)?;
            (added.group, added.baseline) = (group, file.baseline.as_ref() == Some(&stem));
        }
        self.tables[place].differences = labelled(&path, &file.differences, &labels)?;
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
        let recipe = library.load_random_as(&self.asked(row).recipe)?;
        let asked = Asked::of(recipe, &self.registry)?;
        self.tables[table].random = self.random.add(asked);
        Ok(())
    }

    /// Refuses columns that no run could fill: of a measurement that neither an evaluator nor a row's measurement is called after, and
    /// of a metric that its evaluator never gives.
    fn check_columns(&self, table: usize, path: &Path) -> Result<()> {
        let evaluators = self.registry.names(Kind::Evaluator).into_iter();
        let rows = self.rows.iter().filter(|row| row.table == table);
        let measurements: Vec<&Measurement> = rows.flat_map(|row| &self.asked(row).measurements).collect();
        let named = measurements.iter().map(|measurement| measurement.name.as_str());
        let known: BTreeSet<&str> = evaluators.chain(named).collect();
        let known: Vec<&str> = known.into_iter().collect();
        for Column { evaluator, metric, .. } in &self.tables[table].columns {
            if !known.contains(&evaluator.as_str()) {
                let problem = format!("unknown evaluator `{evaluator}`; {}", suggest(evaluator, &known));
                return Err(refused(path, "columns.evaluator", problem).into());
            }
            let of_column = measurements.iter().filter(|measurement| measurement.name == *evaluator);
            let given: BTreeSet<&str> =
                of_column.flat_map(|measurement| &measurement.metrics).map(String::as_str).collect();
            if !given.is_empty() && !given.contains(metric.as_str()) {
                let given: Vec<&str> = given.into_iter().collect();
                let problem = format!("`{evaluator}` gives no `{metric}`; {}", suggest(metric, &given));
                return Err(refused(path, "columns.metric", problem).into());
            }
        }
        Ok(())
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

/// A row, called after its recipe's file where it says no other label.
fn named(row: Row, stem: &str) -> Row {
    if row.label.is_empty() { Row { label: stem.into(), ..row } } else { row }
}

/// Differences of rows by their labels, without those of which a row is left out. `labels` are those of all rows.
///
/// # Errors
/// [`RecipeError`](univip_core::error::RecipeError) for a label that another row has, too: a report would not know which is meant.
fn labelled(
    path: &Path,
    differences: &[Difference],
    labels: &BTreeMap<String, String>,
) -> Result<Vec<Difference>> {
    let mut found = Vec::new();
    for Difference { about, row, minus } in differences {
        let (Some(of_row), Some(of_minus)) = (labels.get(row), labels.get(minus)) else { continue };
        for (stem, label) in [(row, of_row), (minus, of_minus)] {
            if let Some((other, _)) = labels.iter().find(|(other, same)| *other != stem && *same == label) {
                let problem = format!(
                    "`{about}` is of `{stem}`, and `{other}` has the same label, `{label}`: give each a `label` of its own in [row]"
                );
                return Err(refused(path, "differences", problem).into());
            }
        }
        found.push(Difference { about: about.clone(), row: of_row.clone(), minus: of_minus.clone() });
    }
    Ok(found)
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
    use univip_core::recipe::Override;
    // The plugins that recipes name.
    use univip_plugins as _;

    /// The losses of the paper's row (e) are those of no other, and what is set for all changes only the rows it is new to.
    #[test]
    fn a_row_whose_method_is_changed_has_neither_the_papers_title_nor_its_numbers() {
        let of = |sets: &[&str], name: &str| {
            let plan = Plan::new(&Library::at_smoke(sets), "table7", None, &[0]).unwrap();
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
        let by_itself = Plan::of_recipe(&Library::at_smoke(&[scene]), "table7/e", &[0]).unwrap();
        let row = &by_itself.rows[0].row;
        assert!(row.title.starts_with("changed: ") && row.paper.is_empty(), "{row:?}");
    }

    #[test]
    fn differences_are_of_rows_by_labels_that_tell_them_apart() {
        let labelled = |labels: &[(&str, &str)]| {
            let labels = labels.iter().map(|(stem, label)| (stem.to_string(), label.to_string())).collect();
            let difference = Difference { about: "x".into(), row: "fast".into(), minus: "slow".into() };
            super::labelled(Path::new("my/table.toml"), &[difference], &labels)
        };
        let found = labelled(&[("fast", "(a)"), ("slow", "(b)"), ("other", "(c)")]).unwrap();
        assert_eq!((found[0].row.as_str(), found[0].minus.as_str()), ("(a)", "(b)"));
        assert_eq!(labelled(&[("slow", "(b)")]).unwrap(), [], "a row that is left out has no difference");
        let of_both = [("fast", "(a)"), ("slow", "(a)")];
        let of_another = [("fast", "(a)"), ("slow", "(b)"), ("other", "(a)")];
        for labels in [&of_both[..], &of_another] {
            let error = labelled(labels).unwrap_err().to_string();
            assert!(error.contains("my/table.toml") && error.contains("the same label, `(a)`"), "{error}");
        }
    }

    #[test]
    fn rows_of_several_datasets_are_not_all_given_one() {
        let with_data = |row: Option<&str>| {
            let data =
                Override { key: "data.use".into(), value: "fashion-scenes".into(), origin: "--data".into() };
            let library = Library { overlays: vec![data], ..Library::at_smoke(&[]) };
            Plan::new(&library, "table1", row, &[0])
        };
        let refused = with_data(None).err().unwrap().to_string();
        assert!(refused.contains("fashion-icons and fashion-scenes"), "{refused}");
        assert_eq!(with_data(Some("byol-scenes")).unwrap().wanted().count(), 1);
    }

    #[test]
    fn rows_without_a_method_and_the_untrained_row_stand_in_their_table() {
        let runs = tempfile::tempdir().unwrap();
        let plan = Plan::new(&Library::at_smoke(&[]), "table1", None, &[0]).unwrap();
        assert!(!plan.has_random(), "the table has an untrained row of its own");
        let described = plan.describe(runs.path(), false, 1, &|_| Ok(48)).unwrap();
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
        let refused =
            Plan::new(&Library::at_smoke(&[]), "table1", Some("orl-scenes"), &[0]).err().unwrap().to_string();
        assert!(refused.contains("a method that is not there yet"), "{refused}");
    }

    #[test]
    fn a_row_that_starts_from_weights_is_not_trained_and_the_others_are() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("weights.safetensors");
        fs::write(&weights, "weights").unwrap();
        let plain = Plan::new(&Library::at_smoke(&[]), "table1", None, &[0]).unwrap();
        let plan = Plan::started(&Library::at_smoke(&[]), "table1", "supervised", &weights, &[0]).unwrap();
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
        let refused =
            Plan::started(&Library::at_smoke(&[]), "table1", "supervised", &missing, &[0]).err().unwrap();
        assert!(refused.to_string().contains("--init: `network.init`: "), "{refused}");
    }
}
