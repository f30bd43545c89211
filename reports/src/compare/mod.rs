//! Comparable runs, put together.

pub mod bench_case;
pub mod cell;
mod cells;
pub mod paired;
pub mod section;
pub mod seen;
pub mod statistics;
pub mod sweep;

use crate::read::run::Run;
use anyhow::Result;
use polars::prelude::DataFrame;
use section::Section;
use univip_run_format::Plan;

/// The tables of a plan, one for each setting that its runs were measured in. `measurements` is the frame of the runs.
///
/// # Errors
/// When Polars cannot make a frame of them, which is a fault of this program.
pub fn tables<'a>(plan: &'a Plan, runs: &'a [Run], measurements: &DataFrame) -> Result<Vec<Section<'a>>> {
    let mut sections = section::sections(plan, runs);
    for section in &mut sections {
        let cells = cells::cells(section, measurements)?;
        section.rows.iter_mut().zip(cells).for_each(|(row, cells)| row.cells = cells);
    }
    Ok(sections)
}
