//! What recipes mean, and what is refused.

mod figment;
mod folder;
mod init;
mod layers;
mod plugins;
mod refusals;
mod values;
