//! Runs and stores are of the images that they were made of, whatever these are called and wherever they lie.

mod common;

use anyhow::{Context, Result, ensure};
use common::{output, run_directory, stdout, univip};
use image::{Rgb, RgbImage};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A row that only needs pixels.
const ROW: [&str; 10] = [
    "ablate",
    "table7",
    "--row",
    "b",
    "--scale",
    "smoke",
    "--set",
    "train.batch=2",
    "--set",
    "evaluators.use=[\"knn\"]",
];

/// Labelled images of two classes, two of each to learn from; `red` tells one folder's images from another's.
fn folder(root: &Path, red: u8) -> Result<()> {
    for (place, name) in
        ["train/a/0", "train/a/1", "train/b/0", "train/b/1", "val/a/0", "val/b/0"].iter().enumerate()
    {
        let path = root.join(format!("{name}.png"));
        fs::create_dir_all(path.parent().context("no parent")?)?;
        draw(&path, [60, 48], [red, 40 * place as u8])?;
    }
    Ok(())
}

/// A block on a ramp, which selective search finds.
fn draw(path: &Path, [width, height]: [u32; 2], [red, green]: [u8; 2]) -> Result<()> {
    let left = u32::from(red) % 20 + 4;
    let pixel = |x, y| match (left..left + 24).contains(&x) && (8..30).contains(&y) {
        true => Rgb([red, green, 250]),
        false => Rgb([x as u8, y as u8, 20]),
    };
    Ok(RgbImage::from_fn(width, height, pixel).save(path)?)
}

