//! `cargo xtask ci`: the steps that must pass before a change lands, together or one at a time.

use crate::docs;
use crate::spawn;
use crate::torture;
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// Formatting and clippy
    Lint,
    /// Licences, sources and banned crates, by cargo-deny where it is installed
    Deny,
    /// rustdoc, and the pages of docs/ that programs write
    Docs,
    /// Every test
    Test,
    /// Mutated inputs for every reader, a minute
    Fuzz,
    /// Kills and disk faults in a run, a minute; without a C compiler called `cc`, kills alone
    Torture,
    /// Every row of every table at the scale `smoke`
    Smoke,
}

/// Runs one step, or all in order until one fails.
///
/// # Errors
/// Naming the command that failed.
pub fn ci(step: Option<Step>) -> Result<()> {
    let steps = step.map_or(Step::value_variants().to_vec(), |step| vec![step]);
    for step in steps {
        let name = step.to_possible_value().map(|value| value.get_name().to_string());
        println!("\n== {}", name.unwrap_or_default());
        step.run()?;
    }
    Ok(())
}

impl Step {
    fn run(self) -> Result<()> {
        const WORKSPACE: [&str; 2] = ["--release", "--workspace"];
        match self {
            Self::Lint => {
                cargo(&["fmt", "--all", "--check"], None)?;
                let clippy = [&["clippy"], &WORKSPACE[..], &["--all-targets", "--", "-D", "warnings"]];
                cargo(&clippy.concat(), None)
            }
            Self::Deny => deny(),
            Self::Docs => {
                let doc = [&["doc"], &WORKSPACE[..], &["--no-deps", "--quiet"]];
                cargo(&doc.concat(), Some("-D warnings"))?;
                docs::docs(&docs::Options { check: true })
            }
            Self::Test => cargo(&[&["test"], &WORKSPACE[..]].concat(), None),
            Self::Fuzz => {
                spawn::build()?;
                ensure!(spawn::run("univip-fuzz", &[])? == 0, "fuzzing found something (see above)");
                Ok(())
            }
            Self::Torture => {
                let options = torture::Options { minutes: 1.0, seed: None };
                ensure!(torture::torture(&options)? == 0, "torture found something (see above)");
                Ok(())
            }
            Self::Smoke => {
                spawn::build()?;
                smoke(tempfile::tempdir()?.path())
            }
        }
    }
}

/// Checks the dependencies against `deny.toml`. Advisories are left out: their database is on the network, and changes without
/// a change of this repository.
fn deny() -> Result<()> {
    let found = Command::new(spawn::cargo_program())
        .args(["deny", "--version"])
        .output()
        .context("starting cargo")?;
    if !found.status.success() {
        println!("not checked: cargo-deny is not installed (`cargo install cargo-deny --locked`)");
        return Ok(());
    }
    cargo(&["deny", "check", "bans", "licenses", "sources"], None)
}

/// Runs cargo in the workspace; `rustdoc` are flags for rustdoc.
fn cargo(arguments: &[&str], rustdoc: Option<&str>) -> Result<()> {
    let mut command = Command::new(spawn::cargo_program());
    command.args(arguments).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if let Some(flags) = rustdoc {
        command.env("RUSTDOCFLAGS", flags);
    }
    let status = command.status().context("starting cargo")?;
    ensure!(status.success(), "cargo {} failed (see above)", arguments.join(" "));
    Ok(())
}

/// The last line of the plan of all tables: a row that is lost is noticed.
const ALL: &str = "116 rows, 32 pre-trainings, 128 measurements";

/// The runs of [`ALL`], of which one is the untrained backbone.
const RUNS: usize = 32;

/// Runs the other methods, then plans and runs every table of the paper, into empty directories, and makes their reports.
fn smoke(runs: &Path) -> Result<()> {
    let recipes = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../experiments/recipes/methods"));
    // One file there is table.toml.
    let methods = fs::read_dir(recipes).with_context(|| recipes.display().to_string())?.count() - 1;
    let place = runs.join("methods");
    let finished = ablate("methods", &place)?;
    // The untrained backbone stands beside them.
    ensure!(finished > methods, "{finished} runs are finished, expected more than {methods}");
    let output = univip("all", runs, &["--dry-run"])?.output().context("starting univip")?;
    let plan = String::from_utf8(output.stdout)?;
    print!("{plan}");
    let last = plan.lines().last().unwrap_or_default();
    ensure!(last == ALL, "the plan ends with `{last}`, expected `{ALL}`");
    let finished = ablate("all", runs)?;
    ensure!(finished == RUNS, "{finished} runs are finished, expected {RUNS}");
    let reports = runs.join("reports").display().to_string();
    let code = spawn::run("univip-reports", &["--out".into(), reports, runs.display().to_string()])?;
    ensure!(code == 0, "univip-reports ended with {code}");
    Ok(())
}

/// Runs a table at `smoke`; the number of finished runs.
fn ablate(table: &str, runs: &Path) -> Result<usize> {
    let status = univip(table, runs, &[])?.status().context("starting univip")?;
    ensure!(status.success(), "univip ablate {table} ended with {status}");
    finished(runs)
}

fn univip(table: &str, runs: &Path, more: &[&str]) -> Result<Command> {
    let mut command = Command::new(spawn::beside("univip")?);
    command.args(["ablate", table, "--scale", "smoke", "--runs"]).arg(runs).args(more);
    Ok(command)
}

fn finished(runs: &Path) -> Result<usize> {
    let mut finished = 0;
    for entry in fs::read_dir(runs)? {
        let record = entry?.path().join("run.json");
        if record.exists() {
            let text = fs::read_to_string(&record)?;
            ensure!(text.contains("\"status\": \"finished\""), "{} is not finished", record.display());
            finished += 1;
        }
    }
    Ok(finished)
}
