//! Damaged checkpoints, copies of runs, runs that several processes make at once, and machines that refuse things.
#![cfg(unix)]

mod common;

use anyhow::{Context, Result, ensure};
use common::{copy_directory, evaluations, last_checkpoint, output, run_directory, stdout, univip};
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

/// A row with a checkpoint every other step, measured by what takes no time.
const QUICK: [&str; 10] = [
    "ablate",
    "table7",
    "--row",
    "b",
    "--scale",
    "smoke",
    "--set",
    "train.checkpoint_every=2",
    "--set",
    "evaluators.use=[\"knn\"]",
];

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The paths in a directory, sorted.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Every file below a directory with its bytes.
fn contents(directory: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    for path in entries(directory)? {
        if path.is_dir() {
            found.extend(contents(&path)?);
        } else {
            found.push((path.clone(), fs::read(&path)?));
        }
    }
    Ok(found)
}

/// Marks a finished run as an interrupted one that has measured nothing.
fn reopen(run: &Path) -> Result<()> {
    let record = run.join("run.json");
    let text = fs::read_to_string(&record)?.replace("\"finished\"", "\"interrupted\"");
    fs::write(&record, text.replace("\"trained\": true", "\"trained\": false"))?;
    Ok(fs::remove_file(run.join("evaluations.jsonl"))?)
}

/// Makes a finished run one that is to be trained, and works on it as another process would until the lock is dropped.
fn taken(run: &Path) -> Result<fs::File> {
    reopen(run)?;
    let lock = fs::File::options().append(true).open(run.join(".lock"))?;
    lock.lock()?;
    Ok(lock)
}

/// A command that waits for another process, and the rest of what it says.
fn waiting(arguments: &[&str], runs: &Path) -> Result<(Child, Lines<BufReader<ChildStderr>>)> {
    let mut child = univip(arguments, runs).stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(child.stderr.take().context("no standard error")?).lines();
    let waits = said.any(|line| line.is_ok_and(|line| line.contains("waiting for it")));
    ensure!(waits, "{arguments:?} did not wait");
    Ok((child, said))
}

/// Changes one bit in the middle of a file.
fn flip_a_bit(path: &Path) -> Result<()> {
    let mut bytes = fs::read(path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    Ok(fs::write(path, bytes)?)
}

#[test]
fn a_flipped_bit_in_a_checkpoint_is_named_and_ends_in_the_same_bits() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&QUICK, runs.path())?;
    let run = run_directory(runs.path(), "table7-b")?;
    let state = || -> Result<_> {
        Ok((last_checkpoint(&run)?, fs::read(run.join("backbone.safetensors"))?, evaluations(&run)?))
    };
    let expected = state()?;
    let newest = entries(&run.join("checkpoints"))?.pop().context("no checkpoint")?;
    flip_a_bit(&newest)?;
    reopen(&run)?;
    let resumed = output(&QUICK, runs.path())?;
    let (said, name) = (stderr(&resumed), newest.file_name().context("a name")?.to_string_lossy());
    ensure!(resumed.status.success(), "{said}");
    ensure!(
        said.contains(&*name) && said.contains("is damaged") && said.contains("trying the one before"),
        "{said}"
    );
    ensure!(state()? == expected, "the run ended in other bits");
    // Not one is intact: nothing is done again unasked.
    entries(&run.join("checkpoints"))?.iter().try_for_each(|path| flip_a_bit(path))?;
    reopen(&run)?;
    let refused = output(&QUICK, runs.path())?;
    let said = stderr(&refused);
    ensure!(
        refused.status.code() == Some(1)
            && said.contains("checkpoints is intact")
            && said.contains("--force"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_flipped_bit_in_a_backbone_or_an_export_is_named() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&QUICK, runs.path())?;
    let run = run_directory(runs.path(), "table7-b")?;
    let runs_place = runs.path().display().to_string();
    let place = ["--runs", runs_place.as_str()];
    let export = runs.path().join("export").display().to_string();
    stdout(
        &[&["export", "table7-b", "--to", "safetensors", "--out", &export], &place[..]].concat(),
        runs.path(),
    )?;
    for (file, arguments) in [
        (run.join("backbone.safetensors"), vec!["evaluate", "table7-b", "--with", "knn"]),
        (
            PathBuf::from(&export).join("backbone.safetensors"),
            vec!["evaluate", "--backbone", &export, "--with", "knn"],
        ),
    ] {
        flip_a_bit(&file)?;
        let refused = output(&[&arguments[..], &place[..]].concat(), runs.path())?;
        let said = stderr(&refused);
        ensure!(refused.status.code() == Some(1), "exit code {:?}: {said}", refused.status.code());
        ensure!(said.contains(&file.display().to_string()) && said.contains("SHA-256"), "{said}");
    }
    // A whole file that is another one: the manifest of the export tells.
    let other = run_directory(runs.path(), "random")?.join("backbone.safetensors");
    fs::copy(other, PathBuf::from(&export).join("backbone.safetensors"))?;
    let refused =
        output(&[&["evaluate", "--backbone", &export, "--with", "knn"], &place[..]].concat(), runs.path())?;
    let said = stderr(&refused);
    ensure!(refused.status.code() == Some(1) && said.contains("has changed since it was exported"), "{said}");
    Ok(())
}

