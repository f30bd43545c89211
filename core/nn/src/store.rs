//! Named parameters and buffers, in one sorted map, with deterministic initial values.

use super::{Synchronise, Synchroniser};
use anyhow::{Context, Result, bail};
use candle_core::{Device, Shape, Tensor, Var};
use rand::Rng;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use univip_stdx::refusal::brief;
use univip_stdx::seed;

/// The values a new parameter starts with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All the same.
    Constant(f32),
    /// Uniform in `-bound..bound`.
    Uniform {
        /// Half the width of the range.
        bound: f32,
    },
    /// Normal around 0.
    Normal {
        /// The standard deviation.
        std: f32,
    },
}

/// The part that a parameter plays in its layer. Weight decay and LARS leave parameters out by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A matrix, a kernel or anything else that inputs are multiplied by.
    Weight,
    /// An offset added to the outputs of a layer that does not normalise.
    Bias,
    /// The scale or the offset of a normalisation layer.
    Norm,
}

/// The parameters and buffers of a network and its losses, by name.
///
/// A parameter is optimised (or, in a target network, averaged); a buffer is only kept in checkpoints.
#[derive(Clone)]
pub struct Parameters {
    inner: Arc<Mutex<Inner>>,
    device: Device,
    seed: u64,
    synchronise: Option<Arc<dyn Synchronise>>,
}

#[derive(Default)]
struct Inner {
    parameters: BTreeMap<String, Parameter>,
    buffers: BTreeMap<String, Var>,
}

struct Parameter {
    var: Var,
    role: Role,
}

impl Inner {
    /// Parameters and buffers.
    fn all(&self) -> impl Iterator<Item = (&String, &Var)> {
        self.parameters.iter().map(|(name, parameter)| (name, &parameter.var)).chain(&self.buffers)
    }
}

impl Parameters {
    /// An empty store whose initial values follow from `seed` and each parameter's name alone.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { inner: Arc::default(), device: device.clone(), seed, synchronise: None }
    }

    /// The same store; batch norms that are made in its scopes from now on share their statistics with other participants
    /// through `hook`. [`Synchronise`] says what that must do, and on which threads such networks may run.
    #[must_use]
    pub fn synchronised(self, hook: Arc<dyn Synchronise>) -> Self {
        Self { synchronise: Some(hook), ..self }
    }

    /// True if its batch norms share their statistics with other participants.
    pub fn is_synchronised(&self) -> bool {
        self.synchronise.is_some()
    }

    /// The device of the tensors.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The root scope, whose parameters carry gradients.
    pub fn trainable(&self) -> Scope {
        Scope { parameters: self.clone(), prefix: String::new(), frozen: false }
    }

    /// The root scope whose tensors share the storage of the parameters but never enter a graph: for
    /// target networks and frozen backbones. They see every later change of the values.
    pub fn frozen(&self) -> Scope {
        Scope { frozen: true, ..self.trainable() }
    }

    /// The parameters, sorted by name.
    pub fn parameters(&self) -> BTreeMap<String, Var> {
        self.lock().parameters.iter().map(|(name, parameter)| (name.clone(), parameter.var.clone())).collect()
    }

    /// The buffers, sorted by name.
    pub fn buffers(&self) -> BTreeMap<String, Var> {
        self.lock().buffers.clone()
    }

    /// The role of each parameter, sorted by name.
    pub fn roles(&self) -> BTreeMap<String, Role> {
        self.lock().parameters.iter().map(|(name, parameter)| (name.clone(), parameter.role)).collect()
    }

    /// All values by name, parameters and buffers, for a checkpoint.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        self.lock().all().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
    }

    /// Sets every parameter and buffer.
    ///
    /// # Errors
    /// When a name is missing or left over, or a shape differs: all of them are listed, and nothing is set.
    pub fn load(&self, values: &BTreeMap<String, Tensor>) -> Result<()> {
        self.load_inside("", values)
    }

    /// Sets every parameter and buffer whose name begins with `prefix`, by the rest of its name.
    ///
    /// # Errors
    /// As [`Parameters::load`].
    pub fn load_inside(&self, prefix: &str, values: &BTreeMap<String, Tensor>) -> Result<()> {
        let inner = self.lock();
        let own: BTreeMap<&str, &Var> =
            inner.all().filter_map(|(name, var)| Some((name.strip_prefix(prefix)?, var))).collect();
        let expected = own.iter().map(|(name, var)| (*name, var.dims()));
        let found = values.iter().map(|(name, value)| (name.as_str(), value.dims()));
        fit(expected, found).context("the tensors do not fit the network")?;
        for (name, var) in own {
            // Copied, since the values may be views of this very store.
            var.set(&values[name].to_device(&self.device)?.copy()?)?;
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A panic while the lock is held cannot leave the map half changed.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Refuses tensors, by their names and shapes, that are not those which are expected.
///
/// # Errors
/// Counts the names that are missing, those that are left over and the shapes that differ, with the first of each kind.
pub fn fit<'a>(
    expected: impl Iterator<Item = (&'a str, &'a [usize])>,
    found: impl Iterator<Item = (&'a str, &'a [usize])>,
) -> Result<()> {
    const SHOWN: usize = 3;
    let expected: BTreeMap<&str, &[usize]> = expected.collect();
    let found: BTreeMap<&str, &[usize]> = found.collect();
    let (mut missing, mut differing) = (Vec::new(), Vec::new());
    for (name, shape) in &expected {
        match found.get(*name) {
            None => missing.push(format!("{} {shape:?}", brief(name))),
            Some(other) if other != shape => {
                differing.push(format!("{} is {other:?}, expected {shape:?}", brief(name)))
            }
            Some(_) => {}
        }
    }
    let surplus = found.keys().filter(|name| !expected.contains_key(*name)).map(|name| brief(name)).collect();
    let groups = [("missing", missing), ("unexpected", surplus), ("of another shape", differing)];
    let listed: Vec<String> = groups
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| {
            let more = if names.len() > SHOWN { ", ..." } else { "" };
            format!("{} {what}: {}{more}", names.len(), names[..names.len().min(SHOWN)].join(", "))
        })
        .collect();
    if !listed.is_empty() {
        bail!("{}", listed.join("; "));
    }
    Ok(())
}

