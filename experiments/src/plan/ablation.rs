//! The rows of an ablation, the pre-trainings that they share, and the measurements that they ask of these.

use super::library::{Library, RANDOM};
use super::planned::{NeededRun, PlannedRow, PlannedRun, PlannedTable};
use crate::runs::{Asked, Job};
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::Path;
use univip_core::recipe::{Recipe, Row};
use univip_core::registry::Registry;
use univip_run_format::SINGLE_RECIPES;

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

impl Plan {
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
        let (run, asked) = match self.trainings.iter().position(|run| run.fingerprint() == fingerprint) {
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
            if run.fingerprint() == self.random.fingerprint() {
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

/// Each number once, in order.
pub(super) fn distinct<T: Ord>(numbers: impl IntoIterator<Item = T>) -> Vec<T> {
    numbers.into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

/// The name of a recipe's runs: `my/recipe` of `./my/recipe.toml`.
pub(super) fn recipe_name(asked: &str) -> String {
    let stem = Path::new(asked).with_extension("");
    stem.to_string_lossy().trim_start_matches(['.', '/']).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::{Queue, Series};
    use std::fs;
    use univip_core::registry::Registry;
    use univip_run_format::Status;
    // The plugins that recipes name.
    use univip_plugins as _;

    #[test]
    fn runs_with_small_steps_are_made_at_the_same_time() {
        let registry = Registry::linked().unwrap();
        let runs = tempfile::tempdir().unwrap();
        let at_once = |sets: &[&str]| {
            let plan = Plan::new(&Library::at_smoke(sets), "table7", None, &[0]).unwrap();
            Series::new("table7", plan.jobs(runs.path(), false)).worth_at_once(&registry).unwrap()
        };
        assert_eq!(at_once(&[]), rayon::current_num_threads().min(6));
        // 2 x 32 x 96^2 pixels by 64 channels.
        assert_eq!(at_once(&["network.width=64", "train.batch=32", "views.scene_size=96"]), 1);
    }

    #[test]
    fn long_runs_begin_first_and_no_two_make_the_same_boxes() {
        let (registry, runs) = (Registry::linked().unwrap(), tempfile::tempdir().unwrap());
        let plan = Plan::new(&Library::at_smoke(&[]), "table7", None, &[0, 1]).unwrap();
        let jobs = plan.jobs(runs.path(), false);
        let mut queue = Queue::new(&jobs, &registry);
        let mut next = |running: &[&str]| queue.next(running).map(Job::title);
        let boxes = "table7-c seed 0";
        assert_eq!(next(&[]).as_deref(), Some(boxes));
        // Row (c) may be making the boxes that (d) and (e) need.
        assert_eq!(next(&[boxes]).as_deref(), Some("table7-a seed 0"));
        assert_eq!(next(&[boxes]).as_deref(), Some("table7-b seed 0"));
        // It has ended.
        assert_eq!(next(&["table7-b seed 0"]).as_deref(), Some("table7-d seed 0"));
        assert_eq!(next(&["table7-d seed 0"]).as_deref(), Some("table7-e seed 0"));
        assert_eq!(next(&[]).as_deref(), Some("random seed 0"));
        assert_eq!(next(&[]).as_deref(), Some("table7-c seed 1"));
        assert_eq!(std::iter::from_fn(|| next(&[])).count(), 5);
    }

    #[test]
    fn every_run_is_there_once_and_the_untrained_backbone_beside_all() {
        let library = Library::at_smoke(&[]);
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
        let random = Library::at_smoke(&[]).load_random().unwrap().fingerprint();
        for (set, same) in [
            ("views.instances=2", true),
            ("losses.weights.scene=2", true),
            ("network.zero_init_residual=true", false),
            ("evaluator.knn.k=7", true),
        ] {
            for name in ["table7/d", "table7/e"] {
                let plan = Plan::of_recipe(&Library::at_smoke(&[set]), name, &[0]).unwrap();
                assert_eq!(plan.random.fingerprint() == random, same, "{name} with {set}");
                let [untrained, trained] = [&plan.random, &plan.trainings[0]].map(|run| &run.asked[0]);
                assert_eq!(untrained.recipe.settings.train.epochs, 0);
                let network = &trained.recipe.settings.network;
                assert_eq!(&untrained.recipe.settings.network, network, "{name} with {set}");
                assert_eq!(untrained.digests(), trained.digests(), "{name} with {set}");
            }
        }
    }

    /// Values that are lists of tables survive the way, too.
    #[test]
    fn the_untrained_backbone_is_measured_on_the_recipes_data() {
        for data in ["coco", "voc", "image-folder"] {
            let library =
                Library::at_smoke(&[&format!("data.use={data}"), &format!("dataset.{data}.root=here")]);
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
    fn where_data_lies_is_no_part_of_a_run() {
        for data in ["coco", "voc", "image-folder", "images"] {
            let fingerprint = |root: &str, more: &str| {
                let root = format!("dataset.{data}.root={root}");
                let library = Library::at_smoke(&[&format!("data.use={data}"), &root, more]);
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
        let plan = Plan::new(&Library::at_smoke(&[]), "table7", Some("d"), &[0, 1]).unwrap();
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
        let said = |force| plan.describe(runs.path(), force, 1, &|_| Ok(48)).unwrap();
        let plain = said(false);
        assert!(plain.contains("1 of 2 seeds finished, about"), "{plain}");
        assert!(plain.contains("is not a run record"), "{plain}");
        let forced = said(true);
        assert!(forced.contains(" per seed") && !forced.contains("finished"), "{forced}");
    }

    #[test]
    fn a_recipe_without_losses_is_its_own_untrained_backbone() {
        let plan = Plan::of_recipe(&Library::at_smoke(&["optimizer.lr=0.3"]), "random", &[0]).unwrap();
        assert_eq!(plan.runs().len(), 1);
    }

    #[test]
    fn a_plan_takes_the_place_of_the_same_runs_only_and_keeps_their_seeds() {
        let runs = tempfile::tempdir().unwrap();
        let epsilon = ["loss.instance.epsilon=0.2"];
        let of_table = |sets: &[&str], row, seeds: &[u64]| {
            Plan::new(&Library::at_smoke(sets), "table7", row, seeds).unwrap().write(runs.path()).unwrap();
        };
        of_table(&[], None, &[1, 0, 1]);
        of_table(&[], Some("d"), &[2]);
        of_table(&epsilon, None, &[0]);
        for name in ["table7/d", "table7/e"] {
            Plan::of_recipe(&Library::at_smoke(&[]), name, &[0, 0]).unwrap().write(runs.path()).unwrap();
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
            let plan = Plan::new(&Library::at_smoke(&[]), &table, row, &[0]).unwrap();
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
        let plan =
            Plan::new(&Library::at_smoke(&["evaluator.detection-2x.steps=5"]), &table, None, &[0]).unwrap();
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
