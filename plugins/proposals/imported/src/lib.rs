//! Proposals imported: boxes that another program made, put into the store by `univip proposals import`.

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use univip_core::dataset::Dataset;
use univip_core::error::ImageError;
use univip_core::geometry::BoundingBox;
use univip_core::proposals::ProposalSource;
use univip_core::recipe::Invalid;
use univip_core::registry::ProposalPlugin;

univip_core::register_proposals!(
    "imported",
    Imported,
    "boxes of another program, by `univip proposals import`"
);

/// Boxes that are in the store, or nowhere.
pub struct Imported {
    name: String,
}

/// `[proposal.imported]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The name given by `univip proposals import --name`.
    pub name: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { name: "imported".into() }
    }
}

impl univip_core::recipe::Config for Config {
    fn check(&self) -> Result<(), Invalid> {
        if self.name.is_empty() {
            return Err(Invalid {
                key: "name",
                problem: "is empty; expected what the import was called".into(),
            });
        }
        Ok(())
    }
}

impl ProposalPlugin for Imported {
    type Config = Config;

    fn build(config: Config) -> Result<Self> {
        Ok(Self { name: config.name })
    }
}

impl ProposalSource for Imported {
    fn propose(&self, _dataset: &dyn Dataset, _index: usize) -> Result<Vec<BoundingBox>, ImageError> {
        let name = &self.name;
        let problem = anyhow!(
            "no boxes called `{name}` were imported for these images; \
             run `univip proposals import FILE.json --name {name}` with the same --data and --runs"
        );
        Err(problem.into())
    }

    fn stored(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Dataset for Nothing {
        fn len(&self) -> usize {
            1
        }
        fn id(&self, index: usize) -> String {
            index.to_string()
        }
        fn image(&self, _index: usize) -> Result<image::RgbImage, ImageError> {
            Err(anyhow!("imported boxes need no pixels").into())
        }
        fn digest(&self) -> String {
            "0".repeat(16)
        }
    }

    #[test]
    fn boxes_that_were_not_imported_are_an_error_that_says_how_to() {
        let error = Imported { name: "orl".into() }.propose(&Nothing, 0).unwrap_err().to_string();
        assert!(error.contains("univip proposals import FILE.json --name orl"), "{error}");
    }
}
