//! The hook by which batch norm shares its statistics over several devices or processes (SyncBN).

use anyhow::{Context, Result, bail};
use std::fmt::Display;
use std::sync::Arc;

/// A way to exchange numbers between participants, each of which trains a replica of the same networks on a part of each
/// batch.
///
/// Synchronised batch norm (Peng et al. 2018, "MegDet") normalises each part by the statistics of the whole batch.
/// [`Parameters::synchronised`](super::Parameters::synchronised) plugs it in; [`Participant`](super::Participant) is the one
/// for threads of a process.
///
/// A batch norm in training gathers once in its forward pass, and once in its backward pass if a gradient flows on
/// to its input. So all participants must run the same layers in the same order. They do when they run the same code: the
/// order in which a graph is gone back through follows from how it was built, not from time. What would break it
/// is a layer that only some run, say a head for objects on a part of the batch without any; or a processor beside another kind
/// of device, since their backward passes exchange different sums.
///
/// Gradients of parameters are not exchanged here: as with PyTorch's `SyncBatchNorm`, those of weights and biases are of
/// the own part, and whoever trains adds them up.
///
/// Gathering waits for the others, on the thread that called `forward` or `backward`. Let that be no thread of a rayon pool
/// that another participant has work for, as [`in_pool`](univip_stdx::pool::in_pool) would make it: that work may never begin.
/// Give each participant a thread of its own, or a pool of its own to be `install`ed in.
pub trait Synchronise: Send + Sync {
    /// Every participant's numbers, in the order of the participants, which is the same for all of them and always. This makes
    /// results the same to the last bit for all, whoever came first.
    ///
    /// `what` says in words what the numbers are, and of which layer: all participants say the same, or have lost step.
    ///
    /// # Errors
    /// When a participant has failed, is gone or gathers something else. An error here must reach the others too: nobody
    /// may wait for ever.
    fn gather(&self, what: &str, own: Vec<f64>) -> Result<Vec<Vec<f64>>>;
}

/// A layer's access to the other participants.
#[derive(Clone)]
pub struct Synchroniser {
    hook: Arc<dyn Synchronise>,
    layer: String,
}

impl Synchroniser {
    /// For the layer of this name.
    pub fn new(hook: Arc<dyn Synchronise>, layer: impl Into<String>) -> Self {
        Self { hook, layer: layer.into() }
    }

    /// [`Synchronise::gather`] of this layer's numbers, as many from each participant.
    ///
    /// # Errors
    /// When the exchange fails, or a participant has given another count of numbers.
    pub fn gather(&self, what: impl Display, own: Vec<f64>) -> Result<Vec<Vec<f64>>> {
        let (what, count) = (format!("{what} of {}", self.layer), own.len());
        let all = self.hook.gather(&what, own).with_context(|| format!("cannot gather the {what}"))?;
        if all.is_empty() {
            bail!("gathered the {what} of nobody, not even the own ones");
        }
        if let Some(rank) = all.iter().position(|part| part.len() != count) {
            let found = all[rank].len();
            bail!("participant {rank} gave {found} numbers as the {what}, {count} were expected");
        }
        Ok(all)
    }
}
