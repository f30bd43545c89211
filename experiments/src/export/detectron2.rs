//! A backbone by detectron2's names, and a configuration that trains Mask R-CNN from them.

use anyhow::Result;
use candle_core::Tensor;
use std::collections::BTreeMap;
use univip_core::nn::backbone_file::names::detectron2;
use univip_core::nn::layout::to_torchvision;
use univip_core::recipe::Settings;

/// The configuration's file.
pub const CONFIGURATION: &str = "mask_rcnn_fpn_1x.yaml";

/// A backbone's tensors (by our names and in our layout) by detectron2's names and in its layout.
pub fn tensors(tensors: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
    let tensors = to_torchvision(tensors)?;
    Ok(tensors.into_iter().map(|(name, tensor)| (detectron2(&name), tensor)).collect())
}

/// Mask R-CNN with FPN, the 1x schedule: the protocol of detection after self-supervised pre-training. It has no `_BASE_`,
/// whose place depends on where detectron2 is; what it does not state are detectron2's defaults.
///
/// `depth` is the number of the ResNet's layers, `res2` the channels of its first stage.
pub fn configuration(settings: &Settings, depth: usize, res2: usize) -> String {
    let width = settings.network.width;
    let levels = |values: &[f32; 3]| {
        let values = values.map(|value| format!("{:.3}", value * 255.0));
        values.join(", ")
    };
    let (mean, std) = (levels(&settings.augment.mean), levels(&settings.augment.std));
    let values = [
        ("{CONFIGURATION}", CONFIGURATION.to_string()),
        ("{depth}", depth.to_string()),
        ("{width}", width.to_string()),
        ("{res2}", res2.to_string()),
        ("{mean}", mean),
        ("{std}", std),
    ];
    values.iter().fold(TEMPLATE.to_string(), |text, (name, value)| text.replace(name, value))
}

/// The configuration, with names in braces for what the network decides.
const TEMPLATE: &str = include_str!("detectron2.yaml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_follows_the_network_and_the_colours() {
        let settings = Settings::default();
        let text = configuration(&settings, 50, 256);
        for line in [
            "PIXEL_MEAN: [123.675, 116.280, 103.530]",
            "PIXEL_STD: [58.395, 57.120, 57.375]",
            "DEPTH: 50",
            "RES2_OUT_CHANNELS: 256",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains(['{', '}']), "{text}");
        let text = configuration(&settings, 18, 64);
        assert!(text.contains("DEPTH: 18") && text.contains("RES2_OUT_CHANNELS: 64"), "{text}");
    }
}
