//! Mutations of bytes that know nothing of what they mean.

use super::{pick, place};
use rand::Rng;
use univip_core::seed::Stream;

/// Numbers at which sizes and offsets go wrong.
const NUMBERS: [u64; 14] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x10000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
];

/// Changes bytes, takes some away, adds some, or puts a number among them.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Stream) {
    if input.is_empty() {
        input.extend(&other[..place(other.len(), random)]);
    }
    let at = place(input.len(), random);
    match random.random_range(0..9) {
        0 => flip(input, at, random),
        1 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.random()),
        2 => input.truncate(at),
        3 => drop(input.drain(at..end(input, at, random))),
        4 => {
            let copy = input[at..end(input, at, random)].to_vec();
            let to = place(input.len(), random);
            input.splice(to..to, copy);
        }
        5 => {
            let from = place(other.len(), random);
            let to = end(other, from, random);
            let until = end(input, at, random);
            input.splice(at..until, other[from..to].iter().copied());
        }
        6 => {
            let count = 1 << random.random_range(0..12);
            let byte = [0, 0xff, b' ', b'[', random.random()][place(5, random)];
            input.splice(at..at, std::iter::repeat_n(byte, count));
        }
        _ => number(input, at, random),
    }
}

fn flip(input: &mut [u8], at: usize, random: &mut Stream) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= 1 << random.random_range(0..8);
    }
}

/// Overwrites with a number of 1, 2, 4 or 8 bytes, in either order: one of [`NUMBERS`], or what is there and a little more.
fn number(input: &mut [u8], at: usize, random: &mut Stream) {
    let width = 1 << random.random_range(0..4);
    let Some(target) = input.get_mut(at..at + width) else { return };
    let mut bytes = [0; 8];
    bytes[..width].copy_from_slice(target);
    let little = random.random::<bool>();
    let value = if random.random::<bool>() {
        *pick(&NUMBERS, random)
    } else {
        u64::from_le_bytes(bytes).wrapping_add(random.random_range(0..9)).wrapping_sub(4)
    };
    target.copy_from_slice(&value.to_le_bytes()[..width]);
    if !little {
        target.reverse();
    }
}

/// The end of a short range from `at`.
fn end(input: &[u8], at: usize, random: &mut Stream) -> usize {
    (at + random.random_range(1..=32_u64) as usize).min(input.len())
}
