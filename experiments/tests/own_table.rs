//! Tables and methods of the user's own, as docs/tables.md and CONTRIBUTING.md have them, and rows that a setting does not fit.

mod common;

use anyhow::{Context, Result, ensure};
use common::{copy_directory, output, run_directory, stdout};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes the files of docs/tables.md below a directory: each block of TOML begins with the name of its file.
fn as_documented(root: &Path) -> Result<usize> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tables.md");
    let text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    let mut written = 0;
    for block in text.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        let name = block.lines().next().and_then(|line| line.strip_prefix("# ")).context("no file name")?;
        let path = root.join(name);
        fs::create_dir_all(path.parent().context("no directory")?)?;
        fs::write(path, block)?;
        written += 1;
    }
    Ok(written)
}

/// The plan files of a directory of runs.
fn plans(runs: &Path) -> Result<Vec<Value>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(runs.join("plans"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    paths.iter().map(|path| Ok(serde_json::from_slice(&fs::read(path)?)?)).collect()
}

#[test]
fn a_table_of_ones_own_runs_as_documented() -> Result<()> {
    let root = tempfile::tempdir()?;
    ensure!(as_documented(root.path())? == 4, "docs/tables.md has other files");
    let (table, runs) = (root.path().join("momentum"), root.path().join("runs"));
    let table = table.to_str().context("not UTF-8")?;
    stdout(&["ablate", table, "--scale", "smoke", "--seeds", "0,1"], &runs)?;
    let [plan] = &plans(&runs)?[..] else { anyhow::bail!("not one plan") };
    ensure!(plan["table"] == "momentum" && plan["caption"] == "momentum of the target network", "{plan}");
    let rows: Vec<_> = plan["rows"]
        .as_array()
        .context("no rows")?
        .iter()
        .map(|row| (&row["label"], &row["title"]))
        .collect();
    ensure!(
        rows == [(&"slow".into(), &"from 0.99".into()), (&"fast".into(), &"from 0.9".into())],
        "{rows:?}"
    );
    ensure!(plan["rows"][0]["baseline"] == true && plan["columns"][0]["metric"] == "top1", "{plan}");
    let finished = fs::read_dir(&runs)?
        .filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("run.json")).ok())
        .filter(|record| record.contains("\"finished\""))
        .count();
    ensure!(
        finished == 6,
        "{finished} runs are finished, expected two rows and the untrained backbone of two seeds"
    );
    Ok(())
}

/// The recipe of CONTRIBUTING.md's "Add a method", by the steps that stand there.
#[test]
fn a_method_of_ones_own_runs_as_documented() -> Result<()> {
    let (root, here) = (tempfile::tempdir()?, Path::new(env!("CARGO_MANIFEST_DIR")));
    for directory in ["recipes", "scales"] {
        copy_directory(&here.join(directory), &root.path().join(directory))?;
    }
    let page = fs::read_to_string(here.join("../CONTRIBUTING.md"))?;
    let (_, section) = page.split_once("\n## Add a method\n").context("no such section")?;
    let block = section.split("```toml\n").nth(1).and_then(|block| block.split("```").next());
    // It stands in an item of a list.
    let lines =
        block.context("no recipe in it")?.lines().map(|line| line.strip_prefix("   ").unwrap_or(line));
    let methods = root.path().join("recipes/methods");
    fs::write(methods.join("my-method.toml"), lines.collect::<Vec<_>>().join("\n"))?;
    let table = fs::read_to_string(methods.join("table.toml"))?;
    ensure!(table.contains("rows = ["), "{table}");
    fs::write(methods.join("table.toml"), table.replacen("rows = [", "rows = [\"my-method\", ", 1))?;

    let recipes = ["--recipes", root.path().to_str().context("not UTF-8")?];
    let show = ["recipe", "show", "methods/my-method", "--scale", "smoke"];
    let shown = stdout(&[&show[..], &recipes].concat(), root.path())?;
    ensure!(shown.contains("use = [\"nt-xent\"]  # recipes/methods/my-method.toml"), "{shown}");
    let runs = root.path().join("runs");
    let ablate = ["ablate", "methods", "--row", "my-method", "--scale", "smoke"];
    stdout(&[&ablate[..], &recipes].concat(), &runs)?;
    let record = fs::read_to_string(run_directory(&runs, "methods-my-method")?.join("run.json"))?;
    ensure!(record.contains("\"status\": \"finished\""), "{record}");
    Ok(())
}

