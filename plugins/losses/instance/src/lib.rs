//! Loss instance: optimal transport between instances. Eq. 8-11.

use anyhow::Result;
use candle_core::{D, DType, Device, Tensor};
use serde::{Deserialize, Serialize};
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::networks::{Features, Needs, Output, PREDICTOR, PROJECTOR};
use univip_core::recipe::Invalid;
use univip_core::register_loss;
use univip_core::registry::LossPlugin;
use univip_core::similarity::pairwise_cosine;
use univip_core::transport::{Marginals, Sinkhorn};
use univip_core::views::{INSTANCE, INSTANCE_TARGET, SCENE};

register_loss!(
    "instance",
    Instance,
    "Instances matched between the networks by optimal transport (Eq. 8-11)"
);

/// The similarity of the online network's instances with the target's, weighted by the optimal plan.
///
/// The plan, and with it the marginals, carries no gradient. So the loss is at its least also when all
/// instances of an image have equal features: watch the diagnostics `diagonal`, the part of the plan's mass
/// that moves between the two features of the same instance (1/K when it tells nothing apart), and
/// `similarity`, the mean cosine of o_m and o_n over different instances.
pub struct Instance(Config);

/// `[loss.instance]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Sinkhorn's entropy weight; the paper gives none, OTA (Ge et al. 2021) uses 0.1.
    pub epsilon: f64,
    /// Sinkhorn's iterations; the paper gives none, OTA uses 50.
    pub iterations: usize,
    /// The way in which the weights of Eq. 9 and 10 get the equal mass that Eq. 7 needs.
    pub marginals: Marginals,
}

impl Default for Config {
    fn default() -> Self {
        Self { epsilon: 0.1, iterations: 50, marginals: Marginals::default() }
    }
}

impl univip_core::recipe::Config for Config {
    fn check(&self) -> Result<(), Invalid> {
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            let problem = format!("{} is not a positive number; 0.1 is usual", self.epsilon);
            return Err(Invalid { key: "epsilon", problem });
        }
        if self.iterations == 0 {
            return Err(Invalid { key: "iterations", problem: "0 leaves no plan; 50 is usual".into() });
        }
        Ok(())
    }
}

impl LossPlugin for Instance {
    type Config = Config;

    fn needs(_: &Config) -> Needs {
        Needs::from([online_instances(), target_instances(), online_scenes(), target_scenes()])
    }

    fn build(config: Config, _context: LossContext) -> Result<Self> {
        Ok(Self(config))
    }
}

/// o_k.
fn online_instances() -> Output {
    Output::online(INSTANCE, PREDICTOR)
}

/// t_k.
fn target_instances() -> Output {
    Output::target(INSTANCE_TARGET, PROJECTOR)
}

/// f_o1 and f_o2.
fn online_scenes() -> Output {
    Output::online(SCENE, PREDICTOR)
}

/// f_t1 and f_t2.
fn target_scenes() -> Output {
    Output::target(SCENE, PROJECTOR)
}

impl Loss for Instance {
    fn compute(&self, features: &Features, _step: &Step) -> Result<LossTerm> {
        let (online, target) =
            (features.stacked(&online_instances())?, features.stacked(&target_instances())?);
        let similarity = pairwise_cosine(online, target)?;
        let supplies = weights(online, features.pair(&target_scenes())?)?;
        let demands = weights(target, features.pair(&online_scenes())?)?;
        let plan = self.plan(&similarity, supplies, demands)?;
        let value = (similarity * &plan)?.sum((1, 2))?.mean_all()?.neg()?;
        Ok(LossTerm { value, diagnostics: diagnostics(online, &plan)? })
    }
}

impl Instance {
    /// The plans `[B, K, K]` of costs 1 - cos (Eq. 8), without a graph.
    fn plan(&self, similarity: &Tensor, mut supplies: Vec<f64>, mut demands: Vec<f64>) -> Result<Tensor> {
        let Config { epsilon, iterations, marginals } = self.0;
        let k = similarity.dim(D::Minus1)?;
        let costs: Vec<f64> = values(similarity)?.into_iter().map(|cosine| 1.0 - cosine).collect();
        for set in supplies.chunks_mut(k).chain(demands.chunks_mut(k)) {
            marginals.normalise(set);
        }
        let plans = Sinkhorn { epsilon, iterations }.plans(&costs, &supplies, &demands, k);
        let plans = Tensor::from_vec(plans, similarity.shape(), &Device::Cpu)?;
        Ok(plans.to_dtype(similarity.dtype())?.to_device(similarity.device())?)
    }
}

/// max(instance . mean of the scenes, 0) for each instance (Eq. 9, 10), `[B, K]` row by row.
fn weights(instances: &Tensor, [scene1, scene2]: [&Tensor; 2]) -> Result<Vec<f64>> {
    let scene = ((scene1.detach() + scene2.detach())? * 0.5)?.unsqueeze(D::Minus1)?;
    values(&instances.detach().contiguous()?.matmul(&scene.contiguous()?)?.relu()?)
}

fn values(tensor: &Tensor) -> Result<Vec<f64>> {
    let flat = tensor.detach().to_dtype(DType::F64)?.flatten_all()?;
    Ok(flat.to_device(&Device::Cpu)?.to_vec1()?)
}

fn diagnostics(online: &Tensor, plan: &Tensor) -> Result<Vec<(&'static str, f32)>> {
    let (batch, k, _) = online.dims3()?;
    let identity = Tensor::eye(k, plan.dtype(), plan.device())?;
    let diagonal = plan.broadcast_mul(&identity)?.sum((1, 2))?;
    let diagonal = (diagonal / plan.sum((1, 2))?)?.mean_all()?.to_dtype(DType::F32)?.to_scalar()?;
    let mut diagnostics = vec![("diagonal", diagonal), ("entropy", entropy(plan)?)];
    if k > 1 {
        let online = online.detach();
        let others = (1.0 - identity)?;
        let sum = pairwise_cosine(&online, &online)?.broadcast_mul(&others)?.sum_all()?;
        let pairs = (batch * k * (k - 1)) as f64;
        diagnostics.push(("similarity", (sum / pairs)?.to_dtype(DType::F32)?.to_scalar()?));
    }
    Ok(diagnostics)
}

/// The mean entropy of the plans' mass over their K^2 cells, as a share of ln K^2: 1 tells nothing apart, a permutation has
/// one half.
fn entropy(plan: &Tensor) -> Result<f32> {
    let cells = plan.dim(1)? * plan.dim(2)?;
    let entropy = |plan: &[f64]| -> f64 {
        let mass: f64 = plan.iter().sum();
        plan.iter()
            .map(|flow| flow / mass)
            .filter(|share| *share > 0.0)
            .map(|share| -share * share.ln())
            .sum()
    };
    let plans = values(plan)?;
    let entropies: Vec<f64> = plans.chunks(cells).map(entropy).collect();
    let mean = entropies.iter().sum::<f64>() / entropies.len().max(1) as f64;
    Ok(if cells == 1 { 0.0 } else { (mean / (cells as f64).ln()) as f32 })
}
