//! Backbones in files: written as safetensors with torchvision's names and layout, read from anywhere.

pub mod names;
mod pickle;
mod tensor_file;
mod torch_file;

use crate::layout::{from_torchvision, to_torchvision};
use crate::sealed_tensors::seal;
use crate::store::fit;
use crate::{Backbone, BackboneKind, BackboneShape, FrozenBackbone, Parameters};
use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use names::Found;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tensor_file::TensorFile;
use univip_stdx::files::write_atomic;
use univip_stdx::refusal::brief;

/// Writes the tensors of a backbone (by our names and in our layout), whole or not at all, with their checksum.
pub fn write(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    write_atomic(path, &seal(&to_torchvision(tensors)?, Value::Null)?)
}

/// A backbone from a file.
pub struct Import {
    /// The network with the file's values, of the shape that the file shows.
    pub backbone: FrozenBackbone,
    /// The prefix of its tensors' names in the file.
    pub prefix: String,
    /// The file's other tensors: heads, projectors, a network's average.
    pub left_out: Vec<String>,
}

/// Reads a backbone of any width from a safetensors file or one of `torch.save`, with torchvision's names or detectron2's.
///
/// The names may have a prefix, which is found; then all else of the file is left out. Without one only what a
/// classification network has beside its backbone is: `fc.*` and each `num_batches_tracked`. Half and double precision
/// become single.
///
/// # Errors
/// Naming the file: when it is of another format or broken, has no backbone or several of equal right, or the backbone's
/// tensors are not exactly those of a ResNet. All that are missing, left over or of another shape are listed.
pub fn import(path: &Path, device: &Device) -> Result<Import> {
    load(path, None, device)
}

/// Reads a backbone of a known shape, as [`import`] does.
pub fn read(path: &Path, shape: impl Into<BackboneShape>, device: &Device) -> Result<FrozenBackbone> {
    Ok(load(path, Some(shape.into()), device)?.backbone)
}

fn load(path: &Path, known: Option<BackboneShape>, device: &Device) -> Result<Import> {
    let mut file = TensorFile::open(path)?;
    let shapes = file.shapes();
    let no_backbone = || format!("{} is no backbone", path.display());
    let found = Found::search(&shapes).with_context(no_backbone)?;
    let known = match known {
        Some(known) => known,
        None => shape(&shapes, &found).with_context(no_backbone)?,
    };
    let (names, left_out) = found.divide(shapes.keys());
    let full = |name: &str| format!("{}{name}", found.prefix);
    // Nothing is read or made before the shapes fit: a file can claim any.
    let expected: Vec<(String, String, Vec<usize>)> =
        (expected(known)?.into_iter()).map(|(name, shape)| (found.naming.of(&name), name, shape)).collect();
    let kind = known.backbone.name();
    fit(
        expected.iter().map(|(theirs, _, shape)| (theirs.as_str(), &shape[..])),
        names.iter().map(|name| (*name, &shapes[&full(name)][..])),
    )
    .with_context(|| {
        format!("the tensors of {} are not those of a {kind} of width {}", path.display(), known.width)
    })?;
    let mut tensors = BTreeMap::new();
    for (theirs, name, _) in expected {
        let broken = || format!("reading {} of {}", full(&theirs), path.display());
        tensors.insert(name, file.tensor(&full(&theirs)).with_context(broken)?);
    }
    let parameters = Parameters::new(0, device);
    let backbone = FrozenBackbone::new(known, &parameters.frozen())?;
    parameters.load(&from_torchvision(&tensors)?)?;
    let left_out = left_out.into_iter().map(str::to_string).collect();
    Ok(Import { backbone, prefix: found.prefix, left_out })
}

/// The names and shapes of a network's tensors, as torchvision has them. One of width 1 is made, and its channels are
/// multiplied: the width is what a file claims it to be.
fn expected(wanted: BackboneShape) -> Result<BTreeMap<String, Vec<usize>>> {
    let parameters = Parameters::new(0, &Device::Cpu);
    Backbone::new(BackboneShape { width: 1, ..wanted }, &parameters.frozen())?;
    let widened = |(name, tensor): (String, Tensor)| {
        let mut shape = tensor.dims().to_vec();
        // The stem reads colours, everything else channels.
        let channels = if name == STEM || shape.len() < 2 { 1 } else { 2 };
        shape.iter_mut().take(channels).for_each(|side| *side = side.saturating_mul(wanted.width));
        (name, shape)
    };
    Ok(to_torchvision(&parameters.tensors())?.into_iter().map(widened).collect())
}

/// torchvision's name of the first convolution.
const STEM: &str = "conv1.weight";

/// The network whose first layers these are.
fn shape(shapes: &BTreeMap<String, Vec<usize>>, found: &Found) -> Result<BackboneShape> {
    let named = |torchvision: &str| format!("{}{}", found.prefix, found.naming.of(torchvision));
    let stem = named(STEM);
    let [width @ 1..=usize::MAX, 3, 7, 7] = shapes[&stem][..] else {
        let shape = &shapes[&stem];
        bail!(
            "its {} is {:?}{}, expected [width, 3, 7, 7]",
            brief(&stem),
            &shape[..shape.len().min(8)],
            if shape.len() > 8 { " ..." } else { "" }
        );
    };
    let bottleneck = shapes.contains_key(&named("layer1.0.conv3.weight"));
    let backbone = if bottleneck { BackboneKind::ResNet50 } else { BackboneKind::ResNet18 };
    Ok(BackboneShape { backbone, width, ..BackboneShape::default() })
}
