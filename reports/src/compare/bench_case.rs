//! A case of a bench, measured on both sides.

/// The result of a case: medians over the pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Our seconds and bytes.
    pub ours: (f64, f64),
    /// The peer's, where it was measured.
    pub peer: Option<(f64, f64)>,
    /// Our seconds over the peer's in the same pair.
    pub ratio: Option<f64>,
    /// Our bytes over the peer's in the same pair.
    pub memory_ratio: Option<f64>,
    /// The number of pairs.
    pub pairs: usize,
    /// Our seconds of each part, in the order of their names.
    pub parts: Vec<(String, f64)>,
}

/// Two decimals, or two digits of what is smaller than a tenth.
pub fn ratio(ratio: f64) -> String {
    let decimals = if ratio > 0.0 { (1.0 - ratio.log10().floor()).clamp(2.0, 6.0) as usize } else { 2 };
    format!("{ratio:.decimals$}")
}
