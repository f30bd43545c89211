//! View sampler overlap: Algorithm 1.
