//! The differences between rows that a table shows by themselves, as a table.

use super::text::{TextColumn, TextTable};
use super::view;
use crate::compare::paired::{Paired, PairedColumn, Verdict, paired};
use crate::compare::section::Section;

/// The title of [`differences`].
pub const TITLE: &str = "Differences between rows";

const WITHOUT_VERDICTS: &str = "Paired by seed. With several seeds there are intervals and verdicts.";

const WITH_VERDICTS: &str = "Paired by seed; of several seeds the mean, with its 95% interval by Student's t. shown: the interval excludes 0 and the sign is the \
     paper's; contradicted: it excludes 0 and the sign is the other one; not shown: it holds 0. n for paper Δ: the seeds with which a paired t test at \
     5% sees the paper's difference with a power of 80%, at the deviation that the differences have here.";

/// A line for each difference of which a number is measured, and the explanation of the table; none where there is no line.
pub fn differences(section: &Section<'_>) -> Option<(TextTable, &'static str)> {
    let measured = |of: &Paired<'_>| of.columns.iter().any(|column| column.ours.is_some());
    let lines: Vec<Paired<'_>> = paired(section).into_iter().filter(measured).collect();
    let words = |head: &str, cell: &dyn Fn(&Paired<'_>) -> String| TextColumn {
        head: head.into(),
        cells: lines.iter().map(cell).collect(),
        number: false,
        spare: 0,
    };
    let mut columns = vec![
        words("difference", &|line| line.difference.about.clone()),
        words("rows", &|line| format!("{} − {}", line.difference.row, line.difference.minus)),
    ];
    for index in 0..section.columns.len() {
        columns.extend(of_column(section, &lines, index));
    }
    let judged = lines.iter().flat_map(|line| &line.columns).any(|column| column.verdict().is_some());
    let about = if judged { WITH_VERDICTS } else { WITHOUT_VERDICTS };
    (!lines.is_empty()).then_some((TextTable { columns }, about))
}

/// The paper's differences beside ours, with what ours say of them; none of a column that no line has a number of.
fn of_column(section: &Section<'_>, lines: &[Paired<'_>], index: usize) -> Vec<TextColumn> {
    let asked = &section.columns[index];
    let column = |head: &str, number: bool, spare: u8, cell: &dyn Fn(&PairedColumn) -> String| TextColumn {
        head: head.into(),
        cells: lines.iter().map(|line| cell(&line.columns[index])).collect(),
        number,
        spare: spare.saturating_add(u8::try_from(index).unwrap_or(u8::MAX)),
    };
    if lines.iter().all(|line| line.columns[index].ours.is_none()) {
        return Vec::new();
    }
    let seeds = section.plan.seeds.len();
    let ours = column(&asked.head, true, 1, &|of| view::paired(of.ours, seeds));
    if asked.paper.is_none() {
        return vec![ours];
    }
    let paper = column(&view::heading_of_paper(asked), true, 1, &|of| view::signed_or_none(of.paper));
    if lines.iter().all(|line| line.columns[index].verdict().is_none()) {
        return vec![paper, ours];
    }
    let to_see = |of: &PairedColumn| of.seeds_to_see().map_or("–".into(), |seeds| seeds.to_string());
    vec![
        paper,
        ours,
        column("verdict", false, 2, &|of| of.verdict().map_or("–", word).into()),
        column("n for paper Δ", true, 3, &to_see),
    ]
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Shown => "shown",
        Verdict::Contradicted => "contradicted",
        Verdict::NotShown => "not shown",
    }
}
