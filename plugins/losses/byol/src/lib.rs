//! BYOL: the two-view loss and two independent random views. Table 7(a), 8(a).

mod loss;
mod views;

pub use loss::{Byol, Config};
