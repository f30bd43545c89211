//! In-place updates of parameters.

use crate::fixture;
use crate::values::{assert_close, noise};
use candle_core::Var;
use univip_nn::ops::{self, SgdStep};

#[test]
fn sgd_agrees_with_pytorch() {
    let values = fixture("sgd");
    let parameter = Var::from_tensor(&values["initial"]).unwrap();
    let buffer = Var::from_tensor(&parameter.zeros_like().unwrap()).unwrap();
    let by = SgdStep { rate: 0.1, momentum: 0.9, decay: 0.01, nesterov: false };
    for step in 0..3 {
        ops::sgd_step(&parameter, &values[&format!("gradient{step}")], &buffer, &by).unwrap();
        assert_close(&parameter, &values[&format!("after{step}")], 1e-6, &format!("step {step}"));
    }
}

#[test]
fn the_moving_average_keeps_its_share() {
    for size in [1, 100_000] {
        let (start, online) = (noise(&[size], 0), noise(&[size], 1));
        let target = Var::from_tensor(&start).unwrap();
        ops::ema_step(&target, &online, 0.75).unwrap();
        let expected = ((start * 0.75).unwrap() + (&online * 0.25).unwrap()).unwrap();
        assert_close(&target, &expected, 1e-6, "target");
    }
}

#[test]
fn tensors_that_share_the_storage_see_the_update() {
    let target = Var::from_tensor(&noise(&[4], 0)).unwrap();
    let view = target.as_detached_tensor();
    ops::ema_step(&target, &noise(&[4], 1), 0.0).unwrap();
    assert_close(&view, &noise(&[4], 1), 0.0, "view");
}

#[test]
fn shapes_must_agree() {
    let target = Var::from_tensor(&noise(&[4], 0)).unwrap();
    assert!(ops::ema_step(&target, &noise(&[5], 1), 0.5).is_err());
}
