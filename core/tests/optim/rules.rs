//! Parameters that do not move as the others do (`[[optimizer.rules]]`).

use super::{close, fixture, flat, gradients, owned, parameters, rates, settings};
use anyhow::Result;
use candle_core::{Device, Tensor};
use std::collections::HashMap;
use univip_core::nn::optim::{Gradients, Optimizer};
use univip_core::nn::{Init, Parameters};
use univip_core::recipe::{OptimizerKind, OptimizerSettings, ParameterRule, RuleLr};

/// The step and the rate of `make.py`.
const FROZEN_UNTIL: u64 = 3;
const CONSTANT: f64 = 0.3;

fn with_rules(kind: OptimizerKind, rules: Vec<ParameterRule>) -> OptimizerSettings {
    OptimizerSettings { rules, ..settings(kind) }
}

fn below(prefix: &str) -> ParameterRule {
    ParameterRule { prefix: prefix.into(), ..ParameterRule::default() }
}

fn frozen(prefix: &str) -> ParameterRule {
    ParameterRule { frozen_until: Some(FROZEN_UNTIL), ..below(prefix) }
}

/// Ten steps, and the values behind them.
fn trained(settings: &OptimizerSettings, tensors: &HashMap<String, Tensor>) -> Result<Parameters> {
    let parameters = parameters(tensors)?;
    let mut optimizer = Optimizer::new(settings, &parameters)?.with_constant_lr(CONSTANT);
    for (step, lr) in rates(tensors)?.into_iter().enumerate() {
        optimizer.step(&gradients(tensors, step)?, lr)?;
    }
    Ok(parameters)
}

fn without(gradients: &Gradients, prefix: &str) -> Gradients {
    gradients.iter().filter(|(name, _)| !name.starts_with(prefix)).map(owned).collect()
}

#[test]
fn a_parameter_that_is_frozen_at_first_ends_where_pytorchs_ends_that_had_no_gradient() -> Result<()> {
    let tensors = fixture()?;
    for (optimiser, kind) in [("sgd", OptimizerKind::Sgd), ("adamw", OptimizerKind::AdamW)] {
        let parameters = parameters(&tensors)?;
        let settings = with_rules(kind, vec![frozen("head"), frozen("norm.weight")]);
        let mut optimizer = Optimizer::new(&settings, &parameters)?;
        for (step, lr) in rates(&tensors)?.into_iter().enumerate() {
            let all = gradients(&tensors, step)?;
            // That of norm.weight is there from the first step on, and is not looked at.
            let given = if (step as u64) < FROZEN_UNTIL { without(&all, "head") } else { all };
            optimizer.step(&given, lr)?;
        }
        for (name, value) in parameters.tensors() {
            let suffix = if name.starts_with("head") || name == "norm.weight" { "frozen" } else { "all" };
            let expected = &tensors[&format!("{optimiser}.{suffix}.{name}")];
            close(&value, expected, &format!("{optimiser} {name}"))?;
        }
    }
    Ok(())
}

#[test]
fn a_frozen_parameter_keeps_its_bits_and_gathers_no_momentum() -> Result<()> {
    let tensors = fixture()?;
    let parameters = parameters(&tensors)?;
    let mut optimizer =
        Optimizer::new(&with_rules(OptimizerKind::Sgd, vec![frozen("head.weight")]), &parameters)?;
    for step in 0..FROZEN_UNTIL as usize {
        optimizer.step(&gradients(&tensors, step)?, 0.1)?;
    }
    assert_eq!(flat(&parameters.tensors()["head.weight"])?, flat(&tensors["initial.head.weight"])?);
    assert!(flat(&optimizer.state()["head.weight"])?.iter().all(|value| *value == 0.0));
    Ok(())
}

#[test]
fn a_constant_rate_does_not_follow_the_schedule() -> Result<()> {
    let tensors = fixture()?;
    for (optimiser, kind) in
        [("lars-lr-inside", OptimizerKind::LarsLrInside), ("adamw", OptimizerKind::AdamW)]
    {
        let rule = ParameterRule { lr: Some(RuleLr::Constant), ..below("head") };
        for (name, value) in trained(&with_rules(kind, vec![rule]), &tensors)?.tensors() {
            let suffix = if name.starts_with("head") { "constant" } else { "all" };
            let expected = &tensors[&format!("{optimiser}.{suffix}.{name}")];
            close(&value, expected, &format!("{optimiser} {name}"))?;
        }
    }
    Ok(())
}

