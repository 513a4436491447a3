//! The codec: XChaCha20-Poly1305 with named keys.

use std::collections::HashMap;

use chacha20poly1305::aead::{Aead, Generate, Key, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use saga_core::store::{Aad, CodecError, PayloadCodec};

/// Encrypts with the current key, and decrypts with every key that it has.
///
/// Format: one byte with the length of the key's id, the id, a random nonce of 24 bytes, and the ciphertext with
/// its tag.
pub(crate) struct Keyring {
    current: String,
    ciphers: HashMap<String, XChaCha20Poly1305>,
}

/// 32 random bytes. In production, load keys from your secret store.
pub(crate) type Secret = Key<XChaCha20Poly1305>;

/// Generates a key.
pub(crate) fn random_key() -> Secret {
    Key::<XChaCha20Poly1305>::generate()
}

const NONCE: usize = 24;

impl Keyring {
    /// A keyring that encrypts with this key. The id has at most 255 bytes.
    pub(crate) fn new(id: &str, key: &Secret) -> Self {
        Self { current: id.to_string(), ciphers: HashMap::new() }.with_old(id, key)
    }

    /// Adds a key for decryption.
    pub(crate) fn with_old(mut self, id: &str, key: &Secret) -> Self {
        self.ciphers.insert(id.to_string(), XChaCha20Poly1305::new(key));
        self
    }

    fn cipher(&self, key_id: &str) -> Result<&XChaCha20Poly1305, CodecError> {
        let unknown = || CodecError::UnknownKey { key_id: key_id.to_string() };
        self.ciphers.get(key_id).ok_or_else(unknown)
    }
}

impl PayloadCodec for Keyring {
    fn encode(&self, plain: &[u8], aad: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        let length = u8::try_from(self.current.len()).map_err(|_| failed("the key id is long"))?;
        // nonces of this size can be random, because collisions are negligible
        let nonce = XNonce::generate();
        let sealed = self
            .cipher(&self.current)?
            .encrypt(&nonce, Payload { msg: plain, aad: &aad.to_bytes() })
            .map_err(|_| failed("it is too large"))?;
        Ok([&[length], self.current.as_bytes(), nonce.as_slice(), &sealed].concat())
    }

    fn decode(&self, stored: &[u8], aad: &Aad<'_>) -> Result<Vec<u8>, CodecError> {
        let cut = || failed("it ends too early");
        let (length, rest) = stored.split_first().ok_or_else(cut)?;
        let (id, rest) = rest.split_at_checked((*length).into()).ok_or_else(cut)?;
        let id = str::from_utf8(id).map_err(|_| failed("its key id is not text"))?;
        let (nonce, sealed) = rest.split_at_checked(NONCE).ok_or_else(cut)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| cut())?;
        self.cipher(id)?
            .decrypt(&nonce, Payload { msg: sealed, aad: &aad.to_bytes() })
            .map_err(|_| failed("it was changed, or belongs elsewhere"))
    }
}

fn failed(why: &str) -> CodecError {
    CodecError::Failed { why: why.to_string() }
}
