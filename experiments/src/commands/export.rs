//! `univip export`: a run's backbone as other libraries read it.

use super::exit::DONE;
use crate::export::{check, detectron2, manifest, torch_file};
use crate::output;
use crate::runs::{TrainedRun, read_evaluations};
use crate::usage::usage;
use anyhow::{Context, Result};
use candle_core::Device;
use clap::{Args, ValueEnum};
use std::fs;
use std::path::PathBuf;
use univip_core::files::{remove_abandoned_of, remove_if_there, write_atomic};
use univip_core::nn::backbone_file;
use univip_core::recipe::NetworkSettings;
use univip_core::registry::{Kind, Registry};

/// `univip export`
#[derive(Args)]
pub struct Export {
    /// A run: its directory, or the beginning of its name in --runs (table7-e)
    run: String,
    /// The library that reads it
    #[arg(long, value_enum)]
    to: Target,
    /// Its directory; by default `export/<target>` in the run's directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The directory of run directories
    #[arg(long, default_value = "runs")]
    runs: PathBuf,
}

/// The readers of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// torchvision.models, strictly, but for the classifier `fc`
    Torchvision,
    /// timm.create_model with num_classes=0, strictly
    Timm,
    /// detectron2's checkpointer, with a configuration for Mask R-CNN FPN
    Detectron2,
    /// Anything else: torchvision's names, whatever the width
    Safetensors,
}

/// Shown by `univip export --help`.
pub const EXAMPLES: &str = "Examples:
  univip export table7-e --to torchvision
  univip export runs/table7-e-0123456789ab-s0 --to detectron2 --out d2
  univip export table7-e --to safetensors       a narrow backbone, for a network of your own

Writes the tensors, manifest.json (recipe, numbers, digests, what the images must be like) and
check.safetensors (an image and its features). `python experiments/export/check.py DIR` loads an
export as its reader does and compares.";

impl Target {
    fn name(self) -> &'static str {
        match self {
            Target::Torchvision => "torchvision",
            Target::Timm => "timm",
            Target::Detectron2 => "detectron2",
            Target::Safetensors => "safetensors",
        }
    }

    /// Refuses a network that the target does not have; `layers` are those of the published ResNet that it is.
    fn check(self, network: &NetworkSettings, layers: Option<usize>) -> Result<()> {
        if self == Target::Safetensors {
            return Ok(());
        }
        let Some(layers) = layers else {
            let (target, backbone) = (self.name(), &network.backbone);
            let problem =
                format!("{target} has no {backbone}; `--to safetensors` writes it by its own names");
            return Err(usage("--to", problem));
        };
        // detectron2 lets bottleneck blocks be as narrow as one likes.
        let any_width = self == Target::Detectron2 && layers >= 50;
        if !any_width && network.width != PUBLISHED_WIDTH {
            let problem = format!(
                "{} has no {} of width {}, only of {PUBLISHED_WIDTH}; `--to safetensors` writes torchvision's names for a \
                 network of your own",
                self.name(),
                network.backbone,
                network.width
            );
            return Err(usage("--to", problem));
        }
        Ok(())
    }
}

/// The layers of the published ResNet that a network's backbone is.
fn residual_layers(network: &NetworkSettings) -> Result<Option<usize>> {
    let registry = Registry::linked()?;
    let plugin = registry.get(Kind::Backbone, &network.backbone, "the run's recipe", "network.backbone")?;
    Ok(plugin.backbone_facts()?.residual_layers)
}

/// The channels of the published networks' stem.
const PUBLISHED_WIDTH: usize = 64;

impl Export {
    /// Writes the export. The manifest is written last, and that of an older export removed first: a directory that has
    /// one is complete, and it is of the files beside it.
    ///
    /// # Errors
    /// A [`UsageError`](crate::usage::UsageError) for a run or target that cannot be used; when the run's backbone is damaged.
    pub fn run(&self) -> Result<u8> {
        let run = TrainedRun::find(&self.run, &self.runs)?;
        let recipe = run.recipe(Vec::new(), Vec::new())?;
        let layers = residual_layers(&recipe.settings.network)?;
        self.to.check(&recipe.settings.network, layers)?;
        let backbone = run.backbone(&recipe, &Device::Cpu)?;
        let tensors = backbone.tensors();
        let directory = match &self.out {
            Some(directory) => directory.clone(),
            None => run.path.join("export").join(self.to.name()),
        };
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        let manifest_file = directory.join("manifest.json");
        remove_if_there(&manifest_file)?;
        for name in ["backbone.pth", "backbone.safetensors", "check.safetensors", "manifest.json"] {
            remove_abandoned_of(&directory.join(name))?;
        }
        let file = match self.to {
            Target::Detectron2 => {
                let res2 = backbone.stages().first().map_or(0, |stage| stage.channels);
                let yaml = detectron2::configuration(&recipe.settings, layers.unwrap_or_default(), res2);
                write_atomic(&directory.join(detectron2::CONFIGURATION), yaml.as_bytes())?;
                torch_file::write(&directory.join("backbone.pth"), &detectron2::tensors(&tensors)?)?;
                "backbone.pth"
            }
            Target::Torchvision | Target::Timm | Target::Safetensors => {
                backbone_file::write(&directory.join("backbone.safetensors"), &tensors)?;
                "backbone.safetensors"
            }
        };
        check::write(&directory.join("check.safetensors"), &backbone, &recipe.settings.augment)?;
        let evaluations = read_evaluations(&run.path)?;
        let manifest =
            manifest::manifest(self.to.name(), &directory.join(file), &run.record, &recipe, &evaluations)?;
        let text = serde_json::to_string_pretty(&manifest)? + "\n";
        write_atomic(&manifest_file, text.as_bytes())?;
        output::print(format_args!("{}\n", directory.display()))?;
        Ok(DONE)
    }
}
