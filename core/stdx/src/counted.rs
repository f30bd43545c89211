//! Counts in sentences, with the forms of words that agree with them.

use std::fmt::Display;

/// A count and what is counted: `counted(1, "image[|s] cannot be read and [is|are] skipped")` is `1 image cannot be read and
/// is skipped`.
pub fn counted<N: Whole>(count: N, what: &str) -> String {
    format!("{count} {}", agreed(count, what))
}

/// The text with one form of each `[one|several]`: the left for a count of one, the right for any other.
pub fn agreed<N: Whole>(count: N, text: &str) -> String {
    let (mut agreed, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, one, several, after)) = first_choice(rest) {
        agreed.push_str(before);
        agreed.push_str(if count == N::from(1) { one } else { several });
        rest = after;
    }
    agreed + rest
}

/// A type of whole numbers: `usize`, `u64`.
pub trait Whole: Copy + Display + PartialEq + From<u8> {}

impl<N: Copy + Display + PartialEq + From<u8>> Whole for N {}

/// The first choice of a text: the text before it, its two forms, and the text behind it.
fn first_choice(text: &str) -> Option<(&str, &str, &str, &str)> {
    let (before, choice) = text.split_once('[')?;
    let (forms, after) = choice.split_once(']')?;
    let (one, several) = forms.split_once('|')?;
    Some((before, one, several, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_agree_with_their_count() {
        let what = "image[|s] cannot be read and [is|are] skipped";
        assert_eq!(counted(1, what), "1 image cannot be read and is skipped");
        for count in [0, 2, 11] {
            assert_eq!(counted(count, what), format!("{count} images cannot be read and are skipped"));
        }
        assert_eq!(counted(1, "class[|es]: a [b] and more"), "1 class: a [b] and more");
    }
}
