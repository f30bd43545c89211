//! A detector trained and measured several times, as small datasets are (the paper's Table 12).

use crate::measuring::Number;
use anyhow::Result;
use rand::Rng;
use univip_core::seed::stream;

/// The means of the numbers of `trials` trials, and, where there are several, each one's standard deviation under its name
/// and `_std`. A trial hears its place and, where there are several, what to call it: ` 2 of 5`.
///
/// # Errors
/// Those of a trial.
pub fn mean_of_trials(
    trials: u64,
    mut trial: impl FnMut(u64, &str) -> Result<Vec<Number>>,
) -> Result<Vec<Number>> {
    if trials == 1 {
        return trial(0, "");
    }
    let all: Vec<Vec<Number>> = (0..trials)
        .map(|place| trial(place, &format!(" {} of {trials}", place + 1)))
        .collect::<Result<_>>()?;
    let names = all.first().into_iter().flatten().map(|(name, _)| name);
    let summary = names.flat_map(|name| {
        let values: Vec<f64> =
            all.iter().flatten().filter(|(of, _)| of == name).map(|(_, value)| *value).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (squares / (values.len() as f64 - 1.0).max(1.0)).sqrt();
        [(name.clone(), mean), (deviation_of(name), deviation)]
    });
    Ok(summary.collect())
}

/// The name of a number's standard deviation over trials.
pub fn deviation_of(number: &str) -> String {
    format!("{number}_std")
}

/// The first trial has the run's own seed.
pub fn seed_of_trial(seed: u64, trial: u64) -> u64 {
    if trial == 0 { seed } else { stream(seed, "detection trial", &[trial]).random() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_are_the_mean_of_all_trials() -> Result<()> {
        let mut called = Vec::new();
        let numbers = mean_of_trials(3, |place, named| {
            called.push(named.to_string());
            Ok(vec![("ap".into(), [1.0, 2.0, 6.0][place as usize]), ("ap50".into(), 4.0)])
        })?;
        let expected = [("ap", 3.0), ("ap_std", 7f64.sqrt()), ("ap50", 4.0), ("ap50_std", 0.0)]
            .map(|(n, v)| (n.into(), v));
        assert_eq!(numbers, expected);
        assert_eq!(called, [" 1 of 3", " 2 of 3", " 3 of 3"]);
        let one = mean_of_trials(1, |_, named| Ok(vec![(format!("ap{named}"), 2.0)]))?;
        assert_eq!(one, [("ap".to_string(), 2.0)]);
        Ok(())
    }

    #[test]
    fn every_trial_has_a_seed_of_its_own_and_the_first_the_runs() {
        let seeds: BTreeSet<u64> = (0..5).map(|trial| seed_of_trial(7, trial)).collect();
        assert_eq!((seeds.len(), seed_of_trial(7, 0)), (5, 7));
    }
}
