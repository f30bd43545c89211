//! Numbers as a person would say them.

use std::time::Duration;

/// `45 s`, `12 min`, `3.5 h`, `11 days`.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        s if s < 0.95 => format!("{s:.1} s"),
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 90.0 * 60.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s if s < 700.0 * 86400.0 => format!("{:.0} days", s / 86400.0),
        s => format!("{:.0} years", s / (365.25 * 86400.0)),
    }
}

/// A rate with three digits: `18,900`, `123`, `4.56`, `0.012`.
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second <= 0.0 {
        return "0".into();
    }
    let decimals = 2 - per_second.log10().floor() as i32;
    if decimals > 0 {
        let shown = format!("{per_second:.*}", decimals.min(3) as usize);
        return shown.trim_end_matches('0').trim_end_matches('.').to_string();
    }
    let unit = 10f64.powi(-decimals);
    count(((per_second / unit).round() * unit) as u64)
}

/// `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_the_unit_a_person_would_use() {
        let cases = [
            (0.04, "0.0 s"),
            (5.0, "5 s"),
            (89.0, "89 s"),
            (600.0, "10 min"),
            (7200.0, "2.0 h"),
            (864_000.0, "10 days"),
        ];
        for (seconds, said) in cases {
            assert_eq!(time(Duration::from_secs_f64(seconds)), said);
        }
    }

    #[test]
    fn a_rate_has_three_digits() {
        let cases = [
            (18_863.382, "18,900"),
            (1_234_567.0, "1,230,000"),
            (999.6, "1,000"),
            (123.4, "123"),
            (45.67, "45.7"),
            (4.0, "4"),
            (0.01234, "0.012"),
            (0.0, "0"),
            (f64::NAN, "0"),
            (f64::INFINITY, "0"),
        ];
        for (rate_given, said) in cases {
            assert_eq!(rate(rate_given), said, "{rate_given}");
        }
        assert_eq!([0, 12, 123, 1234].map(count), ["0", "12", "123", "1,234"]);
    }
}
