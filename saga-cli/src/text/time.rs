//! Times and durations as text, and durations as they are written on the command line.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use saga_core::log::Timestamp;

/// The time of the system clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(0).after(since)
}

/// How long it was from one moment to another: `12 s`, `4 min`, `3 h 5 min`, `2 d 4 h`.
pub(crate) fn age(from: Timestamp, to: Timestamp) -> String {
    let seconds = to.0.saturating_sub(from.0) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Reads `500ms`, `90s`, `15m`, `2h` or `7d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let wrong =
        || format!("{text:?} is not a duration; write one such as 500ms, 90s, 15m, 2h or 7d");
    let number = number.parse::<u64>().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        let read = |text| duration(text).ok().map(|duration| duration.as_millis());
        assert_eq!(read("500ms"), Some(500));
        assert_eq!(read("0s"), Some(0));
        assert_eq!(read("15m"), Some(900_000));
        assert_eq!(read("2h"), Some(7_200_000));
        assert_eq!(read("7d"), Some(604_800_000));
        for wrong in ["", "5", "h", "-1s", "1.5h", "1w", "5 m", "99999999999999999d", "1s2"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn ages_are_rounded_as_people_do() {
        let age = |seconds: u64| age(Timestamp(5), Timestamp(5 + seconds * 1000));
        assert_eq!([age(0), age(59), age(61)], ["0 s", "59 s", "1 min"]);
        assert_eq!([age(3_600), age(90_061)], ["1 h 0 min", "1 d 1 h"]);
    }
}
