//! The losses `scene` and `byol` against PyTorch (`fixtures/make.py`).

use anyhow::{Context, Result};
use candle_core::{Device, Var};
use univip_core::loss::{Loss, LossContext, Step};
use univip_core::networks::{Features, Output};
use univip_core::nn::Parameters;
use univip_core::recipe::Table;
use univip_core::registry::{Kind, Registry};
use univip_scene as _;

#[test]
fn value_and_gradients_are_those_of_pytorch() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/scene.safetensors");
    let tensors = candle_core::safetensors::load(path, &Device::Cpu)?;
    for (name, form) in [("scene", "neg-cos"), ("scene", "byol"), ("byol", "neg-cos")] {
        let online = [Var::from_tensor(&tensors["online1"])?, Var::from_tensor(&tensors["online2"])?];
        let features = Features::default()
            .with_views(
                Output::online("scene", "predictor"),
                online.each_ref().map(|var| var.as_tensor().clone()),
            )
            .with_views(
                Output::target("scene", "projector"),
                ["target1", "target2"].map(|name| tensors[name].clone()),
            );
        let term = loss(name, &format!("form = \"{form}\""))?.compute(&features, &Step::default())?;
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
fn it_asks_for_the_group_and_the_heads_of_its_table() -> Result<()> {
    let plugin = Registry::linked()?.get(Kind::Loss, "byol", "test", "losses.use")?;
    let needs = plugin.needs(&Table::of("group = \"intra\"\npredictor = \"second\""))?;
    assert_eq!(needs, [Output::online("intra", "second"), Output::target("intra", "projector")].into());
    Ok(())
}

#[test]
fn a_misspelt_key_is_refused() {
    let error = loss("scene", "from = \"byol\"").err().expect("no such key").to_string();
    assert!(error.contains("from"), "{error}");
}

fn loss(name: &str, settings: &str) -> Result<Box<dyn Loss>> {
    let context = LossContext::of(Parameters::new(0, &Device::Cpu).trainable());
    Registry::linked()?.get(Kind::Loss, name, "test", "losses.use")?.loss(&Table::of(settings), context)
}
