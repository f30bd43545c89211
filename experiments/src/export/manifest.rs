//! `manifest.json`: what an export is, where it is from and what images it wants.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use univip_core::digest::hexadecimal;
use univip_core::recipe::Recipe;
use univip_run_format::{Evaluated, RunRecord};

/// The libraries that `experiments/export/check.py` was last run with.
const CHECKED_WITH: [(&str, &str); 4] =
    [("torch", "2.15.0"), ("torchvision", "0.29.2"), ("timm", "1.0.31"), ("safetensors", "0.8.0")];

/// Compares a file with the manifest beside it, where there is one that is of the file.
///
/// # Errors
/// When it is another than was exported.
pub fn check(file: &Path) -> Result<()> {
    let Ok(text) = std::fs::read(file.with_file_name("manifest.json")) else { return Ok(()) };
    // Other programs write files of that name, too.
    let Ok(manifest) = serde_json::from_slice::<Value>(&text) else { return Ok(()) };
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let (Some(expected), true) = (manifest["sha256"].as_str(), manifest["file"].as_str() == name.as_deref())
    else {
        return Ok(());
    };
    let found = digest(file)?;
    ensure!(
        found == expected,
        "{} has changed since it was exported (SHA-256 {found}, its manifest.json says {expected}): export it again",
        file.display()
    );
    Ok(())
}

fn digest(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(hexadecimal(&Sha256::digest(&bytes)))
}

/// The manifest of `file`, which is written.
pub fn manifest(
    target: &str,
    file: &Path,
    record: &RunRecord,
    recipe: &Recipe,
    evaluations: &[Evaluated],
) -> Result<Value> {
    let digest = digest(file)?;
    let (settings, augment) = (&recipe.settings, &recipe.resolved()["augment"]);
    let size = settings.probe_data.image_size;
    Ok(json!({
        "target": target,
        "file": file.file_name().map(|name| name.to_string_lossy()),
        "sha256": digest,
        "network": {
            "architecture": settings.network.backbone,
            "width": settings.network.width,
            "parameters": record.parameters,
        },
        "input": {
            "colours": "RGB",
            "range": "0 to 1, then (x - mean) / std",
            "mean": augment["mean"],
            "std": augment["std"],
            "evaluated_at": {
                "resize_short_side": size * 256 / 224,
                "centre_crop": size,
                "interpolation": augment["interpolation"],
            },
        },
        "run": {
            "name": record.name,
            "seed": record.seed,
            "fingerprint": record.fingerprint,
            "scale": record.scale,
            "steps": record.steps,
            "data": record.data,
            "data_digest": record.data_digest,
            "started": record.started,
            "machine": record.machine,
        },
        "evaluations": evaluations,
        "recipe": recipe.resolved(),
        "versions": {
            "univip": { "run": record.version, "export": env!("CARGO_PKG_VERSION") },
            "checked_with": CHECKED_WITH.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
        },
    }))
}
