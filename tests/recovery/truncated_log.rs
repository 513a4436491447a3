//! Sagas in a `FileStore`: a log truncated anywhere, as by a crash, still leads to the same end.

use std::fs;
use std::path::Path;
use std::time::Duration;

use saga_core::SagaStatus;
use saga_core::prelude::*;
use saga_core::store::{FileStore, Store};

type Any = Box<dyn std::error::Error + Send + Sync>;

#[saga_action(undo = give_back(output))]
async fn reserve(item: &str) -> Result<u32, String> {
    Ok(item.len() as u32)
}
async fn give_back(_output: &u32) -> Result<(), String> {
    Ok(())
}

#[saga_action(undo = refund(with), retry(max = 2, base = "0ms"))]
async fn pay(with: &str) -> Result<String, String> {
    if with == "bad money" { Err("declined".into()) } else { Ok(format!("paid with {with}")) }
}
async fn refund(_with: &str) -> Result<(), String> {
    Ok(())
}

saga! {
    Buy<()>(item: String, with: String) -> String {
        let size = reserve { item };
        let paid = pay { with };
        { format!("{size}, {paid}") }
    }
}

async fn coordinator(path: &Path) -> Result<Coordinator<()>, Any> {
    let store = FileStore::open(path)?;
    Ok(Coordinator::builder(()).store(store).saga::<Buy>().build().await?)
}

/// The log of one whole run, and how it ended.
async fn run(above: &Path, with: &str) -> Result<(Vec<u8>, Result<String, String>), Any> {
    let path = above.join("whole");
    let sec = coordinator(&path).await?;
    let buy = Buy { item: "book".into(), with: with.into() };
    let end = sec.saga(buy).id("order").start().await?.await.map_err(|e| e.to_string());
    sec.shutdown(Duration::ZERO).await?;
    Ok((fs::read(path.join("saga-order.jsonl"))?, end))
}

#[tokio::test]
async fn a_log_truncated_anywhere_leads_to_the_same_end() -> Result<(), Any> {
    for (with, status) in [("gold", SagaStatus::Completed), ("bad money", SagaStatus::RolledBack)] {
        let above = tempfile::tempdir()?;
        let (log, expected) = run(above.path(), with).await?;
        assert_eq!(expected.is_ok(), with == "gold", "{expected:?}");
        let lines: Vec<usize> =
            (1..).zip(&log).filter(|(_, b)| **b == b'\n').map(|(end, _)| end).collect();
        // A saga appears with all of its first write: up to the first record.
        let lines_of_log = log.split_inclusive(|b| *b == b'\n');
        let first =
            lines_of_log.take_while(|line| !line.windows(8).any(|w| w == b"\"record\"")).count();
        let cuts: Vec<usize> =
            lines[first..].iter().flat_map(|end| [*end, end + 1, end + 70]).collect();
        assert!(cuts.len() > 20, "{} cuts", cuts.len());
        for cut in cuts {
            let torn = &log[..cut.min(log.len())];
            let path = above.path().join(format!("cut-{cut}"));
            drop(FileStore::open(&path)?);
            fs::write(path.join("saga-order.jsonl"), torn)?;

            let sec = coordinator(&path).await?;
            let found = sec.get::<Buy>("order").await?.ok_or("lost")?;
            assert_eq!(found.await.map_err(|e| e.to_string()), expected, "cut at {cut}");
            sec.shutdown(Duration::ZERO).await?;
            drop(sec);
            let stored = FileStore::open(&path)?.load(&"order".parse()?).await?.ok_or("lost")?;
            assert_eq!(stored.record.status, status, "cut at {cut}");
        }
    }
    Ok(())
}
