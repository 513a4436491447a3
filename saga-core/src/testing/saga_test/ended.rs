//! What an invariant sees.

use std::sync::Arc;

#[cfg(feature = "sqlite")]
use rusqlite::Connection;

#[cfg(feature = "sqlite")]
use super::{database::Database, fail};
use crate::coordinator::inspect::SagaView;
use crate::error::{NodeReport, SagaError};
use crate::typed::Saga;

/// A saga that has completed or was rolled back, for the invariant of a [`SagaTest`](super::SagaTest).
pub struct Ended<S: Saga> {
    context: Arc<S::Context>,
    result: Result<S::Output, SagaError>,
    view: Option<SagaView>,
    #[cfg(feature = "sqlite")]
    database: Option<Arc<Database>>,
}

impl<S: Saga> Ended<S> {
    pub(super) fn new(
        context: Arc<S::Context>,
        result: Result<S::Output, SagaError>,
        view: Option<SagaView>,
    ) -> Self {
        Self {
            context,
            result,
            view,
            #[cfg(feature = "sqlite")]
            database: None,
        }
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn with_database(self, database: Option<Arc<Database>>) -> Self {
        Self { database, ..self }
    }

    /// Looks at the tables of this run: see [`SagaTest::sqlite`](super::SagaTest::sqlite). The transactions of its actions are
    /// committed.
    ///
    /// # Panics
    /// If the test has no tables.
    #[cfg(feature = "sqlite")]
    #[track_caller]
    pub fn sqlite<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        match &self.database {
            Some(database) => look(&database.connection()),
            None => {
                fail("this test has no tables; create them with `SagaTest::sqlite`".to_string())
            }
        }
    }

    /// The context of this run, with whatever stands for the outside world in it.
    pub fn context(&self) -> &S::Context {
        &self.context
    }

    /// The saga's output, or why it was rolled back.
    pub fn result(&self) -> &Result<S::Output, SagaError> {
        &self.result
    }

    /// True if the saga completed, false if it was rolled back.
    pub fn completed(&self) -> bool {
        self.result.is_ok()
    }

    /// What each node did.
    pub fn nodes(&self) -> &[NodeReport] {
        self.view.as_ref().map_or(&[], |view| &view.nodes)
    }

    /// The saga as text in which nothing changes from run to run: see [`SagaView::pretty`]. It is for tests that compare it
    /// with a snapshot.
    pub fn pretty(&self) -> String {
        self.view.as_ref().map(SagaView::pretty).unwrap_or_default()
    }
}
