//! What the test says.

use super::file::BadFile;
use super::findings::Finding;
use super::registered::Current;
use crate::dag::{Change, Consequence};

/// There is no file.
pub(super) fn missing(file: &str) -> String {
    format!(
        "there is no file {file}, which has the definitions that running sagas depend on. `SAGA_BLESS=1 cargo test` creates it; \
         commit it. If it was there before, restore it from version control instead: it also had the old versions"
    )
}

pub(super) fn bad_file(file: &str, bad: &BadFile) -> String {
    let BadFile { line, why } = bad;
    match line {
        0 => format!("{file} cannot be read: {why}"),
        line => format!("{file} cannot be read, line {line}: {why}"),
    }
}

/// Everything that was found.
pub(super) fn report(file: &str, findings: &[Finding<'_>]) -> String {
    let mut told = findings.iter().map(|finding| told(file, finding)).collect::<Vec<_>>();
    let can_be_blessed = |finding: &Finding<'_>| match finding {
        Finding::New(_) | Finding::Noted { .. } => true,
        Finding::NewVersion { has_old, .. } => *has_old,
        Finding::Changed { .. } | Finding::OldChanged { .. } | Finding::Gone { .. } => false,
    };
    if findings.iter().all(can_be_blessed) {
        let how = format!("Take this into {file} with `SAGA_BLESS=1 cargo test`, and commit it.");
        told.insert(0, how);
    }
    format!("{file} and the sagas of this crate differ.\n\n{}\n", told.join("\n\n"))
}

fn told(file: &str, finding: &Finding<'_>) -> String {
    match finding {
        Finding::New(saga) => format!("{} is not in {file} yet.", version(saga)),
        Finding::Noted { saga, changes } => {
            format!(
                "{} has the same definition, with some differences:\n{}",
                version(saga),
                sorted(changes)
            )
        }
        Finding::NewVersion { saga, then, has_old: true, changes } => {
            let (name, new, old) = numbers(saga, then.definition.version());
            format!(
                "Saga `{name}`{} has a new version, {new}. Version {old} is registered as well, so its sagas go on: under version \
                 {old}, or after a migration under version {new}.\n{}",
                at(saga),
                since(old, changes)
            )
        }
        Finding::NewVersion { saga, then, has_old: false, changes } => {
            let (name, new, old) = numbers(saga, then.definition.version());
            let mut choices = vec![format!(
                "Keep version {old}: put its definition, as {file} and version control have it, into a module of its own (such as \
                 `mod v{old}`), and register it here and with the coordinator, `.old_saga::<v{old}::{name}>()`. Then run \
                 `SAGA_BLESS=1 cargo test`."
            )];
            choices.extend(migrate(changes));
            choices.push(format!(
                "If version {old} has no unfinished saga in any store, delete its section from {file}, and run \
                 `SAGA_BLESS=1 cargo test`."
            ));
            format!(
                "Saga `{name}`{} has a new version, {new}, and version {old} is not registered any more: its unfinished sagas \
                 would stand still. Choose:\n{}\n{}",
                at(saga),
                numbered(&choices),
                since(old, changes)
            )
        }
        Finding::Changed { saga, then, changes } => {
            let old = then.definition.version();
            let (name, new) = (saga.definition.name(), old + 1);
            let mut choices = vec![format!(
                "Keep version {old} beside the new one: put the definition of before into a module of its own (such as \
                 `mod v{old}`), set `#[version = {new}]` on the new one, and register both, here and with the coordinator: \
                 `.saga::<{name}>().old_saga::<v{old}::{name}>()`. Then run `SAGA_BLESS=1 cargo test`."
            )];
            choices.extend(migrate(changes));
            choices.push("Undo the change.".to_string());
            choices.push(format!(
                "If no store has an unfinished saga of version {old}, as before a first release, \
                 `SAGA_BLESS=replace cargo test` forgets that version."
            ));
            format!(
                "Saga `{name}`{} has changed, and is still called version {old}. Unfinished sagas that were started before the \
                 change would stand still. Choose:\n{}\n{}",
                at(saga),
                numbered(&choices),
                since(old, changes)
            )
        }
        Finding::OldChanged { saga, changes } => {
            let name = saga.definition.name();
            let old = saga.definition.version();
            format!(
                "Version {old} of saga `{name}`{} is kept for its unfinished sagas, and is not the same any more: they would stand \
                 still. Undo the change. If it came with an action that newer versions need otherwise, give version {old} an \
                 action of its own, with the same name and the `rev` of before.\nWhat is different:\n{}",
                at(saga),
                listed_changes(changes)
            )
        }
        Finding::Gone { then, now } => {
            let (name, old) = (then.definition.name(), then.definition.version());
            let now = match now {
                Some(now) => format!(", which is now of version {now},"),
                None => String::new(),
            };
            format!(
                "Version {old} of saga `{name}`{now} is in {file}, and neither `saga` nor `old_saga` names it here: its unfinished \
                 sagas would stand still. Register it here and with the coordinator, `.old_saga::<..::{name}>()`. If it has no \
                 unfinished saga in any store, delete its section from {file}. `sec.unknown_versions()` says which versions a \
                 store still needs; the one of this section has the fingerprint {}.",
                then.fingerprint
            )
        }
    }
}

