//! Files of a backbone: safetensors with torchvision's names and layout, written here and read from anywhere.

use crate::evaluate::FrozenBackbone;
use crate::files::write_atomic;
use crate::nn::layout::{from_torchvision, to_torchvision};
use crate::nn::store::fit;
use crate::nn::{Backbone, Parameters};
use crate::recipe::{BackboneKind, NetworkSettings};
use anyhow::{Context, Result, bail};
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::path::Path;

/// Tensors by name.
type Tensors = BTreeMap<String, Tensor>;

/// Writes the tensors of a backbone (by our names and in our layout), whole or not at all.
pub fn write(path: &Path, tensors: &Tensors) -> Result<()> {
    write_atomic(path, &safetensors::serialize(&to_torchvision(tensors)?, None)?)
}

/// Reads a backbone of the shape that `settings` say, or, without them, of the shape that the file shows.
///
/// What a classification network has beside its backbone is left out: `fc.weight`, `fc.bias` and each
/// `num_batches_tracked`. Half and double precision become single.
///
/// # Errors
/// Naming the file: when it is no safetensors, or its tensors are not exactly those of the backbone. All that are
/// missing, left over or of another shape are listed.
pub fn read(path: &Path, settings: Option<&NetworkSettings>, device: &Device) -> Result<FrozenBackbone> {
    let found = tensors(path)?;
    let settings = match settings {
        Some(settings) => settings.clone(),
        None => shape(&found).with_context(|| format!("{} is no backbone", path.display()))?,
    };
    let parameters = Parameters::new(0, device);
    let scope = parameters.frozen();
    Backbone::new(&settings, &scope)?;
    let expected = to_torchvision(&parameters.tensors())?;
    let kind = settings.backbone.name();
    fit(expected.iter().map(|(name, tensor)| (name.as_str(), tensor.dims())), &found).with_context(|| {
        format!("the tensors of {} are not those of a {kind} of width {}", path.display(), settings.width)
    })?;
    parameters.load(&from_torchvision(&found)?)?;
    FrozenBackbone::new(&settings, &scope)
}

/// The file's tensors in single precision, without what belongs to a classifier.
fn tensors(path: &Path) -> Result<Tensors> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).with_context(|| {
        format!(
            "{} is not a whole safetensors file (a .pth is turned into one by safetensors.torch.save_file)",
            path.display()
        )
    })?;
    let of_classifier = |name: &str| name.starts_with("fc.") || name.ends_with(".num_batches_tracked");
    let kept = tensors.into_iter().filter(|(name, _)| !of_classifier(name));
    kept.map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F32)?))).collect()
}

/// The network whose first layers these are.
fn shape(tensors: &Tensors) -> Result<NetworkSettings> {
    let Some(stem) = tensors.get("conv1.weight") else {
        let names: Vec<&str> = tensors.keys().take(5).map(String::as_str).collect();
        bail!(
            "it has no conv1.weight: expected torchvision's names of a resnet18 or resnet50, found {} ({} tensors)",
            names.join(", "),
            tensors.len()
        );
    };
    let [width, 3, 7, 7] = *stem.dims() else {
        bail!("its conv1.weight is {:?}, expected [width, 3, 7, 7]", stem.dims());
    };
    let bottleneck = tensors.contains_key("layer1.0.conv3.weight");
    let backbone = if bottleneck { BackboneKind::ResNet50 } else { BackboneKind::ResNet18 };
    Ok(NetworkSettings { backbone, width, ..NetworkSettings::default() })
}
