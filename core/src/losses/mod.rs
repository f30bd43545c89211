//! The trait of losses, and arithmetic that losses share.

pub mod contrast;
pub mod loss;
pub mod memory;
mod settings;
pub mod similarity;
pub mod transport;

pub use settings::LossSettings;
