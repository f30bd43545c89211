//! Dataset image-folder: one directory a class, as ImageNet.
