//! A file of named tensors, of any format that is known by its first bytes.

use super::torch_file::TorchFile;
use crate::sealed_tensors::unseal;
use crate::text_file::in_place_of_text;
use anyhow::{Context, Result, bail, ensure};
use candle_core::safetensors::BufferedSafetensors;
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// An open file, whose values are read when they are asked for.
pub(super) enum TensorFile {
    Safetensors(BufferedSafetensors),
    Torch(Box<TorchFile>),
}

impl TensorFile {
    /// Opens a safetensors file, or one of `torch.save`.
    ///
    /// # Errors
    /// Naming the file: when it is neither, truncated or damaged.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let reading = || format!("reading {}", path.display());
        let mut first = Vec::new();
        let regular = std::fs::metadata(path).with_context(reading)?.is_file();
        ensure!(regular, "{} is not a regular file", path.display());
        let file = File::open(path).with_context(reading)?;
        file.take(64).read_to_end(&mut first).with_context(reading)?;
        // A safetensors file begins with the length of its JSON, in 8 bytes; a pickle with its protocol.
        if first.get(8) == Some(&b'{') {
            let bytes = std::fs::read(path).with_context(reading)?;
            let broken = || format!("{} is not a whole safetensors file", path.display());
            // Those of other programs have no checksum to compare.
            unseal(&bytes).with_context(broken)?;
            Ok(Self::Safetensors(BufferedSafetensors::new(bytes).with_context(broken)?))
        } else if first.starts_with(b"PK\x03\x04") {
            let file = TorchFile::open(path);
            let broken = || format!("{} cannot be used as a file of torch.save", path.display());
            Ok(Self::Torch(Box::new(file.with_context(broken)?)))
        } else if first.first() == Some(&0x80) {
            bail!(
                "{} is a pickle without an archive, as PyTorch before 1.6 and detectron2's .pkl files are: load it in Python \
                 (torch.load or pickle.load) and save its state dict again by torch.save",
                path.display()
            )
        } else if let Some(what) = in_place_of_text(&first) {
            bail!("{} is no file of tensors but {what}", path.display())
        } else {
            bail!(
                "{} is neither a safetensors file nor one of torch.save (.pth), by its first bytes",
                path.display()
            )
        }
    }

    /// The tensors' names and shapes.
    pub(super) fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        match self {
            Self::Safetensors(file) => {
                file.tensors().into_iter().map(|(name, view)| (name, view.shape().to_vec())).collect()
            }
            Self::Torch(file) => file.shapes(),
        }
    }

    /// A tensor in single precision.
    pub(super) fn tensor(&mut self, name: &str) -> Result<Tensor> {
        let tensor = match self {
            Self::Safetensors(file) => file.load(name, &Device::Cpu)?,
            Self::Torch(file) => file.tensor(name)?,
        };
        let real = matches!(tensor.dtype(), DType::F16 | DType::BF16 | DType::F32 | DType::F64);
        ensure!(real, "its values are {:?}, expected numbers with a fraction", tensor.dtype());
        Ok(tensor.to_dtype(DType::F32)?)
    }
}
