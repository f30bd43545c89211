//! Datasets whose images change on disk.

use anyhow::{Context, Result, ensure};
use image::{Rgb, RgbImage};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use univip_core::dataset::{Annotation, Dataset, Limited};
use univip_core::error::ImageError;
use univip_core::geometry::{BoundingBox, Size};
use univip_core::identity::{Checked, Content, Manifest};
use univip_core::image_file;

/// The files `0.png`, `1.png`, ... of a directory, annotated at 8 x 6.
struct Folder {
    root: PathBuf,
    images: usize,
}

impl Dataset for Folder {
    fn len(&self) -> usize {
        self.images
    }
    fn id(&self, index: usize) -> String {
        format!("{index}.png")
    }
    fn image(&self, index: usize) -> Result<RgbImage, ImageError> {
        image_file::read(&self.root.join(self.id(index)))
    }
    fn annotations(&self, index: usize) -> Result<Vec<Annotation>> {
        let object = Annotation { bounding_box: BoundingBox::new(0, 0, 2, 2), class: 0, crowd: false };
        Ok(if index > 0 { vec![object] } else { Vec::new() })
    }
    fn annotated_size(&self, _index: usize) -> Option<Size> {
        Some(Size { width: 8, height: 6 })
    }
    fn file(&self, index: usize) -> Option<PathBuf> {
        Some(self.root.join(self.id(index)))
    }
    fn digest(&self) -> String {
        format!("{:016x}", self.images)
    }
}

const IMAGES: usize = 4;

fn draw(root: &Path, index: usize, [width, height]: [u32; 2], grey: u8) -> Result<()> {
    let path = root.join(format!("{index}.png"));
    RgbImage::from_pixel(width, height, Rgb([grey; 3])).save(&path)?;
    set_time(&path, 1_000_000_000 + index as u64)
}

/// Files of the distant past, whose times tell a change.
fn set_time(path: &Path, seconds: u64) -> Result<()> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    Ok(File::options().append(true).open(path)?.set_modified(time)?)
}

fn folder() -> Result<TempDir> {
    let root = tempfile::tempdir()?;
    for index in 0..IMAGES {
        draw(root.path(), index, [8, 6], index as u8)?;
    }
    Ok(root)
}

fn checked(root: &Path, cache: &Path) -> Result<Checked> {
    let dataset = Checked::new(Box::new(Folder { root: root.into(), images: IMAGES }), cache);
    dataset.look(&[0, 1, 2, 3], &mut |_, _| Ok(()))?;
    Ok(dataset)
}

#[test]
fn what_images_hold_is_their_identity_and_where_they_lie_is_not() -> Result<()> {
    let (root, other, cache) = (folder()?, folder()?, tempfile::tempdir()?);
    let identity = checked(root.path(), cache.path())?.identity();
    ensure!(checked(other.path(), cache.path())?.identity() == identity, "a copy elsewhere is the same");
    set_time(&root.path().join("2.png"), 5)?;
    ensure!(checked(root.path(), cache.path())?.identity() == identity, "a touched file is the same");
    let part = |root: &Path| -> Result<String> {
        Ok(Limited::first(Arc::new(checked(root, cache.path())?) as Arc<dyn Dataset>, 2).identity())
    };
    let first = part(root.path())?;
    draw(root.path(), 3, [8, 6], 77)?;
    let changed = checked(root.path(), cache.path())?;
    ensure!(changed.identity() != identity && part(root.path())? == first, "the first two are as they were");
    Manifest::of(&checked(other.path(), cache.path())?).keep(cache.path())?;
    let said = Manifest::of(&changed).changes_since(cache.path(), &identity);
    ensure!(said == "1 of 4, the first is 3.png", "{said}");
    fs::remove_file(root.path().join("1.png"))?;
    let said = Manifest::of(&checked(root.path(), cache.path())?).changes_since(cache.path(), &identity);
    ensure!(said == "2 of 4, the first is 1.png", "{said}");
    Ok(())
}

