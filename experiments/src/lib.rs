//! The `univip` command as a library, so that a binary with plugins of one's own is three lines:
//!
//! ```ignore
//! use {my_loss as _, univip_plugins as _};
//! fn main() -> std::process::ExitCode { univip_experiments::main() }
//! ```

// A closed pipe would make them panic, and names within could steer a terminal: `output` has what to call.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod boxes;
mod commands;
mod data_check;
mod export;
mod figures;
mod observers;
mod output;
mod plan;
mod runs;
mod system;

pub use commands::proposals::{Imported, import_boxes};
pub use observers::Bars;
pub use plan::{Library, Plan};
pub use runs::data::Data;
pub use runs::run::{Job, run};
pub use runs::series::{Outcome, ablate};
pub use system::process::prepare_process;

use anyhow::Result;
use clap::Parser;
use commands::coco_eval::coco_eval;
use commands::{Cli, Command, DataCommand, Layers, ProposalsCommand, RecipeCommand, Running};
use commands::{data_check as data, evaluate, export as exporting, proposals};
use plan::usage;
use runs::data as used_data;
use std::path::Path;
use std::process::ExitCode;
use system::interrupts::{self, STOP};
use system::process;
use system::process::start_threads;
use univip_core::dataset::{Dataset, Split};
use univip_core::error::{Interrupted, RecipeError};
use univip_core::recipe::{Override, Recipe, diff};
use univip_core::registry::Registry;

const FAILED: u8 = 1;
const USAGE: u8 = 2;

/// Runs the command line.
pub fn main() -> ExitCode {
    prepare_process();
    process::say_panics_in_one_line();
    let cli = Cli::parse();
    match command(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::say(format_args!("error: {error:#}"));
            ExitCode::from(exit_code(&error))
        }
    }
}

fn command(command: Command) -> Result<u8> {
    let registry = Registry::linked()?;
    if !matches!(command, Command::Recipe(_) | Command::Plugins) {
        start_threads()?;
    }
    match command {
        Command::Ablate(ablate) => {
            let plan = Plan::new(
                &library(&ablate.layers)?,
                &ablate.table,
                ablate.row.as_deref(),
                &ablate.running.seeds,
            )?;
            if ablate.dry_run {
                let data = Data::new(&registry, &ablate.running.runs);
                let images = |recipe: &Recipe| {
                    Ok(data.part(recipe, used_data::Use::Learning, Split::Train)?.images.len())
                };
                output::print(plan.describe(&ablate.running.runs, ablate.running.force, &images)?)?;
                return Ok(0);
            }
            execute(&plan, &ablate.table, &registry, &ablate.running)
        }
        Command::Run(asked) => {
            let plan = Plan::of_recipe(&library(&asked.layers)?, &asked.recipe, &asked.running.seeds)?;
            execute(&plan, &asked.recipe, &registry, &asked.running)
        }
        Command::Recipe(RecipeCommand::Show { recipe, layers }) => {
            output::print(library(&layers)?.load(&recipe)?.show())?;
            Ok(0)
        }
        Command::Recipe(RecipeCommand::Diff { a, b, layers }) => {
            let library = library(&layers)?;
            output::print(diff(&library.load(&a)?, &library.load(&b)?))?;
            Ok(0)
        }
        Command::Proposals(command) => {
            // The others have nothing to finish first: Ctrl-C ends them.
            if let ProposalsCommand::Build { .. } = command {
                interrupts::listen("these images")?;
            }
            proposals::command(command, &registry, &STOP)?;
            Ok(0)
        }
        Command::Evaluate(asked) => {
            interrupts::listen("this evaluator")?;
            Ok(if evaluate::evaluate(&asked, &registry, &STOP)? { interrupts::exit_code() } else { 0 })
        }
        Command::Export(asked) => {
            exporting::export(&asked)?;
            Ok(0)
        }
        Command::Data(DataCommand::Check(asked)) => {
            interrupts::listen("these images")?;
            Ok(if data::check(&asked, &registry, &STOP)? { 0 } else { FAILED })
        }
        Command::CocoEval(asked) => {
            coco_eval(&asked)?;
            Ok(0)
        }
        Command::Plugins => {
            output::print(plugins(&registry))?;
            Ok(0)
        }
    }
}

fn execute(plan: &Plan, title: &str, registry: &Registry, running: &Running) -> Result<u8> {
    interrupts::listen("this step")?;
    Ok(match ablate(plan, title, registry, &running.runs, running.force, &STOP)? {
        Outcome::Finished => 0,
        Outcome::Failed(_) => FAILED,
        Outcome::Interrupted => interrupts::exit_code(),
    })
}

/// Refuses an input file that is not there.
fn needs_file(flag: &str, path: &Path) -> Result<()> {
    let problem = match std::fs::metadata(path) {
        Ok(found) if !found.is_dir() => return Ok(()),
        Ok(_) => "is a directory, expected a file".to_string(),
        Err(error) => error.to_string(),
    };
    Err(usage(flag, format!("{}: {problem}", path.display())))
}

/// Where the project's recipes are, and what the command line lays over them.
fn library(layers: &Layers) -> Result<Library> {
    let mut overlays = data_overlay("data", "--data", layers.data.as_deref());
    overlays.extend(data_overlay("probe_data", "--probe-data", layers.probe_data.as_deref()));
    library_with(&layers.scale, &layers.set, overlays).with_recipes(layers.recipes.as_deref())
}

fn library_with(scale: &str, sets: &[String], overlays: Vec<Override>) -> Library {
    Library::new(scale, sets, overlays)
}

/// `coco=DIR` as the settings it stands for.
fn data_overlay(section: &str, origin: &str, given: Option<&str>) -> Vec<Override> {
    let Some(given) = given else { return Vec::new() };
    let overlay = |key: String, value: &str| Override { key, value: value.into(), origin: origin.into() };
    match given.split_once('=') {
        None => vec![overlay(format!("{section}.use"), given)],
        Some((name, root)) => {
            vec![overlay(format!("{section}.use"), name), overlay(format!("dataset.{name}.root"), root)]
        }
    }
}

/// One line a plugin.
fn plugins(registry: &Registry) -> String {
    let line = |plugin: &&univip_core::registry::Registration| {
        format!(
            "{:<10} {:<17} {:<24} {:<8} {}\n",
            plugin.kind().name(),
            plugin.name,
            plugin.crate_name,
            plugin.version,
            plugin.summary
        )
    };
    registry.all().iter().map(line).collect()
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<RecipeError>() {
        USAGE
    } else if error.is::<Interrupted>() {
        interrupts::exit_code()
    } else {
        FAILED
    }
}
