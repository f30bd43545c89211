//! The smoke runs of Table 7 end in the bits that they always ended in: the backbone's tensors and every measured number.
//!
//! The bits depend on the processor's vectors, so they are pinned for each kind that was measured; on another kind the test
//! says that it compared nothing. A change that is meant is accepted by
//! `PINNED=accept cargo test --release -p univip-experiments --test pinned`, and stands with its reason in CHANGELOG.md.

mod common;

use anyhow::{Context, Result, ensure};
use common::{evaluations, run_directory, stdout};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

const ROWS: [&str; 5] = ["a", "b", "c", "d", "e"];

#[test]
fn the_smoke_runs_of_table_7_end_in_the_same_bits() -> Result<()> {
    let Some(vectors) = vectors() else {
        eprintln!("skipped: no bits are pinned for this kind of processor");
        return Ok(());
    };
    let runs = tempfile::tempdir()?;
    stdout(&["ablate", "table7", "--scale", "smoke"], runs.path())?;
    let mut found = Map::new();
    for row in ROWS {
        let run = run_directory(runs.path(), &format!("table7-{row}-"))?;
        found.insert(row.into(), ended(&run)?);
    }
    let pinned =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/pinned/table7-smoke-{vectors}.json"));
    if std::env::var_os("PINNED").is_some_and(|value| value == "accept") {
        fs::write(&pinned, serde_json::to_string_pretty(&found)? + "\n")?;
        return Ok(());
    }
    let expected = fs::read_to_string(&pinned).with_context(|| pinned.display().to_string())?;
    let expected: Map<String, Value> = serde_json::from_str(&expected)?;
    let changed: Vec<&str> = ROWS.into_iter().filter(|row| found.get(*row) != expected.get(*row)).collect();
    ensure!(
        changed.is_empty(),
        "rows {changed:?} end in other bits than {}: {}",
        pinned.display(),
        serde_json::to_string_pretty(&found)?
    );
    Ok(())
}

/// The vectors that the kernels use here, if their bits are known.
fn vectors() -> Option<&'static str> {
    #[cfg(target_arch = "x86_64")]
    {
        let wide = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        if wide && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Some("avx512");
        }
    }
    None
}

/// A digest of the backbone's tensors, and the measured numbers.
fn ended(run: &Path) -> Result<Value> {
    let bytes = fs::read(run.join("backbone.safetensors"))?;
    let tensors = safetensors::SafeTensors::deserialize(&bytes)?;
    let mut names = tensors.names();
    names.sort_unstable();
    let mut hash = Sha256::new();
    for name in names {
        let tensor = tensors.tensor(name)?;
        hash.update(format!("{name} {:?} {:?}", tensor.dtype(), tensor.shape()));
        hash.update(tensor.data());
    }
    let digest: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let lines = evaluations(run)?;
    let mut numbers: Vec<Value> = lines.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    // Their digests follow from the recipes, which are pinned elsewhere.
    for line in numbers.iter_mut().filter_map(Value::as_object_mut) {
        line.retain(|key, _| !["digest", "probe_data"].contains(&key.as_str()));
    }
    Ok(json!({ "backbone": digest, "evaluations": numbers }))
}
