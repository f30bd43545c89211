//! Means, intervals and tests over seeds.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// The level of intervals.
const LEVEL: f64 = 0.95;

/// The power that the number of seeds to take is stated for.
const POWER: f64 = 0.8;

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

    /// The 95% interval of the mean by Student's t; none of a single number.
    pub fn interval(&self) -> Option<[f64; 2]> {
        let half = quantile(self.n - 1, (1.0 + LEVEL) / 2.0)? * self.error()?;
        Some([self.mean - half, self.mean + half])
    }

    /// The p-value, two-sided, of Student's t test that the mean is 0: of differences, the paired t test. None of a single number, and
    /// of numbers that are all equal.
    pub fn p(&self) -> Option<f64> {
        let error = self.error().filter(|error| *error > 0.0)?;
        Some(2.0 * students_t(self.n - 1)?.cdf(-(self.mean / error).abs()))
    }

    /// The number of seeds with which the paired t test at 5% has a power of 80% for a true difference of `size`, if differences have
    /// the deviation that they have here: the smallest n with `size sqrt(n) / s >= t(0.975, n - 1) + t(0.8, n - 1)`. None of a single
    /// number, or beyond 10,000.
    pub fn seeds_to_see(&self, size: f64) -> Option<usize> {
        let deviation = self.deviation.filter(|_| size != 0.0)?;
        let enough = |n: &usize| {
            let needed = quantile(n - 1, (1.0 + LEVEL) / 2.0).zip(quantile(n - 1, POWER));
            needed
                .is_some_and(|(level, power)| size.abs() * (*n as f64).sqrt() >= (level + power) * deviation)
        };
        (2..=10_000).find(enough)
    }

    /// The standard error of the mean.
    fn error(&self) -> Option<f64> {
        Some(self.deviation? / (self.n as f64).sqrt())
    }
}

/// Holm's p-values of several tests, in their order: the family-wise error is at most that of one test.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&one, &other| p[one].total_cmp(&p[other]));
    let (mut held, mut largest) = (vec![0.0; p.len()], 0.0f64);
    for (done, &test) in order.iter().enumerate() {
        largest = largest.max(((p.len() - done) as f64 * p[test]).min(1.0));
        held[test] = largest;
    }
    held
}

fn quantile(freedom: usize, share: f64) -> Option<f64> {
    Some(students_t(freedom)?.inverse_cdf(share))
}

/// None without a degree of freedom.
fn students_t(freedom: usize) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, freedom as f64).ok().filter(|_| freedom > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Option<f64>, expected: f64) {
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-9), "{found:?}, expected {expected}");
    }

    #[derive(serde::Deserialize)]
    struct Expected {
        summaries: Vec<ExpectedSummary>,
        holm: Vec<ExpectedHolm>,
    }

    #[derive(serde::Deserialize)]
    struct ExpectedSummary {
        values: Vec<f64>,
        mean: f64,
        deviation: f64,
        interval: [f64; 2],
        p: f64,
        size: f64,
        seeds: usize,
    }

    #[derive(serde::Deserialize)]
    struct ExpectedHolm {
        p: Vec<f64>,
        holm: Vec<f64>,
    }

    /// tests/fixtures/statistics.py writes the numbers.
    fn expected() -> Expected {
        serde_json::from_str(include_str!("../../tests/fixtures/statistics.json")).unwrap()
    }

    #[test]
    fn intervals_and_p_values_are_scipys() {
        for ExpectedSummary { values, mean, deviation, interval, p, .. } in expected().summaries {
            let found = Summary::of(values).unwrap();
            close(Some(found.mean), mean);
            close(found.deviation, deviation);
            (0..2).for_each(|end| close(found.interval().map(|ends| ends[end]), interval[end]));
            close(found.p(), p);
        }
    }

    /// The exact power needs the noncentral t distribution; the shifted one that is used here is at most a seed off.
    #[test]
    fn the_number_of_seeds_is_that_of_statsmodels_or_one_off() {
        for ExpectedSummary { values, size, seeds, .. } in expected().summaries {
            let found = Summary::of(values).unwrap().seeds_to_see(size).unwrap();
            assert!(found.abs_diff(seeds) <= 1, "{found}, expected {seeds}");
        }
    }

    #[test]
    fn several_tests_are_held_as_statsmodels_does() {
        for ExpectedHolm { p, holm: expected } in expected().holm {
            holm(&p).into_iter().zip(expected).for_each(|(found, expected)| close(Some(found), expected));
        }
    }

    #[test]
    fn of_one_number_or_of_equal_ones_there_is_no_test() {
        let one = Summary::of([2.5]).unwrap();
        assert_eq!((one.interval(), one.p(), one.seeds_to_see(1.0)), (None, None, None));
        assert_eq!(Summary::of([2.5, 2.5]).unwrap().p(), None);
        assert_eq!(Summary::of([]), None);
    }
}
