//! Evaluator knn: weighted nearest neighbours on frozen features.

use anyhow::Result;
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use univip_core::evaluate::{Accuracy, EvaluationContext, Evaluator, Metric, labels};
use univip_core::recipe::Invalid;
use univip_core::registry::EvaluatorPlugin;

univip_core::register_evaluator!("knn", Knn, "weighted nearest neighbours on frozen features");

/// A val image votes with its k most similar train images, each with the weight exp(cosine / temperature)
/// (Wu et al. 2018). Nothing is learnt, so the number moves with the features alone.
pub struct Knn {
    config: Config,
}

/// `[evaluator.knn]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The number of neighbours.
    pub k: usize,
    /// The temperature of a vote.
    pub temperature: f32,
}

impl Default for Config {
    fn default() -> Self {
        Self { k: 20, temperature: 0.07 }
    }
}

impl univip_core::recipe::Config for Config {
    fn check(&self) -> Result<(), Invalid> {
        if self.k == 0 {
            return Err(Invalid { key: "k", problem: "is 0, expected at least one neighbour".into() });
        }
        if self.temperature.is_nan() || self.temperature <= 0.0 {
            let problem = format!("is {}, expected more than 0", self.temperature);
            return Err(Invalid { key: "temperature", problem });
        }
        Ok(())
    }
}

impl EvaluatorPlugin for Knn {
    type Config = Config;

    fn build(config: Config) -> Result<Self> {
        Ok(Self { config })
    }
}

impl Evaluator for Knn {
    fn evaluate(&self, mut context: EvaluationContext<'_>) -> Result<Vec<Metric>> {
        let (train, val) = (context.train, context.val);
        let (train_labels, val_labels) = (labels(train, "train")?, labels(val, "val")?);
        let train_rows = context.features(train, "knn: train features")?;
        let val_rows = context.features(val, "knn: val features")?;
        let (train_labels, val_labels) = (train_rows.labels(&train_labels), val_rows.labels(&val_labels));
        let classes = train.classes().len().max(val.classes().len());
        let mut accuracy = Accuracy::new(classes);
        let votes = self.votes(&train_rows.values, &train_labels, &val_rows.values, classes)?;
        for (mut votes, label) in votes.into_iter().zip(val_labels) {
            // Among classes without a vote there is no order, and so no place among the first five.
            let own = &mut votes[label as usize];
            *own = if *own > 0.0 { *own } else { f32::NAN };
            accuracy.count(&votes, label);
        }
        Ok(accuracy.metrics(&self.protocol(), &context.split()))
    }

    fn metrics(&self) -> Vec<String> {
        Accuracy::NAMES.map(String::from).into()
    }
}

impl Knn {
    fn protocol(&self) -> String {
        let Config { k, temperature } = self.config;
        if temperature == Config::default().temperature {
            format!("knn-{k}")
        } else {
            format!("knn-{k}-t{temperature}")
        }
    }

    /// The classes' votes for each row of `val`. Features `[N, F]`, in any scale.
    fn votes(&self, train: &Tensor, labels: &[u32], val: &Tensor, classes: usize) -> Result<Vec<Vec<f32>>> {
        /// Val images a product: bounds the memory to so many rows of similarities.
        const ROWS: usize = 256;
        let (train, val) = (normalised(train)?.t()?.contiguous()?, normalised(val)?);
        let rows = val.dim(0)?;
        let mut votes = Vec::with_capacity(rows);
        for start in (0..rows).step_by(ROWS) {
            let part = val.narrow(0, start, ROWS.min(rows - start))?.contiguous()?;
            let similarities: Vec<Vec<f32>> = part.matmul(&train)?.to_vec2()?;
            votes.extend(similarities.iter().map(|row| self.vote(row, labels, classes)));
        }
        Ok(votes)
    }

