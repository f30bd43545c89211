//! The online and the target network, and their outputs for one batch.

use super::encoder::Encoder;
use super::heads::HeadPlan;
use super::outputs::{Needs, Output, Place, Side};
use super::wiring::Wiring;
use super::{Features, NetworkSettings, target};
use crate::nn::{BackbonePlan, FrozenBackbone, Mode, Parameters};
use crate::seed::stream;
use crate::views::{Batch, Group};
use anyhow::{Context, Result, bail, ensure};
use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;
use std::collections::{BTreeMap, BTreeSet};

/// The parts of a pair of networks.
pub struct NetworkParts<'a> {
    /// `[network]`.
    pub settings: &'a NetworkSettings,
    /// The backbone.
    pub backbone: BackbonePlan,
    /// The values that the backbone starts from, by their names in it; random ones where there are none.
    pub init: Option<BTreeMap<String, Tensor>>,
    /// The view sampler's groups, in the order in which the networks see them.
    pub groups: Vec<Group>,
    /// The heads, each behind those that it reads.
    pub heads: Vec<HeadPlan>,
    /// The outputs that the losses ask for: only these are built and run.
    pub needs: Needs,
    /// The run's seed, which initial values follow from.
    pub seed: u64,
}

/// The two networks: the online one learns, the target one, if any loss asks for it, follows (Eq. 1).
pub struct Networks {
    online: Encoder,
    target: Option<Encoder>,
    online_parameters: Parameters,
    target_parameters: Parameters,
    groups: Vec<Group>,
    needs: Needs,
    settings: NetworkSettings,
    backbone: BackbonePlan,
    seed: u64,
}

impl Networks {
    /// Both networks; the target starts as a copy of the online one.
    ///
    /// Parameters are called `backbone.*` and `<head>.*`.
    ///
    /// # Errors
    /// When the backbone or a head cannot be built, initial values are not the backbone's, or an output that is needed is of no group,
    /// stage or head.
    pub fn new(parts: NetworkParts<'_>, device: &Device) -> Result<Self> {
        let parameters = [(); 2].map(|()| Parameters::new(parts.seed, device));
        Self::in_parameters(parts, parameters)
    }

    /// As [`new`](Self::new), in the empty parameters of the online and of the target network: whoever trains on several devices
    /// gives [`synchronised`](Parameters::synchronised) ones.
    ///
    /// # Errors
    /// As [`Networks::new`].
    pub fn in_parameters(
        parts: NetworkParts<'_>,
        [online_parameters, target_parameters]: [Parameters; 2],
    ) -> Result<Self> {
        let NetworkParts { settings, backbone, init, groups, heads, needs, seed } = parts;
        let placements: Vec<_> =
            heads.iter().map(|head| (head.name.clone(), head.placement.clone())).collect();
        let running_statistics = &settings.running_statistics;
        let wiring = Wiring { groups: &groups, heads: &placements, running_statistics };
        let asking = if needs.is_empty() { Vec::new() } else { vec![("some".to_string(), needs.clone())] };
        wiring.check(&asking).map_err(|(key, problem)| anyhow::anyhow!("{key}: {problem}"))?;
        let required = |side: Option<Side>| {
            let outputs = needs.iter().filter(|output| side.is_none_or(|side| output.side == side));
            wiring.required(outputs.map(|output| &output.place))
        };
        // The online network has every head that is used, since the target's are copies of them.
        let online =
            Encoder::new(&backbone, settings, &heads, &required(None), &online_parameters.trainable())?;
        if let Some(init) = init {
            online_parameters.load_inside("backbone.", &init)?;
        }
        check_stages(&needs, &online.sizes(), backbone.name())?;
        let target_places = required(Some(Side::Target));
        let target = match target_places.is_empty() {
            true => None,
            false => {
                let scope = target_parameters.frozen();
                Some(Encoder::new(&backbone, settings, &heads, &target_places, &scope)?)
            }
        };
        target::copy_from(&target_parameters, &online_parameters)?;
        let settings = settings.clone();
        Ok(Self {
            online,
            target,
            online_parameters,
            target_parameters,
            groups,
            needs,
            settings,
            backbone,
            seed,
        })
    }

    /// The parameters of the online network; losses make theirs here too, under `loss.`.
    pub fn online(&self) -> &Parameters {
        &self.online_parameters
    }

    /// The parameters of the target network; none where no loss asks for it.
    pub fn target(&self) -> &Parameters {
        &self.target_parameters
    }

    /// The channels of each place whose output can be asked for.
    pub fn sizes(&self) -> BTreeMap<Place, usize> {
        self.online.sizes()
    }

    /// Runs each network on the groups of views that the losses ask for, once.
    ///
    /// # Errors
    /// When the batch lacks a group, or is too small for batch norm.
    pub fn features(&self, batch: &Batch) -> Result<Features> {
        let outputs = |side| self.outputs(side, batch);
        let (target, online) = match self.run_at_once(batch) {
            true => rayon::join(|| outputs(Side::Target), || outputs(Side::Online)),
            // The target first: what it needs in passing is free again before the online network keeps its maps.
            false => (outputs(Side::Target), outputs(Side::Online)),
        };
        let mut features = Features::new(batch.facts.clone());
        for (output, tensor, views) in target?.into_iter().chain(online?) {
            features.insert(output, tensor, views);
        }
        Ok(features)
    }

