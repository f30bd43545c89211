//! Loss dense-cl: images, and positions of their feature maps, told from queues of earlier ones (DenseCL; Wang et al. 2021).

use anyhow::{Result, ensure};
use candle_core::{D, Tensor};
use serde::{Deserialize, Serialize};
use univip_core::config::{at_least, positive, within};
use univip_core::contrast::info_nce;
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::memory::{Queue, refuse_uneven, remark_on_length};
use univip_core::networks::{Features, Needs, Output, PROJECTOR};
use univip_core::recipe::Invalid;
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::similarity::pairwise_cosine;

register_loss!("dense-cl", DenseCl, "Images and positions of their maps, each told from a queue (DenseCL)");

/// `(1 - lambda)` times MoCo's loss of whole images, plus `lambda` times the same loss of positions (Wang et al. 2021, Eq. 3).
///
/// The key of a query's position is the position of the key's map whose *backbone* features are the most similar; no gradient
/// passes through that choice. The second queue holds, for each earlier key, the mean of its dense outputs over all positions. A
/// step's keys enter the queues when the step is done, those of all its forward passes in their order. The loss rises at first, as
/// the queues' random vectors give way to keys: no sign of failure.
///
/// Diagnostics: `global` and `dense`, the two terms before their weights, and `places`, the number of different positions of the key
/// that are chosen, as a share of all: near 1 / (H W) the maps have collapsed.
pub struct DenseCl {
    config: Config,
    global: Queue,
    dense: Queue,
    images: usize,
}

/// The key of both queues' length.
const QUEUE: &str = "loss.dense-cl.queue";

/// `[loss.dense-cl]`. The defaults are those of the authors' configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The weight of the dense term; the global one has the rest.
    pub lambda: f64,
    /// K, the keys of each queue. The keys of a batch must divide it.
    pub queue: usize,
    /// The temperature, which similarities are divided by.
    pub temperature: f64,
    /// The group whose views are queries.
    pub query: String,
    /// The group whose views are their keys; as many as there are queries.
    pub key: String,
    /// The head of both networks for whole images.
    pub head: String,
    /// The head of both networks on `map`.
    pub dense: String,
    /// The stage of the backbone whose features decide which positions belong together.
    pub map: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lambda: 0.5,
            queue: 65536,
            temperature: 0.2,
            query: "query".into(),
            key: "key".into(),
            head: PROJECTOR.into(),
            dense: "dense".into(),
            map: "stage4".into(),
        }
    }
}

impl univip_core::recipe::Config for Config {
    fn check(&self) -> Result<(), Invalid> {
        within("lambda", self.lambda, 0.0, 1.0)?;
        at_least("queue", self.queue as u64, 1)?;
        positive("temperature", self.temperature)
    }
}

impl Config {
    /// An output of each network: that of the queries, and that of the keys.
    fn outputs(&self, place: &str) -> [Output; 2] {
        [Output::online(&self.query, place), Output::target(&self.key, place)]
    }
}

impl LossPlugin for DenseCl {
    type Config = Config;

    fn needs(config: &Config) -> Needs {
        [&config.head, &config.dense, &config.map]
            .into_iter()
            .flat_map(|place| config.outputs(place))
            .collect()
    }

    fn build(config: Config, context: LossContext) -> Result<Self> {
        refuse_uneven(QUEUE, config.queue, context.keys(&config.query, &config.key)?)?;
        let queue = |name: &str, place: &str| {
            let size = context.size(&config.outputs(place)[1])?;
            Queue::new(config.queue, size, &context.parameters.enter(name))
        };
        let (global, dense) = (queue("global", &config.head)?, queue("dense", &config.dense)?);
        Ok(Self { global, dense, images: context.images, config })
    }
}

impl Loss for DenseCl {
    fn compute(&self, features: &Features, _step: &Step) -> Result<LossTerm> {
        let Config { lambda, temperature, head, dense, map, .. } = &self.config;
        let both = |place: &str| -> Result<[&Tensor; 2]> {
            let [query, key] = self.config.outputs(place);
            Ok([features.joined(&query)?, features.joined(&key)?])
        };
        let [queries, keys] = both(head)?;
        let global = info_nce(queries, keys, &self.global.keys(), *temperature)?;
        let [dense_queries, dense_keys] = both(dense)?;
        let [query_map, key_map] = both(map)?;
        let places = matches(&query_map.detach(), key_map)?;
        let matched = positions(dense_keys)?.flatten(0, 1)?.index_select(&places.flatten_all()?, 0)?;
        let local =
            info_nce(&positions(dense_queries)?.flatten(0, 1)?, &matched, &self.dense.keys(), *temperature)?;
        let value = (weigh(&global, 1.0 - lambda)? + weigh(&local, *lambda)?)?;
        let diagnostics = vec![
            ("global", global.to_scalar::<f32>()?),
            ("dense", local.to_scalar::<f32>()?),
            ("places", distinct_share(&places)?),
        ];
        Ok(LossTerm { value, diagnostics })
    }

    fn remarks(&self) -> Vec<String> {
        remark_on_length(QUEUE, self.config.queue, self.images).into_iter().collect()
    }

    fn after_step(&self, passes: &[Features], _step: &Step) -> Result<()> {
        let [_, global] = self.config.outputs(&self.config.head);
        let [_, dense] = self.config.outputs(&self.config.dense);
        for features in passes {
            self.global.push(features.joined(&global)?)?;
            self.dense.push(&positions(features.joined(&dense)?)?.mean(1)?)?;
        }
        Ok(())
    }
}

/// A term by its weight, also of 0: candle leaves what is multiplied by the number 0 out of the graph, and a head without a gradient
/// is refused.
fn weigh(term: &Tensor, weight: f64) -> Result<Tensor> {
    Ok((term * Tensor::new(weight as f32, term.device())?)?)
}

/// A map `[B, H, W, C]` as positions `[B, H W, C]`.
fn positions(map: &Tensor) -> Result<Tensor> {
    let dims = map.dims();
    ensure!(
        dims.len() == 4,
        "dense-cl compares the positions of maps [B, H, W, C], got {dims:?}: a dense head reads a stage, from = [\"stage4\"]"
    );
    Ok(map.flatten(1, 2)?)
}

/// For each position of each query's map the most similar one of its key's, as a row among the positions of all keys.
/// `[B, H, W, C]` each to `[B, H W]`.
fn matches(query: &Tensor, key: &Tensor) -> Result<Tensor> {
    let similarity = pairwise_cosine(&positions(query)?, &positions(key)?)?;
    let (batch, _, count) = similarity.dims3()?;
    let nearest = similarity.argmax(D::Minus1)?;
    let firsts: Vec<u32> = (0..batch).map(|image| (image * count) as u32).collect();
    let firsts = Tensor::from_vec(firsts, (batch, 1), nearest.device())?;
    Ok(nearest.broadcast_add(&firsts)?)
}

/// The number of different entries, as a share of all.
fn distinct_share(places: &Tensor) -> Result<f32> {
    let mut places = places.flatten_all()?.to_vec1::<u32>()?;
    let all = places.len().max(1);
    places.sort_unstable();
    places.dedup();
    Ok(places.len() as f32 / all as f32)
}
