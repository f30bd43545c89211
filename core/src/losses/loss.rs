//! The trait of losses.

use crate::networks::{Features, Output, Place};
use crate::nn::Scope;
use crate::seed::{Stream, stream};
use crate::views::Group;
use anyhow::{Context, Result, ensure};
use candle_core::Tensor;
use std::collections::BTreeMap;

/// A term of the total loss (Eq. 12): a function of [`Features`], of the batch's facts and of the step.
///
/// It may own parameters (optimised, not in the target network) and buffers (a queue, a bank: checkpointed), which it makes in
/// its builder from [`LossContext::parameters`]; it never runs the networks.
pub trait Loss {
    /// The term for one forward pass: the mean over the batch's images.
    ///
    /// A part whose weight may be 0 is multiplied by a tensor and not by a number: candle leaves what is multiplied by the number 0
    /// out of the graph, and a head or parameter without a gradient is refused.
    ///
    /// # Errors
    /// When the features have not the shapes that the loss was built for.
    fn compute(&self, features: &Features, step: &Step) -> Result<LossTerm>;

    /// Consequences of these settings that a user should know, a sentence each, told when training begins: that its batch of
    /// negatives does not grow with `train.accumulate`, say.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Called once before each optimiser step, when no network has run yet: the place to normalise prototypes.
    ///
    /// A parameter shares its values with every copy of its tensor, so that the loss writes them in place:
    /// `self.prototypes.slice_set(&unit(&self.prototypes.detach())?.contiguous()?, 0, 0)?`.
    ///
    /// # Errors
    /// When that fails; the step is not made.
    fn before_step(&self, _step: &Step) -> Result<()> {
        Ok(())
    }

    /// Called once after each optimiser step with the features of all its forward passes, without their graphs: the place to
    /// fill a queue or a bank.
    ///
    /// # Errors
    /// When that fails; the run stops.
    fn after_step(&self, _passes: &[Features], _step: &Step) -> Result<()> {
        Ok(())
    }
}

/// The optimiser step that a loss is called in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Step {
    /// Counted from 0.
    pub number: u64,
    /// The optimiser steps of an epoch.
    pub steps_per_epoch: u64,
    /// The forward pass within the step, counted from 0; more than one accumulates gradients.
    pub pass: usize,
    /// The run's seed.
    pub seed: u64,
}

impl Step {
    /// The epoch, counted from 0.
    pub fn epoch(&self) -> u64 {
        self.number / self.steps_per_epoch.max(1)
    }

    /// The random numbers of one purpose in this forward pass. Put the loss's name into `purpose`, so that no two losses share
    /// numbers.
    pub fn stream(&self, purpose: &str) -> Stream {
        stream(self.seed, &format!("loss {purpose}"), &[self.number, self.pass as u64])
    }
}

/// The value of a loss and what is worth logging beside it.
#[derive(Debug, Clone)]
pub struct LossTerm {
    /// The loss, a scalar with its graph.
    pub value: Tensor,
    /// Named numbers to log (without a graph): the plan's diagonal mass, a similarity.
    pub diagnostics: Vec<(&'static str, f32)>,
}

impl From<Tensor> for LossTerm {
    fn from(value: Tensor) -> Self {
        Self { value, diagnostics: Vec::new() }
    }
}

/// The inputs of a loss's builder, besides its own table of the recipe.
pub struct LossContext {
    /// The scope of its parameters and buffers; names come out as `loss.<name>.<parameter>`, which `[[optimizer.rules]]` of a recipe
    /// may name: to freeze prototypes at first, say.
    pub parameters: Scope,
    /// The channels of each place whose output can be asked for.
    pub sizes: BTreeMap<Place, usize>,
    /// The view sampler's groups.
    pub groups: Vec<Group>,
    /// N, the number of images that are learned from; their indices are below it.
    pub images: usize,
    /// B, the images of a forward pass.
    pub batch: usize,
    /// The forward passes of an optimiser step (`train.accumulate`).
    pub passes: usize,
    /// The number of classes; 0 where the images have no labels.
    pub classes: usize,
}

impl LossContext {
    /// Parameters, and nothing known of networks or data: for tests, which fill in what they need.
    pub fn of(parameters: Scope) -> Self {
        let (sizes, groups) = (BTreeMap::new(), Vec::new());
        Self { parameters, sizes, groups, images: 0, batch: 0, passes: 1, classes: 0 }
    }

    /// The channels of an output.
    ///
    /// # Errors
    /// When no network has that place.
    pub fn size(&self, output: &Output) -> Result<usize> {
        let size = self.sizes.get(&output.place).copied();
        size.with_context(|| format!("no network has the place `{}`", output.place))
    }

    /// The keys that a forward pass makes of the group `key`, one for each view of the group `query`.
    ///
    /// # Errors
    /// When there is no such group, or the two have different numbers of views.
    pub fn keys(&self, query: &str, key: &str) -> Result<usize> {
        let (queries, keys) = (self.views(query)?, self.views(key)?);
        ensure!(
            queries == keys,
            "the group `{query}` has {queries} views and `{key}` has {keys}: a key belongs to one query"
        );
        Ok(keys * self.batch)
    }

    /// The number of views of a group.
    ///
    /// # Errors
    /// When the view sampler has no such group.
    pub fn views(&self, group: &str) -> Result<usize> {
        let found = self.groups.iter().find(|known| known.name == group).map(Group::views);
        found.with_context(|| format!("the view sampler has no group `{group}`"))
    }
}
