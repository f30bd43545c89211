//! Mutations of text by its tokens: JSON, TOML and XML alike.

use super::{LONGEST, bytes, pick, place};
use rand::Rng;
use std::ops::Range;
use univip_core::seed::Stream;

/// Replacements for a token.
const TOKENS: [&str; 40] = [
    "0",
    "-1",
    "1",
    "0.5",
    "1.0",
    "-0.0",
    "1e308",
    "1e999",
    "-1e-320",
    "NaN",
    "Infinity",
    "-Infinity",
    "nan",
    "inf",
    "255",
    "256",
    "65536",
    "2147483647",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775808",
    "100000000000000000000000000000",
    "true",
    "false",
    "null",
    "[]",
    "{}",
    "[[]]",
    "\"\"",
    "\"0\"",
    "\"../../../../etc/passwd\"",
    "\"/dev/zero\"",
    "\"\\u0000\\u001b[31m\\n\"",
    "\"\u{202e}\u{feff}\"",
    "\"\\ud800\"",
    "<a>",
    "&amp;",
];

/// Replaces, removes, repeats, moves or wraps tokens.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Stream) {
    let tokens = tokens(input);
    if tokens.is_empty() {
        return bytes::mutate(input, other, random);
    }
    let first = place(tokens.len(), random);
    let last = (first + place(8, random)).min(tokens.len() - 1);
    let (token, several) = (tokens[first].clone(), tokens[first].start..tokens[last].end);
    match random.random_range(0..10) {
        0 => drop(input.drain(several)),
        1 => {
            let copy = input[several.clone()].to_vec();
            let to = tokens[place(tokens.len(), random)].start;
            input.splice(to..to, copy);
        }
        2 => {
            let times = (1 << random.random_range(1..9)).min(LONGEST / several.len());
            let copy = input[several.clone()].repeat(times);
            input.splice(several, copy);
        }
        3 => {
            let theirs = self::tokens(other);
            let Some(theirs) = theirs.get(place(theirs.len(), random)) else { return };
            input.splice(token, other[theirs.clone()].iter().copied());
        }
        4 => {
            let copy = input[tokens[place(tokens.len(), random)].clone()].to_vec();
            input.splice(token, copy);
        }
        5 => wrap(input, several, random),
        6 => digits(input, token, random),
        _ => {
            input.splice(token, pick(&TOKENS, random).bytes());
        }
    }
}

/// Puts brackets around, a few or very many.
fn wrap(input: &mut Vec<u8>, range: Range<usize>, random: &mut Stream) {
    let (open, close) = [("[", "]"), ("{\"a\":", "}"), ("<b>", "</b>"), ("a = {", "}")][place(4, random)];
    let depth = 1 << random.random_range(0..14);
    let copy = input[range.clone()].to_vec();
    input.splice(range, [open.repeat(depth).as_bytes(), &copy[..], close.repeat(depth).as_bytes()].concat());
}

/// Changes a number a little; of another token, a letter.
fn digits(input: &mut Vec<u8>, token: Range<usize>, random: &mut Stream) {
    let number = std::str::from_utf8(&input[token.clone()]).ok().and_then(|text| text.parse::<f64>().ok());
    match number {
        Some(number) => {
            let factor = *pick(&[-1.0, 0.5, 2.0, 10.0, 1e6, 1e12], random);
            let shift = *pick(&[0.0, 1.0, -1.0, 0.25], random);
            input.splice(token, format!("{}", number * factor + shift).into_bytes());
        }
        None => {
            let at = token.start + place(token.len(), random);
            input[at] = random.random_range(0x20..0x7f);
        }
    }
}

/// Strings with their quotes, runs of letters and digits, and every other sign that is no blank.
fn tokens(text: &[u8]) -> Vec<Range<usize>> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_+-.".contains(byte) || !byte.is_ascii();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let length = match rest[0] {
            b'"' => string(rest),
            first if is_word(&first) => rest.iter().take_while(|byte| is_word(byte)).count(),
            _ => 1,
        };
        if !rest[0].is_ascii_whitespace() {
            tokens.push(at..at + length);
        }
        at += length;
    }
    tokens
}

/// The length of a string that begins with its quote.
fn string(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_strings_words_and_signs() {
        let text = br#"{"a\"b": [-1.5e3, true]}"#;
        let found: Vec<&str> =
            tokens(text).into_iter().map(|range| std::str::from_utf8(&text[range]).unwrap()).collect();
        assert_eq!(found, ["{", r#""a\"b""#, ":", "[", "-1.5e3", ",", "true", "]", "}"]);
    }
}
