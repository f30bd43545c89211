//! `network.init`: the weights that a run starts from are part of what it is by their contents, wherever they lie.

use super::layer::{Layer, Override};
use crate::digest::{hexadecimal, of_file};
use crate::networks::NetworkSettings;
use anyhow::Result;
use figment::Figment;
use std::io;
use std::path::Path;
use univip_stdx::config::Table;

/// The layers with the digest of the file that `network.init` names, as `network.init_sha256`.
///
/// # Errors
/// [`RecipeError`](crate::error::RecipeError): when there is no such file, or it is another than the recipe states. A stated digest needs
/// no file: what has been trained is measured without it.
pub(super) fn with_digest(figment: Figment, origin: &str) -> Result<Figment> {
    let table = Table::in_recipe(figment.clone(), "network", origin);
    let NetworkSettings { init, init_sha256: stated, .. } = table.read()?;
    if init.is_empty() {
        return Ok(figment);
    }
    match (digest(Path::new(&init)), stated) {
        (Ok(found), Some(stated)) if found != stated => {
            let problem = format!(
                "{init} is another file than this run started from: its SHA-256 is {found}, expected {stated}; restore it, or \
                 leave network.init_sha256 out for another run"
            );
            Err(table.error("init", problem).into())
        }
        (_, Some(_)) => Ok(figment),
        (Ok(found), None) => {
            let (key, origin) = ("network.init_sha256".into(), "the file network.init".into());
            Ok(figment.merge(Layer::of(Override { key, value: found, origin }, true)?))
        }
        (Err(error), None) => {
            let problem =
                format!("{init}: {error}; expected a safetensors file or one of torch.save with a backbone");
            Err(table.error("init", problem).into())
        }
    }
}

/// The SHA-256 of a file in digits.
pub(crate) fn digest(path: &Path) -> io::Result<String> {
    Ok(hexadecimal(&of_file(path)?))
}
