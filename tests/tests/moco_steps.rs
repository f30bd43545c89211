//! Three whole steps of MoCo v2 against PyTorch, with batch norm over all images and with ShuffleBN: both networks, the loss,
//! backward, SGD, the moving average, the running statistics and the queue. `fixtures/moco_steps.py` made the numbers.

use anyhow::{Result, ensure};
use candle_core::Device;
use rand::seq::SliceRandom;
use univip_core::assemble::{Assembly, DataFacts};
use univip_core::loss::Step;
use univip_core::networks::target;
use univip_core::nn::layout::{from_torchvision, to_torchvision};
use univip_core::nn::optim::Optimizer;
use univip_core::recipe::{Recipe, Sources};
use univip_core::registry::Registry;
use univip_core::seed::stream;
use univip_core::step::{Method, Rates, step};
use univip_core::views::{Batch, Facts};
use univip_tests::steps::{TOLERANCE, Tensors, check_all, fixture, images, part, relative_difference};
use univip_tests::workspace;

const BATCH: usize = 8;

/// MoCo v2 with small networks and the fixture's initial values, its batch norm over `norm` images.
fn method(fixture: &Tensors, norm: usize) -> Result<Method> {
    let sets = [
        "network.backbone=resnet18",
        "network.width=4",
        "head.projector.output=16",
        "loss.moco.queue=16",
        "train.batch=8",
        &format!("network.batch_norm_images={norm}"),
    ];
    let experiments = workspace().join("experiments");
    let recipe = Recipe::load(&Sources {
        path: experiments.join("recipes/methods/moco-v2.toml"),
        scales: experiments.join("scales"),
        sets: sets.map(String::from).into(),
        ..Sources::default()
    })?;
    let registry = Registry::linked()?;
    let parts = Assembly::new(&recipe, &registry);
    let groups = parts.view_sampler()?.groups();
    let networks = parts.networks(groups.clone(), 0, &Device::Cpu)?;
    let losses = parts.losses(&networks, &DataFacts { groups: &groups, images: 100, classes: 0 })?;
    let mut initial = networks.online().tensors();
    initial.extend(from_torchvision(&part(fixture, "initial."))?);
    initial.insert("loss.moco.queue".into(), fixture["initial_queue"].clone());
    networks.online().load(&initial)?;
    target::copy_from(networks.target(), networks.online())?;
    let optimizer = Optimizer::new(&recipe.settings.optimizer, networks.online())?;
    Ok(Method { networks, losses, optimizer })
}

/// The batch of a step.
fn batch(fixture: &Tensors, number: usize) -> Result<Batch> {
    let images = |group: &str| Ok((group.to_string(), images(fixture, group, number)?));
    Ok(Batch {
        groups: ["query", "key"].into_iter().map(images).collect::<Result<_>>()?,
        facts: Facts { number: number as u64, indices: (0..BATCH).collect(), ..Facts::default() },
        ids: (0..BATCH).map(|place| place.to_string()).collect(),
        skipped: Vec::new(),
    })
}

/// The networks' parameters but for the loss's own, by torchvision's names.
fn of_networks(tensors: Tensors) -> Result<Tensors> {
    to_torchvision(&tensors.into_iter().filter(|(name, _)| !name.starts_with("loss.")).collect())
}

fn three_steps(case: &str, norm: usize) -> Result<()> {
    let fixture = fixture("moco_steps")?;
    let expected = part(&fixture, &format!("{case}."));
    let mut method = method(&fixture, norm)?;
    let mut worst = 0f32;
    for number in 0..3 {
        let now = Step { number: number as u64, ..Step::default() };
        let rates = Rates { lr: 0.02, momentum: 0.99 };
        let report = step(&mut method, &[batch(&fixture, number)?], now, rates)?;
        let (found, wanted) = (report.terms["moco"], expected["losses"].get(number)?.to_scalar::<f32>()?);
        ensure!((found - wanted).abs() < TOLERANCE, "step {number}: the loss is {found}, expected {wanted}");
        let queue = &method.networks.online().tensors()["loss.moco.queue"];
        let difference = relative_difference(queue, &expected["queues"].get(number)?)?;
        ensure!(difference < TOLERANCE, "step {number}: the queue differs by {difference}");
        worst = worst.max(difference).max((found - wanted).abs());
    }
    let (online, target) = (method.networks.online().tensors(), method.networks.target().tensors());
    worst = worst.max(check_all("online", &of_networks(online)?, &part(&expected, "online."))?);
    worst = worst.max(check_all("target", &of_networks(target)?, &part(&expected, "target."))?);
    println!("{case}: largest difference {worst:e}");
    Ok(())
}

#[test]
fn three_steps_end_where_pytorch_ends() -> Result<()> {
    three_steps("plain", 0)
}

#[test]
fn three_steps_with_permuted_keys_end_where_pytorch_ends() -> Result<()> {
    for (number, expected) in fixture("moco_steps")?["orders"].to_vec2::<u32>()?.into_iter().enumerate() {
        let mut order: Vec<u32> = (0..BATCH as u32).collect();
        order.shuffle(&mut stream(0, "shuffle-bn key", &[number as u64]));
        ensure!(order == expected, "write these into ORDERS of moco_steps.py: batch {number}: {order:?}");
    }
    three_steps("shuffled", 4)
}