    /// The classes' votes, given the similarity to each train image. The earlier of equals is the nearer.
    fn vote(&self, similarities: &[f32], labels: &[u32], classes: usize) -> Vec<f32> {
        let nearer = |a: &usize, b: &usize| similarities[*b].total_cmp(&similarities[*a]).then(a.cmp(b));
        let mut order: Vec<usize> = (0..similarities.len()).collect();
        let k = self.config.k.min(order.len());
        if k < order.len() {
            order.select_nth_unstable_by(k, nearer);
            order.truncate(k);
        }
        order.sort_unstable_by(nearer);
        let nearest = order.first().map_or(0.0, |nearest| similarities[*nearest]);
        let mut votes = vec![0f32; classes];
        for neighbour in order {
            // Relative to the nearest: the order is the same, and nothing overflows, nor do all votes vanish.
            votes[labels[neighbour] as usize] +=
                ((similarities[neighbour] - nearest) / self.config.temperature).exp();
        }
        votes
    }
}

/// Rows of unit length; a row of zeros stays one.
fn normalised(features: &Tensor) -> Result<Tensor> {
    let norms = (features.sqr()?.sum_keepdim(1)? + 1e-12)?.sqrt()?;
    Ok(features.broadcast_div(&norms)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use univip_core::recipe::Table;

    fn knn(k: usize, temperature: f32) -> Knn {
        Knn { config: Config { k, temperature } }
    }

    fn rows(values: &[[f32; 2]]) -> Result<Tensor> {
        Ok(Tensor::from_vec(values.concat(), (values.len(), 2), &Device::Cpu)?)
    }

    #[test]
    fn votes_are_exponentials_of_the_nearest_similarities() {
        let (similarities, labels) = ([0.9, 0.1, 0.8, 0.8, -1.0], [0, 0, 1, 1, 2]);
        let exp = |similarity: f32, t: f32| ((similarity - 0.9) / t).exp();
        let cases = [
            (1, 0.07, [exp(0.9, 0.07), 0.0, 0.0]),
            (2, 0.07, [exp(0.9, 0.07), exp(0.8, 0.07), 0.0]), // the earlier of the equal two
            (3, 0.07, [exp(0.9, 0.07), 2.0 * exp(0.8, 0.07), 0.0]),
            (3, 1.0, [exp(0.9, 1.0), 2.0 * exp(0.8, 1.0), 0.0]), // here class 1 wins
            (9, 1.0, [exp(0.9, 1.0) + exp(0.1, 1.0), 2.0 * exp(0.8, 1.0), exp(-1.0, 1.0)]),
            (1, 0.001, [1.0, 0.0, 0.0]), // a small temperature leaves the nearest its vote
        ];
        for (k, temperature, expected) in cases {
            let votes = knn(k, temperature).vote(&similarities, &labels, 3);
            let close = votes.iter().zip(expected).all(|(vote, expected)| (vote - expected).abs() < 1e-6);
            assert!(close, "k {k}: {votes:?} and {expected:?}");
        }
    }

    #[test]
    fn the_scale_of_a_feature_does_not_matter() -> Result<()> {
        let train = rows(&[[1.0, 0.0], [0.0, 50.0], [0.0, 0.0]])?;
        let val = rows(&[[3.0, 0.1], [1e-3, 2e-3]])?;
        let votes = knn(1, 0.07).votes(&train, &[0, 1, 2], &val, 3)?;
        assert!(votes[0][0] > 0.0 && votes[0][1..] == [0.0, 0.0]);
        assert!(votes[1][1] > 0.0 && votes[1][0] == 0.0 && votes[1][2] == 0.0);
        Ok(())
    }

    #[test]
    fn more_rows_than_a_product_holds_get_the_votes_of_their_own() -> Result<()> {
        let angles: Vec<f32> = (0..600).map(|row| row as f32 * 0.01).collect();
        let points: Vec<[f32; 2]> = angles.iter().map(|angle| [angle.cos(), angle.sin()]).collect();
        let features = rows(&points)?;
        let labels: Vec<u32> = (0..600).collect();
        for (row, votes) in knn(1, 0.07).votes(&features, &labels, &features, 600)?.iter().enumerate() {
            let best = votes.iter().position(|vote| *vote > 0.0);
            assert!(best.is_some_and(|best| best.abs_diff(row) <= 1), "{row}: {best:?}");
        }
        Ok(())
    }

    #[test]
    fn impossible_settings_are_refused() {
        for (text, key) in
            [("k = 0", "k"), ("temperature = 0.0", "temperature"), ("temperature = -1.0", "temperature")]
        {
            let error = Table::of(text).read::<Config>().unwrap_err().to_string();
            assert!(error.contains(key) && error.contains("expected"), "{error}");
        }
    }
}
