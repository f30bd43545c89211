//! The networks' outputs for one batch, by name.

pub use super::outputs::{Needs, Output, Place, Side};

use crate::views::Facts;
use anyhow::{Context, Result, ensure};
use candle_core::Tensor;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The outputs that the losses asked for, for one batch of B images. Target outputs carry no gradient.
#[derive(Debug, Clone, Default)]
pub struct Features {
    outputs: BTreeMap<Output, Views>,
    facts: Arc<Facts>,
}

impl Features {
    /// No outputs so far, of a batch that is known by `facts`.
    pub fn new(facts: Facts) -> Self {
        Self { outputs: BTreeMap::new(), facts: Arc::new(facts) }
    }

    /// Adds an output of V views as one tensor, `[V B, ..]`: all first views, then all second ones, ...
    pub fn insert(&mut self, output: Output, joined: Tensor, views: usize) {
        let known = Views { count: views, ..Views::default() };
        let _ = known.joined.set(joined);
        self.outputs.insert(output, known);
    }

    /// Adds an output by its views, `[B, ..]` each: for tests.
    #[must_use]
    pub fn with_views(mut self, output: Output, views: impl IntoIterator<Item = Tensor>) -> Self {
        let views: Vec<Tensor> = views.into_iter().collect();
        let known = Views { count: views.len(), ..Views::default() };
        let _ = known.each.set(views);
        self.outputs.insert(output, known);
        self
    }

    /// Adds an output by its stacked views, `[B, V, ..]`: for tests.
    ///
    /// # Errors
    /// When the tensor has no second axis.
    pub fn with_stacked(mut self, output: Output, stacked: Tensor) -> Result<Self> {
        let known = Views { count: stacked.dim(1)?, ..Views::default() };
        let _ = known.stacked.set(stacked);
        self.outputs.insert(output, known);
        Ok(self)
    }

    /// The views of an output one by one, `[B, ..]` each.
    ///
    /// # Errors
    /// When the output was not among the loss's [`Needs`].
    pub fn views(&self, output: &Output) -> Result<&[Tensor]> {
        self.of(output)?.each()
    }

    /// The two views of an output of a group of two.
    ///
    /// # Errors
    /// As [`Features::views`], and when the group has another number of views.
    pub fn pair(&self, output: &Output) -> Result<[&Tensor; 2]> {
        let views = self.views(output)?;
        let [one, other] = views else {
            anyhow::bail!("{output} has {} views, and the loss compares 2", views.len());
        };
        Ok([one, other])
    }

    /// The views of an output side by side for each image: `[B, V, ..]`.
    ///
    /// # Errors
    /// As [`Features::views`].
    pub fn stacked(&self, output: &Output) -> Result<&Tensor> {
        self.of(output)?.stacked()
    }

    /// The views of an output one after another: `[V B, ..]`.
    ///
    /// # Errors
    /// As [`Features::views`].
    pub fn joined(&self, output: &Output) -> Result<&Tensor> {
        self.of(output)?.joined()
    }

    /// The other facts of the batch.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The same values without their graph.
    ///
    /// # Errors
    /// When tensors of a test do not fit each other.
    pub fn detached(&self) -> Result<Self> {
        let mut detached = Self { outputs: BTreeMap::new(), facts: self.facts.clone() };
        for (output, views) in &self.outputs {
            detached.insert(output.clone(), views.joined()?.detach(), views.count);
        }
        Ok(detached)
    }

    fn of(&self, output: &Output) -> Result<&Views> {
        self.outputs.get(output).with_context(|| format!("{output} was not asked for: name it in `needs`"))
    }
}

/// An output in the forms that losses read it in. Each is made once: losses that read the same form share its graph.
#[derive(Debug, Clone, Default)]
struct Views {
    count: usize,
    joined: OnceCell<Tensor>,
    each: OnceCell<Vec<Tensor>>,
    stacked: OnceCell<Tensor>,
}

impl Views {
    fn joined(&self) -> Result<&Tensor> {
        if let Some(joined) = self.joined.get() {
            return Ok(joined);
        }
        let joined = Tensor::cat(self.each()?, 0)?;
        Ok(self.joined.get_or_init(|| joined))
    }

    fn each(&self) -> Result<&[Tensor]> {
        if let Some(each) = self.each.get() {
            return Ok(each);
        }
        let each = match (self.joined.get(), self.stacked.get()) {
            (Some(joined), _) if self.count == 1 => vec![joined.clone()],
            (Some(joined), _) => {
                let batch = joined.dim(0)? / self.count.max(1);
                let view = |view| Ok(joined.narrow(0, view * batch, batch)?.contiguous()?);
                (0..self.count).map(view).collect::<Result<Vec<_>>>()?
            }
            (None, Some(stacked)) => {
                let view = |view| Ok(stacked.narrow(1, view, 1)?.squeeze(1)?.contiguous()?);
                (0..self.count).map(view).collect::<Result<Vec<_>>>()?
            }
            (None, None) => Vec::new(),
        };
        Ok(self.each.get_or_init(|| each))
    }

    fn stacked(&self) -> Result<&Tensor> {
        if let Some(stacked) = self.stacked.get() {
            return Ok(stacked);
        }
        let stacked = match self.joined.get() {
            Some(joined) => {
                let (views, rest) = (self.count, &joined.dims()[1..]);
                ensure!(views > 0, "a group of no views has nothing to stack");
                let shape: Vec<usize> = [&[views, joined.dim(0)? / views], rest].concat();
                joined.reshape(shape)?.transpose(0, 1)?.contiguous()?
            }
            None => Tensor::stack(self.each()?, 1)?,
        };
        Ok(self.stacked.get_or_init(|| stacked))
    }
}
