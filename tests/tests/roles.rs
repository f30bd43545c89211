//! The role of every parameter of every shipped recipe, by which weight decay and LARS leave some out.

use anyhow::{Context, Result, ensure};
use candle_core::Device;
use std::collections::BTreeMap;
use univip_core::assemble::{Assembly, DataFacts};
use univip_core::nn::{Parameters, Role};
use univip_core::recipe::{Recipe, Sources};
use univip_core::registry::Registry;
use univip_plugins as _;
use univip_tests::workspace;

/// All losses (`table7/e`, of which `byol` is `scene` by another name) on each kind of backbone, narrow.
fn parameters(backbone: &str) -> Result<Parameters> {
    let sources = Sources {
        path: workspace().join("experiments/recipes/table7/e.toml"),
        scale: Some("smoke".into()),
        scales: workspace().join("experiments/scales"),
        sets: vec![format!("network.backbone={backbone}"), "network.width=4".into()],
        ..Sources::default()
    };
    let (recipe, registry) = (Recipe::load(&sources)?, Registry::linked()?);
    let parts = Assembly::new(&recipe, &registry);
    let groups = parts.view_sampler()?.groups();
    let networks = parts.networks(groups.clone(), 0, &Device::Cpu)?;
    parts.losses(&networks, &DataFacts { groups: &groups, images: 8, classes: 0 })?;
    Ok(networks.online().clone())
}

/// `layer#.#` for each of a ResNet's blocks.
fn family(name: &str) -> String {
    let in_block = |(at, part): (usize, &str)| match (at, part.strip_prefix("layer")) {
        (1, Some(_)) => "layer#".to_string(),
        (2, _) if name.contains(".layer") => "#".to_string(),
        _ => part.to_string(),
    };
    name.split('.').enumerate().map(in_block).collect::<Vec<_>>().join(".")
}

#[test]
fn the_parameters_of_every_network_and_loss_have_the_roles_that_they_are_listed_with() -> Result<()> {
    let heads = [
        ("loss.scene-instance.f_linear", "bias", Role::Bias),
        ("loss.scene-instance.f_linear", "weight", Role::Weight),
        ("predictor.0", "bias", Role::Bias),
        ("predictor.0", "weight", Role::Weight),
        ("predictor.1", "bias", Role::Norm),
        ("predictor.1", "weight", Role::Norm),
        ("predictor.3", "weight", Role::Weight),
        ("projector.0", "bias", Role::Bias),
        ("projector.0", "weight", Role::Weight),
        ("projector.1", "bias", Role::Norm),
        ("projector.1", "weight", Role::Norm),
        ("projector.3", "weight", Role::Weight),
    ];
    let normed = |convolution: &str, norm: &str| {
        [
            (format!("backbone.{convolution}.weight"), Role::Weight),
            (format!("backbone.{norm}.bias"), Role::Norm),
            (format!("backbone.{norm}.weight"), Role::Norm),
        ]
    };
    for (backbone, in_a_block) in [("resnet18", 2), ("resnet34", 2), ("resnet50", 3), ("resnet101", 3)] {
        let mut expected: BTreeMap<String, Role> =
            heads.map(|(layer, name, role)| (format!("{layer}.{name}"), role)).into();
        expected.extend(normed("conv1", "bn1"));
        expected.extend(normed("layer#.#.downsample.0", "layer#.#.downsample.1"));
        for number in 1..=in_a_block {
            expected.extend(normed(&format!("layer#.#.conv{number}"), &format!("layer#.#.bn{number}")));
        }
        let mut found = BTreeMap::new();
        for (name, role) in parameters(backbone)?.roles() {
            let other = found.insert(family(&name), role).filter(|other| *other != role);
            ensure!(other.is_none(), "{backbone}: {name} is {role:?}, others of its kind are {other:?}");
        }
        assert_eq!(found, expected, "{backbone}");
    }
    Ok(())
}

/// Published checkpoints and runs were made by these rules.
#[test]
fn roles_are_what_names_and_shapes_were_read_as_before_there_were_any() -> Result<()> {
    for backbone in ["resnet18", "resnet34", "resnet50", "resnet101"] {
        let parameters = parameters(backbone)?;
        let buffers = parameters.buffers();
        let shapes = parameters.parameters();
        for (name, role) in parameters.roles() {
            let layer = name.rsplit_once('.').context("a layer")?.0;
            let norm = buffers.contains_key(&format!("{layer}.running_mean"));
            assert_eq!(role == Role::Norm, norm, "{name}");
            assert_eq!(role != Role::Weight, shapes[&name].rank() <= 1 || name.ends_with(".bias"), "{name}");
        }
    }
    Ok(())
}
