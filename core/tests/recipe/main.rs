//! The meaning of recipes, and the refusal of wrong ones.

mod figment;
mod folder;
mod init;
mod layers;
mod measurements;
mod plugins;
mod refusals;
mod values;
