//! Backbones in files: written as safetensors with torchvision's names and layout, read from anywhere.

pub mod names;
mod outline;
mod pickle;
mod tensor_file;
mod torch_file;

use crate::layout::{from_torchvision, to_torchvision};
use crate::sealed_tensors::seal;
use crate::store::fit;
use crate::{BackbonePlan, FrozenBackbone, Parameters};
use anyhow::{Context, Result, bail};
use candle_core::{Device, Tensor};
use names::Found;
pub use outline::Architecture;
use outline::{Outline, Shapes};
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
    /// The network with the file's values, of the architecture and width that the file shows.
    pub backbone: FrozenBackbone,
    /// The prefix of its tensors' names in the file.
    pub prefix: String,
    /// The file's other tensors: heads, projectors, a network's average.
    pub left_out: Vec<String>,
}

/// Reads a backbone of any width of one of the `known` architectures from a safetensors file or one of `torch.save`: by its own
/// names, or, of a residual network, by torchvision's or detectron2's.
///
/// The names of a residual network may have a prefix, which is found; then all else of the file is left out. Without one only
/// what a classification network has beside its backbone is: `fc.*` and each `num_batches_tracked`. Half and double precision
/// become single.
///
/// # Errors
/// Naming the file: when it is of another format or broken, has no backbone or several of equal right, or the backbone's
/// tensors are not exactly those of an architecture. All that are missing, left over or of another shape are listed.
pub fn import(path: &Path, known: &[Architecture], device: &Device) -> Result<Import> {
    let file = TensorFile::open(path)?;
    let shapes = file.shapes();
    let no_backbone = || format!("{} is no backbone", path.display());
    // An architecture that cannot be made this narrow is not recognised.
    let outlines: Vec<Outline<'_>> =
        known.iter().filter_map(|architecture| Outline::of(architecture).ok()).collect();
    let (found, outline, width) = match Found::search(&shapes) {
        Ok(found) => {
            let width = stem_width(&shapes, &found).with_context(no_backbone)?;
            let (names, _) = found.divide(shapes.keys());
            let nearest = outlines.iter().min_by_key(|outline| outline.differences(&names, &found));
            (found, nearest.with_context(no_backbone)?, width)
        }
        Err(none) => {
            let whole = outlines.iter().filter_map(|outline| Some((outline, outline.width(&shapes)?)));
            let Some((outline, width)) = whole.max_by_key(|(outline, _)| outline.len()) else {
                return Err(none).with_context(no_backbone);
            };
            (Found::plain(), outline, width)
        }
    };
    let plan = outline.plan(width);
    // Nothing is read or made before the shapes fit: a file can claim any width.
    let Taken { tensors, left_out } = take(path, file, &found, &outline.at(width), &plan)?;
    Ok(Import { backbone: made(&plan, &tensors, device)?, prefix: found.prefix, left_out })
}

/// Reads the backbone of a plan, as [`import`] does.
///
/// # Errors
/// As [`import`].
pub fn read(path: &Path, plan: &BackbonePlan, device: &Device) -> Result<FrozenBackbone> {
    let file = TensorFile::open(path)?;
    let parameters = Parameters::new(0, &Device::Cpu);
    plan.build(&parameters.frozen())?;
    let own = to_torchvision(&parameters.tensors())?;
    let expected = own.into_iter().map(|(name, tensor)| (name, tensor.dims().to_vec())).collect();
    // A plan need not be of a residual network; its own names have no prefix.
    let found = Found::search(&file.shapes()).unwrap_or_else(|_| Found::plain());
    made(plan, &take(path, file, &found, &expected, plan)?.tensors, device)
}

/// The findings of [`take`].
struct Taken {
    /// By our names, in torchvision's layout.
    tensors: BTreeMap<String, Tensor>,
    left_out: Vec<String>,
}

/// The tensors of a file that are exactly those `expected` of a backbone.
fn take(
    path: &Path,
    mut file: TensorFile,
    found: &Found,
    expected: &Shapes,
    plan: &BackbonePlan,
) -> Result<Taken> {
    let shapes = file.shapes();
    let (names, left_out) = found.divide(shapes.keys());
    let full = |name: &str| format!("{}{name}", found.prefix);
    let theirs: Vec<(String, &String, &Vec<usize>)> =
        expected.iter().map(|(name, shape)| (found.naming.of(name), name, shape)).collect();
    fit(
        theirs.iter().map(|(theirs, _, shape)| (theirs.as_str(), &shape[..])),
        names.iter().map(|name| (*name, &shapes[&full(name)][..])),
    )
    .with_context(|| {
        format!(
            "the tensors of {} are not those of a {} of width {}",
            path.display(),
            plan.name(),
            plan.width()
        )
    })?;
    let mut tensors = BTreeMap::new();
    for (theirs, name, _) in theirs {
        let broken = || format!("reading {} of {}", full(&theirs), path.display());
        tensors.insert(name.clone(), file.tensor(&full(&theirs)).with_context(broken)?);
    }
    Ok(Taken { tensors, left_out: left_out.into_iter().map(str::to_string).collect() })
}

fn made(plan: &BackbonePlan, tensors: &BTreeMap<String, Tensor>, device: &Device) -> Result<FrozenBackbone> {
    let parameters = Parameters::new(0, device);
    let backbone = FrozenBackbone::new(plan, &parameters.frozen())?;
    parameters.load(&from_torchvision(tensors)?)?;
    Ok(backbone)
}

/// The channels of the stem that was found.
fn stem_width(shapes: &Shapes, found: &Found) -> Result<usize> {
    let stem = format!("{}{}", found.prefix, found.naming.of("conv1.weight"));
    let [width @ 1..=usize::MAX, 3, 7, 7] = shapes[&stem][..] else {
        let shape = &shapes[&stem];
        bail!(
            "its {} is {:?}{}, expected [width, 3, 7, 7]",
            brief(&stem),
            &shape[..shape.len().min(8)],
            if shape.len() > 8 { " ..." } else { "" }
        );
    };
    Ok(width)
}
