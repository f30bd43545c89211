//! The loss `scene` against PyTorch (`fixtures/make.py`).

use anyhow::{Context, Result};
use candle_core::{Device, Var};
use univip_core::features::Features;
use univip_core::loss::{Loss, LossContext};
use univip_core::nn::Parameters;
use univip_core::recipe::Table;
use univip_core::registry::{Kind, Registry};
use univip_scene as _;

#[test]
fn value_and_gradients_are_those_of_pytorch() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/scene.safetensors");
    let tensors = candle_core::safetensors::load(path, &Device::Cpu)?;
    for form in ["neg-cos", "byol"] {
        let online = [Var::from_tensor(&tensors["online1"])?, Var::from_tensor(&tensors["online2"])?];
        let features = Features {
            online_scenes: online.each_ref().map(|var| var.as_tensor().clone()),
            target_scenes: [tensors["target1"].clone(), tensors["target2"].clone()],
            online_instances: None,
            target_instances: None,
        };
        let term = loss(&format!("form = \"{form}\""))?.compute(&features)?;
        let expected = tensors[&format!("{form}.loss")].to_scalar::<f32>()?;
        let value = term.value.to_scalar::<f32>()?;
        assert!((value - expected).abs() < 1e-6, "{form}: {value}, expected {expected}");
        let gradients = term.value.backward()?;
        for (name, var) in ["online1", "online2"].into_iter().zip(&online) {
            let gradient = gradients.get(var).context("no gradient")?;
            let difference = (gradient - &tensors[&format!("{form}.gradient.{name}")])?.abs()?.max_all()?;
            assert!(difference.to_scalar::<f32>()? < 1e-6, "{form} {name}: {gradient}");
        }
    }
    Ok(())
}

#[test]
fn it_asks_for_scenes_alone() -> Result<()> {
    let plugin = Registry::linked()?.get(Kind::Loss, "scene", "test", "losses.use")?;
    assert!(!plugin.needs(&Table::of(""))?.instances());
    Ok(())
}

#[test]
fn a_misspelt_key_is_refused() {
    let error = loss("from = \"byol\"").err().expect("no such key").to_string();
    assert!(error.contains("from"), "{error}");
}

fn loss(settings: &str) -> Result<Box<dyn Loss>> {
    let parameters = Parameters::new(0, &Device::Cpu).trainable();
    let context = LossContext { parameters, feature_size: 7, instances: 0 };
    Registry::linked()?.get(Kind::Loss, "scene", "test", "losses.use")?.loss(&Table::of(settings), context)
}
