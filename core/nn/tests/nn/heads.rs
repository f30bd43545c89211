//! Heads against PyTorch.

use crate::fixture;
use crate::values::{assert_close, noise};
use candle_core::Device;
use std::collections::BTreeMap;
use univip_nn::ops::Map;
use univip_nn::{BatchNorm, Mlp, MlpShape, Mode, OutputNorm, Parameters};

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

#[test]
fn a_pass_aside_gives_the_same_and_moves_no_running_statistics() {
    let x = noise(&[6, 3], 0);
    let outputs = |mode: Mode| {
        let parameters = Parameters::new(0, &Device::Cpu);
        let head = Mlp::new(MlpShape::byol(3, 4, 2), &parameters.trainable()).unwrap();
        let y = head.forward(&x, mode).unwrap().to_vec2::<f32>().unwrap();
        let buffers: Vec<Vec<f32>> =
            parameters.buffers().values().map(|buffer| buffer.to_vec1().unwrap()).collect();
        (y, buffers)
    };
    let [(y, moved), (aside, still)] = [Mode::Train { groups: 2 }, Mode::Aside { groups: 2 }].map(outputs);
    assert_eq!(y, aside);
    assert_eq!(still, [vec![0.0; 4], vec![1.0; 4]]);
    assert!(moved.iter().zip(&still).all(|(moved, still)| moved != still), "{moved:?}");
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
fn batch_norm_refuses_to_train_on_one_value_a_channel() {
    let parameters = Parameters::new(0, &Device::Cpu);
    let norm = BatchNorm::new(3, &parameters.trainable()).unwrap();
    let vectors = |count| Map::of(&noise(&[count, 3], 0)).unwrap();
    let error = norm.forward(&vectors(2), Mode::Train { groups: 2 }).err().unwrap().to_string();
    assert!(error.contains("at least two values"), "{error}");
    assert!(norm.forward(&vectors(2), Mode::Train { groups: 1 }).is_ok());
    assert!(norm.forward(&vectors(1), Mode::Eval).is_ok());
}
