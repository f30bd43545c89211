//! safetensors files with a checksum of every byte, so that a damaged one is told from a whole one.
//!
//! The checksum is in the file's own metadata and not beside it: one rename makes both durable, a copy takes it along, and
//! other readers of safetensors pass over metadata that they do not know. It is the SHA-256 of the whole file with
//! zeros in the place of its own digits.

use anyhow::{Context, Result, anyhow, bail, ensure};
use candle_core::Tensor;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::ops::Range;
use univip_stdx::digest::hexadecimal;

/// The bytes of a safetensors file of `tensors`, with their checksum and a note of any shape beside it.
pub fn seal<N: AsRef<str> + Ord + Display>(tensors: &BTreeMap<N, Tensor>, note: Value) -> Result<Vec<u8>> {
    let seal = Seal { sha256: ZEROS.into(), note };
    let metadata = HashMap::from([(METADATA_KEY.to_string(), serde_json::to_string(&seal)?)]);
    let mut bytes = safetensors::serialize(tensors, Some(metadata))?;
    let (length, _) = read_header(&bytes)?;
    let place = place(&bytes, length, ZEROS)?;
    let sha256 = checksum(&bytes, &place);
    bytes[place].copy_from_slice(sha256.as_bytes());
    Ok(bytes)
}

/// Compares a safetensors file with its checksum and returns the note; none of a file that has no checksum, as
/// those of other programs.
///
/// # Errors
/// When it is no whole safetensors file, or another than was written.
pub fn unseal(bytes: &[u8]) -> Result<Option<Value>> {
    let (length, header) = read_header(bytes)?;
    let Some(text) = header.metadata().as_ref().and_then(|map| map.get(METADATA_KEY)) else {
        return Ok(None);
    };
    let Seal { sha256, note } = serde_json::from_str(text)
        .with_context(|| format!("its metadata `{METADATA_KEY}` has no checksum"))?;
    ensure!(sha256.len() == ZEROS.len(), "its checksum has {} digits, expected 64", sha256.len());
    let found = checksum(bytes, &place(bytes, length, &sha256)?);
    ensure!(
        found == sha256,
        "its bytes have changed since it was written (SHA-256 {found}, expected {sha256})"
    );
    Ok(Some(note))
}

/// The length of a file's header, and what it says.
fn read_header(bytes: &[u8]) -> Result<(usize, safetensors::tensor::Metadata)> {
    // The text of this error ends with that of its source, which a chain would repeat.
    SafeTensors::read_metadata(bytes).map_err(|error| anyhow!("{error}"))
}

/// The only key of the metadata: several would be written in no fixed order, and the same tensors in other bytes.
const METADATA_KEY: &str = "univip";

/// The placeholder for the digits while they are computed.
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    sha256: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    note: Value,
}

/// The range of the digits in the header of this length.
fn place(bytes: &[u8], length: usize, digits: &str) -> Result<Range<usize>> {
    let Some(start) = memchr::memmem::find(&bytes[..HEADER_START + length], digits.as_bytes()) else {
        bail!("its checksum is not in its header");
    };
    Ok(start..start + digits.len())
}

/// The bytes of the header's length.
const HEADER_START: usize = 8;

fn checksum(bytes: &[u8], place: &Range<usize>) -> String {
    let mut digest = Sha256::new();
    digest.update(&bytes[..place.start]);
    digest.update(ZEROS);
    digest.update(&bytes[place.end..]);
    hexadecimal(&digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn sealed() -> Result<Vec<u8>> {
        let tensor = |values: &[f32]| Tensor::from_slice(values, values.len(), &Device::Cpu);
        seal(
            &BTreeMap::from([("a", tensor(&[1.0, -2.0])?), ("b", tensor(&[0.5])?)]),
            serde_json::json!({"step": 3}),
        )
    }

    #[test]
    fn what_was_sealed_is_read_with_its_note_and_by_any_reader() -> Result<()> {
        let bytes = sealed()?;
        assert_eq!(unseal(&bytes)?, Some(serde_json::json!({"step": 3})));
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)?;
        assert_eq!(tensors["a"].to_vec1::<f32>()?, [1.0, -2.0]);
        assert_eq!(sealed()?, bytes, "the same tensors gave other bytes");
        Ok(())
    }

    /// Any bit but those of the key that says that there is a checksum.
    #[test]
    fn no_bit_can_change_unnoticed() -> Result<()> {
        let bytes = sealed()?;
        let key = memchr::memmem::find(&bytes, METADATA_KEY.as_bytes()).context("no key")?;
        let outer = memchr::memmem::find(&bytes, b"__metadata__").context("no metadata")?;
        let of_keys = [key..key + METADATA_KEY.len(), outer..outer + "__metadata__".len()];
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let read = unseal(&damaged);
            let unseen = of_keys.iter().any(|range| range.contains(&(bit / 8)));
            assert!(read.is_err() || (unseen && matches!(read, Ok(None))), "bit {bit}: {read:?}");
        }
        Ok(())
    }

    #[test]
    fn a_file_of_another_program_has_no_checksum_and_no_error() -> Result<()> {
        let tensor = Tensor::from_slice(&[1f32], 1, &Device::Cpu)?;
        let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
        let bytes = safetensors::serialize(&BTreeMap::from([("a", tensor)]), Some(metadata))?;
        assert_eq!(unseal(&bytes)?, None);
        Ok(())
    }

    #[test]
    fn what_is_wrong_with_a_header_is_said_once() {
        let header = br#"{"a": 1 "b"}"#;
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header].concat();
        let said = format!("{:#}", unseal(&bytes).unwrap_err());
        assert_eq!(said.matches("at line 1").count(), 1, "{said}");
    }
}
