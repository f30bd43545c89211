//! The masks of an annotation file, read when they are first asked for: neither pre-training nor a detector of boxes does,
//! and they are most of the file.

use anyhow::{Context, Result, anyhow};
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::OnceLock;
use univip_core::geometry::Size;
use univip_core::metrics::files::AnnotationFile;
use univip_core::metrics::rle::Rle;
use univip_core::metrics::segmentation::{Drawn, Segmentation};
use univip_core::tally::Tally;

/// The masks of one file.
#[derive(Debug)]
pub(crate) struct Masks {
    path: PathBuf,
    /// The error of reading is kept as text, to be told as often as one asks.
    read: OnceLock<Result<Read, String>>,
}

#[derive(Debug)]
struct Read {
    /// Compressed, a tenth of the polygons' size, by annotation id.
    masks: HashMap<u64, String>,
    skipped: Tally,
}

impl Masks {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, read: OnceLock::new() }
    }

    /// The mask of an object in an image of `size`; none where the file has none, or only broken polygons.
    pub(crate) fn get(&self, annotation: u64, size: Size) -> Result<Option<Rle>> {
        let read = self.read.get_or_init(|| self.read().map_err(|error| format!("{error:#}")));
        let read = read.as_ref().map_err(|error| anyhow!("coco: {error}"))?;
        read.masks.get(&annotation).map(|text| Rle::from_compressed(size, text)).transpose()
    }

    /// The masks that could not be used, if masks have been asked for.
    pub(crate) fn skipped(&self) -> Tally {
        match self.read.get() {
            Some(Ok(read)) => read.skipped.clone(),
            _ => Tally::default(),
        }
    }

    fn read(&self) -> Result<Read> {
        let file = AnnotationFile::<Segmentation>::read(&self.path)?;
        let sizes = file.sizes().with_context(|| self.path.display().to_string())?;
        let drawn: Vec<(u64, Drawn)> = (file.annotations.into_par_iter())
            .filter_map(|object| Some((object.id, sizes[&object.image_id], object.segmentation?)))
            .map(|(id, size, segmentation)| {
                let broken = || format!("{}, the mask of annotation {id}", self.path.display());
                Ok((id, segmentation.mask(size).with_context(broken)?))
            })
            .collect::<Result<_>>()?;
        let mut read = Read { masks: HashMap::with_capacity(drawn.len()), skipped: Tally::default() };
        for (id, Drawn { mask, oddities }) in drawn {
            read.masks.extend(mask.map(|mask| (id, mask.compressed())));
            let named = || format!("annotation {id}");
            oddities.iter().for_each(|oddity| oddity.count(&mut read.skipped, named));
        }
        Ok(read)
    }
}
