//! Which annotation of a file cannot be read. serde knows a line and a column, and COCO's files are one line.

use super::object::Object;
use serde::de::{Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::marker::PhantomData;
use std::path::Path;

/// Reads a file again, whose reading failed, and says where that was; nothing where it was at no annotation.
pub(super) fn place<M: DeserializeOwned>(path: &Path) -> Option<String> {
    let (file, place) = (File::open(path).ok()?, RefCell::new(None));
    let mut text = serde_json::Deserializer::from_reader(BufReader::new(file));
    // That it fails is known; what counts is how far it came.
    let _ = Whole::<M>(&place, PhantomData).deserialize(&mut text);
    place.into_inner()
}

/// The file, and its list of annotations. Each leaves behind where it is.
struct Whole<'a, M>(&'a RefCell<Option<String>>, PhantomData<M>);
struct List<'a, M>(&'a RefCell<Option<String>>, PhantomData<M>);

impl<'de, M: DeserializeOwned> DeserializeSeed<'de> for Whole<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, M: DeserializeOwned> Visitor<'de> for Whole<'_, M> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an annotation file")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "annotations" => map.next_value_seed(List::<M>(self.0, PhantomData))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

impl<'de, M: DeserializeOwned> DeserializeSeed<'de> for List<'_, M> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, M: DeserializeOwned> Visitor<'de> for List<'_, M> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("annotations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.0.replace(Some("at the first annotation".into()));
        while let Some(value) = list.next_element::<Value>()? {
            let read = Object::<M>::deserialize(&value);
            let place = match &read {
                Ok(object) => format!("behind annotation {}", object.id),
                Err(_) if Object::<IgnoredAny>::deserialize(&value).is_ok() => {
                    format!("at the segmentation of annotation {}", value["id"])
                }
                Err(_) => format!("at annotation {}", value["id"]),
            };
            self.0.replace(Some(place));
            read.map_err(A::Error::custom)?;
        }
        self.0.replace(None);
        Ok(())
    }
}
