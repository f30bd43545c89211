//! Evaluator knn: weighted nearest neighbours on frozen features.
