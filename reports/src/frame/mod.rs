//! The tidy frames that every table is made of.

mod measurements;
mod recipes;
mod runs;
mod training;

pub use measurements::measurements;
pub use recipes::recipes;
pub use runs::runs;
pub use training::training;

use polars::prelude::{Column, IntoColumn, NamedFrom, Series};

/// A column of text.
pub(crate) fn texts<T>(name: &str, lines: &[T], text: impl Fn(&T) -> String) -> Column {
    Series::new(name.into(), lines.iter().map(text).collect::<Vec<_>>()).into_column()
}

/// A column of text that is there already: one with a line for each step is long.
pub(crate) fn names<'a, T>(name: &str, lines: &'a [T], text: impl Fn(&'a T) -> &'a str) -> Column {
    Series::new(name.into(), lines.iter().map(text).collect::<Vec<_>>()).into_column()
}

/// A column of whole numbers.
pub(crate) fn counts<T>(name: &str, lines: &[T], count: impl Fn(&T) -> Option<u64>) -> Column {
    Series::new(name.into(), lines.iter().map(count).collect::<Vec<_>>()).into_column()
}

/// A column of numbers.
pub(crate) fn numbers<T>(name: &str, lines: &[T], number: impl Fn(&T) -> Option<f64>) -> Column {
    Series::new(name.into(), lines.iter().map(number).collect::<Vec<_>>()).into_column()
}
