//! Masks as run lengths, as COCO keeps them.

use super::overlap::box_iou;
use super::polygon::crossings;
use super::run_text;
use crate::geometry::{BoundingBox, Size};
use anyhow::{Context, Result, ensure};

/// A binary mask of an image: the lengths of its runs of equal pixels, column by column from the left and each from
/// the top, beginning with background.
///
/// There is one way to write a mask: only the first run may be empty. Two masks are equal when their pixels are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rle {
    size: Size,
    counts: Vec<u32>,
}

impl Rle {
    /// A mask from the lengths of its runs; empty runs are joined.
    ///
    /// # Errors
    /// When the runs are not as many pixels as the image has.
    pub fn new(size: Size, counts: &[u32]) -> Result<Self> {
        let pixels = pixels(size)?;
        let total: u64 = counts.iter().map(|&count| u64::from(count)).sum();
        let Size { width, height } = size;
        ensure!(
            total == u64::from(pixels),
            "a mask's runs have {total} pixels in all, and its image of {width} x {height} has {pixels}"
        );
        Ok(Self { size, counts: joined(counts.iter().copied()) })
    }

    /// A mask without a pixel.
    ///
    /// # Errors
    /// When the image has more than 2³² pixels.
    pub fn empty(size: Size) -> Result<Self> {
        Ok(Self { size, counts: vec![pixels(size)?] })
    }

    /// The pixels inside of `bounds` that `inside(x, y)` says are the object's.
    ///
    /// # Errors
    /// When `bounds` reach out of the image.
    pub fn draw(size: Size, bounds: BoundingBox, inside: impl Fn(u32, u32) -> bool) -> Result<Self> {
        let pixels = pixels(size)?;
        ensure!(BoundingBox::whole(size).contains(&bounds), "{bounds:?} is not inside an image of {size:?}");
        let mut counts = Vec::new();
        let (mut run_start, mut state) = (0, false);
        let mut change = |at: u32| counts.push(at - std::mem::replace(&mut run_start, at));
        for x in bounds.x..bounds.right() {
            let column = x * size.height;
            for y in bounds.y..bounds.bottom() {
                if inside(x, y) != state {
                    state = !state;
                    change(column + y);
                }
            }
            // Only where bounds are whole columns may a run go on at the top of the next one.
            if state && bounds.height < size.height {
                state = false;
                change(column + bounds.bottom());
            }
        }
        if state {
            change((bounds.right() - 1) * size.height + bounds.bottom());
        }
        change(pixels);
        Ok(Self { size, counts: joined(counts.into_iter()) })
    }

