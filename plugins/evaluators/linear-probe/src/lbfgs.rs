//! L-BFGS (Nocedal and Wright, algorithm 7.5) with a backtracking line search.

use anyhow::Result;
use std::collections::VecDeque;

/// The steps that the curvature is remembered of.
const MEMORY: usize = 10;
/// Far more than a standardised problem takes.
const ITERATIONS: usize = 1000;
/// The largest entry of the gradient at which it ends.
const TOLERANCE: f64 = 1e-6;

/// Minimises a smooth convex function from `start`; `function` returns the value and the gradient.
///
/// Ends at a gradient below 1e-6 in every entry, or where the arithmetic finds nothing lower.
pub fn minimise(
    start: Vec<f64>,
    mut function: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>)>,
) -> Result<Vec<f64>> {
    let mut point = start;
    let (mut value, mut gradient) = function(&point)?;
    let mut memory: VecDeque<Pair> = VecDeque::new();
    for _ in 0..ITERATIONS {
        if gradient.iter().all(|entry| entry.abs() < TOLERANCE) {
            break;
        }
        let direction = descent(&gradient, &memory);
        let slope = dot(&direction, &gradient);
        // The first step has no curvature to go by: it moves no further than 1.
        let mut length =
            if memory.is_empty() { 1.0 / dot(&gradient, &gradient).sqrt().max(1.0) } else { 1.0 };
        let found = loop {
            let next: Vec<f64> =
                point.iter().zip(&direction).map(|(at, along)| at + length * along).collect();
            let (next_value, next_gradient) = function(&next)?;
            if next_value <= value + 1e-4 * length * slope {
                break Some((next, next_value, next_gradient));
            }
            length *= 0.5;
            if length < 1e-12 {
                break None;
            }
        };
        let Some((next, next_value, next_gradient)) = found else { break };
        let pair = Pair::new(difference(&next, &point), difference(&next_gradient, &gradient));
        (point, value, gradient) = (next, next_value, next_gradient);
        if pair.curvature > 0.0 {
            memory.push_back(pair);
            memory.drain(..memory.len().saturating_sub(MEMORY));
        }
    }
    Ok(point)
}

/// A step, and the change of the gradient along it.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
    curvature: f64,
}

impl Pair {
    fn new(step: Vec<f64>, change: Vec<f64>) -> Self {
        let curvature = dot(&step, &change);
        Self { step, change, curvature }
    }
}

/// Minus the gradient times the inverse Hessian that the memory amounts to.
fn descent(gradient: &[f64], memory: &VecDeque<Pair>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|entry| -entry).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for pair in memory.iter().rev() {
        let share = dot(&pair.step, &direction) / pair.curvature;
        add(&mut direction, -share, &pair.change);
        shares.push(share);
    }
    if let Some(last) = memory.back() {
        let scale = last.curvature / dot(&last.change, &last.change);
        direction.iter_mut().for_each(|entry| *entry *= scale);
    }
    for (pair, share) in memory.iter().zip(shares.iter().rev()) {
        let other = dot(&pair.change, &direction) / pair.curvature;
        add(&mut direction, share - other, &pair.step);
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn add(to: &mut [f64], factor: f64, other: &[f64]) {
    to.iter_mut().zip(other).for_each(|(to, other)| *to += factor * other);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ill_conditioned_quadratic_is_solved_in_few_evaluations() {
        let scales: Vec<f64> = (0..30).map(|k| 10f64.powf(k as f64 / 8.0)).collect();
        let mut evaluations = 0;
        let quadratic = |point: &[f64]| {
            evaluations += 1;
            let offset: Vec<f64> = point.iter().map(|at| at - 1.0).collect();
            let gradient: Vec<f64> =
                offset.iter().zip(&scales).map(|(offset, scale)| offset * scale).collect();
            Ok((dot(&offset, &gradient) / 2.0, gradient))
        };
        let found = minimise(vec![0.0; 30], quadratic).unwrap();
        assert!(found.iter().all(|at| (at - 1.0).abs() < 1e-5), "{found:?}");
        // Gradient descent needs some 30,000: the condition number is 4,200.
        assert!(evaluations < 1000, "{evaluations}");
    }
}
