//! Rounding to the nearest integer, ties to even, in two additions.

/// Adding 1.5 * 2^23 leaves no fractional bits, and the lowest bits of the sum are the integer.
const NO_FRACTION: f32 = 12_582_912.0;

/// The nearest integer of a number below 2^22 in size.
#[inline(always)]
pub fn round(value: f32) -> f32 {
    (value + NO_FRACTION) - NO_FRACTION
}

/// The nearest integer of a number that rounds to 0..=255.
#[inline(always)]
pub fn round_to_byte(value: f32) -> u8 {
    (value + NO_FRACTION).to_bits() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_round_as_the_standard_library_does() {
        for sixteenth in 0..=255 * 16 {
            let value = sixteenth as f32 / 16.0;
            assert_eq!(round(value), value.round_ties_even());
            assert_eq!(f32::from(round_to_byte(value)), value.round_ties_even());
            assert_eq!(round(-value), (-value).round_ties_even());
        }
    }
}
