//! The one rule by which a name in a file stands for an image of a dataset.

use anyhow::{Result, bail};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use univip_core::dataset::Dataset;

/// The images of a dataset by what people call them: by their ids, and by the end of their files' paths.
pub struct Names<'a> {
    dataset: &'a dyn Dataset,
    ids: HashMap<String, Images>,
    /// By the last part of a path.
    files: HashMap<OsString, Images>,
    /// By the last part without its ending.
    stems: HashMap<OsString, Images>,
}

/// The images of one name: mostly one.
type Images = Vec<usize>;

/// ORL's list, which is no image.
pub const IN_ORDER: &str = "bbox";

impl<'a> Names<'a> {
    /// The names of a dataset's images.
    pub fn of(dataset: &'a dyn Dataset) -> Self {
        let (mut ids, mut files, mut stems) = (HashMap::new(), HashMap::new(), HashMap::new());
        for image in 0..dataset.len() {
            note(&mut ids, dataset.id(image), image);
            let Some(file) = dataset.file(image) else { continue };
            file.file_name().into_iter().for_each(|name| note(&mut files, name.to_os_string(), image));
            file.file_stem().into_iter().for_each(|stem| note(&mut stems, stem.to_os_string(), image));
        }
        Self { dataset, ids, files, stems }
    }

    /// The image that is called `name`: whose id it is, or whose file's path ends with it (`0.jpg`, `a/0.jpg`); where there
    /// is none, whose file's path without its ending does (`a/0`). Nothing is taken for a number.
    ///
    /// # Errors
    /// When several images are called so.
    pub fn find(&self, name: &str) -> Result<Option<usize>> {
        let mut found = self.ids.get(name).cloned().unwrap_or_default();
        found.extend(self.files_ending(name));
        if found.is_empty() {
            found = self.stems_ending(name);
        }
        found.sort_unstable();
        found.dedup();
        match found[..] {
            [] => Ok(None),
            [image] => Ok(Some(image)),
            [one, other, ..] => bail!(
                "`{name}` can be {} images, such as {} and {}: name each by its id or by more of its path",
                found.len(),
                self.describe(one),
                self.describe(other)
            ),
        }
    }

    /// A name by which [`Names::find`] finds an image, if there is one.
    pub fn name(&self, image: usize) -> Option<String> {
        let finds =
            |name: &String| name != IN_ORDER && matches!(self.find(name), Ok(Some(found)) if found == image);
        let id = Some(self.dataset.id(image)).filter(finds);
        id.or_else(|| {
            let path = self.dataset.file(image)?;
            let parts: Vec<&str> = path.iter().map(|part| part.to_str()).collect::<Option<_>>()?;
            // The shortest end that is the image's alone.
            (0..parts.len()).rev().map(|start| parts[start..].join("/")).find(finds)
        })
    }

    fn files_ending(&self, name: &str) -> Images {
        let last = Path::new(name).file_name().and_then(|last| self.files.get(last));
        self.ending(last, |file| file.ends_with(name))
    }

    fn stems_ending(&self, name: &str) -> Images {
        let last = Path::new(name).file_name().and_then(|last| self.stems.get(last));
        self.ending(last, |file| file.with_extension("").ends_with(name))
    }

    fn ending(&self, images: Option<&Images>, ends: impl Fn(&Path) -> bool) -> Images {
        let ends = |image: &usize| self.dataset.file(*image).is_some_and(|file| ends(&file));
        images.into_iter().flatten().copied().filter(ends).collect()
    }

    fn describe(&self, image: usize) -> String {
        let id = self.dataset.id(image);
        match self.dataset.file(image) {
            Some(file) => format!("image {id} ({})", file.display()),
            None => format!("image {id}"),
        }
    }
}

fn note<K: std::hash::Hash + Eq>(names: &mut HashMap<K, Images>, name: K, image: usize) {
    names.entry(name).or_default().push(image);
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::RgbImage;
    use std::path::PathBuf;

    /// Ids, and files.
    struct Named(&'static [(&'static str, &'static str)]);

    impl Dataset for Named {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn id(&self, index: usize) -> String {
            self.0[index].0.into()
        }
        fn image(&self, _index: usize) -> Result<RgbImage> {
            bail!("names need no pixels")
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
    fn an_image_without_a_name_of_its_own_has_none() {
        let twice = Named(&[("1", "/a/0.jpg"), ("1", "/a/0.jpg"), (IN_ORDER, "")]);
        let names = Names::of(&twice);
        assert!((0..3).all(|image| names.name(image).is_none()));
    }
}
