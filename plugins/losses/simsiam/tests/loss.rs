//! The loss `simsiam` against PyTorch and lightly (`fixtures/make.py`).

use anyhow::{Context, Result};
use candle_core::{Device, Tensor, Var};
use univip_core::loss::{Loss, LossContext, Step};
use univip_core::networks::{Features, Output, Side};
use univip_core::nn::Parameters;
use univip_core::recipe::Table;
use univip_core::registry::{Kind, Registry};
use univip_simsiam as _;

#[test]
fn value_and_gradients_are_those_of_pytorch() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/simsiam.safetensors");
    let tensors = candle_core::safetensors::load(path, &Device::Cpu)?;
    let variables = ["p1", "p2", "z1", "z2"].map(|name| Var::from_tensor(&tensors[name]));
    let [p1, p2, z1, z2] = variables;
    let (predictions, projections) = ([p1?, p2?], [z1?, z2?]);
    let term = loss("")?.compute(&features(&predictions, &projections), &Step::default())?;
    let mut worst = difference(&term.value, &tensors["loss"])?;
    let gradients = term.value.backward()?;
    for (name, var) in ["p1", "p2"].into_iter().zip(&predictions) {
        let gradient = gradients.get(var).context("no gradient")?;
        worst = worst.max(difference(gradient, &tensors[&format!("gradient.{name}")])?);
    }
    let spread = Tensor::new(term.diagnostics[0].1, &Device::Cpu)?;
    println!("largest difference {worst:e}, of the spread {:e}", difference(&spread, &tensors["spread"])?);
    assert!(worst < 1e-6, "off by {worst}");
    assert!(difference(&spread, &tensors["spread"])? < 1e-6, "{:?}", term.diagnostics);
    for var in &projections {
        assert!(gradients.get(var).is_none(), "no gradient reaches what is predicted");
    }
    Ok(())
}

#[test]
fn equal_projections_have_no_spread() -> Result<()> {
    let ones = || Var::ones((4, 8), candle_core::DType::F32, &Device::Cpu);
    let pair = [ones()?, ones()?];
    let term = loss("")?.compute(&features(&pair, &pair), &Step::default())?;
    assert!((term.value.to_scalar::<f32>()? + 1.0).abs() < 1e-6, "the smallest value of all");
    assert_eq!(term.diagnostics, [("spread", 0.0)]);
    Ok(())
}

#[test]
fn it_asks_for_no_target_network() -> Result<()> {
    let plugin = Registry::linked()?.get(Kind::Loss, "simsiam", "test", "losses.use")?;
    let needs = plugin.needs(&Table::of("group = \"large\"\npredictor = \"second\""))?;
    assert_eq!(needs, [Output::online("large", "second"), Output::online("large", "projector")].into());
    assert!(needs.iter().all(|output| output.side == Side::Online));
    Ok(())
}

#[test]
fn what_cannot_be_is_refused() {
    for (settings, said) in [("predictor = \"projector\"", "the projector too"), ("from = 3", "from")] {
        let error = loss(settings).err().expect(settings).to_string();
        assert!(error.contains(said), "{error}");
    }
}

fn features(predictions: &[Var; 2], projections: &[Var; 2]) -> Features {
    let tensors = |pair: &[Var; 2]| pair.each_ref().map(|var| var.as_tensor().clone());
    Features::default()
        .with_views(Output::online("scene", "predictor"), tensors(predictions))
        .with_views(Output::online("scene", "projector"), tensors(projections))
}

fn difference(found: &Tensor, expected: &Tensor) -> Result<f32> {
    Ok((found - expected)?.abs()?.flatten_all()?.max(0)?.to_scalar()?)
}

fn loss(settings: &str) -> Result<Box<dyn Loss>> {
    let context = LossContext::of(Parameters::new(0, &Device::Cpu).trainable());
    Registry::linked()?.get(Kind::Loss, "simsiam", "test", "losses.use")?.loss(&Table::of(settings), context)
}
