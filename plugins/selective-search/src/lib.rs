//! Proposals selective-search: Uijlings et al. 2013.
