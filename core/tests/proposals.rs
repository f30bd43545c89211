//! The store of proposals, as a run uses it.

use anyhow::{Result, anyhow, bail};
use image::RgbImage;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use univip_core::dataset::Dataset;
use univip_core::error::ImageError;
use univip_core::geometry::BoundingBox;
use univip_core::proposals::{BoxLimits, BuildOptions, ProposalSource, ProposalStore, Proposals, StoreKey};
use univip_core::recipe::BrokenImage;

/// Two shards, the last one not full.
const IMAGES: usize = ProposalStore::SHARD + 10;
const SKIP: BuildOptions = BuildOptions { threads: 2, broken: BrokenImage::Skip };

struct Numbered;

impl Dataset for Numbered {
    fn len(&self) -> usize {
        IMAGES
    }
    fn id(&self, index: usize) -> String {
        format!("number {index}")
    }
    fn image(&self, _index: usize) -> Result<RgbImage, ImageError> {
        Err(anyhow!("the source looks at no pixels").into())
    }
    fn digest(&self) -> String {
        "0123456789abcdef".into()
    }
}

/// Proposes boxes that name their image, counts its calls, and cannot read image `broken`.
#[derive(Clone, Default)]
struct Source {
    asked: Arc<AtomicUsize>,
    broken: Option<usize>,
    direct: bool,
}

/// A box that the limits drop, and one that they keep.
fn expected(index: usize) -> [BoundingBox; 2] {
    [BoundingBox::new(0, 0, 3, 100), BoundingBox::new(index as u32, 1, 100, 90)]
}

impl ProposalSource for Source {
    fn propose(&self, _dataset: &dyn Dataset, index: usize) -> Result<Vec<BoundingBox>, ImageError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.broken == Some(index) {
            let path = PathBuf::from(format!("{index}.jpg"));
            return Err(ImageError::Broken { path, problem: "truncated".into() });
        }
        Ok(expected(index).to_vec())
    }
    fn stored(&self) -> bool {
        !self.direct
    }
}

fn key(parameters: serde_json::Value) -> StoreKey {
    let dataset = Numbered.digest();
    StoreKey { source: "numbered".into(), version: "1".into(), parameters, dataset, images: IMAGES }
}

fn open(root: &Path, source: &Source) -> Proposals {
    let key = key(serde_json::json!({ "scale": 1 }));
    Proposals::open(Box::new(source.clone()), BoxLimits::default(), root, &key, Arc::new(Numbered)).unwrap()
}

fn build(proposals: &Proposals, options: BuildOptions) -> Result<Vec<String>> {
    proposals.build(&Numbered, IMAGES, options, &mut |_, _| Ok(()))
}

fn shards(root: &Path) -> Vec<PathBuf> {
    let directory = fs::read_dir(root).unwrap().next().unwrap().unwrap().path();
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut shards: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "npz")).collect();
    shards.sort();
    shards
}

#[test]
fn boxes_are_computed_once_stored_unfiltered_and_read_filtered() {
    let root = tempfile::tempdir().unwrap();
    let source = Source::default();
    let mut seen = Vec::new();
    let proposals = open(root.path(), &source);
    let note = &mut |done, all| {
        seen.push((done, all));
        Ok(())
    };
    assert!(proposals.build(&Numbered, IMAGES, SKIP, note).unwrap().is_empty());
    assert_eq!(seen, (0..=IMAGES as u64).map(|done| (done, IMAGES as u64)).collect::<Vec<_>>());
    for again in [proposals, open(root.path(), &source)] {
        build(&again, SKIP).unwrap();
        for index in [0, 7, ProposalStore::SHARD - 1, ProposalStore::SHARD, IMAGES - 1] {
            assert_eq!(again.boxes(&Numbered, index).unwrap(), expected(index)[1..]);
        }
        assert!(format!("{:#}", again.boxes(&Numbered, IMAGES).unwrap_err()).contains("none for image"));
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), IMAGES);
    let store = ProposalStore::open(root.path(), &key(serde_json::json!({ "scale": 1 })), Arc::new(Numbered))
        .unwrap();
    assert_eq!(store.boxes(ProposalStore::SHARD + 3).unwrap(), expected(ProposalStore::SHARD + 3));
}

#[test]
fn other_parameters_are_another_directory() {
    let root = tempfile::tempdir().unwrap();
    let base = key(serde_json::json!({ "scale": 1 }));
    let keys = [
        base.clone(),
        key(serde_json::json!({ "scale": 2 })),
        StoreKey { version: "2".into(), ..base.clone() },
        StoreKey { dataset: "fedcba9876543210".into(), ..base.clone() },
        StoreKey { images: 3, ..base.clone() },
    ];
    let open = |key: &StoreKey| {
        ProposalStore::open(root.path(), key, Arc::new(Numbered)).unwrap().directory().to_path_buf()
    };
    let mut directories: Vec<_> = keys.iter().map(open).collect();
    assert_eq!(open(&base), directories[0]);
    directories.sort();
    directories.dedup();
    assert_eq!(directories.len(), keys.len());
}

