//! `cargo xtask torture`: kills and disk faults in a real run, whose end must be that of an undisturbed one.
//!
//! The faults are injected by a library that is loaded before the C library's (`shim.c`), and not by a layer of the program:
//! what is tested is the binary that people run, with the file operations of every library in it, and no other build.

mod attempt;
mod disturbance;
mod ends;
mod images;
mod operations;
mod tally;

use crate::spawn;
use anyhow::{Context, Result, ensure};
use attempt::{Attempt, Outcome};
use clap::Args;
use disturbance::Draw;
use ends::Ends;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tally::Tally;

/// Arguments of `cargo xtask torture`.
#[derive(Args)]
pub struct Options {
    /// Duration in minutes; a round that has begun is finished
    #[arg(long, default_value_t = 1.0)]
    pub minutes: f64,
    /// The seed of the disturbances; without it another one each time
    #[arg(long)]
    pub seed: Option<u64>,
}

/// Disturbances in a round at most, before the run is left in peace.
const DISTURBANCES: u64 = 4;

/// A process that takes so many times as long as the undisturbed one, and this on top, will not end.
const LIMIT: (u32, Duration) = (10, Duration::from_secs(60));

/// Runs rounds until the time is over. The exit code is 1 when anything was found.
///
/// # Errors
/// When the undisturbed run does not end well, or the disk of the temporary directory cannot be used.
pub fn torture(options: &Options) -> Result<u8> {
    spawn::build()?;
    let place = tempfile::tempdir().context("making a temporary directory")?;
    // A build in the meantime does not change what is tested.
    let univip = place.path().join("univip");
    std::fs::copy(spawn::beside("univip")?, &univip).context("copying univip")?;
    let shim = compile_shim(place.path());
    let (whole, log, done) =
        (place.path().join("undisturbed"), place.path().join("operations"), place.path().join("done"));
    let images = place.path().join("images");
    images::draw(&images)?;
    let begin = Instant::now();
    let mut attempt = Attempt {
        univip: &univip,
        shim: shim.as_deref(),
        runs: &whole,
        images: &images,
        done: &done,
        limit: Duration::MAX,
    };
    let said = attempt.undisturbed(&log)?;
    ensure!(said.outcome == Outcome::Finished, "the undisturbed run failed:\n{}", said.stderr);
    attempt.limit = begin.elapsed() * LIMIT.0 + LIMIT.1;
    let expected = Ends::read(&whole)?;
    let operations = operations::read(&log);
    let seed = options.seed.unwrap_or_else(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
    });
    let mut tally = Tally::new(&operations);
    let mut draw = Draw::new(seed, begin.elapsed(), operations);
    println!("seed {seed}; {}", tally.undisturbed());
    let end = Instant::now() + Duration::from_secs_f64(options.minutes.clamp(0.0, 1e6) * 60.0);
    while Instant::now() < end {
        let runs = place.path().join(format!("round-{}", tally.rounds + 1));
        let problems = round(&Attempt { runs: &runs, ..attempt }, &expected, &mut draw, &mut tally)?;
        tally.rounds += 1;
        if problems.is_empty() {
            std::fs::remove_dir_all(&runs).with_context(|| format!("removing {}", runs.display()))?;
        }
        for problem in problems {
            println!("round {}: {problem}", tally.rounds);
            tally.findings += 1;
        }
    }
    for kind in tally.never_happened().collect::<Vec<_>>() {
        println!(
            "`{kind}` was drawn again and again and never happened: the library of faults does not work"
        );
        tally.findings += 1;
    }
    print!("{}", tally.markdown());
    if tally.findings > 0 {
        println!("the runs of these rounds are kept in {}", place.keep().display());
    }
    Ok(u8::from(tally.findings > 0))
}

/// Disturbs a run a few times, lets it finish, and returns what was wrong.
fn round(attempt: &Attempt<'_>, expected: &Ends, draw: &mut Draw, tally: &mut Tally) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for _ in 0..1 + draw.below(DISTURBANCES) {
        let disturbance = draw.disturbance(attempt.shim.is_some());
        let said = attempt.disturbed(&disturbance, draw)?;
        tally.add(Some(&disturbance), &said);
        problems.extend(said.problem().map(|problem| format!("{disturbance}: {problem}")));
        if said.outcome == Outcome::Finished {
            break;
        }
    }
    let said = attempt.in_peace(draw)?;
    tally.add(None, &said);
    problems.extend(said.problem().map(|problem| format!("left in peace: {problem}")));
    if said.outcome != Outcome::Finished {
        problems.push(format!("left in peace it did not finish:\n{}", said.stderr));
        return Ok(problems);
    }
    problems.extend(expected.differences(&Ends::read(attempt.runs)?));
    problems.extend(ends::left_over(attempt.runs)?.map(|path| format!("{} was left", path.display())));
    Ok(problems)
}

/// The library of faults, where there is a C compiler for one; without it there are kills alone.
fn compile_shim(place: &Path) -> Option<PathBuf> {
    let shim = place.join("shim.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/torture/shim.c");
    let compiled = cfg!(target_os = "linux")
        && (Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&shim).args([
            source,
            "-ldl",
            "-lpthread",
        ]))
        .status()
        .is_ok_and(|status| status.success());
    if !compiled {
        println!("no faults are injected, only kills: that needs Linux and a C compiler called `cc`");
    }
    compiled.then_some(shim)
}
