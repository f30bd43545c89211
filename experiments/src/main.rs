//! univip
fn main() {}
