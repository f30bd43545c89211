//! The differences between rows that a table shows by themselves.

use super::cell::Cell;
use super::section::{RowResult, Section};
use super::statistics::Summary;
use univip_run_format::Difference;

/// A difference between two rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Paired<'a> {
    /// The claim and the labels of its rows, as the plan states them.
    pub difference: &'a Difference,
    /// The difference in each of the table's columns.
    pub columns: Vec<PairedColumn>,
}

/// A difference between two rows in a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedColumn {
    /// The paper's.
    pub paper: Option<f64>,
    /// Ours, of the seeds that both rows have.
    pub ours: Option<Summary>,
}

/// The sign of a difference, by its 95% interval, against the sign of the paper's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It excludes 0, and the sign is the paper's.
    Shown,
    /// It excludes 0, and the sign is the other one.
    Contradicted,
    /// It holds 0.
    NotShown,
}

impl PairedColumn {
    /// None without an interval, and where the paper has no difference or one of 0.
    pub fn verdict(&self) -> Option<Verdict> {
        let paper = self.papers_effect()?;
        let [low, high] = self.ours?.interval()?;
        Some(match low <= 0.0 && high >= 0.0 {
            true => Verdict::NotShown,
            false if (low > 0.0) == (paper > 0.0) => Verdict::Shown,
            false => Verdict::Contradicted,
        })
    }

    /// The seeds with which the paper's difference would be seen, at the deviation that ours has.
    pub fn seeds_to_see(&self) -> Option<usize> {
        self.ours?.seeds_to_see(self.papers_effect()?)
    }

    /// The paper's difference, where it is none of 0.
    fn papers_effect(&self) -> Option<f64> {
        self.paper.filter(|paper| paper.abs() >= ROUNDING)
    }
}

/// Half of the last digit that the paper prints: a smaller difference is one of 0.
const ROUNDING: f64 = 0.05;

/// The differences of a table whose rows both stand in it.
pub fn paired<'a>(section: &Section<'a>) -> Vec<Paired<'a>> {
    let row = |label: &str| section.rows.iter().find(|row| row.label == label);
    let of = |difference: &'a Difference| {
        let rows = [row(&difference.row)?, row(&difference.minus)?];
        let columns = (0..section.columns.len()).map(|column| paired_column(section, rows, column));
        Some(Paired { difference, columns: columns.collect() })
    };
    section.plan.differences.iter().filter_map(of).collect()
}

fn paired_column(section: &Section<'_>, rows: [&RowResult<'_>; 2], column: usize) -> PairedColumn {
    let [ours, theirs]: [&Cell; 2] = rows.map(|row| &row.cells[column]);
    let difference = |(seed, value): (&u64, &f64)| Some(value - theirs.values.get(seed)?);
    PairedColumn {
        paper: section.paper_between(rows, column),
        ours: Summary::of(ours.values.iter().filter_map(difference)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(paper: Option<f64>, differences: &[f64]) -> PairedColumn {
        PairedColumn { paper, ours: Summary::of(differences.iter().copied()) }
    }

    #[test]
    fn a_verdict_follows_from_the_interval_and_the_papers_sign() {
        let (up, down, wide) = ([1.0, 1.1, 0.9], [-1.0, -1.1, -0.9], [1.0, -1.5, 0.9]);
        for (paper, differences, expected) in [
            (Some(0.4), &up[..], Some(Verdict::Shown)),
            (Some(-0.4), &up, Some(Verdict::Contradicted)),
            (Some(0.4), &down, Some(Verdict::Contradicted)),
            (Some(-0.4), &down, Some(Verdict::Shown)),
            (Some(0.4), &wide, Some(Verdict::NotShown)),
            (Some(0.4), &up[..1], None),
            (Some(0.4), &[], None),
            (Some(60.2 - 60.2), &up, None),
            (None, &up, None),
        ] {
            assert_eq!(column(paper, differences).verdict(), expected, "{paper:?} {differences:?}");
        }
        assert!(column(Some(0.4), &wide).seeds_to_see() > column(Some(4.0), &wide).seeds_to_see());
        assert_eq!(column(Some(0.0), &wide).seeds_to_see(), None);
    }
}
