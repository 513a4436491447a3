//! The floor of a store in files: a saga is six records, one after the other. They are appended to one file, and
//! whatever waits shares a sync.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::thread;

use tokio::sync::oneshot;

use crate::Any;
use crate::booking::Booking;
use crate::closed_loop::{Durations, Load, closed_loop};

type Record = (Vec<u8>, oneshot::Sender<Result<(), String>>);

pub(super) async fn run(path: &Path, at_once: usize, load: Load) -> Result<Durations, Any> {
    let mut file = File::create_new(path)?;
    let (queue, waiting) = mpsc::channel::<Record>();
    thread::spawn(move || {
        while let Ok(first) = waiting.recv() {
            let (mut bytes, mut replies) = (first.0, vec![first.1]);
            for (record, reply) in waiting.try_iter() {
                bytes.extend(record);
                replies.push(reply);
            }
            let done = file.write_all(&bytes).and_then(|()| file.sync_data());
            let done = done.map_err(|error| error.to_string());
            for reply in replies {
                // nobody waits any more
                let _ = reply.send(done.clone());
            }
        }
    });
    closed_loop(at_once, load, move |number| {
        let queue = queue.clone();
        async move {
            for seq in 0..6 {
                append(&queue, number, seq).await?;
            }
            Ok(())
        }
    })
    .await
}

async fn append(queue: &Sender<Record>, number: u64, seq: u64) -> Result<(), Any> {
    let mut record = serde_json::to_vec(&(number, seq, Booking::new(number)))?;
    record.push(b'\n');
    let (reply, done) = oneshot::channel();
    queue.send((record, reply)).map_err(|_| "the writer has ended")?;
    Ok(done.await??)
}
