//! The words in which input is refused: what may have been meant, and how much of it is wrong.

use crate::counted::agreed;
use anyhow::{Result, ensure};

/// "did you mean `scene`?" when one of `known` is close to `given`, then the whole list.
pub fn suggest(given: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return "none is known".into();
    }
    let close = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(given, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min();
    let list = known.join(", ");
    match close {
        Some((_, name)) => format!("did you mean `{name}`? Known: {list}"),
        None => format!("known: {list}"),
    }
}

/// As much of a name that a file says as a message has room for, with control characters escaped.
pub fn brief(name: &str) -> String {
    const MOST: usize = 60;
    let escaped = |letter: char| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    let shown: String = name.chars().take(MOST).map(escaped).collect();
    if name.chars().nth(MOST).is_some() { shown + "..." } else { shown }
}

/// Refuses input of which anything has a problem: how many of `all` there are, and the first few, by `named`. `what` has the
/// forms of [`agreed`].
///
/// # Errors
/// When there is any: `3 of 90 annotations are of images that are not listed: annotation 4 of image 7, ...`
pub fn refuse_any(what: &str, all: usize, named: impl Iterator<Item = String>) -> Result<()> {
    const SHOWN: usize = 3;
    let mut named = named.fuse();
    let first: Vec<String> = named.by_ref().take(SHOWN).collect();
    let more = named.count();
    let count = first.len() + more;
    ensure!(
        first.is_empty(),
        "{count} of {all} {}: {}{}",
        agreed(count, what),
        first.join(", "),
        if more > 0 { ", ..." } else { "" }
    );
    Ok(())
}
