//! Development kits made on the spot.

use image::{Rgb, RgbImage};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use univip_core::dataset::{Annotation, Dataset, Split};
use univip_core::geometry::{BoundingBox, Size};
use univip_core::recipe::Table;
use univip_voc::{Config, ImageSet, Voc};

/// `(name, difficult, [xmin, ymin, xmax, ymax])`
type Object<'a> = (&'a str, bool, [i32; 4]);

fn annotation(objects: &[Object]) -> String {
    let object = |(name, difficult, [left, top, right, bottom]): &Object| {
        format!(
            "<object><name>{name}</name><difficult>{}</difficult><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>\
             <xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>",
            u8::from(*difficult)
        )
    };
    let objects: String = objects.iter().map(object).collect();
    format!("<annotation><size><width>30</width><height>20</height></size>{objects}</annotation>")
}

fn write(root: &Path, year: &str, set: &str, images: &[(&str, &[Object])]) {
    let year = root.join(year);
    for directory in ["JPEGImages", "Annotations", "ImageSets/Main"] {
        fs::create_dir_all(year.join(directory)).unwrap();
    }
    for (name, objects) in images {
        let path = year.join(format!("JPEGImages/{name}.jpg"));
        RgbImage::from_pixel(30, 20, Rgb([90, 90, 90])).save(path).unwrap();
        fs::write(year.join(format!("Annotations/{name}.xml")), annotation(objects)).unwrap();
    }
    let list: String = images.iter().map(|(name, _)| format!("{name} \n")).collect();
    fs::write(year.join(format!("ImageSets/Main/{set}.txt")), list).unwrap();
}

/// Both years' `trainval`, and the `test` of 2007.
fn kit() -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let pair: &[Object] = &[("dog", false, [1, 1, 10, 20]), ("person", true, [11, 5, 30, 20])];
    write(root.path(), "VOC2007", "trainval", &[("000009", pair), ("000005", &[])]);
    write(root.path(), "VOC2012", "trainval", &[("2008_000002", &[("tvmonitor", false, [2, 3, 2, 3])])]);
    write(
        root.path(),
        "VOC2007",
        "test",
        &[("000001", &[("car", false, [5, 5, 40, 15]), ("cat", false, [9, 9, 4, 9])])],
    );
    root
}

fn config(root: &Path) -> Config {
    Config { root: root.into(), ..Config::default() }
}

fn open_error(root: &TempDir) -> String {
    format!("{:#}", Voc::open(&config(root.path()), Split::Train).unwrap_err())
}

#[test]
fn both_years_are_learnt_from_and_2007_is_measured_on() {
    let root = kit();
    let train = Voc::open(&config(root.path()), Split::Train).unwrap();
    let ids: Vec<String> = (0..train.len()).map(|index| train.id(index)).collect();
    assert_eq!(ids, ["VOC2007/000009", "VOC2007/000005", "VOC2012/2008_000002"]);
    assert_eq!(train.classes()[11], "dog");
    assert_eq!(train.image(0).unwrap().dimensions(), (30, 20));
    assert_eq!(train.size(2).unwrap(), Size { width: 30, height: 20 });
    let boxed = |x, y, width, height, class| Annotation {
        bounding_box: BoundingBox::new(x, y, width, height),
        class,
        crowd: false,
    };
    assert_eq!(train.annotations(0).unwrap(), [boxed(0, 0, 10, 20, 11), boxed(10, 4, 20, 16, 14)]);
    assert_eq!(train.annotations(1).unwrap(), []);
    assert_eq!(train.annotations(2).unwrap(), [boxed(1, 2, 1, 1, 19)]);
    assert_eq!(train.masks(0).unwrap(), [None, None]);

    let val = Voc::open(&config(root.path()), Split::Val).unwrap();
    assert_eq!((val.len(), val.id(0)), (1, "VOC2007/000001".into()));
    let only_2012 = ImageSet { year: "VOC2012".into(), set: "trainval".into() };
    let chosen = Config { train: vec![only_2012], ..config(root.path()) };
    assert_eq!(Voc::open(&chosen, Split::Train).unwrap().len(), 1);
}

#[test]
fn difficult_objects_are_ignored_when_measuring() {
    let root = kit();
    let truth = Voc::open(&config(root.path()), Split::Train).unwrap().ground_truth(0, true).unwrap();
    let seen: Vec<_> = truth.iter().map(|object| (object.bounding_box, object.ignore, object.area)).collect();
    assert_eq!(seen, [([0.0, 0.0, 10.0, 20.0], false, 200.0), ([10.0, 4.0, 20.0, 16.0], true, 320.0)]);
}

#[test]
fn degenerate_boxes_are_counted_and_stay_in_what_is_measured() {
    let root = kit();
    let val = Voc::open(&config(root.path()), Split::Val).unwrap();
    assert_eq!(val.annotations(0).unwrap().len(), 1);
    assert_eq!(val.ground_truth(0, true).unwrap().len(), 2);
    let [dropped, clipped] = val.skipped().lines().try_into().unwrap();
    assert!(dropped.starts_with("1 box has no area") && dropped.contains("cat in "), "{dropped}");
    assert!(dropped.contains("000001.xml with [8.0, 8.0, -4.0, 1.0]"), "{dropped}");
    assert!(clipped.starts_with("1 box reaches out") && clipped.contains("car in "), "{clipped}");
}

