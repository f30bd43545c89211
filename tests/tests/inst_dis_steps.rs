//! Three whole steps of InstDis against PyTorch: the network, the loss over drawn negatives, backward, SGD and the bank, whose vectors
//! the third step meets again. `fixtures/inst_dis_steps.py` made the numbers.

use anyhow::{Result, ensure};
use rand::Rng;
use univip_core::loss::Step;
use univip_core::step::{Rates, step};
use univip_core::views::{Batch, Facts};
use univip_tests::steps::{
    BATCH, TOLERANCE, Tensors, check_all, fixture, images, method, of_networks, part, relative_difference,
};

const IMAGES: usize = 16;
const NEGATIVES: usize = 6;
const BANK: &str = "loss.inst-dis.bank";

/// The batch of a step.
fn batch(fixture: &Tensors, number: usize) -> Result<Batch> {
    let indices = fixture["indices"].get(number)?.to_vec1::<u32>()?;
    Ok(Batch {
        groups: [("scene".to_string(), images(fixture, "scene", number)?)].into(),
        facts: Facts {
            number: number as u64,
            indices: indices.into_iter().map(|index| index as usize).collect(),
            ..Facts::default()
        },
        ids: (0..BATCH).map(|place| place.to_string()).collect(),
        skipped: Vec::new(),
    })
}

#[test]
fn the_fixture_has_the_negatives_that_the_loss_draws() -> Result<()> {
    let expected = fixture("inst_dis_steps")?["negatives"].to_vec3::<u32>()?;
    for (number, expected) in expected.into_iter().enumerate() {
        let mut numbers = Step { number: number as u64, ..Step::default() }.stream("inst-dis negatives");
        let mut row = || (0..NEGATIVES).map(|_| numbers.random_range(0..IMAGES as u32)).collect::<Vec<_>>();
        let drawn: Vec<Vec<u32>> = (0..BATCH).map(|_| row()).collect();
        ensure!(
            drawn == expected,
            "write these into NEGATIVES of inst_dis_steps.py: step {number}: {drawn:?}"
        );
    }
    Ok(())
}

#[test]
fn three_steps_end_where_pytorch_ends() -> Result<()> {
    let fixture = fixture("inst_dis_steps")?;
    let sets = [format!("loss.inst-dis.negatives={NEGATIVES}"), "network.batch_norm_images=0".into()];
    let sets = sets.each_ref().map(String::as_str);
    let bank = [(BANK.to_string(), fixture["initial_bank"].clone())];
    let mut method = method("methods/inst-dis", &sets, IMAGES, &fixture, bank.into())?;
    ensure!(method.networks.target().tensors().is_empty(), "there is a target network");
    let mut worst = 0f32;
    for number in 0..3 {
        let now = Step { number: number as u64, ..Step::default() };
        let rates = Rates { lr: 0.02, momentum: 0.99 };
        let report = step(&mut method, &[batch(&fixture, number)?], now, rates)?;
        let (found, wanted) = (report.terms["inst-dis"], fixture["losses"].get(number)?.to_scalar::<f32>()?);
        ensure!((found - wanted).abs() < TOLERANCE, "step {number}: the loss is {found}, expected {wanted}");
        let bank = &method.networks.online().tensors()[BANK];
        let difference = relative_difference(bank, &fixture["banks"].get(number)?)?;
        ensure!(difference < TOLERANCE, "step {number}: the bank differs by {difference}");
        worst = worst.max(difference).max((found - wanted).abs());
    }
    let online = of_networks(method.networks.online().tensors())?;
    worst = worst.max(check_all("online", &online, &part(&fixture, "online."))?);
    println!("largest difference {worst:e}");
    Ok(())
}
