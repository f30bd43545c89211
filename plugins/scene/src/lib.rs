//! Loss scene: similarity of scene and scene. Eq. 3.
