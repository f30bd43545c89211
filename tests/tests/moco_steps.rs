//! Three whole steps of MoCo v2 against PyTorch, with batch norm over all images and with ShuffleBN: both networks, the loss,
//! backward, SGD, the moving average, the running statistics and the queue. `fixtures/moco_steps.py` made the numbers.

use anyhow::{Result, ensure};
use rand::seq::SliceRandom;
use univip_core::loss::Step;
use univip_core::seed::stream;
use univip_core::step::{Method, Rates, step};
use univip_tests::steps::{
    BATCH, TOLERANCE, Tensors, check_all, fixture, method, of_networks, part, query_and_key,
    relative_difference,
};

/// MoCo v2 with small networks and the fixture's initial values, its batch norm over `norm` images.
fn moco(fixture: &Tensors, norm: usize) -> Result<Method> {
    let norm = format!("network.batch_norm_images={norm}");
    let queue = [("loss.moco.queue".to_string(), fixture["initial_queue"].clone())];
    method("methods/moco-v2", &["loss.moco.queue=16", &norm], 100, fixture, queue.into())
}

fn three_steps(case: &str, norm: usize) -> Result<()> {
    let fixture = fixture("moco_steps")?;
    let expected = part(&fixture, &format!("{case}."));
    let mut method = moco(&fixture, norm)?;
    let mut worst = 0f32;
    for number in 0..3 {
        let now = Step { number: number as u64, ..Step::default() };
        let rates = Rates { lr: 0.02, momentum: 0.99 };
        let report = step(&mut method, &[query_and_key(&fixture, number)?], now, rates)?;
        let (found, wanted) = (report.terms["moco"], expected["losses"].get(number)?.to_scalar::<f32>()?);
        ensure!((found - wanted).abs() < TOLERANCE, "step {number}: the loss is {found}, expected {wanted}");
        let queue = &method.networks.online().tensors()["loss.moco.queue"];
        let difference = relative_difference(queue, &expected["queues"].get(number)?)?;
        ensure!(difference < TOLERANCE, "step {number}: the queue differs by {difference}");
        worst = worst.max(difference).max((found - wanted).abs());
    }
    let (online, target) = (method.networks.online().tensors(), method.networks.target().tensors());
    worst = worst.max(check_all("online", &of_networks(online)?, &part(&expected, "online."))?);
    worst = worst.max(check_all("target", &of_networks(target)?, &part(&expected, "target."))?);
    println!("{case}: largest difference {worst:e}");
    Ok(())
}

#[test]
fn three_steps_end_where_pytorch_ends() -> Result<()> {
    three_steps("plain", 0)
}

#[test]
fn three_steps_with_permuted_keys_end_where_pytorch_ends() -> Result<()> {
    for (number, expected) in fixture("moco_steps")?["orders"].to_vec2::<u32>()?.into_iter().enumerate() {
        let mut order: Vec<u32> = (0..BATCH as u32).collect();
        order.shuffle(&mut stream(0, "shuffle-bn key", &[number as u64]));
        ensure!(order == expected, "write these into ORDERS of moco_steps.py: batch {number}: {order:?}");
    }
    three_steps("shuffled", 4)
}

/// Gradient accumulation: a step has several forward passes, and `Loss::after_step` sees all of them.
#[test]
fn the_keys_of_all_passes_of_a_step_enter_the_queue() -> Result<()> {
    let fixture = fixture("moco_steps")?;
    let queue_after = |passes: &[usize]| -> Result<Vec<Vec<f32>>> {
        let mut method = moco(&fixture, 0)?;
        let batches =
            passes.iter().map(|number| query_and_key(&fixture, *number)).collect::<Result<Vec<_>>>()?;
        step(&mut method, &batches, Step::default(), Rates { lr: 0.02, momentum: 0.99 })?;
        Ok(method.networks.online().tensors()["loss.moco.queue"].to_vec2()?)
    };
    let (initial, first, both) =
        (fixture["initial_queue"].to_vec2::<f32>()?, queue_after(&[0])?, queue_after(&[0, 1])?);
    ensure!(first[..BATCH] == both[..BATCH], "the keys of the first pass");
    ensure!(first[BATCH..] == initial[BATCH..], "one pass filled more than its keys");
    let second = queue_after(&[1])?;
    ensure!(
        both[BATCH..] == second[..BATCH] && second[..BATCH] != first[..BATCH],
        "the keys of the second pass"
    );
    Ok(())
}
