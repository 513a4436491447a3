//! All runs of a saga, and for each that it does not survive, the shortest one that shows it.

use super::SagaTest;
use super::ended::Ended;
use super::plan::{self, Case};
use super::report::{Failure, TestReport};
use super::run::RunEnd;
use super::schedule::Schedule;
use super::verdict::{Flaw, Verdict, verdict_of};
use crate::dag::DEFAULT_MAX_NODES;
use crate::typed::{Saga, define};

impl<S: Saga> SagaTest<S> {
    pub(super) fn all<I>(&self, invariant: &I) -> TestReport
    where
        I: AsyncFn(&Ended<S>),
    {
        let plain = self.run(&Schedule::default(), invariant);
        let mut report = TestReport::new(S::NAME, plain.seen.appends.clone());
        report.set_opaque(plain.seen.purity.opaque.clone());
        let none = plan::nothing();
        let mut verdict = self.single(&none.schedule, invariant);
        if let Verdict::Good(RunEnd::RolledBack(why)) = &verdict
            && !self.rolls_back
        {
            let why = format!(
                "it is rolled back ({why}); if that is as it should be, say so with `SagaTest::rolls_back`"
            );
            verdict = Verdict::Bad(Flaw { shows_alone: false, ..Flaw::of(&plain, why) });
        }
        let orders = match plain.seen.most_in_flight {
            0 | 1 => 1,
            _ => self.interleavings,
        };
        // calls that end at the same time share an append, and in another order each has its own
        let mut most = plain.seen.appends.len();
        let mut none = none;
        for seed in 1..orders {
            if verdict.flaw().is_some() {
                break;
            }
            none.schedule.seed = seed;
            most = most.max(self.run(&none.schedule, invariant).seen.appends.len());
            verdict = self.single(&none.schedule, invariant);
        }
        let is_good = matches!(verdict, Verdict::Good(_));
        self.record(&mut report, none, verdict, invariant);
        if !is_good {
            // everything else would show the same
            return report;
        }
        let actions = plan::actions(&plain.seen);
        let mut cases = actions.iter().flat_map(plan::of_action).collect::<Vec<_>>();
        for action in &actions {
            let undo = plan::of_undo(action);
            // the undo of what comes after a pivot never runs
            let is_undone = undo.first().is_some_and(|first| {
                // the first thing that goes wrong is what leads to the undo
                let mut cancelled = first.schedule.clone();
                cancelled.injections.truncate(1);
                let run = self.run(&cancelled, invariant);
                run.seen.calls.iter().any(|call| call.undo && call.node == action.node)
            });
            if is_undone {
                cases.extend(undo);
            }
        }
        cases.extend(plan::of_appends(most));
        if let (RunEnd::Completed, Some(rollback)) = (&plain.end, plan::rollback(&actions)) {
            let appends =
                |seed| self.run(&Schedule { seed, ..rollback.clone() }, invariant).seen.appends;
            let most = (1..orders).map(|seed| appends(seed).len()).max().unwrap_or_default();
            let appends = appends(0);
            let most = most.max(appends.len());
            let by_pivot = rollback.injections.iter().any(|injection| {
                let mut fails = actions.iter().filter(|action| action.node == injection.node);
                let is_known = fails.any(|action| action.policy.transaction.is_some());
                is_pivot::<S>(&injection.node) && !is_known
            });
            cases.extend(plan::of_rollback(most, &rollback, by_pivot));
            report.set_rollback(appends);
        }
        for case in cases {
            let mut case = case;
            let mut verdict = self.verdict(&case, invariant);
            for seed in 1..orders {
                if !matches!(verdict, Verdict::Good(_) | Verdict::Absent(_)) {
                    break;
                }
                case.schedule.seed = seed;
                match self.verdict(&case, invariant) {
                    // it was there in another order
                    Verdict::Absent(_) => {}
                    other @ (Verdict::Good(_) | Verdict::NotReached(_) | Verdict::Bad(_)) => {
                        verdict = other
                    }
                }
            }
            self.record(&mut report, case, verdict, invariant);
        }
        report.set_unused(self.mocks.never_called());
        report
    }

    fn verdict<I>(&self, case: &Case, invariant: &I) -> Verdict
    where
        I: AsyncFn(&Ended<S>),
    {
        verdict_of(&case.schedule, case.may_need_a_human, &self.run(&case.schedule, invariant))
    }

    fn record<I>(&self, report: &mut TestReport, case: Case, verdict: Verdict, invariant: &I)
    where
        I: AsyncFn(&Ended<S>),
    {
        match &verdict {
            Verdict::Good(_) | Verdict::Absent(_) => {}
            Verdict::NotReached(why) => {
                let (why, test) = (why.clone(), Some(self.pasted(&case.schedule)));
                let place = report.place(&case.place, None);
                report.fail(Failure { place, what: case.what.clone(), why, test });
            }
            Verdict::Bad(flaw) => {
                let (schedule, shortest) = self.shortest(&case.schedule, flaw, invariant);
                let test = shortest.shows_alone.then(|| self.pasted(&schedule));
                let place = report.place(&case.place, flaw.append.as_deref());
                let why = shortest.to_string();
                report.fail(Failure { place, what: case.what.clone(), why, test });
            }
        }
        report.add(case, verdict);
    }

    /// The shortest schedule in which the same mistake shows when the saga is run by itself, and how it shows there. Another
    /// mistake that a shorter schedule shows is not the one to report here.
    fn shortest<I>(&self, schedule: &Schedule, flaw: &Flaw, invariant: &I) -> (Schedule, Flaw)
    where
        I: AsyncFn(&Ended<S>),
    {
        let (mut schedule, mut shown) = (schedule.clone(), flaw.clone());
        let kind = flaw.kind();
        loop {
            let shorter = schedule.shorter().into_iter().find_map(|shorter| {
                let verdict = self.single(&shorter, invariant);
                let flaw = verdict.flaw().filter(|flaw| flaw.kind() == kind)?;
                Some((shorter, flaw.clone()))
            });
            match shorter {
                Some(shorter) => (schedule, shown) = shorter,
                None => return (schedule, shown),
            }
        }
    }
}

/// True for the point of no return.
fn is_pivot<S: Saga>(node: &str) -> bool {
    // a saga that cannot be built has no runs either
    let dag = define::<S>(DEFAULT_MAX_NODES, Vec::new()).ok();
    dag.is_some_and(|dag| dag.pivot().is_some() && dag.pivot() == dag.node_index(node))
}
