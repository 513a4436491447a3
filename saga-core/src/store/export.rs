//! One saga as JSON: its record and its log, to be taken out of a store and read somewhere else.

use serde::{Deserialize, Serialize};

use super::{SagaRecord, StoredSaga, file};
use crate::log::Entry;

/// The version of the form that is written. A change that older programs cannot read gets the next number.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    saga_export: u32,
    record: &'a SagaRecord,
    entries: &'a [Entry],
}

#[derive(Deserialize)]
struct Version {
    saga_export: u32,
}

#[derive(Deserialize)]
struct Read {
    record: SagaRecord,
    entries: Vec<Entry>,
}

/// Why a file is not a saga that was exported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is neither an export nor a log file of a [`FileStore`](super::FileStore).
    #[error("it is neither an exported saga nor the log file of a `FileStore`: {0}")]
    Unknown(String),
    /// A newer version of this library has written it.
    #[error(
        "it is an export of version {0}, and this program reads version {VERSION}; update `saga-core`"
    )]
    Newer(u32),
    /// The log file of a `FileStore` is damaged.
    #[error("the log file is damaged: {0}")]
    Damaged(String),
}

/// A saga as JSON.
pub(crate) fn export(record: &SagaRecord, entries: &[Entry]) -> String {
    let written = Written { saga_export: VERSION, record, entries };
    // names, numbers and text can always be written
    serde_json::to_string_pretty(&written).unwrap_or_default()
}

impl StoredSaga {
    /// The saga as JSON, for a test that [replays](crate::testing) it or a tool that reads it. Parameters and outputs are
    /// part of it, as text that contains JSON.
    ///
    /// The object has the fields `saga_export`, the version of this form, which is 1, `record` and `entries`.
    ///
    /// ```
    /// use saga_core::log::Timestamp;
    /// use saga_core::store::{SagaRecord, StoredSaga};
    /// let record = SagaRecord::new("order-1".parse()?, "Order", "worker-1".into(), Timestamp(1));
    /// let saga = StoredSaga { record, entries: Vec::new() };
    /// assert!(saga.to_json().starts_with("{\n  \"saga_export\": 1,\n  \"record\": {\n    \"id\": \"order-1\""));
    /// assert_eq!(StoredSaga::from_json(saga.to_json().as_bytes())?, saga);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to_json(&self) -> String {
        export(&self.record, &self.entries)
    }

    /// Reads what [`to_json`](Self::to_json) has written, or the log file of a [`FileStore`](super::FileStore).
    ///
    /// # Errors
    /// [`ImportError`] if it is neither.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ImportError> {
        match serde_json::from_slice::<Version>(bytes) {
            Ok(Version { saga_export }) if saga_export > VERSION => {
                Err(ImportError::Newer(saga_export))
            }
            Ok(_) => {
                let read = serde_json::from_slice::<Read>(bytes);
                let Read { record, entries } =
                    read.map_err(|e| ImportError::Unknown(e.to_string()))?;
                Ok(Self { record, entries })
            }
            // the lines of a log file are no single object
            Err(error) => {
                let unknown = |_| ImportError::Unknown(error.to_string());
                let (saga, damage) = file::read_log(bytes).map_err(unknown)?;
                damage.map_or(Ok(saga), |why| Err(ImportError::Damaged(why)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_an_export_is_refused_with_the_reason() {
        let read = |text: &str| StoredSaga::from_json(text.as_bytes()).unwrap_err().to_string();
        let newer = read(r#"{"saga_export": 2, "entries": "all"}"#);
        assert!(
            newer.starts_with("it is an export of version 2, and this program reads version 1"),
            "{newer}"
        );
        for text in ["", "hello", "{}", "[]", r#"{"saga_export": 1}"#] {
            let said = read(text);
            assert!(said.starts_with("it is neither an exported saga nor"), "{text}: {said}");
        }
    }
}
