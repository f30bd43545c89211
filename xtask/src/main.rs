//! Project chores. Spawns cargo, so that its own build takes seconds and its dependencies are few.

mod bench;
mod check_cuda;
mod ci;
mod docs;
mod new_plugin;
mod spawn;
mod torture;
mod usage;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use usage::Usage;

/// Chores of the univip workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  cargo xtask ablate table7                          UniVIP's levels, on the embedded composed scenes
  cargo xtask ablate table7 --row d --seeds 0,1,2    one row, three seeds
  cargo xtask ablate all --dry-run                   what would run, and how long it would take
  cargo xtask report --table table7                  the table again, from what is in runs/
  cargo xtask bench proposals                        selective search beside OpenCV's
  cargo xtask bench step                             training steps beside PyTorch's
  cargo xtask fuzz                                   mutated inputs for every reader, a minute
  cargo xtask ci lint                                one step of what must pass before a change lands
  cargo xtask docs                                   the pages of docs/ that programs write
  cargo xtask check-cuda                             whether it compiles for a GPU; needs Python, no GPU
  cargo xtask torture --minutes 10                   kills and disk faults in a run, which must end in the same bits
  cargo xtask new-plugin loss my-loss                a plugin crate that runs at once

Exit codes: 0 done, 1 failed, 2 a chore that cannot be done as asked, and those of the command that a chore runs.")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run a table of the paper and write its report (`cargo xtask ablate --help` lists the options)
    #[command(disable_help_flag = true)]
    Ablate {
        /// Everything that `univip ablate` takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Write the report of runs that are there
    #[command(disable_help_flag = true)]
    Report {
        /// Everything that `univip-reports` takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure ours beside a peer, in turns, and write Markdown, CSV and a picture
    #[command(after_help = "Examples:
  cargo xtask bench proposals
  cargo xtask bench step --python venv/bin/python
  cargo xtask bench proposals --python venv/bin/python --images photos --pairs 5

Without the peer ours runs alone, and the text says what is missing.")]
    Bench(bench::Options),
    /// Write docs/recipe-keys.md from the code that reads the keys, and measured tables from docs/results/
    Docs(docs::Options),
    /// Run what must pass before a change lands: all steps, or one
    Ci {
        /// The step
        step: Option<ci::Step>,
    },
    /// Check that the workspace compiles with the feature `cuda`; makes a Python environment with nvcc
    #[command(after_help = "Examples:
  cargo xtask check-cuda
  cargo xtask check-cuda --python python3.12 --capability 90

Takes about ten minutes of one core and 2 GB of disk the first time.")]
    CheckCuda(check_cuda::Options),
    /// Kill a real run and break its disk at random, and compare its end with that of an undisturbed one
    #[command(after_help = "Examples:
  cargo xtask torture                          one minute
  cargo xtask torture --minutes 10
  cargo xtask torture --minutes 5 --seed 7     the same disturbances again, as far as the machine's timing is the same

Faults in file operations need Linux and a C compiler (cc); without them there are kills alone.
Exit codes: 0 nothing was found, 1 something was found or the chore failed.")]
    Torture(torture::Options),
    /// Read mutated inputs with every reader (`cargo xtask fuzz --help` lists the options)
    #[command(disable_help_flag = true)]
    Fuzz {
        /// Everything that `univip-fuzz` takes
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Write a plugin crate into plugins/ and link it
    NewPlugin {
        /// Kind of plugin
        kind: new_plugin::Kind,
        /// Its name in recipes: lower-case words joined by hyphens
        name: String,
        /// The workspace to write into
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/.."))]
        workspace: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().chore) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            if error.is::<Usage>() { spawn::USAGE.into() } else { ExitCode::FAILURE }
        }
    }
}

fn run(chore: Chore) -> Result<ExitCode> {
    match chore {
        Chore::Ablate { arguments } => ablate(&arguments),
        Chore::Report { arguments } => {
            spawn::build()?;
            Ok(spawn::run("univip-reports", &arguments)?.into())
        }
        Chore::Bench(options) => Ok(bench::bench(&options)?.into()),
        Chore::Docs(options) => docs::docs(&options).map(|()| ExitCode::SUCCESS),
        Chore::Ci { step } => ci::ci(step).map(|()| ExitCode::SUCCESS),
        Chore::CheckCuda(options) => Ok(check_cuda::check(&options)?.into()),
        Chore::Torture(options) => Ok(torture::torture(&options)?.into()),
        Chore::Fuzz { arguments } => {
            spawn::build()?;
            Ok(spawn::run("univip-fuzz", &arguments)?.into())
        }
        Chore::NewPlugin { kind, name, workspace } => {
            for line in new_plugin::write(&workspace, kind, &name)? {
                println!("{line}");
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs the table, then its report, whether or not every row succeeded. The exit code is the table's.
fn ablate(arguments: &[String]) -> Result<ExitCode> {
    let mut forwarded = vec!["ablate".to_string()];
    forwarded.extend_from_slice(arguments);
    spawn::build()?;
    let code = spawn::run("univip", &forwarded)?;
    let asks_only = |argument: &String| ["--dry-run", "--help", "-h"].contains(&argument.as_str());
    if code == spawn::USAGE || arguments.iter().any(asks_only) {
        return Ok(code.into());
    }
    let mut report = vec![option(arguments, "--runs").unwrap_or_else(|| "runs".into())];
    // `table8` and `all` are several tables: show every one that has a plan.
    let one_table = |table: &&String| table.starts_with("table") && table.as_str() != "table8";
    if let Some(table) = arguments.first().filter(one_table) {
        report.extend(["--table".to_string(), table.clone()]);
    }
    let reported = spawn::run("univip-reports", &report)?;
    Ok(if code == 0 { reported.into() } else { code.into() })
}

/// The value of `--name VALUE` or `--name=VALUE`.
fn option(arguments: &[String], name: &str) -> Option<String> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == name {
            return arguments.next().cloned();
        }
        if let Some(value) = argument.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
            return Some(value.to_string());
        }
    }
    None
}
