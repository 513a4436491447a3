//! Which sagas are listed.

use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use saga_core::log::Timestamp;
use saga_core::operator::{ListedState, SagaFilter};

use crate::failure::Failure;
use crate::text::time::{duration, now};

/// Conditions that a saga must meet, all of them.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Which sagas")]
pub(crate) struct FilterArgs {
    /// Only sagas in this state; may be given more than once
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = states())]
    pub(crate) state: Vec<ListedState>,
    /// Only sagas with this name, such as Order
    #[arg(long, value_name = "NAME")]
    pub(crate) saga: Option<String>,
    /// Only sagas of this version
    #[arg(long = "version", value_name = "NUMBER")]
    pub(crate) saga_version: Option<u32>,
    /// Only sagas whose definition has a fingerprint that begins with this, as `saga fleet` prints it
    #[arg(long, value_name = "HEX", value_parser = fingerprint)]
    pub(crate) fingerprint: Option<String>,
    /// Only sagas whose id begins with this
    #[arg(long, value_name = "ID")]
    pub(crate) prefix: Option<String>,
    /// Only sagas that were created longer ago than this, such as 90s, 15m, 2h or 7d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) older_than: Option<Duration>,
    /// Only sagas that were created less long ago than this
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) younger_than: Option<Duration>,
    /// Only sagas to which nothing has happened for this long
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) idle: Option<Duration>,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// List the sagas that wait for somebody, and why: stuck, parked, without a worker, or not progressing
    ///
    /// Of the other conditions it can be combined with --saga and --idle: how long nothing may have happened to a saga that is
    /// due for something, 5m unless it is given.
    #[arg(long, conflicts_with_all = ["state", "saga_version", "fingerprint", "prefix", "older_than", "younger_than"])]
    pub(crate) needs_human: bool,
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// How many sagas at most
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = limit())]
    pub(crate) limit: usize,
    /// Go on after this one: what the last line of the page before names
    #[arg(long, value_name = "CURSOR", allow_hyphen_values = true)]
    pub(crate) after: Option<String>,
}

/// At least 1, because 0 would mean something else to the library.
pub(crate) fn limit() -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u32).range(1..=100_000).map(|limit| limit as usize)
}

/// The first digits of a fingerprint, enough of them to name one.
fn fingerprint(text: &str) -> Result<String, String> {
    let hex = text.chars().all(|c| c.is_ascii_hexdigit());
    match hex && text.len() >= 8 {
        true => Ok(text.to_ascii_lowercase()),
        false => {
            Err("a fingerprint is at least 8 hexadecimal digits; `saga fleet` lists them"
                .to_string())
        }
    }
}

fn states() -> impl TypedValueParser<Value = ListedState> {
    PossibleValuesParser::new(ListedState::ALL.map(ListedState::as_str))
        .try_map(|word| word.parse::<ListedState>())
}

impl FilterArgs {
    /// True if no condition is given.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { state, saga, saga_version, fingerprint, prefix, older_than, younger_than, idle } =
            self;
        state.is_empty()
            && [saga, fingerprint, prefix].iter().all(|text| text.is_none())
            && saga_version.is_none()
            && [older_than, younger_than, idle].iter().all(|time| time.is_none())
    }

    /// The first page of the sagas that meet the conditions.
    pub(crate) fn filter(&self, limit: usize) -> SagaFilter {
        let now = now();
        SagaFilter {
            states: self.state.clone(),
            saga: self.saga.clone(),
            version: self.saga_version,
            fingerprint: self.fingerprint.clone(),
            id_prefix: self.prefix.clone(),
            created_after: self.younger_than.map(|time| before(now, time)),
            created_before: self.older_than.map(|time| before(now, time)),
            updated_before: self.idle.map(|time| before(now, time)),
            limit,
            ..SagaFilter::default()
        }
    }
}

/// The moment that was so long before another one.
pub(crate) fn before(now: Timestamp, time: Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

impl ListArgs {
    /// Reads where to go on.
    pub(crate) fn after<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
    ) -> Result<Option<T>, Failure> {
        let after = self.after.as_ref().map(|after| after.parse::<T>());
        after.transpose().map_err(|error| Failure::usage(format!("--after: {error}")))
    }
}
