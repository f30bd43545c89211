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
fn without_a_whole_checkpoint_nothing_is_done_again_unasked() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(directory.path(), 1).unwrap();
    assert_eq!(latest(&checkpoints), (None, vec![]));
    fs::write(directory.path().join("step-00001000.safetensors"), "cut short").unwrap();
    let said = format!("{:#}", checkpoints.latest(&Device::Cpu).err().unwrap());
    for part in ["step-00001000.safetensors is damaged", "not one of the 1 checkpoints is intact", "--force"]
    {
        assert!(said.contains(part), "{said}");
    }
}

/// Each bit by itself: of the header, of the numbers and of the checksum.
#[test]
fn a_changed_bit_is_named_and_the_checkpoint_before_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::open(directory.path(), 2).unwrap();
    [1, 2].into_iter().for_each(|step| save(&checkpoints, step));
    let newest = directory.path().join("step-00000002.safetensors");
    let whole = fs::read(&newest).unwrap();
    for bit in 0..whole.len() * 8 {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&newest, damaged).unwrap();
        let (step, problems) = latest(&checkpoints);
        assert_eq!(step, Some(1), "bit {bit}");
        assert!(problems.len() == 1 && problems[0].contains("step-00000002.safetensors"), "{problems:?}");
    }
    fs::write(&newest, whole).unwrap();
    assert_eq!(latest(&checkpoints), (Some(2), vec![]));
}

#[test]
fn what_a_killed_process_left_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(".step-00000001.safetensors.0123456789abcdef.tmp"), "half").unwrap();
    Checkpoints::open(directory.path(), 1).unwrap();
    assert!(names(directory.path()).is_empty(), "{:?}", names(directory.path()));
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
