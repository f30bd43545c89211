//! Boxes as a network predicts them: offsets and scales of a reference box (Girshick et al. 2014, Appendix C).

use crate::boxes::Corners;

/// The largest logarithm of a stretch: 1000 / 16, as in torchvision.
const MOST_STRETCH: f32 = 4.135_166_6;

/// Moves `(dx, dy, dw, dh)`, each multiplied by a weight so that they vary alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxCoder {
    /// The weights of dx, dy, dw and dh.
    pub weights: [f32; 4],
}

impl BoxCoder {
    /// Of the region proposal network.
    pub const PROPOSALS: Self = Self { weights: [1.0; 4] };
    /// Of the box head.
    pub const REGIONS: Self = Self { weights: [10.0, 10.0, 5.0, 5.0] };

    /// The offsets and scales that take `reference` to `wanted`.
    pub fn encode(&self, wanted: Corners, reference: Corners) -> [f32; 4] {
        let [wx, wy, ww, wh] = self.weights;
        let (width, height) = (reference.width(), reference.height());
        let centre = |from: f32, extent: f32| from + 0.5 * extent;
        [
            wx * (centre(wanted.left, wanted.width()) - centre(reference.left, width)) / width,
            wy * (centre(wanted.top, wanted.height()) - centre(reference.top, height)) / height,
            ww * (wanted.width() / width).ln(),
            wh * (wanted.height() / height).ln(),
        ]
    }

    /// The box to which `moves` takes `reference`; scaled at most 62.5 times.
    pub fn decode(&self, moves: [f32; 4], reference: Corners) -> Corners {
        let [wx, wy, ww, wh] = self.weights;
        let (width, height) = (reference.width(), reference.height());
        let x = moves[0] / wx * width + reference.left + 0.5 * width;
        let y = moves[1] / wy * height + reference.top + 0.5 * height;
        let half_width = 0.5 * (moves[2] / ww).min(MOST_STRETCH).exp() * width;
        let half_height = 0.5 * (moves[3] / wh).min(MOST_STRETCH).exp() * height;
        Corners::new([x - half_width, y - half_height, x + half_width, y + half_height])
    }
}
