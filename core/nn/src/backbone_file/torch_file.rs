//! Files of `torch.save`: a zip archive of a pickle, which names and shapes the tensors, and of their values.

use super::pickle::{Pickle, Place, Value};
use anyhow::{Context, Result, bail, ensure};
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use univip_stdx::refusal::brief;
use zip::{CompressionMethod, ZipArchive};

/// The state dict of a file, whose values are read when they are asked for.
pub(super) struct TorchFile {
    archive: ZipArchive<BufReader<File>>,
    /// The directory of all members of the archive, with its slash.
    directory: String,
    tensors: BTreeMap<String, Stored>,
    /// The values that were read last, by their key: tensors may share them.
    last: Option<(String, Vec<u8>)>,
}

/// The location of a tensor's values.
struct Stored {
    key: String,
    /// PyTorch's class for their type.
    class: String,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl TorchFile {
    /// Opens a file that holds a state dict, alone or called `state_dict` or `model` in a dictionary.
    ///
    /// # Errors
    /// When it is cut off, damaged, or of something else.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).context("it cannot be opened")?;
        let archive = ZipArchive::new(BufReader::new(file));
        let mut archive = archive.context("it is truncated: its archive has no end")?;
        let is_pickle = |name: &&str| name.ends_with("/data.pkl");
        let directory = {
            let names: Vec<_> = archive.file_names().filter_map(Result::ok).collect();
            let pickle = names.iter().map(AsRef::as_ref).find(is_pickle);
            pickle.context("it is a zip archive without a data.pkl: torch.save writes one")?.to_string()
        };
        let directory = directory.trim_end_matches("data.pkl").to_string();
        let byteorder = format!("{directory}byteorder");
        if archive.index_for_name(&byteorder).is_some() {
            let order = member(&mut archive, &byteorder, 16)?;
            ensure!(order == b"little", "its values are not in the byte order of this machine");
        }
        let bytes = member(&mut archive, &format!("{directory}data.pkl"), PICKLE_LIMIT)?;
        let pickle = Pickle::read(&bytes).context("its data.pkl cannot be read")?;
        let tensors = state_dict(&pickle)?;
        Ok(Self { archive, directory, tensors, last: None })
    }

    /// The tensors' names and shapes.
    pub(super) fn shapes(&self) -> BTreeMap<String, Vec<usize>> {
        self.tensors.iter().map(|(name, stored)| (name.clone(), stored.shape.clone())).collect()
    }

    /// A tensor of the type that the file has.
    ///
    /// # Errors
    /// When its values are not there, damaged or of a type that no network computes with.
    pub(super) fn tensor(&mut self, name: &str) -> Result<Tensor> {
        let stored = self.tensors.get(name).context("there is no such tensor")?;
        let dtype = match stored.class.trim_start_matches("torch.") {
            "FloatStorage" => DType::F32,
            "DoubleStorage" => DType::F64,
            "HalfStorage" => DType::F16,
            "BFloat16Storage" => DType::BF16,
            other => bail!("its values are a {other}, expected numbers with a fraction"),
        };
        if self.last.as_ref().is_none_or(|(key, _)| *key != stored.key) {
            let values =
                member(&mut self.archive, &format!("{}data/{}", self.directory, stored.key), u64::MAX)?;
            self.last = Some((stored.key.clone(), values));
        }
        let (_, values) = self.last.as_ref().context("its values are not there")?;
        let gathered = stored.gathered(values, dtype.size_in_bytes())?;
        Ok(Tensor::from_raw_buffer(&gathered, dtype, &stored.shape, &Device::Cpu)?)
    }
}

/// A pickle of more bytes is none of a network: PyTorch's needs about 200 a tensor.
const PICKLE_LIMIT: u64 = 32 << 20;

/// A member of the archive as it is stored. Memory follows what the file has and not what it says.
fn member(archive: &mut ZipArchive<BufReader<File>>, name: &str, limit: u64) -> Result<Vec<u8>> {
    let broken = || format!("its {} cannot be read", brief(name));
    let found = archive.by_name(name).with_context(broken)?;
    let stored = found.compression() == CompressionMethod::Stored;
    ensure!(
        stored,
        "its {} is compressed, which torch.save never does: save it again by torch.save",
        brief(name)
    );
    ensure!(
        found.size() <= limit,
        "its {} has {} bytes, expected at most {limit}",
        brief(name),
        found.size()
    );
    let mut bytes = Vec::new();
    // Read to its end, so that the checksum is compared.
    found.take(limit.saturating_add(1)).read_to_end(&mut bytes).with_context(broken)?;
    Ok(bytes)
}

