//! Operators' requests and their answers, one file each. Files are replaced atomically, so any process can leave
//! a request.
//!
//! `commands/` contains the requests without an answer. An answered request moves to `answers/`: it counts as
//! answered from the moment its file exists there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::{RequestsWithAnswers, StoreError};
use super::directory::{ANSWERS, COMMANDS, Directory};
use super::durable_files::sealed;
use super::sealed_line;
use crate::crash_points::crash_point;
use crate::log::{Answer, Request, SagaId};

/// How often the directory of requests is read again, if its files change meanwhile.
const LOOKS: u32 = 20;

#[derive(Serialize, Deserialize)]
struct WaitingRequest {
    request: Request,
    /// The run that the request is for, because another saga may get the same id later.
    #[serde(rename = "birth")]
    run_key: Uuid,
}

#[derive(Serialize, Deserialize)]
struct Answered {
    request: Request,
    answer: Answer,
}

impl Directory {
    /// Stores a request.
    pub(super) fn request(&self, request: Request) -> Result<(), StoreError> {
        let Some(found) = self.log(&request.saga)? else {
            return Err(StoreError::NotFound { saga: request.saga });
        };
        let (waits, answered) = (waiting(request.id), answered(request.id));
        if self.path(&waits).exists() || self.path(answered).exists() {
            return Ok(());
        }
        let run_key = found.saga.record.run_key;
        let bytes = sealed(&WaitingRequest { request, run_key }).map_err(|why| self.failed(why))?;
        crash_point("file.request.writing");
        self.write(&waits, &bytes)
            .map_err(|e| self.failed(format!("cannot write {}: {e}", waits.display())))?;
        crash_point("file.request.written");
        Ok(())
    }

    /// Returns the unanswered requests, ordered by time and id. `run_key_of` looks up the run key of a saga.
    pub(super) fn requests(
        &self,
        run_key_of: impl Fn(&SagaId) -> Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Request>, StoreError> {
        let mut requests = Vec::new();
        for name in self.waiting_names()? {
            let file = Path::new(COMMANDS).join(name);
            // A request left by a newer version must not hide the others.
            let Some(found) = self.sealed::<WaitingRequest>(&file)? else { continue };
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

    /// The names of the files of requests. None is missing that was there before another one of them.
    fn waiting_names(&self) -> Result<Vec<String>, StoreError> {
        let mut names = self.names(COMMANDS)?;
        // a file that appears while the directory is read may be missing, beside one that appears after it
        for _ in 0..LOOKS {
            if names.is_empty() {
                break;
            }
            let again = self.names(COMMANDS)?;
            let is_same = again == names;
            names = again;
            if is_same {
                break;
            }
        }
        Ok(names)
    }

    /// Returns all requests for a saga with their answers, ordered by time and id.
    pub(super) fn requests_of(&self, saga: &SagaId) -> Result<RequestsWithAnswers, StoreError> {
        let run_key = self.log(saga)?.map(|found| found.saga.record.run_key);
        let mut requests = Vec::new();
        for name in self.names(ANSWERS)? {
            let found = self.sealed::<Answered>(&Path::new(ANSWERS).join(name))?;
            let found = found.filter(|found| found.request.saga == *saga);
            requests.extend(found.map(|found| (found.request, Some(found.answer))));
        }
        for name in self.names(COMMANDS)? {
            let found = self.sealed::<WaitingRequest>(&Path::new(COMMANDS).join(name))?;
            let waits = found.filter(|found| {
                found.request.saga == *saga
                    && Some(found.run_key) == run_key
                    && requests.iter().all(|(answered, _)| answered.id != found.request.id)
            });
            requests.extend(waits.map(|found| (found.request, None)));
        }
        requests.sort_unstable_by_key(|(request, _)| (request.at, request.id));
        Ok(requests)
    }

    /// The sagas to which a request has no answer yet, even one that this version cannot decode.
    pub(super) fn asked(&self) -> Result<BTreeSet<SagaId>, StoreError> {
        let mut asked = BTreeSet::new();
        for name in self.waiting_names()? {
            if !self.path(Path::new(ANSWERS).join(&name)).exists() {
                let of = self.sealed::<OfSaga>(&Path::new(COMMANDS).join(name))?;
                asked.extend(of.map(|of| of.request.saga));
            }
        }
        Ok(asked)
    }

    /// True if the request exists and has not been answered.
    pub(super) fn is_waiting(&self, id: Uuid) -> bool {
        self.path(waiting(id)).exists() && !self.path(answered(id)).exists()
    }

    /// Answers a request, if it exists and has not been answered.
    pub(super) fn answer(&self, id: Uuid, answer: Answer) -> Result<(), StoreError> {
        let waits = waiting(id);
        if !self.is_waiting(id) {
            return Ok(());
        }
        let Some(WaitingRequest { request, .. }) = self.sealed(&waits)? else { return Ok(()) };
        let bytes = sealed(&Answered { request, answer }).map_err(|why| self.failed(why))?;
        let file = answered(id);
        crash_point("file.answer.writing");
        self.write(&file, &bytes)
            .map_err(|e| self.failed(format!("cannot write {}: {e}", file.display())))?;
        crash_point("file.answer.written");
        // The file of the answer decides, so this removal need not be durable.
        self.remove(&waits)
            .map_err(|e| self.failed(format!("cannot remove {}: {e}", waits.display())))?;
        crash_point("file.answer.moved");
        Ok(())
    }

    /// Returns the answer to a request, if there is one.
    pub(super) fn answer_to(&self, id: Uuid) -> Result<Option<Answer>, StoreError> {
        let file = answered(id);
        let Some(bytes) = self.read(&file)? else { return Ok(None) };
        let found = sealed_line::open(&bytes).and_then(|body| serde_json::from_slice(&body).ok());
        match found {
            Some(Answered { answer, .. }) => Ok(Some(answer)),
            None => Err(self.failed(format!(
                "{} is damaged, or was written by a newer version",
                file.display()
            ))),
        }
    }

    /// Removes the requests and answers of removed sagas.
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
            crash_point("file.requests.removed");
            self.sync_directories(&[COMMANDS, ANSWERS])
                .map_err(|e| self.failed(format!("cannot remove requests: {e}")))?;
        }
        Ok(())
    }

    /// Decodes a file of one sealed line; `None` if it cannot be decoded.
    fn sealed<T: for<'a> Deserialize<'a>>(&self, file: &Path) -> Result<Option<T>, StoreError> {
        let bytes = self.read(file)?;
        let body = bytes.as_deref().and_then(sealed_line::open);
        Ok(body.and_then(|body| serde_json::from_slice(&body).ok()))
    }
}

/// The part that the files of requests and answers have in common.
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
