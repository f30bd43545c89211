//! Checkpoints on disk, whole and damaged.

use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use univip_core::checkpoint::{Checkpoint, Checkpoints, Progress};

fn save(checkpoints: &Checkpoints, step: u64) {
    let progress =
        Progress { fingerprint: "f".into(), seed: 0, step, epoch_total: 0.1 + 0.2, epoch_skipped: 0 };
    let tensors =
        BTreeMap::from([("online.w".to_string(), Tensor::new(&[step as f32], &Device::Cpu).unwrap())]);
    checkpoints.save(&Checkpoint { progress, tensors }).unwrap();
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The step that a run would go on from, and what it would be told.
fn latest(checkpoints: &Checkpoints) -> (Option<u64>, Vec<String>) {
    let (checkpoint, problems) = checkpoints.latest(&Device::Cpu).unwrap();
    (checkpoint.map(|checkpoint| checkpoint.progress.step), problems)
}

#[test]
fn the_last_ones_stay_in_the_order_of_their_steps() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(directory.path(), 2).unwrap();
    for step in [7, 99_999_999, 100_000_000] {
        save(&checkpoints, step);
    }
    assert_eq!(names(directory.path()), ["step-100000000.safetensors", "step-99999999.safetensors"]);
    assert_eq!(latest(&checkpoints), (Some(100_000_000), vec![]));
}

#[test]
fn after_damage_the_run_begins_anew_says_so_and_keeps_what_it_saves() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(directory.path(), 1).unwrap();
    fs::write(directory.path().join("step-00001000.safetensors"), "cut short").unwrap();
    let (step, problems) = latest(&checkpoints);
    assert_eq!(step, None);
    assert!(problems.len() == 1 && problems[0].contains("begins at step 0"), "{problems:?}");
    save(&checkpoints, 100);
    assert_eq!(names(directory.path()), ["step-00000100.safetensors"]);
    assert_eq!(latest(&checkpoints), (Some(100), vec![]));
}

#[test]
fn a_copy_by_another_name_is_nobodys_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(directory.path(), 1).unwrap();
    save(&checkpoints, 1);
    fs::copy(
        directory.path().join("step-00000001.safetensors"),
        directory.path().join("step-best.safetensors"),
    )
    .unwrap();
    save(&checkpoints, 2);
    assert_eq!(names(directory.path()), ["step-00000002.safetensors", "step-best.safetensors"]);
    assert_eq!(latest(&checkpoints).0, Some(2));
}

#[test]
fn numbers_come_back_to_the_last_bit() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(directory.path(), 1).unwrap();
    let mut total = 0f64;
    for step in 0..200 {
        total += f64::from(0.7f32 + step as f32 * 0.013);
        let progress =
            Progress { fingerprint: "f".into(), seed: 0, step, epoch_total: total, epoch_skipped: 0 };
        checkpoints.save(&Checkpoint { progress, tensors: BTreeMap::new() }).unwrap();
        let (found, _) = checkpoints.latest(&Device::Cpu).unwrap();
        assert_eq!(found.unwrap().progress.epoch_total.to_bits(), total.to_bits(), "step {step}");
    }
}
