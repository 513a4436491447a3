//! Texts, what is written as text, times and bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::{Change, change, same};

/// A type that is written as text, and reads these forms of it.
macro_rules! date {
    ($name:ident, $written:literal, $($read:literal)|*) => {
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(into = "String", try_from = "String")]
        struct $name;

        impl From<$name> for String {
            fn from(_: $name) -> Self {
                $written.to_string()
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                match text.as_str() {
                    $($read)|* => Ok(Self),
                    other => Err(format!("{other} is not a date")),
                }
            }
        }
    };
}

date!(Day, "2026-11-30", "2026-11-30");
date!(Moment, "2026-11-30T00:00:00Z", "2026-11-30T00:00:00Z");
date!(Either, "2026-11-30T00:00:00Z", "2026-11-30" | "2026-11-30T00:00:00Z");

pub(super) fn changes() -> Vec<Change> {
    let text = |text: &str| text.to_string();
    let (secs, since) = (Duration::from_secs(5), SystemTime::UNIX_EPOCH);
    vec![
        same("`String` to `Box<str>`", text("Rome"), Box::<str>::from("Rome")),
        same("`char` to `String`", 'a', text("a")),
        change(
            "`String` to `char`, of several letters",
            (text("ab"), None),
            ('a', Some(text("a"))),
        ),
        same("`String` to a number", text("5"), 5_u64),
        same("`String` to `Uuid`", Uuid::nil().to_string(), Uuid::nil()),
        change(
            "`String` to `Uuid`, of another text",
            (text("x"), None),
            (Uuid::nil(), Some(Uuid::nil().to_string())),
        ),
        same("`Ipv4Addr` to `IpAddr`", Ipv4Addr::LOCALHOST, IpAddr::from(Ipv4Addr::LOCALHOST)),
        change(
            "`Ipv4Addr` to `IpAddr`, of version 6",
            (Ipv4Addr::LOCALHOST, Some(IpAddr::from(Ipv4Addr::LOCALHOST))),
            (IpAddr::from(Ipv6Addr::LOCALHOST), None),
        ),
        same("a type with a text of its own, such as a date, gets another one", Day, Moment),
        same("such a type gets another text, and reads the old one too", Day, Either),
        same("`Duration` to a number of seconds", secs, 5_u64),
        same("`SystemTime` to a number of seconds", since + secs, 5_u64),
        same("bytes, `Vec<u8>`, to an array of this length", vec![1_u8, 2], [1_u8, 2]),
        same("bytes, `Vec<u8>`, to a `String` of hexadecimal digits", vec![1_u8, 2], text("0102")),
    ]
}
