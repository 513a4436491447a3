//! What a service answers when it is asked whether an action took effect.

/// The answer of a [probe](macro@crate::saga_action#asking-instead-of-repeating): whether the attempts of an action that are in
/// doubt took effect.
///
/// ```
/// use saga_core::Probe;
///
/// let found: Option<u64> = Some(7);
/// let answer = match found {
///     Some(payment) => Probe::Done(payment),
///     None => Probe::Unknown,
/// };
/// assert_eq!(answer.map(|payment| payment.to_string()), Probe::Done("7".to_string()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Probe<T> {
    /// It did, and this is its output.
    Done(T),
    /// It did not, **and never will**: the service refuses each call under this key from now on. A service that merely does not
    /// know the key yet has not said that, because the call may still be on its way; that is [`Probe::Unknown`].
    NotDone,
    /// Nobody knows.
    Unknown,
}

impl<T> Probe<T> {
    /// The same answer with another output.
    pub fn map<O>(self, output: impl FnOnce(T) -> O) -> Probe<O> {
        match self {
            Self::Done(done) => Probe::Done(output(done)),
            Self::NotDone => Probe::NotDone,
            Self::Unknown => Probe::Unknown,
        }
    }
}
