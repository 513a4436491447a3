//! dagx. A DAG of it runs once, so it is built for each run.

use dagx::{DagRunner, Task, TaskHandle, task};
use futures_util::future::LocalBoxFuture;

use super::Contestant;
use crate::Any;
use crate::booking::Booking;
use crate::workload::Workload;

struct First;

#[task]
impl First {
    async fn run() -> Booking {
        Booking::new(1)
    }
}

struct Next;

#[task]
impl Next {
    async fn run(before: &Booking) -> Booking {
        Booking::new(before.number + 1)
    }
}

struct Both;

#[task]
impl Both {
    async fn run(left: &Booking, right: &Booking) -> Booking {
        Booking::new(left.number + right.number)
    }
}

struct Dagx(Workload);

pub(super) fn prepare(workload: Workload) -> Option<Box<dyn Contestant>> {
    match workload {
        Workload::Chain(_) | Workload::BuiltChain(_) | Workload::FanOut(_) => {}
        Workload::Ladder(_) => {}
        // a task waits for at most eight others, and there is no `for`, no undo and no saga
        Workload::Layers(_) | Workload::For(_) | Workload::Unwind(_) | Workload::Many(_) => {
            return None;
        }
    }
    Some(Box::new(Dagx(workload)))
}

impl Dagx {
    async fn run_once(&self) -> Result<(), Any> {
        let dag = DagRunner::new();
        let first = || -> TaskHandle<Booking> { dag.add_task(First).into() };
        match self.0 {
            Workload::FanOut(width) => {
                for _ in 0..=width {
                    first();
                }
            }
            Workload::Ladder(pairs) => {
                let (mut left, mut right) = (first(), first());
                for _ in 1..pairs {
                    (left, right) = (
                        dag.add_task(Both).depends_on((&left, &right)),
                        dag.add_task(Both).depends_on((&left, &right)),
                    );
                }
                dag.add_task(Both).depends_on((&left, &right));
            }
            Workload::Chain(_)
            | Workload::BuiltChain(_)
            | Workload::Layers(_)
            | Workload::For(_)
            | Workload::Unwind(_)
            | Workload::Many(_) => {
                let mut last = first();
                for _ in 1..self.0.nodes() {
                    last = dag.add_task(Next).depends_on(last);
                }
            }
        }
        dag.run(|task| {
            tokio::spawn(task);
        })
        .await
        .map_err(|error| error.to_string().into())
    }
}

impl Contestant for Dagx {
    fn run(&self) -> LocalBoxFuture<'_, Result<(), Any>> {
        Box::pin(self.run_once())
    }
}