impl Stored {
    /// The values in the tensor's order, `width` bytes each.
    fn gathered(&self, values: &[u8], width: usize) -> Result<Vec<u8>> {
        let Self { offset, shape, strides, .. } = self;
        let there = values.len() / width;
        let outside =
            || format!("it is {shape:?} by {strides:?} from {offset}, and only {there} values are stored");
        ensure!(shape.len() == strides.len(), outside());
        let elements =
            shape.iter().try_fold(1_usize, |all, side| all.checked_mul(*side)).with_context(outside)?;
        if elements == 0 {
            return Ok(Vec::new());
        }
        let last = (shape.iter().zip(strides))
            .try_fold(*offset, |at, (side, stride)| at.checked_add((side - 1).checked_mul(*stride)?));
        ensure!(elements <= there && last.is_some_and(|last| last < there), outside());
        let mut gathered = Vec::with_capacity(elements * width);
        let (mut index, mut at) = (vec![0; shape.len()], *offset);
        for _ in 0..elements {
            gathered.extend_from_slice(&values[at * width..][..width]);
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                at += strides[axis];
                if index[axis] < shape[axis] {
                    break;
                }
                at -= strides[axis] * shape[axis];
                index[axis] = 0;
            }
        }
        Ok(gathered)
    }
}

/// The tensors of the dictionary that the pickle is of, or of the one in it.
fn state_dict(pickle: &Pickle) -> Result<BTreeMap<String, Stored>> {
    let mut value = pickle.root();
    // Beside an inner dictionary there may be tensors too, such as the best accuracy so far.
    for _ in 0..NESTED.len() {
        let Some(inner) = NESTED.iter().find_map(|name| inside(pickle, value, name)) else { break };
        value = inner;
    }
    let Value::Dictionary(members) = value else {
        let what = match value {
            Value::Call { function, .. } => brief(pickle.global(*function).unwrap_or("an object")),
            _ => "something else".into(),
        };
        bail!(
            "expected a state dict, found {what}: load it in Python and write torch.save(model.state_dict(), \"new.pth\")"
        )
    };
    let mut tensors = BTreeMap::new();
    for (key, value) in members {
        if let (Some(name), Some(arguments)) = (pickle.text(*key), tensor(pickle, *value)) {
            let broken = || format!("its tensor {} is not described as PyTorch does", brief(name));
            tensors.insert(name.to_string(), stored(pickle, arguments).with_context(broken)?);
        }
    }
    if tensors.is_empty() {
        let names = members.iter().filter_map(|(key, _)| pickle.text(*key));
        let names: Vec<String> = names.take(4).map(brief).collect();
        bail!(
            "it has no tensors: expected a state dict, alone or called `state_dict` or `model` in a dictionary, found the keys \
             [{}]",
            names.join(", ")
        );
    }
    Ok(tensors)
}

/// The keys under which dictionaries hold a state dict.
const NESTED: [&str; 2] = ["state_dict", "model"];

/// The dictionary of that name in a dictionary.
fn inside<'a>(pickle: &'a Pickle, value: &Value, name: &str) -> Option<&'a Value> {
    let Value::Dictionary(members) = value else { return None };
    // Of equal keys the last one counts.
    let (_, inner) = members.iter().rev().find(|(key, _)| pickle.text(*key) == Some(name))?;
    Some(pickle.at(*inner)).filter(|inner| matches!(inner, Value::Dictionary(_)))
}

