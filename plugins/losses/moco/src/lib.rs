//! Loss moco: a query told from a queue of earlier keys (MoCo; He et al. 2020, Chen et al. 2020).

use anyhow::Result;
use serde::{Deserialize, Serialize};
use univip_core::config::{at_least, positive};
use univip_core::contrast::info_nce;
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::memory::{Queue, refuse_uneven, remark_on_length};
use univip_core::networks::{Features, Needs, Output, PROJECTOR};
use univip_core::recipe::Invalid;
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::similarity::cosine;

register_loss!("moco", Moco, "A query and its key, told from a queue of earlier keys (MoCo v1, v2)");

/// The cross-entropy of each query with its key against a queue of earlier keys (He et al. 2020, Eq. 1).
///
/// The target network's outputs are the keys. A step's keys enter the queue when the step is done, those of all its forward
/// passes in their order: no query meets a key of its own step among the negatives. The loss rises at first, as the queue's random
/// vectors give way to keys, which are harder to tell apart: no sign of failure.
///
/// The diagnostic `positive` is the mean cosine of a query and its key.
pub struct Moco {
    temperature: f64,
    query: Output,
    key: Output,
    queue: Queue,
    length: usize,
    images: usize,
}

/// The key of the queue's length.
const QUEUE: &str = "loss.moco.queue";

/// `[loss.moco]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// K, the keys of the queue. `train.batch` must divide it.
    pub queue: usize,
    /// The temperature, which similarities are divided by. MoCo v1: 0.07, v2: 0.2.
    pub temperature: f64,
    /// The group whose views are queries.
    pub query: String,
    /// The group whose views are their keys; as many as there are queries.
    pub key: String,
    /// The head of both networks.
    pub head: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue: 65536,
            temperature: 0.2,
            query: "query".into(),
            key: "key".into(),
            head: PROJECTOR.into(),
        }
    }
}

impl univip_core::recipe::Config for Config {
    fn check(&self) -> Result<(), Invalid> {
        at_least("queue", self.queue as u64, 1)?;
        positive("temperature", self.temperature)
    }
}

impl Config {
    fn outputs(&self) -> [Output; 2] {
        [Output::online(&self.query, &self.head), Output::target(&self.key, &self.head)]
    }
}

impl LossPlugin for Moco {
    type Config = Config;

    fn needs(config: &Config) -> Needs {
        Needs::from(config.outputs())
    }

    fn build(config: Config, context: LossContext) -> Result<Self> {
        let [query, key] = config.outputs();
        refuse_uneven(QUEUE, config.queue, context.keys(&config.query, &config.key)?)?;
        let queue = Queue::new(config.queue, context.size(&key)?, &context.parameters)?;
        let Config { queue: length, temperature, .. } = config;
        Ok(Self { temperature, query, key, queue, length, images: context.images })
    }
}

impl Loss for Moco {
    fn compute(&self, features: &Features, _step: &Step) -> Result<LossTerm> {
        let (queries, keys) = (features.joined(&self.query)?, features.joined(&self.key)?);
        let value = info_nce(queries, keys, &self.queue.keys(), self.temperature)?;
        let positive = cosine(&queries.detach(), keys)?.mean_all()?.to_scalar::<f32>()?;
        Ok(LossTerm { value, diagnostics: vec![("positive", positive)] })
    }

    fn remarks(&self) -> Vec<String> {
        remark_on_length(QUEUE, self.length, self.images).into_iter().collect()
    }

    fn after_step(&self, passes: &[Features], _step: &Step) -> Result<()> {
        passes.iter().try_for_each(|features| self.queue.push(features.joined(&self.key)?))
    }
}
