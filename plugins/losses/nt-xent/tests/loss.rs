//! The loss `nt-xent` against PyTorch and lightly (`fixtures/make.py`).

use anyhow::{Context, Result};
use candle_core::{Device, Tensor, Var};
use univip_core::loss::{Loss, LossContext, Step};
use univip_core::networks::{Features, Output};
use univip_core::nn::Parameters;
use univip_core::recipe::Table;
use univip_core::registry::{Kind, Registry};
use univip_nt_xent as _;

#[test]
fn value_and_gradients_are_those_of_pytorch() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/nt_xent.safetensors");
    let tensors = candle_core::safetensors::load(path, &Device::Cpu)?;
    for (form, temperature) in [("mean", 0.1), ("mean", 0.5), ("sum-of-views", 0.1), ("sum-of-views", 0.5)] {
        let name = format!("{form}.{temperature}");
        let views = [Var::from_tensor(&tensors["one"])?, Var::from_tensor(&tensors["other"])?];
        let loss = loss(&format!("form = \"{form}\"\ntemperature = {temperature}"), 1)?;
        let term =
            loss.compute(&features(views.each_ref().map(|var| var.as_tensor().clone())), &Step::default())?;
        assert_eq!(term.diagnostics, [("negatives", 10.0)]);
        let gradients = term.value.backward()?;
        let mut worst = difference(&term.value, &tensors[&format!("{name}.loss")])?;
        for (view, var) in ["one", "other"].iter().zip(&views) {
            let gradient = gradients.get(var).context("no gradient")?;
            worst = worst.max(difference(gradient, &tensors[&format!("{name}.gradient.{view}")])?);
        }
        println!("{name}: largest difference {worst:e}");
        assert!(worst < 2e-6, "{name}: off by {worst}");
    }
    Ok(())
}

#[test]
fn it_asks_for_one_head_of_the_online_network() -> Result<()> {
    let plugin = Registry::linked()?.get(Kind::Loss, "nt-xent", "test", "losses.use")?;
    let needs = plugin.needs(&Table::of("group = \"large\"\nhead = \"second\""))?;
    assert_eq!(needs, [Output::online("large", "second")].into());
    Ok(())
}

#[test]
fn it_says_that_accumulation_adds_no_negatives() -> Result<()> {
    assert_eq!(loss("", 1)?.remarks(), [""; 0]);
    let remarks = loss("", 4)?.remarks();
    assert!(remarks.len() == 1 && remarks[0].contains("accumulate = 4"), "{remarks:?}");
    Ok(())
}

#[test]
fn what_cannot_be_is_refused() -> Result<()> {
    for (settings, said) in [("temperature = 0.0", "temperature"), ("queue = 3", "queue")] {
        let error = loss(settings, 1).err().expect(settings).to_string();
        assert!(error.contains(said), "{error}");
    }
    let one = Tensor::ones((1, 4), candle_core::DType::F32, &Device::Cpu)?;
    let error = loss("", 1)?.compute(&features([one.clone(), one]), &Step::default()).unwrap_err();
    assert!(error.to_string().contains("no negatives"), "{error}");
    Ok(())
}

fn features(views: [Tensor; 2]) -> Features {
    Features::default().with_views(Output::online("scene", "projector"), views)
}

fn difference(found: &Tensor, expected: &Tensor) -> Result<f32> {
    Ok((found - expected)?.abs()?.flatten_all()?.max(0)?.to_scalar()?)
}

fn loss(settings: &str, passes: usize) -> Result<Box<dyn Loss>> {
    let context = LossContext::of(Parameters::new(0, &Device::Cpu).trainable());
    let context = LossContext { passes, batch: 6, ..context };
    Registry::linked()?.get(Kind::Loss, "nt-xent", "test", "losses.use")?.loss(&Table::of(settings), context)
}