#[test]
fn a_copy_of_a_run_under_another_name_is_never_touched() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&QUICK, runs.path())?;
    let run = run_directory(runs.path(), "table7-b")?;
    let name = run.file_name().context("a name")?.to_string_lossy().into_owned();
    let copies = ["keep-", "old-"].map(|prefix| runs.path().join(format!("{prefix}{name}")));
    for copy in &copies {
        copy_directory(&run, copy)?;
    }
    let before = contents(&copies[0])?;
    let forced = [&QUICK[..], &["--force"]].concat();
    stdout(&forced, runs.path())?;
    fs::remove_dir_all(&run)?;
    // Nor is a copy taken for the run when that is gone.
    stdout(&QUICK, runs.path())?;
    ensure!(run.join("backbone.safetensors").exists(), "the run was not made again");
    ensure!(contents(&copies[0])? == before, "a copy was written to");
    Ok(())
}

#[test]
fn a_run_is_found_under_the_name_of_the_row_that_made_it() -> Result<()> {
    let runs = tempfile::tempdir()?;
    // Table 7's (e) and Table 8(c)'s K = 4 are one recipe.
    let quick =
        |table, row| ["ablate", table, "--row", row, "--scale", "smoke", "--set", "evaluators.use=[]"];
    stdout(&quick("table7", "e"), runs.path())?;
    let made = run_directory(runs.path(), "table7-e")?;
    let count = || {
        Ok::<_, anyhow::Error>(
            entries(runs.path())?.iter().filter(|path| path.join("run.json").exists()).count(),
        )
    };
    let before = count()?;
    let plan = stdout(&[&quick("table8c", "4")[..], &["--dry-run"]].concat(), runs.path())?;
    ensure!(plan.contains("finished"), "{} was not found: {plan}", made.display());
    stdout(&quick("table8c", "4"), runs.path())?;
    ensure!(count()? == before, "the same recipe was run twice");
    Ok(())
}

/// Rows of one table, each by a process of its own: all of them want the untrained backbone, which this process works on.
#[test]
fn processes_that_want_the_same_run_wait_for_the_one_that_makes_it() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let row = |row: &'static str| -> Vec<&str> {
        QUICK.iter().map(|word| if *word == "b" { row } else { *word }).collect()
    };
    stdout(&row("a"), runs.path())?;
    let lock = taken(&run_directory(runs.path(), "random")?)?;
    let rows = ["b", "c", "d"].map(row);
    let children = rows.iter().map(|row| waiting(row, runs.path())).collect::<Result<Vec<_>>>()?;
    drop(lock);
    for (mut child, said) in children {
        let said = said.collect::<std::io::Result<Vec<String>>>()?;
        ensure!(child.wait()?.success(), "{said:?}");
    }
    for name in ["random", "table7-a", "table7-b", "table7-c", "table7-d"] {
        let record = fs::read_to_string(run_directory(runs.path(), name)?.join("run.json"))?;
        ensure!(record.contains("\"finished\""), "{name}: {record}");
    }
    Ok(())
}

/// Two rows may be one recipe, and two commands one plan: the lock beside the runs keeps both from being begun twice.
#[test]
fn nothing_is_begun_while_another_process_begins_something() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let lock = fs::File::create(runs.path().join(".lock"))?;
    lock.lock()?;
    let mut child = univip(&QUICK, runs.path()).stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let mut said = BufReader::new(child.stderr.take().context("no standard error")?).lines();
    std::thread::sleep(Duration::from_secs(1));
    let plans = entries(&runs.path().join("plans")).unwrap_or_default();
    ensure!(plans.is_empty(), "{plans:?} while another process writes plans");
    lock.unlock()?;
    while !run_directory(runs.path(), "random").is_ok_and(|run| run.join("run.json").exists()) {
        ensure!(child.try_wait()?.is_none(), "it ended before it began anything");
        std::thread::sleep(Duration::from_millis(5));
    }
    lock.lock()?;
    ensure!(said.any(|line| line.is_ok_and(|line| line.starts_with("random seed 0: finished"))));
    std::thread::sleep(Duration::from_millis(500));
    ensure!(run_directory(runs.path(), "table7-b").is_err(), "begun while another process begins a run");
    lock.unlock()?;
    let said = said.collect::<std::io::Result<Vec<String>>>()?;
    ensure!(child.wait()?.success(), "{said:?}");
    Ok(())
}