    /// True if both networks run at the same time: on a processor, which small maps leave idle between their layers. Both networks'
    /// large ones at once would take more memory.
    fn run_at_once(&self, batch: &Batch) -> bool {
        let parameters = &self.online_parameters;
        let pixels = batch.groups.values().map(|images| images.elem_count() / 3).sum();
        // Participants meet in the order of their layers, which must be the same for all.
        parameters.device().is_cpu()
            && !parameters.is_synchronised()
            && leaves_threads_idle(pixels, self.backbone.width())
    }

    /// One network's outputs that the losses ask for, each with its group's number of views.
    fn outputs(&self, side: Side, batch: &Batch) -> Result<Vec<(Output, Tensor, usize)>> {
        let mut found = Vec::new();
        for group in &self.groups {
            let asked = self.needs.iter().filter(|output| output.side == side && output.group == group.name);
            let places: BTreeSet<Place> = asked.map(|output| output.place.clone()).collect();
            if places.is_empty() {
                continue;
            }
            let images = batch
                .groups
                .get(&group.name)
                .with_context(|| format!("the batch lacks the group `{}`", group.name))?;
            let outputs = match side {
                Side::Online => self.online.run(images, self.mode(group, batch.len())?, &places)?,
                Side::Target => self.run_target(images, group, batch, &places)?,
            };
            found.extend(outputs.into_iter().map(|(place, tensor)| {
                (Output { group: group.name.clone(), side, place }, tensor, group.views())
            }));
        }
        Ok(found)
    }

    /// The target's outputs, without a graph. Where batch norm sees parts of a batch, images are permuted before and put back
    /// after, so that a query and its key are not normalised with the same others (ShuffleBN; He et al. 2020, 3.3).
    fn run_target(
        &self,
        images: &Tensor,
        group: &Group,
        batch: &Batch,
        places: &BTreeSet<Place>,
    ) -> Result<BTreeMap<Place, Tensor>> {
        let target =
            self.target.as_ref().context("a loss asks for the target network, which was not built")?;
        let mode = self.mode(group, batch.len())?;
        let permutation = match self.settings.batch_norm_images {
            0 => None,
            _ => Some(self.permutation(group, batch)),
        };
        let outputs = match &permutation {
            None => target.run(images, mode, places)?,
            Some(order) => {
                target.run(&images.index_select(&rows(order, images.device())?, 0)?, mode, places)?
            }
        };
        let back = permutation.map(|order| {
            let mut back = vec![0u32; order.len()];
            order.iter().enumerate().for_each(|(place, row)| back[*row as usize] = place as u32);
            back
        });
        let restore = |(place, tensor): (Place, Tensor)| {
            let tensor = tensor.detach();
            Ok(match &back {
                None => (place, tensor),
                Some(back) => (place, tensor.index_select(&rows(back, tensor.device())?, 0)?),
            })
        };
        outputs.into_iter().map(restore).collect()
    }

    /// A permutation of a group's rows that keeps each within its view.
    fn permutation(&self, group: &Group, batch: &Batch) -> Vec<u32> {
        let images = batch.len() as u32;
        let mut order: Vec<u32> = (0..images).collect();
        let name = format!("shuffle-bn {}", group.name);
        order.shuffle(&mut stream(self.seed, &name, &[batch.facts.number]));
        (0..group.views() as u32).flat_map(|view| order.iter().map(move |row| view * images + row)).collect()
    }

    /// Batch norm's batches among a group's views of `images` images.
    fn mode(&self, group: &Group, images: usize) -> Result<Mode> {
        let groups = match self.settings.batch_norm_images {
            0 => group.norm_groups(),
            part => {
                ensure!(
                    images.is_multiple_of(part),
                    "network.batch_norm_images is {part}, which does not divide a batch of {images} images"
                );
                group.views() * images / part
            }
        };
        let followed = &self.settings.running_statistics;
        Ok(match followed.is_empty() || followed.contains(&group.name) {
            true => Mode::Train { groups },
            false => Mode::Aside { groups },
        })
    }

    /// The online backbone's parameters and running statistics, by their names in the backbone.
    pub fn backbone_tensors(&self) -> BTreeMap<String, Tensor> {
        self.online_parameters.frozen().enter("backbone").tensors()
    }

    /// The online backbone, frozen, with its running statistics. It follows later changes of the values.
    ///
    /// # Errors
    /// When the device has no memory for it.
    pub fn frozen_backbone(&self) -> Result<FrozenBackbone> {
        FrozenBackbone::new(&self.backbone, &self.online_parameters.frozen().enter("backbone"))
    }
}

/// Refuses a stage that the backbone has not.
fn check_stages(needs: &Needs, sizes: &BTreeMap<Place, usize>, backbone: &str) -> Result<()> {
    let missing =
        |output: &&Output| matches!(output.place, Place::Stage(_)) && !sizes.contains_key(&output.place);
    if let Some(output) = needs.iter().find(missing) {
        let stages = sizes.keys().filter(|place| matches!(place, Place::Stage(_))).count();
        bail!("a loss asks for {output}, and the backbone `{backbone}` ends at `stage{stages}`");
    }
    Ok(())
}

fn rows(order: &[u32], device: &Device) -> Result<Tensor> {
    Ok(Tensor::new(order, device)?)
}

/// True if the maps of a batch of so many pixels, of all its views together, are small: the layers of a backbone of that width then have
/// too little to do for several threads.
pub fn leaves_threads_idle(pixels: usize, width: usize) -> bool {
    /// Pixels times the channels of the stem, about four times those of a batch of the scale `small`.
    const MOST: usize = 1 << 25;
    pixels.saturating_mul(width) <= MOST
}
