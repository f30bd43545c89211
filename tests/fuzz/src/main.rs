//! Mutated inputs for every reader: `cargo xtask fuzz`.
//!
//! An input must end in a value or in an error of one short line, within bounds of memory and time; a panic, an abort, a stack
//! that overflows and a reader that never ends are findings too. The inputs follow from the seed and their number, so that two
//! runs read the same ones. There is no feedback from the code that an input reaches: it runs on stable Rust, and what it
//! lacks in search it makes up for by mutations that know the formats (`mutate/`).

mod campaign;
mod memory;
mod mutate;
mod targets;
mod worker;

use anyhow::{Context, Result, bail};
use campaign::Campaign;
use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use targets::{TARGETS, Target};
use univip_plugins as _;
use worker::Work;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// Read mutated inputs, until the time is up or something is found.
#[derive(Parser)]
#[command(name = "cargo xtask fuzz", version)]
#[command(after_help = "Examples:
  cargo xtask fuzz                               every target, a minute in all
  cargo xtask fuzz coco-results --seconds 600    one target for ten minutes
  cargo xtask fuzz images --seed 7               other inputs
  cargo xtask fuzz images --input FILE           one input again, such as that of a finding

Exit codes: 0 nothing was found, 1 something was.")]
struct Cli {
    /// Targets to read; all if none is named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Seconds of processor time for each target [default: a minute, shared by all]
    #[arg(long)]
    seconds: Option<f64>,
    /// The seed of the inputs
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Read this file alone
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// The directory for the inputs of findings
    #[arg(long, value_name = "DIRECTORY", default_value = "target/fuzz")]
    findings: PathBuf,
    /// List the targets
    #[arg(long)]
    list: bool,
    #[arg(long, hide = true)]
    worker: bool,
    #[arg(long, hide = true)]
    directory: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(asked: &Cli) -> Result<bool> {
    let chosen = chosen(&asked.targets)?;
    let share = 60.0 / chosen.len() as f64;
    let time = Duration::try_from_secs_f64(asked.seconds.unwrap_or(share)).context("--seconds")?;
    if asked.list {
        for target in chosen {
            println!("{:<18} {}", target.name, target.summary);
        }
        return Ok(true);
    }
    if let (true, Some(directory), [target]) = (asked.worker, &asked.directory, &chosen[..]) {
        return work(asked, target, directory, time).map(|()| true);
    }
    if asked.input.is_some() && chosen.len() != 1 {
        bail!("--input: name the one target that is to read it");
    }
    let campaign =
        Campaign { time, seed: asked.seed, only: asked.input.clone(), findings: asked.findings.clone() };
    let mut nothing_found = true;
    for target in chosen {
        nothing_found &= campaign.run(target)?;
    }
    Ok(nothing_found)
}

fn work(asked: &Cli, target: &Target, directory: &Path, time: Duration) -> Result<()> {
    let work = Work { target, directory, seed: asked.seed, time, only: asked.input.as_ref() };
    println!("{}", serde_json::to_string(&worker::work(&work)?)?);
    Ok(())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Target>> {
    if names.is_empty() {
        return Ok(TARGETS.iter().filter(|target| !target.planted).collect());
    }
    let find = |name: &String| {
        let known = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
        TARGETS
            .iter()
            .find(|target| target.name == name)
            .with_context(|| format!("no target `{name}`: {}", known()))
    };
    names.iter().map(find).collect()
}
