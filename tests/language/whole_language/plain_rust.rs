//! What the saga means, in plain Rust.

use super::saga::{Backup, Everything, Mode, Zone};

fn make(what: &str) -> String {
    format!("<{what}>")
}

fn leaf(text: &str, n: u32) -> String {
    let made = make(&text.repeat(n as usize));
    if n > 2 { made.to_uppercase() } else { make("small") }
}

fn rack(saga: &Everything, zone: &Zone, i: usize, n: u32, head: &str, net: &str) -> String {
    let Everything { plan, names, .. } = saga;
    match (n, &plan.mode) {
        (0, _) => String::from("none"),
        (n, Mode::Fast { of }) if n > *of && names.len() > i => {
            let a = make(&format!("{head}{n}{i}{of}"));
            let b = a.to_uppercase();
            let c = make(&format!("{head}{a}"));
            let inner = leaf("-", n);
            let e = format!("{a}+{b}{}{net}{:?}", 2 + i, names.first());
            format!("{a}{b}{c}{inner}{e}")
        }
        (1 | 2, Mode::Dry) => leaf(&zone.name, 2),
        (n @ 3..=9, Mode::Named(name, list)) if list.last().is_some_and(|(_, m)| *m < n) => {
            let (last, m) = list.last().unwrap();
            let pairs = list.iter().map(|(name, k)| {
                if *k == n {
                    make(name)
                } else if k > m {
                    last.to_uppercase()
                } else {
                    leaf(&format!("{name}{head}"), k * 2)
                }
            });
            format!("{name}{}", pairs.collect::<Vec<_>>().join("-"))
        }
        (_, Mode::Named(..)) if plan.limit > Some(1) => make("limited"),
        _ => make("rest"),
    }
}

fn zone(saga: &Everything, zone: &Zone, net: &str) -> String {
    let head = make(&zone.name.to_uppercase());
    let racks = zone.racks.iter().enumerate();
    let racks = racks.map(|(i, n)| rack(saga, zone, i, *n, &head, net)).collect::<Vec<_>>();
    let backup = match (&zone.backup, saga.plan.limit) {
        (Some(Backup { to, hours }), _) if !to.is_empty() && *hours > 0 => {
            let main = make(&format!("{}{hours}", to[0]));
            let copy = |other: &String| {
                let copy = (to.len() > 3).then(|| leaf(other, hours + 1));
                format!("{copy:?}{other}{main}")
            };
            let copies = to[1..].iter().map(copy).collect::<Vec<_>>();
            format!("{main}{copies:?}[]")
        }
        (_, Some(limit)) => make(&format!("{limit}-{limit}")),
        _ => {
            let n = serde_json::json!([saga.r#loop + 1, { "deep": head }]);
            serde_json::json!({ "zone": zone.name, "racks": racks, "n": n }).to_string()
        }
    };
    format!("{}|{}|{backup}", racks.join("/"), zone.racks.len())
}

pub(crate) fn evaluate(saga: &Everything) -> String {
    let net = make(&format!("net-{}", saga.r#loop));
    let zones = saga.plan.zones.iter().map(|at| zone(saga, at, &net)).collect::<Vec<_>>();
    let again = saga.names.iter().map(|name| name.split('.').count()).collect::<Vec<_>>();
    let total = again.iter().sum::<usize>() + 1;
    let all = saga.plan.zones.iter().map(|zone| leaf(&zone.name, zone.racks.len() as u32));
    let text =
        format!("{}{}{}", leaf(&total.to_string(), 2), leaf("two", 3), all.collect::<String>());
    format!("{} {} () {total}", make(&text), zones.join("-"))
}
