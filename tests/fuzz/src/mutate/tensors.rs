//! Mutations of safetensors files by their header.

use super::{bytes, text};
use rand::Rng;
use sha2::{Digest, Sha256};
use univip_core::seed::Stream;

/// Changes the header and says its new length, or the values; a checksum in the header is computed again.
pub fn mutate(input: &mut Vec<u8>, random: &mut Stream) {
    let length = input.first_chunk().map(|length| u64::from_le_bytes(*length) as usize);
    let header = length.and_then(|length| input.get(8..length.checked_add(8)?)).map(<[u8]>::to_vec);
    let Some(mut header) = header else { return bytes::mutate(input, &[], random) };
    let mut values = input[8 + header.len()..].to_vec();
    if random.random_range(0..4) == 0 {
        bytes::mutate(&mut values, &[], random);
    } else {
        text::mutate(&mut header, &[], random);
    }
    *input = [&(header.len() as u64).to_le_bytes()[..], &header[..], &values[..]].concat();
    seal(input, header.len());
}

/// Checkpoints hold the SHA-256 of their own bytes, with zeros in its place.
fn seal(input: &mut [u8], header: usize) {
    const DIGITS: usize = 64;
    let key = br#"sha256\":\""#;
    let Some(at) = input[..8 + header].windows(key.len()).position(|window| window == key) else { return };
    let Some(place) = input.get_mut(at + key.len()..at + key.len() + DIGITS) else { return };
    place.fill(b'0');
    let digits: String = Sha256::digest(&*input).iter().map(|byte| format!("{byte:02x}")).collect();
    input[at + key.len()..][..DIGITS].copy_from_slice(digits.as_bytes());
}
