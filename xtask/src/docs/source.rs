//! The settings of recipes, read off the source: the structs and enums that serde reads, with their documentation.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The settings in some source files.
#[derive(Default)]
pub struct Source {
    structs: Vec<Struct>,
    enums: Vec<Enum>,
}

/// A table of settings.
#[derive(Debug, PartialEq)]
pub struct Struct {
    file: PathBuf,
    name: String,
    /// Its documentation in one line.
    pub doc: String,
    /// Its keys.
    pub fields: Vec<Field>,
}

/// A key.
#[derive(Debug, PartialEq)]
pub struct Field {
    /// Its name in a recipe.
    pub key: String,
    /// Its documentation in one line.
    pub doc: String,
    /// Its Rust type.
    pub rust: String,
    /// True when its own keys stand in the table, and it has none.
    pub flat: bool,
}

/// A choice among words.
#[derive(Debug, PartialEq)]
pub struct Enum {
    file: PathBuf,
    name: String,
    /// Each word in a recipe, with its documentation.
    pub words: Vec<(String, String)>,
}

impl Source {
    /// Reads every Rust file below some folders.
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub fn read(folders: &[PathBuf]) -> Result<Self> {
        let mut source = Self::default();
        for folder in folders {
            source.add_folder(folder)?;
        }
        Ok(source)
    }

    /// The settings in a text.
    #[cfg(test)]
    pub fn of(text: &str) -> Self {
        let mut source = Self::default();
        source.add(Path::new("src/lib.rs"), text);
        source
    }

    /// The struct whose documentation says that it is this table: `[loss.instance]`.
    pub fn table(&self, name: &str) -> Option<&Struct> {
        let marked = |each: &&Struct, begins: bool| match begins {
            true => each.doc.starts_with(&format!("`[{name}]`")),
            false => each.doc.contains(&format!("`[{name}]`")),
        };
        let begins = self.structs.iter().find(|each| marked(each, true));
        begins.or_else(|| self.structs.iter().find(|each| marked(each, false)))
    }

    /// The struct of a plugin whose table is not called after it: its documentation says `plugin = "mlp"`.
    pub fn table_of_plugin(&self, name: &str) -> Option<&Struct> {
        self.structs.iter().find(|each| each.doc.contains(&format!("`plugin = \"{name}\"`")))
    }

    /// The struct of that name, wherever it is.
    pub fn only(&self, name: &str) -> Option<&Struct> {
        self.structs.iter().find(|each| each.name == name)
    }

    /// The struct of that name, as a file that names it means it.
    pub fn struct_named(&self, name: &str, near: &Struct) -> Option<&Struct> {
        nearest(self.structs.iter().filter(|each| each.name == name), &near.file, |each| &each.file)
    }

    /// The enum of that name, as a file that names it means it.
    pub fn enum_named(&self, name: &str, near: &Struct) -> Option<&Enum> {
        nearest(self.enums.iter().filter(|each| each.name == name), &near.file, |each| &each.file)
    }

    fn add_folder(&mut self, folder: &Path) -> Result<()> {
        let listing = || format!("listing {}", folder.display());
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).with_context(listing)? {
            paths.push(entry.with_context(listing)?.path());
        }
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.add_folder(&path)?;
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path);
                self.add(&path, &text.with_context(|| format!("reading {}", path.display()))?);
            }
        }
        Ok(())
    }

    /// Reads one file. It is formatted as rustfmt does: an item ends where a line is `}` alone.
    fn add(&mut self, file: &Path, text: &str) {
        let mut lines = text.lines();
        let mut head = Head::default();
        while let Some(line) = lines.next() {
            if head.take(line) {
                continue;
            }
            let item = std::mem::take(&mut head);
            let declared = line.trim_start_matches("pub ");
            let Some((kind, rest)) = declared.split_once(' ') else { continue };
            let (rest, empty) = match rest.strip_suffix(" {}") {
                Some(rest) => (rest, true),
                None => (rest.strip_suffix(" {").unwrap_or_default(), false),
            };
            if rest.is_empty() || !item.is_read_by_serde() {
                continue;
            }
            let (file, name) = (file.to_path_buf(), rest.to_string());
            let body =
                if empty { Vec::new() } else { lines.by_ref().take_while(|line| *line != "}").collect() };
            match kind {
                "struct" => self.structs.push(Struct { file, name, doc: item.doc(), fields: fields(&body) }),
                "enum" => self.enums.push(Enum { file, name, words: words(&item, &body) }),
                _ => {}
            }
        }
    }
}

/// The candidate in the same file, else that in the most folders in common.
fn nearest<'a, T>(
    candidates: impl Iterator<Item = &'a T>,
    near: &Path,
    file: impl Fn(&T) -> &Path,
) -> Option<&'a T> {
    let shared = |other: &Path| {
        other.components().zip(near.components()).take_while(|(one, other)| one == other).count()
    };
    candidates.max_by_key(|each| shared(file(each)))
}

