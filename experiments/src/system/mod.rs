//! The machine and the operating system.

pub mod build;
pub mod child;
pub mod clock;
pub mod device;
pub mod interrupts;
pub mod machine;
pub mod process;
