//! Datasets fashion-scenes and fashion-icons: composed scenes of Fashion-MNIST items, embedded.
