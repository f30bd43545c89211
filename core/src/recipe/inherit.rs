//! `inherit = ["../base.toml"]`: a recipe states its difference from others.

use super::files::{Embedded, tidy};
use crate::config::Table;
use crate::error::{RecipeError, suggest};
use crate::text_file::TextFileError;
use crate::toml_text;
use figment::Figment;
use figment::providers::Serialized;
use figment::value::{Dict, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One file of a recipe.
#[derive(Debug)]
pub(super) struct File {
    pub path: PathBuf,
    /// Its true path: the same file has the same, however it is written.
    pub identity: PathBuf,
    pub text: String,
    pub values: Dict,
}

/// The file and all it inherits, depth first: a later one wins over an earlier one, and the file itself, which
/// is last, over all.
///
/// No file may be reached twice: with a cycle there is no order, and with a diamond the second visit would undo
/// what was set between the two.
pub(super) fn files(path: &Path, embedded: Embedded) -> Result<Vec<File>, RecipeError> {
    let mut walk = Walk { embedded, ..Walk::default() };
    walk.visit(path, None)?;
    Ok(walk.files)
}

#[derive(Default)]
struct Walk {
    embedded: Embedded,
    files: Vec<File>,
    /// The files being read, each inherited by the one before.
    open: Vec<(PathBuf, PathBuf)>,
    /// Every file reached so far, by its true path, and who inherits it.
    reached: BTreeMap<PathBuf, Option<PathBuf>>,
}

impl Walk {
    fn visit(&mut self, path: &Path, heir: Option<(&Path, &str)>) -> Result<(), RecipeError> {
        let path = tidy(path);
        let text = self.embedded.read(&path).map_err(|error| self.unreadable(&path, heir, error))?;
        let identity = path.canonicalize().unwrap_or_else(|_| path.clone());
        if let Some((heir, written)) = heir {
            self.refuse_second_visit(&path, &identity, heir, written)?;
        }
        self.reached.insert(identity.clone(), heir.map(|(heir, _)| heir.to_path_buf()));
        self.open.push((identity.clone(), path.clone()));

        let mut values = parse(&path, &text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for parent in inherited(&path, values.remove("inherit"))? {
            self.visit(&Embedded::inherited(folder, &parent), Some((&path, &parent)))?;
        }
        self.open.pop();
        self.files.push(File { path, identity, text, values });
        Ok(())
    }

    fn refuse_second_visit(
        &self,
        path: &Path,
        identity: &Path,
        heir: &Path,
        written: &str,
    ) -> Result<(), RecipeError> {
        if let Some(start) = self.open.iter().position(|(open, _)| open == identity) {
            let round: Vec<_> =
                self.open[start..].iter().map(|(_, path)| path.display().to_string()).collect();
            let round = round.join(" -> ");
            return Err(refused(heir, format!("a cycle: {round} -> {}; remove one of them", path.display())));
        }
        let Some(other) = self.reached.get(identity) else { return Ok(()) };
        let other = other.as_deref().unwrap_or(path).display();
        Err(refused(
            heir,
            format!(
                "`{written}` ({}) is already inherited by {other}; inherit it in one place",
                path.display()
            ),
        ))
    }

    fn unreadable(&self, path: &Path, heir: Option<(&Path, &str)>, error: TextFileError) -> RecipeError {
        let mut problem = match error.is_missing() {
            true => "no such file".to_string(),
            // With its causes.
            false => format!("{:#}", anyhow::Error::from(error)),
        };
        let siblings = self.embedded.toml_stems(path.parent().unwrap_or(Path::new(".")));
        let siblings: Vec<String> = siblings.into_iter().map(|stem| format!("{stem}.toml")).collect();
        let siblings: Vec<&str> = siblings.iter().map(String::as_str).collect();
        if let (Some(name), false) = (path.file_name(), siblings.is_empty()) {
            problem = format!("{problem}; {}", suggest(&name.to_string_lossy(), &siblings));
        }
        match heir {
            Some((heir, written)) => refused(heir, format!("`{written}` ({}): {problem}", path.display())),
            None => RecipeError { origin: "recipe".into(), key: path.display().to_string(), problem },
        }
    }
}

fn inherited(path: &Path, value: Option<Value>) -> Result<Vec<String>, RecipeError> {
    let expected = || refused(path, "expected a list of files, such as [\"../base.toml\"]".into());
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(_, files)) => {
            files.into_iter().map(|file| file.into_string().ok_or_else(expected)).collect()
        }
        Some(_) => Err(expected()),
    }
}

fn refused(origin: &Path, problem: String) -> RecipeError {
    RecipeError { origin: origin.display().to_string(), key: "inherit".into(), problem }
}

/// A TOML file of settings that is no recipe, such as `table.toml`, as one table.
///
/// # Errors
/// [`RecipeError`] that names the line of a syntax error.
pub fn whole_file(path: &Path, text: &str) -> Result<Table, RecipeError> {
    let values = Figment::from(Serialized::defaults(parse(path, text)?));
    Ok(Table::in_recipe(values, "", &path.display().to_string()))
}

/// The values of a TOML file; a syntax error names its line.
fn parse(path: &Path, text: &str) -> Result<Dict, RecipeError> {
    toml_text::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start.min(text.len()));
        let number = text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count();
        let line = text.lines().nth(number).unwrap_or_default().trim();
        RecipeError {
            origin: format!("{}:{}", path.display(), number + 1),
            key: line.into(),
            problem: format!("not TOML: {}", error.message().trim().replace('\n', ", ")),
        }
    })
}
