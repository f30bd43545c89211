//! The trait of losses, and arithmetic that losses share.

pub mod loss;
mod settings;
pub mod similarity;
pub mod transport;

pub use settings::LossSettings;
