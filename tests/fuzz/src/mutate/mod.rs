//! From inputs that are right to inputs that are almost right.

mod archive;
mod bytes;
mod picture;
mod tensors;
mod text;

use rand::Rng;
use univip_core::seed::Stream;

/// The format of a target's inputs. Mutations of a structure keep what a reader checks first (a length, a checksum),
/// so that they reach what comes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Bytes and numbers in them.
    Bytes,
    /// Words, numbers, strings and brackets: JSON, TOML, XML.
    Text,
    /// A ZIP archive, whose members are mutated one by one and get their CRC-32.
    Archive,
    /// safetensors: a length, a JSON header with or without a checksum, values.
    Tensors,
    /// PNG, whose chunks get their CRC-32, among images of other formats.
    Picture,
}

/// Inputs grow no further.
const LONGEST: usize = 256 << 10;

/// An input from one of `seeds`, with one to five mutations.
pub fn mutate(dialect: Dialect, seeds: &[Vec<u8>], random: &mut Stream) -> Vec<u8> {
    let mut input = pick(seeds, random).clone();
    for _ in 0..random.random_range(1..=5) {
        let other = pick(seeds, random);
        // One mutation in four does not care for the structure, as damage on a disk does not.
        let dialect = if random.random_range(0..4) == 0 { Dialect::Bytes } else { dialect };
        one(dialect, &mut input, other, random);
        input.truncate(LONGEST);
    }
    input
}

fn one(dialect: Dialect, input: &mut Vec<u8>, other: &[u8], random: &mut Stream) {
    match dialect {
        Dialect::Bytes => bytes::mutate(input, other, random),
        Dialect::Text => text::mutate(input, other, random),
        Dialect::Archive => archive::mutate(input, random),
        Dialect::Tensors => tensors::mutate(input, random),
        Dialect::Picture => picture::mutate(input, random),
    }
}

fn pick<'a, T>(all: &'a [T], random: &mut Stream) -> &'a T {
    &all[random.random_range(0..all.len() as u64) as usize]
}

/// A place in `0..length`; 0 where there is none.
fn place(length: usize, random: &mut Stream) -> usize {
    random.random_range(0..length.max(1) as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use univip_core::seed::stream;

    #[test]
    fn an_input_follows_from_its_seed_and_number_alone() {
        let seeds = vec![br#"{"a": [1, 2.5, "three"], "b": {"c": null}}"#.to_vec(), b"[[[]]]".to_vec()];
        for dialect in [Dialect::Bytes, Dialect::Text] {
            let input = |seed| mutate(dialect, &seeds, &mut stream(seed, "fuzz", &[7]));
            assert_eq!(input(1), input(1));
            assert_ne!(input(1), input(2));
        }
    }

    #[test]
    fn every_dialect_takes_what_is_not_of_it() {
        let seeds = vec![Vec::new(), vec![0xff; 3], b"PK\x03\x04".to_vec(), vec![0; 40]];
        for dialect in [Dialect::Bytes, Dialect::Text, Dialect::Archive, Dialect::Tensors, Dialect::Picture] {
            for number in 0..300 {
                mutate(dialect, &seeds, &mut stream(0, "fuzz", &[number]));
            }
        }
    }
}
