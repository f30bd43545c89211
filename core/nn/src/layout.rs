//! The layout of weights here and in torchvision's files.

use anyhow::Result;
use candle_core::Tensor;
use std::collections::BTreeMap;

/// The tensors of a backbone as torchvision stores them: convolutions `[O, I, kh, kw]`.
pub fn to_torchvision(tensors: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
    permuted(tensors, [0, 3, 1, 2])
}

/// The tensors of a backbone from torchvision's: convolutions `[O, kh, kw, I]`.
pub fn from_torchvision(tensors: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
    permuted(tensors, [0, 2, 3, 1])
}

fn permuted(tensors: &BTreeMap<String, Tensor>, axes: [usize; 4]) -> Result<BTreeMap<String, Tensor>> {
    let permute = |tensor: &Tensor| match tensor.rank() {
        4 => tensor.permute(axes)?.contiguous(),
        _ => Ok(tensor.clone()),
    };
    tensors.iter().map(|(name, tensor)| Ok((name.clone(), permute(tensor)?))).collect()
}
