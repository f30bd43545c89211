//! A sweep: the grid of the values that some keys take in turn around one recipe, as a table of its own.

use super::ablation::{Plan, recipe_name};
use super::file::plain;
use super::library::{Library, key_of, recipes_in};
use super::of_table::table_name;
use super::planned::PlannedTable;
use crate::runs::Asked;
use crate::usage::usage;
use anyhow::Result;
use std::collections::BTreeSet;
use univip_core::error::suggest;
use univip_core::recipe::Row;
use univip_run_format::{Axis, Column};

/// The recipe that a sweep goes around.
pub struct Swept {
    /// A file, or the name of one of the project's (`table7/e`).
    recipe: String,
    /// The name of its runs, which a run of the recipe as it stands shares: `table7/e`.
    name: String,
    /// The numbers to show; empty for all.
    columns: Vec<Column>,
}

impl Swept {
    /// A recipe by itself, as `univip run` runs it.
    pub fn recipe(asked: &str) -> Self {
        Self { recipe: asked.into(), name: recipe_name(asked), columns: Vec::new() }
    }

    /// A row of a table, with the table's columns.
    ///
    /// # Errors
    /// A [`UsageError`](crate::usage::UsageError) for an unknown table, or where no row is named.
    pub fn row(library: &Library, table: &str, row: Option<&str>) -> Result<Self> {
        let directory = library.table_directory(table)?;
        let rows = recipes_in(&directory);
        let known: Vec<&str> = rows.iter().map(String::as_str).collect();
        let Some(row) = row.filter(|row| known.contains(row)) else {
            let problem = match row {
                Some(row) => format!("{table} has no row `{row}`; {}", suggest(row, &known)),
                None => {
                    format!("a sweep goes around one recipe: --row names it; known: {}", known.join(", "))
                }
            };
            return Err(usage("--row", problem));
        };
        let recipe = directory.join(format!("{row}.toml")).display().to_string();
        let name = format!("{}/{row}", table_name(&directory)?);
        Ok(Self { recipe, name, columns: library.table_file(&directory)?.columns })
    }
}

impl Plan {
    /// The plan of a sweep: a row for each cell of the grid, the last axis fastest. The cell that is the recipe as it stands, if there is
    /// one, is the baseline, and its run that of the recipe.
    ///
    /// # Errors
    /// A [`UsageError`](crate::usage::UsageError) for axes that cannot be used, and for a recipe that no cell leaves usable. A
    /// cell that cannot be used beside others that can is left out.
    pub fn of_sweep(library: &Library, swept: &Swept, axes: Vec<Axis>, seeds: &[u64]) -> Result<Self> {
        check(&axes, library)?;
        let stated = library.load(&swept.recipe)?;
        let mut plan = Self::empty(library, library.load_untrained(&stated)?, seeds)?;
        let stated = Asked::of(stated, &plan.registry)?;
        let keys: Vec<&str> = axes.iter().map(|axis| axis.key.as_str()).collect();
        plan.tables.push(PlannedTable {
            name: sweep_name(&swept.name, &keys),
            caption: format!("sweep of {} around {}", keys.join(" and "), swept.name),
            columns: swept.columns.clone(),
            axes: axes.clone(),
            ..PlannedTable::default()
        });
        let mut misfit = None;
        for cell in grid(&axes) {
            let sets: Vec<String> = settings(&axes, &cell);
            let label = axes.iter().zip(&cell).map(|(axis, at)| axis.values[*at].as_str());
            let row = Row {
                label: label.collect::<Vec<_>>().join(" · "),
                title: sets.join(", "),
                ..Row::default()
            };
            match library.with(&sets).load(&swept.recipe) {
                Ok(recipe) => plan.add(swept.name.clone(), row, recipe, true)?.cell = cell,
                Err(error) => {
                    plan.tables[0].left_out.push(format!("{} is left out: {error:#}", sets.join(", ")));
                    misfit.get_or_insert(error);
                }
            }
        }
        let as_stated = plan.rows.iter().position(|row| plan.asked(row).is_same(&stated));
        if let Some(place) = as_stated {
            plan.rows[place].baseline = true;
        }
        for column in &mut plan.tables[0].columns {
            column.difference &= as_stated.is_some();
            (column.paper, column.paper_head) = (None, None);
        }
        // The first error speaks for all where no cell can be used.
        misfit.filter(|_| plan.rows.is_empty()).map_or(Ok(plan), Err)
    }
}

/// The axes of a recipe's `[sweep]`.
///
/// # Errors
/// When a value cannot be written as TOML.
pub fn axes_of(library: &Library, recipe: &str) -> Result<Vec<Axis>> {
    let text = |value| Ok(toml::Value::try_from::<serde_json::Value>(value)?.to_string());
    let axis = |(key, values): (String, Vec<serde_json::Value>)| {
        Ok(Axis { key, values: values.into_iter().map(text).collect::<Result<_>>()? })
    };
    library.load(recipe)?.sweep.0.into_iter().map(axis).collect()
}

