//! Participants that fail, leave, lose step or never come: the others are told, and wait for nobody for ever.

use crate::replicas::{PATIENCE, together};
use crate::values::noise;
use anyhow::{Result, anyhow};
use candle_core::{Device, Var};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use univip_nn::ops::Map;
use univip_nn::{BatchNorm, Mode, Parameters, Participant, Synchronise};
use univip_stdx::pool::in_pool;

const SHORT: Duration = Duration::from_millis(50);

#[test]
fn numbers_come_in_the_order_of_the_participants() {
    let found = together(3, |rank, participant| {
        thread::sleep(Duration::from_millis(10 * (3 - rank as u64)));
        participant.gather("ranks", vec![rank as f64, 0.5]).unwrap()
    });
    assert!(found.iter().all(|found| *found == [[0.0, 0.5], [1.0, 0.5], [2.0, 0.5]]), "{found:?}");
}

#[test]
fn a_round_that_is_complete_reaches_all_even_if_one_leaves_right_after() {
    for _ in 0..300 {
        let found = together(3, |rank, participant| participant.gather("ranks", vec![rank as f64]));
        assert!(found.iter().all(Result::is_ok), "{found:?}");
    }
}

/// The ways in which a participant can end.
type End = fn(Participant) -> Result<()>;

#[test]
fn whoever_waits_for_one_that_has_ended_gets_an_error() {
    let ends: [(&str, End); 3] = [
        ("finished", |_participant| Ok(())),
        ("failed", |_participant| Err(anyhow!("no such image"))),
        ("panicked", |_participant| panic!("a panic that this test wants")),
    ];
    for (how, end) in ends {
        let begin = Instant::now();
        let mut participants = Participant::of_one_process(3, PATIENCE);
        let (last, others) = (participants.pop().unwrap(), participants);
        thread::scope(|scope| {
            let waiting = others.into_iter().map(|other| scope.spawn(move || other.gather("sums", vec![])));
            let waiting: Vec<_> = waiting.collect();
            scope.spawn(move || {
                thread::sleep(SHORT);
                // Caught, since a scope panics when one of its threads does.
                drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| end(last))));
            });
            for waiting in waiting {
                let error = waiting.join().unwrap().unwrap_err().to_string();
                // Also for the second to hear of it, though the first may have left in the meantime.
                assert!(error.contains("participant 2 has left"), "{how}: {error}");
            }
        });
        assert!(begin.elapsed() < PATIENCE / 2, "{how}");
    }
}

/// One training step of a batch norm layer as `participant`, whose backward pass begins after `between`.
fn step(participant: Participant, between: impl FnOnce()) -> Result<()> {
    norm(Arc::new(participant), between)
}

fn norm(hook: Arc<dyn Synchronise>, between: impl FnOnce()) -> Result<()> {
    let parameters = Parameters::new(0, &Device::Cpu).synchronised(hook);
    let norm = BatchNorm::new(3, &parameters.trainable().enter("bn1"))?;
    let x = Var::from_tensor(&noise(&[4, 2, 2, 3], 0))?;
    let y = norm.relu(&Map::of(&x)?, Mode::Train { groups: 2 })?.tensor()?;
    between();
    y.sum_all()?.backward()?;
    Ok(())
}

#[test]
fn one_that_leaves_between_the_passes_stops_the_backward_pass_of_the_others() {
    let begin = Instant::now();
    let found = together(2, |rank, participant| match rank {
        0 => step(participant, || {}),
        _ => std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            step(participant, || panic!("a panic that this test wants"))
        }))
        .unwrap_or(Ok(())),
    });
    let error = found[0].as_ref().unwrap_err().to_string();
    assert!(error.contains("cannot gather the gradient's sums [2, 3] of bn1"), "{error}");
    assert!(error.contains("participant 1 has left"), "{error}");
    assert!(begin.elapsed() < PATIENCE / 2);
}

#[test]
fn one_that_never_comes_is_named() {
    let participants = Participant::of_one_process(3, SHORT);
    let error = participants[1].gather("sums", vec![]).unwrap_err().to_string();
    assert!(error.contains("for participants [0, 2] to gather the sums"), "{error}");
    // Nor does it go on as if nothing had been, when it comes after all.
    let late = participants[0].gather("sums", vec![]).unwrap_err().to_string();
    assert_eq!(late, error);
}

#[test]
fn participants_that_have_lost_step_are_told() {
    let found = together(2, |rank, participant| {
        participant.gather(["moments of bn1", "moments of bn2"][rank], vec![1.0]).unwrap_err().to_string()
    });
    for error in found {
        let problem = "participant 0 gathers the moments of bn1, participant 1 the moments of bn2";
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn a_participant_is_not_for_two_threads_at_once() {
    let participants = Participant::of_one_process(2, PATIENCE);
    thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| participants[0].gather("sums", vec![])));
        for thread in threads {
            let error = thread.join().unwrap().unwrap_err().to_string();
            assert!(error.contains("participant 0 gathers on two threads at once"), "{error}");
        }
    });
}

#[test]
fn participants_in_one_pool_with_too_few_threads_are_told_after_their_patience() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let run = |participant| pool.install(|| step(participant, || {}));
    let participants = Participant::of_one_process(2, SHORT);
    thread::scope(|scope| {
        let threads: Vec<_> =
            participants.into_iter().map(|participant| scope.spawn(|| run(participant))).collect();
        for thread in threads {
            let error = thread.join().unwrap().unwrap_err().to_string();
            assert!(error.contains("thread of a pool"), "{error}");
        }
    });
}

#[test]
fn each_participant_can_have_a_pool_of_its_own() {
    let found = together(3, |_, participant| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        pool.install(|| in_pool(|| step(participant, || {})))
    });
    assert!(found.iter().all(Result::is_ok), "{found:?}");
}

type Answer = fn(Vec<f64>) -> Vec<Vec<f64>>;

/// A hook that answers something else than it was given.
struct Wrong(Answer);

impl Synchronise for Wrong {
    fn gather(&self, _: &str, own: Vec<f64>) -> Result<Vec<Vec<f64>>> {
        Ok(self.0(own))
    }
}

#[test]
fn a_hook_that_answers_wrongly_is_an_error() {
    fn with_count(count: f64, own: Vec<f64>) -> Vec<Vec<f64>> {
        vec![[vec![count], own[1..].to_vec()].concat()]
    }
    let answers: [(Answer, &str); 5] = [
        (|_| vec![], "of nobody"),
        (
            |own| vec![own, vec![1.0]],
            "participant 1 gave 1 numbers as the moments [2, 3] of bn1, 13 were expected",
        ),
        (|own| with_count(f64::NAN, own), "NaN values"),
        (|own| with_count(-1.0, own), "-1 values"),
        (|own| with_count(2.5, own), "2.5 values"),
    ];
    for (answer, problem) in answers {
        let error = norm(Arc::new(Wrong(answer)), || {}).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}
