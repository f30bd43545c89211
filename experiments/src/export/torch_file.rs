//! Files that `torch.load` reads: a zip archive of a pickle, which names and shapes the tensors, and of their values.
//!
//! The pickle holds tensors, strings and `True` alone, so that `torch.load` reads it with `weights_only=True`, which is
//! its default and runs no code of the file. detectron2's and fvcore's checkpointers read it through `torch.load`.

use anyhow::{Context, Result, ensure};
use candle_core::{DType, Tensor};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use univip_core::files::{write_atomic_with, writing};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Writes `{"model": {name: tensor, ...}, "__author__": "univip", "matching_heuristics": True}`, for which detectron2 finds the
/// place of each tensor in a larger model by its name.
///
/// # Errors
/// When a tensor is not `f32`, or the file cannot be written: then the old one is still intact.
pub fn write(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
    write_atomic_with(path, |file| {
        let mut archive = ZipWriter::new(file);
        // PyTorch maps the values into memory where they are aligned and stored as they are.
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Stored).with_alignment(64);
        let mut entry = |name: &str, bytes: &[u8]| -> Result<()> {
            archive.start_file(format!("archive/{name}"), options).with_context(|| writing(path))?;
            archive.write_all(bytes).with_context(|| writing(path))
        };
        entry("data.pkl", &pickle(tensors)?)?;
        entry("byteorder", b"little")?;
        for (number, tensor) in tensors.values().enumerate() {
            let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            entry(&format!("data/{number}"), &bytes)?;
        }
        entry("version", b"3\n")?;
        archive.finish().with_context(|| writing(path))?;
        Ok(())
    })
}

/// The archive's `data.pkl`, protocol 2 of Python's `pickletools`.
fn pickle(tensors: &BTreeMap<String, Tensor>) -> Result<Vec<u8>> {
    let mut pickle = Pickle(vec![PROTOCOL, 2]);
    pickle.put(&[EMPTY_DICT, MARK]);
    pickle.text("model");
    pickle.put(&[EMPTY_DICT, MARK]);
    for (number, (name, tensor)) in tensors.iter().enumerate() {
        ensure!(tensor.dtype() == DType::F32, "{name} is {:?}, expected f32", tensor.dtype());
        pickle.text(name);
        pickle.tensor(number, tensor.dims());
    }
    pickle.put(&[SET_ITEMS]);
    pickle.text("__author__");
    pickle.text("univip");
    pickle.text("matching_heuristics");
    pickle.put(&[NEW_TRUE, SET_ITEMS, STOP]);
    Ok(pickle.0)
}

const PROTOCOL: u8 = 0x80;
const EMPTY_DICT: u8 = b'}';
const MARK: u8 = b'(';
const SET_ITEMS: u8 = b'u';
const TUPLE: u8 = b't';
const EMPTY_TUPLE: u8 = b')';
const REDUCE: u8 = b'R';
const PERSISTENT: u8 = b'Q';
const NEW_TRUE: u8 = 0x88;
const NEW_FALSE: u8 = 0x89;
const UNICODE: u8 = b'X';
const INTEGER: u8 = b'J';
const STOP: u8 = b'.';

struct Pickle(Vec<u8>);

impl Pickle {
    fn put(&mut self, codes: &[u8]) {
        self.0.extend_from_slice(codes);
    }

    fn text(&mut self, text: &str) {
        self.0.push(UNICODE);
        self.0.extend((text.len() as u32).to_le_bytes());
        self.put(text.as_bytes());
    }

    /// At most 2^31 - 1, which no tensor of a backbone comes near.
    fn integer(&mut self, value: usize) {
        self.0.push(INTEGER);
        self.0.extend((value as i32).to_le_bytes());
    }

    fn tuple(&mut self, values: &[usize]) {
        self.put(&[MARK]);
        values.iter().for_each(|value| self.integer(*value));
        self.put(&[TUPLE]);
    }

    /// `_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`, whose storage is the entry `data/<number>`.
    fn tensor(&mut self, number: usize, shape: &[usize]) {
        self.put(b"ctorch._utils\n_rebuild_tensor_v2\n");
        self.put(&[MARK, MARK]);
        self.text("storage");
        self.put(b"ctorch\nFloatStorage\n");
        self.text(&number.to_string());
        self.text("cpu");
        self.integer(shape.iter().product());
        self.put(&[TUPLE, PERSISTENT]);
        self.integer(0);
        self.tuple(shape);
        let strides: Vec<usize> = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
        self.tuple(&strides);
        self.put(&[NEW_FALSE]);
        self.put(b"ccollections\nOrderedDict\n");
        self.put(&[EMPTY_TUPLE, REDUCE, TUPLE, REDUCE]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    /// PyTorch has read the file of the fixture: `tests/fixtures/torch_file/check.py`.
    #[test]
    fn the_file_is_one_that_pytorch_has_read() -> Result<()> {
        let tensor = |values: &[f32], shape: &[usize]| Tensor::from_slice(values, shape, &Device::Cpu);
        let tensors = BTreeMap::from([
            ("stem.conv1.norm.bias".to_string(), tensor(&[0.5, -2.0], &[2])?),
            ("stem.conv1.weight".to_string(), tensor(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[2, 3, 1, 1])?),
        ]);
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("two_tensors.pth");
        write(&path, &tensors)?;
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/torch_file/two_tensors.pth");
        if std::fs::read(&path)? != std::fs::read(fixture)? {
            let kept = directory.keep().join("two_tensors.pth");
            panic!("{} differs: when check.py accepts it, it can be the fixture", kept.display());
        }
        Ok(())
    }

    #[test]
    fn only_single_precision_is_written() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("x.pth");
        let tensors = BTreeMap::from([("x".to_string(), Tensor::zeros(2, DType::F64, &Device::Cpu)?)]);
        assert!(write(&path, &tensors).unwrap_err().to_string().contains("x is F64, expected f32"));
        assert!(!path.exists(), "a part of a file was left");
        Ok(())
    }
}
