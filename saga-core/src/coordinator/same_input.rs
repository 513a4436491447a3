//! Whether a saga that exists is the one that is requested again.

use super::definitions::Definitions;
use crate::driver::UnreadableValue;
use crate::error::StartError;
use crate::json::{difference, show};
use crate::log::{Payload, SagaId};

impl Definitions {
    /// Checks that a saga was started with the requested name and parameters. Parameters are compared as JSON:
    /// whitespace and the order of fields do not matter. If they differ, code with another type may have written those
    /// of the saga, such as without a field that has a default. So they are compared as this program reads them. A saga with
    /// the fingerprint of an old version is the requested one, too, if a migration makes the same parameters of its own.
    pub(super) fn same_input(
        &self,
        id: &SagaId,
        (existing, existing_params, fingerprint): (&str, &Payload, &str),
        (requested, requested_params): (&str, &Payload),
    ) -> Result<(), StartError> {
        let conflict = |differs| {
            let (existing, requested) = (existing.to_string(), requested.to_string());
            let version = self.not_current(&existing, fingerprint);
            Err(StartError::IdConflict { saga: id.clone(), existing, requested, differs, version })
        };
        if existing != requested {
            return conflict(None);
        }
        let differs = |existing: &Payload| {
            difference(existing.as_bytes(), requested_params.as_bytes()).map(|path| show(&path))
        };
        let Some(as_stored) = differs(existing_params) else { return Ok(()) };
        let converted = self.converted_params(fingerprint, existing_params);
        if converted.iter().any(|params| differs(params).is_none()) {
            return Ok(());
        }
        match self.named(existing).and_then(|saga| saga.written_today(existing_params)) {
            None => conflict(Some(as_stored)),
            Some(Ok(today)) => differs(&today).map_or(Ok(()), |path| conflict(Some(path))),
            Some(Err(error)) => {
                let by = self.not_current(existing, fingerprint);
                let by = by.map(|version| format!(" by version {version} of `{existing}`"));
                let why = format!(
                    "it exists, and whether it was started{} with these parameters cannot be said: {}",
                    by.unwrap_or_default(),
                    UnreadableValue::params(error)
                );
                Err(StartError::Corrupt { saga: id.clone(), why })
            }
        }
    }
}
