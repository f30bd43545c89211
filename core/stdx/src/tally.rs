//! Counts of skipped items, with the first few names.

use crate::counted::counted;
use std::collections::BTreeMap;

/// The number of problems of each kind, and the first few by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<&'static str, (usize, Vec<String>)>);

impl Tally {
    /// Examples that are kept of each kind.
    const KEPT: usize = 3;

    /// Counts one. `kind` says what is wrong and what is done about it, in the forms of [`counted`].
    pub fn add(&mut self, kind: &'static str, example: impl FnOnce() -> String) {
        let (count, examples) = self.0.entry(kind).or_default();
        *count += 1;
        if examples.len() < Self::KEPT {
            examples.push(example());
        }
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: Self) {
        for (kind, (more, named)) in other.0 {
            let (count, examples) = self.0.entry(kind).or_default();
            *count += more;
            examples.extend(named);
            examples.truncate(Self::KEPT);
        }
    }

    /// The number of problems of a kind.
    pub fn count(&self, kind: &str) -> usize {
        self.0.get(kind).map_or(0, |(count, _)| *count)
    }

    /// A line for each kind: `2 boxes have no area and are skipped: annotation 3 in a.jpg, annotation 7 in b.jpg`.
    pub fn lines(&self) -> Vec<String> {
        let line = |(kind, (count, examples)): (&&str, &(usize, Vec<String>))| {
            let more = if *count > examples.len() { ", ..." } else { "" };
            format!("{}: {}{more}", counted(*count, kind), examples.join(", "))
        };
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_a_line_with_its_first_three() {
        let mut tally = Tally::default();
        assert!(tally.lines().is_empty());
        for number in 0..5 {
            tally.add("[box has|boxes have] no area", || format!("annotation {number}"));
        }
        tally.add("[box is|boxes are] cut off", || "annotation 9".into());
        let mut other = Tally::default();
        other.merge(tally.clone());
        assert_eq!(other, tally);
        let expected = [
            "5 boxes have no area: annotation 0, annotation 1, annotation 2, ...",
            "1 box is cut off: annotation 9",
        ];
        assert_eq!(tally.lines(), expected);
        assert_eq!([tally.count("[box has|boxes have] no area"), tally.count("else")], [5, 0]);
    }
}
