//! The format of run directories: `univip` writes it, `univip-reports` reads it.
//!
//! ```text
//! runs/<name>-<fingerprint>-s<seed>/
//!   run.json             RunRecord
//!   metrics.jsonl        one Event per line
//!   evaluations.jsonl    one Evaluated per line
//!   recipe.toml          every resolved value, with its origin in a comment
//!   backbone.safetensors torchvision's names and layout
//!   checkpoints/
//! runs/plans/*.json      Plan
//! ```
//!
//! Fields are added and never change their meaning. A field that earlier versions did not write has a default when it is read,
//! and one that is not known is ignored. JSON has no NaN: a number that is not finite is written as `null` and read as
//! `None`.

mod course;
mod evaluation;
mod event;
mod lines;
mod name;
mod plan;
mod record;

pub use course::CourseEvent;
pub use evaluation::{Evaluated, Metric};
pub use event::Event;
pub use lines::{BadLine, Lines, parse_lines};
pub use name::{Identity, can_name_table, directory_name};
pub use plan::{Axis, Column, Difference, Plan, Random, Row, SINGLE_RECIPES};
pub use record::{Build, Machine, RunRecord, Sitting, Status, Taken, phase};

/// The file of a [`RunRecord`].
pub const RECORD: &str = "run.json";

/// The file of the [`Event`]s.
pub const METRICS: &str = "metrics.jsonl";

/// The file of what was [`Evaluated`].
pub const EVALUATIONS: &str = "evaluations.jsonl";

/// The file of the recipe's resolved values.
pub const RECIPE: &str = "recipe.toml";

/// The file of the trained backbone.
pub const BACKBONE: &str = "backbone.safetensors";

/// The directory of the checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";

/// The directory of the [`Plan`]s, beside those of the runs.
pub const PLANS: &str = "plans";
