//! [`PayloadCodec`]: a hook that encodes (encrypts, say) payloads on their way into a store.

use std::fmt;

use crate::log::{NodePath, SagaId};

/// Encodes payloads on their way into a store and decodes them on their way out, for encryption above all.
/// Wrap a store with [`EncodedStore`](super::EncodedStore) to use it.
///
/// Encoded bytes must say how to decode them: put the id of the key in front, so that keys can be rotated
/// while old sagas are running. Refuse bytes that were encoded for another [`Aad`]; an AEAD cipher does so if
/// you pass [`Aad::to_bytes`] as the associated data.
///
/// The methods are called on the async runtime's threads and must not block, so fetch keys beforehand.
///
/// ```
/// use saga_core::store::{Aad, CodecError, EncodedStore, MemoryStore, PayloadCodec};
///
/// /// Hides nothing; `examples/encrypted` has a codec that really encrypts.
/// struct Reversed;
///
/// impl PayloadCodec for Reversed {
///     fn encode(&self, plain: &[u8], _aad: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
///         Ok(plain.iter().rev().copied().chain([b'1']).collect())
///     }
///     fn decode(&self, stored: &[u8], _aad: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
///         match stored.split_last() {
///             Some((b'1', reversed)) => Ok(reversed.iter().rev().copied().collect()),
///             Some((key, _)) => Err(CodecError::UnknownKey { key_id: key.to_string() }),
///             None => Err(CodecError::Failed { why: "there is nothing".to_string() }),
///         }
///     }
/// }
/// let store = EncodedStore::new(MemoryStore::new(), Reversed);
/// ```
pub trait PayloadCodec: Send + Sync + 'static {
    /// Encodes a payload.
    ///
    /// # Errors
    /// After any [`CodecError`] nothing is written, and the saga stops in this process.
    fn encode(&self, plain: &[u8], aad: &Aad<'_>) -> Result<Vec<u8>, CodecError>;

    /// Decodes what [`encode`](Self::encode) returned.
    ///
    /// # Errors
    /// [`CodecError::UnknownKey`] if the codec does not have the key, so that another process may be able to
    /// decode the payload; [`CodecError::Failed`] if the bytes were not encoded for this [`Aad`].
    fn decode(&self, stored: &[u8], aad: &Aad<'_>) -> Result<Vec<u8>, CodecError>;
}

/// Why a codec failed. Neither variant may contain a payload or a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The codec does not have the key, no longer or not yet.
    #[error("the codec does not have the key {key_id:?}")]
    UnknownKey {
        /// The id of the missing key.
        key_id: String,
    },
    /// The payload could not be encoded, or the bytes were not encoded for this place.
    #[error("{why}")]
    Failed {
        /// What went wrong.
        why: String,
    },
}

/// What a payload contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PayloadKind {
    /// A saga's parameters.
    Params,
    /// The DAG of a definition, which contains the values of its constants.
    Dag,
    /// A snapshot of a mutable context.
    Context,
    /// A node's output.
    Output,
    /// The JSON of an error that an action or undo returned; the error's message is not encoded.
    Error,
    /// The output that an operator decided on for a pivot in doubt.
    Decision,
    /// An event that a saga was told of.
    Event,
}

impl PayloadKind {
    /// The word for this kind in [`Aad::to_bytes`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Dag => "dag",
            Self::Context => "context",
            Self::Output => "output",
            Self::Error => "error",
            Self::Decision => "decision",
            Self::Event => "event",
        }
    }
}

/// Where a payload belongs: the associated data of AEAD ciphers. It keeps a payload from being decoded in
/// another saga, at another node or as another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Aad<'a> {
    subject: &'a str,
    node: Option<&'a str>,
    kind: PayloadKind,
}

impl<'a> Aad<'a> {
    /// A payload of a saga.
    pub fn of_saga(saga: &'a SagaId, kind: PayloadKind) -> Self {
        Self { subject: saga.as_str(), node: None, kind }
    }

    /// A payload of a node of a saga.
    pub fn of_node(saga: &'a SagaId, node: Option<&'a NodePath>, kind: PayloadKind) -> Self {
        Self { subject: saga.as_str(), node: node.map(NodePath::as_str), kind }
    }

    /// The DAG that all sagas of one definition share.
    pub fn of_dag(fingerprint: &'a str) -> Self {
        Self { subject: fingerprint, node: None, kind: PayloadKind::Dag }
    }

    /// The saga's id; for a [`PayloadKind::Dag`], which many sagas share, the fingerprint.
    pub fn subject(&self) -> &'a str {
        self.subject
    }

    /// The node that the payload belongs to, if any.
    pub fn node(&self) -> Option<&'a str> {
        self.node
    }

    /// What the payload contains.
    pub fn kind(&self) -> PayloadKind {
        self.kind
    }

    /// Serializes the associated data; no two places have the same bytes. Encoded payloads depend on these
    /// bytes, so no version of this library will change them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![1];
        for part in [Some(self.kind.as_str()), Some(self.subject), self.node].into_iter().flatten()
        {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

impl fmt::Display for Aad<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.kind.as_str(), self.subject)?;
        match self.node {
            Some(node) => write!(f, ", node `{node}`"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_places_have_the_same_bytes() {
        let (a, ab) = ("a".parse().unwrap(), "ab".parse().unwrap());
        let (c, bc) = (NodePath::from("c".to_string()), NodePath::from("bc".to_string()));
        let places = [
            Aad::of_saga(&a, PayloadKind::Params),
            Aad::of_saga(&a, PayloadKind::Context),
            Aad::of_saga(&ab, PayloadKind::Params),
            Aad::of_node(&a, Some(&bc), PayloadKind::Output),
            Aad::of_node(&a, Some(&bc), PayloadKind::Error),
            Aad::of_node(&ab, Some(&c), PayloadKind::Output),
            Aad::of_node(&ab, None, PayloadKind::Output),
            Aad::of_dag("a"),
        ];
        for (n, place) in places.iter().enumerate() {
            for other in &places[n + 1..] {
                assert_ne!(place.to_bytes(), other.to_bytes(), "{place} and {other}");
            }
        }
    }

    #[test]
    fn the_bytes_never_change() {
        let (saga, node) = ("s-1".parse().unwrap(), NodePath::from("pay".to_string()));
        let bytes = Aad::of_node(&saga, Some(&node), PayloadKind::Output).to_bytes();
        let expected = b"\x01\0\0\0\0\0\0\0\x06output\0\0\0\0\0\0\0\x03s-1\0\0\0\0\0\0\0\x03pay";
        assert_eq!(bytes, expected);
    }
}
