//! Image files of every kind against Pillow's decoding (`fixtures/augment/make_files.py`), and broken ones.

use std::path::{Path, PathBuf};
use univip_core::error::ImageError;
use univip_core::geometry::Size;
use univip_core::image_file::{endings, is_named_as_image, read, size};

fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/augment/files")
}

#[test]
fn every_kind_of_file_decodes_as_with_pillow() {
    let mut seen = 0;
    for entry in std::fs::read_dir(files()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let expected = std::fs::read(files().join(format!("decoded/{name}.png"))).unwrap();
        let expected = image::load_from_memory(&expected).unwrap().into_rgb8();
        let decoded = read(&path).unwrap();
        assert_eq!(decoded.dimensions(), expected.dimensions(), "{name}");
        let (width, height) = expected.dimensions();
        assert_eq!(size(&path).unwrap(), Size { width, height }, "{name}: size()");
        // Two decoders of what is lossy may differ a little in their cosine transform and upsampling; the others have
        // no freedom but in rounding 16 bits.
        let lossy = name == "lossy.webp" || std::fs::read(&path).unwrap().starts_with(&[0xff, 0xd8]);
        let allowed = if lossy { 6 } else { 1 };
        let pairs = decoded.as_raw().iter().zip(expected.as_raw());
        let largest = pairs.map(|(one, other)| one.abs_diff(*other)).max().unwrap();
        assert!(largest <= allowed, "{name}: differs from Pillow by {largest} levels");
        seen += 1;
    }
    assert_eq!(seen, 45);
}

/// The problem of a file of that name and content; the error must name the file.
fn problem_of(name: &str, content: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    problem(&path, read(&path).unwrap_err())
}

fn problem(path: &Path, error: ImageError) -> String {
    let said = error.to_string();
    let ImageError::Broken { path: named, problem } = error else { panic!("{said}") };
    assert_eq!(named, path);
    assert!(said.contains(&*path.to_string_lossy()));
    problem
}

#[test]
fn a_truncated_file_is_never_taken_for_an_image() {
    const NAMES: [&str; 17] = [
        "rgb.jpg",
        "progressive.jpg",
        "restarts.jpg",
        "thumbnail.jpg",
        "grey.jpg",
        "rgb.png",
        "palette.png",
        "rgb.bmp",
        "palette.bmp",
        "palette.gif",
        "rgb.tif",
        "lzw.tiff",
        "lossless.webp",
        "lossy.webp",
        "rgb.ppm",
        "bit.pbm",
        "rgb.qoi",
    ];
    for name in NAMES {
        let whole = std::fs::read(files().join(name)).unwrap();
        let jpeg = name.ends_with(".jpg");
        let mut lengths = vec![20, whole.len() / 2, whole.len() * 3 / 4];
        if jpeg {
            let scan = whole.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
            lengths.extend([scan, scan + 20, whole.len() - 20, whole.len() - 2]);
        }
        for length in lengths {
            let problem = problem_of(name, &whole[..length]);
            assert!(problem.contains("truncated") && problem.contains("again"), "{name} {length}: {problem}");
        }
    }
}

#[test]
fn what_is_no_image_says_so_and_what_to_do() {
    assert!(
        problem_of("note.jpg", b"this is a text file").contains("no image format that is known; replace")
    );
    assert!(problem_of("icon.jpg", b"\0\0\x01\0\x01\0").contains("Ico, which is not read; convert"));
    assert!(
        problem_of("photo.jpg", b"\0\0\0\x18ftypheic\0\0\0\0").contains("HEIC, which is not read; convert")
    );
    assert!(problem_of("empty.png", b"").contains("empty (0 bytes)"));
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n";
    assert!(problem_of("photo.jpg", pointer).contains("is a Git LFS pointer and not the file itself"));
    assert!(problem_of("photo.jpg", b"<!doctype html><p>gone").contains("is an HTML page"));
    let missing = files().join("nothing.jpg");
    for error in [read(&missing).unwrap_err(), size(&missing).unwrap_err()] {
        assert!(problem(&missing, error).contains("no such file; check the dataset's root"));
    }
    let directory = tempfile::tempdir().unwrap();
    assert!(problem(directory.path(), read(directory.path()).unwrap_err()).contains("cannot be read"));
}

/// A JPEG whose header claims another size. Height and width are 16 bits each, five bytes behind the marker of the frame.
fn claiming(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = std::fs::read(files().join("rgb.jpg")).unwrap();
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
    bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

#[test]
fn a_header_that_claims_too_much_takes_no_memory() {
    for side in [65535, 13300, 9460] {
        let problem = problem_of("huge.jpg", &claiming(side, side));
        let named = problem.contains(&format!("{side} x {side} pixels, more than the 89478485"));
        assert!(named && problem.contains("loader.max_pixels"), "{problem}");
    }
}

/// The file has no byte on disk.
#[test]
fn a_file_that_is_larger_than_any_image_is_not_read() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("huge.jpg");
    std::fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
    for error in [read(&path).unwrap_err(), size(&path).unwrap_err()] {
        let problem = problem(&path, error);
        assert!(problem.contains("has 1073741824 bytes, more than an image of 89478485 pixels"), "{problem}");
    }
}

#[test]
fn images_are_known_by_all_usual_endings() {
    for name in [
        "a.jpg", "a.JPEG", "a.jpe", "a.jfif", "a.png", "a.webp", "a.bmp", "a.gif", "a.TIF", "a.tiff",
        "a.pgm", "a.qoi",
    ] {
        assert!(is_named_as_image(Path::new(name)), "{name}");
        let ending = name[1..].to_lowercase();
        assert!(
            endings().split(' ').any(|known| known == ending),
            "{name} is read, and a message does not say so"
        );
    }
    for name in ["a.heic", "a.txt", "a", "jpe", "a.jpe.txt"] {
        assert!(!is_named_as_image(Path::new(name)), "{name}");
    }
}

#[test]
fn an_image_whose_decoder_panics_is_broken_as_any_other() {
    let broken = files().with_file_name("palette-cut.png");
    let said = problem(&broken, read(&broken).unwrap_err());
    assert_eq!(said, "is damaged: its decoder gave up; download or copy it again");
    assert!(!univip_core::image_file::is_decoding());
}

#[test]
fn what_a_decoder_says_is_one_short_line() {
    // A header that breaks off: the JPEG decoder says so in two lines.
    let bytes = std::fs::read(files().join("rgb.jpg")).unwrap();
    let scan = bytes.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
    for length in (4..scan).step_by(5) {
        let problem = problem_of("broken.jpg", &bytes[..length]);
        assert!(!problem.contains(['\n', '\r']) && problem.len() < 300, "{length}: {problem:?}");
    }
}

/// A mutated TIFF of 174 bytes, whose tag 278 claimed 8,192,001 values, made a decoder take 262 MB.
#[test]
fn a_tiff_whose_directory_claims_more_than_the_file_holds_is_damaged() {
    let mut bytes = std::fs::read(files().join("deflate.tif")).unwrap();
    assert_eq!(&bytes[..4], b"II*\0", "the test changes a directory in little-endian order");
    let directory = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
    bytes[directory + 6..directory + 10].copy_from_slice(&8_192_001u32.to_le_bytes());
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("claiming.tif");
    std::fs::write(&path, bytes).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(
        error.contains("is a damaged TIFF") && error.contains("the 8192001 values of tag 256"),
        "{error}"
    );
}
