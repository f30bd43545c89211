//! Threads of one process that share the statistics of a batch.

use super::Synchronise;
use anyhow::{Result, anyhow, bail};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One of several threads of a process, each with a replica of the networks.
///
/// One that is dropped has left: whoever gathers from then on gets an error. So let each thread own its replica, and the
/// participant goes with it, at an error and at a panic too.
pub struct Participant {
    rank: usize,
    exchange: Arc<Exchange>,
}

impl Participant {
    /// `count` participants, by rank. Whoever waits longer than `patience` for another gives up, and all of them with it: let
    /// it be longer than the slowest can take between two batch norms, its data and evaluations included.
    pub fn of_one_process(count: usize, patience: Duration) -> Vec<Self> {
        let state = State { parts: (0..count).map(|_| None).collect(), ..State::default() };
        let exchange = Arc::new(Exchange { state: Mutex::new(state), changed: Condvar::new(), patience });
        (0..count).map(|rank| Self { rank, exchange: exchange.clone() }).collect()
    }
}

impl Synchronise for Participant {
    fn gather(&self, what: &str, own: Vec<f64>) -> Result<Vec<Vec<f64>>> {
        let Exchange { changed, patience, .. } = &*self.exchange;
        let mut state = self.exchange.lock();
        if let Some(failure) = &state.failure {
            bail!("{failure}");
        }
        if state.parts[self.rank].is_some() {
            let problem = format!("participant {} gathers on two threads at once", self.rank);
            return Err(self.exchange.fail(&mut state, problem));
        }
        let round = state.round;
        state.parts[self.rank] = Some(Part { what: what.to_owned(), numbers: own });
        if state.parts.iter().all(Option::is_some) {
            state.complete();
            changed.notify_all();
        }
        let waiting = |state: &mut State| state.round == round && state.failure.is_none();
        let waited = changed.wait_timeout_while(state, *patience, waiting);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        // First, since a round that is complete stays so, even if somebody has left right after it.
        if state.round == round + 1 {
            return Ok(state.gathered.clone());
        }
        let problem = match &state.failure {
            Some(failure) => failure.clone(),
            None => format!(
                "waited {patience:?} for participants {:?} to gather the {what}: they do not go through the same layers, \
                 they are too slow, or they wait for a thread of a pool",
                state.missing()
            ),
        };
        Err(self.exchange.fail(&mut state, problem))
    }
}

impl Drop for Participant {
    fn drop(&mut self) {
        let problem = format!("participant {} has left", self.rank);
        self.exchange.fail(&mut self.exchange.lock(), problem);
    }
}

struct Exchange {
    state: Mutex<State>,
    /// A round is complete, or all is over.
    changed: Condvar,
    patience: Duration,
}

impl Exchange {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the exchange for all. The first problem is the one that they are told.
    fn fail(&self, state: &mut State, problem: String) -> anyhow::Error {
        let problem = state.failure.get_or_insert(problem).clone();
        self.changed.notify_all();
        anyhow!(problem)
    }
}

#[derive(Default)]
struct State {
    /// The number of complete rounds.
    round: u64,
    /// The contributions to the round that is under way, by rank.
    parts: Vec<Option<Part>>,
    /// The contributions to the last complete round. All ranks have read them before the next is complete, since each takes
    /// part in it.
    gathered: Vec<Vec<f64>>,
    failure: Option<String>,
}

struct Part {
    what: String,
    numbers: Vec<f64>,
}

impl State {
    /// Ends a round in which everybody has given something: the same, or the exchange has failed.
    fn complete(&mut self) {
        let parts: Vec<Part> = self.parts.iter_mut().filter_map(Option::take).collect();
        if let Some(rank) = parts.iter().position(|part| part.what != parts[0].what) {
            self.failure = Some(format!(
                "the participants have lost step: participant 0 gathers the {}, participant {rank} the {}",
                parts[0].what, parts[rank].what
            ));
            return;
        }
        self.gathered = parts.into_iter().map(|part| part.numbers).collect();
        self.round += 1;
    }

    fn missing(&self) -> Vec<usize> {
        (0..self.parts.len()).filter(|rank| self.parts[*rank].is_none()).collect()
    }
}
