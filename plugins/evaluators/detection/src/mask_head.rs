//! The mask head: which pixels of a region are the object's (He et al. 2017).

use crate::convention::Convention;
use crate::detections::Detection;
use crate::layers::{Block, Convolution, ConvolutionShape, Doubling, he};
use crate::losses::{binary_cross_entropy, nothing};
use crate::objects::Object;
use crate::regions::TrainingRegions;
use crate::roi_align::Region;
use anyhow::{Result, ensure};
use candle_core::Tensor;
use rayon::prelude::*;
use univip_core::nn::ops::Map;
use univip_core::nn::{Mode, Scope};

/// Cells along a side of a region's features, on a pyramid.
pub const SIDE: usize = 14;

/// Regions of a forward pass in measurement: few enough to stay in the processor's caches.
const MASKS_AT_ONCE: usize = 64;

/// Convolutions, a doubling of the resolution, and a mask for each class.
pub struct MaskHead {
    convolutions: Vec<Block>,
    doubling: Doubling,
    logits: Convolution,
}

/// The layers of a mask head.
#[derive(Debug, Clone, Copy)]
pub struct MaskHeadShape {
    /// Channels of the features.
    pub inputs: usize,
    /// Channels of its own layers.
    pub channels: usize,
    /// The convolutions before the resolution is doubled: four on a pyramid, none behind the backbone's fourth stage.
    pub convolutions: usize,
    /// Batch norm stands behind these.
    pub norm: bool,
    /// The kinds of objects.
    pub classes: usize,
    /// The library whose initial values it has.
    pub convention: Convention,
}

impl MaskHead {
    /// Parameters are named as torchvision names them.
    pub fn new(shape: MaskHeadShape, scope: &Scope) -> Result<Self> {
        let MaskHeadShape { inputs, channels, convolutions, norm, classes, convention } = shape;
        let (head, predictor) = (scope.enter("mask_head"), scope.enter("mask_predictor"));
        let before = |index| if index == 0 { inputs } else { channels };
        let block = |index| {
            let shape = ConvolutionShape { inputs: before(index), outputs: channels, kernel: 3 };
            Block::new(shape, he(channels, 3), norm, &head.enter(index))
        };
        Ok(Self {
            convolutions: (0..convolutions).map(block).collect::<Result<_>>()?,
            doubling: Doubling::new(before(convolutions), channels, &predictor.enter("conv5_mask"))?,
            logits: Convolution::new(
                ConvolutionShape { inputs: channels, outputs: classes + 1, kernel: 1 },
                convention.mask_logits(classes + 1),
                &predictor.enter("mask_fcn_logits"),
            )?,
        })
    }

    /// The mask of each region for its own class, counted from 0: `[R, 2 side, 2 side]`, before the sigmoid. Features
    /// `[R, side, side, inputs]`.
    pub fn predict(&self, features: &Tensor, classes: &[usize], mode: Mode) -> Result<Tensor> {
        let (regions, _, width, _) = features.dims4()?;
        ensure!(regions == classes.len(), "{regions} regions with {} classes", classes.len());
        let mut x = Map::of(features)?;
        for convolution in &self.convolutions {
            x = convolution.relu(&x, mode)?;
        }
        let logits = self.logits.forward(&self.doubling.relu(&x)?)?.tensor()?;
        let (_, positions, four, all) = logits.dims4()?;
        let cells = positions * four;
        let rows = (0..cells).map(|cell| Doubling::place(cell / (2 * width), cell % (2 * width), width));
        let order: Vec<usize> = rows.collect();
        let places = classes.iter().enumerate().flat_map(|(region, class)| {
            order.iter().map(move |cell| ((region * cells + cell) * all + class + 1) as u32)
        });
        let places: Vec<u32> = places.collect();
        let own = logits.flatten_all()?.index_select(&Tensor::new(places, logits.device())?, 0)?;
        Ok(own.reshape((regions, cells / (2 * width), 2 * width))?)
    }

