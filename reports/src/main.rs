//! `univip-reports`: the paper's tables beside what runs measured.

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use univip_reports::read::plan::UnknownTable;
use univip_reports::show::escape;
use univip_reports::show::text::Width;
use univip_stdx::pool;

const USAGE: u8 = 2;

/// Shows the paper's tables beside what the runs measured, and writes them as Markdown, CSV, SVG and HTML.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only this table, such as `table7`
    #[arg(long)]
    table: Option<String>,
    /// The directory of the pages
    #[arg(long, default_value = "reports/out")]
    out: PathBuf,
    /// Directories of runs, or results files
    #[arg(default_value = "runs")]
    runs: Vec<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Shows what `cargo xtask bench` measured, and writes Markdown, CSV and SVG beside the file
    Bench {
        /// The measured lines
        lines: PathBuf,
    },
    /// Puts what a report shows of runs into one file, without networks and checkpoints
    Pack {
        /// Only this table, such as `table7`
        #[arg(long)]
        table: Option<String>,
        /// The results file, in Parquet
        #[arg(long)]
        out: PathBuf,
        /// Directories of runs, or results files
        #[arg(default_value = "runs")]
        runs: Vec<PathBuf>,
    },
    /// Shows in which recipe values and numbers runs differ
    Compare {
        /// Two or more run directories
        #[arg(required = true, num_args = 2..)]
        runs: Vec<PathBuf>,
    },
}

const EXAMPLES: &str = "\
Examples:
  univip-reports                          every table that has a plan under runs/
  univip-reports --table table7           one table
  univip-reports --table run              recipes that were run by themselves, with `univip run`
  univip-reports --out pages runs more    runs of two places, pages in pages/
  univip-reports bench reports/out/bench/proposals.jsonl
  univip-reports pack --out table7.parquet --table table7
  univip-reports table7.parquet           the same tables and pictures from that file
  univip-reports compare runs/table7-a-* runs/table7-e-*

Exit codes: 0 done, 1 failed, 2 wrong arguments.";

fn main() -> ExitCode {
    let arguments = match parse(std::env::args_os().collect()) {
        Ok(arguments) => arguments,
        Err(error) => {
            // If nobody listens there is nothing left to do.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
    };
    if let Err(error) = check_threads() {
        complain(&format!("{error:#}"));
        return ExitCode::FAILURE;
    }
    let done = match arguments.command {
        Some(Command::Compare { runs }) => univip_reports::show::differences::compare(&runs, width()),
        Some(Command::Pack { table, out, runs }) => univip_reports::pack(&runs, table.as_deref(), &out),
        Some(Command::Bench { lines }) => {
            univip_reports::show::bench::bench(&lines, width()).map(|(text, paths)| text + &listed(&paths))
        }
        None => univip_reports::report(&arguments.runs, arguments.table.as_deref(), &arguments.out, width())
            .map(|report| report.text + &listed(&report.paths)),
    };
    match done {
        Ok(text) => print(&text),
        Err(error) => {
            complain(&format!("{error:#}"));
            if error.is::<UnknownTable>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// The command line. An error quotes arguments: what in them would steer a terminal is escaped.
fn parse(given: Vec<OsString>) -> Result<Arguments, clap::Error> {
    let shown: Vec<String> =
        given.iter().map(|argument| escape::printable(&argument.to_string_lossy())).collect();
    Arguments::try_parse_from(given).map_err(|error| Arguments::try_parse_from(shown).err().unwrap_or(error))
}

/// Makes sure of the threads of Polars, which panics where it cannot start them.
///
/// # Errors
/// When the system allows fewer than one a core, or a variable asks for too many.
fn check_threads() -> Result<()> {
    pool::check()?;
    let cores = thread::available_parallelism()?.get();
    pool::try_threads(cores)
        .context("starting threads; raise the limit (ulimit -u, or that of the container)")
}

/// A reader that stops reading, such as `head`, is no failure; a full disk is.
fn print(text: &str) -> ExitCode {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(&format!("writing to standard output: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Says an error. Where nobody listens there is nothing left to do.
fn complain(problem: &str) {
    let _ = writeln!(io::stderr(), "{}", escape::message(&format!("error: {problem}")));
}

/// One path per line.
fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| escape::printable(&path.display().to_string()) + "\n").collect()
}

/// The width of the terminal; what is piped has every column.
fn width() -> Width {
    match terminal_size::terminal_size_of(io::stdout()) {
        Some((columns, _)) => Width::of_terminal(columns.0.into()),
        None if io::stdout().is_terminal() => Width::of_terminal(80),
        None => Width::PIPED,
    }
}
