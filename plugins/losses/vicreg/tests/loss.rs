//! The loss `vicreg` against lightly's (`fixtures/make.py`).

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor, Var};
use univip_core::loss::{Loss, LossContext, Step};
use univip_core::networks::{Features, Output};
use univip_core::nn::Parameters;
use univip_core::recipe::Table;
use univip_core::registry::{Kind, Registry};
use univip_vicreg as _;

fn loss(settings: &str, batch: usize, passes: usize) -> Result<Box<dyn Loss>> {
    let parameters = Parameters::new(0, &Device::Cpu).trainable();
    let context = LossContext { batch, passes, ..LossContext::of(parameters) };
    Registry::linked()?.get(Kind::Loss, "vicreg", "test", "losses.use")?.loss(&Table::of(settings), context)
}

fn features(views: [&Tensor; 2]) -> Features {
    Features::default().with_views(Output::online("scene", "projector"), views.map(Tensor::clone))
}

/// The difference as a share of the largest expected value: gradients of weight 25 are large.
fn compare(found: &Tensor, expected: &Tensor, name: &str) -> Result<()> {
    let largest = |tensor: &Tensor| tensor.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>();
    let difference = largest(&(found - expected)?)? / largest(expected)?;
    println!("{name}: largest difference {difference:e} of the largest value");
    assert!(difference < 1e-6, "{name} differs by {difference}");
    Ok(())
}

#[test]
fn value_and_gradients_are_those_of_lightly() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/vicreg.safetensors");
    let all = candle_core::safetensors::load(path, &Device::Cpu)?;
    for (name, settings) in [("default", ""), ("own", "invariance = 3\nvariance = 2\ncovariance = 5")] {
        let views = [Var::from_tensor(&all["one"])?, Var::from_tensor(&all["other"])?];
        let features = features(views.each_ref().map(|var| var.as_tensor()));
        let term = loss(settings, 6, 1)?.compute(&features, &Step::default())?;
        compare(&term.value, &all[&format!("{name}.loss")], name)?;
        let gradients = term.value.backward()?;
        for (view, var) in ["one", "other"].into_iter().zip(&views) {
            let gradient = gradients.get(var).context("no gradient")?;
            compare(gradient, &all[&format!("{name}.gradient.{view}")], view)?;
        }
    }
    Ok(())
}

#[test]
fn equal_features_pay_for_their_variance_and_have_finite_gradients() -> Result<()> {
    let var = Var::ones((4, 3), DType::F32, &Device::Cpu)?;
    let term = loss("", 4, 1)?.compute(&features([var.as_tensor(), var.as_tensor()]), &Step::default())?;
    let found: Vec<f32> = term.diagnostics.iter().map(|(_, value)| *value).collect();
    // 1 - sqrt(1e-4) for each channel.
    assert!(found[0] == 0.0 && (found[1] - 0.99).abs() < 1e-6 && found[2] == 0.0, "{found:?}");
    let gradients = term.value.backward()?;
    let gradient = gradients.get(&var).context("no gradient")?.flatten_all()?.to_vec1::<f32>()?;
    assert!(gradient.iter().all(|value| value.is_finite()), "{gradient:?}");
    Ok(())
}

#[test]
fn one_image_is_refused_and_accumulation_is_remarked() -> Result<()> {
    let error = loss("", 1, 1).err().context("no variance")?.to_string();
    assert!(error.contains("train.batch"), "{error}");
    assert!(loss("", 4, 1)?.remarks().is_empty());
    assert!(loss("", 4, 2)?.remarks()[0].contains("train.accumulate"));
    let error = loss("covariance = -1", 4, 1).err().context("below 0")?.to_string();
    assert!(error.contains("covariance"), "{error}");
    Ok(())
}