    /// The loss of the masks of the regions that `taught` names, of which these are the features.
    pub fn loss(&self, features: &Tensor, taught: &Taught<'_>, mode: Mode) -> Result<Tensor> {
        let classes: Vec<usize> = taught.regions.iter().map(|taught| taught.object.class).collect();
        let logits = self.predict(features, &classes, mode)?;
        if !taught.masked {
            return nothing(&logits);
        }
        let side = logits.dim(1)?;
        let project = |TaughtRegion { region, object, .. }: &TaughtRegion<'_>| {
            let size = taught.sizes[region.image];
            Some(object.mask.as_ref()?.project(region.corners, size, side, taught.convention))
        };
        let wanted: Vec<Vec<f32>> = taught.regions.par_iter().filter_map(project).collect();
        let wanted = Tensor::from_vec(wanted.concat(), logits.shape(), logits.device())?;
        binary_cross_entropy(&logits, &wanted)
    }

    /// Gives each detection its mask, from the features of their boxes.
    pub fn add_masks(
        &self,
        found: &mut [Vec<Detection>],
        features: impl Fn(&[Region]) -> Result<Tensor>,
    ) -> Result<()> {
        let all =
            || found.iter().enumerate().flat_map(|(image, all)| all.iter().map(move |one| (image, one)));
        let regions: Vec<Region> = all().map(|(image, one)| Region { image, corners: one.corners }).collect();
        let classes: Vec<usize> = all().map(|(_, one)| one.class).collect();
        let mut masks = Vec::with_capacity(regions.len());
        for (regions, classes) in regions.chunks(MASKS_AT_ONCE).zip(classes.chunks(MASKS_AT_ONCE)) {
            let logits = self.predict(&features(regions)?, classes, Mode::Eval)?;
            masks.extend(candle_nn::ops::sigmoid(&logits)?.flatten_from(1)?.to_vec2::<f32>()?);
        }
        for (detection, mask) in found.iter_mut().flatten().zip(masks) {
            detection.mask = Some(mask);
        }
        Ok(())
    }
}

/// The targets of the mask head.
pub struct Taught<'a> {
    /// The regions it looks at.
    pub regions: Vec<TaughtRegion<'a>>,
    /// True if their objects have masks: all or none has.
    masked: bool,
    sizes: &'a [[usize; 2]],
    convention: Convention,
}

/// A region that stands for an object.
#[derive(Clone, Copy)]
pub struct TaughtRegion<'a> {
    /// Its place among the regions that were drawn.
    pub place: usize,
    /// The box of the region.
    pub region: Region,
    object: &'a Object,
}

impl<'a> Taught<'a> {
    /// The regions whose objects have masks. Where none has, those that stand for an object: from them nothing is learnt,
    /// but all parameters of the head have a gradient. `sizes` are the images' `[height, width]`.
    ///
    /// # Errors
    /// When no region stands for an object.
    pub fn new(
        drawn: &TrainingRegions,
        objects: &'a [Vec<Object>],
        sizes: &'a [[usize; 2]],
        convention: Convention,
    ) -> Result<Self> {
        let of = |(place, object): (usize, &'a Object)| TaughtRegion {
            place,
            region: drawn.regions[place],
            object,
        };
        let mut regions: Vec<TaughtRegion<'a>> = drawn.positives(objects).map(of).collect();
        ensure!(!regions.is_empty(), "a batch without objects has no masks to learn from");
        let masked = regions.iter().any(|taught| taught.object.mask.is_some());
        if masked {
            regions.retain(|taught| taught.object.mask.is_some());
        }
        Ok(Self { regions, masked, sizes, convention })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use univip_core::nn::Parameters;

    /// Mean square of the weight and the bias of the layer of masks.
    fn logits(convention: Convention) -> Result<[f32; 2]> {
        let parameters = Parameters::new(0, &Device::Cpu);
        let (inputs, channels, convolutions, norm, classes) = (8, 64, 1, true, 80);
        let shape = MaskHeadShape { inputs, channels, convolutions, norm, classes, convention };
        MaskHead::new(shape, &parameters.trainable())?;
        let square = |name: &str| -> Result<f32> {
            let name = format!("mask_predictor.mask_fcn_logits.{name}");
            Ok(parameters.parameters()[&name].as_tensor().sqr()?.mean_all()?.to_scalar::<f32>()?)
        };
        Ok([square("weight")?, square("bias")?])
    }

    #[test]
    fn masks_begin_as_in_the_library_that_is_followed() -> Result<()> {
        // 64 * 81 values: their deviation is known to about a hundredth.
        for (convention, expected) in
            [(Convention::Detectron2, 0.001), (Convention::Torchvision, (2.0f32 / 81.0).sqrt())]
        {
            let [weight, bias] = logits(convention)?;
            assert!((weight.sqrt() / expected - 1.0).abs() < 0.05, "{convention:?}: {}", weight.sqrt());
            assert_eq!(bias, 0.0);
        }
        Ok(())
    }
}