    /// The union of polygons `[x, y, x, y, ...]`, scan-converted as pycocotools does.
    ///
    /// # Errors
    /// When a polygon has fewer than three points, half a point, or a coordinate that is no number of pixels.
    pub fn from_polygons<'a>(size: Size, polygons: impl IntoIterator<Item = &'a [f64]>) -> Result<Self> {
        let pixels = pixels(size)?;
        let mut union = Self::empty(size)?;
        for polygon in polygons {
            let starts = crossings(polygon, size)?;
            // The empty run between two crossings that coincide joins its neighbours.
            let ends = starts.iter().copied().chain([pixels]);
            let runs = ends.scan(0, |last, end| Some(end - std::mem::replace(last, end)));
            let drawn = Self { size, counts: joined(runs) };
            union = if union.counts.len() == 1 { drawn } else { union.with(&drawn) };
        }
        Ok(union)
    }

    /// A mask from COCO's compressed string.
    ///
    /// # Errors
    /// When the string is cut off, holds other characters, or does not have the image's pixels.
    pub fn from_compressed(size: Size, text: &str) -> Result<Self> {
        Self::new(size, &run_text::read(text)?)
    }

    /// COCO's compressed string.
    pub fn compressed(&self) -> String {
        run_text::write(&self.counts)
    }

    /// The image's size.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The lengths of the runs.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The number of the object's pixels.
    pub fn area(&self) -> u64 {
        self.counts.iter().skip(1).step_by(2).map(|&count| u64::from(count)).sum()
    }

    /// The first pixel and one past the last, of each of the object's runs.
    fn runs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let mut at = 0;
        self.counts.chunks_exact(2).map(move |pair| {
            let start = at + pair[0];
            at = start + pair[1];
            (start, at)
        })
    }

    /// The mask as bytes 0 and 1, row by row. `[height, width]`
    pub fn decode(&self) -> Vec<u8> {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let mut mask = vec![0; width * height];
        for (start, end) in self.runs() {
            let (mut at, end) = (start as usize, end as usize);
            while at < end {
                let (column, row) = (at / height, at % height);
                let rows = (end - at).min(height - row);
                mask[row * width..]
                    .iter_mut()
                    .skip(column)
                    .step_by(width)
                    .take(rows)
                    .for_each(|one| *one = 1);
                at += rows;
            }
        }
        mask
    }

    /// The tight box; none when no pixel is the object's.
    pub fn bounding_box(&self) -> Option<BoundingBox> {
        let height = self.size.height;
        let (mut left, mut right, mut top, mut bottom) = (u32::MAX, 0, u32::MAX, 0);
        for (start, end) in self.runs() {
            let (first, last) = (start / height, (end - 1) / height);
            left = left.min(first);
            right = right.max(last + 1);
            if first == last {
                top = top.min(start % height);
                bottom = bottom.max((end - 1) % height + 1);
            } else {
                (top, bottom) = (0, height);
            }
        }
        (left < right).then(|| BoundingBox::new(left, top, right - left, bottom - top))
    }

    /// The pixels of either.
    ///
    /// # Errors
    /// When the masks are of images of different sizes.
    pub fn union(&self, other: &Self) -> Result<Self> {
        self.check_size(other)?;
        Ok(self.with(other))
    }

    fn with(&self, other: &Self) -> Self {
        let mut counts = Vec::with_capacity(self.counts.len() + other.counts.len());
        let (mut mine, mut theirs) = (self.runs().peekable(), other.runs().peekable());
        let mut at = 0;
        loop {
            let next = match (mine.peek(), theirs.peek()) {
                (Some(one), Some(another)) if one <= another => mine.next(),
                (Some(_), None) => mine.next(),
                _ => theirs.next(),
            };
            let Some((start, mut end)) = next else { break };
            // Whatever begins before this run has ended, or just there, belongs to it.
            while let Some((_, further)) = mine
                .next_if(|(start, _)| *start <= end)
                .or_else(|| theirs.next_if(|(start, _)| *start <= end))
            {
                end = end.max(further);
            }
            counts.extend([start - at, end - start]);
            at = end;
        }
        let rest = self.size.width * self.size.height - at;
        counts.extend((rest > 0 || counts.is_empty()).then_some(rest));
        Self { size: self.size, counts }
    }

    /// The number of pixels that are in both.
    ///
    /// # Errors
    /// When the masks are of images of different sizes.
    pub fn intersection(&self, other: &Self) -> Result<u64> {
        self.check_size(other)?;
        Ok(self.shared(other))
    }

    /// [`Rle::intersection`] of masks of one size.
    pub(super) fn shared(&self, other: &Self) -> u64 {
        let (mut mine, mut theirs) = (self.runs(), other.runs());
        let (mut one, mut another) = (mine.next(), theirs.next());
        let mut shared = 0;
        while let (Some((start, end)), Some((their_start, their_end))) = (one, another) {
            shared += u64::from(end.min(their_end).saturating_sub(start.max(their_start)));
            if end <= their_end {
                one = mine.next();
            } else {
                another = theirs.next();
            }
        }
        shared
    }

    /// Intersection over union; with a crowd, of what is intersected the share of this mask (pycocotools' `rleIou`).
    ///
    /// # Errors
    /// When the masks are of images of different sizes.
    pub fn iou(&self, other: &Self, other_is_crowd: bool) -> Result<f64> {
        self.check_size(other)?;
        Ok(Measured::new(self).iou(&Measured::new(other), other_is_crowd))
    }

    fn check_size(&self, other: &Self) -> Result<()> {
        let (one, another) = (self.size, other.size);
        ensure!(
            one == another,
            "one mask is of an image of {} x {} pixels, the other of {} x {}",
            one.width,
            one.height,
            another.width,
            another.height
        );
        Ok(())
    }
}

/// A mask with what its every comparison needs.
pub(super) struct Measured<'a> {
    mask: &'a Rle,
    area: u64,
    bounds: [f64; 4],
}

impl<'a> Measured<'a> {
    pub(super) fn new(mask: &'a Rle) -> Self {
        let bounds = mask
            .bounding_box()
            .map_or([0.0; 4], |bounds| [bounds.x, bounds.y, bounds.width, bounds.height].map(f64::from));
        Self { mask, area: mask.area(), bounds }
    }

    /// [`Rle::iou`] of masks of one size.
    pub(super) fn iou(&self, other: &Self, other_is_crowd: bool) -> f64 {
        if box_iou(self.bounds, other.bounds, other_is_crowd) <= 0.0 {
            return 0.0;
        }
        let shared = self.mask.shared(other.mask);
        if shared == 0 {
            return 0.0;
        }
        let union = if other_is_crowd { self.area } else { self.area + other.area - shared };
        shared as f64 / union as f64
    }
}

/// The number of pixels, which run lengths must be able to count.
fn pixels(Size { width, height }: Size) -> Result<u32> {
    width.checked_mul(height).with_context(|| format!("a mask of {width} x {height} pixels is too large"))
}

/// Runs without empty ones but the first: the neighbours of an empty run are one.
fn joined(counts: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut whole: Vec<u32> = Vec::with_capacity(counts.size_hint().0);
    for (index, count) in counts.enumerate() {
        if count == 0 && index > 0 {
            continue;
        }
        let same_kind = whole.len() % 2 != index % 2;
        match whole.last_mut() {
            Some(last) if same_kind => *last += count,
            _ => whole.push(count),
        }
    }
    if whole.is_empty() {
        whole.push(0);
    }
    whole
}
