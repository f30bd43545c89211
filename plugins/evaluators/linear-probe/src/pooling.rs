//! Average pooling of the maps of the stem or of a stage to about 9,000 numbers, as ORL's linear evaluation has it.

use anyhow::Result;
use candle_core::{Device, Tensor};

/// The pooled maps of the stem (`stage` 0) or of a stage (1 is res2). Maps `[B, S, S, C]`, pooled `[B, P, P, C]`.
///
/// At a side of 224 pixels these are ORL's windows, which overlap; other sides have no published windows
/// and are pooled to the same P (or to S where that is smaller), as PyTorch's adaptive pooling does.
pub fn pool(maps: &Tensor, stage: usize) -> Result<Tensor> {
    let (batch, height, width, channels) = maps.dims4()?;
    let rows = weights(height, stage, maps.device())?;
    let columns = weights(width, stage, maps.device())?;
    let down = rows.dim(0)?;
    // Rows: [P, H] * [B, H, W C]. Columns: [Q, W] * [B P, W, C].
    let maps = maps.contiguous()?.reshape((batch, height, width * channels))?;
    let pooled = rows.broadcast_left(batch)?.contiguous()?.matmul(&maps)?;
    let pooled = pooled.reshape((batch * down, width, channels))?;
    let pooled = columns.broadcast_left(batch * down)?.contiguous()?.matmul(&pooled)?;
    Ok(pooled.reshape((batch, down, columns.dim(0)?, channels))?)
}

/// The share of each pixel in each window along one axis. `[P, S]`.
fn weights(side: usize, stage: usize, device: &Device) -> Result<Tensor> {
    let windows = windows(side, stage);
    let mut shares = vec![0f32; windows.len() * side];
    for (row, window) in shares.chunks_mut(side).zip(&windows) {
        row[window.start..window.end].fill(1.0 / window.size as f32);
    }
    Ok(Tensor::from_vec(shares, (windows.len(), side), device)?)
}

/// A window along one axis, half-open.
struct Window {
    start: usize,
    end: usize,
    /// The divisor of its sum: the zeros beyond the border count, as in PyTorch's `AvgPool2d`.
    size: usize,
}

/// The windows along one axis of the stem's or a stage's maps.
fn windows(side: usize, stage: usize) -> Vec<Window> {
    /// Side, kernel, stride, padding and windows of the stem and of res2 to res5 at 224 pixels.
    const PUBLISHED: [(usize, usize, usize, usize, usize); 5] =
        [(112, 10, 10, 4, 12), (56, 16, 8, 0, 6), (28, 13, 5, 0, 4), (14, 8, 3, 0, 3), (7, 6, 1, 0, 2)];
    let (published_side, kernel, stride, padding, count) = PUBLISHED[stage.min(4)];
    if side == published_side {
        let window = |k: usize| Window {
            start: (k * stride).saturating_sub(padding),
            end: (k * stride + kernel - padding).min(side),
            size: kernel,
        };
        return (0..count).map(window).collect();
    }
    let count = count.min(side);
    let window = |k: usize| {
        let (start, end) = (k * side / count, ((k + 1) * side).div_ceil(count));
        Window { start, end, size: end - start }
    };
    (0..count).map(window).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{close, fixture};

    #[test]
    fn windows_agree_with_pytorch() -> Result<()> {
        for case in fixture().pooling {
            let ramp: Vec<f32> = (0..case.side).map(|at| (at * at) as f32 / case.side as f32).collect();
            // Along both axes the same: pooled, the product of both.
            let map: Vec<f32> =
                ramp.iter().flat_map(|row| ramp.iter().map(move |column| row * column)).collect();
            let maps = Tensor::from_vec(map, (1, case.side, case.side, 1), &Device::Cpu)?;
            let expected: Vec<f32> = case
                .pooled
                .iter()
                .flat_map(|row| case.pooled.iter().map(move |column| row * column))
                .collect();
            close(&pool(&maps, case.stage)?, &expected, 1e-5);
        }
        Ok(())
    }

    #[test]
    fn images_and_channels_stay_apart() -> Result<()> {
        let values: Vec<f32> = (0..2 * 7 * 7 * 3).map(|at| (at / 147 * 10 + at % 3) as f32).collect();
        let maps = Tensor::from_vec(values, (2, 7, 7, 3), &Device::Cpu)?;
        let pooled = pool(&maps, 4)?;
        assert_eq!(pooled.dims(), [2, 2, 2, 3]);
        let expected: Vec<f32> = (0..24).map(|at| (at / 12 * 10 + at % 3) as f32).collect();
        close(&pooled, &expected, 1e-5);
        Ok(())
    }
}
