//! Optimal transport: Eq. 7, A.4.
