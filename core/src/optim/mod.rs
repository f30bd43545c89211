//! Optimisers and schedules.
