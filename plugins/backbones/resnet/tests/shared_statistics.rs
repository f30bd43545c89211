//! A network whose batch is shared out to participants is the network on the whole batch.

#[path = "../../../../core/nn/tests/nn/replicas.rs"]
mod replicas;
#[path = "../../../../core/nn/tests/nn/values.rs"]
mod values;

use candle_core::{Device, Tensor, Var};
use replicas::{Shares, together};
use std::collections::BTreeMap;
use std::sync::Arc;
use univip_core::nn::{Mode, Parameters};
use univip_resnet::plan;
use values::{assert_close, gradients, noise, numbers};

fn sum(parts: &[Tensor]) -> Tensor {
    Tensor::stack(parts, 0).unwrap().sum(0).unwrap()
}

/// The features of `images`, the gradient of the images, and the parameters' gradients and the buffers by name.
struct Trained {
    features: Tensor,
    images: Tensor,
    gradients: BTreeMap<String, Tensor>,
    buffers: BTreeMap<String, Tensor>,
}

fn train_backbone(images: &Tensor, g: &Tensor, groups: usize, parameters: Parameters) -> Trained {
    let network = plan(18, 4).build(&parameters.trainable()).unwrap();
    let images = Var::from_tensor(images).unwrap();
    let features = network.forward(&images, Mode::Train { groups }).unwrap();
    let all = parameters.parameters();
    let mut variables = vec![("images", images.as_tensor())];
    variables.extend(all.iter().map(|(name, var)| (name.as_str(), var.as_tensor())));
    let mut gradients = gradients(&features, g, &variables);
    let images = gradients.remove("images").unwrap();
    let buffers = parameters.buffers().into_iter().map(|(name, var)| (name, var.as_detached_tensor()));
    Trained { features, images, gradients, buffers: buffers.collect() }
}

#[test]
fn a_resnet_on_two_threads_is_the_resnet_on_the_whole_batch() {
    for groups in [1, 2] {
        let (images, g) = (noise(&[5 * groups, 64, 64, 3], 0), noise(&[5 * groups, 32], 1));
        let whole = train_backbone(&images, &g, groups, Parameters::new(0, &Device::Cpu));
        let shares = Shares { groups, images: &[2, 3] };
        let parts = together(2, |rank, participant| {
            let parameters = Parameters::new(0, &Device::Cpu).synchronised(Arc::new(participant));
            train_backbone(&shares.part(rank, &images), &shares.part(rank, &g), groups, parameters)
        });
        let joined = |of: fn(&Trained) -> &Tensor| {
            shares.join(&parts.iter().map(|part| of(part).clone()).collect::<Vec<_>>())
        };
        assert_close(&joined(|part| &part.features), &whole.features, 1e-5, "features");
        assert_close(&joined(|part| &part.images), &whole.images, 1e-5, "the images' gradient");
        for (name, expected) in &whole.gradients {
            let sum = sum(&[&parts[0], &parts[1]].map(|part| part.gradients[name].clone()));
            assert_close(&sum, expected, 1e-5, name);
        }
        for (name, expected) in &whole.buffers {
            assert_close(&parts[0].buffers[name], expected, 1e-5, name);
            assert!(numbers(&parts[0].buffers[name]) == numbers(&parts[1].buffers[name]), "{name}");
        }
    }
}
