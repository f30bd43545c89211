//! The time of day, as files have it.

use anyhow::{Result, ensure};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now, RFC 3339 to the second.
pub fn seconds() -> Result<String> {
    Ok(humantime::format_rfc3339_seconds(checked(SystemTime::now())?).to_string())
}

/// Now, RFC 3339 to the millisecond.
pub fn milliseconds() -> Result<String> {
    Ok(humantime::format_rfc3339_millis(checked(SystemTime::now())?).to_string())
}

/// Refuses times that RFC 3339 and other programs cannot write.
fn checked(time: SystemTime) -> Result<SystemTime> {
    /// The year 10000.
    const END: Duration = Duration::from_secs(253_402_300_800);
    let since = time.duration_since(UNIX_EPOCH);
    ensure!(
        since.is_ok_and(|since| since < END),
        "the clock of this machine is before 1970 or after 9999: set it, since runs note when they began"
    );
    Ok(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_an_error() {
        let second = Duration::from_secs(1);
        for (time, can_be_written) in [
            (UNIX_EPOCH, true),
            (UNIX_EPOCH - second, false),
            (UNIX_EPOCH + Duration::from_secs(253_402_300_799), true),
            (UNIX_EPOCH + Duration::from_secs(253_402_300_800), false),
        ] {
            assert_eq!(checked(time).is_ok(), can_be_written, "{time:?}");
        }
        assert_eq!(seconds().unwrap().len(), "2026-01-01T00:00:00Z".len());
        assert_eq!(milliseconds().unwrap().len(), "2026-01-01T00:00:00.000Z".len());
    }
}
