//! The demands of detectors on a backbone.

use anyhow::{Result, ensure};
use univip_core::evaluate::FrozenBackbone;
use univip_core::nn::{Backbone, Parameters};

/// The strides of the maps that the detectors are built around.
const STRIDES: [usize; 4] = [4, 8, 16, 32];

/// A copy of the backbone for a detector, and its parameters. Of a frozen one no gradient is asked for.
pub fn body(backbone: &FrozenBackbone, frozen: bool, seed: u64) -> Result<(Parameters, Box<dyn Backbone>)> {
    let (parameters, network) = backbone.copy(seed)?;
    if !frozen {
        return Ok((parameters, network));
    }
    let network = backbone.plan().build(&parameters.frozen().enter("backbone"))?;
    Ok((parameters, network))
}

/// The channels of the four maps, finest first.
///
/// # Errors
/// When the backbone has other maps than those at strides 4, 8, 16 and 32.
pub fn of_four_stages(backbone: &dyn Backbone) -> Result<[usize; 4]> {
    let strides: Vec<usize> = backbone.stages().iter().map(|stage| stage.stride).collect();
    ensure!(
        strides == STRIDES,
        "a detector is built around maps at strides {STRIDES:?}, and the backbone has them at {strides:?}: measure it by \
         evaluators that read pooled features"
    );
    Ok([0, 1, 2, 3].map(|stage| backbone.stages()[stage].channels))
}
