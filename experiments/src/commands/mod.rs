//! The command line of `univip`: a file for each sub-command, with its arguments and its body.

mod ablate;
mod coco_eval;
mod data_check;
mod evaluate;
pub mod exit;
mod export;
mod layers;
mod plugins;
mod proposals;
mod recipe;
mod run;
mod running;

use crate::system::process::start_threads;
use anyhow::Result;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use univip_core::printable::printable;
use univip_core::registry::Registry;

/// Self-supervised pre-training from scenes of many objects.
#[derive(Parser)]
#[command(name = "univip", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  univip ablate table7                        Table 7 at the scale `small`, on composed scenes
  univip ablate table7 --row d --seeds 0,1,2  one row, three seeds
  univip ablate all --dry-run                 what would run, and how long it would take
  univip evaluate table7-e --with knn         a measurement more, on a run that is there
  univip export table7-e --to torchvision     its backbone, for another library
  univip recipe show table7/d --scale small   every resolved value and where it comes from
  univip recipe diff table7/d table7/e        what two rows differ in
  univip proposals build --data coco=DIR      the boxes of all of COCO, made once
  univip data check images=DIR                what is wrong with images of one's own
  univip coco-eval --help                     COCO's twelve numbers of a file of detections
  univip plugins                              what can be named in a recipe

Exit codes: 0 done, 1 a run, a measurement or a file failed (the message says which), 2 a command or recipe that
cannot be used, or its data or input files, 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.")]
pub struct Cli {
    /// The sub-command
    #[command(subcommand)]
    pub command: Command,
}

/// The sub-commands.
#[derive(Subcommand)]
pub enum Command {
    /// Run the rows of a table of the paper, or what is left of them
    #[command(after_help = ablate::EXAMPLES)]
    Ablate(ablate::Ablate),
    /// Run one recipe file
    #[command(after_help = run::EXAMPLES)]
    Run(run::Run),
    /// Evaluate a finished pre-training, or a backbone from elsewhere
    #[command(after_help = evaluate::EXAMPLES)]
    Evaluate(evaluate::Evaluate),
    /// Export a run's backbone for another library
    #[command(after_help = export::EXAMPLES)]
    Export(export::Export),
    /// Show or compare recipes
    #[command(subcommand)]
    Recipe(recipe::Recipes),
    /// Build, import, export or count stored boxes
    #[command(subcommand)]
    Proposals(proposals::Boxes),
    /// Check a dataset before a run does
    #[command(subcommand)]
    Data(data_check::OnData),
    /// Evaluate a file of detections as COCO does: average precision and recall, the numbers of pycocotools
    #[command(after_help = coco_eval::EXAMPLES)]
    CocoEval(coco_eval::CocoEval),
    /// List the plugins that a recipe can name: kind, name, crate, version, summary
    Plugins(plugins::Plugins),
}

/// The command line. An error quotes arguments: what in them would steer a terminal is escaped.
///
/// # Errors
/// clap's message about one that cannot be used, and its help.
pub fn parse(given: Vec<OsString>) -> Result<Cli, clap::Error> {
    let shown: Vec<String> = given.iter().map(|argument| printable(&argument.to_string_lossy())).collect();
    Cli::try_parse_from(given).map_err(|error| Cli::try_parse_from(shown).err().unwrap_or(error))
}

/// Runs a sub-command; its exit code.
///
/// # Errors
/// Whatever stops it; [`exit::code_of`] knows the exit code.
pub fn run(command: Command) -> Result<u8> {
    let registry = Registry::linked()?;
    if !matches!(command, Command::Recipe(_) | Command::Plugins(_)) {
        start_threads()?;
    }
    match command {
        Command::Ablate(asked) => asked.run(&registry),
        Command::Run(asked) => asked.run(&registry),
        Command::Evaluate(asked) => asked.run(&registry),
        Command::Export(asked) => asked.run(),
        Command::Recipe(asked) => asked.run(&registry),
        Command::Proposals(asked) => asked.run(&registry),
        Command::Data(asked) => asked.run(&registry),
        Command::CocoEval(asked) => asked.run(),
        Command::Plugins(asked) => asked.run(&registry),
    }
}
