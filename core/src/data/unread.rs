//! The images that an evaluator cannot read, and what becomes of them.

use crate::data::BrokenImage;
use crate::error::ImageError;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Passes over images that cannot be read, as `loader.broken` says, and remembers each of them once.
#[derive(Debug)]
pub struct Unread {
    broken: BrokenImage,
    /// What is wrong with a file, by its path.
    images: Mutex<BTreeMap<String, String>>,
}

impl Unread {
    /// Nothing is passed over so far.
    pub fn new(broken: BrokenImage) -> Self {
        Self { broken, images: Mutex::default() }
    }

    /// What was made of an image; none where the image cannot be read and is passed over.
    ///
    /// # Errors
    /// [`ImageError::Broken`] where `loader.broken` is `fail`, and any other.
    pub fn pass<T>(&self, read: Result<T, ImageError>) -> Result<Option<T>, ImageError> {
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

    /// How many images were passed over.
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
        let count = images.len();
        Some(format!("{count} images cannot be read and are passed over: {first} ({problem}){others}{more}"))
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
        let unread = Unread::new(BrokenImage::Skip);
        assert_eq!((unread.pass(Ok(7))?, unread.line()), (Some(7), None));
        for name in ["b", "a", "c", "d", "a", "b"] {
            assert_eq!(unread.pass(broken(name))?, None);
        }
        let line = "4 images cannot be read and are passed over: a (is empty), b, c, ...";
        assert_eq!((unread.count(), unread.line().as_deref()), (4, Some(line)));
        Ok(())
    }

    #[test]
    fn what_is_no_fault_of_an_image_is_an_error_and_so_is_all_where_the_recipe_says_fail() {
        assert!(Unread::new(BrokenImage::Skip).pass::<u8>(Err(anyhow!("no such class").into())).is_err());
        let strict = Unread::new(BrokenImage::Fail);
        assert!(matches!(strict.pass(broken("a")), Err(ImageError::Broken { .. })));
        assert_eq!(strict.count(), 0);
    }
}
