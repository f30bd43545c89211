//! Negative cosine similarity: Eq. 2, 5, 8.
