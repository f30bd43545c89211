//! Data frames as CSV.

use super::escape::cell;
use super::files::write;
use anyhow::{Context, Result};
use polars::prelude::{CsvWriter, DataFrame, IntoColumn, NamedFrom, SerWriter, Series};
use std::path::Path;

/// Writes the frames, which have the same columns, one after the other. No cell is a formula.
pub fn write_frames(path: &Path, frames: &[DataFrame]) -> Result<()> {
    let Some((first, rest)) = frames.split_first() else { return Ok(()) };
    let mut whole = first.clone();
    for frame in rest {
        whole.vstack_mut(frame).context("joining the sections of a table")?;
    }
    for name in whole.get_column_names_owned() {
        let Ok(texts) = whole.column(&name)?.str() else { continue };
        let cells: Vec<Option<String>> = texts.iter().map(|text| text.map(cell)).collect();
        whole.with_column(Series::new(name, cells).into_column()).context("escaping the cells of a table")?;
    }
    let mut bytes = Vec::new();
    CsvWriter::new(&mut bytes).finish(&mut whole).with_context(|| format!("writing {}", path.display()))?;
    write(path, &bytes)
}
