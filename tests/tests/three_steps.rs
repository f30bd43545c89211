//! Three whole steps of UniVIP, Table 7(e), against PyTorch: both networks, three losses, Sinkhorn, backward,
//! SGD, the moving average and the running statistics. `fixtures/three_steps.py` made the numbers.

use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;
use univip_core::loader::Batch;
use univip_core::loss::LossContext;
use univip_core::networks::Networks;
use univip_core::nn::layout::{from_torchvision, to_torchvision};
use univip_core::optim::Optimizer;
use univip_core::recipe::{BackboneKind, InstanceBatchNorm, NetworkSettings, OptimizerSettings, Table};
use univip_core::registry::{Kind, Registry};
use univip_core::step::{Rates, WeightedLoss, step};
use univip_core::target;
use univip_tests::workspace;

const INSTANCES: usize = 3;
const BATCH: usize = 8;
const LOSSES: [&str; 3] = ["scene", "scene-instance", "instance"];
const TOLERANCE: f32 = 1e-4;

type Tensors = BTreeMap<String, Tensor>;

fn fixture() -> Result<Tensors> {
    let path = workspace().join("tests/fixtures/three_steps.safetensors");
    Ok(candle_core::safetensors::load(path, &Device::Cpu)?.into_iter().collect())
}

/// The tensors whose names begin with `part`, without it.
fn part(all: &Tensors, part: &str) -> Tensors {
    let inside = all.iter().filter_map(|(name, value)| Some((name.strip_prefix(part)?, value)));
    inside.map(|(name, value)| (name.to_string(), value.clone())).collect()
}

fn networks_and_losses(fixture: &Tensors) -> Result<(Networks, Vec<WeightedLoss>)> {
    let settings = NetworkSettings {
        backbone: BackboneKind::ResNet18,
        width: 4,
        hidden: 32,
        output: 16,
        instance_batch_norm: InstanceBatchNorm::Each,
        ..NetworkSettings::default()
    };
    let networks = Networks::new(&settings, 0, &Device::Cpu)?;
    let registry = Registry::linked()?;
    let build = |name: &str| {
        let parameters = networks.online().trainable().enter("loss").enter(name);
        let context = LossContext { parameters, feature_size: 16, instances: INSTANCES };
        let (plugin, table) = (registry.get(Kind::Loss, name, "test", "losses.use")?, Table::of(""));
        let (needs, loss) = (plugin.needs(&table)?, plugin.loss(&table, context)?);
        Ok(WeightedLoss { name: name.into(), weight: 1.0, needs, loss })
    };
    let losses = LOSSES.into_iter().map(build).collect::<Result<Vec<_>>>()?;
    let mut initial = networks.online().tensors();
    initial.extend(from_torchvision(&part(fixture, "initial."))?);
    networks.online().load(&initial)?;
    target::copy_from(networks.target(), networks.online())?;
    Ok((networks, losses))
}

/// The images of a step, `[views * B, S, S, 3]`.
fn images(fixture: &Tensors, name: &str, number: usize) -> Result<Tensor> {
    let images = fixture.get(name).context("the fixture lacks images")?.get(number)?.flatten(0, 1)?;
    Ok(((images.to_dtype(DType::F32)? / 127.5)? - 1.0)?)
}

/// The largest difference of two tensors as a share of the expected one's largest value.
fn relative_difference(found: &Tensor, expected: &Tensor) -> Result<f32> {
    let largest = expected.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    let difference = (found - expected)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
    Ok(difference / largest.max(1e-6))
}

fn check_all(part: &str, found: &Tensors, expected: &Tensors) -> Result<()> {
    ensure!(!expected.is_empty());
    let names: Vec<_> = found.keys().collect();
    ensure!(names == expected.keys().collect::<Vec<_>>(), "{part}: {names:?}");
    for (name, expected) in expected {
        let difference = relative_difference(&found[name], expected)?;
        ensure!(difference < TOLERANCE, "{part}.{name} differs by {difference} of its largest value");
    }
    Ok(())
}

#[test]
fn three_steps_end_where_pytorch_ends() -> Result<()> {
    let fixture = fixture()?;
    let (networks, losses) = networks_and_losses(&fixture)?;
    let settings = OptimizerSettings { momentum: 0.9, weight_decay: 1e-4, ..OptimizerSettings::default() };
    let mut optimizer = Optimizer::new(&settings, networks.online())?;
    for number in 0..3 {
        let batch = Batch {
            scenes: images(&fixture, "scenes", number)?,
            online_instances: Some(images(&fixture, "online_instances", number)?),
            target_instances: Some(images(&fixture, "target_instances", number)?),
            instances: INSTANCES,
            ids: (0..BATCH).map(|place| place.to_string()).collect(),
            skipped: Vec::new(),
        };
        let rates = Rates { lr: 0.02, momentum: 0.99 };
        let report = step(&networks, &losses, &mut optimizer, &[batch], rates)?;
        let expected = fixture["losses"].get(number)?.to_vec1::<f32>()?;
        for (name, expected) in LOSSES.iter().zip(expected) {
            let found = report.terms[*name];
            ensure!(
                (found - expected).abs() < TOLERANCE,
                "step {number}: {name} is {found}, expected {expected}"
            );
        }
    }
    check_all("online", &to_torchvision(&networks.online().tensors())?, &part(&fixture, "online."))?;
    check_all("target", &to_torchvision(&networks.target().tensors())?, &part(&fixture, "target."))
}

#[test]
fn two_half_batches_move_the_target_once() -> Result<()> {
    let fixture = fixture()?;
    let (networks, losses) = networks_and_losses(&fixture)?;
    let mut optimizer = Optimizer::new(&OptimizerSettings::default(), networks.online())?;
    let batch = || -> Result<Batch> {
        Ok(Batch {
            scenes: images(&fixture, "scenes", 0)?,
            online_instances: Some(images(&fixture, "online_instances", 0)?),
            target_instances: Some(images(&fixture, "target_instances", 0)?),
            instances: INSTANCES,
            ids: (0..BATCH).map(|place| place.to_string()).collect(),
            skipped: Vec::new(),
        })
    };
    let name = "projector.3.weight";
    let before = networks.target().tensors()[name].copy()?;
    step(&networks, &losses, &mut optimizer, &[batch()?, batch()?], Rates { lr: 0.02, momentum: 0.9 })?;
    let (online, after) =
        (networks.online().tensors()[name].copy()?, networks.target().tensors()[name].copy()?);
    let expected = ((before * 0.9)? + (online * 0.1)?)?;
    ensure!(relative_difference(&after, &expected)? < 1e-6);
    Ok(())
}
