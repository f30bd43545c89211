//! Loss scene-instance: affinity of scene and instances. Eq. 4-6.
