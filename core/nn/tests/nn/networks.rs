//! Whole networks against PyTorch, with torchvision's blocks.

use crate::{assert_close, fixture, noise, numbers};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;
use univip_nn::ops::Map;
use univip_nn::{Backbone, BatchNorm, Mlp, MlpShape, Mode, OutputNorm, Parameters, layout, resnet};
use univip_nn::{BackboneKind, BackboneShape};

fn settings(backbone: BackboneKind, width: usize) -> BackboneShape {
    BackboneShape { backbone, width, ..BackboneShape::default() }
}

fn check_resnet(name: &str, backbone: BackboneKind, width: usize) {
    let parameters = Parameters::new(0, &Device::Cpu);
    let network = Backbone::new(settings(backbone, width), &parameters.trainable()).unwrap();
    parameters.load(&fixture(&format!("{name}_initial")).into_iter().collect()).unwrap();
    let expected = fixture(name);

    let train = Mode::Train { groups: 2 };
    let y = network.forward(&expected["x"], train).unwrap();
    assert_close(&y, &expected["train"], 1e-4, "train");
    assert_eq!(y.dims(), [6, network.feature_size()]);
    let gradients = (&y * &expected["g"]).unwrap().sum_all().unwrap().backward().unwrap();
    for (name, var) in parameters.parameters() {
        let gradient = gradients.get(&var).unwrap_or_else(|| panic!("no gradient of {name}"));
        assert_close(gradient, &expected[&format!("gradient.{name}")], 2e-4, &name);
    }
    for (name, buffer) in parameters.buffers() {
        assert_close(&buffer, &expected[&format!("after.{name}")], 1e-4, &name);
    }

    let y = network.forward(&expected["x"], Mode::Eval).unwrap();
    assert_close(&y, &expected["eval"], 1e-4, "eval");
    for (stage, map) in network.stages(&expected["x"], Mode::Eval).unwrap().iter().enumerate() {
        assert_close(map, &expected[&format!("eval.stage{}", stage + 1)], 1e-4, "eval stage");
    }
    for (stage, map) in network.stages(&expected["x"], train).unwrap().iter().enumerate() {
        assert_close(map, &expected[&format!("train.stage{}", stage + 1)], 1e-4, "train stage");
    }
}

#[test]
fn resnet18_agrees_with_torchvision() {
    check_resnet("resnet18", BackboneKind::ResNet18, 4);
}

#[test]
fn resnet50_agrees_with_torchvision() {
    check_resnet("resnet50", BackboneKind::ResNet50, 2);
}

#[test]
fn the_heads_agree_with_pytorch() {
    let expected = fixture("mlp");
    let parameters = Parameters::new(0, &Device::Cpu);
    let head = Mlp::new(MlpShape::byol(10, 12, 6), &parameters.trainable()).unwrap();
    let initial = expected
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix("initial.")?.to_owned(), value.clone())));
    parameters.load(&initial.collect()).unwrap();

    let x = candle_core::Var::from_tensor(&expected["x"]).unwrap();
    let y = head.forward(&x, Mode::Train { groups: 2 }).unwrap();
    assert_close(&y, &expected["train"], 1e-5, "train");
    let gradients = (&y * &expected["g"]).unwrap().sum_all().unwrap().backward().unwrap();
    assert_close(gradients.get(&x).unwrap(), &expected["dx"], 1e-4, "dx");
    for (name, var) in parameters.parameters() {
        // The bias in front of a batch norm has no effect: its gradient is rounding noise.
        if name != "0.bias" {
            assert_close(gradients.get(&var).unwrap(), &expected[&format!("gradient.{name}")], 1e-4, &name);
        }
    }
    for (name, buffer) in parameters.buffers() {
        assert_close(&buffer, &expected[&format!("after.{name}")], 1e-5, &name);
    }
    assert_close(&head.forward(&x, Mode::Eval).unwrap(), &expected["eval"], 1e-5, "eval");
}

/// The heads of SimCLR, SimSiam, MoCo v2 and MoCo against PyTorch's `nn.Sequential`.
#[test]
fn heads_of_other_shapes_agree_with_pytorch() {
    let byol = MlpShape::byol(10, 12, 6);
    let simclr = MlpShape { layers: 3, hidden_bias: false, output_norm: OutputNorm::Weight, ..byol };
    let simsiam = MlpShape { output_norm: OutputNorm::Plain, ..simclr };
    let moco2 = MlpShape { norm: false, output_bias: true, ..byol };
    let shapes = [
        ("simclr", simclr),
        ("simsiam", simsiam),
        ("moco2", moco2),
        ("moco", MlpShape { layers: 1, ..moco2 }),
        ("affine", MlpShape { output_norm: OutputNorm::Affine, ..byol }),
    ];
    let all = fixture("heads");
    for (case, shape) in shapes {
        let of = |part: &str| {
            let prefix = format!("{case}.{part}");
            let inside = all.iter().filter_map(move |(name, value)| {
                Some((name.strip_prefix(&prefix)?.to_string(), value.clone()))
            });
            inside.collect::<BTreeMap<_, _>>()
        };
        let parameters = Parameters::new(0, &Device::Cpu);
        let head = Mlp::new(shape, &parameters.trainable()).unwrap();
        parameters.load(&of("initial.")).unwrap();
        let x = candle_core::Var::from_tensor(&all[&format!("{case}.x")]).unwrap();
        let y = head.forward(&x, Mode::Train { groups: 2 }).unwrap();
        assert_close(&y, &all[&format!("{case}.train")], 1e-5, case);
        let gradients = (&y * &all[&format!("{case}.g")]).unwrap().sum_all().unwrap().backward().unwrap();
        assert_close(gradients.get(&x).unwrap(), &all[&format!("{case}.dx")], 1e-4, case);
        let expected = of("gradient.");
        assert_eq!(parameters.parameters().len(), expected.len(), "{case}");
        for (name, var) in parameters.parameters() {
            // A bias in front of a batch norm has no effect: its gradient is rounding noise.
            let before_norm = case == "affine" && name == "0.bias";
            if !before_norm {
                assert_close(gradients.get(&var).unwrap(), &expected[&name], 1e-4, &format!("{case} {name}"));
            }
        }
        for (name, buffer) in parameters.buffers() {
            assert_close(&buffer, &all[&format!("{case}.after.{name}")], 1e-5, &format!("{case} {name}"));
        }
        assert_close(&head.forward(&x, Mode::Eval).unwrap(), &all[&format!("{case}.eval")], 1e-5, case);
        assert_eq!(y.dims(), [8, head.size()]);
    }
}