#[test]
fn a_name_that_breaks_the_line_breaks_no_manifest() -> Result<()> {
    /// One file by two names, of which the second is this.
    struct Twice(PathBuf, &'static str);
    impl Dataset for Twice {
        fn len(&self) -> usize {
            2
        }
        fn id(&self, index: usize) -> String {
            ["a\nb", self.1][index].into()
        }
        fn image(&self, _index: usize) -> Result<RgbImage, ImageError> {
            image_file::read(&self.0)
        }
        fn file(&self, _index: usize) -> Option<PathBuf> {
            Some(self.0.clone())
        }
        fn digest(&self) -> String {
            self.1.into()
        }
    }
    let (root, kept) = (folder()?, tempfile::tempdir()?);
    let [then, now] = ["c", "d"].map(|name| Manifest::of(&Twice(root.path().join("0.png"), name)));
    then.keep(kept.path())?;
    let said = now.changes_since(kept.path(), then.digest());
    ensure!(said == "the first is d, where c was", "{said}");
    Ok(())
}

/// The cache is believed: had a file been read again, a wrong entry would not be told.
#[test]
fn a_file_with_the_same_size_and_times_is_not_read_again() -> Result<()> {
    let (root, cache) = (folder()?, tempfile::tempdir()?);
    // A file that has changed just now may change again unseen, and is not cached.
    std::thread::sleep(Duration::from_millis(2100));
    let identity = checked(root.path(), cache.path())?.identity();
    let file = fs::read_dir(cache.path())?.next().context("no cache")??.path();
    let text = fs::read_to_string(&file)?;
    ensure!(text.lines().count() == IMAGES + 2, "{text}");
    let known = Content::of(&root.path().join("1.png")).to_string();
    let lines = text.rsplit_once("sha256").context("no digest")?.0.replace(&known, &"0".repeat(32));
    let digest = univip_core::digest::hexadecimal(&<sha2::Sha256 as sha2::Digest>::digest(&lines));
    fs::write(&file, format!("{lines}sha256 {digest}\n"))?;
    let dataset = checked(root.path(), cache.path())?;
    ensure!(dataset.content(1).context("no content")?.to_string() == "0".repeat(32));
    ensure!(dataset.identity() != identity);
    fs::remove_file(&file)?;
    ensure!(checked(root.path(), cache.path())?.identity() == identity, "without a cache all is read");
    // A program can set the time back that the contents were written at, and not that of the change.
    if cfg!(unix) {
        let path = root.path().join("1.png");
        let mut bytes = fs::read(&path)?;
        *bytes.last_mut().context("an empty file")? ^= 1;
        fs::write(&path, bytes)?;
        set_time(&path, 1_000_000_001)?;
        ensure!(checked(root.path(), cache.path())?.identity() != identity, "the same size and time");
    }
    Ok(())
}

#[test]
fn what_a_killed_process_left_beside_the_cache_is_removed() -> Result<()> {
    let (root, cache) = (folder()?, tempfile::tempdir()?);
    let left = cache.path().join(".images-0123456789abcdef.txt.0123456789abcdef.tmp");
    fs::write(&left, "half")?;
    checked(root.path(), cache.path())?.identity();
    ensure!(!left.exists());
    Ok(())
}

#[test]
fn an_image_that_changes_in_use_is_refused_and_one_that_is_touched_is_not() -> Result<()> {
    let (root, cache) = (folder()?, tempfile::tempdir()?);
    let dataset = checked(root.path(), cache.path())?;
    let error = |index: usize| {
        let error = dataset.image(index).err();
        error.map(|error| (matches!(error, ImageError::Changed { .. }), error.to_string()))
    };
    ensure!(error(1).is_none());
    set_time(&root.path().join("1.png"), 5)?;
    ensure!(error(1).is_none(), "touched");
    draw(root.path(), 1, [8, 6], 99)?;
    fs::remove_file(root.path().join("2.png"))?;
    fs::write(root.path().join("3.png"), "no image")?;
    for index in 1..IMAGES {
        let (changed, said) = error(index).context("read as if nothing had happened")?;
        ensure!(changed && said.contains(&format!("{index}.png has changed")), "{said}");
    }
    Ok(())
}

/// Opening it would wait for its other end.
#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_an_image_is_not_opened() -> Result<()> {
    let (root, cache) = (folder()?, tempfile::tempdir()?);
    let path = root.path().join("1.png");
    fs::remove_file(&path)?;
    ensure!(std::process::Command::new("mkfifo").arg(&path).status()?.success());
    let (send, looked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let contents =
            checked(root.path(), cache.path()).map(|dataset| [0, 1].map(|index| dataset.content(index)));
        // Nobody listens where it came too late.
        let _ = send.send(contents);
    });
    let [whole, pipe] = looked.recv_timeout(Duration::from_secs(20)).context("it waits for the pipe")??;
    ensure!(pipe == Some(Content::Unreadable) && whole != pipe, "{pipe:?}");
    Ok(())
}

#[test]
fn annotations_of_another_size_are_refused_by_the_first_image_that_has_some() -> Result<()> {
    let (root, cache) = (folder()?, tempfile::tempdir()?);
    let all = [0, 1, 2, 3];
    checked(root.path(), cache.path())?.check_sizes(&all)?;
    // The first one has no annotation.
    for index in [0, 2, 3] {
        draw(root.path(), index, [4, 3], 9)?;
    }
    let dataset = checked(root.path(), cache.path())?;
    dataset.check_sizes(&[0, 1])?;
    let said = dataset.check_sizes(&all).err().context("not refused")?.to_string();
    for part in ["image 2.png (", "is 4 x 3 pixels", "annotated at 8 x 6"] {
        ensure!(said.contains(part), "{said}");
    }
    ensure!(dataset.size(2)? == Size { width: 4, height: 3 }, "the size of what is there");
    Ok(())
}
