//! `table.toml`: the rows and columns of a table, beside the recipes of its rows.

use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use univip_core::error::{RecipeError, suggest};
use univip_core::recipe::{Config, Embedded, Invalid, Row, whole_file};
use univip_run_format::{Column, Difference};

/// The name of the file in a table's directory.
pub(super) const FILE: &str = "table.toml";

/// `table.toml`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TableFile {
    /// Another file of this kind, whose keys hold where this file does not state them.
    pub inherit: Option<String>,
    /// One sentence about the table.
    pub caption: String,
    /// The tables that this name stands for; such a file has no other key.
    pub tables: Vec<String>,
    /// The rows in order, each by its recipe's name without `.toml`; all of the directory by name where neither these nor groups
    /// are stated.
    pub rows: Vec<String>,
    /// The rows in groups, in place of `rows`.
    pub groups: Vec<Group>,
    /// The rows whose method is not there yet, by their names in `rows`: they stand in the table with the paper's numbers alone.
    pub missing: BTreeMap<String, Row>,
    /// The row that the others are compared with.
    pub baseline: Option<String>,
    /// The numbers to show, in order; all that the rows' evaluators measure where none is stated.
    pub columns: Vec<Column>,
    /// The differences to show by themselves, of rows by their names in `rows`.
    pub differences: Vec<Difference>,
}

/// `[[groups]]`: rows that have something in common.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Group {
    /// The thing that they have in common: `pre-trained on COCO`.
    pub title: String,
    /// The rows in order.
    pub rows: Vec<String>,
}

impl Config for TableFile {
    fn check(&self) -> Result<(), Invalid> {
        let refuse = |key: &'static str, problem: String| Err(Invalid { key, problem });
        let alone = Self { tables: self.tables.clone(), ..Self::default() };
        if !self.tables.is_empty() && *self != alone {
            return refuse("tables", "a name for several tables has no rows or columns of its own".into());
        }
        if !self.rows.is_empty() && !self.groups.is_empty() {
            return refuse("rows", "rows are stated alone or in [[groups]], not both".into());
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.listed().map(|(_, row)| row).find(|row| !seen.insert(*row)) {
            return refuse("rows", format!("`{twice}` is stated twice"));
        }
        if let Some(unlisted) = self.missing.keys().find(|row| !seen.contains(row.as_str())) {
            return refuse("missing", format!("`{unlisted}` is no row: list it in `rows`, where it stands"));
        }
        let mut heads = BTreeSet::new();
        if let Some(twice) = self.columns.iter().find(|column| !heads.insert(&column.head)) {
            return refuse("columns", format!("two columns are headed `{}`", twice.head));
        }
        Ok(())
    }
}

impl TableFile {
    /// Reads a file and the one that it inherits.
    ///
    /// # Errors
    /// [`RecipeError`], naming the file and the key.
    pub fn read(path: &Path, embedded: Embedded) -> Result<Self> {
        let unreadable =
            |problem| RecipeError { origin: "table".into(), key: path.display().to_string(), problem };
        let own = Self::read_alone(path, embedded, &unreadable)?;
        let Some(written) = own.inherit.clone() else { return Ok(own) };
        let parent = Embedded::inherited(path.parent().unwrap_or(Path::new("")), &written);
        let unreadable =
            |problem| refused(path, "inherit", format!("`{written}` ({}): {problem}", parent.display()));
        let below = Self::read_alone(&parent, embedded, &unreadable)?;
        if below.inherit.is_some() {
            let problem = "a file that a table inherits inherits no other".to_string();
            return Err(refused(&parent, "inherit", problem).into());
        }
        Ok(own.over(below))
    }

    fn read_alone(
        path: &Path,
        embedded: Embedded,
        unreadable: &dyn Fn(String) -> RecipeError,
    ) -> Result<Self> {
        let text = embedded.read(path).map_err(|error| unreadable(format!("{error:#}")))?;
        whole_file(path, &text)?.read()
    }

    /// This file's keys, and those of the file `below` where it does not state them.
    fn over(self, below: Self) -> Self {
        let unlisted = self.rows.is_empty() && self.groups.is_empty();
        let (rows, groups, missing) = match unlisted {
            true => (below.rows, below.groups, below.missing),
            false => (self.rows, self.groups, self.missing),
        };
        Self {
            inherit: None,
            caption: if self.caption.is_empty() { below.caption } else { self.caption },
            tables: self.tables,
            rows,
            groups,
            missing,
            baseline: self.baseline.or(below.baseline),
            columns: if self.columns.is_empty() { below.columns } else { self.columns },
            differences: if self.differences.is_empty() { below.differences } else { self.differences },
        }
    }

