//! The page of the reference.

use super::base::Stated;
use super::source::{Field, Source, Struct};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// The lines of `univip recipe keys`: a table's name in brackets, and each key with its default.
pub struct Defaults {
    /// The tables in their order, and what is said of them.
    tables: Vec<(String, String)>,
    values: BTreeMap<String, String>,
}

impl Defaults {
    /// Reads what the command printed.
    ///
    /// # Errors
    /// When a line is neither a table nor a key with its default.
    pub fn read(text: &str) -> Result<Self> {
        let (mut tables, mut values) = (Vec::<(String, String)>::new(), BTreeMap::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some((name, about)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
                tables.push((name.into(), about.trim().trim_start_matches("# ").into()));
                continue;
            }
            let (key, value) = line.split_once(" = ").with_context(|| format!("no key: {line}"))?;
            let (table, _) = tables.last().with_context(|| format!("a key before any table: {line}"))?;
            values.insert(format!("{table}.{key}"), value.into());
        }
        Ok(Self { tables, values })
    }

    /// The names of the tables within one.
    fn tables_within(&self, path: &str) -> Vec<String> {
        let within =
            self.values.keys().filter_map(|key| key.strip_prefix(path)?.strip_prefix('.')?.split_once('.'));
        let mut names: Vec<String> = within.map(|(name, _)| name.to_string()).collect();
        names.dedup();
        names
    }
}

const HEAD: &str = "# Keys of a recipe

Every section and key, written by `cargo xtask docs` from the code that reads them. A key that a recipe does not state has the
value of the file that it inherits, and last the default. `base.toml` is what every recipe of this project inherits; the source
beside its value is the paper's section, equation or table, or the public code that the paper follows; `open` marks what none of
them says. `univip recipe show NAME` prints the resolved values of a recipe, each with its origin.

";

/// The whole page.
///
/// # Errors
/// When a table has no struct that says it is this table, or a default belongs to no key.
pub fn page(source: &Source, defaults: &Defaults, base: &BTreeMap<String, Stated>) -> Result<String> {
    let mut text = HEAD.to_string();
    let mut known = Vec::new();
    for (name, about) in &defaults.tables {
        let table = match name.strip_prefix("head.") {
            Some(plugin) => source.table_of_plugin(plugin),
            None => source.table(name),
        };
        let table = table.with_context(|| {
            format!("no struct of settings is documented as `[{name}]`: begin its documentation with that")
        })?;
        text += &format!("## `[{name}]`\n\n");
        if name.starts_with("head.") {
            text += "Stands in a recipe under the name of the head, `[head.<name>]`, beside the keys of every head: ";
            text += &keys_of_every_head(source)?;
        }
        if let Some(plugin) = name.strip_prefix("evaluator.") {
            text += &format!(
                "A measurement with a name of its own has these keys in `[evaluator.<name>]`, beside `use = \"{plugin}\"`.\n\n"
            );
        }
        if !about.is_empty() {
            text += &format!("{about}.\n\n");
        }
        let mut all = Vec::new();
        rows(source, table, &In { defaults, path: name, prefix: "" }, &mut all);
        let rows = all;
        if rows.is_empty() {
            text += "No keys.\n\n";
            continue;
        }
        text += "| key | type | default | base.toml | meaning |\n| --- | --- | --- | --- | --- |\n";
        for Row { key, kind, meaning } in rows {
            let whole = format!("{name}.{key}");
            let default = defaults.values.get(&whole).map_or(String::new(), |value| format!("`{value}`"));
            let stated = base.get(&whole).map_or(String::new(), shown);
            text += &format!(
                "| `{key}` | {kind} | {} | {} | {} |\n",
                cell(&default),
                cell(&stated),
                cell(&meaning)
            );
            known.push(whole);
        }
        text.push('\n');
    }
    let is_known =
        |key: &&String| known.iter().any(|known| *key == known || key.starts_with(&format!("{known}.")));
    let unknown: Vec<&String> = defaults.values.keys().filter(|key| !is_known(key)).collect();
    ensure!(
        unknown.is_empty(),
        "no field was found for {unknown:?}: xtask/src/docs reads structs as rustfmt writes them"
    );
    Ok(text.trim_end().to_string() + "\n")
}

fn shown(Stated { value, source }: &Stated) -> String {
    if source.is_empty() { format!("`{value}`") } else { format!("`{value}`: {source}") }
}

/// A cell of Markdown.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

struct Row {
    key: String,
    kind: String,
    meaning: String,
}

/// `plugin`: ..., `from`: ..., as a sentence.
fn keys_of_every_head(source: &Source) -> Result<String> {
    let placement =
        source.only("HeadPlacement").context("no struct HeadPlacement for the keys of every head")?;
    let keys =
        placement.fields.iter().map(|field| format!("`{}`, {}", field.key, field.doc.trim_end_matches('.')));
    Ok(keys.collect::<Vec<_>>().join("; ") + ".\n\n")
}

/// A table of a page, and the path within it.
#[derive(Clone, Copy)]
struct In<'a> {
    defaults: &'a Defaults,
    path: &'a str,
    prefix: &'a str,
}

