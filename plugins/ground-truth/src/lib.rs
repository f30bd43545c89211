//! Proposals ground-truth: the boxes of a dataset's annotations. Table 8(b).
