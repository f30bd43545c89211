//! The names and shapes of an architecture's tensors at any width, without the tensors: a file may claim a width that no memory
//! holds.

use super::names::Found;
use crate::layout::to_torchvision;
use crate::{BackbonePlan, Parameters};
use anyhow::Result;
use candle_core::Device;
use std::collections::{BTreeMap, BTreeSet};

/// The backbones of one architecture, by their width.
pub type Architecture = Box<dyn Fn(usize) -> BackbonePlan>;

/// Names and shapes of tensors.
pub(super) type Shapes = BTreeMap<String, Vec<usize>>;

/// An architecture, as its networks of width 1 and 2 show it: each side of a tensor is constant or grows with the width.
pub(super) struct Outline<'a> {
    architecture: &'a Architecture,
    /// By torchvision's layout.
    narrow: [Shapes; 2],
}

impl<'a> Outline<'a> {
    /// # Errors
    /// When there is no network of these widths.
    pub(super) fn of(architecture: &'a Architecture) -> Result<Self> {
        let shapes = |width| -> Result<Shapes> {
            let parameters = Parameters::new(0, &Device::Cpu);
            architecture(width).build(&parameters.frozen())?;
            let tensors = to_torchvision(&parameters.tensors())?.into_iter();
            Ok(tensors.map(|(name, tensor)| (name, tensor.dims().to_vec())).collect())
        };
        Ok(Self { architecture, narrow: [shapes(1)?, shapes(2)?] })
    }

    /// The backbone of that width.
    pub(super) fn plan(&self, width: usize) -> BackbonePlan {
        (self.architecture)(width)
    }

    /// The number of tensors.
    pub(super) fn len(&self) -> usize {
        self.narrow[0].len()
    }

    /// The names and shapes at a width.
    pub(super) fn at(&self, width: usize) -> Shapes {
        let [one, two] = &self.narrow;
        let shape = |(name, one): (&String, &Vec<usize>)| {
            let sides = one.iter().enumerate().map(|(axis, side)| {
                let more =
                    two.get(name).and_then(|two| two.get(axis)).map_or(0, |two| two.saturating_sub(*side));
                more.saturating_mul(width - 1).saturating_add(*side)
            });
            (name.clone(), sides.collect())
        };
        one.iter().map(shape).collect()
    }

    /// The number of names that are missing from `names` or not this architecture's.
    pub(super) fn differences(&self, names: &[&str], found: &Found) -> usize {
        let own: BTreeSet<String> = self.narrow[0].keys().map(|name| found.naming.of(name)).collect();
        let shared = names.iter().filter(|name| own.contains(**name)).count();
        own.len() + names.len() - 2 * shared
    }

    /// The width of a file that has all tensors of this architecture by their own names.
    pub(super) fn width(&self, shapes: &Shapes) -> Option<usize> {
        let [one, two] = &self.narrow;
        if !one.keys().all(|name| shapes.contains_key(name)) {
            return None;
        }
        let growing = one.iter().find_map(|(name, one)| {
            let axis = one.iter().zip(two.get(name)?).position(|(one, two)| two > one)?;
            Some((name, axis, one[axis], two.get(name)?[axis] - one[axis]))
        });
        let Some((name, axis, least, step)) = growing else { return Some(1) };
        let side = *shapes.get(name)?.get(axis)?;
        Some(side.checked_sub(least)? / step + 1)
    }
}
