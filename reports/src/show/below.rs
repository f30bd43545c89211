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
        (gains::TITLE, gains::gains(section), gains::ABOUT),
        (paired::TITLE, paired::differences(section), paired::about(section)),
        ("Main effects", sweep::main_effects(section), sweep::MAIN_EFFECTS),
    ];
    all.into_iter().filter_map(|(title, table, about)| Some(Below { title, table: table?, about })).collect()
}
