//! Datasets `fashion-scenes` and `fashion-icons`, with their pixels inside the crate.
//!
//! A composed scene holds 3 to 10 Fashion-MNIST items on a noise texture. Everything is grey and the
//! texture has one statistic for all scenes: what two crops of a scene share is its items, and which
//! items occur together is decided by the scene's hidden type. An icon is one item that fills the image.

mod cutout;
mod data;
mod icons;
mod kept;
mod layout;
mod pool;
mod scenes;
mod texture;

pub use icons::{FashionIcons, IconsConfig};
pub use layout::SceneType;
pub use scenes::{FashionScenes, ScenesConfig};

univip_core::register_dataset!(
    "fashion-scenes",
    FashionScenes,
    "composed scenes of 3 to 10 Fashion-MNIST items, with boxes; embedded"
);
univip_core::register_dataset!(
    "fashion-icons",
    FashionIcons,
    "one Fashion-MNIST item an image, with its class; embedded"
);
