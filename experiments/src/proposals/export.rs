//! `univip proposals export`: a store as JSON.

use super::{Opened, bar};
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes all boxes of a whole store, unfiltered and in order, as `[x, y, width, height]`: an object from the
/// images' names to their boxes or, for ORL, `{"bbox": [...]}` in the order of the dataset. The file is whole or
/// not there.
pub fn export(opened: &Opened, path: &Path, orl: bool) -> Result<()> {
    let (store, images) = (opened.store()?, opened.dataset.len());
    let place = store.directory().display();
    ensure!(
        store.stored() == images,
        "{place} has {} of {images} images; run `univip proposals build` with the same options first",
        store.stored()
    );
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = Path::new(&unfinished);
    let writing = || format!("writing {}", unfinished.display());
    let mut file = BufWriter::new(File::create(unfinished).with_context(writing)?);
    let bar = bar(images, "export");
    let (open, close) = if orl { ("{\"bbox\": [\n", "\n]}\n") } else { ("{\n", "\n}\n") };
    file.write_all(open.as_bytes()).with_context(writing)?;
    for image in 0..images {
        let boxes: Vec<[u32; 4]> =
            store.boxes(image)?.iter().map(|one| [one.x, one.y, one.width, one.height]).collect();
        let name = if orl { String::new() } else { serde_json::to_string(&opened.dataset.id(image))? + ": " };
        let end = if image + 1 == images { "" } else { ",\n" };
        write!(file, "{name}{}{end}", serde_json::to_string(&boxes)?).with_context(writing)?;
        bar.inc(1);
    }
    file.write_all(close.as_bytes()).with_context(writing)?;
    file.into_inner()
        .map_err(|error| error.into_error())
        .and_then(|file| file.sync_all())
        .with_context(writing)?;
    fs::rename(unfinished, path).with_context(writing)?;
    bar.finish_and_clear();
    println!("{}: the boxes of {images} images", path.display());
    Ok(())
}