fn version(saga: &Current) -> String {
    let (name, version) = (saga.definition.name(), saga.definition.version());
    format!("Version {version} of saga `{name}`{}", at(saga))
}

fn numbers(saga: &Current, old: u32) -> (String, u32, u32) {
    (saga.definition.name().to_string(), saga.definition.version(), old)
}

fn at(saga: &Current) -> String {
    if saga.place.is_empty() { String::new() } else { format!(" ({})", saga.place) }
}

/// The choice of a migration, if any saga could be migrated.
fn migrate(changes: &[Change]) -> Option<String> {
    let is_possible = changes.iter().all(|change| match change.consequence {
        Consequence::AlwaysBegun(_) | Consequence::OtherSaga => false,
        Consequence::Nothing
        | Consequence::MustBeReadable
        | Consequence::NewVersion
        | Consequence::Renamed { .. }
        | Consequence::Converted(_)
        | Consequence::UndoAccepted(_)
        | Consequence::Dropped(_)
        | Consequence::NotBegun(_)
        | Consequence::NotBegunBefore { .. } => true,
    });
    let how = "Migrate running sagas, too: the same, with `.migrate(Migration::new(..))` at the coordinator. Sagas that have \
        passed their pivot, or are rolling back, finish under the old version, and so do those that do not meet the conditions \
        below.";
    is_possible.then(|| how.to_string())
}

fn numbered(choices: &[String]) -> String {
    let lines = (1..).zip(choices).map(|(i, choice)| format!("  {i}. {choice}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn since(version: u32, changes: &[Change]) -> String {
    match changes.is_empty() {
        true => format!("Nothing but the number is different from version {version}."),
        false => format!(
            "What has changed since version {version}, for sagas of that version:\n{}",
            sorted(changes)
        ),
    }
}

/// The changes that make it another definition.
fn listed_changes(changes: &[Change]) -> String {
    let matters = |change: &&Change| {
        !matches!(change.consequence, Consequence::Nothing | Consequence::MustBeReadable)
    };
    let lines = changes.iter().filter(matters).map(|change| format!("  - {}", change.what));
    lines.collect::<Vec<_>>().join("\n")
}

/// The changes under headings that say what they mean.
fn sorted(changes: &[Change]) -> String {
    let (mut lines, mut last) = (Vec::new(), None);
    for Change { consequence, what } in changes {
        if last != Some(consequence) {
            lines.push(format!("  {}:", heading(consequence)));
            last = Some(consequence);
        }
        lines.push(format!("    - {what}"));
    }
    lines.join("\n")
}

fn heading(consequence: &Consequence) -> String {
    match consequence {
        Consequence::Nothing => "no effect on running sagas".to_string(),
        Consequence::MustBeReadable => {
            "no effect on running sagas, if the new type can read what the old one has stored"
                .to_string()
        }
        Consequence::NewVersion => {
            "new version, old one must stay registered; can be migrated wherever they are"
                .to_string()
        }
        Consequence::Renamed { from, to } => format!(
            "can be migrated, if the migration says that `{from}` is `{to}` now, with `.node(..)`"
        ),
        Consequence::Converted(node) => format!(
            "can be migrated, if the migration says how to convert the output of `{node}`, with `.node(..)`"
        ),
        Consequence::UndoAccepted(node) => format!(
            "can be migrated, if the migration says that the undo of `{node}` is right for what it did before, with \
             `.undo_accepted(..)`"
        ),
        Consequence::Dropped(node) => format!(
            "can be migrated, if `{node}` has not begun, with `.drop_unbegun(..)`, or if its effect may remain, with \
             `.drop_keeping_effect(..)`"
        ),
        Consequence::NotBegun(nodes) => format!("can be migrated, if {}", not_begun(nodes)),
        Consequence::NotBegunBefore { begun, completed } => {
            let has = if completed.len() == 1 { "has" } else { "have" };
            format!(
                "can be migrated, if {}, or if {} {has} completed",
                not_begun(begun),
                listed(completed, "and")
            )
        }
        Consequence::AlwaysBegun(node) => format!(
            "cannot be migrated, because every saga begins `{node}` as soon as it is started"
        ),
        Consequence::OtherSaga => "cannot be migrated, because it is another saga".to_string(),
    }
}

fn not_begun(nodes: &[String]) -> String {
    match nodes {
        [node] => format!("`{node}` has not begun"),
        nodes => format!("neither {} has begun", listed(nodes, "nor")),
    }
}

fn listed(nodes: &[String], last: &str) -> String {
    let nodes = nodes.iter().map(|node| format!("`{node}`")).collect::<Vec<_>>();
    match &*nodes {
        [rest @ .., end] if !rest.is_empty() => format!("{} {last} {end}", rest.join(", ")),
        nodes => nodes.join(", "),
    }
}
