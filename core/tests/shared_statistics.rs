//! The networks of several participants, each with a part of a batch, are those of one with the whole batch.

mod common;
#[path = "../nn/tests/nn/replicas.rs"]
mod replicas;
#[path = "../nn/tests/nn/values.rs"]
mod values;

use candle_core::{Device, Tensor};
use replicas::{Shares, together};
use std::sync::Arc;
use univip_core::networks::{NetworkParts, Networks, Output};
use univip_core::nn::{Parameters, Synchronise};
use univip_core::recipe::NetworkSettings;
use univip_core::views::{Batch, Facts, Group, SCENE};
use values::{assert_close, noise};

#[test]
fn online_and_target_network_take_the_hook() {
    let features = |scenes: Tensor, parameters: [Parameters; 2]| {
        let images = scenes.dims()[0] / 2;
        let facts = Facts { indices: (0..images).collect(), ..Facts::default() };
        let (groups, ids) = ([(SCENE.to_string(), scenes)].into(), vec![String::new(); images]);
        let batch = Batch { groups, facts, ids, skipped: Vec::new() };
        let outputs = [Output::online(SCENE, "pooled"), Output::target(SCENE, "pooled")];
        let parts = NetworkParts {
            settings: &NetworkSettings::default(),
            backbone: common::small(4),
            init: None,
            groups: vec![Group::new(SCENE, &["view1".into(), "view2".into()], 64)],
            heads: Vec::new(),
            needs: outputs.clone().into(),
            seed: 0,
        };
        let networks = Networks::in_parameters(parts, parameters).unwrap();
        let features = networks.features(&batch).unwrap();
        outputs.map(|output| features.joined(&output).unwrap().clone())
    };
    let parameters = || Parameters::new(0, &Device::Cpu);
    // Images of different brightness: the heads' batch norm would otherwise divide by next to nothing.
    let brightness = Tensor::arange(0f32, 12.0, &Device::Cpu).unwrap().reshape((12, 1, 1, 1)).unwrap();
    let scenes = noise(&[12, 64, 64, 3], 0).broadcast_mul(&brightness).unwrap();
    let whole = features(scenes.clone(), [parameters(), parameters()]);
    let shares = Shares { groups: 2, images: &[2, 4] };
    let parts = together(2, |rank, participant| {
        let hook: Arc<dyn Synchronise> = Arc::new(participant);
        let parameters = [(); 2].map(|()| parameters().synchronised(hook.clone()));
        features(shares.part(rank, &scenes), parameters)
    });
    for (network, whole) in whole.iter().enumerate() {
        let joined = shares.join(&[parts[0][network].clone(), parts[1][network].clone()]);
        assert_close(&joined, whole, 1e-4, ["online", "target"][network]);
    }
}
