//! `univip recipe`: resolved values, shown or compared.

use super::exit::DONE;
use super::layers::Layers;
use crate::output;
use crate::plan::flatten;
use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;
use univip_core::recipe::{Settings, Table, diff};
use univip_core::registry::{Registration, Registry};

/// `univip recipe`
#[derive(Subcommand)]
pub enum Recipes {
    /// Print every resolved value with where it comes from
    Show {
        /// A file, or the name of one of the project's (table7/d)
        recipe: String,
        #[command(flatten)]
        layers: Layers,
    },
    /// Print every section and key with its default, those of all plugins included
    Keys,
    /// Print the values in which two recipes differ
    Diff {
        /// One recipe
        a: String,
        /// The other
        b: String,
        #[command(flatten)]
        layers: Layers,
    },
}

impl Recipes {
    /// Prints what is asked for.
    ///
    /// # Errors
    /// For a recipe that cannot be used.
    pub fn run(&self, registry: &Registry) -> Result<u8> {
        match self {
            Self::Show { recipe, layers } => output::print(layers.library()?.load(recipe)?.show())?,
            Self::Keys => output::print(keys(registry)?)?,
            Self::Diff { a, b, layers } => {
                let library = layers.library()?;
                output::print(diff(&library.load(a)?, &library.load(b)?))?;
            }
        }
        Ok(DONE)
    }
}

/// TOML: the sections, then the table of each plugin under a comment of what it is.
fn keys(registry: &Registry) -> Result<String> {
    let mut text = String::new();
    if let Value::Object(sections) = serde_json::to_value(Settings::default())? {
        for (name, defaults) in &sections {
            text += &table(name, "", defaults)?;
        }
    }
    for plugin in registry.all() {
        let Registration { name, summary, resolve, .. } = plugin;
        // A table that must say something, such as where a dataset lies, has no defaults.
        let defaults = resolve(&Table::of("")).unwrap_or(Value::Null);
        text += &table(&format!("{}.{name}", plugin.kind().name()), summary, &defaults)?;
    }
    Ok(text)
}

/// A table with its keys; those of tables within it are dotted.
fn table(name: &str, about: &str, defaults: &Value) -> Result<String> {
    let about = if about.is_empty() { String::new() } else { format!("  # {about}") };
    let mut text = format!("[{name}]{about}\n");
    let mut leaves = Vec::new();
    flatten(name, defaults, &mut |key, value| leaves.push((key, short(value))));
    for (key, value) in leaves {
        let key = key.strip_prefix(name).unwrap_or(&key).trim_start_matches('.').to_string();
        text += &format!("{key} = {}\n", toml::Value::try_from(value)?);
    }
    Ok(text + "\n")
}

/// A 32-bit number as its shortest decimal: 0.07, and not the 0.07000000029802322 that it becomes as a 64-bit one.
fn short(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(short).collect(),
        Value::Number(number) if number.is_f64() => {
            let wide = number.as_f64().unwrap_or_default();
            let narrow = wide as f32;
            let same = f64::from(narrow) == wide;
            Value::from(if same { narrow.to_string().parse().unwrap_or(wide) } else { wide })
        }
        other => other.clone(),
    }
}
