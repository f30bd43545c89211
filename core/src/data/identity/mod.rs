//! Images that changed since they were last used.
//!
//! A [`Content`] is a digest of an image file's bytes. It is computed once and cached beside the file's
//! size and times ([`Checked`]), so that to know it again costs a look at each file and no reading. A [`Manifest`] has the
//! contents of all images of a split: two of them tell which image has changed.

mod cache;
mod checked;
mod manifest;

pub use super::content::Content;
pub use checked::Checked;
pub use manifest::Manifest;
