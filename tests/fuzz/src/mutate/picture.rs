//! Mutations of PNG files by their chunks.

use super::{bytes, place};
use flate2::Crc;
use univip_core::seed::Stream;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Changes the content of a chunk, and says its new length and checksum; other formats have no checksum in the way.
pub fn mutate(input: &mut Vec<u8>, random: &mut Stream) {
    let chunks = chunks(input);
    let Some((start, length)) = chunks.get(place(chunks.len(), random)).copied() else {
        return bytes::mutate(input, &[], random);
    };
    // Its type goes along: it is under the checksum too.
    let mut content = input[start + 4..][..4 + length].to_vec();
    bytes::mutate(&mut content, &[], random);
    let mut crc = Crc::new();
    crc.update(&content);
    let claimed = (content.len().saturating_sub(4) as u32).to_be_bytes();
    let chunk = [&claimed[..], &content[..], &crc.sum().to_be_bytes()[..]].concat();
    input.splice(start..start + 12 + length, chunk);
}

/// The start of each chunk, and the length of its content.
fn chunks(input: &[u8]) -> Vec<(usize, usize)> {
    let mut chunks = Vec::new();
    let mut at = if input.starts_with(SIGNATURE) { SIGNATURE.len() } else { return chunks };
    while let Some(claimed) = input.get(at..).and_then(|rest| rest.first_chunk()) {
        let length = u32::from_be_bytes(*claimed) as usize;
        if input.len() < at + 12 + length {
            break;
        }
        chunks.push((at, length));
        at += 12 + length;
    }
    chunks
}
