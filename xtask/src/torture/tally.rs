//! What was done to a run and what came of it, in figures.

use super::attempt::Outcome;
use super::disturbance::{Disturbance, MODES, MOMENT};
use super::operations::Operation;
use std::collections::BTreeMap;

/// Counts of a whole torture.
pub struct Tally {
    /// Runs that were disturbed and then finished.
    pub rounds: u64,
    /// What should not have been.
    pub findings: u64,
    operations: BTreeMap<String, u64>,
    kinds: BTreeMap<&'static str, Counts>,
}

#[derive(Default)]
struct Counts {
    killed: u64,
    refused: u64,
    finished: u64,
    fell: u64,
}

impl Tally {
    /// Nothing is done yet to a run with those file operations.
    pub fn new(undisturbed: &[Operation]) -> Self {
        let mut operations = BTreeMap::new();
        for operation in undisturbed {
            *operations.entry(operation.kind.clone()).or_default() += 1;
        }
        Self { rounds: 0, findings: 0, operations, kinds: BTreeMap::new() }
    }

    /// Counts a disturbance.
    pub fn add(&mut self, disturbance: &Disturbance, outcome: Outcome) {
        let counts = self.kinds.entry(disturbance.kind()).or_default();
        *match outcome {
            Outcome::Killed => &mut counts.killed,
            Outcome::Refused => &mut counts.refused,
            Outcome::Finished => &mut counts.finished,
            Outcome::Fell => &mut counts.fell,
        } += 1;
    }

    /// The undisturbed run in words.
    pub fn undisturbed(&self) -> String {
        let kinds = self.operations.iter().map(|(kind, count)| format!("{count} {kind}"));
        let kinds = kinds.collect::<Vec<_>>().join(", ");
        format!("the undisturbed run has {} file operations: {kinds}", self.operations.values().sum::<u64>())
    }

    /// The figures, as a table.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "\n| disturbance | done | killed | ended with an error | finished | fell over |\n| --- | --- | --- | --- | --- | --- |\n",
        );
        let mut all = 0;
        for kind in [MOMENT].iter().chain(&MODES) {
            let Some(Counts { killed, refused, finished, fell }) = self.kinds.get(kind) else { continue };
            let done = killed + refused + finished + fell;
            all += done;
            text += &format!("| {kind} | {done} | {killed} | {refused} | {finished} | {fell} |\n");
        }
        text += &format!("\n{} runs, {all} disturbances, {} findings\n", self.rounds, self.findings);
        text
    }
}
