//! How facts are put into words.

use std::fmt;

use crate::log::Timestamp;

/// How long something has lasted, in milliseconds, as people say it: `12 s`, `4 min`, `3 h 5 min`, `2 d 4 h`.
pub(super) struct Age(pub(super) u64);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
        match (days, hours, minutes) {
            (0, 0, 0) => write!(f, "{seconds} s"),
            (0, 0, _) if minutes < 5 => write!(f, "{minutes} min {} s", seconds % 60),
            (0, 0, _) => write!(f, "{minutes} min"),
            (0, _, _) => write!(f, "{hours} h {} min", minutes % 60),
            _ => write!(f, "{days} d {} h", hours % 24),
        }
    }
}

/// A moment as somebody reads it who knows what time it is: without the date if it is today.
pub(super) struct AtTime {
    pub(super) at: Timestamp,
    pub(super) now: Timestamp,
}

impl fmt::Display for AtTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: u64 = 86_400_000;
        let text = self.at.to_string();
        // `2026-01-31T12:34:56.789Z`
        let (date, time) = text.split_once('T').unwrap_or_default();
        let time = time.split('.').next().unwrap_or_default();
        match self.at.0 / DAY == self.now.0 / DAY {
            true => write!(f, "{time} UTC"),
            false => write!(f, "{date} {time} UTC"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Age, AtTime};
    use crate::log::Timestamp;

    #[test]
    fn ages_are_rounded_as_people_do() {
        let words = |seconds: u64| Age(seconds * 1000 + 999).to_string();
        assert_eq!(words(0), "0 s");
        assert_eq!(words(59), "59 s");
        assert_eq!(words(61), "1 min 1 s");
        assert_eq!(words(300), "5 min");
        assert_eq!(words(3_600), "1 h 0 min");
        assert_eq!(words(90_061), "1 d 1 h");
    }

    #[test]
    fn the_date_is_said_only_of_another_day() {
        let now = Timestamp(1_795_490_000_123);
        let at = |at| AtTime { at: Timestamp(at), now }.to_string();
        assert_eq!(at(now.0), "03:13:20 UTC");
        assert_eq!(at(now.0 + 86_400_000), "2026-11-25 03:13:20 UTC");
    }
}