#[test]
fn a_sweep_of_ones_own_runs_as_documented_and_shares_the_recipes_run() -> Result<()> {
    let root = tempfile::tempdir()?;
    as_documented(root.path())?;
    let (recipe, runs) = (root.path().join("sweep.toml"), root.path().join("runs"));
    let recipe = recipe.to_str().context("not UTF-8")?;
    stdout(&["run", recipe, "--scale", "smoke"], &runs)?;
    let [plan] = &plans(&runs)?[..] else { anyhow::bail!("not one plan") };
    let axes = json!([{"key": "target.momentum", "values": ["0.9", "0.95", "0.99"]}]);
    ensure!(plan["axes"] == axes, "{plan}");
    let rows = plan["rows"].as_array().context("no rows")?;
    let stated: Vec<bool> = rows.iter().map(|row| row["baseline"] == true).collect();
    ensure!(stated == [false, false, true] && rows[1]["cell"] == json!([1]), "{plan}");
    // The recipe as it stands is a cell of the grid: another sweep trains one more run.
    let count = || Ok::<_, anyhow::Error>(fs::read_dir(&runs)?.filter(is_run).count());
    let before = count()?;
    stdout(&["run", recipe, "--scale", "smoke", "--sweep", "target.momentum=0.8,0.99"], &runs)?;
    ensure!(count()? == before + 1, "{} runs, and {before} before", count()?);
    let refused = output(&["run", recipe, "--scale", "smoke", "--sweep", "target.momentun=0.8,0.99"], &runs)?;
    let text = String::from_utf8(refused.stderr)?;
    ensure!(
        refused.status.code() == Some(2)
            && text.contains("did you mean `momentum`?")
            && text.lines().count() == 1,
        "{text}"
    );
    Ok(())
}

/// True for the directory of a run.
fn is_run(entry: &std::io::Result<fs::DirEntry>) -> bool {
    entry.as_ref().is_ok_and(|entry| entry.path().join("run.json").is_file())
}

#[test]
fn a_setting_that_one_row_cannot_have_leaves_that_row_out() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let weighted = ["--scale", "smoke", "--set", "losses.weights.instance=0.3"];
    let plan = |more: &[&str]| {
        stdout(&[&["ablate", "table7", "--dry-run"], &weighted[..], more].concat(), runs.path())
    };
    let all = plan(&[])?;
    for row in ["a", "b", "c"] {
        ensure!(
            all.contains(&format!("table7/{row} is left out: --set: `losses.weights`: `instance`")),
            "{all}"
        );
    }
    ensure!(all.ends_with("2 rows, 2 pre-trainings, 9 measurements\n"), "{all}");
    ensure!(
        plan(&["--row", "d"])?.ends_with("1 row, 1 pre-training, 6 measurements\n"),
        "row (d) has this loss"
    );
    let refused = output(&[&["ablate", "table7", "--row", "a"], &weighted[..]].concat(), runs.path())?;
    let said = String::from_utf8(refused.stderr)?;
    ensure!(refused.status.code() == Some(2) && said.contains("`losses.weights`: `instance`"), "{said}");
    Ok(())
}

#[test]
fn what_is_no_table_is_refused_in_one_line_with_what_may_have_been_meant() -> Result<()> {
    let root = tempfile::tempdir()?;
    as_documented(root.path())?;
    let table = root.path().join("momentum");
    let file = table.join("table.toml");
    let good = fs::read_to_string(&file)?;
    for (from, to, said) in [
        ("evaluator = \"knn\"", "evaluator = \"kn\"", "did you mean `knn`?"),
        ("metric = \"top1\"", "metric = \"top-1\"", "`knn` gives no `top-1`; did you mean `top1`?"),
        ("baseline = \"slow\"\n", "", "add baseline"),
        ("[\"slow\", \"fast\"]", "[\"slow\", \"fats\"]", "did you mean `fast`?"),
        ("caption", "captoin", "did you mean `caption`?"),
    ] {
        ensure!(good.contains(from), "{from}");
        fs::write(&file, good.replacen(from, to, 1))?;
        let refused =
            output(&["ablate", table.to_str().context("not UTF-8")?, "--scale", "smoke"], root.path())?;
        let text = String::from_utf8(refused.stderr)?;
        ensure!(
            refused.status.code() == Some(2) && text.contains(said) && text.lines().count() == 1,
            "{text}"
        );
    }
    fs::write(&file, "tables = [\"table7\", \"table8\"]")?;
    let refused = output(&["ablate", table.to_str().context("not UTF-8")?, "--dry-run"], root.path())?;
    let text = String::from_utf8(refused.stderr)?;
    ensure!(text.contains("`table8` stands for other tables itself"), "{text}");
    // A file that the table inherits and that lies beside its rows is no row in silence.
    fs::write(table.join("columns.toml"), "")?;
    fs::write(&file, &good)?;
    let refused = output(&["ablate", table.to_str().context("not UTF-8")?, "--dry-run"], root.path())?;
    let text = String::from_utf8(refused.stderr)?;
    ensure!(text.contains("the recipes columns are no rows"), "{text}");
    fs::remove_file(&file)?;
    let refused = output(&["ablate", table.to_str().context("not UTF-8")?], root.path())?;
    let text = String::from_utf8(refused.stderr)?;
    ensure!(text.contains("has no table.toml") && text.contains("docs/tables.md"), "{text}");
    Ok(())
}