/// The arguments of the call that makes a tensor, if it is one.
fn tensor(pickle: &Pickle, place: Place) -> Option<&[Place]> {
    let mut call = pickle.at(place);
    // A parameter is made from a tensor, and a tensor with attributes of its own by a call that is told which.
    for _ in 0..3 {
        let Value::Call { function, arguments } = call else { return None };
        let (mut function, mut arguments) = (*function, *arguments);
        if pickle.global(function)? == "torch._tensor._rebuild_from_type_v2" {
            let [inner, _, inner_arguments, _] = *pickle.tuple(arguments)? else { return None };
            (function, arguments) = (inner, inner_arguments);
        }
        match pickle.global(function)? {
            "torch._utils._rebuild_tensor_v2" => return pickle.tuple(arguments),
            "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state" => {
                call = pickle.at(*pickle.tuple(arguments)?.first()?);
            }
            _ => return None,
        }
    }
    None
}

/// From the arguments `(storage, offset, shape, strides, ...)`.
fn stored(pickle: &Pickle, arguments: &[Place]) -> Result<Stored> {
    let read = || -> Option<Stored> {
        let [storage, offset, shape, strides, ..] = *arguments else { return None };
        let Value::Outside(name) = pickle.at(storage) else { return None };
        // ("storage", class, key, device, elements)
        let [_, class, key, ..] = *pickle.tuple(*name)? else { return None };
        Some(Stored {
            key: pickle.text(key).filter(|key| key.len() <= LONGEST_KEY)?.to_string(),
            class: pickle.global(class)?.to_string(),
            offset: pickle.count(offset)?,
            shape: pickle.counts(shape, MOST_SIDES)?,
            strides: pickle.counts(strides, MOST_SIDES)?,
        })
    };
    read().with_context(|| {
        format!("expected a storage, an offset, and a shape and strides of at most {MOST_SIDES} dimensions")
    })
}

/// PyTorch's limit on the dimensions of a tensor.
const MOST_SIDES: usize = 64;

/// The name of a storage, a number.
const LONGEST_KEY: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/fixtures/backbone/make_torch.py` made the file: protocol 4, two dictionaries around the tensors.
    fn types() -> Result<TorchFile> {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/backbone");
        TorchFile::open(&fixtures.join("types.pth"))
    }

    #[test]
    fn tensors_are_those_that_pytorch_saved() -> Result<()> {
        let mut file = types()?;
        let all = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        for (name, shape, expected) in [
            ("float", &[2, 3][..], &all[..]),
            ("double", &[2, 3], &all),
            ("half", &[2, 3], &all),
            ("bfloat16", &[2, 3], &all),
            ("transposed", &[3, 2], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
            ("column", &[2], &[1.0, 4.0]),
            ("scalar", &[], &[7.0]),
            ("empty", &[0, 3], &[]),
        ] {
            assert_eq!(file.shapes()[name], shape, "{name}");
            let values = file.tensor(name)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            assert_eq!(values, expected, "{name}");
        }
        assert!(!file.shapes().contains_key("a number"));
        Ok(())
    }

    #[test]
    fn what_is_no_number_with_a_fraction_or_more_than_is_stored_is_refused() -> Result<()> {
        let mut file = types()?;
        for (name, expected) in [
            ("long", "its values are a LongStorage, expected numbers with a fraction"),
            ("bool", "its values are a BoolStorage"),
            ("expanded", "it is [4] by [0] from 0, and only 1 values are stored"),
        ] {
            let said = file.tensor(name).err().with_context(|| name.to_string())?.to_string();
            assert!(said.contains(expected), "{name}: {said}");
        }
        let stored = |offset, shape: &[usize], strides: &[usize]| {
            let (key, class) = ("0".to_string(), "torch.FloatStorage".to_string());
            Stored { key, class, offset, shape: shape.to_vec(), strides: strides.to_vec() }
        };
        let (values, most) = ([1u8, 2, 3, 4, 5, 6, 7, 8], usize::MAX);
        assert_eq!(stored(1, &[3], &[2]).gathered(&values, 1)?, [2, 4, 6]);
        for (offset, shape, strides) in [
            (6, &[3][..], &[1][..]),
            (most, &[1], &[1]),
            (0, &[2], &[most]),
            (0, &[most, most], &[1, 1]),
            (0, &[most], &[0]),
            (0, &[2, 2], &[1]),
        ] {
            assert!(
                stored(offset, shape, strides).gathered(&values, 1).is_err(),
                "{offset} {shape:?} {strides:?}"
            );
        }
        Ok(())
    }
}
