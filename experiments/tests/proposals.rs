//! `univip proposals`, as a user types it, on composed scenes.

mod common;

use anyhow::{Context, Result, ensure};
use common::{output, run_directory, stdout};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// Composed scenes, few enough for a test: two files of a store.
const SCENES: [&str; 6] =
    ["--data", "fashion-scenes", "--scale", "small", "--set", "dataset.fashion-scenes.train=70"];

fn proposals<'a>(runs: &'a Path, command: &[&'a str]) -> Vec<&'a str> {
    let runs = runs.to_str().unwrap_or_default();
    [&["proposals"], command, &SCENES[..], &["--runs", runs]].concat()
}

/// The files of the store of selective search, with their bytes.
fn store(runs: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let directory = run_directory(&runs.join("proposals"), "selective-search")?;
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "npz") {
            files.insert(path.file_name().context("a file has a name")?.into(), fs::read(&path)?);
        }
    }
    Ok(files)
}

#[test]
fn a_store_is_built_once_counted_taken_out_and_brought_back() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let run = |command: &[&str]| stdout(&proposals(runs.path(), command), runs.path());
    let built = run(&["build"])?;
    ensure!(built.contains("70 images made"), "{built}");
    let again = run(&["build", "--split", "train2017"])?;
    ensure!(again.contains("already complete"), "{again}");
    let quality = run(&["build", "--mode", "quality"])?;
    ensure!(quality.contains("70 images made"), "another mode is another store: {quality}");

    // What a killed writer of the same file left beside it.
    let left = |name: &str| runs.path().join(format!(".{name}.0123456789abcdef.tmp"));
    for name in ["stats.svg", "false.json", "other"] {
        fs::write(left(name), "half")?;
    }
    let picture = runs.path().join("stats.svg");
    let stats = run(&["stats", "--picture", &picture.to_string_lossy()])?;
    for part in ["70 images", "before the filter", "fewer than K = 4", "IoU 0.7", "train2017"] {
        ensure!(stats.contains(part), "{part} is missing: {stats}");
    }
    ensure!(fs::read_to_string(&picture)?.contains("Recall at IoU 0.5"));

    for orl in [false, true] {
        let file = runs.path().join(format!("{orl}.json"));
        let (file, other) = (file.to_string_lossy(), runs.path().join("back.json"));
        let flag: &[&str] = if orl { &["--orl"] } else { &[] };
        run(&[&["export", &file], flag].concat())?;
        run(&["import", &file, "--name", if orl { "orl" } else { "named" }])?;
        let name = format!("proposal.imported.name={}", if orl { "orl" } else { "named" });
        let imported = ["--set", "proposals.use=imported", "--set", &name];
        run(&[&["export", &other.to_string_lossy()], flag, &imported[..]].concat())?;
        ensure!(fs::read(&*file)? == fs::read(&other)?, "what was brought in is what was taken out");
    }
    ensure!(["stats.svg", "false.json", "other"].map(|name| left(name).exists()) == [false, false, true]);
    Ok(())
}

#[test]
fn a_killed_build_goes_on_and_a_run_without_a_build_makes_the_same_bytes() -> Result<()> {
    let (killed, whole, run) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    stdout(&proposals(whole.path(), &["build"]), whole.path())?;
    let expected = store(whole.path())?;
    ensure!(expected.len() == 2);
    for wait in [20, 60, 150] {
        let mut child = common::univip(&proposals(killed.path(), &["build"]), killed.path()).spawn()?;
        std::thread::sleep(Duration::from_millis(wait));
        child.kill()?;
        child.wait()?;
    }
    stdout(&proposals(killed.path(), &["build", "--jobs", "1"]), killed.path())?;
    ensure!(store(killed.path())? == expected, "a killed build ended in other bytes");

    // Eight images need the first file, and that one is a whole build's.
    let row = ["ablate", "table8b", "--row", "selective-search", "--scale", "smoke"];
    let sets = ["--set", "dataset.fashion-scenes.train=70", "--set", "data.limit=8"];
    stdout(&[&row[..], &sets].concat(), run.path())?;
    let made = store(run.path())?;
    ensure!(made.len() == 1 && made.iter().all(|(name, bytes)| expected.get(name) == Some(bytes)));
    Ok(())
}

#[test]
fn what_cannot_be_done_is_said_with_what_to_do() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let file = |name: &str, text: &str| -> Result<String> {
        let path = runs.path().join(name);
        fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    };
    let outside = file("outside.json", r#"{"bbox": [[[100, 0, 40, 40]]]}"#)?;
    let foreign = file("foreign.json", r#"{"nobody.jpg": [[1, 2, 3, 4]]}"#)?;
    // Enough for a file of the store, and then cut short.
    let late = file("late.json", &format!("{{\"bbox\": [{} [[", "[[1, 2, 3, 4]], ".repeat(65)))?;
    let broken = file("broken.json", r#"{"bbox": [[[1, 2"#)?;
    let cases: [(&[&str], i32, &[&str]); 8] = [
        (&["stats"], 1, &["has 0 of 70 images", "univip proposals build"]),
        (&["export", "x.json"], 1, &["has 0 of 70 images", "univip proposals build"]),
        (&["import", &outside], 1, &["outside.json", "[100, 0, 40, 40]", "128 x 128"]),
        (&["import", &foreign], 1, &["foreign.json", "none of its images", "nobody.jpg", "--split"]),
        (&["import", &broken], 1, &["broken.json", "EOF"]),
        (&["import", &late], 1, &["late.json", "EOF"]),
        (&["import", "nowhere.json"], 2, &["nowhere.json: "]),
        (&["build", "--set", "proposals.use=naive"], 2, &["`naive`", "proposals.use"]),
    ];
    for (command, code, expected) in cases {
        let output = output(&proposals(runs.path(), command), runs.path())?;
        let text = String::from_utf8(output.stderr)?;
        ensure!(output.status.code() == Some(code), "{command:?} gave {}: {text}", output.status);
        for part in expected {
            ensure!(text.contains(part), "{command:?} said {text:?}, expected {part:?}");
        }
    }
    let imported = run_directory(&runs.path().join("proposals"), "imported");
    ensure!(imported.is_err(), "a failed import left {imported:?}");
    Ok(())
}

#[cfg(unix)]
#[test]
fn an_interrupted_build_says_what_is_kept() -> Result<()> {
    let runs = tempfile::tempdir()?;
    let many = ["--set", "dataset.fashion-scenes.train=3000"];
    let build = [&proposals(runs.path(), &["build"])[..], &many].concat();
    let mut build = common::univip(&build, runs.path());
    let mut child = build.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    while store(runs.path()).unwrap_or_default().is_empty() {
        ensure!(child.try_wait()?.is_none(), "it was over before it could be interrupted");
        std::thread::sleep(Duration::from_millis(5));
    }
    let process = libc::pid_t::try_from(child.id())?;
    // SAFETY: the signal is for the process that was started above and is not waited for yet.
    ensure!(unsafe { libc::kill(process, libc::SIGINT) } == 0);
    let output = child.wait_with_output()?;
    let text = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(130), "{}: {text}", output.status);
    ensure!(text.contains(" of 3000 images: interrupted; what is done is kept"), "{text}");
    ensure!(!text.contains("checkpoint"), "{text}");
    Ok(())
}
