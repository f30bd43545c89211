//! Optimal transport between two sets of equal size: Eq. 7, A.4.
//!
//! Plain numbers outside the autograd graph: the plan carries no gradient.

use serde::{Deserialize, Serialize};

/// The entropy-regularised plan of Cuturi (2013), by fixed-point iteration in the log domain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sinkhorn {
    /// The weight of the entropy, in units of the cost; above 0. A smaller one comes closer to the
    /// unregularised plan and needs more iterations.
    pub epsilon: f64,
    /// Iterations, each of which fits both marginals in turn; at least 1.
    pub iterations: usize,
}

impl Sinkhorn {
    /// The plans of B problems: `[B, K, K]` from costs `[B, K, K]`, supplies b `[B, K]` (one per row) and
    /// demands a `[B, K]` (one a column), all row-major. None is negative; each set has some mass.
    ///
    /// Each iteration fits the rows and then the columns, so that columns meet their demand exactly and
    /// rows as well as the iterations allow. Eq. 7 has no solution when the masses differ, as Eq. 9 and 10
    /// taken literally make them; the plan then carries the mass of the demands, and rows receive it in
    /// proportion to their supplies.
    pub fn plans(&self, costs: &[f64], supplies: &[f64], demands: &[f64], k: usize) -> Vec<f64> {
        let problems = costs.chunks(k * k).zip(supplies.chunks(k).zip(demands.chunks(k)));
        problems.flat_map(|(cost, (supply, demand))| self.plan(cost, supply, demand)).collect()
    }

    fn plan(&self, cost: &[f64], supply: &[f64], demand: &[f64]) -> Vec<f64> {
        let k = supply.len();
        // plan[m][n] = exp(rows[m] + columns[n] - cost[m][n] / epsilon)
        let kernel = |m: usize, n: usize| -cost[m * k + n] / self.epsilon;
        let mut rows = vec![0.0; k];
        let mut columns = vec![0.0; k];
        for _ in 0..self.iterations {
            for (m, row) in rows.iter_mut().enumerate() {
                *row = supply[m].ln() - log_sum_exp((0..k).map(|n| columns[n] + kernel(m, n)));
            }
            for (n, column) in columns.iter_mut().enumerate() {
                *column = demand[n].ln() - log_sum_exp((0..k).map(|m| rows[m] + kernel(m, n)));
            }
        }
        let cells = (0..k).flat_map(|m| (0..k).map(move |n| (m, n)));
        cells.map(|(m, n)| (rows[m] + columns[n] + kernel(m, n)).exp()).collect()
    }
}

/// log(sum(exp(x))) without overflow; -inf when every term is.
fn log_sum_exp(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + terms.map(|term| (term - largest).exp()).sum::<f64>().ln()
}

/// The treatment of the weights of Eq. 9 and 10, whose sums differ, before they become marginals of Eq. 7,
/// whose sums must not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Marginals {
    /// Each set is divided by its sum.
    #[default]
    SumToOne,
    /// Each set is divided by its mean, so that the loss grows with K.
    SumToK,
    /// They stay as they are: the loss grows with the square of the features' length, and the two sums
    /// differ (see [`Sinkhorn::plans`]).
    Literal,
}

impl Marginals {
    /// Makes the non-negative weights of one set its marginals. A set without any weight becomes uniform,
    /// with the mass K for [`Marginals::SumToK`] and 1 otherwise.
    pub fn normalise(self, weights: &mut [f64]) {
        let count = weights.len() as f64;
        let mass = if self == Self::SumToK { count } else { 1.0 };
        let sum: f64 = weights.iter().sum();
        if sum == 0.0 {
            weights.fill(mass / count);
        } else if self != Self::Literal {
            weights.iter_mut().for_each(|weight| *weight = *weight / sum * mass);
        }
    }
}
