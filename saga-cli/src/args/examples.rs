//! Examples at the end of the help of a command.

use saga_core::operator::ListedState;

const LS: &str = "\
Examples:
  saga ls --needs-human
  saga ls --saga Order --state running,paused --older-than 1h
  saga ls --prefix eu- --limit 1000 --json";

/// The states of sagas, and examples.
pub(super) fn ls() -> String {
    let states =
        ListedState::ALL.map(|state| format!("  {:<13} {}\n", state.as_str(), state.meaning()));
    format!("States:\n{}\n{LS}", states.concat())
}

pub(super) const SHOW: &str = "\
Examples:
  saga show order-42
  saga show order-42 --timeline";

pub(super) const LOG: &str =
    "Examples:\n  saga log order-42 --node payment\n  saga log order-42 --outputs";
pub(super) const TAIL: &str = "\
Examples:
  saga tail order-42
  saga tail order-42 --json -n 0";

pub(super) const GRAPH: &str = "\
Examples:
  saga graph order-42 --format svg > order-42.svg
  saga graph order-42 | dot -Tpdf > order-42.pdf";

pub(super) const CANCEL: &str = "\
Examples:
  saga cancel order-42 --reason \"the customer called\" --dry-run
  saga cancel order-42 --reason \"the customer called\"
  saga cancel --saga Order --state paused --older-than 7d --reason \"too late\" --limit 10";

pub(super) const RETRY: &str = "\
Examples:
  saga retry order-42 --dry-run
  saga retry order-42 --node payment
  saga retry --state stuck --saga Order --limit 10";

pub(super) const RESOLVE: &str =
    "Examples:\n  saga resolve order-42 --node payment --note \"refunded by hand, ticket 1234\"";
pub(super) const DECIDE: &str = "\
Examples:
  saga decide payout-7 --node transfer --succeeded '\"t-1\"' --note \"it is in the list of the bank\"
  saga decide payout-7 --node transfer --failed --note \"the bank does not know its key\"";

pub(super) const UNPARK: &str = "\
Examples:
  saga unpark order-42
  saga unpark --state parked --saga Order --idle 1h --dry-run";

pub(super) const ROLLBACK: &str =
    "Examples:\n  saga rollback order-42 --reason \"the wrong customer\" --dry-run";
pub(super) const PURGE: &str =
    "Examples:\n  saga purge --ended-before 30d --dry-run\n  saga purge --ended-before 30d --yes";
pub(super) const EXPORT: &str = "\
Examples:
  saga export order-42 --to order-42.json";

pub(super) const SIGNAL: &str = "\
Examples:
  saga signal article-7 Approved --payload '{\"by\":\"Ada\"}' --event-id e-17 --dry-run
  saga signal article-7 Approved --payload '{\"by\":\"Ada\"}' --event-id e-17";

pub(super) const COMPLETIONS: &str = "\
Examples:
  saga completions bash > /etc/bash_completion.d/saga
  saga completions zsh > ~/.zfunc/_saga";