#[test]
fn what_cannot_be_used_is_refused_with_how_much_and_where() {
    let root = kit();
    let annotations = root.path().join("VOC2007/Annotations");
    fs::write(
        annotations.join("000009.xml"),
        annotation(&[("dgo", false, [1, 1, 2, 2]), ("dog", false, [1, 1, 2, 2])]),
    )
    .unwrap();
    let error = open_error(&root);
    for part in ["1 of 3 objects is of an unknown class", "did you mean `dog`?", "`dgo` in ", "000009.xml"] {
        assert!(error.contains(part), "{error}");
    }
    fs::write(annotations.join("000009.xml"), "<annotation><object>").unwrap();
    assert!(open_error(&root).contains("000009.xml: it is not XML"));
    for (text, expected) in [
        (&b"\xff\xfe<\0"[..], "000009.xml is UTF-16"),
        (b"version https://git-lfs.github.com/spec/v1\n", "000009.xml is a Git LFS pointer"),
    ] {
        fs::write(annotations.join("000009.xml"), text).unwrap();
        let error = open_error(&root);
        assert!(error.contains(expected), "{error}");
    }
    fs::remove_file(annotations.join("000009.xml")).unwrap();
    let error = open_error(&root);
    assert!(error.contains("1 of 3 images has no annotation: ") && error.contains("000009.xml"), "{error}");
    let list = root.path().join("VOC2007/ImageSets/Main/trainval.txt");
    fs::write(&list, "000005 -1\n").unwrap();
    assert!(open_error(&root).contains("the line `000005 -1`; expected one image a line"));
    fs::write(&list, "../../../etc/passwd\n").unwrap();
    let error = open_error(&root);
    assert!(
        error.contains(
            "trainval.txt: the file name \"JPEGImages/../../../etc/passwd.jpg\" is not of a file below"
        ),
        "{error}"
    );
    fs::write(&list, "\n").unwrap();
    assert!(open_error(&root).contains("trainval.txt lists no image"));
    fs::remove_file(&list).unwrap();
    assert!(open_error(&root).contains("trainval.txt; check `root` and the image sets"));
    let unset = Table::of("").read::<Config>().unwrap_err().to_string();
    assert!(unset.contains("root") && unset.contains("is not set"), "{unset}");
    assert!(Table::of("root = '/data'\ntrain = []").read::<Config>().is_err());
    assert!(
        Table::of("root = '/data'\nval = [{ year = 'VOC2012', sett = 'val' }]").read::<Config>().is_err()
    );
}

#[test]
fn the_digest_tells_splits_apart_and_roots_not() {
    let digest = |root: &TempDir, split| Voc::open(&config(root.path()), split).unwrap().digest();
    let (root, other) = (kit(), kit());
    assert_eq!(digest(&root, Split::Train), digest(&other, Split::Train));
    assert_ne!(digest(&root, Split::Train), digest(&root, Split::Val));
    let changed = annotation(&[("dog", true, [1, 1, 10, 20]), ("person", true, [11, 5, 30, 20])]);
    fs::write(other.path().join("VOC2007/Annotations/000009.xml"), changed).unwrap();
    assert_ne!(digest(&root, Split::Train), digest(&other, Split::Train));
}

#[test]
fn a_byte_order_mark_is_read() {
    let root = kit();
    for file in ["VOC2007/Annotations/000009.xml", "VOC2007/ImageSets/Main/trainval.txt"] {
        let path = root.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("\u{feff}{text}")).unwrap();
    }
    let train = Voc::open(&config(root.path()), Split::Train).unwrap();
    assert_eq!((train.len(), train.id(0)), (3, "VOC2007/000009".into()));
    assert_eq!(train.annotations(0).unwrap().len(), 2);
}

#[test]
fn what_is_no_xml_is_named_for_what_it_is() {
    for (bytes, expected) in [
        (&b"\xff\xfe<\0a\0"[..], "is UTF-16 or UTF-32 text: save it as UTF-8"),
        (b"\x1f\x8b\x08\0", "is compressed by gzip"),
        (b"<!DOCTYPE html><p>gone", "is an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
    ] {
        let root = kit();
        for file in ["VOC2007/Annotations/000009.xml", "VOC2007/ImageSets/Main/trainval.txt"] {
            fs::write(root.path().join(file), bytes).unwrap();
            let error = open_error(&root);
            assert!(error.contains(file) && error.contains(expected), "{error}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_link_out_of_its_year_is_followed_only_where_the_recipe_says_so() {
    let (root, elsewhere) = (kit(), tempfile::tempdir().unwrap());
    let move_away = |file: &str, name: &str| {
        fs::rename(root.path().join(file), elsewhere.path().join(name)).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join(name), root.path().join(file)).unwrap();
    };
    move_away("VOC2007/JPEGImages/000009.jpg", "000009.jpg");
    let image = |follow_links| {
        let config = Config { follow_links, ..config(root.path()) };
        Ok::<_, anyhow::Error>(Voc::open(&config, Split::Train)?.image(0)?)
    };
    assert!(image(false).unwrap_err().to_string().contains("follow_links = true"));
    assert_eq!(image(true).unwrap().dimensions(), (30, 20));
    // Nor is its size read, where the annotation has none.
    let annotation = root.path().join("VOC2007/Annotations/000009.xml");
    let text = fs::read_to_string(&annotation).unwrap();
    let size = "<size><width>30</width><height>20</height></size>";
    fs::write(&annotation, text.replace(size, "")).unwrap();
    let error = open_error(&root);
    assert!(error.contains("000009.jpg") && error.contains("follow_links = true"), "{error}");
    assert_eq!(image(true).unwrap().dimensions(), (30, 20));
    fs::write(&annotation, text).unwrap();
    move_away("VOC2007/Annotations/000009.xml", "000009.xml");
    let error = open_error(&root);
    assert!(error.contains("000009.xml") && error.contains("follow_links = true"), "{error}");
    assert!(image(true).is_ok());
}