    /// The rows that are stated, each with the title of its group.
    fn listed(&self) -> impl Iterator<Item = (&str, &str)> {
        let alone = self.rows.iter().map(|row| ("", row.as_str()));
        let grouped = self
            .groups
            .iter()
            .flat_map(|group| group.rows.iter().map(|row| (group.title.as_str(), row.as_str())));
        alone.chain(grouped)
    }

    /// The rows in order, each with the title of its group. `recipes` are the names of the directory's.
    ///
    /// # Errors
    /// [`RecipeError`] for a row without a recipe that is not said to be missing, or that has one and is; a recipe without a row;
    /// and a baseline, or a side of a difference, that is none of the recipes' rows.
    pub fn rows(&self, path: &Path, recipes: &[String]) -> Result<Vec<(String, String)>> {
        let known: Vec<&str> = recipes.iter().map(String::as_str).collect();
        if known.is_empty() {
            let problem = "no recipe is in its directory, and so no row".to_string();
            return Err(refused(path, "rows", problem).into());
        }
        let mut rows: Vec<(&str, &str)> = self.listed().collect();
        if rows.is_empty() {
            rows = known.iter().map(|recipe| ("", *recipe)).collect();
        }
        let is_missing = |row: &str| self.missing.contains_key(row);
        if let Some((_, odd)) = rows.iter().find(|(_, row)| !known.contains(row) && !is_missing(row)) {
            let problem = format!("no recipe {odd}.toml is in its directory; {}", suggest(odd, &known));
            return Err(refused(path, "rows", problem).into());
        }
        if let Some(there) = known.iter().find(|row| is_missing(row)) {
            let problem = format!("`{there}` has a recipe, {there}.toml: take one of the two away");
            return Err(refused(path, "missing", problem).into());
        }
        let left: Vec<&str> =
            known.iter().copied().filter(|recipe| !rows.iter().any(|(_, row)| row == recipe)).collect();
        if !left.is_empty() {
            let problem =
                format!("the recipes {} are no rows: list them, or move them elsewhere", left.join(", "));
            return Err(refused(path, "rows", problem).into());
        }
        let stated: Vec<&str> = rows.iter().map(|(_, row)| *row).filter(|row| !is_missing(row)).collect();
        self.check_differences(path, &stated)?;
        match &self.baseline {
            Some(baseline) if !stated.contains(&baseline.as_str()) => {
                let problem = format!("`{baseline}` is no row; {}", suggest(baseline, &stated));
                Err(refused(path, "baseline", problem).into())
            }
            None if self.columns.iter().any(|column| column.difference) => {
                let problem = "a column shows differences and no row is stated that they are differences to: \
                               add baseline = \"ROW\", or leave out `difference`";
                Err(refused(path, "baseline", problem.into()).into())
            }
            _ => Ok(rows.into_iter().map(|(group, row)| (group.to_string(), row.to_string())).collect()),
        }
    }

