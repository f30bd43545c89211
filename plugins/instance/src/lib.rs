//! Loss instance: optimal transport between instances. Eq. 8-11.
