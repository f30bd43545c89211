//! Three whole steps of UniVIP, Table 7(e), against PyTorch: both networks, three losses, Sinkhorn, backward,
//! SGD, the moving average and the running statistics. `fixtures/three_steps.py` made the numbers.

use anyhow::{Result, ensure};
use candle_core::Device;
use univip_core::assemble::{Assembly, DataFacts};
use univip_core::loss::Step;
use univip_core::networks::target;
use univip_core::nn::layout::{from_torchvision, to_torchvision};
use univip_core::nn::optim::Optimizer;
use univip_core::recipe::{OptimizerSettings, Recipe, Sources};
use univip_core::registry::Registry;
use univip_core::step::{Method, Rates, step};
use univip_core::views::{Batch, Facts};
use univip_tests::steps::{TOLERANCE, Tensors, check_all, fixture, images, part, relative_difference};
use univip_tests::workspace;

const INSTANCES: usize = 3;
const BATCH: usize = 8;
const LOSSES: [&str; 3] = ["scene", "scene-instance", "instance"];

/// Row (e) with small networks and the fixture's initial values.
fn method(fixture: &Tensors, optimizer: &OptimizerSettings) -> Result<Method> {
    let settings = ["network.backbone=resnet18", "network.width=4", "network.hidden=32", "network.output=16"];
    let mut sets: Vec<String> = settings.map(String::from).into();
    sets.push(format!("views.instances={INSTANCES}"));
    let experiments = workspace().join("experiments");
    let path = experiments.join("recipes/table7/e.toml");
    let recipe =
        Recipe::load(&Sources { path, scales: experiments.join("scales"), sets, ..Sources::default() })?;
    let registry = Registry::linked()?;
    let parts = Assembly::new(&recipe, &registry);
    let groups = parts.view_sampler()?.groups();
    let networks = parts.networks(groups.clone(), 0, &Device::Cpu)?;
    let losses = parts.losses(&networks, &DataFacts { groups: &groups, images: BATCH, classes: 0 })?;
    let mut initial = networks.online().tensors();
    initial.extend(from_torchvision(&part(fixture, "initial."))?);
    networks.online().load(&initial)?;
    target::copy_from(networks.target(), networks.online())?;
    let optimizer = Optimizer::new(optimizer, networks.online())?;
    Ok(Method { networks, losses, optimizer })
}

/// The batch of a step.
fn batch(fixture: &Tensors, number: usize) -> Result<Batch> {
    let groups =
        [("scene", "scenes"), ("instance", "online_instances"), ("instance-target", "target_instances")];
    let images = |(group, name): (&str, _)| Ok((group.to_string(), images(fixture, name, number)?));
    Ok(Batch {
        groups: groups.into_iter().map(images).collect::<Result<_>>()?,
        facts: Facts { indices: (0..BATCH).collect(), ..Facts::default() },
        ids: (0..BATCH).map(|place| place.to_string()).collect(),
        skipped: Vec::new(),
    })
}

#[test]
fn three_steps_end_where_pytorch_ends() -> Result<()> {
    let fixture = fixture("three_steps")?;
    let settings = OptimizerSettings { momentum: 0.9, weight_decay: 1e-4, ..OptimizerSettings::default() };
    let mut method = method(&fixture, &settings)?;
    for number in 0..3 {
        let rates = Rates { lr: 0.02, momentum: 0.99 };
        let now = Step { number: number as u64, ..Step::default() };
        let report = step(&mut method, &[batch(&fixture, number)?], now, rates)?;
        let expected = fixture["losses"].get(number)?.to_vec1::<f32>()?;
        for (name, expected) in LOSSES.iter().zip(expected) {
            let found = report.terms[*name];
            ensure!(
                (found - expected).abs() < TOLERANCE,
                "step {number}: {name} is {found}, expected {expected}"
            );
        }
    }
    let Method { networks, .. } = method;
    check_all("online", &to_torchvision(&networks.online().tensors())?, &part(&fixture, "online."))?;
    check_all("target", &to_torchvision(&networks.target().tensors())?, &part(&fixture, "target."))?;
    Ok(())
}

#[test]
fn two_half_batches_move_the_target_once() -> Result<()> {
    let fixture = fixture("three_steps")?;
    let mut method = method(&fixture, &OptimizerSettings::default())?;
    let name = "projector.3.weight";
    let before = method.networks.target().tensors()[name].copy()?;
    let batches = [batch(&fixture, 0)?, batch(&fixture, 0)?];
    step(&mut method, &batches, Step::default(), Rates { lr: 0.02, momentum: 0.9 })?;
    let values = |parameters: &univip_core::nn::Parameters| parameters.tensors()[name].copy();
    let (online, after) = (values(method.networks.online())?, values(method.networks.target())?);
    let expected = ((before * 0.9)? + (online * 0.1)?)?;
    ensure!(relative_difference(&after, &expected)? < 1e-6);
    Ok(())
}
