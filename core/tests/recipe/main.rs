//! What recipes mean, and what is refused.

mod folder;
mod layers;
mod plugins;
mod refusals;
mod values;
