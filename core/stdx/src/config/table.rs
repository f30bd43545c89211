//! One table of a recipe, such as `[train]` or `[loss.instance]`.

use super::problem::{self, Problem};
use super::{Config, RecipeError};
use anyhow::Result;
use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Value};

/// One table of a recipe, with the memory of which file each value came from.
#[derive(Debug, Clone)]
pub struct Table {
    figment: Figment,
    path: String,
    fallback: String,
    /// Keys that others read.
    hidden: &'static [&'static str],
}

impl Table {
    /// A table written out in TOML: for tests.
    pub fn of(text: &str) -> Self {
        let nested = format!("[table]\n{text}");
        Self::in_recipe(Figment::from(Toml::string(&nested)), "table", "test")
    }

    /// The table at `path` (`loss.instance`; empty for the whole) of layered settings; an absent table is an
    /// empty one. `fallback` is the origin of what no layer says.
    pub fn in_recipe(figment: Figment, path: &str, fallback: &str) -> Self {
        Self { figment, path: path.into(), fallback: fallback.into(), hidden: &[] }
    }

    /// The table `name` inside this one.
    #[must_use]
    pub fn inside(&self, name: &str) -> Self {
        Self { path: self.key(name), hidden: &[], ..self.clone() }
    }

    /// This table without the keys `hidden`, which somebody else reads.
    #[must_use]
    pub fn without(&self, hidden: &'static [&'static str]) -> Self {
        Self { hidden, ..self.clone() }
    }

    /// Reads and checks it.
    ///
    /// # Errors
    /// [`RecipeError`] naming the file and the key: unknown key, wrong type, value out of range.
    pub fn read<C: Config>(&self) -> Result<C> {
        let dict = self.dict()?;
        let config: C = match self.figment.find_value(&self.path) {
            Ok(_) if self.hidden.is_empty() => self.figment.focus(&self.path).extract(),
            Ok(_) => Figment::from(Serialized::defaults(&dict)).extract(),
            Err(_) => Figment::new().extract(),
        }
        .map_err(|error| self.explain(&error))?;
        let config = config.completed();
        let (given, read) = (dict.into(), serde_json::to_value(&config)?);
        self.refuse_surplus(&given, &read)?;
        config.check().map_err(|invalid| self.error(invalid.key, invalid.problem))?;
        self.refuse_infinite(&given, &read)?;
        Ok(config)
    }

    /// Reads it and returns every value, defaults included.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn resolve<C: Config>(&self) -> Result<serde_json::Value> {
        Ok(serde_json::to_value(self.read::<C>()?)?)
    }

    /// The keys that some layer sets, sorted.
    pub fn keys(&self) -> Result<Vec<String>> {
        Ok(self.dict()?.into_keys().collect())
    }

    /// The full key of a key inside the table; the table's own for an empty one.
    pub fn key(&self, key: &str) -> String {
        dotted(&self.path, key)
    }

    /// The file, variable or flag that set a key inside the table, for an error.
    pub fn origin(&self, key: &str) -> String {
        match self.figment.find_metadata(&self.key(key)) {
            Some(metadata) => problem::origin(metadata, None),
            None => self.fallback.clone(),
        }
    }

    /// A [`RecipeError`] about a key inside the table.
    pub fn error(&self, key: &str, problem: String) -> RecipeError {
        RecipeError { origin: self.origin(key), key: self.key(key), problem }
    }

    fn explain(&self, error: &figment::Error) -> RecipeError {
        let Problem { key, origin, text } = problem::explain(error);
        // Hidden keys: the values were passed on without the memory of their files.
        let origin = origin.filter(|_| self.hidden.is_empty()).unwrap_or_else(|| self.origin(&key));
        RecipeError { origin, key: self.key(&key), problem: text }
    }

    fn dict(&self) -> Result<Dict> {
        match self.figment.find_value(&self.path) {
            Ok(Value::Dict(_, mut dict)) => {
                dict.retain(|key, _| !self.hidden.contains(&key.as_str()));
                Ok(dict)
            }
            Ok(other) => {
                let problem = format!("expected a table, found {}", problem::found(&other.to_actual()));
                Err(self.error("", problem).into())
            }
            Err(_) => Ok(Dict::new()),
        }
    }

    /// serde reads an array of fixed length from the front of a longer list and says nothing.
    fn refuse_surplus(&self, given: &Value, read: &serde_json::Value) -> Result<()> {
        visit("", given, read, &mut |key, given, read| match (given, read) {
            (Value::Array(_, given), serde_json::Value::Array(read)) if given.len() > read.len() => {
                let problem = format!("expected {} values, found {}", read.len(), given.len());
                Err(self.error(key, problem).into())
            }
            _ => Ok(()),
        })
    }

    /// JSON, which a fingerprint is made of, knows no infinity: two recipes would be one.
    fn refuse_infinite(&self, given: &Value, read: &serde_json::Value) -> Result<()> {
        visit("", given, read, &mut |key, given, read| match (given, read) {
            (Value::Num(..), serde_json::Value::Null) => {
                Err(self.error(key, "expected a finite number".into()).into())
            }
            _ => Ok(()),
        })
    }
}

/// A visitor of a table's values: the key inside the table, the given value, and the one that serde made of it.
type Each<'a> = dyn FnMut(&str, &Value, &serde_json::Value) -> Result<()> + 'a;

/// Calls `each` with the value at `key`, then with what is inside of it.
fn visit(key: &str, given: &Value, read: &serde_json::Value, each: &mut Each<'_>) -> Result<()> {
    each(key, given, read)?;
    match (given, read) {
        (Value::Dict(_, given), serde_json::Value::Object(read)) => {
            for (name, value) in given {
                let Some(read) = read.get(name) else { continue };
                visit(&dotted(key, name), value, read, each)?;
            }
        }
        (Value::Array(_, given), serde_json::Value::Array(read)) => {
            for (index, (value, read)) in given.iter().zip(read).enumerate() {
                visit(&dotted(key, &index.to_string()), value, read, each)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// `a.b` of `a` and `b`; an empty one is left out.
fn dotted(outer: &str, inner: &str) -> String {
    [outer, inner].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}
