//! Runs sagas so that a fixed number of them is under way at any time.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Any;
use crate::measure::quantile;

/// When to stop starting sagas.
#[derive(Debug, Clone, Copy)]
pub enum Load {
    /// After so many.
    Count(usize),
    /// After so much time.
    Time(Duration),
}

/// How long sagas took.
#[derive(Debug, Clone)]
pub struct Durations {
    /// From the start of the first saga to the end of the last.
    pub total: Duration,
    /// Of each saga, from before its start to after its end, in milliseconds, sorted.
    pub each: Vec<f64>,
}

impl Durations {
    /// Sagas per second.
    pub fn rate(&self) -> f64 {
        self.each.len() as f64 / self.total.as_secs_f64()
    }

    /// The time that this share of the sagas took at most, in milliseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        quantile(&self.each, share)
    }
}

/// Runs sagas, so many at once, on the runtime that calls it. `run` gets a number that no other call gets.
///
/// # Errors
/// The first error of a saga.
pub async fn closed_loop<F, R>(at_once: usize, load: Load, run: F) -> Result<Durations, Any>
where
    F: Fn(u64) -> R + Clone + Send + 'static,
    R: Future<Output = Result<(), Any>> + Send,
{
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for task in 0..at_once {
        let run = run.clone();
        let count = match load {
            Load::Count(sagas) => sagas / at_once + usize::from(task < sagas % at_once),
            Load::Time(_) => usize::MAX,
        };
        tasks.spawn(async move {
            let mut each = Vec::new();
            for round in 0..count {
                if let Load::Time(time) = load
                    && begin.elapsed() >= time
                {
                    break;
                }
                let started = Instant::now();
                run((round * at_once + task) as u64).await?;
                each.push(started.elapsed().as_secs_f64() * 1e3);
            }
            Ok::<_, Any>(each)
        });
    }
    let mut each = Vec::new();
    while let Some(done) = tasks.join_next().await {
        each.extend(done??);
    }
    let total = begin.elapsed();
    each.sort_by(f64::total_cmp);
    Ok(Durations { total, each })
}
