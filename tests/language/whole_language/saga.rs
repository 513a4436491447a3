//! The saga: every construct inside every other.

use saga_core::prelude::*;
use serde::{Deserialize, Serialize};

use crate::common::lab::{Cx, World, make, ready};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) zones: Vec<Zone>,
    pub(crate) limit: Option<u32>,
    pub(crate) mode: Mode,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Zone {
    pub(crate) name: String,
    pub(crate) racks: Vec<u32>,
    pub(crate) backup: Option<Backup>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Backup {
    pub(crate) to: Vec<String>,
    pub(crate) hours: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Mode {
    Dry,
    Fast { of: u32 },
    Named(String, Vec<(String, u32)>),
}

macro_rules! shout {
    ($text:expr) => {
        $text.to_uppercase()
    };
}

/// Lifetimes, named and elided, and a parameter that is called like a keyword.
#[saga_action(undo = leave(), name = "everything.join", retry(max = 2, base = "10ms"), timeout = "1m")]
async fn join<'a, 'b: 'a>(
    cx: &ActionContext<World>,
    parts: &[&'a str],
    r#in: Option<&'b str>,
    by: &(dyn Fn(usize) -> String + Send + Sync),
) -> Result<String, String> {
    cx.done(cx)?;
    Ok(format!("{}{}{:?}", parts.join("+"), by(parts.len()), r#in))
}
async fn leave(cx: &Cx) -> Result<(), String> {
    cx.undone(cx);
    Ok(())
}

/// An action named like a keyword.
#[saga_action(no_undo)]
async fn r#type(r#match: u32) -> Result<u32, String> {
    Ok(r#match + 1)
}

saga! {
    /// Everything.
    #[derive(PartialEq)]
    #[name = "everything"]
    pub(crate) Everything<World>(
        /// What to do.
        plan: Plan,
        names: Vec<String>,
        #[serde(default)]
        r#loop: u32,
    ) -> String {
        const SEP: String = "-".to_string();
        const WEIGHTS: Vec<(u32, bool)> = vec![(1, true), (2, false)];
        #[cfg(any())]
        let net = nowhere { to: 1 };
        #[cfg(all())]
        #[label = "the network"]
        #[retry(max = 3, base = "10ms")]
        #[timeout = "5s"]
        let net = make { what: &format!("net{SEP}{loop}") };
        let r#fn = r#type { r#match: *r#loop };
        r#type { r#match: *r#fn };
        #[concurrency = 2]
        #[label = "the zones"]
        let zones: Vec<String> = for zone in &plan.zones {
            const FEW: usize = 2;
            let head = make { what: &shout!(zone.name) };
            let racks = for (i, rack) in zone.racks.iter().enumerate().collect::<Vec<_>>() {
                match (rack, &plan.mode) {
                    (0, _) => { { String::from("none") } }
                    (n, Mode::Fast { of }) if n > of && names.len() > i => {
                        let a = make { what: &format!("{head}{n}{i}{of}") };
                        parallel {
                            let b = ready { what: a };
                            #[after(b)]
                            let c = make { what: &[head.as_str(), a].concat() };
                            {
                                ready { what: SEP };
                                parallel {
                                    Leaf { text: ready.clone(), n: *n };
                                    let e = join {
                                        parts: &[a, b],
                                        r#in: names.first().map(String::as_str),
                                        by: &|len| format!("{}{net}", len + i),
                                    };
                                }
                            }
                        }
                        { format!("{a}{b}{c}{Leaf}{e}") }
                    }
                    (1 | 2, Mode::Dry) => Leaf { text: zone.name.clone(), n: *FEW as u32 },
                    (n @ 3..=9, Mode::Named(name, list)) if let Some((last, m)) = list.last() && m < n => {
                        let pairs = for (name, k) in list {
                            if k == n { make { what: name } } else if *k > *m {
                                ready { what: last }
                            } else {
                                let twice = { k * 2 };
                                Leaf { text: format!("{name}{head}"), n: *twice }
                            }
                        };
                        { format!("{name}{}", pairs.join(SEP)) }
                    }
                    (_, Mode::Named(..)) if matches!(plan.limit, Some(net) if net > 1) => make { what: "limited" },
                    _ => { let rest = make { what: "rest" }; rest }
                }
            };
            let backup = if let Some(Backup { to, hours }) = &zone.backup
                && let [first, others @ ..] = to.as_slice()
                && *hours > 0
            {
                let main = make { what: &format!("{first}{hours}") };
                let copies = for to in others {
                    // `to` is another one here
                    let later = { hours + 1 };
                    let copy = if others.len() > *FEW { Leaf { text: to.clone(), n: *later } };
                    { format!("{copy:?}{to}{main}") }
                };
                let none = for _never in [(); 0] { make { what: "never" } };
                { format!("{main}{copies:?}{none:?}") }
            } else if let Some(limit) = plan.limit {
                make { what: &vec![limit.to_string(); 2].join(SEP) }
            } else {
                { serde_json::json!({ "zone": zone.name, "racks": racks, "n": [r#fn, { "deep": head }] }).to_string() }
            };
            { format!("{}|{}|{backup}", racks.join("/"), zone.racks.len()) }
        };
        let weighed = for &(weight, heavy) in WEIGHTS { if heavy { make { what: &weight.to_string() } } };
        let net_again = for net in names { for net in net.split('.').collect::<Vec<_>>() { make { what: net } } };
        let empty = if zones.is_empty() {} else { make { what: "some"}; };
        let total = { net_again.iter().map(|net| net.len()).sum::<usize>() + weighed.iter().flatten().count() };
        let nested = Branch { depth: 2, of: plan.clone(), label: format!("{total}") };
        match nested.as_str() {
            "" => make { what: "nothing" },
            text => {
                let end = make { what: text };
                { format!("{end} {} {empty:?} {}", zones.join(SEP), *total) }
            }
        }
    }

    Leaf<World>(text: String, n: u32) -> String {
        let made = make { what: &text.repeat(*n as usize) };
        if *n > 2 { ready { what: made } } else { make { what: "small" } }
    }

    /// Uses one saga in several ways.
    #[name = "branch"]
    Branch<World>(depth: u32, of: Plan, label: String) -> String {
        parallel {
            let one = Leaf { text: label.clone(), n: *depth };
            let two = Leaf { text: "two".into(), n: 3 };
            let all = for zone in &of.zones { Leaf { text: zone.name.clone(), n: zone.racks.len() as u32 } };
        }
        { format!("{one}{two}{}", all.concat()) }
    }
}