#[test]
fn a_stopped_build_goes_on_where_it_was_and_ends_with_the_same_bytes() {
    let (root, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = Source::default();
    let proposals = open(root.path(), &source);
    let stop = &mut |done, _| if done > 0 { bail!("stop") } else { Ok(()) };
    assert_eq!(proposals.build(&Numbered, IMAGES, SKIP, stop).unwrap_err().to_string(), "stop");
    build(&proposals, SKIP).unwrap();

    let [_, second] = shards(root.path()).try_into().unwrap();
    fs::remove_file(&second).unwrap();
    let reopened = open(root.path(), &source);
    let error = format!("{:#}", reopened.boxes(&Numbered, IMAGES - 1).unwrap_err());
    assert!(error.contains("000001.npz"), "{error}");
    let before = source.asked.load(Ordering::SeqCst);
    build(&reopened, SKIP).unwrap();
    assert_eq!(source.asked.load(Ordering::SeqCst) - before, IMAGES - ProposalStore::SHARD);

    build(&open(whole.path(), &source), BuildOptions { threads: 1, ..SKIP }).unwrap();
    let bytes = |root: &Path| -> Vec<_> { shards(root).iter().map(|path| fs::read(path).unwrap()).collect() };
    assert_eq!(bytes(root.path()), bytes(whole.path()));
}

#[test]
fn what_a_killed_build_left_half_written_goes_and_what_another_one_is_writing_stays() {
    let root = tempfile::tempdir().unwrap();
    let open = || {
        ProposalStore::open(root.path(), &key(serde_json::json!({ "scale": 1 })), Arc::new(Numbered)).unwrap()
    };
    let store = open();
    let left = store.directory().join(".000000.npz.4242.0.tmp");
    fs::write(&left, "half a shard").unwrap();
    let being_written = fs::File::create(store.directory().join(".000001.npz.4243.0.tmp")).unwrap();
    being_written.lock().unwrap();
    open();
    let names = fs::read_dir(store.directory()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, [".000001.npz.4243.0.tmp", "key.json"]);
    drop(being_written);
    open();
    assert_eq!(fs::read_dir(store.directory()).unwrap().count(), 1);
}

#[test]
fn builders_at_once_leave_a_whole_store() {
    let root = tempfile::tempdir().unwrap();
    let source = Source::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| build(&open(root.path(), &source), SKIP).unwrap());
        }
    });
    let proposals = open(root.path(), &source);
    assert!((0..IMAGES).all(|index| proposals.boxes(&Numbered, index).unwrap() == expected(index)[1..]));
}

#[test]
fn a_damaged_file_is_named_with_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let source = Source::default();
    build(&open(root.path(), &source), SKIP).unwrap();
    let [first, second] = shards(root.path()).try_into().unwrap();
    let bytes = fs::read(&first).unwrap();
    fs::write(&first, &bytes[..bytes.len() / 2]).unwrap();
    fs::copy(&first, &second).unwrap();
    let proposals = open(root.path(), &source);
    for (index, name) in [(0, "000000.npz"), (IMAGES - 1, "000001.npz")] {
        let error = format!("{:#}", proposals.boxes(&Numbered, index).unwrap_err());
        for part in [name, "remove that file and build again", "truncated"] {
            assert!(error.contains(part), "{error}");
        }
    }
    fs::remove_file(&first).unwrap();
    build(&proposals, SKIP).unwrap();
    assert_eq!(fs::read(&first).unwrap(), bytes);
}

