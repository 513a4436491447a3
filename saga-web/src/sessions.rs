//! Who has signed in, and what is remembered of them. All of it is in memory: it ends with the program.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::header::{COOKIE, HeaderMap};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// How long somebody stays signed in.
pub(crate) const LIFETIME: Duration = Duration::from_secs(8 * 3600);
const MAX_SESSIONS: usize = 1000;

/// How many forms and messages are remembered of a session.
const MAX_REMEMBERED: usize = 200;

/// After so many wrong tokens from one address, it waits until a minute has passed since the first of them.
const MAX_WRONG: u32 = 10;
const WRONG_FOR: Duration = Duration::from_secs(60);
const MAX_ADDRESSES: usize = 1000;

/// What is kept of a secret, so that comparing it with another takes no time that tells anything about it.
type Hashed = [u8; 32];

pub(crate) fn hashed(secret: &str) -> Hashed {
    Sha256::digest(secret.as_bytes()).into()
}

/// 244 random bits of the operating system.
pub(crate) fn random() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Somebody who has signed in.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) name: String,
    /// What their forms carry.
    pub(crate) csrf: String,
    id: Hashed,
    until: Instant,
}

/// A session, and what its browser has been up to.
struct Kept {
    session: Session,
    /// The forms that were carried out.
    sent: VecDeque<String>,
    /// What the next page says, by the word in its address.
    said: VecDeque<(String, String)>,
}

#[derive(Default)]
pub(crate) struct Sessions {
    kept: Mutex<HashMap<Hashed, Kept>>,
    wrong: Mutex<HashMap<IpAddr, Wrong>>,
}

/// How often somebody at an address has given a wrong token.
struct Wrong {
    times: u32,
    since: Instant,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs =
        cookies.flat_map(|cookies| cookies.split(';')).filter_map(|c| c.split_once('='));
    pairs.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
}

impl Sessions {
    /// The session whose cookie, which has this name, came with a request.
    pub(crate) fn of(&self, headers: &HeaderMap, name: &str) -> Option<Session> {
        let id = hashed(cookie(headers, name)?);
        let session = lock(&self.kept).get(&id)?.session.clone();
        (session.until > Instant::now()).then_some(session)
    }

    /// Begins a session; returns what its cookie says.
    pub(crate) fn begin(&self, name: String) -> String {
        let (secret, now) = (random(), Instant::now());
        let id = hashed(&secret);
        let session = Session { name, csrf: random(), id, until: now + LIFETIME };
        let mut kept = lock(&self.kept);
        kept.retain(|_, kept| kept.session.until > now);
        if kept.len() >= MAX_SESSIONS {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.session.until);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                kept.remove(&oldest);
            }
        }
        kept.insert(id, Kept { session, sent: VecDeque::new(), said: VecDeque::new() });
        secret
    }

    pub(crate) fn end(&self, session: &Session) {
        lock(&self.kept).remove(&session.id);
    }

    /// True if this form was carried out before.
    pub(crate) fn was_sent(&self, session: &Session, form: &str) -> bool {
        let kept = lock(&self.kept);
        kept.get(&session.id).is_some_and(|kept| kept.sent.iter().any(|sent| sent == form))
    }

    /// Notes that this form is carried out. False if it was before.
    pub(crate) fn is_first(&self, session: &Session, form: &str) -> bool {
        let mut kept = lock(&self.kept);
        let Some(kept) = kept.get_mut(&session.id) else { return false };
        if form.is_empty() || kept.sent.iter().any(|sent| sent == form) {
            return false;
        }
        remember(&mut kept.sent, form.to_string());
        true
    }

    /// Remembers what the next page says; returns the word that goes into its address.
    pub(crate) fn say(&self, session: &Session, text: String) -> String {
        let word = Uuid::new_v4().simple().to_string();
        if let Some(kept) = lock(&self.kept).get_mut(&session.id) {
            remember(&mut kept.said, (word.clone(), text));
        }
        word
    }

    /// What a page says that has this word in its address; it says it once.
    pub(crate) fn said(&self, session: &Session, word: &str) -> Option<String> {
        let mut kept = lock(&self.kept);
        let said = &mut kept.get_mut(&session.id)?.said;
        let at = said.iter().position(|(of, _)| of == word)?;
        said.remove(at).map(|(_, text)| text)
    }

    /// True if an attempt to sign in may be made from there.
    pub(crate) fn may_try(&self, from: IpAddr) -> bool {
        let now = Instant::now();
        let wrong = lock(&self.wrong);
        let of = wrong.get(&network(from));
        of.is_none_or(|of| of.times < MAX_WRONG || now.duration_since(of.since) > WRONG_FOR)
    }

    pub(crate) fn was_wrong(&self, from: IpAddr) {
        let now = Instant::now();
        let mut wrong = lock(&self.wrong);
        wrong.retain(|_, of| now.duration_since(of.since) <= WRONG_FOR);
        if wrong.len() < MAX_ADDRESSES {
            let first = Wrong { times: 0, since: now };
            wrong.entry(network(from)).or_insert(first).times += 1;
        }
    }
}

/// An address, or the network that a computer with IPv6 can choose its addresses from.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => IpAddr::V4(four),
            None => IpAddr::V6((six.to_bits() & !u128::from(u64::MAX)).into()),
        },
    }
}

/// Adds one, and keeps the last ones.
fn remember<T>(all: &mut VecDeque<T>, one: T) {
    all.push_back(one);
    drop(all.drain(..all.len().saturating_sub(MAX_REMEMBERED)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_waits_that_was_wrong() {
        let sessions = Sessions::default();
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|address| address.parse().unwrap());
        for _ in 0..MAX_WRONG {
            assert!(sessions.may_try(a));
            sessions.was_wrong(a);
        }
        assert!(!sessions.may_try(a) && sessions.may_try(b));
        let [c, same, other] = ["2001:db8::1", "2001:db8::2:3", "2001:db8:0:1::1"]
            .map(|a| network(a.parse().unwrap()));
        assert!(c == same && c != other);
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), a);
    }

    #[test]
    fn a_form_is_carried_out_once_and_a_message_is_shown_once() {
        let sessions = Sessions::default();
        let secret = sessions.begin("Ada".to_string());
        let session = lock(&sessions.kept)[&hashed(&secret)].session.clone();
        assert!(!sessions.was_sent(&session, "f"));
        assert!(sessions.is_first(&session, "f") && !sessions.is_first(&session, "f"));
        assert!(sessions.was_sent(&session, "f"));
        assert!(!sessions.is_first(&session, ""), "a form without a number is none of ours");
        let word = sessions.say(&session, "done".to_string());
        assert_eq!(sessions.said(&session, "another"), None);
        assert_eq!(sessions.said(&session, &word).as_deref(), Some("done"));
        assert_eq!(sessions.said(&session, &word), None);
        for n in 0..2 * MAX_REMEMBERED {
            assert!(sessions.is_first(&session, &n.to_string()));
        }
        assert_eq!(lock(&sessions.kept)[&hashed(&secret)].sent.len(), MAX_REMEMBERED);
        sessions.end(&session);
        assert!(!sessions.is_first(&session, "g"));
    }
}
