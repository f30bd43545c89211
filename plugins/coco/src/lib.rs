//! Dataset coco: a COCO root on disk.