/// `--force` is for what was finished before: a run that another process has made meanwhile is new.
#[test]
fn a_forced_run_that_another_process_has_just_finished_is_not_made_again() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&QUICK, runs.path())?;
    let run = run_directory(runs.path(), "table7-b")?;
    let lock = fs::File::options().append(true).open(run.join(".lock"))?;
    lock.lock()?;
    let (mut child, said) = waiting(&[&QUICK[..], &["--force"]].concat(), runs.path())?;
    drop(lock);
    let said = said.collect::<std::io::Result<Vec<String>>>()?;
    ensure!(child.wait()?.success(), "{said:?}");
    ensure!(!said.iter().any(|line| line.contains("training:")), "it was trained again: {said:?}");
    Ok(())
}

#[test]
fn waiting_for_another_process_can_be_interrupted() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&QUICK, runs.path())?;
    let run = run_directory(runs.path(), "table7-b")?;
    let _lock = taken(&run)?;
    let (mut child, _said) = waiting(&QUICK, runs.path())?;
    ensure!(Command::new("kill").args(["-INT", &child.id().to_string()]).status()?.success());
    let status = child.wait()?;
    ensure!(status.code() == Some(130), "{status:?}");
    Ok(())
}

#[test]
fn a_resume_whose_metrics_lost_their_end_says_so() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&QUICK, runs.path())?;
    let run = run_directory(runs.path(), "table7-b")?;
    let metrics = run.join("metrics.jsonl");
    let text = fs::read_to_string(&metrics)?;
    let end = text.find("{\"event\":\"step\",\"step\":1,").context("no step 1")?;
    fs::write(&metrics, &text[..end])?;
    reopen(&run)?;
    let resumed = output(&QUICK, runs.path())?;
    let said = stderr(&resumed);
    ensure!(resumed.status.success() && said.contains("has no lines of the steps 1 to "), "{said}");
    Ok(())
}

#[test]
fn a_run_without_evaluators_is_trained_measured_by_nothing_and_finished() -> Result<()> {
    for arguments in [
        ["run", "table7/b", "--scale", "smoke", "--set", "evaluators.use=[]"],
        ["ablate", "table7", "--row=b", "--scale", "smoke", "--set=evaluators.use=[]"],
    ] {
        let runs = tempfile::tempdir()?;
        stdout(&arguments, runs.path())?;
        let run = run_directory(runs.path(), "table7-b")?;
        ensure!(fs::read_to_string(run.join("run.json"))?.contains("\"finished\""));
        ensure!(run.join("backbone.safetensors").exists() && !run.join("evaluations.jsonl").exists());
        let place = runs.path().display().to_string();
        let said = stdout(&["evaluate", "table7-b", "--runs", &place], runs.path())?;
        ensure!(said.contains("names no evaluator"), "{said}");
    }
    // Nor are there any images to measure on.
    let runs = tempfile::tempdir()?;
    let nowhere = ["--set", "evaluators.use=[]", "--probe-data", "image-folder=/nonexist"];
    stdout(&[&["run", "table7/b", "--scale", "smoke"], &nowhere[..]].concat(), runs.path())?;
    Ok(())
}

#[test]
fn evaluate_takes_the_beginning_of_a_name() -> Result<()> {
    let runs = tempfile::tempdir()?;
    stdout(&QUICK, runs.path())?;
    let run = run_directory(runs.path(), "table7-b")?;
    let name = run.file_name().context("a name")?.to_string_lossy().into_owned();
    let place = runs.path().display().to_string();
    for beginning in ["table7", "table7-b", &name[..name.len() - 5], &name] {
        let said = stdout(&["evaluate", beginning, "--runs", &place], runs.path())?;
        ensure!(said.contains("already measured"), "{beginning}: {said}");
    }
    copy_directory(&run, &runs.path().join(name.replace("table7-b", "table7-bb")))?;
    stdout(&["evaluate", "table7-b", "--runs", &place], runs.path())?;
    let several = output(&["evaluate", "table7", "--runs", &place], runs.path())?;
    ensure!(stderr(&several).contains("matches several runs"), "{}", stderr(&several));
    Ok(())
}

