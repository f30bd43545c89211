//! Gradients by parameter name, free of their graph.

use crate::Parameters;
use anyhow::{Result, bail};
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use std::collections::BTreeMap;

/// The gradients of one backward pass, or the sum of several.
#[derive(Debug, Clone, Default)]
pub struct Gradients(BTreeMap<String, Tensor>);

impl Gradients {
    /// Takes the gradients of `parameters` out of a backward pass. A parameter that the loss does not
    /// depend on has none.
    pub fn of(store: &mut GradStore, parameters: &Parameters) -> Self {
        let gradients = parameters.parameters().into_iter().filter_map(|(name, parameter)| {
            // Detached: candle leaves a gradient attached to the graph that made it, and a momentum
            // buffer that held on to it would keep every step's graph alive.
            Some((name, store.remove(&parameter)?.detach()))
        });
        Self(gradients.collect())
    }

    /// Adds the gradients of another backward pass.
    ///
    /// # Errors
    /// When a parameter's shapes differ.
    pub fn add(&mut self, other: Self) -> Result<()> {
        for (name, gradient) in other.0 {
            let sum = match self.0.get(&name) {
                Some(sum) => (sum + gradient)?,
                None => gradient,
            };
            self.0.insert(name, sum);
        }
        Ok(())
    }

    /// Multiplies all of them, as by one over the number of passes added.
    ///
    /// # Errors
    /// When the device has no memory for it.
    pub fn scale(&mut self, factor: f64) -> Result<()> {
        for gradient in self.0.values_mut() {
            *gradient = (&*gradient * factor)?;
        }
        Ok(())
    }

    /// The gradient of a parameter.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.0.iter()
    }

    /// Refuses gradients of others than `names`, and the lack of one that is `needed`.
    pub(super) fn check_names<'a>(
        &self,
        names: impl Iterator<Item = &'a String> + Clone,
        needed: impl Fn(&String) -> bool,
    ) -> Result<()> {
        let missing: Vec<_> =
            names.clone().filter(|name| !self.0.contains_key(*name) && needed(name)).collect();
        if !missing.is_empty() {
            bail!("no loss depends on {missing:?}: use a loss that does, or do not make the parameter");
        }
        let known: Vec<_> = names.collect();
        let unknown: Vec<_> = self.0.keys().filter(|name| known.binary_search(name).is_err()).collect();
        if !unknown.is_empty() {
            bail!("{unknown:?} were made after the optimiser: make every parameter before it");
        }
        Ok(())
    }
}

impl FromIterator<(String, Tensor)> for Gradients {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(gradients: I) -> Self {
        Self(gradients.into_iter().map(|(name, gradient)| (name, gradient.detach())).collect())
    }
}
