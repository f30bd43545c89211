//! The meaning of recipes, and the refusal of wrong ones.

mod figment;
mod folder;
mod layers;
mod plugins;
mod refusals;
mod values;
