//! `univip evaluate`: evaluators on a finished pre-training, or on a backbone from elsewhere.

mod arguments;
mod file;
mod names;
mod run;
mod said;

pub use arguments::Evaluate;

use super::exit::DONE;
use crate::system::interrupts::{self, STOP};
use crate::usage::usage;
use anyhow::Result;
use univip_core::registry::Registry;

/// Shown by `univip evaluate --help`.
pub const EXAMPLES: &str = "Examples:
  univip evaluate table7-e                          the evaluators of its recipe that have not run yet
  univip evaluate table7-e --with knn --set evaluator.knn.k=200
  univip evaluate runs/table7-e-0123456789ab-s0 --with linear-probe,semi-supervised
  univip evaluate --backbone resnet50.safetensors --with knn --probe-data image-folder=DIR
  univip evaluate --backbone moco_v2_800ep_pretrain.pth.tar --with knn
  univip evaluate --backbone runs/table7-e-0123456789ab-s0/export/detectron2 --with knn

Numbers of a run are appended to its evaluations.jsonl, those of a file are only printed.
An evaluator that fails costs the others nothing.
Exit codes: 0 done, 1 an evaluator or a file failed (the message says which), 2 a command that cannot be used, 130 stopped
by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.";

impl Evaluate {
    /// Evaluates; the exit code.
    ///
    /// # Errors
    /// A [`UsageError`](crate::usage::UsageError) when the command cannot be used as it is; the evaluators that failed, after
    /// the others ran.
    pub fn run(&self, registry: &Registry) -> Result<u8> {
        interrupts::listen(Some("this evaluator"))?;
        let stopped = match (&self.run, &self.backbone) {
            (Some(name), _) => run::evaluate(self, name, registry, &STOP)?,
            (None, Some(path)) => file::evaluate(self, path, registry, &STOP)?,
            (None, None) => return Err(usage("RUN", "name a run or give --backbone".into())),
        };
        Ok(if stopped { interrupts::exit_code() } else { DONE })
    }
}
