//! Optimal transport (Eq. 7, A.4): against PyTorch (`fixtures/method/make.py`), and by its own properties.

use anyhow::Result;
use candle_core::{Device, Tensor};
use proptest::prelude::*;
use std::collections::HashMap;
use univip_core::transport::{Marginals, Sinkhorn};

#[test]
fn plans_are_those_of_pytorch() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/method/transport.safetensors");
    let tensors: HashMap<String, Tensor> = candle_core::safetensors::load(path, &Device::Cpu)?;
    let get = |key: &str, name: &str| -> Result<Vec<f64>> {
        Ok(tensors[&format!("{key}.{name}")].flatten_all()?.to_vec1()?)
    };
    for side in ["balanced", "literal"] {
        for k in [1, 2, 4, 7] {
            for (epsilon, iterations) in [(0.1, 50), (0.02, 5), (0.5, 500)] {
                let key = format!("{side}.k{k}.e{epsilon}.i{iterations}");
                let [costs, supplies, demands] =
                    [get(&key, "cost")?, get(&key, "supply")?, get(&key, "demand")?];
                let plans = Sinkhorn { epsilon, iterations }.plans(&costs, &supplies, &demands, k);
                for (value, expected) in plans.into_iter().zip(get(&key, "plan")?) {
                    assert!((value - expected).abs() < 1e-10, "{key}: {value}, expected {expected}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_small_epsilon_finds_the_cheapest_assignment() {
    // Of the six ways to match three with three, 0-1, 1-0, 2-2 costs least.
    let costs = [0.9, 0.1, 0.5, 0.2, 0.8, 0.7, 0.6, 0.9, 0.3];
    let plan = Sinkhorn { epsilon: 0.005, iterations: 2000 }.plans(&costs, &[1.0; 3], &[1.0; 3], 3);
    for (cell, expected) in plan.iter().zip([0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]) {
        assert!((cell - expected).abs() < 1e-6, "{plan:?}");
    }
}

#[test]
fn unequal_masses_leave_the_plan_with_the_demands_and_rows_in_proportion() {
    let plan = Sinkhorn { epsilon: 0.5, iterations: 500 }.plans(
        &[0.0, 1.0, 1.0, 0.0],
        &[3.0, 1.0],
        &[10.0, 30.0],
        2,
    );
    let [a, b, c, d] = plan[..] else { unreachable!("two by two") };
    for (sum, expected) in [(a + c, 10.0), (b + d, 30.0), (a + b, 30.0), (c + d, 10.0)] {
        assert!((sum - expected).abs() < 1e-9, "{plan:?}");
    }
}

#[test]
fn weights_become_marginals() {
    let cases = [
        (Marginals::SumToOne, [1.0, 3.0], [0.25, 0.75]),
        (Marginals::SumToOne, [0.0, 5.0], [0.0, 1.0]),
        (Marginals::SumToOne, [0.0, 0.0], [0.5, 0.5]),
        (Marginals::SumToK, [1.0, 3.0], [0.5, 1.5]),
        (Marginals::SumToK, [0.0, 0.0], [1.0, 1.0]),
        (Marginals::Literal, [1.0, 3.0], [1.0, 3.0]),
        (Marginals::Literal, [0.0, 0.0], [0.5, 0.5]),
        (Marginals::SumToOne, [1e-300, 3e-300], [0.25, 0.75]),
    ];
    for (marginals, mut weights, expected) in cases {
        let given = weights;
        marginals.normalise(&mut weights);
        assert_eq!(weights, expected, "{marginals:?} of {given:?}");
    }
}

proptest! {
    #[test]
    fn a_converged_plan_meets_both_marginals_and_is_never_negative(
        costs in prop::collection::vec(0.0..2.0, 16),
        mut supply in prop::collection::vec(0.01..10.0, 4),
        mut demand in prop::collection::vec(0.01..10.0, 4),
        empty in 0..4usize,
    ) {
        supply[empty] = 0.0;
        Marginals::SumToOne.normalise(&mut supply);
        Marginals::SumToOne.normalise(&mut demand);
        let plan = Sinkhorn { epsilon: 0.2, iterations: 3000 }.plans(&costs, &supply, &demand, 4);
        for i in 0..4 {
            let row: f64 = plan[4 * i..4 * i + 4].iter().sum();
            let column: f64 = (0..4).map(|m| plan[4 * m + i]).sum();
            prop_assert!((row - supply[i]).abs() < 1e-6 && (column - demand[i]).abs() < 1e-9);
        }
        prop_assert!(plan.iter().all(|cell| *cell >= 0.0));
    }

    #[test]
    fn images_do_not_see_each_other(
        costs in prop::collection::vec(0.0..2.0, 8),
        supplies in prop::collection::vec(0.01..10.0, 4),
    ) {
        let sinkhorn = Sinkhorn { epsilon: 0.1, iterations: 20 };
        let both = sinkhorn.plans(&costs, &supplies, &[1.0; 4], 2);
        let first = sinkhorn.plans(&costs[..4], &supplies[..2], &[1.0; 2], 2);
        let second = sinkhorn.plans(&costs[4..], &supplies[2..], &[1.0; 2], 2);
        prop_assert_eq!(both, [first, second].concat());
    }
}
