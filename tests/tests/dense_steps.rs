//! Three whole steps of DenseCL against PyTorch: both networks and heads, the positions that belong together, the loss, backward, SGD,
//! the moving average and both queues. `fixtures/dense_steps.py` made the numbers.

use anyhow::{Result, ensure};
use univip_core::loss::Step;
use univip_core::step::{Rates, step};
use univip_tests::steps::{
    TOLERANCE, check_all, fixture, method, of_networks, part, query_and_key, relative_difference,
};

/// The queues, by the names of the fixture and of the loss.
const QUEUES: [(&str, &str); 2] =
    [("global", "loss.dense-cl.global.queue"), ("dense", "loss.dense-cl.dense.queue")];

#[test]
fn three_steps_end_where_pytorch_ends() -> Result<()> {
    let fixture = fixture("dense_steps")?;
    let sets = ["head.dense.output=16", "loss.dense-cl.queue=16", "network.batch_norm_images=0"];
    let initial = QUEUES.map(|(name, own)| (own.to_string(), fixture[&format!("initial_{name}")].clone()));
    let mut method = method("methods/dense-cl", &sets, 100, &fixture, initial.into())?;
    let mut worst = 0f32;
    for number in 0..3 {
        let now = Step { number: number as u64, ..Step::default() };
        let rates = Rates { lr: 0.02, momentum: 0.99 };
        let report = step(&mut method, &[query_and_key(&fixture, number)?], now, rates)?;
        let (found, wanted) = (report.terms["dense-cl"], fixture["losses"].get(number)?.to_scalar::<f32>()?);
        ensure!((found - wanted).abs() < TOLERANCE, "step {number}: the loss is {found}, expected {wanted}");
        let places = report.terms["dense-cl/places"];
        ensure!(places > 0.2, "step {number}: {places} of the positions are chosen, which tests little");
        worst = worst.max((found - wanted).abs());
        for (name, own) in QUEUES {
            let queue = &method.networks.online().tensors()[own];
            let difference = relative_difference(queue, &fixture[&format!("{name}s")].get(number)?)?;
            ensure!(difference < TOLERANCE, "step {number}: the queue {name} differs by {difference}");
            worst = worst.max(difference);
        }
    }
    let (online, target) = (method.networks.online().tensors(), method.networks.target().tensors());
    worst = worst.max(check_all("online", &of_networks(online)?, &part(&fixture, "online."))?);
    worst = worst.max(check_all("target", &of_networks(target)?, &part(&fixture, "target."))?);
    println!("largest difference {worst:e}");
    Ok(())
}
