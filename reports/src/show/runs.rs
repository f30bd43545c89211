//! The runs of a section with their provenance, as a table of a page.

use super::text::{TextColumn, TextTable};
use crate::compare::section::Section;
use crate::compare::seen::Seen;
use crate::read::provenance::Provenance;

/// A row per run that has a record; none without any.
pub fn table(section: &Section<'_>) -> Option<TextTable> {
    let mut rows: Vec<[String; 8]> = Vec::new();
    for row in &section.rows {
        for Seen { run, .. } in &row.runs {
            let Some(record) = &run.record else { continue };
            let Provenance { builds, hosts, started, ended, sittings, command } = Provenance::of(record);
            rows.push([
                format!("{} seed {}", row.label, run.seed),
                record.status.name().into(),
                builds,
                hosts,
                started,
                ended,
                sittings.map_or(String::new(), |sittings| sittings.to_string()),
                command,
            ]);
        }
    }
    const HEADS: [&str; 8] =
        ["run", "status", "univip", "host", "started", "ended", "sittings", "last command"];
    let column = |(index, head): (usize, &str)| TextColumn {
        head: head.into(),
        cells: rows.iter().map(|row| or_dash(&row[index])).collect(),
        number: head == "sittings",
        spare: 0,
    };
    (!rows.is_empty()).then(|| TextTable { columns: HEADS.into_iter().enumerate().map(column).collect() })
}

fn or_dash(cell: &str) -> String {
    if cell.is_empty() { "–".into() } else { cell.into() }
}
