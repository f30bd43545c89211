//! The entry of a COCO file that cannot be read. serde knows a line and a column, and COCO's files are one line.

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::cell::RefCell;
use std::fmt;
use std::path::Path;
use univip_stdx::json_file;

/// A list of entries in a file.
pub(super) struct List {
    /// Its key; of a file that is a list itself there is none.
    pub key: &'static str,
    /// The noun for an entry: `annotation`.
    pub entry: &'static str,
    /// The problem with an entry, and the part of it (`the segmentation of`), if any.
    pub check: fn(&Value) -> Result<(), (&'static str, serde_json::Error)>,
}

/// Reads a file again, whose reading failed with `error`, and says where and why that was.
pub(super) fn explain(path: &Path, lists: &[List], error: &serde_json::Error) -> String {
    let place = RefCell::new(None);
    let walk = Walk { lists, place: &place };
    let again = json_file::tolerant(path).map(|text| {
        let mut text = serde_json::Deserializer::from_reader(text);
        // As the first reading, which looked for what follows as well.
        walk.deserialize(&mut text).and_then(|()| text.end())
    });
    let said = match (place.into_inner(), again) {
        (Some(Place::At(text)), _) => text,
        (Some(Place::Behind(text)), Ok(Err(error))) => format!("{text}: {error}"),
        (None, Ok(Err(error))) => error.to_string(),
        _ => error.to_string(),
    };
    // As `tolerant` writes them.
    let said = ["NaN", "Infinity", "-Infinity"]
        .iter()
        .fold(said, |said, number| said.replace(&format!("string \"{number}\""), number));
    short(&said)
}

/// As much of a message as one reads: it may quote the file.
fn short(text: &str) -> String {
    const MOST: usize = 240;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_string(),
    }
}

/// The position that reading has reached.
enum Place {
    /// The entry that is wrong, and what is.
    At(String),
    /// The last entry that could be read.
    Behind(String),
}

/// The file, which leaves behind how far its reading came.
#[derive(Clone, Copy)]
struct Walk<'a> {
    lists: &'a [List],
    place: &'a RefCell<Option<Place>>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.lists {
            [List { key: "", .. }] => deserializer.deserialize_seq(self),
            _ => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self.lists {
            [List { key: "", entry, .. }] => write!(formatter, "a list of {entry}s"),
            _ => {
                let keys: Vec<&str> = self.lists.iter().map(|list| list.key).collect();
                write!(formatter, "an object with the lists {}", keys.join(", "))
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match self.lists.iter().position(|list| list.key == key) {
                Some(at) => map.next_value_seed(Entries(Walk { lists: &self.lists[at..=at], ..self }))?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        Entries(self).visit_seq(list)
    }
}

/// One list.
struct Entries<'a>(Walk<'a>);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        self.0.lists.iter().try_for_each(|list| write!(formatter, "a list of {}s", list.entry))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Walk { lists: [list], place } = self.0 else { return Ok(()) };
        place.replace(Some(Place::Behind(format!("at the first {}", list.entry))));
        let mut number = 0_usize;
        while let Some(value) = entries.next_element::<Value>()? {
            number += 1;
            let named = named(list.entry, number, &value);
            if let Err((part, error)) = (list.check)(&value) {
                place.replace(Some(Place::At(format!("at {part}{named}: {error}"))));
                return Err(A::Error::custom(error));
            }
            place.replace(Some(Place::Behind(format!("behind {named}"))));
        }
        place.replace(None);
        Ok(())
    }
}

/// An entry by its id; one without by its number in the list, and its image.
fn named(entry: &str, number: usize, value: &Value) -> String {
    match (value.get("id"), value.get("image_id")) {
        (Some(id), _) => format!("{entry} {id}"),
        (None, Some(image)) => format!("{entry} {number} (of image {image})"),
        (None, None) => format!("{entry} {number} of the list"),
    }
}

/// True if an entry can be read as a `T`.
pub(super) fn readable<T: DeserializeOwned>(value: &Value) -> Result<(), (&'static str, serde_json::Error)> {
    T::deserialize(value).map(drop).map_err(|error| ("", error))
}
