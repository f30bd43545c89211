//! The networks of several participants, each with a part of a batch, are those of one with the whole batch.

mod common;
#[path = "../nn/tests/nn/replicas.rs"]
mod replicas;

use candle_core::{Device, Tensor};
use rand::Rng;
use replicas::{Shares, together};
use std::sync::Arc;
use univip_core::networks::{NetworkParts, Networks, Output};
use univip_core::nn::{Parameters, Synchronise};
use univip_core::recipe::NetworkSettings;
use univip_core::seed::stream;
use univip_core::views::{Batch, Facts, Group, SCENE};

fn noise(shape: &[usize], seed: u64) -> Tensor {
    let mut stream = stream(seed, "test", &[]);
    let values: Vec<f32> = (0..shape.iter().product()).map(|_| stream.random::<f32>() * 2.0 - 1.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

/// The largest difference is within `tolerance` of the largest expected value.
fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f32, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let largest = |tensor: &Tensor| tensor.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    let (difference, most) = (largest(&(found - expected).unwrap()), largest(expected).max(1e-3));
    assert!(difference <= tolerance * most, "{what}: {difference} of {most}");
}

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
