//! Image files of every kind against Pillow's decoding (`fixtures/augment/make_files.py`), and broken ones.

use std::path::{Path, PathBuf};
use univip_core::error::ImageError;
use univip_core::geometry::Size;
use univip_core::image_file::{read, size};

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
        let expected = image::open(files().join(format!("decoded/{name}.png"))).unwrap().into_rgb8();
        let decoded = read(&path).unwrap();
        assert_eq!(decoded.dimensions(), expected.dimensions(), "{name}");
        let (width, height) = expected.dimensions();
        assert_eq!(size(&path).unwrap(), Size { width, height }, "{name}: size()");
        // Two JPEG decoders may differ a little in their cosine transform and upsampling; PNG has no freedom
        // but in rounding 16 bits.
        let jpeg = std::fs::read(&path).unwrap().starts_with(&[0xff, 0xd8]);
        let allowed = if jpeg { 6 } else { 1 };
        let pairs = decoded.as_raw().iter().zip(expected.as_raw());
        let largest = pairs.map(|(one, other)| one.abs_diff(*other)).max().unwrap();
        assert!(largest <= allowed, "{name}: differs from Pillow by {largest} levels");
        seen += 1;
    }
    assert_eq!(seen, 23);
}

/// What is wrong with a file of that name and content; the error must name the file.
fn problem_of(name: &str, content: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    problem(&path, read(&path).unwrap_err())
}

fn problem(path: &Path, error: anyhow::Error) -> String {
    let error = error.downcast::<ImageError>().unwrap();
    assert_eq!(error.path, path);
    assert!(error.to_string().contains(&*path.to_string_lossy()));
    error.problem
}

#[test]
fn a_truncated_file_is_never_taken_for_an_image() {
    for name in
        ["rgb.jpg", "progressive.jpg", "restarts.jpg", "thumbnail.jpg", "grey.jpg", "rgb.png", "palette.png"]
    {
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
        problem_of("note.jpg", b"this is a text file").contains("neither JPEG nor PNG; replace or remove")
    );
    assert!(problem_of("old.jpg", b"GIF89a\x01\x00\x01\x00").contains("Gif, not JPEG or PNG; convert"));
    assert!(problem_of("empty.png", b"").contains("empty (0 bytes)"));
    let missing = files().join("nothing.jpg");
    for error in [read(&missing).unwrap_err(), size(&missing).unwrap_err()] {
        assert!(problem(&missing, error).contains("no such file; check the dataset's root"));
    }
    let directory = tempfile::tempdir().unwrap();
    assert!(problem(directory.path(), read(directory.path()).unwrap_err()).contains("cannot be read"));
}

#[test]
fn a_header_that_claims_too_much_takes_no_memory() {
    let mut bytes = std::fs::read(files().join("rgb.jpg")).unwrap();
    // Height and width are 16 bits each, five bytes behind the marker of the frame.
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 9].fill(0xff);
    let problem = problem_of("huge.jpg", &bytes);
    assert!(problem.contains("65535 x 65535") && problem.contains("make it smaller"), "{problem}");
}
