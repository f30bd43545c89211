//! A table of numbers as text: its columns and digits.

use crate::show::text::{TextColumn, TextTable};
use anyhow::{Context, Result};
use polars::prelude::DataFrame;

/// The legend of the columns on detection.
pub const DETECTION: &str = "AP^bb and AP^mk in percent: COCO's average precision of boxes and of masks, of the \
    detector and the images that the heading names. paper mAP: AP^bb of the paper's Mask R-CNN R50-FPN on COCO.";

/// The word in a column that no run of a table fills.
const NOT_RUN: &str = "not run";

/// The legend of a table.
pub const LEGEND: &str = "top-1 and k-NN in percent: mean ± sample standard deviation over n seeds. \
    Δ: difference to the baseline row, paired by seed, beside the paper's. \
    rank: effective rank of the backbone's features after the last epoch. time: mean of a run's; memory: the most of any.";

/// The columns of [`crate::compare::frame::rows`] as text. `–` is what does not exist.
pub fn table(frame: &DataFrame) -> Result<TextTable> {
    let plain = |name: &str, show: &dyn Fn(f64) -> String| -> Result<Vec<String>> {
        Ok(numbers(frame, name)?.into_iter().map(|value| value.map_or("–".into(), show)).collect())
    };
    let one = |value: f64| format!("{value:.1}");
    let signed = |value: f64| format!("{:+.1}", value + 0.0);
    let or_not_run = |cells: Vec<String>| match cells.iter().all(|cell| cell == "–") {
        true => vec![NOT_RUN.into(); cells.len()],
        false => cells,
    };
    Ok(TextTable {
        columns: vec![
            column("row", false, 0, texts(frame, "row")?),
            column("what", false, 1, texts(frame, "title")?),
            column("components", false, 6, texts(frame, "components")?),
            column("paper top-1", true, 0, plain("paper_top1", &one)?),
            column("top-1", true, 0, spread(frame, "top1", one)?),
            column("n", true, 0, plain("n", &|n| format!("{n:.0}"))?),
            column("paper Δ", true, 3, plain("paper_difference", &signed)?),
            column("Δ", true, 3, differences(frame, signed)?),
            column("k-NN", true, 4, spread(frame, "knn", one)?),
            column("rank", true, 5, spread(frame, "effective_rank", one)?),
            column("paper mAP", true, 2, plain("paper_map", &one)?),
            column("AP^bb", true, 2, or_not_run(spread(frame, "bbox_ap", one)?)),
            column("AP^mk", true, 7, or_not_run(spread(frame, "mask_ap", one)?)),
            column("time", true, 8, plain("seconds", &duration)?),
            column("memory", true, 9, plain("peak_memory_bytes", &bytes)?),
            column("finished", true, 7, texts(frame, "finished")?),
        ],
    })
}

/// Seconds, as a person would say them.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 99.5 => format!("{s:.0} s"),
        s if s < 99.5 * 60.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

fn bytes(bytes: f64) -> String {
    match bytes / 1e6 {
        mb if mb < 1000.0 => format!("{mb:.0} MB"),
        mb => format!("{:.1} GB", mb / 1000.0),
    }
}

fn column(head: &str, number: bool, spare: u8, cells: Vec<String>) -> TextColumn {
    TextColumn { head: head.into(), cells, number, spare }
}

fn spread(frame: &DataFrame, name: &str, show: impl Fn(f64) -> String) -> Result<Vec<String>> {
    let deviations = numbers(frame, &format!("{name}_sd"))?;
    let cell = |(mean, deviation): (Option<f64>, Option<f64>)| match (mean, deviation) {
        (None, _) => "–".into(),
        (Some(mean), None) => show(mean),
        (Some(mean), Some(deviation)) => format!("{} ± {deviation:.1}", show(mean)),
    };
    Ok(numbers(frame, name)?.into_iter().zip(deviations).map(cell).collect())
}

/// Differences, with the number of pairs where seeds are missing on one side.
fn differences(frame: &DataFrame, show: impl Fn(f64) -> String) -> Result<Vec<String>> {
    let counts = numbers(frame, "n")?.into_iter().zip(numbers(frame, "difference_n")?);
    let mark = |(cell, (n, pairs)): (String, (Option<f64>, Option<f64>))| match pairs {
        Some(pairs) if n != Some(pairs) => format!("{cell} (n = {pairs:.0})"),
        _ => cell,
    };
    Ok(spread(frame, "difference", show)?.into_iter().zip(counts).map(mark).collect())
}

fn numbers(frame: &DataFrame, name: &str) -> Result<Vec<Option<f64>>> {
    let column = frame.column(name)?.cast(&polars::prelude::DataType::Float64)?;
    let values = column.f64().with_context(|| format!("column {name}"))?;
    Ok(values.iter().collect())
}

fn texts(frame: &DataFrame, name: &str) -> Result<Vec<String>> {
    let values = frame.column(name)?.str().with_context(|| format!("column {name}"))?;
    Ok(values.iter().map(|text| text.unwrap_or_default().to_string()).collect())
}
