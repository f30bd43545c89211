//! The pictures of a table, as SVG.

mod axis;
mod curves;
mod dots;
mod seconds;
mod svg;

pub use curves::curves;
pub use dots::dots;
pub use seconds::seconds;