/// The exit code and standard error.
fn said(arguments: &[&str], runs: &Path) -> Result<(Option<i32>, String)> {
    let output = output(arguments, runs)?;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

#[test]
fn folders_of_equal_names_never_share_boxes() -> Result<()> {
    equal_names("image-folder", "")
}

#[test]
fn nor_do_unlabelled_ones() -> Result<()> {
    equal_names("images", "train")
}

/// Two folders of equal names; `inside` is where their images are for the dataset.
fn equal_names(dataset: &str, inside: &str) -> Result<()> {
    let work = tempfile::tempdir()?;
    let of = |command: &[&str], root: &str, runs: &str| -> Result<String> {
        let data = format!("{dataset}={}", work.path().join(root).join(inside).display());
        let runs = work.path().join(runs);
        let runs = runs.to_string_lossy();
        stdout(&[&["proposals"], command, &["--data", &data, "--runs", &runs]].concat(), work.path())
    };
    let mut exported = Vec::new();
    for (root, red) in [("first", 10), ("second", 200)] {
        folder(&work.path().join(root), red)?;
        let built = of(&["build"], root, "shared")?;
        ensure!(built.contains("4 images made"), "{root}: {built}");
        of(&["build"], root, root)?;
        let mut boxes = Vec::new();
        for runs in ["shared", root] {
            let file = work.path().join(format!("{root}-{runs}.json"));
            of(&["export", &file.to_string_lossy()], root, runs)?;
            boxes.push(fs::read_to_string(file)?);
        }
        ensure!(boxes[0] == boxes[1], "{root} has the boxes of another store");
        exported.push(boxes.swap_remove(0));
    }
    ensure!(exported[0] != exported[1], "the images were drawn to have other boxes");
    // One image of the first is replaced: its boxes are made anew, and imported ones are refused.
    let exported = work.path().join("first-first.json");
    of(&["import", &exported.to_string_lossy(), "--name", "mine"], "first", "shared")?;
    draw(&work.path().join("first/train/b/0.png"), [60, 48], [77, 7])?;
    let built = of(&["build"], "first", "shared")?;
    ensure!(built.contains("4 images made"), "{built}");
    let mine = ["build", "--set", "proposals.use=imported", "--set", "proposal.imported.name=mine"];
    let refused = format!("{:#}", of(&mine, "first", "shared").err().context("other boxes were used")?);
    ensure!(refused.contains("image b/0.png is not the one that boxes are stored of"), "{refused}");
    Ok(())
}

/// A run of row b on ten images of one's own, learned from and measured on.
struct OnMine {
    work: TempDir,
    runs: PathBuf,
}

impl OnMine {
    fn ablate(&self, root: &str) -> Result<(Option<i32>, String)> {
        let data = format!("image-folder={root}");
        let arguments = [&ROW[..], &["--data", &data, "--probe-data", &data]].concat();
        let output = univip(&arguments, &self.runs).current_dir(self.work.path()).output()?;
        Ok((output.status.code(), String::from_utf8(output.stderr)?))
    }

    fn evaluate(&self, more: &[&str]) -> Result<(Option<i32>, String)> {
        let runs = self.runs.to_string_lossy();
        said(&[&["evaluate", "table7-b", "--with", "knn", "--runs", &runs], more].concat(), &self.runs)
    }

    fn run(&self) -> Result<PathBuf> {
        run_directory(&self.runs, "table7-b")
    }

    fn record(&self) -> Result<String> {
        Ok(fs::read_to_string(self.run()?.join("run.json"))?)
    }

    /// Spelt otherwise, moved, touched: the same.
    fn is_reused(&self, mine: &Path, moved: &Path) -> Result<()> {
        let absolute = mine.to_string_lossy().into_owned();
        let (code, first) = self.ablate(&absolute)?;
        ensure!(code == Some(0), "{first}");
        let finished = self.record()?;
        for (number, digest) in ["data_digest", "probe_data train", "probe_data val"].iter().enumerate() {
            ensure!(finished.matches(&format!("\"{digest}")).count() == 1, "{number}: {finished}");
        }
        for spelt in ["mine", "./mine/", &format!("{absolute}/")] {
            let (code, text) = self.ablate(spelt)?;
            ensure!(code == Some(0) && self.record()? == finished, "{spelt}: {text}");
        }
        fs::rename(mine, moved)?;
        let picture = moved.join(PICTURE);
        fs::write(&picture, fs::read(&picture)?)?;
        let (code, text) = self.ablate(&moved.to_string_lossy())?;
        ensure!(code == Some(0) && self.record()? == finished, "{text}");
        let names = fs::read_dir(&self.runs)?
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()));
        ensure!(names.filter(|name| name.starts_with("table7-b")).count() == 1, "the same data is one run");
        let (code, text) = self.evaluate(&[])?;
        ensure!(code == Some(0), "the recipe says where its data lies now: {text}");
        Ok(())
    }

    /// Changed: refused wherever it would be used, by the first image.
    fn is_refused_when_changed(&self, moved: &Path) -> Result<()> {
        let (picture, root) = (moved.join(PICTURE), moved.to_string_lossy());
        let before = fs::read(&picture)?;
        draw(&picture, [60, 48], [99, 99])?;
        let refused = |(code, text): (Option<i32>, String), when: &str| -> Result<()> {
            ensure!(
                code == Some(1) && text.contains("1 of 4, the first is b/1.png"),
                "{when}: {code:?} {text}"
            );
            Ok(())
        };
        refused(self.ablate(&root)?, "reused")?;
        refused(self.evaluate(&[])?, "evaluated")?;
        let run = self.run()?;
        fs::write(run.join("run.json"), self.record()?.replace("\"finished\"", "\"interrupted\""))?;
        fs::remove_file(run.join("backbone.safetensors"))?;
        refused(self.ablate(&root)?, "resumed")?;
        fs::write(&picture, before)?;
        let (code, text) = self.ablate(&root)?;
        ensure!(code == Some(0) && self.record()?.contains("\"finished\""), "restored: {code:?} {text}");
        Ok(())
    }
}

const PICTURE: &str = "train/b/1.png";