/// `loss.instance.epsilon=0.05,0.1` of `--sweep`. A comma within brackets, braces or quotes is part of a value.
///
/// # Errors
/// A [`UsageError`](crate::usage::UsageError) for what is no key with values.
pub fn axis(text: &str) -> Result<Axis> {
    let Some((key, values)) = text.split_once('=') else {
        return Err(usage("--sweep", format!("`{text}` is no KEY=VALUE,VALUE,...")));
    };
    let values = split(values).into_iter().map(str::to_string).collect();
    Ok(Axis { key: key.trim().to_string(), values })
}

fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quoted) = (Vec::new(), 0, 0_i32, None);
    for (at, character) in text.char_indices() {
        match (quoted, character) {
            (Some(quote), _) if character == quote => quoted = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quoted = Some(character),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

fn check(axes: &[Axis], library: &Library) -> Result<()> {
    let mut keys = BTreeSet::new();
    for Axis { key, values } in axes {
        let refuse = |problem: String| Err(usage("--sweep", format!("{key}: {problem}")));
        if !keys.insert(key) {
            return refuse("is stated twice; give all of its values at once".into());
        }
        if library.sets.iter().any(|set| key_of(set).trim() == key) {
            return refuse("--set states it, too".into());
        }
        if values.iter().any(String::is_empty) {
            return refuse("a value is empty".into());
        }
        match &values[..] {
            [] => return refuse("there is no value".into()),
            [one] => return refuse(format!("one value is no sweep: add others, or use --set {key}={one}")),
            _ => {}
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = values.iter().find(|value| !seen.insert(*value)) {
            return refuse(format!("{twice} is stated twice"));
        }
    }
    Ok(())
}

/// Every combination, as the place of the value on each axis; the last axis is the fastest.
fn grid(axes: &[Axis]) -> Vec<Vec<usize>> {
    axes.iter().fold(vec![Vec::new()], |cells, axis| {
        let with = |cell: &Vec<usize>, at| [&cell[..], &[at]].concat();
        cells.iter().flat_map(|cell| (0..axis.values.len()).map(move |at| with(cell, at))).collect()
    })
}

/// `loss.instance.epsilon=0.05` for each axis of a cell.
fn settings(axes: &[Axis], cell: &[usize]) -> Vec<String> {
    axes.iter().zip(cell).map(|(axis, at)| format!("{}={}", axis.key, axis.values[*at])).collect()
}

/// `sweep-table7-e-epsilon-lr`: a name with letters, digits, - and _ alone.
fn sweep_name(recipe: &str, keys: &[&str]) -> String {
    let ends = keys.iter().map(|key| key.rsplit('.').next().unwrap_or(key));
    plain(&["sweep", recipe].into_iter().chain(ends).collect::<Vec<_>>().join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    // The plugins that recipes name.
    use univip_plugins as _;

    fn sweep(sweeps: &[&str], sets: &[&str]) -> Result<Plan> {
        let library = Library::at_smoke(sets);
        let axes = sweeps.iter().map(|text| axis(text)).collect::<Result<_>>()?;
        Plan::of_sweep(&library, &Swept::row(&library, "table7", Some("e"))?, axes, &[0])
    }

    #[test]
    fn a_grid_has_every_combination_and_the_recipe_as_it_stands_is_its_baseline() -> Result<()> {
        let plan = sweep(&["loss.instance.epsilon=0.05,0.1", "optimizer.lr=0.1,0.2,0.4"], &[])?;
        let cells: Vec<&[usize]> = plan.rows.iter().map(|row| &row.cell[..]).collect();
        assert_eq!(cells, [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]);
        assert_eq!((plan.rows[4].row.label.as_str(), plan.trainings.len()), ("0.1 · 0.2", 6));
        let stated: Vec<bool> = plan.rows.iter().map(|row| row.baseline).collect();
        assert_eq!(stated, [false, false, false, false, true, false]);
        assert_eq!(plan.tables[0].name, "sweep-table7-e-epsilon-lr");
        // The run of a recipe as it stands is that of the recipe.
        let alone = Plan::of_recipe(&Library::at_smoke(&[]), "table7/e", &[0])?;
        let [of_cell, of_recipe] = [&plan.trainings[4], &alone.trainings[0]];
        assert_eq!(of_cell.name, of_recipe.name);
        assert_eq!(of_cell.fingerprint(), of_recipe.fingerprint());
        // Cells that differ in what is measured alone share a run.
        let measured = sweep(&["evaluator.knn.k=5,20"], &[])?;
        let stated: Vec<bool> = measured.rows.iter().map(|row| row.baseline).collect();
        assert_eq!((measured.trainings.len(), stated), (1, vec![false, true]));
        Ok(())
    }

    #[test]
    fn of_two_spellings_of_the_stated_value_one_is_the_baseline() -> Result<()> {
        let plan = sweep(&["optimizer.lr=0.2,0.20"], &[])?;
        let stated: Vec<bool> = plan.rows.iter().map(|row| row.baseline).collect();
        assert_eq!((plan.trainings.len(), stated), (1, vec![true, false]));
        Ok(())
    }

    #[test]
    fn a_comma_within_a_value_is_part_of_it() -> Result<()> {
        let values = axis("losses.use=[\"scene\"],[\"scene\", \"instance\"]")?.values;
        assert_eq!(values, ["[\"scene\"]", "[\"scene\", \"instance\"]"]);
        assert_eq!(axis("a.b = 'x,y', z")?.values, ["'x,y'", "z"]);
        Ok(())
    }

    #[test]
    fn what_is_no_sweep_is_refused_in_one_line() {
        for (sweeps, sets, said) in [
            (&["optimizer.lr"][..], &[][..], "`optimizer.lr` is no KEY=VALUE,VALUE,..."),
            (&["optimizer.lr=0.1"], &[], "use --set optimizer.lr=0.1"),
            (&["optimizer.lr=0.1,0.1"], &[], "0.1 is stated twice"),
            (&["optimizer.lr=0.1,"], &[], "a value is empty"),
            (&["optimizer.lr=0.1,0.2", "optimizer.lr=0.3,0.4"], &[], "is stated twice"),
            (&["optimizer.lr=0.1,0.2"], &["optimizer.lr=0.3"], "--set states it, too"),
            (&["optimizer.rl=0.1,0.2"], &[], "did you mean"),
            (&["optimizer.lr=fast,slow"], &[], "optimizer.lr"),
        ] {
            let error = sweep(sweeps, sets).err().unwrap_or_else(|| panic!("{sweeps:?}"));
            let message = format!("{error:#}");
            assert!(message.contains(said) && !message.contains('\n'), "{sweeps:?}: {message}");
        }
    }

    #[test]
    fn a_row_is_named_and_its_tables_columns_are_shown() -> Result<()> {
        let library = Library::at_smoke(&[]);
        for (row, said) in [(None, "known: a, b, c, d, e"), (Some("f"), "has no row `f`")] {
            let message = format!("{:#}", Swept::row(&library, "table7", row).err().expect("a refusal"));
            assert!(message.contains(said), "{message}");
        }
        let differences = |sweeps| -> Result<Vec<bool>> {
            let columns = &sweep(sweeps, &[])?.tables[0].columns;
            assert!(columns.iter().all(|column| column.paper.is_none()));
            Ok(columns.iter().map(|column| column.difference).collect())
        };
        assert_eq!(differences(&["optimizer.lr=0.1,0.2"])?, [true, false, false, false]);
        // No cell is the recipe as it stands, and so there is nothing to take differences to.
        assert_eq!(differences(&["optimizer.lr=0.1,0.3"])?, [false; 4]);
        Ok(())
    }

    #[test]
    fn a_recipe_asks_for_its_sweep_and_a_table_has_none() -> Result<()> {
        let root = tempfile::tempdir()?;
        let directory = root.path().join("mine");
        std::fs::create_dir(&directory)?;
        let path = directory.join("own.toml");
        let recipe = "inherit = [\"univip:/recipes/table7/b.toml\"]\n[sweep]\n\"target.momentum\" = [0.9, 0.95]\n\
                      \"losses.use\" = [[\"scene\"], [\"byol\"]]\n";
        std::fs::write(&path, recipe)?;
        let library = Library::at_smoke(&[]);
        let axes = axes_of(&library, &path.display().to_string())?;
        let expected = [("losses.use", ["[\"scene\"]", "[\"byol\"]"]), ("target.momentum", ["0.9", "0.95"])];
        for (axis, (key, values)) in axes.iter().zip(expected) {
            assert_eq!((axis.key.as_str(), &axis.values[..]), (key, &values.map(String::from)[..]));
        }
        let swept = Swept::recipe(&path.display().to_string());
        let plan = Plan::of_sweep(&library, &swept, axes, &[0])?;
        assert_eq!(plan.rows.len(), 4);
        let none = vec![Axis { key: "target.momentum".into(), values: Vec::new() }];
        let refused = Plan::of_sweep(&library, &swept, none, &[0]).err().expect("a refusal").to_string();
        assert!(refused.contains("target.momentum: there is no value"), "{refused}");
        // It is no part of what a run is, nor inherited.
        std::fs::write(directory.join("below.toml"), "inherit = [\"own.toml\"]\n")?;
        assert!(axes_of(&library, &directory.join("below.toml").display().to_string())?.is_empty());
        std::fs::remove_file(directory.join("below.toml"))?;
        std::fs::write(directory.join("table.toml"), "caption = \"x\"\n")?;
        let table = directory.display().to_string();
        let message = format!("{:#}", Plan::new(&library, &table, None, &[0]).err().expect("a refusal"));
        assert!(message.contains("`sweep`") && message.contains("univip run"), "{message}");
        Ok(())
    }

    #[test]
    fn a_cell_that_cannot_be_is_left_out_beside_others() -> Result<()> {
        let plan = sweep(&["train.batch=8,0"], &[])?;
        assert_eq!((plan.rows.len(), plan.left_out().count()), (1, 1));
        assert!(plan.left_out().all(|why| why.starts_with("train.batch=0 is left out: ")));
        Ok(())
    }
}
