//! Batch norm of a batch that participants share: together they compute what one would on the whole batch.

use crate::replicas::{Shares, together};
use crate::values::{gradients, noise, numbers};
use crate::{Case, on_tensors};
use anyhow::Result;
use candle_core::{Device, Tensor, Var};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;
use univip_nn::ops::{BatchStatistics, Map};
use univip_nn::{BatchNorm, Mode, Parameters, Synchronise, Synchroniser};

type Hook = Arc<dyn Synchronise>;

/// The results of one participant for its part of a case.
struct Replica {
    y: Tensor,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

type Norm = fn(&Case, &Tensor, Option<&Tensor>, Hook) -> Result<Replica>;

fn by_layer(case: &Case, x: &Tensor, residual: Option<&Tensor>, hook: Hook) -> Result<Replica> {
    layer(case, x, residual, Parameters::new(0, &Device::Cpu).synchronised(hook))
}

fn layer(case: &Case, x: &Tensor, residual: Option<&Tensor>, parameters: Parameters) -> Result<Replica> {
    let norm = BatchNorm::new(case.get("weight").elem_count(), &parameters.trainable())?;
    for name in ["weight", "bias"] {
        parameters.parameters()[name].set(case.get(name))?;
    }
    let (x, mode) = (Map::of(x)?, Mode::Train { groups: case.setting("groups") });
    let y = match (residual, case.setting("relu")) {
        (Some(residual), _) => norm.add_relu(&x, &Map::of(residual)?, mode)?,
        (None, 1) => norm.relu(&x, mode)?,
        (None, _) => norm.forward(&x, mode)?,
    };
    let [weight, bias] = ["weight", "bias"].map(|name| parameters.parameters()[name].as_tensor().clone());
    let [running_mean, running_var] =
        ["running_mean", "running_var"].map(|name| parameters.buffers()[name].as_detached_tensor());
    Ok(Replica { y: y.tensor()?, weight, bias, running_mean, running_var })
}

fn composed(case: &Case, x: &Tensor, residual: Option<&Tensor>, hook: Hook) -> Result<Replica> {
    let (weight, bias) = (case.var("weight"), case.var("bias"));
    let (relu, groups) = (case.setting("relu") == 1, case.setting("groups"));
    let hook = Synchroniser::new(hook, "norm");
    let parameters = [weight.as_tensor(), bias.as_tensor()];
    let (y, statistics) =
        on_tensors::composed_synchronised_batch_norm(x, parameters, residual, relu, groups, 1e-5, &hook)?;
    let [running_mean, running_var] = running(&statistics, groups)?;
    Ok(Replica { y, weight: parameters[0].clone(), bias: parameters[1].clone(), running_mean, running_var })
}

/// PyTorch's running mean and variance after each group in turn.
fn running(statistics: &BatchStatistics, groups: usize) -> Result<[Tensor; 2]> {
    let unbiased = statistics.count as f64 / (statistics.count - 1) as f64;
    let mut mean = statistics.mean.get(0)?.zeros_like()?;
    let mut variance = mean.ones_like()?;
    for group in 0..groups {
        mean = ((mean * 0.9)? + (statistics.mean.get(group)? * 0.1)?)?;
        variance = ((variance * 0.9)? + (statistics.variance.get(group)? * (0.1 * unbiased))?)?;
    }
    Ok([mean, variance])
}

/// A replica's results and gradients by the names in the fixture, from its part of the case's tensors.
fn run(norm: Norm, case: &Case, shares: Shares, rank: usize, hook: Hook) -> Result<BTreeMap<String, Tensor>> {
    let part = |key| Var::from_tensor(&shares.part(rank, case.get(key)));
    let (x, g) = (part("x")?, part("g")?);
    let residual = (case.setting("residual") == 1).then(|| part("residual")).transpose()?;
    let residual = residual.as_ref().map(|residual| residual.as_tensor());
    let replica = norm(case, &x, residual, hook)?;
    let mut variables = vec![("dx", x.as_tensor()), ("dweight", &replica.weight), ("dbias", &replica.bias)];
    variables.extend(residual.map(|residual| ("dresidual", residual)));
    let mut found = gradients(&replica.y, &g, &variables);
    let Replica { y, running_mean, running_var, .. } = replica;
    let results = [("y", y), ("running_mean", running_mean), ("running_var", running_var)];
    found.extend(results.map(|(name, tensor)| (name.to_owned(), tensor)));
    Ok(found)
}

fn check(norm: Norm, images: &[usize]) {
    for case in Case::all("shared_batch_norm") {
        let shares = Shares { groups: case.setting("groups"), images };
        let found = together(images.len(), |rank, participant| {
            run(norm, &case, shares, rank, Arc::new(participant)).unwrap()
        });
        for name in found[0].keys() {
            let parts: Vec<Tensor> = found.iter().map(|found| found[name].clone()).collect();
            match name.as_str() {
                "dweight" | "dbias" => case.check(name, &sum(&parts)),
                "running_mean" | "running_var" => {
                    case.check(name, &parts[0]);
                    assert!(parts.iter().all(|part| numbers(part) == numbers(&parts[0])), "{name}");
                }
                _ => case.check(name, &shares.join(&parts)),
            }
        }
    }
}

fn sum(parts: &[Tensor]) -> Tensor {
    Tensor::stack(parts, 0).unwrap().sum(0).unwrap()
}

#[test]
fn two_participants_agree_with_pytorch_on_the_whole_batch() {
    check(by_layer, &[2, 3]);
}

#[test]
fn three_participants_agree_with_pytorch_on_the_whole_batch() {
    check(by_layer, &[1, 1, 3]);
}

#[test]
fn composed_operations_agree_with_pytorch_on_the_whole_batch() {
    check(composed, &[2, 3]);
    check(composed, &[1, 1, 3]);
}

#[test]
fn one_participant_gets_the_bits_that_nobody_else_would_change() {
    for case in Case::all("shared_batch_norm") {
        let shares = Shares { groups: case.setting("groups"), images: &[5] };
        let alone: Norm = |case, x, residual, _| layer(case, x, residual, Parameters::new(0, &Device::Cpu));
        let [with, without] = [by_layer, alone].map(|norm| {
            together(1, |rank, participant| run(norm, &case, shares, rank, Arc::new(participant)).unwrap())
        });
        for (name, found) in &with[0] {
            assert!(bits(found) == bits(&without[0][name]), "{} {name}", case.name);
        }
    }
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    numbers(tensor).into_iter().map(f32::to_bits).collect()
}

/// Always comes late.
struct Late<S>(S, Duration);

impl<S: Synchronise> Synchronise for Late<S> {
    fn gather(&self, what: &str, own: Vec<f64>) -> Result<Vec<Vec<f64>>> {
        sleep(self.1);
        self.0.gather(what, own)
    }
}

#[test]
fn nobody_changes_a_bit_by_coming_late() {
    let cases = Case::all("shared_batch_norm");
    let run_with_late = |late: Option<usize>| {
        together(3, |rank, participant| {
            let delay = if late == Some(rank) { 5 } else { 0 };
            let hook: Hook = Arc::new(Late(participant, Duration::from_millis(delay)));
            let of_case = |case: &Case| {
                let shares = Shares { groups: case.setting("groups"), images: &[1, 1, 3] };
                run(by_layer, case, shares, rank, hook.clone()).unwrap()
            };
            let found: Vec<_> = cases.iter().map(of_case).collect();
            found.iter().flat_map(BTreeMap::values).flat_map(bits).collect::<Vec<_>>()
        })
    };
    let expected = run_with_late(None);
    for late in 0..3 {
        assert!(run_with_late(Some(late)) == expected, "when participant {late} was late");
    }
}

#[test]
fn two_participants_with_a_value_each_are_a_batch_and_one_is_none() {
    let train = |hook: Hook| {
        let parameters = Parameters::new(0, &Device::Cpu).synchronised(hook);
        let norm = BatchNorm::new(3, &parameters.trainable()).unwrap();
        norm.forward(&Map::of(&noise(&[1, 3], 0)).unwrap(), Mode::Train { groups: 1 }).map(|_| ())
    };
    assert!(together(2, |_, participant| train(Arc::new(participant))).iter().all(Result::is_ok));
    let alone = together(1, |_, participant| train(Arc::new(participant)));
    let error = alone[0].as_ref().unwrap_err().to_string();
    assert!(error.contains("at least two values in the whole batch"), "{error}");
}