#[test]
fn a_rule_says_what_decays_whatever_the_recipe_says_of_biases_and_norms() -> Result<()> {
    let tensors = fixture()?;
    for kind in [OptimizerKind::Sgd, OptimizerKind::Lars, OptimizerKind::AdamW] {
        let rule = |decays| vec![ParameterRule { weight_decay: Some(decays), ..below("head.bias") }];
        let all = trained(&settings(kind), &tensors)?.tensors();
        let weights = OptimizerSettings { decay_bias_and_norm: false, ..settings(kind) };
        let weights = trained(&weights, &tensors)?.tensors();
        let spared = trained(&with_rules(kind, rule(false)), &tensors)?.tensors();
        let settings = OptimizerSettings { decay_bias_and_norm: false, ..with_rules(kind, rule(true)) };
        let decayed = trained(&settings, &tensors)?.tensors();
        for name in all.keys() {
            let [yes, no] = [&all, &weights].map(|tensors| flat(&tensors[name]));
            let (yes, no) = (yes?, no?);
            let ruled = name == "head.bias";
            assert_eq!(flat(&spared[name])?, if ruled { no.clone() } else { yes.clone() }, "{kind:?} {name}");
            assert_eq!(
                flat(&decayed[name])?,
                if ruled { yes.clone() } else { no.clone() },
                "{kind:?} {name}"
            );
            assert_eq!(yes != no, ["head.bias", "norm.weight"].contains(&name.as_str()), "{kind:?} {name}");
        }
    }
    Ok(())
}

#[test]
fn the_last_rule_that_says_something_holds() -> Result<()> {
    let tensors = fixture()?;
    let parameters = parameters(&tensors)?;
    let rules = vec![
        ParameterRule { frozen_until: Some(9), weight_decay: Some(false), ..below("head") },
        ParameterRule { frozen_until: Some(1), ..below("head.bias") },
    ];
    let mut optimizer = Optimizer::new(&with_rules(OptimizerKind::Sgd, rules), &parameters)?;
    for step in 0..2 {
        optimizer.step(&gradients(&tensors, step)?, 0.1)?;
    }
    let moved = |name: &str| -> Result<bool> {
        Ok(flat(&parameters.tensors()[name])? != flat(&tensors[&format!("initial.{name}")])?)
    };
    assert_eq!((moved("head.bias")?, moved("head.weight")?), (true, false));
    // One step by the first rule's word on decay: the gradient alone.
    let step = (&tensors["gradients.head.bias"].get(1)? * 0.1)?;
    close(&parameters.tensors()["head.bias"], &(&tensors["initial.head.bias"] - step)?, "head.bias")
}

#[test]
fn a_gradient_may_lack_only_while_its_parameter_is_frozen() -> Result<()> {
    let tensors = fixture()?;
    let parameters = parameters(&tensors)?;
    let mut optimizer = Optimizer::new(&with_rules(OptimizerKind::Sgd, vec![frozen("head")]), &parameters)?;
    let lacking = without(&gradients(&tensors, 0)?, "zero");
    let error = optimizer.step(&lacking, 0.1).expect_err("zero.weight is not frozen").to_string();
    assert!(error.contains("zero.weight") && !error.contains("head"), "{error}");
    for step in 0..FROZEN_UNTIL as usize {
        optimizer.step(&without(&gradients(&tensors, step)?, "head"), 0.1)?;
    }
    let before = flat(&parameters.tensors()["conv.weight"])?;
    let late = optimizer.step(&without(&gradients(&tensors, 3)?, "head"), 0.1);
    let error = late.expect_err("head is not frozen any more").to_string();
    assert!(error.contains("head.bias") && error.contains("head.weight"), "{error}");
    assert_eq!(flat(&parameters.tensors()["conv.weight"])?, before, "nothing moves");
    Ok(())
}

#[test]
fn a_rule_of_no_parameter_is_refused_with_what_there_is() -> Result<()> {
    let parameters = parameters(&fixture()?)?;
    for (prefix, expected) in [
        (
            "haed",
            "optimizer.rules: no parameter is below `haed`; did you mean `head`? Known: conv, head, norm, zero",
        ),
        // A prefix ends where a part of the name ends.
        (
            "hea",
            "optimizer.rules: no parameter is below `hea`; did you mean `head`? Known: conv, head, norm, zero",
        ),
        (
            "head.weights",
            "optimizer.rules: no parameter is below `head.weights`; known: conv, head, norm, zero",
        ),
    ] {
        let settings = with_rules(OptimizerKind::Sgd, vec![frozen(prefix)]);
        let error = Optimizer::new(&settings, &parameters).err().expect("no such parameter").to_string();
        assert_eq!(error, expected);
    }
    for prefix in ["head", "head.", "head.bias"] {
        Optimizer::new(&with_rules(OptimizerKind::Sgd, vec![frozen(prefix)]), &parameters)?;
    }
    Ok(())
}

/// A checkpoint of SGD or LARS holds what it held before there were rules.
#[test]
fn the_state_counts_steps_only_where_a_step_depends_on_their_number() -> Result<()> {
    let parameters = Parameters::new(0, &Device::Cpu);
    parameters.trainable().weight("w", 2, Init::Constant(1.0))?;
    let constant = ParameterRule { lr: Some(RuleLr::Constant), ..below("w") };
    for (settings, expected) in [
        (settings(OptimizerKind::Sgd), vec!["w"]),
        (with_rules(OptimizerKind::Lars, vec![constant]), vec!["w"]),
        (with_rules(OptimizerKind::Sgd, vec![frozen("w")]), vec!["#done", "w"]),
        (settings(OptimizerKind::AdamW), vec!["#done", "w", "w#square"]),
    ] {
        let state = Optimizer::new(&settings, &parameters)?.state();
        assert_eq!(state.keys().collect::<Vec<_>>(), expected, "{settings:?}");
    }
    Ok(())
}