/// A place in the tree of names where a layer makes its parameters.
#[derive(Clone)]
pub struct Scope {
    parameters: Parameters,
    prefix: String,
    frozen: bool,
}

impl Scope {
    /// The scope `name` inside this one.
    #[must_use]
    pub fn enter(&self, name: impl std::fmt::Display) -> Self {
        Self { prefix: self.path(name), ..self.clone() }
    }

    /// The parameter `name` that inputs are multiplied by, made with `init` when it is new.
    ///
    /// # Errors
    /// When it exists with another shape or role.
    pub fn weight(&self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Tensor> {
        self.parameter(name, Role::Weight, shape.into(), init)
    }

    /// The parameter `name` that is added to the outputs of a layer, made with `init` when it is new. The offset of a
    /// normalisation layer is made by [`Scope::norm`].
    ///
    /// # Errors
    /// When it exists with another shape or role.
    pub fn bias(&self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Tensor> {
        self.parameter(name, Role::Bias, shape.into(), init)
    }

    /// The parameter `name` of a normalisation layer, its scale or its offset, made with `init` when it is new.
    ///
    /// # Errors
    /// When it exists with another shape or role.
    pub fn norm(&self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Tensor> {
        self.parameter(name, Role::Norm, shape.into(), init)
    }

    fn parameter(&self, name: &str, role: Role, shape: Shape, init: Init) -> Result<Tensor> {
        let path = self.path(name);
        let mut inner = self.parameters.lock();
        let var = match inner.parameters.get(&path) {
            Some(known) if known.role != role => {
                bail!("{path} is a parameter of the role {:?}, asked for as {role:?}", known.role)
            }
            Some(known) => known.var.clone(),
            None => {
                let var = self.initial(&path, &shape, init).with_context(|| format!("parameter {path}"))?;
                inner.parameters.insert(path.clone(), Parameter { var: var.clone(), role });
                var
            }
        };
        self.checked(var, &path, &shape)
            .map(|var| if self.frozen { var.as_detached_tensor() } else { var.as_tensor().clone() })
    }

    /// The buffer `name`, filled with `value` when it is new.
    ///
    /// # Errors
    /// When it exists with another shape.
    pub fn buffer(&self, name: &str, shape: impl Into<Shape>, value: f32) -> Result<Var> {
        self.random_buffer(name, shape, Init::Constant(value))
    }

    /// The buffer `name`, made with `init` when it is new.
    ///
    /// # Errors
    /// When it exists with another shape.
    pub fn random_buffer(&self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Var> {
        let path = self.path(name);
        let shape = shape.into();
        let mut inner = self.parameters.lock();
        let var = match inner.buffers.get(&path) {
            Some(var) => var.clone(),
            None => {
                let var = self.initial(&path, &shape, init).with_context(|| format!("buffer {path}"))?;
                inner.buffers.insert(path.clone(), var.clone());
                var
            }
        };
        self.checked(var, &path, &shape)
    }

    /// All values made inside this scope so far, by their names inside it.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        let prefix = self.path("");
        let all = self.parameters.tensors().into_iter();
        all.filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?.to_string(), value))).collect()
    }

    /// The access of the layer of this scope to other participants, where the store is synchronised.
    pub fn synchroniser(&self) -> Option<Synchroniser> {
        let hook = self.parameters.synchronise.as_ref()?;
        Some(Synchroniser::new(hook.clone(), self.prefix.clone()))
    }

    /// The device of the tensors.
    pub fn device(&self) -> &Device {
        &self.parameters.device
    }

    fn path(&self, name: impl std::fmt::Display) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) }
    }

    fn checked(&self, var: Var, path: &str, shape: &Shape) -> Result<Var> {
        if var.shape() != shape {
            bail!("{path} has the shape {:?}, asked for {shape:?}", var.shape());
        }
        Ok(var)
    }

    fn initial(&self, path: &str, shape: &Shape, init: Init) -> Result<Var> {
        let mut stream = seed::stream(self.parameters.seed, "parameter", &[]);
        if !matches!(init, Init::Constant(_)) {
            stream = seed::stream(self.parameters.seed, &format!("parameter {path}"), &[]);
        }
        let values: Vec<f32> = (0..shape.elem_count())
            .map(|_| match init {
                Init::Constant(value) => value,
                Init::Uniform { bound } => (stream.random::<f32>() * 2.0 - 1.0) * bound,
                Init::Normal { std } => seed::standard_normal(&mut stream) * std,
            })
            .collect();
        Ok(Var::from_vec(values, shape.clone(), &self.parameters.device)?)
    }
}
