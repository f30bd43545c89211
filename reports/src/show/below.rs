//! The smaller tables below the one of a section.

use super::text::TextTable;
use super::{gains, paired, sweep};
use crate::compare::section::Section;

/// A table with a heading over it and an explanation below.
pub struct Below {
    /// The heading.
    pub title: &'static str,
    /// The table.
    pub table: TextTable,
    /// One paragraph.
    pub about: &'static str,
}

/// Those that a section has numbers for, in order.
pub fn below(section: &Section<'_>) -> Vec<Below> {
    let all = [
        (gains::TITLE, gains::gains(section).map(|table| (table, gains::ABOUT))),
        (paired::TITLE, paired::differences(section)),
        ("Main effects", sweep::main_effects(section).map(|table| (table, sweep::MAIN_EFFECTS))),
    ];
    let shown = |(title, found): (_, Option<_>)| found.map(|(table, about)| Below { title, table, about });
    all.into_iter().filter_map(shown).collect()
}
