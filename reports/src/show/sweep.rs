//! A sweep in words and as a table.

use super::text::{TextColumn, TextTable};
use super::view::{one, spread};
use crate::compare::section::Section;
use crate::compare::sweep::{effects, ranking};
use univip_run_format::Column;

/// The best cells of each column, a sentence each; none for a table that is no sweep.
pub fn best(section: &Section<'_>) -> Vec<String> {
    if section.plan.axes.is_empty() {
        return Vec::new();
    }
    let said = |(index, column): (usize, &Column)| {
        let ranking = ranking(section, index);
        let (row, summary) = ranking.first()?;
        let next = ranking.get(1).map_or(String::new(), |(row, summary)| {
            format!("; then {}: {}", row.title, spread(Some(*summary), one))
        });
        let seeds = if summary.n == 1 { "seed" } else { "seeds" };
        Some(format!(
            "Highest {}: {}: {} ({} {seeds}){next}.",
            column.head,
            row.title,
            spread(Some(*summary), one),
            summary.n
        ))
    };
    section.columns.iter().enumerate().filter_map(said).collect()
}

/// The main effects: for each value of each axis the means over all cells that have it; none for a table that is no sweep, and of a
/// single axis, whose table says the same.
pub fn main_effects(section: &Section<'_>) -> Option<TextTable> {
    let axes = &section.plan.axes;
    if axes.len() < 2 {
        return None;
    }
    let effects = effects(section);
    let column = |head: &str, number: bool, cells: Vec<String>| TextColumn {
        head: head.into(),
        cells,
        number,
        spare: if number { 1 } else { 0 },
    };
    let mut columns = vec![
        column("axis", false, effects.iter().map(|effect| axes[effect.axis].key.clone()).collect()),
        column(
            "value",
            false,
            effects.iter().map(|effect| axes[effect.axis].values[effect.value].clone()).collect(),
        ),
    ];
    let measured = |index: usize| effects.iter().any(|effect| effect.means[index].is_some());
    for (index, asked) in section.columns.iter().enumerate().filter(|(index, _)| measured(*index)) {
        let cells = effects.iter().map(|effect| spread(effect.means[index], one)).collect();
        columns.push(column(&asked.head, true, cells));
    }
    Some(TextTable { columns })
}

/// The explanation of [`main_effects`].
pub const MAIN_EFFECTS: &str = "Main effects: the mean over all cells of the grid with that value, ± its standard deviation over the seeds \
                                that all of these cells have.";
