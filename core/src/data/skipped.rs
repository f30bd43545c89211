//! Images that an evaluator could not read and measured without.

use crate::counted::counted;
use crate::data::BrokenImage;
use crate::error::ImageError;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Skips images that cannot be read, as `loader.broken` says, and remembers each of them once.
#[derive(Debug)]
pub struct Skipped {
    broken: BrokenImage,
    /// The problem of each file, by its path.
    images: Mutex<BTreeMap<String, String>>,
}

impl Skipped {
    /// No image is skipped so far.
    pub fn new(broken: BrokenImage) -> Self {
        Self { broken, images: Mutex::default() }
    }

    /// The value that was made of an image; none where the image is broken and skipped.
    ///
    /// # Errors
    /// [`ImageError::Broken`] where `loader.broken` is `fail`, and any other.
    pub fn admit<T>(&self, read: Result<T, ImageError>) -> Result<Option<T>, ImageError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(ImageError::Broken { path, problem }) if self.broken == BrokenImage::Skip => {
                let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
                images.entry(path.display().to_string()).or_insert(problem);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// One that has skipped nothing and does as this one.
    pub fn another(&self) -> Self {
        Self::new(self.broken)
    }

    /// Counts the images that `other` has skipped, too.
    pub fn add(&self, other: &Self) {
        let theirs = other.images.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.images.lock().unwrap_or_else(PoisonError::into_inner).extend(theirs);
    }

    /// The number of skipped images.
    pub fn count(&self) -> usize {
        self.images.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// One line that counts them, names the first and says what is wrong with one; none where all were read.
    pub fn line(&self) -> Option<String> {
        const NAMED: usize = 3;
        let images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, problem) = images.first_key_value()?;
        let others: String = images.keys().skip(1).take(NAMED - 1).map(|path| format!(", {path}")).collect();
        let more = if images.len() > NAMED { ", ..." } else { "" };
        let count = counted(images.len(), "image[|s] cannot be read and [is|are] skipped");
        Some(format!("{count}: {first} ({problem}){others}{more}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    fn broken(name: &str) -> Result<u8, ImageError> {
        Err(ImageError::Broken { path: name.into(), problem: "is empty".into() })
    }

    #[test]
    fn each_image_is_counted_once_and_the_first_are_named() -> Result<(), ImageError> {
        let skipped = Skipped::new(BrokenImage::Skip);
        assert_eq!((skipped.admit(Ok(7))?, skipped.line()), (Some(7), None));
        for name in ["b", "a", "c", "d", "a", "b"] {
            assert_eq!(skipped.admit(broken(name))?, None);
        }
        let line = "4 images cannot be read and are skipped: a (is empty), b, c, ...";
        assert_eq!((skipped.count(), skipped.line().as_deref()), (4, Some(line)));
        Ok(())
    }

    #[test]
    fn what_is_no_fault_of_an_image_is_an_error_and_so_is_all_where_the_recipe_says_fail() {
        assert!(Skipped::new(BrokenImage::Skip).admit::<u8>(Err(anyhow!("no such class").into())).is_err());
        let strict = Skipped::new(BrokenImage::Fail);
        assert!(matches!(strict.admit(broken("a")), Err(ImageError::Broken { .. })));
        assert_eq!(strict.count(), 0);
    }
}
