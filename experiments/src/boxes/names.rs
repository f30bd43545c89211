//! The one rule by which a name in a file stands for an image of a dataset.

use anyhow::{Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use univip_core::dataset::Dataset;

/// The images of a dataset by what people call them: by their ids, and by the end of their files' paths.
pub struct Names<'a> {
    dataset: &'a dyn Dataset,
    /// Sorted by id.
    ids: Vec<usize>,
    /// Those with a file, sorted by [`backward`]: paths with the same end lie side by side, however many files are called alike.
    files: Vec<usize>,
}

/// ORL's list, which is no image.
pub const IN_ORDER: &str = "bbox";

impl<'a> Names<'a> {
    /// The names of a dataset's images.
    pub fn of(dataset: &'a dyn Dataset) -> Self {
        let mut ids: Vec<usize> = (0..dataset.len()).collect();
        let mut files = ids.clone();
        ids.sort_by_cached_key(|image| dataset.id(*image));
        files.retain(|image| dataset.file(*image).is_some());
        files.sort_by_cached_key(|image| backward(&dataset.file(*image).unwrap_or_default()));
        Self { dataset, ids, files }
    }

    /// The image that is called `name`: whose id it is, or whose file's path ends with it (`0.jpg`, `a/0.jpg`); where there
    /// is none, whose file's path without its ending does (`a/0`). Nothing is taken for a number.
    ///
    /// # Errors
    /// When several images are called so.
    pub fn find(&self, name: &str) -> Result<Option<usize>> {
        match self.called(name, usize::MAX)[..] {
            [] => Ok(None),
            [image] => Ok(Some(image)),
            ref found => bail!(
                "`{name}` can be {} images, such as {} and {}: name each by its id or by more of its path",
                found.len(),
                self.describe(found[0]),
                self.describe(found[1])
            ),
        }
    }

    /// A name by which [`Names::find`] finds an image, if there is one.
    pub fn name(&self, image: usize) -> Option<String> {
        // Two are enough to know that it is not the only one.
        let finds = |name: &String| name != IN_ORDER && self.called(name, 2) == [image];
        let id = Some(self.dataset.id(image)).filter(finds);
        id.or_else(|| {
            let path = self.dataset.file(image)?;
            let parts: Vec<&str> = path.iter().map(|part| part.to_str()).collect::<Option<_>>()?;
            // The shortest end that is the image's alone.
            (0..parts.len()).rev().map(|start| parts[start..].join("/")).find(finds)
        })
    }

