//! A folder of recipes and scales for one test.

use tempfile::TempDir;
use univip_core::error::RecipeError;
use univip_core::recipe::{Override, Recipe, Sources};

/// The base of every recipe of these tests: it names plugins that exist here.
pub const BASE: &str = r#"
[data]
use = "meadow"
[probe_data]
use = "meadow"
[dataset.meadow]
root = "/data/meadow"
[proposals]
use = "grid"
[views]
use = "pair"
[losses]
use = ["pull"]
"#;

/// `recipes/...` and `scales/...` on disk.
pub struct Folder(TempDir);

impl Folder {
    /// With `recipes/base.toml`, an empty scale `small`, and these files.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder"));
        for (name, text) in [("recipes/base.toml", BASE), ("scales/small.toml", "")].iter().chain(files) {
            let path = folder.0.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            std::fs::write(path, text).expect("a file");
        }
        folder
    }

    pub fn sources(&self, recipe: &str) -> Sources {
        Sources {
            path: self.0.path().join(recipe),
            scales: self.0.path().join("scales"),
            ..Sources::default()
        }
    }

    pub fn load(&self, recipe: &str) -> Recipe {
        self.load_with(self.sources(recipe))
    }

    pub fn load_with(&self, sources: Sources) -> Recipe {
        Recipe::load(&sources).unwrap_or_else(|error| panic!("{}", self.shorten(&error.to_string())))
    }

    /// The message of a recipe that must be refused, with paths from this folder.
    pub fn refusal(&self, sources: &Sources) -> String {
        let error = Recipe::load(sources).expect_err("this recipe must be refused");
        assert!(error.downcast_ref::<RecipeError>().is_some(), "not a RecipeError: {error:?}");
        self.shorten(&error.to_string())
    }

    fn shorten(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

/// A setting from a flag.
pub fn flag(key: &str, value: &str, origin: &str) -> Override {
    Override { key: key.into(), value: value.into(), origin: origin.into() }
}

/// A base recipe with a difference.
pub fn over_base(difference: &str) -> String {
    format!("inherit = [\"base.toml\"]\n{difference}")
}
