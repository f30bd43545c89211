//! COCO's compressed run lengths: a string of the characters `0` to `o`.
//!
//! Each count from the fourth on is written as its difference from the last but one. A number is written in groups of
//! five bits, the lowest first, as a character from `0` on; 32 is added to all groups but the last, whose highest bit
//! is the sign.

use anyhow::{Context, Result, ensure};

pub(super) fn write(counts: &[u32]) -> String {
    let mut text = String::with_capacity(counts.len() * 2);
    for (index, &count) in counts.iter().enumerate() {
        let before = if index > 2 { counts[index - 2] } else { 0 };
        let mut rest = i64::from(count) - i64::from(before);
        loop {
            let group = (rest & 0x1f) as u8;
            rest >>= 5;
            let last = rest == if group & 0x10 == 0 { 0 } else { -1 };
            text.push(char::from(b'0' + group + if last { 0 } else { 0x20 }));
            if last {
                break;
            }
        }
    }
    text
}

/// # Errors
/// When the text is cut off or holds what [`write`] does not write.
pub(super) fn read(text: &str) -> Result<Vec<u32>> {
    let mut counts: Vec<u32> = Vec::with_capacity(text.len());
    let (mut number, mut shift) = (0_i64, 0);
    for (place, byte) in text.bytes().enumerate() {
        let character = || format!("character {} of a compressed mask", place + 1);
        let bits = byte.wrapping_sub(b'0');
        ensure!(bits < 64, "{} is {:?}; expected `0` to `o`", character(), char::from(byte));
        number |= i64::from(bits & 0x1f) << shift;
        shift += 5;
        // Seven groups hold every difference of two counts.
        ensure!(shift <= 35, "{} makes a number of more than 32 bits", character());
        if bits & 0x20 != 0 {
            continue;
        }
        if bits & 0x10 != 0 {
            number |= -1 << shift;
        }
        if counts.len() > 2 {
            number += i64::from(counts[counts.len() - 2]);
        }
        let count = u32::try_from(number);
        counts.push(count.with_context(|| format!("{} ends a run of {number} pixels", character()))?);
        (number, shift) = (0, 0);
    }
    ensure!(shift == 0, "a compressed mask ends in the middle of a number");
    Ok(counts)
}
