//! The feature pyramid network (Lin et al. 2017).

use crate::convolution::{Block, Convolution, ConvolutionShape, uniform, upsample};
use crate::ops::{self, Map};
use crate::{Mode, Scope};
use anyhow::{Result, ensure};
use candle_core::Tensor;

/// From the backbone's maps to maps of equal channels, each with what the coarser ones know.
pub struct Pyramid {
    /// 1x1 convolutions of the backbone's maps.
    lateral: Vec<Block>,
    /// 3x3 convolutions of the sums.
    output: Vec<Block>,
    top: Top,
}

/// The levels above the coarsest map.
enum Top {
    /// Every second position of it.
    Subsampled,
    /// Two convolutions of stride 2, with ReLU between them.
    Strided(Convolution, Convolution),
}

impl Pyramid {
    /// For maps of `inputs` channels, finest first; `norm` puts batch norm behind each convolution. Parameters are
    /// named as torchvision's `FeaturePyramidNetwork` names them.
    pub fn new(inputs: &[usize], channels: usize, norm: bool, scope: &Scope) -> Result<Self> {
        let blocks = |name: &str, kernel: usize, inputs: &[usize]| -> Result<Vec<Block>> {
            let scope = scope.enter(name);
            let block = |(index, inputs): (usize, &usize)| {
                let shape = ConvolutionShape { inputs: *inputs, outputs: channels, kernel };
                Block::new(shape, uniform(*inputs, kernel), norm, &scope.enter(index))
            };
            inputs.iter().enumerate().map(block).collect()
        };
        Ok(Self {
            lateral: blocks("inner_blocks", 1, inputs)?,
            output: blocks("layer_blocks", 3, &vec![channels; inputs.len()])?,
            top: Top::Subsampled,
        })
    }

    /// RetinaNet's, with two maps above the coarsest, by convolutions of stride 2 (torchvision's `LastLevelP6P7`).
    pub fn with_strided_top(inputs: &[usize], channels: usize, norm: bool, scope: &Scope) -> Result<Self> {
        let scope_of_top = scope.enter("extra_blocks");
        let convolution = |name: &str| -> Result<Convolution> {
            let init = uniform(channels, 3);
            let shape = ConvolutionShape { inputs: channels, outputs: channels, kernel: 3 };
            Ok(Convolution::new(shape, init, &scope_of_top.enter(name))?.strided(2))
        };
        let top = Top::Strided(convolution("p6")?, convolution("p7")?);
        Ok(Self { top, ..Self::new(inputs, channels, norm, scope)? })
    }

    /// One map for each of the backbone's `[B, H_i, W_i, C_i]`, finest first, `[B, H_i, W_i, channels]`, and one or two
    /// more above the coarsest, each of half the one below.
    ///
    /// # Errors
    /// When there are more or fewer maps than were announced.
    pub fn forward(&self, maps: &[Tensor], mode: Mode) -> Result<Vec<Tensor>> {
        ensure!(
            maps.len() == self.lateral.len(),
            "a pyramid of {} maps got {}",
            self.lateral.len(),
            maps.len()
        );
        let mut outputs: Vec<Tensor> = Vec::new();
        let mut above: Option<Tensor> = None;
        for ((map, lateral), output) in maps.iter().zip(&self.lateral).zip(&self.output).rev() {
            let mut sum = lateral.forward(&Map::of(map)?, mode)?.tensor()?;
            if let Some(above) = above {
                let (_, height, width, _) = sum.dims4()?;
                sum = (sum + upsample(&above, [height, width])?)?;
            }
            outputs.push(output.forward(&Map::of(&sum)?, mode)?.tensor()?);
            above = Some(sum);
        }
        outputs.reverse();
        if let Some(coarsest) = outputs.last().cloned() {
            match &self.top {
                Top::Subsampled => outputs.push(ops::max_pool(&Map::of(&coarsest)?, 1, 2, 0)?.tensor()?),
                Top::Strided(p6, p7) => {
                    let sixth = p6.forward(&Map::of(&coarsest)?)?.tensor()?;
                    let seventh = p7.forward(&Map::of(&sixth.relu()?)?)?.tensor()?;
                    outputs.extend([sixth, seventh]);
                }
            }
        }
        Ok(outputs)
    }
}
