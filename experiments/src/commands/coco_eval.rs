//! `univip coco-eval`: COCO's numbers of a results file, as pycocotools computes them.

use super::exit::DONE;
use crate::output;
use crate::usage::needs_file;
use anyhow::Result;
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;
use univip_core::counted::counted;
use univip_core::files::{remove_abandoned_of, write_atomic};
use univip_core::metrics::IouType;
use univip_core::metrics::coco::{Evaluation, Parameters, Summary, evaluate};
use univip_core::metrics::instances::{Instances, Results};
use univip_core::printable::printable;

/// `univip coco-eval`
#[derive(Args)]
pub struct CocoEval {
    /// The annotated objects: a COCO annotation file
    #[arg(long, value_name = "FILE")]
    annotations: PathBuf,
    /// The detections: a COCO results file
    #[arg(long, value_name = "FILE")]
    detections: PathBuf,
    /// The kind of overlap: of boxes or of masks
    #[arg(long, value_enum, default_value_t = IouChoice::Bbox)]
    r#type: IouChoice,
    /// Also print a table with a line for each class
    #[arg(long)]
    per_class: bool,
    /// Also write every number, with all digits
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The shapes whose intersection over union is taken, by COCO's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IouChoice {
    /// Boxes
    Bbox,
    /// Masks
    Segm,
}

/// Shown by `univip coco-eval --help`.
pub const EXAMPLES: &str = "Examples:
  univip coco-eval --annotations instances_val2017.json --detections detections.json
  univip coco-eval --annotations instances_val2017.json --detections masks.json --type segm --per-class
  univip coco-eval --annotations instances_val2017.json --detections detections.json --json numbers.json

Reads COCO's results: [{\"image_id\", \"category_id\", \"score\", \"bbox\": [x, y, width, height] or \"segmentation\"}, ...].
Numbers are from 0 to 1, and -1 where there is nothing to measure. What cannot be used is counted on standard error.";

impl CocoEval {
    /// Measures, prints the numbers, and says on standard error what could not be used.
    pub fn run(&self) -> Result<u8> {
        let kind = match self.r#type {
            IouChoice::Bbox => IouType::BoundingBox,
            IouChoice::Segm => IouType::Segmentation,
        };
        needs_file("--annotations", &self.annotations)?;
        needs_file("--detections", &self.detections)?;
        let step = spinner();
        step.set_message("reading the annotations");
        let instances = Instances::read(&self.annotations, kind)?;
        step.set_message("reading the detections");
        let results = instances.results(&self.detections, kind)?;
        step.set_message(format!("measuring {}", counted(results.detections.len(), "detection[|s]")));
        let parameters = Parameters { size_of: Some(results.size_of), ..Parameters::default() };
        let (truth, classes) = (&instances.truth, instances.classes.len());
        let evaluation = evaluate(truth, &results.detections, kind, classes, &parameters)?;
        step.finish_and_clear();
        for line in instances.skipped.lines().iter().chain(&results.skipped.lines()) {
            output::say(format_args!("warning: {line}"));
        }
        output::print(format_args!(
            "{}, {}, {}, {}\n{}",
            counted(classes, "class[|es]"),
            counted(truth.len(), "object[|s]"),
            counted(results.detections.len(), "detection[|s]"),
            kind.name(),
            summary(&evaluation.summary)
        ))?;
        if self.per_class {
            output::print(format_args!("\n{}", per_class(&instances.classes, &evaluation)))?;
        }
        if let Some(path) = &self.json {
            let value = as_json(kind, &instances, &results, &evaluation);
            remove_abandoned_of(path)?;
            write_atomic(path, format!("{value:#}\n").as_bytes())?;
        }
        Ok(DONE)
    }
}

/// A line that says what is being done; nothing when standard error is not a terminal.
fn spinner() -> ProgressBar {
    let template = "{spinner} {msg}, {elapsed}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    let spinner = ProgressBar::new_spinner().with_style(style);
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

/// The meaning of the twelve numbers: IoU, sizes, detections per image.
const MEANINGS: [(&str, &str, u32); 12] = [
    ("0.50:0.95", "all", 100),
    ("0.50", "all", 100),
    ("0.75", "all", 100),
    ("0.50:0.95", "small", 100),
    ("0.50:0.95", "medium", 100),
    ("0.50:0.95", "large", 100),
    ("0.50:0.95", "all", 1),
    ("0.50:0.95", "all", 10),
    ("0.50:0.95", "all", 100),
    ("0.50:0.95", "small", 100),
    ("0.50:0.95", "medium", 100),
    ("0.50:0.95", "large", 100),
];

fn summary(summary: &Summary) -> String {
    let mut text =
        format!("{:<6} {:>7}   {:<9}  {:<6}  {}\n", "", "", "IoU", "sizes", "detections per image and class");
    for ((name, value), (overlap, sizes, limit)) in summary.named().into_iter().zip(MEANINGS) {
        text += &format!("{name:<6} {}   {overlap:<9}  {sizes:<6}  {limit}\n", number(value));
    }
    text
}

fn per_class(names: &[String], evaluation: &Evaluation) -> String {
    const SHOWN: [&str; 7] = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR100"];
    let names: Vec<String> = names.iter().map(|name| printable(name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("class".len());
    let mut text = format!("{:<width$} {:>8} {:>10}", "class", "objects", "detections");
    SHOWN.iter().for_each(|name| text += &format!(" {name:>7}"));
    text.push('\n');
    for (name, class) in names.iter().zip(&evaluation.classes) {
        text += &format!("{name:<width$} {:>8} {:>10}", class.objects, class.detections);
        for (name, value) in class.summary.named() {
            if SHOWN.contains(&name) {
                text += &format!(" {}", number(value));
            }
        }
        text.push('\n');
    }
    text
}

/// COCO's -1 stands for nothing to measure.
fn number(value: f64) -> String {
    if value < 0.0 { format!("{:>7}", "-1") } else { format!("{value:>7.4}") }
}

fn as_json(
    kind: IouType,
    instances: &Instances,
    results: &Results,
    evaluation: &Evaluation,
) -> serde_json::Value {
    let numbers = |summary: &Summary| -> serde_json::Map<String, serde_json::Value> {
        summary.named().into_iter().map(|(name, value)| (name.to_string(), value.into())).collect()
    };
    let classes = instances.classes.iter().zip(&evaluation.classes).map(|(name, class)| {
        let (objects, detections, summary) = (class.objects, class.detections, numbers(&class.summary));
        json!({ "class": name, "objects": objects, "detections": detections, "summary": summary })
    });
    let skipped = [instances.skipped.lines(), results.skipped.lines()].concat();
    json!({
        "type": kind.name(),
        "objects": instances.truth.len(),
        "detections": results.detections.len(),
        "summary": numbers(&evaluation.summary),
        "classes": classes.collect::<Vec<_>>(),
        "skipped": skipped,
    })
}
