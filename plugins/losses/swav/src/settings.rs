//! `[loss.swav]` of a recipe.

use crate::Sinkhorn;
use serde::{Deserialize, Serialize};
use univip_core::config::{at_least, positive, require};
use univip_core::networks::{Needs, Output, PROJECTOR};
use univip_core::recipe::{Config, Invalid};
use univip_core::views::SCENE;

/// `[loss.swav]`. The defaults are those of the authors' code, with batches of 256 (`scripts/swav_200ep_bs256_pretrain.sh`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The number of prototypes.
    pub prototypes: usize,
    /// The temperature of predictions, which scores are divided by.
    pub temperature: f64,
    /// Sinkhorn's weight of the entropy, at least 0.025: cosines over less leave the range of a float.
    pub epsilon: f64,
    /// Sinkhorn's iterations.
    pub iterations: usize,
    /// The earlier features of each large view that take part in assignments; 0 for none. `train.batch` must divide it.
    pub queue: usize,
    /// The epoch, counted from 0, at whose beginning the queue begins to fill; it takes part once it is full.
    pub queue_from: u64,
    /// The group of large views: their assignments are predicted.
    pub group: String,
    /// Groups of views that predict and are not predicted.
    pub small: Vec<String>,
    /// The online network's head.
    pub head: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prototypes: 3000,
            temperature: 0.1,
            epsilon: 0.05,
            iterations: 3,
            queue: 3840,
            queue_from: 15,
            group: SCENE.into(),
            small: vec!["local".into()],
            head: PROJECTOR.into(),
        }
    }
}

impl Config for Settings {
    fn check(&self) -> Result<(), Invalid> {
        at_least("prototypes", self.prototypes as u64, 2)?;
        positive("temperature", self.temperature)?;
        positive("epsilon", self.epsilon)?;
        require(self.epsilon >= 0.025, "epsilon", || {
            format!("expected at least 0.025, found {}: float32 ends below exp(-80)", self.epsilon)
        })?;
        at_least("iterations", self.iterations as u64, 1)?;
        require(!self.small.contains(&self.group), "small", || {
            format!("`{}` is the group of large views", self.group)
        })
    }
}

impl Settings {
    /// The outputs of the large views.
    pub(crate) fn large(&self) -> Output {
        Output::online(&self.group, &self.head)
    }

    /// The outputs of all views: the large ones first.
    pub(crate) fn outputs(&self) -> Vec<Output> {
        let groups = std::iter::once(&self.group).chain(&self.small);
        groups.map(|group| Output::online(group, &self.head)).collect()
    }

    pub(crate) fn needs(&self) -> Needs {
        self.outputs().into_iter().collect()
    }

    pub(crate) fn sinkhorn(&self) -> Sinkhorn {
        Sinkhorn { epsilon: self.epsilon, iterations: self.iterations }
    }
}