/// A user who is not root, and so bound by permissions and limits.
const NOBODY: u32 = 65534;

/// A command of somebody whom permissions and limits bind, even where the tests are root's.
fn unprivileged(program: &Path, arguments: &[&str], runs: &Path) -> Command {
    let usual = univip(arguments, runs);
    let mut command = Command::new(program);
    command.args(usual.get_args()).stdin(Stdio::null());
    // SAFETY: geteuid cannot fail and touches no memory.
    if unsafe { libc::geteuid() } == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// Lets a command have so few of something.
#[cfg(target_os = "linux")]
fn limit(command: &mut Command, resource: libc::__rlimit_resource_t, most: libc::rlim_t) {
    let limits = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: setrlimit may be called between fork and exec, and reads a value that the closure owns.
    unsafe {
        command.pre_exec(move || match libc::setrlimit(resource, &limits) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
}

/// The binary where everybody can run it.
fn public_copy(directory: &Path) -> Result<PathBuf> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    let program = directory.join("univip");
    fs::copy(env!("CARGO_BIN_EXE_univip"), &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(program)
}

#[test]
fn finished_runs_in_a_place_that_cannot_be_written_are_finished() -> Result<()> {
    let place = tempfile::tempdir()?;
    let program = public_copy(place.path())?;
    let runs = place.path().join("runs");
    stdout(&QUICK, &runs)?;
    let writable = |mode: u32| -> Result<()> {
        let mut left = vec![runs.clone()];
        while let Some(directory) = left.pop() {
            left.extend(entries(&directory)?.into_iter().filter(|path| path.is_dir()));
            fs::set_permissions(&directory, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    };
    writable(0o555)?;
    let again = unprivileged(&program, &QUICK, &runs).output()?;
    let said = stderr(&again);
    let unfinished = unprivileged(&program, &[&QUICK[..], &["--seeds", "1"]].concat(), &runs).output()?;
    writable(0o755)?;
    ensure!(
        again.status.success() && said.contains("table7-b seed 0: finished"),
        "{:?}: {said}",
        again.status
    );
    let said = stderr(&unfinished);
    ensure!(unfinished.status.code() == Some(1) && said.contains("Permission denied"), "{said}");
    ensure!(!said.contains("panicked"), "{said}");
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn too_few_threads_or_files_are_an_error_and_no_panic() -> Result<()> {
    let place = tempfile::tempdir()?;
    let program = public_copy(place.path())?;
    let runs = place.path().join("runs");
    fs::create_dir(&runs)?;
    fs::set_permissions(&runs, fs::Permissions::from_mode(0o777))?;
    // The first threads that cannot be started are the kernels', later ones those of other libraries.
    let mut cases: Vec<_> =
        (1..12).map(|threads| (libc::RLIMIT_NPROC, threads, "raise the limit (ulimit -u")).collect();
    cases.extend((4..16).map(|files| (libc::RLIMIT_NOFILE, files, "Too many open files")));
    for (resource, most, expected) in cases {
        let mut command = unprivileged(&program, &QUICK, &runs);
        limit(&mut command, resource, most);
        let refused = command.output()?;
        let said = stderr(&refused);
        let finished = refused.status.success() && resource == libc::RLIMIT_NOFILE;
        let code = refused.status.code();
        ensure!(finished || (code == Some(1) && said.contains(expected)), "{most}: {code:?}: {said}");
        ensure!(!said.contains("panicked") && said.lines().all(|line| line.len() < 500), "{most}: {said}");
    }
    Ok(())
}

#[test]
fn what_a_killed_writer_left_among_the_plans_is_swept() -> Result<()> {
    let runs = tempfile::tempdir()?;
    fs::create_dir(runs.path().join("plans"))?;
    let left = runs.path().join("plans/.table7-smoke-0123456789ab.json.1.0.tmp");
    fs::File::create(&left)?.write_all(b"{")?;
    let row = ["ablate", "table7", "--row", "b", "--scale", "smoke", "--set", "evaluators.use=[]"];
    stdout(&row, runs.path())?;
    ensure!(!left.exists(), "it is still there");
    // And in a finished run, whose recipe it wrote anew.
    let left = run_directory(runs.path(), "table7-b")?.join(".recipe.toml.0123456789abcdef.tmp");
    fs::write(&left, "half")?;
    stdout(&row, runs.path())?;
    ensure!(!left.exists(), "it is still in the run");
    Ok(())
}