    /// The images that are called `name`, sorted; of those with that id and of those with that path, `most` are looked for.
    fn called(&self, name: &str, most: usize) -> Vec<usize> {
        let path = Path::new(name);
        let mut found: Vec<usize> = self.with_id(name).take(most).collect();
        let whole = |file: &Path| file.file_name() == path.file_name();
        found.extend(self.ending(&backward(path)).filter(|image| whole(&self.file(*image))).take(most));
        if found.is_empty() {
            found.extend(self.ending(&of_parts(path.file_name(), path)).take(most));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn with_id(&self, id: &str) -> impl Iterator<Item = usize> {
        let start = self.ids.partition_point(|image| self.dataset.id(*image).as_str() < id);
        self.ids[start..].iter().copied().take_while(move |image| self.dataset.id(*image) == id)
    }

    /// The images whose path, read backward, begins with `key`.
    fn ending(&self, key: &[u8]) -> impl Iterator<Item = usize> {
        let begins = move |image: &usize| !key.is_empty() && backward(&self.file(*image)).starts_with(key);
        let start = self.files.partition_point(|image| backward(&self.file(*image)).as_slice() < key);
        self.files[start..].iter().copied().take_while(begins)
    }

    fn file(&self, image: usize) -> PathBuf {
        self.dataset.file(image).unwrap_or_default()
    }

    fn describe(&self, image: usize) -> String {
        let id = self.dataset.id(image);
        match self.dataset.file(image) {
            Some(file) => format!("image {id} ({})", file.display()),
            None => format!("image {id}"),
        }
    }
}

/// The parts of a path from its last to its first, each with a byte after it that is in no name; the last without its ending.
fn backward(path: &Path) -> Vec<u8> {
    of_parts(path.file_stem(), path)
}

/// As [`backward`], with another last part; empty without one.
fn of_parts(last: Option<&OsStr>, path: &Path) -> Vec<u8> {
    let Some(last) = last else { return Vec::new() };
    let directories = path.components().rev().skip(1).map(|part| part.as_os_str());
    let mut key = Vec::with_capacity(path.as_os_str().len() + 2);
    for part in std::iter::once(last).chain(directories) {
        key.extend_from_slice(part.as_encoded_bytes());
        key.push(0);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;
    use image::RgbImage;
    use std::path::PathBuf;
    use univip_core::error::ImageError;

    /// Ids, and files.
    struct Named(&'static [(&'static str, &'static str)]);

    impl Dataset for Named {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn id(&self, index: usize) -> String {
            self.0[index].0.into()
        }
        fn image(&self, _index: usize) -> Result<RgbImage, ImageError> {
            Err(anyhow!("names need no pixels").into())
        }
        fn file(&self, index: usize) -> Option<PathBuf> {
            Some(self.0[index].1.into())
        }
        fn digest(&self) -> String {
            String::new()
        }
    }

    #[test]
    fn a_name_is_an_id_or_the_end_of_a_path_and_never_a_number() {
        let coco = Named(&[
            ("2", "/c/train/000001.jpg"),
            ("1", "/c/train/000002.jpg"),
            ("a/0.jpg", "/f/a/0.jpg"),
            ("b/0.jpg", "/f/b/0.jpg"),
            ("VOC2007/000005", "/v/VOC2007/JPEGImages/000005.jpg"),
            ("7", "/c/train/3.png"),
            ("3.png", "/c/train/8.png"),
        ]);
        let names = Names::of(&coco);
        let found = [
            ("000001.jpg", Some(0)),
            ("train/000001.jpg", Some(0)),
            ("000001", Some(0)),
            ("1", Some(1)),
            ("2", Some(0)),
            ("a/0.jpg", Some(2)),
            ("b/0", Some(3)),
            ("000005", Some(4)),
            ("VOC2007/000005", Some(4)),
            ("JPEGImages/000005.jpg", Some(4)),
            ("0000001.jpg", None),
            ("5", None),
            ("01", None),
            ("", None),
        ];
        for (name, expected) in found {
            assert_eq!(names.find(name).unwrap(), expected, "{name}");
        }
        for several in ["0.jpg", "0", "3.png"] {
            let error = names.find(several).unwrap_err().to_string();
            assert!(error.contains(&format!("`{several}` can be 2 images")), "{error}");
        }
        for image in 0..coco.len() {
            let name = names.name(image).unwrap();
            assert_eq!(names.find(&name).unwrap(), Some(image), "{name}");
        }
    }

    #[test]
    fn many_files_of_one_name_are_told_apart_without_looking_at_each() {
        /// Asked for a file this often in all.
        struct Alike(std::sync::atomic::AtomicUsize);
        const DIRECTORIES: usize = 4096;
        impl Dataset for Alike {
            fn len(&self) -> usize {
                DIRECTORIES
            }
            fn id(&self, index: usize) -> String {
                format!("{index}/0.jpg")
            }
            fn image(&self, _index: usize) -> Result<RgbImage, ImageError> {
                Err(anyhow!("names need no pixels").into())
            }
            fn file(&self, index: usize) -> Option<PathBuf> {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Some(format!("/d/{index}/0.jpg").into())
            }
            fn digest(&self) -> String {
                String::new()
            }
        }
        let alike = Alike(Default::default());
        let names = Names::of(&alike);
        for image in 0..DIRECTORIES {
            assert_eq!(names.name(image), Some(alike.id(image)));
        }
        let asked = alike.0.load(std::sync::atomic::Ordering::Relaxed);
        assert!(asked < 40 * DIRECTORIES, "{asked}");
        assert!(names.find("0.jpg").unwrap_err().to_string().contains("can be 4096 images"));
    }

    #[test]
    fn an_image_without_a_name_of_its_own_has_none() {
        let twice = Named(&[("1", "/a/0.jpg"), ("1", "/a/0.jpg"), (IN_ORDER, "")]);
        let names = Names::of(&twice);
        assert!((0..3).all(|image| names.name(image).is_none()));
    }
}
