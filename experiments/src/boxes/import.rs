//! Boxes of OpenCV users and of ORL, from JSON into a store.

use super::names::{IN_ORDER, Names};
use crate::observers::Task;
use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use univip_core::dataset::Dataset;
use univip_core::error::brief;
use univip_core::geometry::BoundingBox;
use univip_core::json_file;
use univip_core::proposals::ProposalStore;
use univip_core::tally::Tally;

/// The result of an import.
pub struct Imported {
    /// Images of the dataset.
    pub found: usize,
    /// Images that are not in it.
    pub foreign: Tally,
    /// Shards that were not there.
    pub new: usize,
}

/// Reads boxes of a dataset into a store, as `univip proposals import` does.
///
/// # Errors
/// Naming the file: when it cannot be read, has boxes outside of an image, an image twice or none of the dataset.
pub fn import_boxes(dataset: &dyn Dataset, store: &ProposalStore, path: &Path) -> Result<Imported> {
    let text = json_file::tolerant(path)?;
    let mut incoming = Incoming::new(dataset, store);
    let mut json = serde_json::Deserializer::from_reader(text);
    let read = json.deserialize_map(Images { incoming: &mut incoming }).and_then(|()| json.end());
    // A message of ours reaches us through serde, and says what it wants to say.
    read.map_err(|error| anyhow!("{}: {error}", path.display()))?;
    let (found, foreign) = (incoming.found, std::mem::take(&mut incoming.foreign));
    ensure!(
        found > 0,
        "{}: none of its images is in the dataset ({}); check --data and --split",
        path.display(),
        foreign.lines().join(", ")
    );
    Ok(Imported { found, foreign, new: incoming.finish()? })
}

/// Boxes on their way into the store.
struct Incoming<'a> {
    dataset: &'a dyn Dataset,
    store: &'a ProposalStore,
    names: Names<'a>,
    /// The boxes of the images of unfinished shards.
    waiting: HashMap<usize, Vec<BoundingBox>>,
    /// Images of each shard that are still to come.
    missing: Vec<usize>,
    found: usize,
    pub foreign: Tally,
    new: usize,
    task: Task,
}

impl<'a> Incoming<'a> {
    fn new(dataset: &'a dyn Dataset, store: &'a ProposalStore) -> Self {
        Self {
            dataset,
            store,
            names: Names::of(dataset),
            waiting: HashMap::new(),
            missing: (0..store.shards()).map(|shard| store.range(shard).len()).collect(),
            found: 0,
            foreign: Tally::default(),
            new: 0,
            task: Task::alone("import"),
        }
    }

    fn take_named(&mut self, name: &str, boxes: &Value) -> Result<()> {
        match self.names.find(name)? {
            Some(image) => self.take(image, boxes),
            None => {
                self.foreign.add("image[ is|s are] not in the dataset", || name.into());
                Ok(())
            }
        }
    }

    fn take(&mut self, image: usize, boxes: &Value) -> Result<()> {
        let id = || format!("image {}", self.dataset.id(image));
        ensure!(
            image < self.dataset.len(),
            "it has boxes for more than the dataset's {} images; is it of another split?",
            self.dataset.len()
        );
        let size = self.dataset.size(image).with_context(id)?;
        let whole = BoundingBox::whole(size);
        let mut read = Vec::new();
        for sides in listed(boxes).with_context(id)? {
            let [x, y, width, height] = sides;
            let fits =
                width > 0 && height > 0 && x.checked_add(width).is_some() && y.checked_add(height).is_some();
            let one = BoundingBox::new(x, y, width, height);
            ensure!(
                fits && whole.contains(&one),
                "{}: box {sides:?} is not inside its {} x {} pixels; expected [x, y, width, height] of this dataset",
                id(),
                size.width,
                size.height
            );
            read.push(one);
        }
        let shard = image / ProposalStore::SHARD;
        let twice = self.missing[shard] == 0 || self.waiting.insert(image, read).is_some();
        ensure!(!twice, "{} stands in it twice", id());
        self.found += 1;
        self.missing[shard] -= 1;
        self.task.show(self.found as u64, self.dataset.len() as u64);
        if self.missing[shard] == 0 { self.keep(shard) } else { Ok(()) }
    }

