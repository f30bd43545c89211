//! Features that losses remember: a queue of the latest keys, and a bank with one feature per image.

use super::similarity::unit;
use crate::nn::{Init, Scope};
use anyhow::{Result, ensure};
use candle_core::{Tensor, Var};

/// The latest K keys, `[K, D]`: a ring buffer that a checkpoint keeps.
pub struct Queue {
    keys: Var,
    /// The row that the next key takes, as a float since buffers are floats. Exact below 2^24 rows.
    next: Var,
}

/// Refuses a queue of `length` keys that the `entering` keys of a forward pass do not divide; `key` is where a recipe says its
/// length.
///
/// # Errors
/// Names the key and a length that fits.
pub fn refuse_uneven(key: &str, length: usize, entering: usize) -> Result<()> {
    ensure!(
        entering > 0 && length.is_multiple_of(entering),
        "{key} is {length}, which the {entering} keys of a batch do not divide; expected a multiple of {entering}, such as {}",
        (length / entering.max(1)).max(1) * entering
    );
    Ok(())
}

/// A [`remark`](crate::loss::Loss::remarks) on a queue of `length` keys that outlasts an epoch of `images`.
pub fn remark_on_length(key: &str, length: usize, images: usize) -> Option<String> {
    (length > images).then(|| {
        format!(
            "a queue of {length} keys is longer than the {images} images: most queries have an earlier key of their own image among \
             the negatives. Lower {key}: an eighth of the images is safe"
        )
    })
}

impl Queue {
    /// A queue of `length` unit vectors of `size`, random at first (MoCo's `nn.functional.normalize(torch.randn(..))`). A loss that
    /// must not see random ones counts what it has pushed, in a buffer of its own, and reads the queue once it is full. Two queues
    /// of a loss have a scope each: `parameters.enter("dense")`.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(length: usize, size: usize, scope: &Scope) -> Result<Self> {
        ensure!(length < 1 << 24, "a queue of {length} keys is too long: at most {}", (1 << 24) - 1);
        let keys = scope.random_buffer("queue", (length, size), Init::Normal { std: 1.0 })?;
        keys.set(&unit(&keys.as_detached_tensor())?)?;
        Ok(Self { keys, next: scope.buffer("next", 1, 0.0)? })
    }

    /// The keys, `[K, D]`, outside any graph.
    pub fn keys(&self) -> Tensor {
        self.keys.as_detached_tensor()
    }

    /// Puts keys `[B, D]`, normalised, in the place of the oldest ones.
    ///
    /// # Errors
    /// When B does not divide K, or D differs.
    pub fn push(&self, keys: &Tensor) -> Result<()> {
        let ((length, size), (batch, found)) = (self.keys.dims2()?, keys.dims2()?);
        ensure!(found == size, "keys of {found} channels for a queue of {size}");
        ensure!(
            batch > 0 && length.is_multiple_of(batch),
            "a queue of {length} keys takes batches that divide it, not of {batch}"
        );
        let next = self.next.to_vec1::<f32>()?[0] as usize;
        // In place: a queue of 65,536 keys is too large to be copied at every step.
        self.keys.slice_set(&unit(&keys.detach())?.contiguous()?, 0, next)?;
        self.next.set(&Tensor::new(&[((next + batch) % length) as f32], self.next.device())?)?;
        Ok(())
    }
}

/// One unit vector per image of the dataset, `[N, D]`, moved towards the image's latest features.
pub struct Bank {
    vectors: Var,
}

impl Bank {
    /// A bank of `images` vectors, uniform in `+-sqrt(3 / size)` at first (Wu et al. 2018, `NCEAverage.py`).
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(images: usize, size: usize, scope: &Scope) -> Result<Self> {
        let bound = (3.0 / size as f32).sqrt();
        Ok(Self { vectors: scope.random_buffer("bank", (images, size), Init::Uniform { bound })? })
    }

    /// N.
    pub fn images(&self) -> usize {
        self.vectors.dims()[0]
    }

    /// All vectors, `[N, D]`, outside any graph. They share storage with the bank.
    pub fn vectors(&self) -> Tensor {
        self.vectors.as_detached_tensor()
    }

    /// The vectors of `indices`, `[I, D]`, outside any graph.
    ///
    /// # Errors
    /// When an index is out of range.
    pub fn at(&self, indices: &[u32]) -> Result<Tensor> {
        let indices = Tensor::new(indices, self.vectors.device())?;
        Ok(self.vectors.as_detached_tensor().index_select(&indices, 0)?)
    }

    /// Moves the vectors of `indices` to `unit(momentum v + (1 - momentum) f)`, f the normalised features `[I, D]`. Of an index
    /// that comes twice, the last feature counts.
    ///
    /// # Errors
    /// When an index is out of range or the shapes differ.
    pub fn follow(&self, indices: &[u32], features: &Tensor, momentum: f64) -> Result<()> {
        let features = unit(&features.detach())?;
        let moved = ((self.at(indices)? * momentum)? + (features * (1.0 - momentum))?)?;
        let moved = unit(&moved)?.contiguous()?;
        for (row, index) in indices.iter().enumerate() {
            self.vectors.slice_set(&moved.narrow(0, row, 1)?.contiguous()?, 0, *index as usize)?;
        }
        Ok(())
    }
}