#[test]
fn every_parameter_gets_a_finite_gradient_that_is_not_zero() {
    for (backbone, mode) in [
        (BackboneKind::ResNet18, Mode::Train { groups: 1 }),
        (BackboneKind::ResNet50, Mode::Train { groups: 2 }),
        (BackboneKind::ResNet18, Mode::Eval),
    ] {
        let parameters = Parameters::new(3, &Device::Cpu);
        let network = Backbone::new(settings(backbone, 4), &parameters.trainable()).unwrap();
        let y = network.forward(&noise(&[4, 64, 64, 3], 0), mode).unwrap();
        let loss = (&y * noise(y.dims(), 1)).unwrap().sum_all().unwrap();
        let gradients = loss.backward().unwrap();
        for (name, var) in parameters.parameters() {
            let gradient = gradients.get(&var).unwrap_or_else(|| panic!("no gradient of {name}"));
            let gradient = numbers(gradient);
            assert!(gradient.iter().all(|value| value.is_finite()), "{name}");
            assert!(gradient.iter().any(|value| *value != 0.0), "{name}");
        }
    }
}

#[test]
fn a_frozen_network_shares_values_and_has_no_graph() {
    let parameters = Parameters::new(0, &Device::Cpu);
    let settings = settings(BackboneKind::ResNet18, 4);
    let network = Backbone::new(settings, &parameters.trainable()).unwrap();
    let frozen = Backbone::new(settings, &parameters.frozen()).unwrap();
    let images = noise(&[2, 33, 40, 3], 0);
    let y = frozen.forward(&images, Mode::Eval).unwrap();
    assert!(!y.track_op());
    assert_close(&y, &network.forward(&images, Mode::Eval).unwrap(), 0.0, "eval");
    let y = frozen.forward(&images, Mode::Train { groups: 1 }).unwrap();
    assert!(!y.track_op());
}

#[test]
fn the_last_map_has_the_stated_stride() {
    let parameters = Parameters::new(0, &Device::Cpu);
    let network = Backbone::new(settings(BackboneKind::ResNet50, 2), &parameters.frozen()).unwrap();
    let maps = network.stages(&noise(&[1, 96, 64, 3], 0), Mode::Eval).unwrap();
    assert_eq!(maps[3].dims(), [1, 96 / resnet::STRIDE, 64 / resnet::STRIDE, network.feature_size()]);
}

#[test]
fn initial_values_follow_the_paper() {
    let deviation = |tensor: &Tensor| {
        let values = numbers(tensor);
        (values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32).sqrt()
    };
    let parameters = Parameters::new(0, &Device::Cpu);
    let settings = BackboneShape { zero_init_residual: true, ..settings(BackboneKind::ResNet50, 32) };
    Backbone::new(settings, &parameters.trainable()).unwrap();
    let values = parameters.tensors();
    for (name, fan_out) in [("conv1.weight", 32 * 49), ("layer1.0.conv2.weight", 32 * 9)] {
        let expected = (2.0 / fan_out as f32).sqrt();
        assert!((deviation(&values[name]) / expected - 1.0).abs() < 0.05, "{name}");
    }
    assert!(numbers(&values["layer2.1.bn3.weight"]).iter().all(|value| *value == 0.0));
    assert!(numbers(&values["layer2.1.bn2.weight"]).iter().all(|value| *value == 1.0));
    assert!(numbers(&values["layer2.0.downsample.1.weight"]).iter().all(|value| *value == 1.0));
}

#[test]
fn torchvision_layout_and_back_is_the_identity() {
    let parameters = Parameters::new(0, &Device::Cpu);
    Backbone::new(settings(BackboneKind::ResNet18, 2), &parameters.trainable()).unwrap();
    let own = parameters.tensors();
    let theirs = layout::to_torchvision(&own).unwrap();
    assert_eq!(theirs["conv1.weight"].dims(), [2, 3, 7, 7]);
    let back: BTreeMap<_, _> = layout::from_torchvision(&theirs).unwrap();
    for (name, tensor) in &own {
        assert_close(&back[name], tensor, 0.0, name);
    }
}

#[test]
fn batch_norm_refuses_to_train_on_one_value_a_channel() {
    let parameters = Parameters::new(0, &Device::Cpu);
    let norm = BatchNorm::new(3, &parameters.trainable()).unwrap();
    let vectors = |count| Map::of(&noise(&[count, 3], 0)).unwrap();
    let error = norm.forward(&vectors(2), Mode::Train { groups: 2 }).err().unwrap().to_string();
    assert!(error.contains("at least two values"), "{error}");
    assert!(norm.forward(&vectors(2), Mode::Train { groups: 1 }).is_ok());
    assert!(norm.forward(&vectors(1), Mode::Eval).is_ok());
}
