//! Threads that make files durable at the same time.
//!
//! A file system writes its own journal for every fsync. Those that wait at the same time share one write, so
//! fifty fsyncs at once take little longer than one, and fifty in a row take fifty times as long.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use super::super::io_thread::IoThread;
use super::directory::Directory;

/// More threads than this do not help: what comes next waits for the same write of the journal.
const THREADS: usize = 16;

struct SyncJob {
    number: usize,
    file: Arc<File>,
    done: Sender<(usize, io::Result<()>)>,
}

pub(super) struct SyncPool {
    directory: Directory,
    /// Started when they are first needed.
    threads: Vec<IoThread<SyncJob>>,
}

impl SyncPool {
    pub(super) fn new(directory: Directory) -> Self {
        Self { directory, threads: Vec::new() }
    }

    /// Makes the files durable, and returns one result for each, in the same order.
    pub(super) fn sync(&mut self, files: &[Arc<File>]) -> Vec<io::Result<()>> {
        if files.len() > 1 {
            self.start_threads(files.len().min(THREADS));
        }
        if files.len() <= 1 || self.threads.is_empty() {
            return files.iter().map(|file| self.directory.sync(file)).collect();
        }
        let (done, finished) = mpsc::channel();
        for ((number, file), thread) in files.iter().enumerate().zip(self.threads.iter().cycle()) {
            thread.send(SyncJob { number, file: Arc::clone(file), done: done.clone() });
        }
        drop(done);
        let died = || Err(io::Error::other("the thread that makes it durable has died"));
        let mut results: Vec<io::Result<()>> = files.iter().map(|_| died()).collect();
        for (number, result) in finished {
            if let Some(slot) = results.get_mut(number) {
                *slot = result;
            }
        }
        results
    }

    /// A thread that cannot be started is not needed.
    fn start_threads(&mut self, wanted: usize) {
        while self.threads.len() < wanted {
            let directory = self.directory.clone();
            let started = IoThread::start("saga-fsync", move |jobs| {
                for SyncJob { number, file, done } in jobs {
                    // The receiver waits for all of them.
                    let _ = done.send((number, directory.sync(&file)));
                }
            });
            match started {
                Ok(thread) => self.threads.push(thread),
                Err(_) => return,
            }
        }
    }
}
