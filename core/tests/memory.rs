//! The queue of keys and the bank of features: order, and that a checkpoint holds all of them.

use anyhow::Result;
use candle_core::{Device, Tensor};
use univip_core::memory::{Bank, Queue};
use univip_core::nn::Parameters;

/// Unit vectors of two channels, by their angle in degrees.
fn vectors(angles: &[f32]) -> Result<Tensor> {
    let rows: Vec<f32> =
        angles.iter().flat_map(|angle| [angle.to_radians().cos(), angle.to_radians().sin()]).collect();
    Ok(Tensor::from_vec(rows, (angles.len(), 2), &Device::Cpu)?)
}

fn angles(vectors: &Tensor) -> Result<Vec<i32>> {
    let rows = vectors.to_vec2::<f32>()?;
    Ok(rows.iter().map(|row| row[1].atan2(row[0]).to_degrees().round() as i32).collect())
}

#[test]
fn a_queue_replaces_its_oldest_keys_and_goes_on_from_a_checkpoint() -> Result<()> {
    let parameters = Parameters::new(3, &Device::Cpu);
    let queue = Queue::new(4, 2, &parameters.trainable())?;
    for row in queue.keys().to_vec2::<f32>()? {
        assert!((row[0].hypot(row[1]) - 1.0).abs() < 1e-6, "random keys have length one: {row:?}");
    }
    queue.push(&(vectors(&[10.0, 20.0])? * 3.0)?)?;
    queue.push(&vectors(&[30.0, 40.0])?)?;
    queue.push(&vectors(&[50.0, 60.0])?)?;
    assert_eq!(angles(&queue.keys())?, [50, 60, 30, 40]);

    let other = Parameters::new(4, &Device::Cpu);
    let resumed = Queue::new(4, 2, &other.trainable())?;
    other.load(&parameters.tensors())?;
    resumed.push(&vectors(&[70.0, 80.0])?)?;
    assert_eq!(angles(&resumed.keys())?, [50, 60, 70, 80]);
    assert_eq!(angles(&queue.keys())?, [50, 60, 30, 40], "the two share nothing");
    assert!(parameters.parameters().is_empty(), "no optimiser moves it");
    Ok(())
}

#[test]
fn keys_that_do_not_fit_are_refused() -> Result<()> {
    let queue = Queue::new(4, 2, &Parameters::new(0, &Device::Cpu).trainable())?;
    let error = queue.push(&vectors(&[1.0, 2.0, 3.0])?).unwrap_err().to_string();
    assert!(error.contains("4 keys") && error.contains("not of 3"), "{error}");
    let error =
        queue.push(&Tensor::ones((2, 3), candle_core::DType::F32, &Device::Cpu)?).unwrap_err().to_string();
    assert!(error.contains("3 channels"), "{error}");
    Ok(())
}

#[test]
fn a_bank_follows_the_features_of_each_image() -> Result<()> {
    let parameters = Parameters::new(0, &Device::Cpu);
    let bank = Bank::new(3, 2, &parameters.trainable())?;
    let before = bank.at(&[1])?.to_vec2::<f32>()?;
    bank.follow(&[0, 2], &vectors(&[10.0, 20.0])?, 0.0)?;
    assert_eq!(angles(&bank.at(&[2, 0, 2])?)?, [20, 10, 20]);
    assert_eq!(bank.at(&[1])?.to_vec2::<f32>()?, before);
    // Half of a unit vector at 20 and half of one at 40 degrees point to 30.
    bank.follow(&[2], &(vectors(&[40.0])? * 7.0)?, 0.5)?;
    assert_eq!(angles(&bank.at(&[2])?)?, [30]);
    assert_eq!(bank.images(), 3);
    assert!(bank.at(&[3]).is_err());
    Ok(())
}
