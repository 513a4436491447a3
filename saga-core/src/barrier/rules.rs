//! The rules: what a call does, given what the table has about its key.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::BarrierError;
use crate::context::FencingToken;
use crate::json;
use crate::log::Payload;

/// What the table has about a key.
pub(super) struct StoredCall<B> {
    /// The highest token so far.
    pub(super) token: (i64, i64),
    pub(super) undone: bool,
    /// The result of the call that succeeded, as JSON.
    pub(super) result: Option<B>,
}

impl<B: AsRef<[u8]>> StoredCall<B> {
    /// Refuses a call that comes after one with a higher token.
    pub(super) fn check<E>(
        &self,
        key: &str,
        token: FencingToken,
        (epoch, seq): (i64, i64),
    ) -> Result<(), BarrierError<E>> {
        if (epoch, seq) >= self.token {
            return Ok(());
        }
        let (epoch, seq) = (self.token.0.unsigned_abs(), self.token.1.unsigned_abs());
        let highest = FencingToken { epoch, seq };
        Err(BarrierError::Stale { key: key.to_string(), token, highest })
    }

    /// The result of an earlier call, which a repetition returns; `None` if the work is to be done.
    pub(super) fn earlier<T: DeserializeOwned, E>(
        &self,
        key: &str,
    ) -> Result<Option<T>, BarrierError<E>> {
        match self {
            Self { result: Some(json), .. } => decode(key, json.as_ref()).map(Some),
            Self { undone: true, .. } => Err(BarrierError::Undone { key: key.to_string() }),
            Self { result: None, undone: false, .. } => Ok(None),
        }
    }

    /// The result that is to be undone; `None` if there is nothing, or it has been undone.
    pub(super) fn to_undo<T: DeserializeOwned, E>(
        &self,
        key: &str,
    ) -> Result<Option<T>, BarrierError<E>> {
        let json = self.result.as_ref().filter(|_| !self.undone);
        json.map(|json| decode(key, json.as_ref())).transpose()
    }
}

/// The numbers of a token, as databases store them.
pub(super) fn columns<E>(key: &str, token: FencingToken) -> Result<(i64, i64), BarrierError<E>> {
    let number =
        |n: u64| i64::try_from(n).map_err(|_| BarrierError::Token { key: key.to_string(), token });
    Ok((number(token.epoch)?, number(token.seq)?))
}

/// The result as it is stored, and as it is read back, which is what the caller of a duplicate gets.
pub(super) fn stored<T, E>(key: &str, result: &T) -> Result<(Payload, T), BarrierError<E>>
where
    T: Serialize + DeserializeOwned,
{
    let json =
        json::write(result).map_err(|e| result_error(key, format!("does not serialize: {e}")))?;
    let result = serde_json::from_slice(json.as_bytes())
        .map_err(|_| result_error(key, "cannot be read back".to_string()))?;
    Ok((json, result))
}

fn decode<T: DeserializeOwned, E>(key: &str, json: &[u8]) -> Result<T, BarrierError<E>> {
    serde_json::from_slice(json)
        .map_err(|_| result_error(key, "is stored as another type".to_string()))
}

fn result_error<E>(key: &str, why: String) -> BarrierError<E> {
    BarrierError::Result { key: key.to_string(), why }
}
