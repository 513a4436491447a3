//! Moments as people and JSON write them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serializer, de};

use super::Timestamp;

/// A moment as `2026-01-31T12:34:56.789Z`.
pub(crate) struct Utc(pub(crate) Timestamp);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.0;
        let (days, of_day) = (millis / 86_400_000, millis % 86_400_000);
        // Howard Hinnant's civil_from_days: years begin in March, so that leap days come last
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let (seconds, millis) = (of_day / 1000, of_day % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// The moment that is written like this, in UTC with at most nine digits of a second's fraction.
fn parse(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (year, month, day) = three(date, '-')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let (hour, minute, second) = three(time, ':')?;
    let digits = !fraction.is_empty() && fraction.len() <= 9;
    if !digits || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let millis: u64 = format!("{fraction:0<9}").get(..3)?.parse().ok()?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Howard Hinnant's days_from_civil, the way back of the above
    let shifted_year = year - u64::from(month <= 2);
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    let at = Timestamp((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millis);
    // a day that the month does not have comes back as another one
    Utc(at).to_string().starts_with(date).then_some(at)
}

fn three(text: &str, between: char) -> Option<(u64, u64, u64)> {
    let mut numbers = text.split(between).map(|number| {
        let digits = number.bytes().all(|b| b.is_ascii_digit());
        number.parse::<u64>().ok().filter(|_| digits && number.len() <= 4)
    });
    let three = (numbers.next()??, numbers.next()??, numbers.next()??);
    numbers.next().is_none().then_some(three)
}

/// For `#[serde(serialize_with)]`.
pub(crate) fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&Utc(*at))
}

/// For `#[serde(serialize_with)]`, where there may be no moment.
pub(crate) fn serialize_some<S: Serializer>(
    at: &Option<Timestamp>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serialize(at, to),
        None => to.serialize_none(),
    }
}

/// For `#[serde(deserialize_with)]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(from)?;
    parse(&text).ok_or_else(|| {
        de::Error::custom(format!("{text:?} is no moment like 2026-01-31T12:34:56.789Z"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_shown_in_utc() {
        let shown = |millis| Utc(Timestamp(millis)).to_string();
        assert_eq!(shown(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(shown(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(shown(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(shown(951_868_800_000), "2000-03-01T00:00:00.000Z");
        assert_eq!(shown(1_795_490_000_123), "2026-11-24T03:13:20.123Z");
        assert_eq!(shown(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn what_is_shown_can_be_read() {
        // every 11 days and some, over leap years and the ends of centuries
        for step in 0..20_000 {
            let at = Timestamp(step * 1_000_000_007);
            assert_eq!(parse(&Utc(at).to_string()), Some(at));
        }
        assert_eq!(parse("2026-11-24T03:13:20Z"), Some(Timestamp(1_795_490_000_000)));
        assert_eq!(parse("2026-11-24T03:13:20.123456789Z"), Some(Timestamp(1_795_490_000_123)));
        for bad in [
            "",
            "2026-11-24",
            "2026-02-30T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-24T24:00:00Z",
            "2026-11-24T03:13:20",
            "2026-11-24T03:13:20.Z",
            "1969-12-31T23:59:59Z",
            "2026-11-+4T03:13:20Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