#[test]
fn what_is_wrong_with_a_file_is_told_apart() {
    let root = tempfile::tempdir().unwrap();
    build(&open(root.path(), &Source::default()), SKIP).unwrap();
    let [first, second] = shards(root.path()).try_into().unwrap();
    let (bytes, other) = (fs::read(&first).unwrap(), fs::read(&second).unwrap());
    // The first member that is not `about.json`, past its local header.
    let data = bytes.windows(5).position(|name| name == b"0.npy").unwrap() + 20;
    let mut flipped = bytes.clone();
    flipped[data] ^= 0x10;
    let elsewhere = tempfile::tempdir().unwrap();
    let foreign =
        ProposalStore::open(elsewhere.path(), &key(serde_json::json!({ "scale": 2 })), Arc::new(Numbered))
            .unwrap();
    let images: Vec<_> = (0..ProposalStore::SHARD).map(|index| (index.to_string(), Vec::new())).collect();
    assert!(foreign.keep(0, &images).unwrap());
    let foreign = fs::read(shards(elsewhere.path()).remove(0)).unwrap();
    let cases = [
        (bytes[..bytes.len() - 40].to_vec(), "truncated"),
        (flipped, "image 0 are damaged"),
        (b"not an archive".to_vec(), "no file of a store"),
        (other, "it is shard 1, renamed"),
        (foreign, "computed from something else"),
    ];
    for (spoilt, expected) in cases {
        fs::write(&first, &spoilt).unwrap();
        let proposals = open(root.path(), &Source::default());
        let error = format!("{:#}", proposals.boxes(&Numbered, 0).unwrap_err());
        for part in [expected, "000000.npz (shard 0)"] {
            assert!(error.contains(part), "{error} / {part}");
        }
    }
}

#[test]
fn a_run_on_few_images_makes_the_files_of_a_whole_build() {
    let (few, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let proposals = open(few.path(), &Source::default());
    proposals.build(&Numbered, 3, SKIP, &mut |_, _| Ok(())).unwrap();
    assert_eq!(proposals.store().unwrap().stored(), ProposalStore::SHARD);
    build(&open(whole.path(), &Source::default()), SKIP).unwrap();
    let [first] = shards(few.path()).try_into().unwrap();
    assert_eq!(fs::read(first).unwrap(), fs::read(&shards(whole.path())[0]).unwrap());
}

#[test]
fn boxes_from_elsewhere_are_kept_once_and_never_overwritten() {
    let root = tempfile::tempdir().unwrap();
    let store = ProposalStore::open(
        root.path(),
        &key(serde_json::json!({ "name": "elsewhere" })),
        Arc::new(Numbered),
    )
    .unwrap();
    let images = |boxes: Vec<BoundingBox>| -> Vec<_> {
        (0..ProposalStore::SHARD).map(|index| (index.to_string(), boxes.clone())).collect()
    };
    let boxes = expected(5).to_vec();
    assert!(store.keep(0, &images(boxes.clone())).unwrap());
    assert!(!store.keep(0, &images(boxes.clone())).unwrap(), "the same again");
    let error = store.keep(0, &images(Vec::new())).unwrap_err().to_string();
    assert!(error.contains("000000.npz") && error.contains("other boxes"), "{error}");
    assert_eq!(store.boxes(9).unwrap(), boxes);
    assert!(store.keep(1, &images(boxes)).unwrap_err().to_string().contains("64 images for the 10"));
}

#[test]
fn a_broken_image_is_skipped_by_name_or_stops_the_build() {
    let root = tempfile::tempdir().unwrap();
    let source = Source { broken: Some(5), ..Source::default() };
    let fail = BuildOptions { broken: BrokenImage::Fail, ..SKIP };
    let error = format!("{:#}", build(&open(root.path(), &source), fail).unwrap_err());
    assert!(error.contains("number 5") && error.contains("5.jpg: truncated"), "{error}");
    assert!(shards(root.path()).is_empty());

    let proposals = open(root.path(), &source);
    assert_eq!(build(&proposals, SKIP).unwrap(), ["image 5.jpg: truncated"]);
    assert!(proposals.boxes(&Numbered, 5).unwrap().is_empty());
    // Later runs are told too, what to remove, and stop where they are to stop.
    let told = build(&open(root.path(), &Source::default()), SKIP).unwrap();
    let shard = &shards(root.path())[0];
    assert!(told.len() == 1 && told[0].starts_with("image 5.jpg: truncated ("), "{told:?}");
    assert!(told[0].contains(&format!("remove {} to", shard.display())), "{told:?}");
    let error = build(&open(root.path(), &Source::default()), fail).unwrap_err().to_string();
    assert!(error.contains("5.jpg: truncated"), "{error}");
    fs::remove_file(shard).unwrap();
    assert!(build(&open(root.path(), &Source::default()), fail).unwrap().is_empty());
    let proposals = open(root.path(), &Source::default());
    assert_eq!(proposals.boxes(&Numbered, 5).unwrap(), expected(5)[1..]);
    assert_eq!(proposals.boxes(&Numbered, 6).unwrap(), expected(6)[1..]);
}

#[test]
fn a_source_that_is_not_stored_leaves_no_file() {
    let root = tempfile::tempdir().unwrap();
    let proposals = open(root.path(), &Source { direct: true, ..Source::default() });
    build(&proposals, SKIP).unwrap();
    assert_eq!(proposals.boxes(&Numbered, 9).unwrap(), expected(9)[1..]);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}
