//! The harness sees every fault that a reader can have, and every target reads what is right.

use std::path::Path;
use std::process::{Command, Output};

fn fuzz(arguments: &[&str], directory: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_univip-fuzz")).args(arguments).current_dir(directory).output().unwrap()
}

/// The output of the planted target for an input of these words.
fn planted(words: &str) -> (bool, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("input"), words).unwrap();
    let ended = fuzz(&["planted", "--input", "input"], directory.path());
    let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    (ended.status.success(), said)
}

#[test]
fn a_fault_is_found_kept_and_can_be_repeated() {
    for (fault, expected) in [
        ("panic", "a planted panic"),
        ("memory", "bytes of memory"),
        ("all-memory", "the process ended"),
        ("busy", "s of processor time"),
        ("stack", "the process ended"),
        ("abort", "the process ended"),
    ] {
        let (nothing_found, said) = planted(fault);
        assert!(!nothing_found && said.contains(expected), "{fault}: {said}");
        let again = said.lines().find_map(|line| line.trim().strip_prefix("again: ")).unwrap();
        assert!(again.trim().starts_with("cargo xtask fuzz planted --input target/fuzz/planted-"), "{said}");
    }
    let (nothing_found, said) = planted("an error is no fault");
    assert!(nothing_found, "{said}");
}

#[test]
fn mutations_find_a_planted_fault_by_themselves() {
    // The seed is one word from a fault: one byte in it is enough.
    let directory = tempfile::tempdir().unwrap();
    let ended = fuzz(&["planted", "--seconds", "20"], directory.path());
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(!ended.status.success() && said.contains("a planted bracket"), "{said}");
}

#[test]
fn every_target_reads_what_is_right_and_finds_nothing_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let ended = fuzz(&["--seconds", "0.05"], directory.path());
    let said = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{said}");
    let listed = fuzz(&["--list"], directory.path());
    let targets = String::from_utf8_lossy(&listed.stdout).lines().count();
    assert!(targets >= 16 && said.lines().count() == targets, "{said}");
}
