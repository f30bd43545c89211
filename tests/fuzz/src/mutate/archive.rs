//! Mutations of the members of a ZIP archive.

use super::{bytes, place, text};
use anyhow::Result;
use rand::Rng;
use std::io::{Cursor, Read, Write};
use univip_core::seed::Stream;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

struct Member {
    name: String,
    compression: CompressionMethod,
    bytes: Vec<u8>,
}

/// Changes a member's bytes, its name or its compression, leaves it out or writes it twice; what is no archive is left to
/// the bytes.
pub fn mutate(input: &mut Vec<u8>, random: &mut Stream) {
    match mutated(input, random) {
        Ok(archive) => *input = archive,
        Err(_) => bytes::mutate(input, &[], random),
    }
}

fn mutated(input: &[u8], random: &mut Stream) -> Result<Vec<u8>> {
    let mut members = members(input)?;
    if members.is_empty() {
        return Ok(Vec::new());
    }
    let at = place(members.len(), random);
    match random.random_range(0..16) {
        0 => drop(members.remove(at)),
        1 => members[at].name.push('0'),
        2 => members[at].compression = CompressionMethod::Deflated,
        3 => members.swap(0, at),
        _ => {
            let member = &mut members[at];
            if member.name.ends_with(".json") {
                text::mutate(&mut member.bytes, &[], random);
            } else {
                bytes::mutate(&mut member.bytes, &[], random);
            }
        }
    }
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for member in members {
        let options = SimpleFileOptions::default().compression_method(member.compression);
        archive.start_file(member.name, options)?;
        archive.write_all(&member.bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

fn members(input: &[u8]) -> Result<Vec<Member>> {
    let mut archive = ZipArchive::new(Cursor::new(input))?;
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index(index)?;
        let (name, compression) = (member.name()?.to_string(), member.compression());
        let mut bytes = Vec::new();
        // An earlier mutation may have made it claim anything.
        member.take(1 << 20).read_to_end(&mut bytes)?;
        members.push(Member { name, compression, bytes });
    }
    Ok(members)
}
