//! The `univip` command as a library, so that a binary with plugins of one's own is three lines:
//!
//! ```ignore
//! use {my_loss as _, univip_plugins as _};
//! fn main() -> std::process::ExitCode { univip_experiments::main() }
//! ```

// A closed pipe would make it panic.
#![deny(clippy::print_stdout)]

mod ablate;
mod cli;
mod coco_eval;
mod device;
mod estimate;
mod evaluate;
mod export;
mod machine;
mod measure;
mod observers;
mod output;
mod plan;
mod process;
mod proposals;
mod run;
mod run_directory;
mod trained;

pub use ablate::{Outcome, ablate};
pub use observers::Bars;
pub use plan::{Library, Plan};
pub use process::prepare_process;
pub use proposals::{Imported, import_boxes};
pub use run::{Job, run};

use anyhow::Result;
use clap::Parser;
use cli::{Cli, Command, Layers, ProposalsCommand, RecipeCommand, Running};
use plan::usage;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use univip_core::dataset::Split;
use univip_core::error::{Interrupted, RecipeError};
use univip_core::recipe::{Override, Recipe, diff};
use univip_core::registry::Registry;

/// Set by Ctrl-C: the run writes a checkpoint and ends.
static STOP: AtomicBool = AtomicBool::new(false);

const FAILED: u8 = 1;
const USAGE: u8 = 2;
const INTERRUPTED: u8 = 130;

/// Runs the command line.
pub fn main() -> ExitCode {
    prepare_process();
    let cli = Cli::parse();
    match command(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn command(command: Command) -> Result<u8> {
    let registry = Registry::linked()?;
    match command {
        Command::Ablate(ablate) => {
            let plan = Plan::new(
                &library(&ablate.layers)?,
                &ablate.table,
                ablate.row.as_deref(),
                &ablate.running.seeds,
            )?;
            if ablate.dry_run {
                let images = |recipe: &Recipe| images(recipe, &registry);
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
                stop_on_interrupt("stopping after these images; again to leave at once")?;
            }
            proposals::command(command, &registry, &STOP)?;
            Ok(0)
        }
        Command::Evaluate(asked) => {
            stop_on_interrupt("stopping after this evaluator; again to leave at once")?;
            Ok(if evaluate::evaluate(&asked, &registry, &STOP)? { INTERRUPTED } else { 0 })
        }
        Command::Export(asked) => {
            export::export(&asked)?;
            Ok(0)
        }
        Command::CocoEval(asked) => {
            coco_eval::coco_eval(&asked)?;
            Ok(0)
        }
        Command::Plugins => {
            output::print(plugins(&registry))?;
            Ok(0)
        }
    }
}

fn execute(plan: &Plan, title: &str, registry: &Registry, running: &Running) -> Result<u8> {
    stop_on_interrupt("stopping after this step; again to leave at once")?;
    Ok(match ablate(plan, title, registry, &running.runs, running.force, &STOP)? {
        Outcome::Finished => 0,
        Outcome::Failed(_) => FAILED,
        Outcome::Interrupted => INTERRUPTED,
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

/// Has Ctrl-C set [`STOP`] and say so.
fn stop_on_interrupt(message: &'static str) -> Result<()> {
    ctrlc::set_handler(move || {
        if STOP.swap(true, Ordering::Relaxed) {
            // Asked twice: leave now. Whatever is on disk is whole, as after any kill.
            std::process::exit(INTERRUPTED.into());
        }
        eprintln!("{message}");
    })?;
    Ok(())
}

/// Where the project's recipes are, and what the command line lays over them.
fn library(layers: &Layers) -> Result<Library> {
    let mut overlays = data_overlay("data", "--data", layers.data.as_deref());
    overlays.extend(data_overlay("probe_data", "--probe-data", layers.probe_data.as_deref()));
    Ok(library_with(&layers.scale, &layers.set, overlays))
}

fn library_with(scale: &str, sets: &[String], overlays: Vec<Override>) -> Library {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf();
    Library { directory, scale: scale.into(), overlays, sets: sets.to_vec() }
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

/// How many images a recipe learns from.
fn images(recipe: &Recipe, registry: &Registry) -> Result<usize> {
    let data = &recipe.settings.data;
    let images = run::open(recipe, registry, "data.use", &data.name, Split::Train)?.len();
    Ok(if data.limit == 0 { images } else { images.min(data.limit) })
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
        INTERRUPTED
    } else {
        FAILED
    }
}
