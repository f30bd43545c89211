//! The files of an export.

pub mod check;
pub mod detectron2;
pub mod manifest;
pub mod torch_file;