#[test]
fn a_run_is_reused_and_goes_on_with_the_same_images_only() -> Result<()> {
    let work = tempfile::tempdir()?;
    let [mine, moved, others] = ["mine", "moved", "others"].map(|name| work.path().join(name));
    folder(&mine, 10)?;
    let runs = OnMine { runs: work.path().join("runs"), work };
    runs.is_reused(&mine, &moved)?;
    runs.is_refused_when_changed(&moved)?;
    // Other labelled images than the recipe's are measured apart.
    folder(&others, 130)?;
    let (code, text) = runs.evaluate(&["--probe-data", &format!("image-folder={}", others.display())])?;
    ensure!(code == Some(0), "{text}");
    let numbers = fs::read_to_string(runs.run()?.join("evaluations.jsonl"))?;
    let apart = numbers.lines().filter(|line| line.contains("dataset.image-folder.root=")).count();
    ensure!(apart == numbers.lines().count() / 3 && apart > 0, "{numbers}");
    Ok(())
}

/// Rows of one run that are measured on different images: what becomes of those of one concerns no other.
#[test]
fn a_run_is_measured_on_several_sets_of_images() -> Result<()> {
    let work = tempfile::tempdir()?;
    let (runs, mine) = (work.path().join("runs"), work.path().join("mine"));
    folder(&mine, 10)?;
    let data = format!("image-folder={}", mine.display());
    let on_mine = [&ROW[..], &["--probe-data", &data]].concat();
    for row in [&ROW[..], &on_mine] {
        let (code, text) = said(row, &runs)?;
        ensure!(code == Some(0), "{text}");
    }
    let record = fs::read_to_string(run_directory(&runs, "table7-b")?.join("run.json"))?;
    ensure!(record.matches("\"probe_data val ").count() == 2, "{record}");
    draw(&mine.join("val/b/0.png"), [60, 48], [99, 99])?;
    let (code, text) = said(&on_mine, &runs)?;
    ensure!(code == Some(1) && text.contains("1 of 2, the first is b/0.png"), "{code:?} {text}");
    // They are the same set of images wherever they lie.
    let moved = work.path().join("moved");
    fs::rename(&mine, &moved)?;
    let data = format!("image-folder={}", moved.display());
    let (code, text) = said(&[&ROW[..], &["--probe-data", &data]].concat(), &runs)?;
    ensure!(code == Some(1) && text.contains("1 of 2, the first is b/0.png"), "moved: {code:?} {text}");
    let (code, text) = said(&ROW, &runs)?;
    ensure!(code == Some(0), "{text}");
    Ok(())
}

/// Its measurements are of other images, and are not what it is refused for.
#[test]
fn a_run_whose_images_have_changed_neither_goes_on_nor_is_measured_anew() -> Result<()> {
    let work = tempfile::tempdir()?;
    let (runs, mine) = (work.path().join("runs"), work.path().join("mine"));
    folder(&mine, 10)?;
    let data = format!("image-folder={}", mine.display());
    let row = [&ROW[..], &["--data", &data]].concat();
    let (code, text) = said(&row, &runs)?;
    ensure!(code == Some(0), "{text}");
    draw(&mine.join(PICTURE), [60, 48], [99, 99])?;
    let (code, text) = said(&[&row[..], &["--set", "evaluator.knn.k=3"]].concat(), &runs)?;
    ensure!(code == Some(1) && text.contains("1 of 4, the first is b/1.png"), "{code:?} {text}");
    let run = run_directory(&runs, "table7-b")?;
    let numbers = fs::read_to_string(run.join("evaluations.jsonl"))?;
    ensure!(!numbers.contains("knn-3"), "{numbers}");
    // Nor does its training go on.
    let record = fs::read_to_string(run.join("run.json"))?.replace("\"finished\"", "\"interrupted\"");
    fs::write(run.join("run.json"), record.replace("\"trained\": true", "\"trained\": false"))?;
    fs::remove_file(run.join("backbone.safetensors"))?;
    let (code, text) = said(&row, &runs)?;
    let refused = |line: &str| line.starts_with("table7-b") && line.contains("1 of 4, the first is b/1.png");
    ensure!(code == Some(1) && text.lines().any(refused), "{code:?} {text}");
    ensure!(!run.join("backbone.safetensors").exists(), "it was trained");
    Ok(())
}

