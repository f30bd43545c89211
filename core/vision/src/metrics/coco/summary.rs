//! The twelve numbers.

use super::super::mean;
use super::curves::Curves;
use super::parameters::Parameters;

/// COCO's twelve numbers, from 0 to 1; -1 where there is nothing to measure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Average precision over all thresholds of IoU.
    pub ap: f64,
    /// Average precision at IoU 0.5.
    pub ap50: f64,
    /// Average precision at IoU 0.75.
    pub ap75: f64,
    /// Average precision of objects up to 32² pixels.
    pub ap_small: f64,
    /// Average precision of objects between 32² and 96² pixels.
    pub ap_medium: f64,
    /// Average precision of objects from 96² pixels.
    pub ap_large: f64,
    /// Average recall with one detection per image and class.
    pub ar1: f64,
    /// Average recall with ten.
    pub ar10: f64,
    /// Average recall with a hundred.
    pub ar100: f64,
    /// Average recall of objects up to 32² pixels, with a hundred.
    pub ar_small: f64,
    /// Average recall of objects between 32² and 96² pixels, with a hundred.
    pub ar_medium: f64,
    /// Average recall of objects from 96² pixels, with a hundred.
    pub ar_large: f64,
}

impl Summary {
    /// Each number with its name, in COCO's order.
    pub fn named(&self) -> [(&'static str, f64); 12] {
        [
            ("AP", self.ap),
            ("AP50", self.ap50),
            ("AP75", self.ap75),
            ("APs", self.ap_small),
            ("APm", self.ap_medium),
            ("APl", self.ap_large),
            ("AR1", self.ar1),
            ("AR10", self.ar10),
            ("AR100", self.ar100),
            ("ARs", self.ar_small),
            ("ARm", self.ar_medium),
            ("ARl", self.ar_large),
        ]
    }

    /// Averages over classes.
    pub(super) fn of<'a>(classes: impl Iterator<Item = &'a Curves> + Clone, parameters: &Parameters) -> Self {
        const MOST: usize = 2;
        let thresholds = &parameters.thresholds;
        let precision = |at: Option<f64>, size: usize| {
            let chosen =
                |(place, threshold): (usize, &f64)| at.is_none_or(|at| at == *threshold).then_some(place);
            let chosen = thresholds.iter().enumerate().filter_map(chosen);
            let of_class = |curves: &'a Curves| {
                chosen
                    .clone()
                    .flat_map(move |threshold| curves.precision(threshold, size, MOST).iter().copied())
            };
            mean(classes.clone().flat_map(of_class))
        };
        let recall = |size: usize, limit: usize| {
            let places = 0..thresholds.len();
            let of_class = |curves: &'a Curves| {
                places.clone().map(move |threshold| curves.recall(threshold, size, limit))
            };
            mean(classes.clone().flat_map(of_class).filter(|&recall| recall > -1.0))
        };
        Self {
            ap: precision(None, 0),
            ap50: precision(Some(0.5), 0),
            ap75: precision(Some(0.75), 0),
            ap_small: precision(None, 1),
            ap_medium: precision(None, 2),
            ap_large: precision(None, 3),
            ar1: recall(0, 0),
            ar10: recall(0, 1),
            ar100: recall(0, MOST),
            ar_small: recall(1, MOST),
            ar_medium: recall(2, MOST),
            ar_large: recall(3, MOST),
        }
    }
}
