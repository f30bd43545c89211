//! The pictures of a table, as SVG.

mod axis;
mod curves;
mod dots;
mod panel;
mod seconds;
mod svg;
mod sweep;

pub use curves::curves;
pub use dots::dots;
pub use seconds::seconds;
pub use sweep::sweep;