    fn check_differences(&self, path: &Path, rows: &[&str]) -> Result<(), RecipeError> {
        for Difference { about, row, minus } in &self.differences {
            for (key, name) in [("differences.row", row), ("differences.minus", minus)] {
                if !rows.contains(&name.as_str()) {
                    let problem = format!("`{name}` (of `{about}`) is no row; {}", suggest(name, rows));
                    return Err(refused(path, key, problem));
                }
            }
            if row == minus {
                let problem = format!("`{about}` is the difference of `{row}` to itself");
                return Err(refused(path, "differences", problem));
            }
        }
        Ok(())
    }
}

/// A [`RecipeError`] about a table's file.
pub(super) fn refused(path: &Path, key: &str, problem: String) -> RecipeError {
    RecipeError { origin: path.display().to_string(), key: key.into(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn read(text: &str) -> Result<TableFile> {
        let root = tempfile::tempdir()?;
        let path = root.path().join(FILE);
        fs::write(&path, text)?;
        fs::write(
            root.path().join("below.toml"),
            "caption = \"below\"\nbaseline = \"a\"\n[[columns]]\nhead = \"x\"\nevaluator = \"knn\"\nmetric = \"top1\"\ndifference = true",
        )?;
        TableFile::read(&path, Embedded::default())
    }

    fn rows(text: &str) -> Result<Vec<(String, String)>> {
        read(text)?.rows(Path::new("my/table.toml"), &["a".into(), "b".into()])
    }

    #[test]
    fn rows_stand_in_the_order_and_the_groups_that_are_stated() -> Result<()> {
        let pairs = |rows: &[(&str, &str)]| -> Vec<(String, String)> {
            rows.iter().map(|(group, row)| (group.to_string(), row.to_string())).collect()
        };
        assert_eq!(rows("")?, pairs(&[("", "a"), ("", "b")]));
        assert_eq!(rows("rows = [\"b\", \"a\"]")?, pairs(&[("", "b"), ("", "a")]));
        let grouped = "[[groups]]\ntitle = \"G\"\nrows = [\"b\"]\n[[groups]]\ntitle = \"H\"\nrows = [\"a\"]";
        assert_eq!(rows(grouped)?, pairs(&[("G", "b"), ("H", "a")]));
        Ok(())
    }

    #[test]
    fn a_row_without_a_method_keeps_its_place_and_the_papers_numbers() -> Result<()> {
        let text = "rows = [\"a\", \"orl\", \"b\"]\n[missing.orl]\nlabel = \"ORL\"\npaper = { top1 = 59.0 }";
        let names: Vec<String> = rows(text)?.into_iter().map(|(_, row)| row).collect();
        assert_eq!(names, ["a", "orl", "b"]);
        let table = read(text)?;
        assert_eq!((table.missing["orl"].label.as_str(), table.missing["orl"].paper["top1"]), ("ORL", 59.0));
        Ok(())
    }

    #[test]
    fn what_a_file_does_not_state_is_inherited() -> Result<()> {
        let table = read("inherit = \"below.toml\"\ncaption = \"own\"\nrows = [\"a\", \"b\"]")?;
        assert_eq!(
            (table.caption.as_str(), table.baseline.as_deref(), table.columns.len()),
            ("own", Some("a"), 1)
        );
        assert!(table.columns[0].difference);
        Ok(())
    }

    #[test]
    fn what_is_no_table_is_refused_in_one_line() {
        for (text, said) in [
            ("captoin = \"x\"", "did you mean `caption`?"),
            ("caption = ", "not TOML"),
            ("rows = [\"a\", \"c\"]", "no recipe c.toml"),
            ("rows = [\"a\"]", "the recipes b are no rows"),
            ("rows = [\"a\", \"a\", \"b\"]", "`a` is stated twice"),
            ("baseline = \"c\"", "`c` is no row"),
            ("[missing.c]", "`c` is no row: list it"),
            (
                "[[differences]]\nabout = \"x\"\nrow = \"a\"\nminus = \"c\"",
                "differences.minus`: `c` (of `x`) is no row; ",
            ),
            ("[[differences]]\nabout = \"x\"\nrow = \"a\"\nminus = \"a\"", "the difference of `a` to itself"),
            ("[[differences]]\nabout = \"x\"\nrow = \"a\"", "minus"),
            ("rows = [\"a\", \"b\"]\n[missing.b]", "`b` has a recipe, b.toml"),
            ("baseline = \"c\"\nrows = [\"a\", \"b\", \"c\"]\n[missing.c]", "`c` is no row; "),
            ("rows = [\"a\", \"b\", \"c\"]\n[missing.c]\ntop1 = 1.0", "missing.c"),
            (
                "[[columns]]\nhead = \"x\"\nevaluator = \"knn\"\nmetric = \"top1\"\ndifference = true",
                "add baseline",
            ),
            ("[[columns]]\nhead = \"x\"\nevaluator = \"knn\"", "metric"),
            ("tables = [\"table7\"]\ncaption = \"x\"", "has no rows or columns of its own"),
            ("inherit = \"other.toml\"", "`inherit`: `other.toml`"),
        ] {
            let error = rows(text).map(|rows| panic!("{text}: {rows:?}")).unwrap_err();
            let message = format!("{error:#}");
            assert!(message.contains(said) && !message.contains('\n'), "{text}: {message}");
            assert!(error.is::<RecipeError>(), "{message}");
        }
        let none = TableFile::default().rows(Path::new("my/table.toml"), &[]).unwrap_err().to_string();
        assert!(none.contains("no recipe is in its directory"), "{none}");
    }
}
