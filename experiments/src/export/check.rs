//! `check.safetensors`: an image and what the backbone gives for it, so that whoever loads an export can see that it
//! arrived.

use anyhow::Result;
use candle_core::{Device, Tensor};
use image::RgbImage;
use rand::RngCore;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use univip_core::evaluate::FrozenBackbone;
use univip_core::files::write_atomic;
use univip_core::geometry::BoundingBox;
use univip_core::nn::sealed_tensors::seal;
use univip_core::recipe::AugmentSettings;
use univip_core::seed::stream;
use univip_core::views::augment::{Renderer, ViewParameters};

/// The side of the image in pixels: two positions a side of the last map.
const SIDE: u32 = 64;

/// Writes `pixels`, `[S, S, 3]` levels of RGB, and `features`, `[F]`, of the image that is these pixels, scaled to
/// 0..=1 and normalised as `augment` says, without any resizing.
pub fn write(path: &Path, backbone: &FrozenBackbone, augment: &AugmentSettings) -> Result<()> {
    let side = SIDE as usize;
    let mut pixels = vec![0u8; side * side * 3];
    stream(0, "export check", &[]).fill_bytes(&mut pixels);
    let mut image = RgbImage::new(SIDE, SIDE);
    image.copy_from_slice(&pixels);
    let mut input = vec![0f32; side * side * 3];
    let whole = BoundingBox::new(0, 0, SIDE, SIDE);
    Renderer::new(augment).render(&image, &whole, SIDE, &ViewParameters::default(), &mut input)?;
    let input = Tensor::from_vec(input, (1, side, side, 3), backbone.device())?;
    let tensors = BTreeMap::from([
        ("pixels", Tensor::from_vec(pixels, (side, side, 3), &Device::Cpu)?),
        ("features", backbone.features(&input)?.squeeze(0)?),
    ]);
    write_atomic(path, &seal(&tensors, Value::Null)?)
}