#[test]
fn a_directory_may_be_called_anything() -> Result<()> {
    let work = tempfile::tempdir()?;
    for name in ["2017", "true", "1e3", "[]"] {
        folder(&work.path().join(name), 10)?;
        let [data, set] = [format!("image-folder={name}"), format!("dataset.image-folder.root={name}")];
        let choices: [&[&str]; 2] = [&["--data", &data], &["--set", "data.use=image-folder", "--set", &set]];
        for choice in choices {
            let arguments =
                [&["proposals", "build", "--set", "proposals.use=selective-search"], choice].concat();
            let output = univip(&arguments, work.path()).current_dir(work.path()).output()?;
            ensure!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let variable = ("UNIVIP_DATASET__IMAGE_FOLDER__ROOT", name);
        let shown = univip(&["recipe", "show", "table7/b", "--set", "data.use=image-folder"], work.path())
            .env(variable.0, variable.1)
            .output()?;
        let shown = String::from_utf8(shown.stdout)?;
        ensure!(shown.contains(&format!("root = \"{name}\"")), "{name}: {shown}");
    }
    Ok(())
}

/// Labelled images of which one cannot be read fail an evaluator that may not skip any.
#[test]
fn what_was_only_failed_on_may_be_mended() -> Result<()> {
    let work = tempfile::tempdir()?;
    let (runs, mine) = (work.path().join("runs"), work.path().join("mine"));
    folder(&mine, 10)?;
    let picture = mine.join("val/b/0.png");
    let whole = fs::read(&picture)?;
    fs::write(&picture, &whole[..40])?;
    let data = format!("image-folder={}", mine.display());
    let strict = [&ROW[..], &["--probe-data", &data, "--set", "loader.broken=fail"]].concat();
    let (code, text) = said(&strict, &runs)?;
    ensure!(code == Some(1) && text.contains("val/b/0.png"), "{code:?} {text}");
    fs::write(&picture, &whole)?;
    let (code, text) = said(&strict, &runs)?;
    ensure!(code == Some(0), "mended: {code:?} {text}");
    // It has numbers of them now.
    draw(&picture, [60, 48], [99, 99])?;
    let (code, text) = said(&strict, &runs)?;
    ensure!(code == Some(1) && text.contains("1 of 2, the first is b/0.png"), "{code:?} {text}");
    ensure!(text.contains("--force") && text.contains("--runs DIR"), "{text}");
    Ok(())
}

/// The same of the scenes that a detector learns from and is measured on: an image of val.
#[test]
fn and_so_may_scenes() -> Result<()> {
    let work = tempfile::tempdir()?;
    let (runs, root) = (work.path().join("runs"), work.path().join("kit"));
    kit(&root, [60, 48])?;
    let picture = root.join("VOC2007/JPEGImages/000004.jpg");
    let whole = fs::read(&picture)?;
    fs::write(&picture, &whole[..whole.len() / 2])?;
    let data = format!("voc={}", root.display());
    let mut strict = [&ROW[..], &["--data", &data]].concat();
    // VOC has boxes and no masks.
    let boxes = "evaluator.detection.architecture=faster-rcnn";
    for set in ["evaluators.use=[\"detection\"]", boxes, "loader.broken=fail"] {
        strict.extend(["--set", set]);
    }
    let (code, text) = said(&strict, &runs)?;
    ensure!(code == Some(1) && text.contains("000004.jpg"), "{code:?} {text}");
    fs::write(&picture, &whole)?;
    let (code, text) = said(&strict, &runs)?;
    ensure!(code == Some(0), "mended: {code:?} {text}");
    // It has numbers of them now.
    draw(&picture, [60, 48], [99, 99])?;
    let place = runs.to_string_lossy();
    let (code, text) = said(&["evaluate", "table7-b", "--with", "detection", "--runs", &place], &runs)?;
    ensure!(code == Some(1) && text.contains("1 of 2, the first is VOC2007/000004"), "{code:?} {text}");
    Ok(())
}

/// VOC's development kit of 2007 and 2012: images of 60 x 48 with a dog each, which was drawn at `annotated`.
fn kit(root: &Path, annotated: [u32; 2]) -> Result<()> {
    let sets = [
        ("VOC2007", "trainval", &["000001", "000002"][..]),
        ("VOC2012", "trainval", &["2008_000001"]),
        ("VOC2007", "test", &["000003", "000004"]),
    ];
    for (place, (year, set, names)) in sets.into_iter().enumerate() {
        let year = root.join(year);
        for directory in ["JPEGImages", "Annotations", "ImageSets/Main"] {
            fs::create_dir_all(year.join(directory))?;
        }
        fs::write(year.join(format!("ImageSets/Main/{set}.txt")), names.join("\n"))?;
        for (number, name) in names.iter().enumerate() {
            let colour = [40 * place as u8, 90 * number as u8];
            draw(&year.join(format!("JPEGImages/{name}.jpg")), [60, 48], colour)?;
            let [width, height] = annotated;
            let object =
                "<name>dog</name><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>40</xmax><ymax>44</ymax></bndbox>";
            let size = format!("<size><width>{width}</width><height>{height}</height></size>");
            let text = format!("<annotation>{size}<object>{object}</object></annotation>");
            fs::write(year.join(format!("Annotations/{name}.xml")), text)?;
        }
    }
    Ok(())
}

#[test]
fn boxes_drawn_at_another_size_are_refused_before_any_step() -> Result<()> {
    let work = tempfile::tempdir()?;
    let (runs, root) = (work.path().join("runs"), work.path().join("kit"));
    kit(&root, [120, 96])?;
    let data = format!("voc={}", root.display());
    let row = ["ablate", "table8b", "--row", "ground-truth", "--scale", "smoke", "--set", "train.batch=2"];
    let (code, text) = said(&[&row[..], &["--data", &data, "--set", "evaluators.use=[]"]].concat(), &runs)?;
    let said_sizes = "is 60 x 48 pixels, but its boxes were annotated at 120 x 96";
    ensure!(
        code == Some(1) && text.contains("image VOC2007/000001 (") && text.contains(said_sizes),
        "{text}"
    );
    ensure!(!text.contains("training"), "it has learned: {text}");
    Ok(())
}

#[test]
fn boxes_for_images_of_voc_are_found_by_every_name() -> Result<()> {
    let work = tempfile::tempdir()?;
    let (runs, root) = (work.path().join("runs"), work.path().join("kit"));
    kit(&root, [60, 48])?;
    let (runs, data) = (runs.to_string_lossy().into_owned(), format!("voc={}", root.display()));
    let of = |command: &[&str]| {
        said(&[&["proposals"], command, &["--data", &data, "--runs", &runs]].concat(), work.path())
    };
    let file = |name: &str| work.path().join(name).to_string_lossy().into_owned();
    let expected = json!({
        "VOC2007/000001": [[1, 2, 10, 11]], "VOC2007/000002": [[3, 4, 12, 13]], "VOC2012/2008_000001": [[5, 6, 14, 15]]
    });
    let (boxes, back) = (file("boxes.json"), file("back.json"));
    for (place, [one, two, three]) in [
        ["000001", "000002", "2008_000001"],
        ["000001.jpg", "000002.jpg", "2008_000001.jpg"],
        ["VOC2007/000001", "JPEGImages/000002.jpg", "VOC2012/2008_000001"],
    ]
    .into_iter()
    .enumerate()
    {
        let named = json!({ one: [[1, 2, 10, 11]], two: [[3, 4, 12, 13]], three: [[5, 6, 14, 15]] });
        fs::write(&boxes, named.to_string())?;
        let name = format!("names-{place}");
        let (code, text) = of(&["import", &boxes, "--name", &name])?;
        ensure!(code == Some(0) && !text.contains("warning"), "{one}: {text}");
        let name = format!("proposal.imported.name={name}");
        let (code, text) = of(&["export", &back, "--set", "proposals.use=imported", "--set", &name])?;
        ensure!(code == Some(0), "{text}");
        let found: serde_json::Value = serde_json::from_slice(&fs::read(&back)?)?;
        ensure!(found == expected, "{one}: {found}");
    }
    Ok(())
}

#[test]
fn the_same_annotated_data_is_one_run_however_it_is_spelt() -> Result<()> {
    let work = tempfile::tempdir()?;
    crossed(&work.path().join("coco"), "")?;
    kit(&work.path().join("voc"), [60, 48])?;
    for dataset in ["coco", "voc"] {
        let runs = work.path().join(format!("runs-{dataset}"));
        let absolute = work.path().join(dataset).display().to_string();
        for spelt in [dataset, &format!("./{dataset}/"), &absolute] {
            let data = format!("{dataset}={spelt}");
            let arguments = [&ROW[..], &["--data", &data]].concat();
            let output = univip(&arguments, &runs).current_dir(work.path()).output()?;
            ensure!(output.status.success(), "{spelt}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let mut trained = 0;
        for entry in fs::read_dir(&runs)? {
            trained += usize::from(entry?.file_name().to_string_lossy().starts_with("table7-b"));
        }
        ensure!(trained == 1, "{dataset}: {trained} trainings of the same data");
    }
    Ok(())
}

/// A COCO root of two images whose ids are each other's numbers.
fn crossed(root: &Path, prefix: &str) -> Result<()> {
    fs::create_dir_all(root.join("annotations"))?;
    for (split, files) in
        [("train2017", ["000001.png", "000002.png"]), ("val2017", ["000101.png", "000102.png"])]
    {
        fs::create_dir_all(root.join(split))?;
        let mut images = Vec::new();
        for (place, file) in files.iter().enumerate() {
            let file = format!("{prefix}{file}");
            draw(&root.join(split).join(&file), [60, 48], [10, 100 * place as u8])?;
            images.push(json!({ "id": 2 - place, "file_name": file, "width": 60, "height": 48 }));
        }
        let text = json!({ "images": images, "annotations": [], "categories": [] }).to_string();
        fs::write(root.join(format!("annotations/instances_{split}.json")), text)?;
    }
    Ok(())
}

#[test]
fn imported_boxes_go_to_the_image_that_is_named() -> Result<()> {
    let work = tempfile::tempdir()?;
    let path = |name: &str| work.path().join(name).to_string_lossy().into_owned();
    for prefix in ["", "cat_"] {
        let (root, runs) = (path(&format!("coco{prefix}")), path(&format!("runs{prefix}")));
        crossed(Path::new(&root), prefix)?;
        let data = format!("coco={root}");
        let of = |command: &[&str]| {
            said(&[&["proposals"], command, &["--data", &data, "--runs", &runs]].concat(), work.path())
        };
        let [first, second] = ["000001.png", "000002.png"].map(|file| format!("{prefix}{file}"));
        let imported = |named: [&str; 2], name: &str| -> Result<serde_json::Value> {
            let [one, other] = named;
            let boxes = json!({ one: [[1, 2, 10, 11]], other: [[3, 4, 12, 13]] });
            let file = path("boxes.json");
            fs::write(&file, boxes.to_string())?;
            let (code, text) = of(&["import", &file, "--name", name])?;
            ensure!(code == Some(0) && !text.contains("warning"), "{named:?}: {text}");
            let (back, name) = (path("back.json"), format!("proposal.imported.name={name}"));
            let (code, text) = of(&["export", &back, "--set", "proposals.use=imported", "--set", &name])?;
            ensure!(code == Some(0), "{text}");
            Ok(serde_json::from_slice(&fs::read(back)?)?)
        };
        let expected = json!({ "2": [[1, 2, 10, 11]], "1": [[3, 4, 12, 13]] });
        ensure!(imported([&first, &second], "files")? == expected, "by file name");
        ensure!(imported(["2", "1"], "ids")? == expected, "by id");
        ensure!(imported([&format!("train2017/{first}"), &second[..second.len() - 4]], "ends")? == expected);
        let refused = path("refused.json");
        fs::write(&refused, json!({ &first: [], "2": [] }).to_string())?;
        let (code, text) = of(&["import", &refused, "--name", "twice"])?;
        ensure!(code == Some(1) && text.contains("image 2 stands in it twice"), "{text}");
    }
    Ok(())
}
