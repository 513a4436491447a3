//! What is different between the file and the sagas.

use super::Bless;
use super::file::Locked;
use super::registered::Current;
use crate::dag::{Change, changes};

/// One thing that is different.
pub(super) enum Finding<'a> {
    /// The file has no version of this saga, or not this old one.
    New(&'a Current),
    /// The saga has a version that the file does not have.
    NewVersion {
        saga: &'a Current,
        /// The version before it.
        then: &'a Locked,
        /// True if that one is still registered.
        has_old: bool,
        changes: Vec<Change>,
    },
    /// The saga has changed, and its version has not.
    Changed { saga: &'a Current, then: &'a Locked, changes: Vec<Change> },
    /// An old version has changed, which nobody may.
    OldChanged { saga: &'a Current, changes: Vec<Change> },
    /// The definition is the same, and something is different that no fingerprint has.
    Noted { saga: &'a Current, changes: Vec<Change> },
    /// The sagas do not have this version any more.
    Gone {
        then: &'a Locked,
        /// The version that they have of the same saga.
        now: Option<u32>,
    },
}

/// Compares the file with the sagas.
pub(super) fn compare<'a>(locked: &'a [Locked], sagas: &'a [Current]) -> Vec<Finding<'a>> {
    let mut findings = Vec::new();
    let mut told = Vec::new();
    for saga in sagas {
        let (name, version) = (saga.definition.name(), saga.definition.version());
        let of_name = || locked.iter().filter(|locked| locked.definition.name() == name);
        let same = of_name().find(|locked| locked.definition.version() == version);
        let finding = match same {
            Some(then) => {
                let changes = changes(&then.definition, &saga.definition);
                if then.fingerprint != saga.fingerprint {
                    match saga.is_old {
                        true => Finding::OldChanged { saga, changes },
                        false => Finding::Changed { saga, then, changes },
                    }
                } else if changes.is_empty() {
                    continue;
                } else {
                    Finding::Noted { saga, changes }
                }
            }
            None if saga.is_old => Finding::New(saga),
            None => {
                let number = |locked: &&Locked| locked.definition.version();
                let before = of_name().filter(|locked| number(locked) < version).max_by_key(number);
                match before.or_else(|| of_name().max_by_key(number)) {
                    Some(then) => {
                        let number = then.definition.version();
                        told.push((name, number));
                        let has_old = sagas.iter().any(|saga| saga.is(name.as_str(), number));
                        let changes = changes(&then.definition, &saga.definition);
                        Finding::NewVersion { saga, then, has_old, changes }
                    }
                    None => Finding::New(saga),
                }
            }
        };
        findings.push(finding);
    }
    for then in locked {
        let (name, version) = (then.definition.name(), then.definition.version());
        let is_there = sagas.iter().any(|saga| saga.is(name.as_str(), version));
        if !is_there && !told.contains(&(name, version)) {
            let same = sagas.iter().find(|saga| !saga.is_old && saga.definition.name() == name);
            let now = same.map(|saga| saga.definition.version());
            findings.push(Finding::Gone { then, now });
        }
    }
    findings
}

/// Takes over what may be: new sagas, new versions, and what no fingerprint has.
pub(super) fn bless(locked: &mut Vec<Locked>, sagas: &[Current], bless: Bless) {
    for saga in sagas {
        let (name, version) = (saga.definition.name(), saga.definition.version());
        let new = || Locked {
            definition: saga.definition.clone(),
            fingerprint: saga.fingerprint.clone(),
        };
        let same = locked.iter_mut().find(|locked| {
            locked.definition.name() == name && locked.definition.version() == version
        });
        match same {
            None => locked.push(new()),
            Some(same) => {
                let replaces = bless == Bless::Replace && !saga.is_old;
                if same.fingerprint == saga.fingerprint || replaces {
                    *same = new();
                }
            }
        }
    }
}
