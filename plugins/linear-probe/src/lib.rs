//! Evaluator linear-probe: a linear classifier on frozen features. Appendix A.1.
