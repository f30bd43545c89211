//! Benches of the kernels, in `benches/`: a crate of their own, so that no test waits for criterion.
