//! From numbers to places on a picture.

/// Maps the interval `low..high` to `from..to`, which may run downwards.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// Room for all the values with a margin of 8% at both ends; none if there is no finite value.
    pub fn around(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Option<Self> {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (low, high) = finite.fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        })?;
        let margin = if high > low { 0.08 * (high - low) } else { 0.5_f64.max(0.01 * high.abs()) };
        Some(Self { low: low - margin, high: high + margin, from, to })
    }

    /// Exactly `low..high`.
    pub fn exact(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self { low, high: high.max(low + f64::EPSILON), from, to }
    }

    /// The place of a value.
    pub fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round values, about `count` of them, with as many digits as tell them apart.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        if self.high - self.low < 1e-9 {
            return vec![(self.low, self.low.to_string())];
        }
        let raw = (self.high - self.low) / count as f64;
        let power = 10_f64.powf(raw.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|&step| step >= raw * 0.999);
        let step = step.unwrap_or(raw);
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        (first..=last)
            .map(|index| index as f64 * step)
            .map(|tick| (tick, format!("{:.digits$}", tick + 0.0)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Axis;

    fn labels(low: f64, high: f64, count: usize) -> Vec<String> {
        Axis::exact(low, high, 0.0, 1.0).ticks(count).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(labels(0.0, 800.0, 4), ["0", "200", "400", "600", "800"]);
        assert_eq!(labels(57.1, 60.3, 4), ["58", "59", "60"]);
        assert_eq!(labels(-1.93, -1.2, 4), ["-1.8", "-1.6", "-1.4", "-1.2"]);
        assert_eq!(labels(0.0, 0.0, 4).len(), 1);
    }

    #[test]
    fn equal_values_have_room_around_them() {
        let axis = Axis::around([50.0, 50.0, f64::NAN], 0.0, 100.0).unwrap();
        assert_eq!(axis.at(50.0), 50.0);
        assert!(Axis::around([f64::NAN], 0.0, 1.0).is_none());
    }
}
