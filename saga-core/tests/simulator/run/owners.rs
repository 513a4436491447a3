//! The first law: the log of a saga has no gaps, and nobody writes to it but its owner. It is checked of everything that was
//! ever durable.

use std::collections::BTreeMap;

use saga_core::SagaId;

use crate::laws::Broken;
use crate::store::Written;

/// What is known of a saga after its writes so far.
struct Log {
    next_seq: u64,
    epoch: u64,
    worker: String,
}

pub(super) fn check(written: &[Written]) -> Result<(), Broken> {
    let mut logs = BTreeMap::<&SagaId, Log>::new();
    for write in written {
        let broken = |what: String| {
            let what = format!("saga {}, entry {}: {what}", write.saga, write.first_seq);
            Err(Broken { law: "I1", what })
        };
        let worker = write.worker.as_str();
        let log = logs.entry(&write.saga).or_insert_with(|| Log {
            next_seq: 1,
            epoch: write.epoch,
            worker: worker.to_string(),
        });
        if write.epoch < log.epoch {
            return broken(format!("epoch {} after epoch {}", write.epoch, log.epoch));
        }
        if write.epoch == log.epoch && worker != log.worker {
            let (epoch, other) = (write.epoch, &log.worker);
            return broken(format!("{worker} writes in epoch {epoch}, which is that of {other}"));
        }
        (log.epoch, log.worker) = (write.epoch, worker.to_string());
        for entry in &write.entries {
            if entry.seq != log.next_seq {
                return broken(format!("entry {} where {} is expected", entry.seq, log.next_seq));
            }
            if entry.epoch != write.epoch {
                return broken(format!("entry of epoch {} in epoch {}", entry.epoch, write.epoch));
            }
            log.next_seq += 1;
        }
    }
    Ok(())
}