    /// Puts a shard on disk; an image that did not come has no boxes.
    fn keep(&mut self, shard: usize) -> Result<()> {
        let image = |image| (self.dataset.id(image), self.waiting.remove(&image).unwrap_or_default());
        let images: Vec<_> = self.store.range(shard).map(image).collect();
        let new = self.store.keep(shard, &images).context("give the import another --name")?;
        self.new += usize::from(new);
        Ok(())
    }

    /// Keeps the shards that are not complete; how many shards were new in all.
    fn finish(mut self) -> Result<usize> {
        for shard in 0..self.missing.len() {
            if self.missing[shard] > 0 {
                self.keep(shard)?;
            }
        }
        Ok(self.new)
    }
}

/// A list of boxes, or the only box, which ORL's tool writes without its list.
fn listed(boxes: &Value) -> Result<Vec<[u32; 4]>> {
    let expected = "expected a list of boxes [x, y, width, height] of whole numbers";
    let list = boxes.as_array().context(expected)?;
    if list.first().is_some_and(Value::is_number) {
        return Ok(vec![sides(boxes).context(expected)?]);
    }
    list.iter()
        .map(|one| sides(one).with_context(|| format!("{expected}, found {}", brief(&one.to_string()))))
        .collect()
}

fn sides(one: &Value) -> Option<[u32; 4]> {
    let side = |value: &Value| {
        let number = value.as_f64()?;
        (number >= 0.0 && number.fract() == 0.0 && number <= f64::from(u32::MAX)).then_some(number as u32)
    };
    one.as_array()?.iter().map(side).collect::<Option<Vec<u32>>>()?.try_into().ok()
}

/// The file's object.
struct Images<'a, 'b> {
    incoming: &'a mut Incoming<'b>,
}

impl<'de> Visitor<'de> for Images<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object from image names to lists of boxes, or ORL's {\"bbox\": [...]}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == IN_ORDER {
                map.next_value_seed(InOrder { incoming: self.incoming })?;
            } else {
                let behind =
                    |error: A::Error| A::Error::custom(format!("the boxes of {}: {error}", brief(&name)));
                let boxes: Value = map.next_value().map_err(behind)?;
                let taken = self.incoming.take_named(&name, &boxes);
                taken.map_err(|error| A::Error::custom(format!("{error:#}")))?;
            }
        }
        Ok(())
    }
}

/// ORL's list.
struct InOrder<'a, 'b> {
    incoming: &'a mut Incoming<'b>,
}

impl<'de> DeserializeSeed<'de> for InOrder<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for InOrder<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of the boxes of each image")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut image = 0;
        let behind = |image: usize, error: A::Error| {
            A::Error::custom(format!("the boxes of its image {image}: {error}"))
        };
        while let Some(boxes) = list.next_element::<Value>().map_err(|error| behind(image + 1, error))? {
            let taken = self.incoming.take(image, &boxes);
            taken.map_err(|error| A::Error::custom(format!("{error:#}")))?;
            image += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_are_lists_of_four_whole_numbers() -> Result<()> {
        let read = |text: &str| listed(&serde_json::from_str(text)?);
        assert_eq!(read("[[1, 2, 3, 4], [5.0, 6, 7, 8]]")?, [[1, 2, 3, 4], [5, 6, 7, 8]]);
        assert_eq!(read("[1, 2, 3, 4]")?, [[1, 2, 3, 4]], "one box, without its list");
        assert_eq!(read("[]")?, [[0; 4]; 0]);
        for bad in ["[[1, 2, 3]]", "[[1, 2, 3, -4]]", "[[1, 2, 3, 4.5]]", "{}", "[\"a\"]", "7"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        Ok(())
    }
}
