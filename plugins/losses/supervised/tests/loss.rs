//! The loss `supervised` against PyTorch (`fixtures/make.py`), and what it says where images have no labels.

use anyhow::{Context, Result};
use candle_core::{Device, Tensor, Var};
use std::collections::BTreeMap;
use univip_core::loss::{Loss, LossContext, Step};
use univip_core::networks::{Features, Output, Place};
use univip_core::nn::Parameters;
use univip_core::recipe::Table;
use univip_core::registry::{Kind, Registry};
use univip_core::views::Facts;
use univip_supervised as _;

fn loss(parameters: &Parameters, classes: usize) -> Result<Box<dyn Loss>> {
    let sizes = BTreeMap::from([(Place::named("pooled"), 5)]);
    let context = LossContext { sizes, classes, ..LossContext::of(parameters.trainable()) };
    let plugin = Registry::linked()?.get(Kind::Loss, "supervised", "test", "losses.use")?;
    plugin.loss(&Table::of(""), context)
}

fn features(labels: Option<Vec<u32>>, pooled: &[Tensor]) -> Features {
    let facts = Facts { labels, ..Facts::default() };
    Features::new(facts).with_views(Output::online("scene", "pooled"), pooled.iter().cloned())
}

fn compare(found: &Tensor, expected: &Tensor, name: &str) -> Result<()> {
    let difference = (found - expected)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    println!("{name}: largest difference {difference:e}");
    assert!(difference < 1e-6, "{name} differs by {difference}");
    Ok(())
}

#[test]
fn value_and_gradients_are_those_of_pytorch() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/supervised.safetensors");
    let all = candle_core::safetensors::load(path, &Device::Cpu)?;
    let parameters = Parameters::new(0, &Device::Cpu);
    let loss = loss(&parameters, 3)?;
    let own = ["weight", "bias"].map(|name| (name.to_string(), all[name].clone()));
    parameters.load(&own.into())?;
    let labels = all["labels"].to_vec1::<f32>()?.iter().map(|label| *label as u32).collect();
    let pooled = Var::from_tensor(&all["features"])?;
    let term = loss.compute(&features(Some(labels), &[pooled.as_tensor().clone()]), &Step::default())?;
    compare(&term.value, &all["loss"], "loss")?;
    let [(_, top1)] = term.diagnostics[..] else { anyhow::bail!("one diagnostic") };
    assert!((top1 - all["top1"].to_scalar::<f32>()?).abs() < 1e-4, "{top1}");
    let gradients = term.value.backward()?;
    let mut vars = parameters.parameters();
    vars.insert("features".into(), pooled);
    for (name, var) in &vars {
        compare(gradients.get(var).context("no gradient")?, &all[&format!("gradient.{name}")], name)?;
    }
    assert_eq!(vars.len(), 3);
    Ok(())
}

#[test]
fn each_view_of_an_image_has_its_label() -> Result<()> {
    let loss = loss(&Parameters::new(0, &Device::Cpu), 3)?;
    let view = Tensor::new(&[[1f32, 2.0, 3.0, 4.0, 5.0], [5.0, 0.0, -1.0, 2.0, 1.0]], &Device::Cpu)?;
    let value = |views: &[Tensor]| -> Result<f32> {
        let term = loss.compute(&features(Some(vec![0, 2]), views), &Step::default())?;
        Ok(term.value.to_scalar()?)
    };
    let (one, two) = (value(std::slice::from_ref(&view))?, value(&[view.clone(), view])?);
    assert!((one - two).abs() < 1e-6, "{one} {two}");
    Ok(())
}

#[test]
fn images_without_labels_are_refused() -> Result<()> {
    let error = loss(&Parameters::new(0, &Device::Cpu), 0).err().context("no classes")?.to_string();
    assert!(error.contains("needs a label") && error.contains("--data"), "{error}");
    let loss = loss(&Parameters::new(0, &Device::Cpu), 3)?;
    let pooled = Tensor::ones((2, 5), candle_core::DType::F32, &Device::Cpu)?;
    let error = loss.compute(&features(None, &[pooled]), &Step::default()).err().context("no labels")?;
    assert!(error.to_string().contains("needs a label"), "{error}");
    Ok(())
}
