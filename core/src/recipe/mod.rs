//! Recipes: inherited files and layers of settings, resolved to one checked [`Recipe`].

mod schema;
mod table;

pub use schema::*;
pub use table::{Config, Invalid, Table};
