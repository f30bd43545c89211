//! Renders view plans to tensors.
