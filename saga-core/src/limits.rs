//! How large things may be.

/// Limits of a coordinator. Beyond each there is a clear error that names what is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest parameters or output, in bytes of JSON; default 4 MiB.
    pub max_payload: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_payload: 4 * 1024 * 1024 }
    }
}

impl Limits {
    /// The largest parameters or output, in bytes of JSON.
    pub fn max_payload(self, bytes: usize) -> Self {
        Self { max_payload: bytes }
    }
}
