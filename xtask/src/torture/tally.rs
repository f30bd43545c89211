//! Counts of disturbances and of their outcomes.

use super::attempt::{Outcome, Said};
use super::disturbance::{Disturbance, MODES, MOMENT};
use super::operations::Operation;
use std::collections::{BTreeMap, BTreeSet};

/// Counts of a whole torture.
pub struct Tally {
    /// Runs that were disturbed and then finished.
    pub rounds: u64,
    /// Outcomes that should not have been.
    pub findings: u64,
    operations: BTreeMap<String, u64>,
    kinds: BTreeMap<&'static str, Counts>,
    resumes: u64,
    shortened: u64,
    parallel: BTreeSet<(u64, u64)>,
}

#[derive(Default)]
struct Counts {
    drawn: u64,
    happened: u64,
    killed: u64,
    refused: u64,
    finished: u64,
    fell: u64,
}

/// A kind that was drawn so often and never happened is a fault of the harness.
const OFTEN: u64 = 8;

impl Tally {
    /// Nothing is done yet to a run with those file operations.
    pub fn new(undisturbed: &[Operation]) -> Self {
        let mut operations = BTreeMap::new();
        for operation in undisturbed {
            *operations.entry(operation.kind.clone()).or_default() += 1;
        }
        Self {
            rounds: 0,
            findings: 0,
            operations,
            kinds: BTreeMap::new(),
            resumes: 0,
            shortened: 0,
            parallel: BTreeSet::new(),
        }
    }

    /// Counts a process, disturbed or not.
    pub fn add(&mut self, disturbance: Option<&Disturbance>, said: &Said) {
        self.resumes += u64::from(said.resumed());
        self.shortened += u64::from(said.shortened);
        self.parallel.insert(said.parallel);
        let Some(disturbance) = disturbance else { return };
        let counts = self.kinds.entry(disturbance.kind()).or_default();
        counts.drawn += 1;
        if !said.happened {
            return;
        }
        counts.happened += 1;
        *match said.outcome {
            Outcome::Killed => &mut counts.killed,
            Outcome::Refused => &mut counts.refused,
            Outcome::Finished => &mut counts.finished,
            Outcome::Fell => &mut counts.fell,
        } += 1;
    }

    /// The kinds of disturbances that were asked for and never done.
    pub fn never_happened(&self) -> impl Iterator<Item = &'static str> {
        self.kinds
            .iter()
            .filter(|(_, counts)| counts.happened == 0 && counts.drawn >= OFTEN)
            .map(|(kind, _)| *kind)
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
            "\n| disturbance | drawn | happened | killed | ended with an error | finished | fell over |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        let mut all = 0;
        for kind in [MOMENT].iter().chain(&MODES) {
            let Some(counts) = self.kinds.get(kind) else { continue };
            let Counts { drawn, happened, killed, refused, finished, fell } = counts;
            all += happened;
            text +=
                &format!("| {kind} | {drawn} | {happened} | {killed} | {refused} | {finished} | {fell} |\n");
        }
        text += &format!(
            "\n{} runs, {all} disturbances that happened, {} resumes from a checkpoint, short writes in {} processes, \
             {} pairs of workers and threads; {} findings\n",
            self.rounds,
            self.resumes,
            self.shortened,
            self.parallel.len(),
            self.findings
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn what_was_drawn_and_never_happened_is_told() {
        let mut tally = Tally::new(&[]);
        let kill = Disturbance::KillAfter(Duration::ZERO);
        let said = |happened| Said {
            happened,
            shortened: false,
            parallel: (1, 2),
            outcome: Outcome::Killed,
            stderr: "training goes on at step 2".into(),
        };
        for _ in 0..OFTEN {
            tally.add(Some(&kill), &said(false));
        }
        assert_eq!(tally.never_happened().collect::<Vec<_>>(), [MOMENT]);
        tally.add(Some(&kill), &said(true));
        tally.add(None, &said(false));
        assert_eq!(tally.never_happened().count(), 0);
        let text = tally.markdown();
        assert!(text.contains("| kill at a moment | 9 | 1 | 1 | 0 | 0 | 0 |"), "{text}");
        assert!(text.contains("10 resumes") && text.contains("1 pairs"), "{text}");
    }
}
