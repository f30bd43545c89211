//! The items of a split.

use crate::data::{CLASSES, Items, PIXELS_SHA256, SIDE};
use anyhow::Result;
use sha2::{Digest, Sha256};
use univip_core::dataset::Split;
use univip_core::digest::hexadecimal;
use univip_core::recipe::Invalid;

/// Items of each class on the train sheet, and on the val sheet.
const PER_CLASS: [usize; 2] = [1200, 200];

/// The items of a split, as many of each class.
///
/// Items that are held out are the last of each class of the train sheet: train is without them, and val is made of
/// them. So settings can be chosen without a look at the items that results are measured on.
pub struct Pool {
    source: Source,
    held_out: usize,
    items: &'static Items,
    /// The place of the first one among the items of its class.
    first: usize,
    per_class: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Train,
    Val,
    HeldOut,
}

impl Pool {
    /// The pool of a split where `held_out` train items of each class are held out.
    ///
    /// # Errors
    /// When the embedded sheet does not decode: the build is broken.
    pub fn of(split: Split, held_out: usize) -> Result<Self> {
        let (source, sheet, first) = match split {
            Split::Train => (Source::Train, Split::Train, 0),
            Split::Val if held_out == 0 => (Source::Val, Split::Val, 0),
            Split::Val => (Source::HeldOut, Split::Train, PER_CLASS[0].saturating_sub(held_out)),
        };
        Ok(Self { source, held_out, items: Items::of(sheet)?, first, per_class: per_class(split, held_out) })
    }

    /// Items of each class.
    pub fn per_class(&self) -> usize {
        self.per_class
    }

    /// The grey values of an item, row by row; black around it.
    pub fn pixels(&self, class: usize, number: usize) -> [u8; SIDE * SIDE] {
        self.items.pixels(class, self.first + number)
    }

    /// `train`, `val` or `held-out`, for the names of images.
    pub fn name(&self) -> &'static str {
        match self.source {
            Source::Train => "train",
            Source::Val => "val",
            Source::HeldOut => "held-out",
        }
    }

    /// The digest of a dataset of `len` images of these items: of the embedded pixels and of what is made of them. `version`
    /// names the dataset and changes with anything that changes its pixels.
    pub fn digest(&self, version: &str, size: u32, len: usize) -> String {
        let pixels = PIXELS_SHA256[usize::from(self.source == Source::Val)];
        let mut text = format!("{version} {} {size} {len} {pixels}", self.name());
        if self.held_out > 0 {
            text += &format!(" held out {}", self.held_out);
        }
        hexadecimal(&Sha256::digest(text)[..8])
    }

    /// The number that streams of random numbers of this split are named by: held-out items are placed and lit in another way
    /// than those of val.
    pub fn key(&self) -> u64 {
        self.source as u64
    }
}

/// The items of all classes of a split.
pub fn items(split: Split, held_out: usize) -> usize {
    per_class(split, held_out) * CLASSES.len()
}

fn per_class(split: Split, held_out: usize) -> usize {
    match split {
        Split::Train => PER_CLASS[0].saturating_sub(held_out),
        Split::Val if held_out == 0 => PER_CLASS[1],
        Split::Val => held_out,
    }
}

/// Refuses to hold out so many that train would be left with fewer items than val has.
pub fn check_held_out(held_out: usize) -> Result<(), Invalid> {
    let [train, val] = PER_CLASS;
    if held_out <= train - val {
        return Ok(());
    }
    let problem = format!("{held_out} items of each class; expected 0 to {} of {train}", train - val);
    Err(Invalid { key: "held_out", problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn held_out_items_are_taken_from_train() -> Result<()> {
        let all = |split, held_out| -> Result<HashSet<[u8; SIDE * SIDE]>> {
            let pool = Pool::of(split, held_out)?;
            let item = |item| pool.pixels(item / pool.per_class(), item % pool.per_class());
            Ok((0..items(split, held_out)).map(item).collect())
        };
        let [train, without, held_out, test] =
            [all(Split::Train, 0)?, all(Split::Train, 200)?, all(Split::Val, 200)?, all(Split::Val, 0)?];
        assert!(without.is_disjoint(&held_out) && held_out.is_disjoint(&test));
        assert_eq!(without.union(&held_out).cloned().collect::<HashSet<_>>(), train);
        assert!(held_out.len() > 1990, "some items occur twice: {}", held_out.len());
        Ok(())
    }
}
