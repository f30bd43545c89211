//! A backbone with its heads.

use super::NetworkSettings;
use super::heads::{Head, HeadContext, HeadInput, HeadPlan};
use super::outputs::{Place, with_sources};
use crate::nn::{Backbone, BackbonePlan, Mode, Scope};
use anyhow::{Context, Result};
use candle_core::Tensor;
use std::collections::{BTreeMap, BTreeSet};

/// One network: a backbone and the heads behind it.
pub(super) struct Encoder {
    backbone: Box<dyn Backbone>,
    /// Each behind those that it reads.
    heads: Vec<Placed>,
}

struct Placed {
    name: String,
    from: Vec<Place>,
    head: Box<dyn Head>,
}

impl Encoder {
    /// The backbone and those of `heads` that are in `required`.
    pub(super) fn new(
        backbone: &BackbonePlan,
        settings: &NetworkSettings,
        heads: &[HeadPlan],
        required: &BTreeSet<Place>,
        scope: &Scope,
    ) -> Result<Self> {
        let backbone = backbone.build(&scope.enter("backbone"))?;
        let mut encoder = Self { backbone, heads: Vec::new() };
        for HeadPlan { name, placement, build } in heads {
            if !required.contains(&Place::Head(name.clone())) {
                continue;
            }
            let (from, sizes): (Vec<Place>, _) = (placement.places().collect(), encoder.sizes());
            let inputs = from.iter().map(|place| {
                sizes
                    .get(place)
                    .copied()
                    .with_context(|| format!("`{place}` is no place before the head `{name}`"))
            });
            let context = HeadContext {
                parameters: scope.enter(name),
                inputs: inputs.collect::<Result<_>>()?,
                hidden: settings.hidden,
                output: settings.output,
            };
            let head = build(context).with_context(|| format!("head `{name}`"))?;
            encoder.heads.push(Placed { name: name.clone(), from, head });
        }
        Ok(encoder)
    }

    /// The channels of each place.
    pub(super) fn sizes(&self) -> BTreeMap<Place, usize> {
        let stages = self.backbone.stages().iter().enumerate();
        let mut sizes: BTreeMap<Place, usize> =
            stages.map(|(index, stage)| (Place::Stage(index + 1), stage.channels)).collect();
        sizes.insert(Place::Pooled, self.backbone.feature_size());
        sizes.extend(self.heads.iter().map(|placed| (Place::Head(placed.name.clone()), placed.head.size())));
        sizes
    }

    /// The outputs of `places` for images `[V B, S, S, 3]`; no more is run than they take.
    pub(super) fn run(
        &self,
        images: &Tensor,
        mode: Mode,
        places: &BTreeSet<Place>,
    ) -> Result<BTreeMap<Place, Tensor>> {
        let heads = self.heads.iter().rev().map(|placed| (placed.name.as_str(), placed.from.iter().cloned()));
        let required = with_sources(places.clone(), heads);
        let stages: Vec<usize> = required
            .iter()
            .filter_map(|place| if let Place::Stage(stage) = place { Some(*stage) } else { None })
            .collect();
        let (maps, pooled) = self.backbone.maps_and_pooled(images, mode, &stages)?;
        let mut outputs: BTreeMap<Place, Tensor> =
            stages.iter().map(|stage| Place::Stage(*stage)).zip(maps).collect();
        outputs.insert(Place::Pooled, pooled);
        for Placed { name, from, head } in &self.heads {
            let place = Place::Head(name.clone());
            if !required.contains(&place) {
                continue;
            }
            let inputs: Vec<Tensor> = from.iter().filter_map(|place| outputs.get(place).cloned()).collect();
            let output =
                head.forward(&HeadInput { from: &inputs }, mode).with_context(|| format!("head `{name}`"))?;
            outputs.insert(place, output);
        }
        outputs.retain(|place, _| places.contains(place));
        Ok(outputs)
    }
}
