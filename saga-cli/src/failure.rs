//! How the program ends, and what it says if it could not do what it was asked.

use std::process::ExitCode;

use saga_core::operator::OperateError;
use saga_core::store::StoreError;

use crate::text::escape::plain;

/// The exit codes. `EXIT_CODES` in `args` documents them, and a test compares the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked is done, or there was nothing to do.
    Done,
    /// The store could not be read or written, or something else went wrong.
    Error,
    /// The command line makes no sense.
    Usage,
    /// There is no such saga.
    NotFound,
    /// The saga refused the request.
    Refused,
    /// The request is in the store, and nobody has answered yet.
    Unanswered,
    /// Some requests of a batch were not carried out.
    Some,
    /// Nobody has confirmed.
    NotConfirmed,
    /// The doctor found something.
    Findings,
    /// What was tried again has failed again.
    FailedAgain,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Refused => 4,
            Self::Unanswered => 5,
            Self::Some => 6,
            Self::NotConfirmed => 7,
            Self::Findings => 8,
            Self::FailedAgain => 9,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What is wrong and what to do about it; may hold text of others.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    pub(crate) fn error(message: impl Into<String>) -> Self {
        Self::new(Exit::Error, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The message as a line.
    pub(crate) fn line(&self) -> String {
        plain(&self.message)
    }
}

impl From<OperateError> for Failure {
    fn from(error: OperateError) -> Self {
        let exit = match &error {
            OperateError::InvalidId(_)
            | OperateError::TooLong { .. }
            | OperateError::Unfit { .. } => Exit::Usage,
            OperateError::NotFound { .. } => Exit::NotFound,
            OperateError::Refused { .. } => Exit::Refused,
            OperateError::Unanswered { .. } => Exit::Unanswered,
            OperateError::NotCarriedOut { .. }
            | OperateError::StoreSilent { .. }
            | OperateError::UnknownVersion { .. }
            | OperateError::Runtime(_)
            | OperateError::ShutDown
            | OperateError::Store(_)
            // the library may get more of them
            | _ => Exit::Error,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        OperateError::from(error).into()
    }
}
