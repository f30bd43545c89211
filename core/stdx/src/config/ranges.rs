//! Ranges of settings, as [`Config::check`](super::Config::check) refuses them. `key` is the key inside the table.

use super::Invalid;
use std::collections::BTreeSet;

/// Refuses unless `holds`.
pub fn require(holds: bool, key: &'static str, problem: impl FnOnce() -> String) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid { key, problem: problem() }) }
}

/// `value` is within `from..=to`; NaN is not.
pub fn within(key: &'static str, value: f64, from: f64, to: f64) -> Result<(), Invalid> {
    require((from..=to).contains(&value), key, || format!("expected {from} to {to}, found {value}"))
}

/// `value` is above 0 and finite.
pub fn positive(key: &'static str, value: f64) -> Result<(), Invalid> {
    require(value > 0.0 && value.is_finite(), key, || format!("expected a number above 0, found {value}"))
}

/// `value` is at least 0 and finite.
pub fn not_negative(key: &'static str, value: f64) -> Result<(), Invalid> {
    require(value >= 0.0 && value.is_finite(), key, || format!("expected a number from 0 up, found {value}"))
}

/// `value` is at most `most`: with larger values memory or time would run out without an error.
pub fn at_most(key: &'static str, value: u64, most: u64) -> Result<(), Invalid> {
    require(value <= most, key, || format!("expected at most {most}, found {value}"))
}

/// `value` is at least `least`.
pub fn at_least(key: &'static str, value: u64, least: u64) -> Result<(), Invalid> {
    require(value >= least, key, || format!("expected at least {least}, found {value}"))
}

/// Both numbers are above 0, the first no larger than the second.
pub fn ordered(key: &'static str, [from, to]: [f64; 2]) -> Result<(), Invalid> {
    positive(key, from)?;
    positive(key, to)?;
    require(from <= to, key, || format!("expected [from, to] in order, found [{from}, {to}]"))
}

/// True for a name of letters, digits, - and _ alone, which a recipe can choose for a table of its own.
pub fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter))
}

/// No name comes twice.
pub fn distinct(key: &'static str, names: &[String]) -> Result<(), Invalid> {
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(Invalid { key, problem: format!("`{name}` is named twice") }),
        None => Ok(()),
    }
}