/// The lines before an item: its documentation and attributes.
#[derive(Default)]
struct Head {
    doc: Vec<String>,
    attributes: String,
}

impl Head {
    /// Takes a line that belongs to the head of an item; false for any other.
    fn take(&mut self, line: &str) -> bool {
        let line = line.trim();
        if let Some(doc) = line.strip_prefix("///") {
            self.doc.push(doc.trim().into());
        } else if line.starts_with("#[") {
            self.attributes.push_str(line);
        } else {
            return false;
        }
        true
    }

    fn is_read_by_serde(&self) -> bool {
        self.attributes.contains("Deserialize") || self.attributes.contains("Serialize")
    }

    /// The first paragraph, as one line.
    fn doc(&self) -> String {
        self.doc.iter().take_while(|line| !line.is_empty()).cloned().collect::<Vec<_>>().join(" ")
    }

    /// The value of an attribute: `kebab-case` of `rename_all = "kebab-case"`.
    fn attribute(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.attributes.split_once(&format!("{name} = \""))?;
        Some(rest.split_once('"')?.0)
    }
}

fn fields(body: &[&str]) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut head = Head::default();
    for line in body {
        if head.take(line) {
            continue;
        }
        let item = std::mem::take(&mut head);
        let declared = line.trim().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        let Some((name, rust)) = declared.split_once(": ") else { continue };
        if !item.attributes.contains("serde(skip)") {
            let key = item.attribute("rename").unwrap_or(name).into();
            fields.push(Field {
                key,
                doc: item.doc(),
                rust: rust.trim_end_matches(',').into(),
                flat: item.attributes.contains("serde(flatten)"),
            });
        }
    }
    fields
}

fn words(item: &Head, body: &[&str]) -> Vec<(String, String)> {
    let style = item.attribute("rename_all").unwrap_or_default();
    let mut words = Vec::new();
    let mut head = Head::default();
    for line in body {
        if head.take(line) {
            continue;
        }
        let variant = std::mem::take(&mut head);
        let name = line.trim().trim_end_matches(',');
        if !name.is_empty() && name.chars().all(char::is_alphanumeric) {
            let word = variant.attribute("rename").map_or_else(|| restyled(name, style), String::from);
            words.push((word, variant.doc()));
        }
    }
    words
}

/// `LarsLrInside` as serde's `rename_all` writes it.
fn restyled(name: &str, style: &str) -> String {
    let between = match style {
        "kebab-case" => "-",
        "snake_case" => "_",
        "lowercase" => "",
        _ => return name.into(),
    };
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !word.is_empty() {
            word += between;
        }
        word.extend(letter.to_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
/// `[optimizer]`
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerSettings {
    /// The rule.
    #[serde(rename = "use")]
    pub kind: OptimizerKind,
    /// The learning rate,
    /// per 256 images.
    ///
    /// More of it.
    pub lr: f64,
}

/// The rules.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Plain.
    Sgd,
    /// Inside.
    #[serde(alias = "x")]
    LarsLrInside,
    #[serde(rename = "adam-w")]
    Other,
}

/// Not read from a recipe.
pub struct Optimizer {
    lr: f64,
}
"#;

    #[test]
    fn keys_and_words_are_read_with_their_documentation() {
        let source = Source::of(TEXT);
        let table = source.table("optimizer").unwrap();
        let keys: Vec<_> = table
            .fields
            .iter()
            .map(|field| (field.key.as_str(), field.doc.as_str(), field.rust.as_str()))
            .collect();
        let expected =
            [("use", "The rule.", "OptimizerKind"), ("lr", "The learning rate, per 256 images.", "f64")];
        assert_eq!(keys, expected);
        let words = &source.enum_named("OptimizerKind", table).unwrap().words;
        let words: Vec<_> = words.iter().map(|(word, doc)| (word.as_str(), doc.as_str())).collect();
        assert_eq!(words, [("sgd", "Plain."), ("lars-lr-inside", "Inside."), ("adam-w", "")]);
        assert!(source.struct_named("Optimizer", table).is_none());
    }

    #[test]
    fn of_structs_of_one_name_that_of_the_same_file_is_meant() {
        let mut source = Source::default();
        for (file, table) in [("p/one/src/lib.rs", "loss.one"), ("p/two/src/lib.rs", "loss.two")] {
            let text = format!(
                "/// `[{table}]`\n#[derive(Deserialize)]\nstruct Config {{\n    a: Inner,\n}}\n/// In {table}\n#[derive(Deserialize)]\nstruct Inner {{\n}}\n"
            );
            source.add(Path::new(file), &text);
        }
        let two = source.table("loss.two").unwrap();
        assert_eq!(source.struct_named("Inner", two).unwrap().doc, "In loss.two");
    }
}
