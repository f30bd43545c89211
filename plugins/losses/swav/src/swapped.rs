//! Loss swav: each view predicts the other views' assignments to prototypes.

use crate::Settings;
use anyhow::{Result, ensure};
use candle_core::{D, Tensor, Var};
use univip_core::loss::{Loss, LossContext, LossTerm, Step};
use univip_core::memory::{Queue, refuse_uneven};
use univip_core::networks::{Features, Needs};
use univip_core::nn::Init;
use univip_core::nn::cross_entropy::log_softmax;
use univip_core::registry::LossPlugin;
use univip_core::similarity::unit;

/// The mean, over large views i and all views v but i, of the cross-entropy of v's softmax over prototypes with i's assignment
/// (Caron et al. 2020, Eq. 1, 2). No target network: assignments carry no gradient.
///
/// Prototypes are parameters of the loss, of length one at the beginning of each step. Freeze them at first by a rule:
/// `[[optimizer.rules]]` with `prefix = "loss.swav.prototypes"` and `frozen_until`. The value begins near the logarithm of their
/// number; one that stays there asks for a longer freeze or a shorter queue (issues 62 and 69 of the authors').
///
/// The diagnostic `used` is the share of prototypes that are the nearest one of any large view of the batch.
pub struct Swav {
    settings: Settings,
    /// `[K, D]`.
    prototypes: Tensor,
    memory: Option<Memory>,
    accumulated: bool,
}

/// Earlier features of the large views, a queue for each view.
struct Memory {
    queues: Vec<Queue>,
    /// The keys that have entered each queue, until it is full.
    filled: Var,
    length: usize,
}

impl LossPlugin for Swav {
    type Config = Settings;

    fn needs(settings: &Settings) -> Needs {
        settings.needs()
    }

    fn build(settings: Settings, context: LossContext) -> Result<Self> {
        let views: usize =
            settings.outputs().iter().map(|output| context.views(&output.group)).sum::<Result<_>>()?;
        ensure!(
            views > 1,
            "one view has no other to predict: add some to the group `{}` or `small`",
            settings.group
        );
        let size = context.size(&settings.large())?;
        let init = Init::Uniform { bound: 1.0 / (size as f32).sqrt() };
        let prototypes = context.parameters.weight("prototypes", (settings.prototypes, size), init)?;
        let memory = match settings.queue {
            0 => None,
            length => Some(Memory::new(length, size, &settings.group, &context)?),
        };
        Ok(Self { settings, prototypes, memory, accumulated: context.passes > 1 })
    }
}

impl Loss for Swav {
    fn compute(&self, features: &Features, _step: &Step) -> Result<LossTerm> {
        let mut scores = Vec::new();
        for output in self.settings.outputs() {
            for view in features.views(&output)? {
                scores.push(self.scores(&unit(view)?)?);
            }
        }
        let large = features.views(&self.settings.large())?.len();
        let predictions = scores.iter().map(|scores| self.log_shares(scores));
        let predictions: Vec<Tensor> = predictions.collect::<Result<_>>()?;
        let mut terms = Vec::new();
        for (place, own) in scores[..large].iter().enumerate() {
            let assignment = self.assignment(own, place)?;
            let others = predictions.iter().enumerate().filter(|(view, _)| *view != place);
            for (_, prediction) in others {
                terms.push((&assignment * prediction)?.sum(D::Minus1)?.mean_all()?);
            }
        }
        let value = Tensor::stack(&terms, 0)?.mean_all()?.neg()?;
        Ok(LossTerm { value, diagnostics: vec![("used", self.used(&scores[..large])?)] })
    }

    fn remarks(&self) -> Vec<String> {
        let remark = "train.accumulate does not enlarge the batch that is spread over prototypes: that is train.batch and the queue";
        if self.accumulated { vec![remark.into()] } else { Vec::new() }
    }

    fn before_step(&self, _step: &Step) -> Result<()> {
        let normalised = unit(&self.prototypes.detach())?.contiguous()?;
        Ok(self.prototypes.slice_set(&normalised, 0, 0)?)
    }

    fn after_step(&self, passes: &[Features], step: &Step) -> Result<()> {
        let Some(memory) = &self.memory else { return Ok(()) };
        if step.epoch() < self.settings.queue_from {
            return Ok(());
        }
        passes.iter().try_for_each(|features| memory.push(features.views(&self.settings.large())?))
    }
}

impl Swav {
    /// The cosines of features `[N, D]` with the prototypes: `[N, K]`.
    fn scores(&self, features: &Tensor) -> Result<Tensor> {
        Ok(features.matmul(&self.prototypes.t()?.contiguous()?)?)
    }

    /// The logarithms of the softmax of scores `[N, K]` over prototypes.
    fn log_shares(&self, scores: &Tensor) -> Result<Tensor> {
        log_softmax(&(scores / self.settings.temperature)?)
    }

    /// The assignments of a large view by its scores `[B, K]`, among those of earlier features once there are enough.
    fn assignment(&self, scores: &Tensor, view: usize) -> Result<Tensor> {
        let (scores, sinkhorn) = (scores.detach(), self.settings.sinkhorn());
        let earlier = self.memory.as_ref().map(|memory| memory.full(view)).transpose()?.flatten();
        let Some(earlier) = earlier else { return Ok(sinkhorn.assignments(&scores)?) };
        let all = Tensor::cat(&[&scores, &self.scores(&earlier)?.detach()], 0)?;
        Ok(sinkhorn.assignments(&all)?.narrow(0, 0, scores.dim(0)?)?.contiguous()?)
    }

    fn used(&self, scores: &[Tensor]) -> Result<f32> {
        let mut nearest = Tensor::cat(scores, 0)?.detach().argmax(D::Minus1)?.to_vec1::<u32>()?;
        nearest.sort_unstable();
        nearest.dedup();
        Ok(nearest.len() as f32 / self.settings.prototypes as f32)
    }
}

impl Memory {
    fn new(length: usize, size: usize, group: &str, context: &LossContext) -> Result<Self> {
        refuse_uneven("loss.swav.queue", length, context.batch)?;
        let queue = |view| Queue::new(length, size, &context.parameters.enter(format!("view{view}")));
        let queues = (0..context.views(group)?).map(queue).collect::<Result<_>>()?;
        Ok(Self { queues, filled: context.parameters.buffer("filled", 1, 0.0)?, length })
    }

    fn filled(&self) -> Result<usize> {
        Ok(self.filled.to_vec1::<f32>()?[0] as usize)
    }

    /// The earlier features of a view, once they fill its queue: before, some of its rows are none.
    fn full(&self, view: usize) -> Result<Option<Tensor>> {
        Ok((self.filled()? >= self.length).then(|| self.queues[view].keys()))
    }

    fn push(&self, views: &[Tensor]) -> Result<()> {
        for (queue, view) in self.queues.iter().zip(views) {
            queue.push(view)?;
        }
        let entered = views.first().map_or(Ok(0), |view| view.dim(0))?;
        let filled = (self.filled()? + entered).min(self.length);
        Ok(self.filled.set(&Tensor::new(&[filled as f32], self.filled.device())?)?)
    }
}
