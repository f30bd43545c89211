//! Residual networks against torchvision's; `fixtures/make.py` made the numbers.

#[path = "../../../../core/nn/tests/nn/values.rs"]
mod values;

use candle_core::{Device, Tensor};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use univip_core::nn::{Mode, Parameters, layout};
use univip_resnet::{Network, Shape, plan};
use values::{assert_close, noise, numbers};

fn fixture(name: &str) -> HashMap<String, Tensor> {
    let path = format!("{}/tests/fixtures/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    candle_core::safetensors::load(&path, &Device::Cpu).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `named` of `fixtures/make.py`.
fn named(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let first = name.bytes().fold(0u64, |sum, byte| (sum * 31 + u64::from(byte)) % 1_000_003);
    let states =
        std::iter::successors(Some(first), |state| Some((state * 1_103_515_245 + 12_345) % (1 << 31)));
    states.skip(1).map(|state| state as f64 / f64::from(1 << 30) - 1.0).take(count)
}

/// Values in torchvision's layout as a tensor of ours, of the shape `[O, h, w, I]` or `[B, H, W, C]`.
fn permuted(values: Vec<f32>, [o, h, w, i]: [usize; 4]) -> Tensor {
    let theirs = Tensor::from_vec(values, (o, i, h, w), &Device::Cpu).unwrap();
    theirs.permute([0, 2, 3, 1]).unwrap().contiguous().unwrap()
}

/// The values that `formula` of `fixtures/make.py` gives a tensor.
fn by_formula(name: &str, dims: &[usize]) -> Tensor {
    let scale = |value: f64| match (dims.len(), name) {
        (4, _) => value * (6.0 / (dims[0] * dims[1] * dims[2]) as f64).sqrt(),
        (_, name) if name.ends_with("running_var") => 1.0 + 0.1 * value,
        (_, name) if name.ends_with("weight") => {
            let last = if name.contains("bn3") || name.contains("bn2") { 0.1 } else { 1.0 };
            last * (1.0 + 0.1 * value)
        }
        _ => 0.1 * value,
    };
    let values = named(name, dims.iter().product()).map(|value| scale(value) as f32).collect();
    match *dims {
        [o, h, w, i] => permuted(values, [o, h, w, i]),
        _ => Tensor::from_vec(values, dims, &Device::Cpu).unwrap(),
    }
}

fn check(layers: usize, width: usize) {
    let name = format!("resnet{layers}");
    let parameters = Parameters::new(0, &Device::Cpu);
    let network = plan(layers, width).build(&parameters.trainable()).unwrap();
    let expected = fixture(&name);
    let formula = |(name, tensor): (String, Tensor)| {
        let value = by_formula(&name, tensor.dims());
        (name, value)
    };
    parameters.load(&parameters.tensors().into_iter().map(formula).collect()).unwrap();

    let images =
        permuted(named("images", 6 * 3 * 48 * 40).map(|value| value as f32).collect(), [6, 48, 40, 3]);
    let train = Mode::Train { groups: 2 };
    let y = network.forward(&images, train).unwrap();
    assert_close(&y, &expected["train"], 1e-4, "train");
    assert_eq!(y.dims(), [6, network.feature_size()]);
    let g: Vec<f32> = named("gradient", y.elem_count()).map(|value| value as f32).collect();
    let gradients = (&y * Tensor::from_vec(g, y.dims(), &Device::Cpu).unwrap())
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    for (name, var) in parameters.parameters() {
        let gradient = gradients.get(&var).unwrap_or_else(|| panic!("no gradient of {name}"));
        check_whole_or_summed(gradient, &expected, &format!("gradient.{name}"), 2e-4);
    }
    for (name, buffer) in parameters.buffers() {
        check_whole_or_summed(&buffer, &expected, &format!("after.{name}"), 1e-4);
    }

    let y = network.forward(&images, Mode::Eval).unwrap();
    assert_close(&y, &expected["eval"], 1e-4, "eval");
    for (mode, pass) in [(Mode::Eval, "eval"), (train, "train")] {
        let maps = network.maps(&images, mode).unwrap();
        assert_eq!(maps.len(), 4);
        for (stage, map) in maps.iter().enumerate() {
            assert_close(map, &expected[&format!("{pass}.stage{}", stage + 1)], 1e-4, pass);
            assert_eq!(map.dims()[3], network.stages()[stage].channels);
        }
    }
}

/// Against the tensor of a fixture, or, where the fixture keeps the deep network's numbers short, its sums with two waves.
fn check_whole_or_summed(found: &Tensor, expected: &HashMap<String, Tensor>, key: &str, tolerance: f32) {
    if let Some(whole) = expected.get(key) {
        return assert_close(found, whole, tolerance, key);
    }
    let sums = &expected[&format!("sums.{key}")];
    let theirs = if found.rank() == 4 { found.permute([0, 3, 1, 2]).unwrap() } else { found.clone() };
    let values = numbers(&theirs.contiguous().unwrap());
    let wave = |step: f64| -> f64 {
        values.iter().enumerate().map(|(place, value)| f64::from(*value) * (step * place as f64).cos()).sum()
    };
    // The size of the values goes with the sums, since they may cancel.
    let [first, second, size] = numbers(sums)[..] else { panic!("{key}: {sums}") };
    for (found, expected) in [(wave(0.7), first), (wave(1.9), second)] {
        let difference = (found - f64::from(expected)).abs();
        assert!(
            difference <= f64::from(tolerance) * f64::from(size.max(1e-3)),
            "{key}: {found}, expected {expected} of {size}"
        );
    }
    let found = values.iter().map(|value| f64::from(value.abs())).sum::<f64>();
    assert!(
        (found - f64::from(size)).abs() <= f64::from(tolerance * size.max(1e-3)),
        "{key}: {found}, {size}"
    );
}

#[test]
fn resnet18_agrees_with_torchvision() {
    check(18, 4);
}

#[test]
fn resnet34_agrees_with_torchvision() {
    check(34, 4);
}

#[test]
fn resnet50_agrees_with_torchvision() {
    check(50, 2);
}

#[test]
fn resnet101_agrees_with_torchvision() {
    check(101, 2);
}

/// Names and counts of the published networks, `width` 64.
#[test]
fn names_and_numbers_of_parameters_are_torchvisions() {
    let expected = fixture("parameters");
    for layers in [18, 34, 50, 101] {
        let parameters = Parameters::new(0, &Device::Cpu);
        plan(layers, 64).build(&parameters.trainable()).unwrap();
        let own: usize = parameters.parameters().values().map(|var| var.elem_count()).sum();
        let [count, tensors] = expected[&format!("resnet{layers}.count")].to_vec1::<i64>().unwrap()[..]
        else {
            panic!("two numbers")
        };
        assert_eq!((own as i64, parameters.tensors().len() as i64), (count, tensors), "resnet{layers}");
        let names = expected[&format!("resnet{layers}.names")].to_vec1::<u8>().unwrap();
        let names: BTreeSet<String> =
            String::from_utf8(names).unwrap().split('\n').map(str::to_string).collect();
        assert_eq!(parameters.tensors().into_keys().collect::<BTreeSet<_>>(), names, "resnet{layers}");
    }
}

#[test]
fn a_depth_that_nobody_published_is_refused_with_those_that_are() {
    let parameters = Parameters::new(0, &Device::Cpu);
    let error = plan(19, 2).build(&parameters.trainable()).err().unwrap();
    let said = format!("{error:#}");
    assert!(said.contains("resnet19") && said.contains("18, 34, 50 and 101"), "{said}");
}

#[test]
fn every_parameter_gets_a_finite_gradient_that_is_not_zero() {
    for (layers, mode) in
        [(18, Mode::Train { groups: 1 }), (50, Mode::Train { groups: 2 }), (18, Mode::Eval), (34, Mode::Eval)]
    {
        let parameters = Parameters::new(3, &Device::Cpu);
        let network = plan(layers, 4).build(&parameters.trainable()).unwrap();
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
    let network = plan(18, 4).build(&parameters.trainable()).unwrap();
    let frozen = plan(18, 4).build(&parameters.frozen()).unwrap();
    let images = noise(&[2, 33, 40, 3], 0);
    let y = frozen.forward(&images, Mode::Eval).unwrap();
    assert!(!y.track_op());
    assert_close(&y, &network.forward(&images, Mode::Eval).unwrap(), 0.0, "eval");
    let y = frozen.forward(&images, Mode::Train { groups: 1 }).unwrap();
    assert!(!y.track_op());
}

#[test]
fn maps_have_the_stated_strides_and_channels() {
    for layers in [18, 34, 50, 101] {
        let parameters = Parameters::new(0, &Device::Cpu);
        let network = plan(layers, 2).build(&parameters.frozen()).unwrap();
        let images = noise(&[1, 96, 64, 3], 0);
        let maps = network.maps(&images, Mode::Eval).unwrap();
        for (map, stage) in maps.iter().zip(network.stages()) {
            assert_eq!(map.dims(), [1, 96 / stage.stride, 64 / stage.stride, stage.channels], "{layers}");
        }
        let (wanted, pooled) = network.maps_and_pooled(&images, Mode::Eval, &[2, 4]).unwrap();
        assert_close(&wanted[0], &maps[1], 0.0, "stage 2");
        assert_close(&wanted[1], &maps[3], 0.0, "stage 4");
        assert_eq!((wanted.len(), pooled.dims()), (2, &[1, network.feature_size()][..]));
    }
}

#[test]
fn initial_values_follow_the_paper() {
    let deviation = |tensor: &Tensor| {
        let values = numbers(tensor);
        (values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32).sqrt()
    };
    let parameters = Parameters::new(0, &Device::Cpu);
    let shape = Shape { layers: 50, width: 32, zero_init_residual: true };
    Network::new(shape, &parameters.trainable()).unwrap();
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
    plan(18, 2).build(&parameters.trainable()).unwrap();
    let own = parameters.tensors();
    let theirs = layout::to_torchvision(&own).unwrap();
    assert_eq!(theirs["conv1.weight"].dims(), [2, 3, 7, 7]);
    let back: BTreeMap<_, _> = layout::from_torchvision(&theirs).unwrap();
    for (name, tensor) in &own {
        assert_close(&back[name], tensor, 0.0, name);
    }
}
