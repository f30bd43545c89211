//! Means and deviations over seeds.

use std::collections::BTreeMap;

/// Numbers of several seeds, in short.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Their number.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// The sample standard deviation, with n - 1; none of a single number.
    pub deviation: Option<f64>,
}

impl Summary {
    /// Of nothing there is no summary.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().collect();
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (n > 1).then(|| (squares / (n as f64 - 1.0)).sqrt());
        (n > 0).then_some(Self { n, mean, deviation })
    }
}

/// The differences `ours - theirs` of the seeds that both have.
pub fn paired(ours: &BTreeMap<u64, f64>, theirs: &BTreeMap<u64, f64>) -> Option<Summary> {
    Summary::of(ours.iter().filter_map(|(seed, value)| Some(value - theirs.get(seed)?)))
}
