//! Requests and answers, a file each, written whole: so any process can leave a request.
//!
//! `commands/` has what waits. An answered request moves to `answers/`; the moment at which the file
//! there exists is that at which it is answered.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::StoreError;
use super::directory::{ANSWERS, COMMANDS, Directory, sealed};
use super::sealed_line;
use crate::log::{Answer, Request, SagaId};

#[derive(Serialize, Deserialize)]
struct Waiting {
    request: Request,
    /// The run that is meant: another saga may get the same id later.
    #[serde(rename = "birth")]
    run_key: Uuid,
}

#[derive(Serialize, Deserialize)]
struct Answered {
    request: Request,
    answer: Answer,
}

impl Directory {
    /// Leaves a request.
    pub(super) fn request(&self, request: Request) -> Result<(), StoreError> {
        let Some(found) = self.log(&request.saga)? else {
            return Err(StoreError::NotFound { saga: request.saga });
        };
        let (waits, answered) = (waiting(request.id), answered(request.id));
        if self.path(&waits).exists() || self.path(answered).exists() {
            return Ok(());
        }
        let run_key = found.saga.record.run_key;
        let bytes = sealed(&Waiting { request, run_key }).map_err(|why| self.failed(why))?;
        self.write(&waits, &bytes)
            .map_err(|e| self.failed(format!("cannot write {}: {e}", waits.display())))
    }

    /// The requests that wait, by their time and id; `run_key_of` says which sagas there are.
    pub(super) fn requests(
        &self,
        run_key_of: impl Fn(&SagaId) -> Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Request>, StoreError> {
        let mut requests = Vec::new();
        for name in self.names(COMMANDS)? {
            let file = Path::new(COMMANDS).join(name);
            // One that a later version left must not keep the others from being read.
            let Some(found) = self.sealed::<Waiting>(&file)? else { continue };
            let waits = file == waiting(found.request.id)
                && run_key_of(&found.request.saga) == Some(found.run_key)
                && !self.path(answered(found.request.id)).exists();
            if waits {
                requests.push(found.request);
            }
        }
        requests.sort_unstable_by_key(|request| (request.at, request.id));
        requests.truncate(limit);
        Ok(requests)
    }

    /// True while nobody has answered this request.
    pub(super) fn is_waiting(&self, id: Uuid) -> bool {
        self.path(waiting(id)).exists() && !self.path(answered(id)).exists()
    }

    /// Answers a request, if it waits.
    pub(super) fn answer(&self, id: Uuid, answer: Answer) -> Result<(), StoreError> {
        let waits = waiting(id);
        if !self.is_waiting(id) {
            return Ok(());
        }
        let Some(Waiting { request, .. }) = self.sealed(&waits)? else { return Ok(()) };
        let bytes = sealed(&Answered { request, answer }).map_err(|why| self.failed(why))?;
        let file = answered(id);
        self.write(&file, &bytes)
            .map_err(|e| self.failed(format!("cannot write {}: {e}", file.display())))?;
        // The answer's file has made it answered already: this need not be durable.
        self.remove(&waits)
            .map_err(|e| self.failed(format!("cannot remove {}: {e}", waits.display())))
    }

    /// The answer to a request, if there is one.
    pub(super) fn answer_to(&self, id: Uuid) -> Result<Option<Answer>, StoreError> {
        let file = answered(id);
        let Some(bytes) = self.read(&file)? else { return Ok(None) };
        let found = sealed_line::open(&bytes).and_then(|body| serde_json::from_slice(&body).ok());
        match found {
            Some(Answered { answer, .. }) => Ok(Some(answer)),
            None => Err(self.failed(format!(
                "{} is damaged, or was written by a later version",
                file.display()
            ))),
        }
    }

    /// Removes the requests and answers of sagas that are gone.
    pub(super) fn remove_requests(&self, gone: impl Fn(&SagaId) -> bool) -> Result<(), StoreError> {
        let mut removed = false;
        for below in [COMMANDS, ANSWERS] {
            for name in self.names(below)? {
                let file = Path::new(below).join(name);
                let of = self.sealed::<OfSaga>(&file)?.map(|of| of.request.saga);
                if of.is_some_and(|saga| gone(&saga)) {
                    removed = true;
                    self.remove(&file).map_err(|e| {
                        self.failed(format!("cannot remove {}: {e}", file.display()))
                    })?;
                }
            }
        }
        if removed {
            self.sync_all(&[COMMANDS, ANSWERS])
                .map_err(|e| self.failed(format!("cannot remove requests: {e}")))?;
        }
        Ok(())
    }

    /// What one sealed line says; none if it cannot be read.
    fn sealed<T: for<'a> Deserialize<'a>>(&self, file: &Path) -> Result<Option<T>, StoreError> {
        let bytes = self.read(file)?;
        let body = bytes.as_deref().and_then(sealed_line::open);
        Ok(body.and_then(|body| serde_json::from_slice(&body).ok()))
    }
}

/// What requests and answers have in common.
#[derive(Deserialize)]
struct OfSaga {
    request: OfRequest,
}

#[derive(Deserialize)]
struct OfRequest {
    saga: SagaId,
}

fn waiting(id: Uuid) -> PathBuf {
    Path::new(COMMANDS).join(format!("{id}.json"))
}

fn answered(id: Uuid) -> PathBuf {
    Path::new(ANSWERS).join(format!("{id}.json"))
}
