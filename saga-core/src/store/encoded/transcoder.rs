//! Encodes and decodes the payloads of one saga: of its record, its entries and its requests.

use serde::de::IgnoredAny;

use super::super::payload_codec::{Aad, CodecError, PayloadCodec, PayloadKind};
use super::super::{NewDefinition, SagaRecord, StoreError};
use crate::log::{Command, Decision, Entry, EntryKind, Failure, NodePath, Payload, SagaId};

/// Which way a payload goes: into the store, or out of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Encode,
    Decode,
}

/// Encodes or decodes every payload of one saga; both directions visit the same payloads.
#[derive(Clone, Copy)]
pub(super) struct Transcoder<'a> {
    pub(super) codec: &'a dyn PayloadCodec,
    pub(super) direction: Direction,
    pub(super) saga: &'a SagaId,
    /// The entry that is being transcoded; 0 is the record.
    pub(super) seq: u64,
}

impl Transcoder<'_> {
    pub(super) fn record(&self, record: SagaRecord) -> Result<SagaRecord, StoreError> {
        Ok(SagaRecord {
            params: self.payload(Aad::of_saga(self.saga, PayloadKind::Params), &record.params)?,
            dag: self.payload(Aad::of_dag(&record.fingerprint), &record.dag)?,
            context: self.context(record.context)?,
            ..record
        })
    }

    /// A new definition, as that of a record which has it from the start.
    pub(super) fn definition(
        &self,
        definition: Option<Box<NewDefinition>>,
    ) -> Result<Option<Box<NewDefinition>>, StoreError> {
        let Some(mut new) = definition else { return Ok(None) };
        new.params = self.payload(Aad::of_saga(self.saga, PayloadKind::Params), &new.params)?;
        new.dag = self.payload(Aad::of_dag(&new.fingerprint), &new.dag)?;
        Ok(Some(new))
    }

    pub(super) fn context(&self, context: Option<Payload>) -> Result<Option<Payload>, StoreError> {
        let aad = Aad::of_saga(self.saga, PayloadKind::Context);
        context.map(|context| self.payload(aad, &context)).transpose()
    }

    pub(super) fn entries(&self, entries: Vec<Entry>) -> Result<Vec<Entry>, StoreError> {
        entries.into_iter().map(|entry| Self { seq: entry.seq, ..*self }.entry(entry)).collect()
    }

    fn entry(&self, entry: Entry) -> Result<Entry, StoreError> {
        let kind = match entry.kind {
            EntryKind::Saga(saga) => EntryKind::Saga(saga.try_map_command(|c| self.command(c))?),
            EntryKind::Node { node, attempt, entry: recorded } => {
                let aad = Aad::of_node(self.saga, Some(&node), PayloadKind::Output);
                let recorded = recorded.try_map_user_data(
                    |output| self.payload(aad, &output),
                    |failure| self.failure(&node, failure),
                )?;
                recorded.about(node, attempt)
            }
        };
        Ok(Entry { kind, ..entry })
    }

    fn failure(&self, node: &NodePath, failure: Failure) -> Result<Failure, StoreError> {
        let aad = Aad::of_node(self.saga, Some(node), PayloadKind::Error);
        let error = failure.error.map(|error| self.json(aad, &error)).transpose()?;
        Ok(Failure { error, ..failure })
    }

    pub(super) fn command(&self, command: Command) -> Result<Command, StoreError> {
        if let Command::Signal { event, event_id, payload } = command {
            let aad = Aad::of_saga(self.saga, PayloadKind::Event);
            return Ok(Command::Signal { event, event_id, payload: self.json(aad, &payload)? });
        }
        command.try_map_decision(|node, decision| {
            let aad = Aad::of_node(self.saga, Some(node), PayloadKind::Decision);
            Ok(match decision {
                Decision::Succeeded(output) => {
                    let json = self.json(aad, &Payload::from(output.to_string().into_bytes()))?;
                    let output = serde_json::from_slice(json.as_bytes());
                    Decision::Succeeded(output.map_err(|_| self.not_json(&aad))?)
                }
                Decision::SucceededWith(output) => {
                    Decision::SucceededWith(self.json(aad, &output)?)
                }
                Decision::Failed => Decision::Failed,
            })
        })
    }

    pub(super) fn payload(&self, aad: Aad<'_>, payload: &Payload) -> Result<Payload, StoreError> {
        let passed = match self.direction {
            Direction::Encode => self.codec.encode(payload.as_bytes(), &aad).map(Payload::from),
            Direction::Decode => decode(self.codec, payload, &aad),
        };
        passed.map_err(|error| self.error(error, &aad))
    }

    /// A payload that is embedded in a JSON document. Encoded, it becomes a string of hexadecimal digits.
    fn json(&self, aad: Aad<'_>, json: &Payload) -> Result<Payload, StoreError> {
        match self.direction {
            Direction::Encode => {
                let encoded = self.payload(aad, json)?;
                Ok(Payload::from(format!("\"{}\"", to_hex(encoded.as_bytes())).into_bytes()))
            }
            Direction::Decode => {
                let hex = serde_json::from_slice::<String>(json.as_bytes()).ok();
                let encoded = hex.and_then(|hex| from_hex(&hex)).ok_or_else(|| {
                    self.error(CodecError::Failed { why: "it was not encoded".to_string() }, &aad)
                })?;
                let plain = self.payload(aad, &Payload::from(encoded))?;
                match serde_json::from_slice::<IgnoredAny>(plain.as_bytes()) {
                    Ok(_) => Ok(plain),
                    Err(_) => Err(self.not_json(&aad)),
                }
            }
        }
    }

    fn not_json(&self, aad: &Aad<'_>) -> StoreError {
        let why = "what was decoded is not JSON".to_string();
        self.error(CodecError::Failed { why }, aad)
    }

    fn error(&self, error: CodecError, aad: &Aad<'_>) -> StoreError {
        let saga = self.saga.clone();
        match (error, self.direction) {
            (CodecError::UnknownKey { key_id }, _) => StoreError::UnknownKey { saga, key_id },
            (CodecError::Failed { why }, Direction::Encode) => StoreError::Failed {
                store: "the payload codec".to_string(),
                why: format!("{aad} is not encoded: {why}"),
            },
            (CodecError::Failed { why }, Direction::Decode) => {
                let why = format!("{aad} does not decode: {why}");
                StoreError::Corrupt { saga, seq: self.seq, why }
            }
        }
    }
}

pub(super) fn decode(
    codec: &dyn PayloadCodec,
    payload: &Payload,
    aad: &Aad<'_>,
) -> Result<Payload, CodecError> {
    codec.decode(payload.as_bytes(), aad).map(Payload::from)
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(hex: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low).ok()).collect()
}
