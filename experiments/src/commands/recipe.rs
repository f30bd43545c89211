//! `univip recipe`: resolved values, shown or compared.

use super::exit::DONE;
use super::layers::Layers;
use crate::output;
use anyhow::Result;
use clap::Subcommand;
use univip_core::recipe::diff;

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
    pub fn run(&self) -> Result<u8> {
        match self {
            Self::Show { recipe, layers } => output::print(layers.library()?.load(recipe)?.show())?,
            Self::Diff { a, b, layers } => {
                let library = layers.library()?;
                output::print(diff(&library.load(a)?, &library.load(b)?))?;
            }
        }
        Ok(DONE)
    }
}
