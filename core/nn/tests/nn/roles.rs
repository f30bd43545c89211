//! The roles of the layers' parameters.

use candle_core::Device;
use std::collections::BTreeMap;
use univip_nn::Role::{self, Bias, Norm, Weight};
use univip_nn::convolution::{Block, Convolution, ConvolutionShape, Doubling, he};
use univip_nn::{BatchNorm, Conv2d, Init, Linear, Mlp, MlpShape, Parameters, Scope};

/// The roles of what `make` makes.
fn roles<T>(make: impl FnOnce(&Scope) -> anyhow::Result<T>) -> BTreeMap<String, Role> {
    let parameters = Parameters::new(0, &Device::Cpu);
    make(&parameters.trainable()).unwrap();
    parameters.roles()
}

#[test]
fn each_layer_says_what_its_parameters_are() {
    let (init, shape) = (Init::Constant(0.0), ConvolutionShape { inputs: 2, outputs: 3, kernel: 3 });
    for (made, expected) in [
        (roles(|scope| Conv2d::new(2, 3, 3, 1, scope)), vec![("weight", Weight)]),
        (roles(|scope| Convolution::new(shape, init, scope)), vec![("bias", Bias), ("weight", Weight)]),
        (roles(|scope| Doubling::new(2, 3, scope)), vec![("bias", Bias), ("weight", Weight)]),
        (roles(|scope| Linear::new(2, 3, scope)), vec![("bias", Bias), ("weight", Weight)]),
        (roles(|scope| Linear::with_init(2, 3, init, scope)), vec![("bias", Bias), ("weight", Weight)]),
        (roles(|scope| Linear::without_bias(2, 3, scope)), vec![("weight", Weight)]),
        (roles(|scope| BatchNorm::new(3, scope)), vec![("bias", Norm), ("weight", Norm)]),
        (
            roles(|scope| Block::new(shape, he(3, 3), true, scope)),
            vec![("0.weight", Weight), ("1.bias", Norm), ("1.weight", Norm)],
        ),
        (
            roles(|scope| Block::new(shape, he(3, 3), false, scope)),
            vec![("0.bias", Bias), ("0.weight", Weight)],
        ),
        (
            roles(|scope| Mlp::new(MlpShape::byol(2, 4, 3), scope)),
            vec![
                ("0.bias", Bias),
                ("0.weight", Weight),
                ("1.bias", Norm),
                ("1.weight", Norm),
                ("3.weight", Weight),
            ],
        ),
    ] {
        let expected = expected.into_iter().map(|(name, role)| (name.to_string(), role));
        assert_eq!(made, expected.collect());
    }
}

#[test]
fn a_parameter_has_one_role() {
    let scope = Parameters::new(0, &Device::Cpu).trainable().enter("layer");
    scope.weight("a", 2, Init::Constant(0.0)).unwrap();
    scope.weight("a", 2, Init::Constant(0.0)).unwrap();
    let error = scope.bias("a", 2, Init::Constant(0.0)).unwrap_err().to_string();
    assert_eq!(error, "layer.a is a parameter of the role Weight, asked for as Bias");
}
