//! What commands on stored boxes share.

pub mod names;
pub mod picture;
