//! Training images in batches, epoch after epoch in new orders.

use crate::detector::Images;
use crate::inputs::{Input, Inputs, batch};
use crate::objects::Object;
use anyhow::{Context, Result, ensure};
use candle_core::Device;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use std::sync::mpsc::sync_channel;
use std::thread;
use univip_core::seed::stream;

/// The images of a run, which has at least one with an object to learn from.
pub struct Batches<'a> {
    inputs: &'a Inputs<'a>,
    sides: &'a [u32],
    size: usize,
    seed: u64,
    epoch: u64,
    /// The rest of the epoch, the next image last.
    left: Vec<usize>,
    /// Images that wait for others of their orientation: upright ones (or square), and wide ones.
    waiting: [Vec<Input>; 2],
}

impl<'a> Batches<'a> {
    /// Batches of `size` images, the short side of each drawn from `sides`.
    pub fn new(inputs: &'a Inputs<'a>, sides: &'a [u32], size: usize, seed: u64) -> Self {
        Self { inputs, sides, size, seed, epoch: 0, left: Vec::new(), waiting: [Vec::new(), Vec::new()] }
    }

    /// Calls `body` with the next `count` batches and their numbers, 0 to `count`. One is rendered while the one before it is
    /// learnt from.
    ///
    /// # Errors
    /// When an image cannot be read, and those of `body`, after which no batch follows.
    pub fn each(
        &mut self,
        count: u64,
        device: &Device,
        mut body: impl FnMut(u64, &Images, &[Vec<Object>]) -> Result<()>,
    ) -> Result<()> {
        thread::scope(|scope| {
            let (send, rendered) = sync_channel(1);
            // It ends when nobody takes any more.
            let render = move || {
                for _ in 0..count {
                    let batch = self.next();
                    let last = batch.is_err();
                    if send.send(batch).is_err() || last {
                        break;
                    }
                }
            };
            let rendering = thread::Builder::new().name("batches".into()).spawn_scoped(scope, render);
            rendering.context("starting the thread that renders images")?;
            for place in 0..count {
                let mut rendered = rendered.recv().context("the thread that renders images has ended")??;
                let images = batch(&rendered, device)?;
                let objects: Vec<_> =
                    rendered.iter_mut().map(|input| std::mem::take(&mut input.objects)).collect();
                body(place, &images, &objects)?;
            }
            Ok(())
        })
    }

    /// The next images that have an object to learn from, all upright or all wide, so that little of a batch is padding.
    ///
    /// # Errors
    /// When not one of the dataset's images can be learnt from: those that could were skipped.
    fn next(&mut self) -> Result<Vec<Input>> {
        let mut in_vain = 0;
        loop {
            let most = self.waiting.iter().map(Vec::len).max().unwrap_or(0);
            let chosen: Vec<(u64, usize)> = (most..self.size).map(|_| self.index()).collect();
            let render = |(epoch, index): (u64, usize)| {
                let mut stream = stream(self.seed, "detection image", &[epoch, index as u64]);
                self.inputs.training(index, self.sides, &mut stream)
            };
            let rendered: Vec<Option<Input>> = chosen.into_par_iter().map(render).collect::<Result<_>>()?;
            in_vain = if rendered.iter().any(Option::is_some) { 0 } else { in_vain + rendered.len() };
            // Two orders may share their images out so that a whole one is seen only after as many again.
            ensure!(
                in_vain <= 2 * self.inputs.dataset.len(),
                "not one of {} images can be learnt from: those with objects cannot be read",
                self.inputs.dataset.len()
            );
            for input in rendered.into_iter().flatten() {
                let wide = input.size[1] > input.size[0];
                self.waiting[usize::from(wide)].push(input);
            }
            if let Some(full) = self.waiting.iter_mut().find(|waiting| waiting.len() >= self.size) {
                return Ok(std::mem::take(full));
            }
        }
    }

    fn index(&mut self) -> (u64, usize) {
        if self.left.is_empty() {
            self.left = (0..self.inputs.dataset.len()).collect();
            self.left.shuffle(&mut stream(self.seed, "detection order", &[self.epoch]));
            self.epoch += 1;
        }
        (self.epoch, self.left.pop().unwrap_or_default())
    }
}