/// The keys of a table, those of tables within it included.
fn rows(source: &Source, table: &Struct, place: &In<'_>, all: &mut Vec<Row>) {
    let In { defaults, path, prefix } = *place;
    for Field { key, doc, rust, flat } in &table.fields {
        let key = format!("{prefix}{key}");
        let name = inner(rust);
        if *flat {
            let Some(within) = source.struct_named(name, table) else { continue };
            let mut names = defaults.tables_within(path);
            names.retain(|name| !table.fields.iter().any(|field| field.key == *name));
            rows_by_name(source, within, &names, place, all);
            continue;
        }
        if let Some(within) = source.struct_named(name, table) {
            let by_name = rust.starts_with("BTreeMap");
            let kind = if by_name { "table of tables, by name" } else { "table" };
            all.push(Row { key: key.clone(), kind: kind.into(), meaning: doc.clone() });
            let place = In { defaults, path, prefix: &format!("{key}.") };
            if by_name {
                rows_by_name(source, within, &defaults.tables_within(&format!("{path}.{key}")), &place, all);
            } else if name == rust {
                rows(source, within, &place, all);
            }
            continue;
        }
        let (kind, meaning) = match source.enum_named(name, table) {
            Some(choice) => {
                let names: Vec<String> =
                    choice.words.iter().map(|(word, _)| format!("`\"{word}\"`")).collect();
                let meant = choice.words.iter().filter(|(_, doc)| !doc.is_empty());
                let meant: Vec<String> = meant.map(|(word, doc)| format!("`\"{word}\"`: {doc}")).collect();
                (outer(rust, &names.join(", ")), format!("{doc} {}", meant.join(" ")).trim().to_string())
            }
            None => (outer(rust, plain(name)), doc.clone()),
        };
        all.push(Row { key, kind, meaning });
    }
}

/// The keys of tables by name: of those that the defaults have, or else of one that stands for any.
fn rows_by_name(source: &Source, table: &Struct, names: &[String], place: &In<'_>, all: &mut Vec<Row>) {
    let any = ["<name>".to_string()];
    for name in if names.is_empty() { &any[..] } else { names } {
        let prefix = format!("{}{name}.", place.prefix);
        rows(source, table, &In { prefix: &prefix, ..*place }, all);
    }
}

/// `f64` of `Option<Vec<f64>>`, `[f64; 2]` and `BTreeMap<String, f64>`.
fn inner(rust: &str) -> &str {
    let generic = ["Option<", "Vec<", "BTreeMap<String, "];
    for begin in generic {
        if let Some(rest) = rust.strip_prefix(begin).and_then(|rest| rest.strip_suffix('>')) {
            return inner(rest);
        }
    }
    match rust.strip_prefix('[').and_then(|rest| rest.split_once(';')) {
        Some((element, _)) => inner(element),
        None => rust.rsplit("::").next().unwrap_or(rust),
    }
}

/// The type in words, with `name` for what is innermost.
fn outer(rust: &str, name: &str) -> String {
    if let Some(rest) = rust.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>')) {
        return format!("{}, optional", outer(rest, name));
    }
    if let Some(rest) = rust.strip_prefix("Vec<").and_then(|rest| rest.strip_suffix('>')) {
        return format!("list of {}", outer(rest, name));
    }
    if let Some(rest) = rust.strip_prefix("BTreeMap<String, ").and_then(|rest| rest.strip_suffix('>')) {
        return format!("{} by name", outer(rest, name));
    }
    match rust
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .and_then(|rest| rest.split_once("; "))
    {
        Some((element, count)) => format!("{count} of {}", outer(element, name)),
        None => name.into(),
    }
}

/// A plain type in words.
fn plain(name: &str) -> &str {
    match name {
        "f32" | "f64" => "number",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => "whole number",
        "bool" => "true or false",
        "String" => "text",
        "PathBuf" => "path",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_said_in_words() {
        for (rust, words) in [
            ("f32", "number"),
            ("[f64; 2]", "2 of number"),
            ("Option<usize>", "whole number, optional"),
            ("BTreeMap<String, f64>", "number by name"),
            ("Vec<String>", "list of text"),
        ] {
            assert_eq!(outer(rust, plain(inner(rust))), words);
        }
    }

    #[test]
    fn a_table_by_name_has_its_keys_and_their_defaults() {
        let text = "/// `[view.crops]`\n#[derive(Deserialize)]\nstruct Config {\n    \
                    /// The groups.\n    pub groups: BTreeMap<String, Group>,\n}\n\n\
                    /// A group.\n#[derive(Deserialize)]\nstruct Group {\n    \
                    /// Its augmentation.\n    pub augment: String,\n}\n";
        let source = Source::of(text);
        let page =
            |defaults: &str| page(&source, &Defaults::read(defaults).unwrap(), &BTreeMap::new()).unwrap();
        let named = page("[view.crops]\ngroups.scene.augment = \"view1\"\n");
        assert!(
            named.contains("| `groups.scene.augment` | text | `\"view1\"` |  | Its augmentation. |"),
            "{named}"
        );
        let any = page("[view.crops]\n");
        assert!(any.contains("| `groups.<name>.augment` | text |  |"), "{any}");
    }

    #[test]
    fn a_default_that_no_field_is_found_for_is_an_error() {
        let defaults = Defaults::read("[optimizer]\nlr = 0.2\n").unwrap();
        let error = page(&Source::default(), &defaults, &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains("documented as `[optimizer]`"), "{error}");
    }
}
